"""Reads and writes newline-delimited JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


# Enough for a line with an image of 32 MB in base64.
LONGEST_LINE = 64 * 1024 * 1024


class BadLine(Exception):
    """A line cannot be read. The rest of the stream cannot be used."""


class LineTooLong(BadLine):
    """A line is longer than the limit."""


class LineSplitter:
    """Splits a byte stream into lines in linear time.

    A line can have many megabytes (a tool's result, an image) and arrives in pieces of a few
    kilobytes, so no method may scan or copy earlier pieces again.
    """

    def __init__(self, limit: int) -> None:
        """limit: the maximum length of a line, in bytes."""
        self._limit = limit
        self._pieces: list[bytes] = []
        self._held = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that `data` completes, without their newlines; raise LineTooLong."""
        first, *rest = data.split(b"\n")
        self._hold(first)
        if not rest:
            return
        line, last = b"".join(self._pieces), rest.pop()
        self._pieces, self._held = [], 0
        yield line
        if len(data) <= self._limit:
            yield from rest
        else:
            for line in rest:
                self._check(len(line))
                yield line
        self._hold(last)

    def _hold(self, piece: bytes) -> None:
        self._held += len(piece)
        self._check(self._held)
        self._pieces.append(piece)

    def _check(self, length: int) -> None:
        if length > self._limit:
            raise LineTooLong(f"a line of more than {self._limit} bytes")


def encode(message: dict[str, Any]) -> bytes:
    """Return a message as a line, in ASCII, so that no other character can look like a line end."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


class WholeCharacters:
    """Joins surrogate pairs that are split between two pieces of a text.

    The CLI can split the surrogate pair of an emoji over two lines (seen on 2.1.197 and 2.1.330),
    and a lone surrogate cannot be encoded. A surrogate without its other half becomes U+FFFD.
    """

    def __init__(self) -> None:
        """half: the high surrogate that is held back, if there is one."""
        self.half = ""

    def feed(self, text: str) -> str:
        """Return the text so far, without a high surrogate at its end."""
        if self.half:
            text, self.half = self.half + text, ""
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            if "\ud800" <= text[-1] <= "\udbff":
                text, self.half = text[:-1], text[-1]
            return _joined(text)
        # It has no surrogates.
        return text

    def flush(self) -> str:
        """Return what was held back, at the end of the input."""
        half, self.half = self.half, ""
        return _joined(half)


def _joined(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
