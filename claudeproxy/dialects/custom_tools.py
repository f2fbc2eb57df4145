"""Custom tools of OpenAI's APIs, whose input is text. Claude's tools take an object.

The model gets a custom tool as a function with one string parameter.

Source: OpenAI's OpenAPI document 2.3.0 (CustomToolParam, CustomToolCall).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..conversation import Tool
from .fields import Fields


INPUT = "input"
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {INPUT: {"type": "string", "description": "The whole input of the tool."}},
    "required": [INPUT],
}
_BEGIN = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_CHARACTERS = re.compile(r'(?:[^"\\]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
# The first half of a surrogate pair in JSON escapes.
_HALF = re.compile(r"(?<!\\)(?:\\\\)*(\\u[dD][89abAB][0-9a-fA-F]{2})\Z")


def custom_tool(name: str, described: Fields) -> Tool:
    """Return the tool that `described` describes, with its grammar in the description.

    Raises a 400 for a grammar without its definition.
    """
    description = described.get("description", "")
    form = described.child("format")
    grammar = form.child("grammar") if form.has("grammar") else form
    if form.get("type") == "grammar":
        if not grammar.has("definition"):
            raise grammar.missing("definition")
        told = (
            f"The input must match this grammar ({grammar.get('syntax', 'lark')}):\n"
            f"{grammar.get('definition')}"
        )
        description = "\n\n".join(filter(None, (description, told)))
    return Tool(name, description, SCHEMA)


def whole_input(arguments: str) -> str:
    """Return the input in a call's arguments, or the whole JSON text if it has another form."""
    reader = InputReader()
    return reader.feed(arguments) + reader.end()


class InputReader:
    """Extracts the input from the JSON text of a call's arguments, which comes in pieces."""

    def __init__(self) -> None:
        """Start before the text."""
        self._text = ""
        self._begun = False
        self._ended = False

    def feed(self, piece: str) -> str:
        """Return the next part of the input."""
        if self._ended:
            return ""
        self._text += piece
        if not self._begun:
            begin = _BEGIN.match(self._text)
            if begin is None:
                return ""
            self._begun, self._text = True, self._text[begin.end() :]
        match = _CHARACTERS.match(self._text)
        assert match is not None
        safe = match[0]
        self._ended = self._text[len(safe) :].startswith('"')
        if not self._ended and (half := _HALF.search(safe)):
            safe = safe[: half.start(1)]
        self._text = self._text[len(safe) :]
        value: str = json.loads(f'"{safe}"', strict=False)
        return value

    def end(self) -> str:
        """Return the whole text if it had another form, else nothing."""
        return "" if self._begun else self._text
