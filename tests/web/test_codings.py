"""Bodies with a Content-Encoding: whole, in pieces, damaged, and far larger inside."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from claudeproxy.errors import APIError
from claudeproxy.web import codings
from claudeproxy.web.codings import CODINGS, PIECE, Unpacker, coding_of


TEXT = b'{"model": "sonnet", "n": [1, 2, 3]}' * 5000


def raw_deflate(data: bytes, level: int = -1) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("gzip", lambda data: gzip.compress(data, 0)),
    ("deflate", zlib.compress),
    *(("deflate", lambda data, level=level: zlib.compress(data, level)) for level in (0, 1, 9)),
    *(("deflate", lambda data, level=level: raw_deflate(data, level)) for level in (0, 1, 6, 9)),
]
if codings.zstd is not None:
    PACKERS.append(("zstd", codings.zstd.compress))
packed = pytest.mark.parametrize(("coding", "pack"), PACKERS)


def unpacked(coding: str, data: bytes, step: int = 1 << 20) -> bytes:
    unpacker = Unpacker(coding)
    found = [
        piece for at in range(0, len(data), step) for piece in unpacker.feed(data[at : at + step])
    ]
    assert all(0 < len(piece) <= PIECE for piece in found)
    unpacker.finish()
    return b"".join(found)


def fault(coding: str, data: bytes, step: int = 1 << 20) -> str:
    with pytest.raises(APIError) as caught:
        unpacked(coding, data, step)
    assert caught.value.status == 400
    assert f"cannot be unpacked as {coding}: " in caught.value.message
    return caught.value.message


@packed
@pytest.mark.parametrize("text", [b"", b"{}", TEXT, b"\0" * 1_000_000, bytes(range(256)) * 300])
def test_a_body_is_unpacked_however_it_comes(
    coding: str, pack: Callable[[bytes], bytes], text: bytes
) -> None:
    data = pack(text)
    for step in (len(data), 1000) if len(data) > 5000 else (len(data), 1000, 7, 1):
        assert unpacked(coding, data, step) == text


@packed
def test_a_body_that_is_cut_short_is_a_400(coding: str, pack: Callable[[bytes], bytes]) -> None:
    data = pack(TEXT)
    for length in (0, 1, 2, 5, 20, len(data) // 2, len(data) - 4, len(data) - 1):
        assert "cut short" in fault(coding, data[:length])


@packed
def test_data_behind_the_end_is_a_400(coding: str, pack: Callable[[bytes], bytes]) -> None:
    data = pack(TEXT)
    for more in (b"\0", b"garbage", data, b"\0" * 100_000):
        for step in (1 << 20, len(data), 1000):
            assert "more data behind its end" in fault(coding, data + more, step)


@packed
def test_another_format_is_a_400(coding: str, pack: Callable[[bytes], bytes]) -> None:
    # As raw deflate, `{` is the first byte of a block that is not finished.
    for data in (TEXT, b"\xff" * 100, b"\x1f\x8b" + b"\xff" * 100, b"\x78\x9c" + b"\xff" * 100):
        assert fault(coding, data)
    assert fault("gzip", zlib.compress(TEXT))
    assert fault("deflate", gzip.compress(TEXT))


def test_a_wrong_checksum_is_a_400() -> None:
    for coding, data in (("gzip", gzip.compress(TEXT)), ("deflate", zlib.compress(TEXT))):
        wrong = data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]
        if coding == "deflate":
            wrong = data[:-1] + bytes([data[-1] ^ 1])
        assert "damaged" in fault(coding, wrong)
    # A preset dictionary, which nobody has.
    packer = zlib.compressobj(zdict=b"model")
    assert "damaged" in fault("deflate", packer.compress(TEXT) + packer.flush())


@packed
def test_unpacking_can_stop_at_any_piece(coding: str, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(b"\0" * 20_000_000)
    pieces = Unpacker(coding).feed(bomb)
    tracemalloc.start()
    try:
        assert sum(len(next(pieces)) for _ in range(10)) <= 10 * PIECE
        assert tracemalloc.get_traced_memory()[1] < 2 * len(bomb) + 1_000_000
    finally:
        tracemalloc.stop()


def test_the_coding_is_what_the_headers_name() -> None:
    for values in ((), ("",), ("identity",), ("Identity ,",), ("identity", "identity")):
        assert coding_of(values) is None
    for name in (*CODINGS, "GZIP", " gzip ", "identity, gzip"):
        assert coding_of([name]) == name.split(",")[-1].strip().lower()
    assert coding_of(["x-gzip"]) == "gzip"


@pytest.mark.parametrize(
    "values",
    [
        *(["br"], ["compress"], ["x"], ["*"], ["gzip;q=1"], ["gzip, gzip"], ["gzip", "gzip"]),
        *(["gzip, deflate"], ["deflate", "identity", "gzip"], ["gzip, br"]),
    ],
)
def test_another_coding_and_several_are_a_415(values: list[str]) -> None:
    with pytest.raises(APIError) as caught:
        coding_of(values)
    assert caught.value.status == 415
    assert ", ".join(values).replace(";q=1", ";q=1").split()[0] in caught.value.message
    assert "takes one of gzip, deflate" in caught.value.message


def test_what_a_refusal_quotes_is_escaped_and_bounded() -> None:
    with pytest.raises(APIError) as caught:
        coding_of(["<b>\x1b" + "a" * 10_000])
    assert "%3Cb%3E%1Baaa" in caught.value.message
    assert len(caught.value.message) < 300


def test_zstd_is_taken_if_python_has_it() -> None:
    assert ("zstd" in CODINGS) is (codings.zstd is not None)


@pytest.mark.skipif(codings.zstd is None, reason="Python has no compression.zstd")
def test_zstd_with_a_large_window_is_a_400() -> None:
    zstd: Any = codings.zstd
    options = {
        zstd.CompressionParameter.window_log: 27,
        zstd.CompressionParameter.compression_level: 1,
    }
    packer = zstd.ZstdCompressor(options=options)
    data = packer.compress(TEXT) + packer.compress(TEXT * 100) + packer.flush()
    assert "damaged or has another format" in fault("zstd", data)
