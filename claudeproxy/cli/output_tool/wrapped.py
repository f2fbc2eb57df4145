"""Wraps the schema of a structured answer in an object, and unwraps the answer.

The CLI's StructuredOutput tool takes an object, and the Messages API restricts the names of its
properties. If a schema does not fit this, the answer becomes the one property of an object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from ...schema_parts import with_parts


PROPERTY = "value"
# Schemas with one of these keywords at the root need a wrapper. The Messages API refuses all but
# `const` there.
NOT_AT_ROOT = frozenset({"anyOf", "oneOf", "allOf", "not", "enum", "const"})
DEFINITIONS = ("$defs", "definitions")
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


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
    return _moved(
        {
            "type": "object",
            "properties": {PROPERTY: inner},
            "required": [PROPERTY],
            "additionalProperties": False,
            **definitions,
        }
    )


def _moved(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema with every `$ref` changed to the new place of its target."""
    moved = with_parts(schema, _moved)
    if "$ref" in moved:
        moved["$ref"] = _reference(moved["$ref"])
    return moved


def _reference(path: str) -> str:
    """Change a JSON Pointer (RFC 6901) from the schema's root to the wrapper's root."""
    if path != "#" and not path.startswith("#/"):
        return path
    if unquote(path).split("/")[1:2] in [[name] for name in DEFINITIONS]:
        return path
    return f"#/properties/{PROPERTY}{path[1:]}"


_BEFORE = re.compile(r'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*(?=\S)', re.DOTALL)


class Unwrapper:
    """Extracts the text of the value from the wrapper's JSON text, which comes in pieces.

    Only white space that may be at the end of the value is held back.
    """

    def __init__(self) -> None:
        """Start before the wrapper."""
        self._before = ""
        self._inside = False
        self._depth = 0
        self._in_string = self._escaped = False
        self._space = ""
        self._over = False

    def feed(self, text: str) -> str:
        """Return the next part of the value's text."""
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
        """The index in the text at which the value ends."""
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
            # White space here is followed by more of the value.
            text, self._space = self._space + text, ""
            return text
        text = self._space + text
        kept = text.rstrip(" \t\n\r")
        self._space = text[len(kept) :]
        return kept
