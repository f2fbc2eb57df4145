r"""Reads the regular expressions that structured outputs take, and makes up a text that matches.

Pure.  They are of a plain kind: characters, classes, groups, alternatives, quantifiers, and anchors
at the ends.  Anything else is a PatternError: backreferences, lookaround, word boundaries, and
whatever only some kinds of regular expressions know.
"""

from __future__ import annotations

import re
import warnings

from attrs import define


_CLASSES = {"d": "0", "D": "a", "w": "a", "W": " ", "s": " ", "S": "a"}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}
_TIMES = re.compile(r"\{(\d{1,4})(?:,(\d{0,4}))?\}")
# What a class that excludes some characters may still allow, the plainest first.
_PLAIN = "a0_- " + "".join(map(chr, range(33, 127))) + "é你"
_DEEPEST = 50
_LONGEST = 2000


class PatternError(ValueError):
    """A pattern that is none, or not of the plain kind; the text says what is in the way."""


def example(pattern: str) -> str:
    """A short text that matches the pattern, which may contain the match in the middle of a text.

    An anchor anywhere but at an end is as if it were not there.
    """
    reader = _Reader(pattern)
    text = reader.alternatives()
    if not reader.ended:
        raise PatternError("an unmatched ')'")
    _compiled(pattern)
    return text


def _compiled(pattern: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        # Of what may mean something else in a later version of Python.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return re.compile(pattern)
        except re.error as error:
            raise PatternError(str(error)) from error


@define
class _Reader:
    """Reads a pattern from left to right; each method returns a text that its part matches."""

    pattern: str
    at: int = 0
    depth: int = 0

    @property
    def ended(self) -> bool:
        return self.at == len(self.pattern)

    def alternatives(self) -> str:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise PatternError("groups that are nested too deeply")
        first = self._sequence()
        while self._next("|"):
            self._sequence()
        self.depth -= 1
        return first

    def _sequence(self) -> str:
        made: list[str] = []
        while not self.ended and self.pattern[self.at] not in "|)":
            made.append(self._repeated(self._one()))
        return "".join(made)

    def _one(self) -> str:
        char = self.pattern[self.at]
        self.at += 1
        if char == "\\":
            return self._escape()
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char in "^$":
            return ""
        if char in "*+?":
            raise PatternError("nothing to repeat")
        return "x" if char == "." else char

    def _group(self) -> str:
        if self._next("?") and not self._next(":"):
            start = self.pattern[self.at - 2 : self.at + 2]
            raise PatternError(f"a group that begins with '{start}'")
        inner = self.alternatives()
        if not self._next(")"):
            raise PatternError("an unmatched '('")
        return inner

    def _repeated(self, text: str) -> str:
        if self.ended:
            return text
        times = _TIMES.match(self.pattern, self.at)
        if times is not None:
            least = int(times[1])
            if times[2] and int(times[2]) < least:
                raise PatternError("a quantifier with a maximum below its minimum")
            self.at = times.end()
        elif self._next("+"):
            least = 1
        elif self._next("*") or self._next("?"):
            least = 0
        else:
            return text
        self._next("?")
        if len(text) * least > _LONGEST:
            raise PatternError("a quantifier with a great number")
        return text * least

    def _escape(self) -> str:
        if self.ended:
            raise PatternError("a backslash at the end")
        char = self.pattern[self.at]
        self.at += 1
        if char in _CLASSES:
            return _CLASSES[char]
        return self._character(char)

    def _character(self, char: str) -> str:
        """What a backslash and this stand for, if it is one character."""
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char in "xu":
            digits = self.pattern[self.at : self.at + (2 if char == "x" else 4)]
            if re.fullmatch(r"[0-9A-Fa-f]{2}(?:[0-9A-Fa-f]{2})?", digits):
                self.at += len(digits)
                return chr(int(digits, 16))
        if char.isalnum():
            raise PatternError(f"'\\{char}'")
        return char

    def _class(self) -> str:
        start = self.at - 1
        self._next("^")
        first = True
        while not self._next("]") or first:
            first = False
            if self.ended:
                raise PatternError("an unmatched '['")
            # A class within the class is one more character to skip.
            if self.pattern[self.at] == "\\":
                self.at += 1
                self._escape()
            else:
                self.at += 1
        matches = _compiled(self.pattern[start : self.at]).match
        found = next(filter(matches, _PLAIN), None)
        if found is None:
            found = next(filter(matches, map(chr, range(0x3000))), None)
        if found is None:
            raise PatternError("a class of no usual character")
        return found

    def _next(self, char: str) -> bool:
        """Whether this comes next; then it is read."""
        if self.pattern.startswith(char, self.at):
            self.at += len(char)
            return True
        return False
