"""Translates the stream events of one message into the events of an answer.

The CLI passes on the events of Anthropic's Messages API (its documentation, "Streaming
messages") one by one, in `stream_event` lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from ..conversation import is_of_server_tool
from ..events import (
    Cited,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    ReasoningSigned,
    ServerBlockStarted,
    ServerInputDelta,
    Started,
    TextDelta,
    TextStarted,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
    counted_use,
)
from .argument_names import ArgumentNames
from .lines import WholeCharacters
from .mcp import PREFIX
from .naming import Names


# The API's stop_reason -> the reason in the Finished event.
FINISH_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class MessageReader:
    """Reads the stream events of one message, up to Finished at its stop reason.

    Later events belong to another message and need a new reader.
    """

    def __init__(self, names: Names | None = None) -> None:
        """names: the names of the tools that may be called."""
        self.has_content = False
        self._names = names or Names()
        self._started = False
        self._calls = 0
        self._characters = WholeCharacters()
        self._to_event: Callable[[str], Event | None] = TextDelta
        self._is_call = False
        self._is_text = False
        self._argument_names: ArgumentNames | None = None
        self._thought = False
        self._usage: dict[str, Any] = {}
        self._container: Mapping[str, Any] | None = None
        # The uses of the API's own tools that the API has not counted yet.
        self._uses: Counter[str] = Counter()

    def feed(self, event: Mapping[str, Any]) -> Iterator[Event]:
        """Return the events of the answer for one stream event."""
        match event["type"]:
            case "message_start":
                # A second start: the CLI retries a request that failed before it had any content.
                self._usage, self._is_text = {}, False
                self._uses.clear()
                message = event["message"]
                self._count(message.get("usage"))
                self._container = message.get("container")
                if not self._started:
                    yield Started(message["model"], self.usage())
                self._started = True
            case "content_block_start":
                yield from self._begin(event["content_block"])
            case "content_block_delta":
                yield from self._delta(event["delta"])
            case "content_block_stop":
                yield from self._block_over()
            case "message_delta":
                self._count(event.get("usage"))
                self._container = event["delta"].get("container") or self._container
                reason = event["delta"].get("stop_reason")
                if reason is not None:
                    yield from self._message_over(reason, event["delta"].get("stop_sequence"))

    @property
    def has_calls(self) -> bool:
        """Whether the message calls the client's tools."""
        return self._calls > 0

    def usage(self) -> Usage:
        """The tokens that the answer has used so far."""
        details = self._usage.get("output_tokens_details") or {}
        return Usage(
            input_tokens=self._usage.get("input_tokens", 0),
            cache_read_tokens=self._usage.get("cache_read_input_tokens", 0),
            cache_creation_tokens=self._usage.get("cache_creation_input_tokens", 0),
            output_tokens=self._usage.get("output_tokens", 0),
            reasoning_tokens=details.get("thinking_tokens", 0),
            server_tools={**(self._usage.get("server_tool_use") or {}), **self._uses},
        )

    def _begin(self, block: Mapping[str, Any]) -> Iterator[Event]:
        kind = block["type"]
        was_text, self._is_text = self._is_text, kind == "text"
        self._is_call = kind == "tool_use"
        self._argument_names = None
        self._thought = False
        # Blocks of unknown types are left out.
        self._to_event = nothing
        if kind == "thinking":
            self._to_event = ReasoningDelta
        elif kind == "text":
            self._to_event = TextDelta
            if was_text:
                yield TextStarted()
        elif self._is_call:
            self.has_content = True
            yield from self._begin_call(block)
        elif is_of_server_tool(block):
            self.has_content = True
            self._to_event = ServerInputDelta
            begun = ServerBlockStarted(block)
            if (name := counted_use(begun)) is not None:
                self._uses[name] += 1
            yield begun

    def _begin_call(self, block: Mapping[str, Any]) -> Iterator[Event]:
        index, self._calls = self._calls, self._calls + 1
        self._to_event = partial(ToolArgumentsDelta, index)
        name = block["name"].removeprefix(PREFIX)
        if renamed := self._names.client_parameters(name):
            self._argument_names = ArgumentNames(renamed)
        yield ToolCallStarted(index, block["id"], self._names.client_tool(name))

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[Event]:
        if delta["type"] == "signature_delta" and self._thought:
            yield from self._block_over()
            yield ReasoningSigned(delta["signature"])
        if delta["type"] == "citations_delta" and self._is_text:
            yield Cited(delta["citation"])
        name = _TEXTS.get(delta["type"])
        if name is None or not delta[name]:
            return
        if event := self.feed_text(delta[name]):
            yield event

    def feed_text(self, text: str) -> Event | None:
        """Return the event for more text of the current block, if there is one."""
        if self._characters.half or not text.isascii():
            text = self._characters.feed(text)
        if not text:
            return None
        self._is_call = False
        if self._argument_names is not None and not (text := self._argument_names.feed(text)):
            return None
        return self._told(text)

    def _block_over(self) -> Iterator[Event]:
        # A call without arguments may have no JSON text at all.
        rest = self._characters.flush() or ("{}" if self._is_call else "")
        if self._argument_names is not None:
            rest = self._argument_names.feed(rest) + self._argument_names.flush()
        if rest and (event := self._told(rest)):
            yield event
        self._is_call = False

    def _told(self, text: str) -> Event | None:
        event = self._to_event(text)
        self._thought = isinstance(event, ReasoningDelta)
        if event is not None:
            self.has_content = True
        return event

    def _message_over(self, reason: str, stop_sequence: str | None) -> Iterator[Event]:
        yield Finished(
            FINISH_REASONS.get(reason, "stop"),
            self.usage(),
            reason,
            stop_sequence,
            container=self._container,
        )

    def _count(self, usage: Mapping[str, Any] | None) -> None:
        # message_start has the input side, message_delta the output side; either may repeat the
        # other's with a null.
        if usage and usage.get("server_tool_use"):
            self._uses.clear()
        self._usage.update(
            {name: value for name, value in (usage or {}).items() if value is not None}
        )


# The field of each type of delta that has its text.
_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


def nothing(text: str) -> None:
    """What a block that the client is not told becomes."""
    return
