"""Reads the lines that the CLI writes.

A long answer consists of thousands of lines with a piece of text each. Such a line has some 280
bytes, of which only the text is needed. msgspec checks the whole line but makes an object of the
text only, which takes a seventh of the time of `json.loads`. All other lines are read with `json`,
and so are those that msgspec refuses and `json` accepts, for example for a lone surrogate.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from .lines import LONGEST_LINE, BadLine, LineSplitter


class _Text(msgspec.Struct, tag_field="type", tag="text_delta", gc=False):
    text: str


class _Thinking(msgspec.Struct, tag_field="type", tag="thinking_delta", gc=False):
    text: str = msgspec.field(name="thinking")


class _Arguments(msgspec.Struct, tag_field="type", tag="input_json_delta", gc=False):
    text: str = msgspec.field(name="partial_json")


class _Delta(msgspec.Struct, tag_field="type", tag="content_block_delta", gc=False):
    delta: _Text | _Thinking | _Arguments


class _Line(msgspec.Struct, tag_field="type", tag="stream_event", gc=False):
    event: _Delta
    # The text of a subagent has an id here, and is not part of the answer.
    parent_tool_use_id: None = None


_decode = msgspec.json.Decoder(_Line).decode


def read(line: bytes) -> str | dict[str, Any]:
    """Return the text of a line with more text of the answer, or else the whole message.

    The text may be thinking or the arguments of a call. A line with something else than an object
    has no fields. Raises BadLine if it is not JSON.
    """
    try:
        return _decode(line).event.delta.text
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    try:
        message = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadLine("a line that is not JSON") from None
    return message if isinstance(message, dict) else {}


class Incoming:
    """Splits what a process writes into lines, and reads them."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._lines = LineSplitter(LONGEST_LINE)

    def feed(self, data: bytes) -> Iterator[str | dict[str, Any]]:
        """Return what the complete lines say, as `read` does; raises BadLine."""
        return (read(line) for line in self._lines.feed(data) if line.strip())
