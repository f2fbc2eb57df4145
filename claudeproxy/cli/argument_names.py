"""Replaces names in the JSON text of a call's arguments while the text is streamed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping


_OUTSIDE_STRINGS = re.compile(r'["{}\[\],]')
# An escape sequence can be split between two pieces.
_IN_STRINGS = re.compile(r'"|\\.?', re.DOTALL)


class ArgumentNames:
    """Replaces member names of the outermost object in a JSON text that comes in pieces.

    Only an incomplete member name is held back. All other text passes through unchanged, even if
    it is not valid JSON. If the object has both a name and its replacement, the first one becomes
    the replacement and the second one the name.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        """names: maps each name to its replacement."""
        self._names = names
        self._replacing = {replacement: name for name, replacement in names.items()}
        self._told: set[str] = set()
        # An escape sequence (\uXXXX) has six characters.
        self._longest = 6 * max(map(len, (*names, *names.values())), default=0) + 2
        self._depth = 0
        self._in_object = False
        self._expects_name = False
        self._in_string = False
        self._escaped = False
        self._in_name = False
        self._held = ""

    def feed(self, text: str) -> str:
        """Return the next part of the text, with its names replaced."""
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
                # The name is longer than any that must be replaced.
                self._in_name = False
                told.append(self.flush())
        return "".join((*told, text[start:]))

    def flush(self) -> str:
        """Return what is held back, if the text ends in the middle of a name."""
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
        if name not in self._names and name not in self._replacing:
            return written
        told = self._names.get(name, name)
        if told in self._told:
            # The model has written both. An object must not have a name twice.
            told = self._replacing[told]
        self._told.add(told)
        return written if told == name else quoted(told)


def quoted(name: str) -> str:
    """Return the name as a JSON string. It is escaped to ASCII if it has a lone surrogate."""
    half = any("\ud800" <= character <= "\udfff" for character in name)
    return json.dumps(name, ensure_ascii=half)
