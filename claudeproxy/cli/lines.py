"""Newline-delimited JSON, both ways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


# An image of 32 MB in base64, echoed once, with room to spare.
LONGEST_LINE = 64 * 1024 * 1024


class LineTooLong(Exception):
    """A line grew past the limit; what follows it cannot be trusted."""


class LineSplitter:
    """Cuts a byte stream into lines, looking at every byte once.

    A line can be many megabytes (a tool's result, an image), and arrives in reads of a few
    kilobytes, so nothing here may scan or copy what it has already seen.
    """

    def __init__(self, limit: int) -> None:
        """limit: the longest line, in bytes."""
        self._limit = limit
        self._pieces: list[bytes] = []
        self._held = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that `data` completes, without their newline; raises LineTooLong."""
        first, *rest = data.split(b"\n")
        self._hold(first)
        for piece in rest:
            line = b"".join(self._pieces)
            self._pieces, self._held = [], 0
            yield line
            self._hold(piece)

    def _hold(self, piece: bytes) -> None:
        self._held += len(piece)
        if self._held > self._limit:
            raise LineTooLong(f"a line of more than {self._limit} bytes")
        self._pieces.append(piece)


def encode(message: dict[str, Any]) -> bytes:
    """One message as a line. Pure ASCII: no character in it can be taken for a line's end."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


class WholeCharacters:
    """Text that comes in pieces, given on with no character cut in two.

    The CLI can split an emoji's surrogate pair over two lines (seen on 2.1.197 and 2.1.330); half
    of one cannot be encoded. A half that never meets its other becomes U+FFFD.
    """

    def __init__(self) -> None:
        """Nothing is held at first."""
        self._half = ""

    def feed(self, text: str) -> str:
        """All of the text so far that is whole."""
        text, self._half = self._half + text, ""
        if text.isascii():
            return text
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return _joined(text)

    def flush(self) -> str:
        """What is left at the end."""
        half, self._half = self._half, ""
        return _joined(half)


def _joined(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
