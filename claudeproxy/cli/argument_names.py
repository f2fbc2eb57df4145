"""The names in the JSON text of a call's arguments, replaced while the text comes in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping


_OUTSIDE_STRINGS = re.compile(r'["{}\[\],]')
# An escape can be cut in two.
_IN_STRINGS = re.compile(r'"|\\.?', re.DOTALL)


class ArgumentNames:
    """Replaces names of members of the outermost object in a JSON text that comes in pieces.

    Only such a name itself is held back, until it is complete. All other text passes through as
    it is, also where it is not JSON.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        """names: each name that is to be replaced, with what replaces it."""
        self._names = names
        # Each character can be written as six.
        self._longest = 6 * max(map(len, names), default=0) + 2
        self._depth = 0
        self._in_object = False
        self._expects_name = False
        self._in_string = False
        self._escaped = False
        self._in_name = False
        self._held = ""

    def feed(self, text: str) -> str:
        """What is known by now of the text with its names replaced."""
        if not self._names or not text:
            return text
        told: list[str] = []
        start, at = 0, int(self._escaped)
        self._escaped = False
        while match := (_IN_STRINGS if self._in_string else _OUTSIDE_STRINGS).search(text, at):
            at = match.end()
            if not self._in_string:
                self._outside(match[0])
                if self._in_name:
                    told.append(text[start : at - 1])
                    start = at - 1
            elif match[0] != '"':
                self._escaped = len(match[0]) == 1
            else:
                self._in_string = False
                if self._in_name:
                    self._in_name = False
                    told.append(self._replaced(self.flush() + text[start:at]))
                    start = at
        if self._in_name:
            self._held += text[start:]
            start = len(text)
            if len(self._held) > self._longest:
                # It is none of those that are replaced.
                self._in_name = False
                told.append(self.flush())
        return "".join((*told, text[start:]))

    def flush(self) -> str:
        """What is held back, where the text ends in the middle of a name."""
        held, self._held = self._held, ""
        return held

    def _outside(self, mark: str) -> None:
        expected, self._expects_name = self._expects_name, False
        if mark == '"':
            self._in_string, self._in_name = True, expected
        elif mark == ",":
            self._expects_name = self._depth == 1 and self._in_object
        elif mark in "{[":
            self._depth += 1
            if self._depth == 1:
                self._expects_name = self._in_object = mark == "{"
        else:
            self._depth -= 1

    def _replaced(self, written: str) -> str:
        try:
            name = json.loads(written)
        except ValueError:
            return written
        if name not in self._names:
            return written
        return quoted(self._names[name])


def quoted(name: str) -> str:
    """The name as a JSON string, escaped only where it must be: half a surrogate pair is."""
    half = any("\ud800" <= character <= "\udfff" for character in name)
    return json.dumps(name, ensure_ascii=half)
