"""Newline-delimited JSON: any portions give the same lines, any pieces the same text."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claudeproxy.cli.lines import LineSplitter, LineTooLong, WholeCharacters, encode


# A fresh checkout builds Hypothesis' tables first, and a busy machine takes its time.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

LIMIT = 100
# The two halves of a parrot.
HIGH, LOW = "\ud83e", "\udd9c"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(place for place in places if place < len(data))})
    return [data[start:end] for start, end in pairwise(at)]


def fed(splitter: LineSplitter, portions: list[bytes]) -> list[bytes]:
    return [line for portion in portions for line in splitter.feed(portion)]


# LineSplitter


@calm
@given(
    st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=8),
    st.binary(max_size=20).map(lambda rest: rest.replace(b"\n", b"")),
    st.lists(st.integers(0, 200)),
)
def test_any_portions_give_the_same_lines(
    lines: list[bytes], rest: bytes, places: list[int]
) -> None:
    data = b"".join(line + b"\n" for line in lines) + rest
    splitter = LineSplitter(LIMIT)
    assert fed(splitter, cut(data, places)) == lines
    assert list(splitter.feed(b"\n")) == [rest]


def test_nothing_gives_nothing() -> None:
    splitter = LineSplitter(LIMIT)
    assert list(splitter.feed(b"")) == []
    assert list(splitter.feed(b"a")) == []
    assert list(splitter.feed(b"")) == []
    assert list(splitter.feed(b"\n")) == [b"a"]


def test_other_ends_of_lines_are_none() -> None:
    line = "a\rb\x0b\x0c\x1c\x85\u2028\u2029c".encode()
    assert list(LineSplitter(LIMIT).feed(line + b"\n")) == [line]


def test_a_line_of_ten_megabytes_comes_whole_out_of_small_reads() -> None:
    line = bytes(range(11, 256)) * (10 * 1024 * 1024 // 245)
    data = line + b"\nnext\n"
    portions = [data[at : at + 8192] for at in range(0, len(data), 8192)]
    assert fed(LineSplitter(64 * 1024 * 1024), portions) == [line, b"next"]


def test_a_line_may_be_as_long_as_the_limit() -> None:
    assert list(LineSplitter(LIMIT).feed(b"x" * LIMIT + b"\n")) == [b"x" * LIMIT]


def test_many_lines_may_be_longer_than_the_limit_together() -> None:
    lines = [b"x" * LIMIT] * 5
    splitter = LineSplitter(LIMIT)
    assert fed(splitter, [line + b"\n" for line in lines]) == lines
    assert list(splitter.feed(b"\n".join(lines) + b"\n")) == lines


@pytest.mark.parametrize("size", [1, 7, LIMIT, LIMIT + 1, 1000])
@pytest.mark.parametrize("end", [b"", b"\n", b"\nmore\n"])
@pytest.mark.parametrize("start", [b"", b"before\n"])
def test_a_longer_line_is_refused_however_it_comes(start: bytes, end: bytes, size: int) -> None:
    data = start + b"x" * (LIMIT + 1) + end
    with pytest.raises(LineTooLong, match=r"^a line of more than 100 bytes$"):
        fed(LineSplitter(LIMIT), [data[at : at + size] for at in range(0, len(data), size)])


# encode


@pytest.mark.parametrize(
    "text", ["\n", "\r\n", "\u2028\u2029\x85", "🦜漢字", "\ud83e", "\x00\x1b\x7f", '"\\']
)
def test_a_message_is_one_line_of_ascii(text: str) -> None:
    line = encode({"text": text})
    assert line.isascii()
    assert line.decode("ascii").splitlines(keepends=True) == [line.decode("ascii")]
    assert line.endswith(b"}\n")
    assert json.loads(line) == {"text": text}


@calm
@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers() | st.none()))
def test_what_is_encoded_is_split_into_what_it_was(message: dict[str, Any]) -> None:
    (line,) = LineSplitter(LIMIT * LIMIT).feed(encode(message))
    assert json.loads(line) == message


# WholeCharacters

# Text as Python's json gives it for a CLI that cuts between the halves of a pair.
halved = st.text(
    st.characters(codec=None)  # All code points, surrogates too.
    | st.sampled_from([HIGH, LOW, "🦜", "a"]),
    max_size=12,
)


def whole(pieces: list[str]) -> str:
    characters = WholeCharacters()
    return "".join([*map(characters.feed, pieces), characters.flush()])


def halves(text: str) -> str:
    """The same text with every pair in halves, as UTF-16 has it."""
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(chr(int.from_bytes(units[at : at + 2], "big")) for at in range(0, len(units), 2))


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([], ""),
        ([""], ""),
        (["plain"], "plain"),
        (["🦜"], "🦜"),
        ([HIGH + LOW], "🦜"),
        ([HIGH, LOW], "🦜"),
        (["a" + HIGH, "", LOW + "b"], "a🦜b"),
        ([HIGH], "\ufffd"),
        ([LOW], "\ufffd"),
        ([HIGH + "a"], "\ufffda"),
        ([HIGH, "a"], "\ufffda"),
        ([HIGH, HIGH, LOW], "\ufffd🦜"),
        ([LOW + HIGH], "\ufffd\ufffd"),
        ([HIGH, "é"], "\ufffdé"),
    ],
)
def test_halves_are_joined_and_lone_ones_replaced(pieces: list[str], text: str) -> None:
    assert whole(pieces) == text


@calm
@given(halved, st.lists(st.integers(0, 30)))
def test_any_pieces_give_the_same_whole_text(text: str, places: list[int]) -> None:
    units = halves(text)
    at = sorted({0, len(units), *(place for place in places if place < len(units))})
    pieces = [units[start:end] for start, end in pairwise(at)]
    assert whole(pieces) == text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@calm
@given(st.text(), st.lists(st.integers(0, 60)))
def test_whole_text_is_never_changed(text: str, places: list[int]) -> None:
    units = halves(text)
    at = sorted({0, len(units), *(place for place in places if place < len(units))})
    assert whole([units[start:end] for start, end in pairwise(at)]) == text


@calm
@given(st.lists(halved, max_size=6))
def test_every_piece_that_comes_out_can_be_encoded(pieces: list[str]) -> None:
    characters = WholeCharacters()
    for piece in pieces:
        characters.feed(piece).encode("utf-8")
    characters.flush().encode("utf-8")


def test_only_half_a_character_is_held_back() -> None:
    characters = WholeCharacters()
    assert characters.feed("abc" + HIGH) == "abc"
    assert characters.feed(LOW + "def") == "🦜def"
    assert characters.flush() == ""


def test_what_was_flushed_is_gone() -> None:
    characters = WholeCharacters()
    assert characters.feed(HIGH) == ""
    assert characters.flush() == "\ufffd"
    assert characters.flush() == ""
    assert characters.feed("a") == "a"
