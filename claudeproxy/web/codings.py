"""Content codings of request bodies (RFC 9110, section 8.4.1), unpacked as the data comes.

A body is unpacked in small pieces. So the one who keeps them can stop at a limit, whatever the rest
would become, and the reactor is held up only for as much as one read has brought.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from ..errors import APIError, bad_request
from .paths import excerpt


# The size of a piece, in bytes.
PIECE = 64 * 1024
# The largest window of zstd as a content coding, as a power of two (RFC 9659): 8 MiB.
ZSTD_WINDOW = 23
LONGEST_CODING = 60


def _optional(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


# In the standard library since Python 3.14, and optional there.
zstd = _optional("compression.zstd")
FAULTS = (zlib.error,) if zstd is None else (zlib.error, zstd.ZstdError)


def _gzip(first: int) -> Any:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def _deflate(first: int) -> Any:
    # It should be in zlib's format, but some clients send it without. In that format these bits
    # are 8, with which no stream without it begins.
    return zlib.decompressobj(zlib.MAX_WBITS if first & 0x0F == 8 else -zlib.MAX_WBITS)


def _zstandard(first: int) -> Any:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW})


# For each coding, what makes an object that unpacks it, given the first byte.
CODINGS: Mapping[str, Callable[[int], Any]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    **({} if zstd is None else {"zstd": _zstandard}),
}
ALIASES = {"x-gzip": "gzip"}


def coding_of(values: Sequence[str]) -> str | None:
    """Return the coding that these Content-Encoding headers name, None for a plain body.

    Raises a 415 for an unknown one, and for several.
    """
    named = [part.strip().lower() for value in values for part in value.split(",")]
    codings = [ALIASES.get(name, name) for name in named if name not in ("", "identity")]
    if not codings:
        return None
    if len(codings) == 1 and codings[0] in CODINGS:
        return codings[0]
    raise APIError(
        415,
        f"The Content-Encoding of the request body is {excerpt(', '.join(named), LONGEST_CODING)}. "
        f"This server takes one of {', '.join(CODINGS)}, or a body that is not encoded.",
    )


class Unpacker:
    """Unpacks one body."""

    def __init__(self, coding: str) -> None:
        """coding: one of CODINGS."""
        self._coding = coding
        self._stream: Any = None
        self._fault = ""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Unpack more data; yields pieces of up to PIECE bytes. After a fault it yields none."""
        if self._fault or not data:
            return
        if self._stream is None:
            self._stream = CODINGS[self._coding](data[0])
        elif self._stream.eof:
            self._fault = "there is more data behind its end"
            return
        try:
            yield from self._pieces(data)
        except FAULTS:
            self._fault = "it is damaged or has another format"
        else:
            if self._stream.unused_data:
                self._fault = "there is more data behind its end"

    def finish(self) -> None:
        """The body has ended; raises a 400 if it could not be unpacked to its end."""
        if not self._fault and (self._stream is None or not self._stream.eof):
            self._fault = "it is cut short"
        if self._fault:
            raise bad_request(
                f"The request body cannot be unpacked as {self._coding}: {self._fault}."
            )

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        stream = self._stream
        while True:
            piece = stream.decompress(data, PIECE)
            # zlib returns the rest of the data, zstd keeps it.
            data = getattr(stream, "unconsumed_tail", b"")
            if piece:
                yield piece
            if stream.eof or len(piece) < PIECE:
                return
