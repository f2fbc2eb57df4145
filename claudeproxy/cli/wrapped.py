"""A value as the one property of an object, and its text taken out of the object's again.

The CLI's tool for an answer that must fit a schema takes an object, and the Messages API only some
names for its properties. Whatever is further inside may be anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote


PROPERTY = "value"
# What the Messages API refuses at the root of a tool's schema, and what says there that the value
# is one of some others.
NOT_AT_ROOT = frozenset({"anyOf", "oneOf", "allOf", "not", "enum", "const"})
DEFINITIONS = ("$defs", "definitions")
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_VALUES = frozenset({"const", "enum", "default", "examples"})
_SCHEMAS_BY_NAME = frozenset({*DEFINITIONS, "properties", "patternProperties"})


def needs_wrapper(schema: Mapping[str, Any] | None) -> bool:
    """Whether there is a schema, and the API would refuse a tool with it."""
    return schema is not None and (
        schema.get("type") != "object"
        or not NOT_AT_ROOT.isdisjoint(schema)
        or not all(map(_NAME.fullmatch, schema.get("properties", ())))
    )


def wrapped(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object whose one property has this schema."""
    inner = {name: value for name, value in schema.items() if name not in DEFINITIONS}
    definitions = {name: schema[name] for name in DEFINITIONS if name in schema}
    moved: dict[str, Any] = _moved(
        {
            "type": "object",
            "properties": {PROPERTY: inner},
            "required": [PROPERTY],
            "additionalProperties": False,
            **definitions,
        }
    )
    return moved


def _moved(part: Any, *, by_name: bool = False) -> Any:
    """The same with every `$ref` to where its target now is.

    by_name: `part` maps names to schemas.
    """
    if isinstance(part, list):
        return [_moved(value) for value in part]
    if not isinstance(part, Mapping):
        return part
    if by_name:
        return {name: _moved(value) for name, value in part.items()}
    return {
        word: value
        if word in _VALUES
        else _reference(value)
        if word == "$ref"
        else _moved(value, by_name=word in _SCHEMAS_BY_NAME)
        for word, value in part.items()
    }


def _reference(path: str) -> str:
    """A JSON Pointer (RFC 6901) into the schema as one into the wrapper's."""
    if path != "#" and not path.startswith("#/"):
        return path
    if unquote(path).split("/")[1:2] in [[name] for name in DEFINITIONS]:
        return path
    return f"#/properties/{PROPERTY}{path[1:]}"


_BEFORE = re.compile(r'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*(?=\S)', re.DOTALL)


class Unwrapper:
    """Takes the text of the value out of a wrapper's, which comes in pieces.

    Nothing is held back but white space that may be the last, and the beginning of the wrapper.
    """

    def __init__(self) -> None:
        """It begins before the wrapper."""
        self._before = ""
        self._inside = False
        self._depth = 0
        self._in_string = self._escaped = False
        self._space = ""
        self._over = False

    def feed(self, text: str) -> str:
        """The part of the value that is known by now and was not before."""
        if not self._inside:
            self._before += text
            match = _BEFORE.match(self._before)
            if match is None:
                return ""
            self._inside = True
            text, self._before = self._before[match.end() :], ""
        if self._over:
            return ""
        return self._trimmed(text[: self._end(text)])

    def _end(self, text: str) -> int:
        """How much of the text is still the value."""
        for at, character in enumerate(text):
            if self._in_string:
                self._in_string = self._escaped or character != '"'
                self._escaped = character == "\\" and not self._escaped
            elif character == '"':
                self._in_string = True
            elif character in "[{":
                self._depth += 1
            elif character in "]}":
                self._depth -= 1
                if self._depth < 0:
                    self._over = True
                    return at
        return len(text)

    def _trimmed(self, text: str) -> str:
        if self._in_string or self._depth > 0:
            # White space here has something after it.
            text, self._space = self._space + text, ""
            return text
        text = self._space + text
        kept = text.rstrip(" \t\n\r")
        self._space = text[len(kept) :]
        return kept
