"""One message of the API, as its stream events tell it, in neutral events.

The CLI passes on the events of Anthropic's Messages API (its documentation, "Streaming
messages") one by one, in `stream_event` lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    Started,
    TextDelta,
    Usage,
)
from .lines import WholeCharacters


# The API's stop_reason -> what a client is told.
FINISH_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class MessageReader:
    """Reads the stream events of one message; ends with Finished at its stop reason.

    Later events are for the next message and a new reader: what the CLI does after a message is
    over is not part of the answer.
    """

    def __init__(self) -> None:
        """Nothing has been said yet."""
        self.has_content = False
        self._started = False
        self._characters = WholeCharacters()
        self._kind: type[TextDelta | ReasoningDelta] = TextDelta
        self._usage: dict[str, Any] = {}

    def feed(self, event: Mapping[str, Any]) -> Iterator[Event]:
        """The neutral events of one stream event."""
        match event["type"]:
            case "message_start":
                # A second start: the CLI tries again what broke before it had said anything.
                self._usage = {}
                message = event["message"]
                self._count(message.get("usage"))
                if not self._started:
                    yield Started(message["model"])
                self._started = True
            case "content_block_delta":
                yield from self._delta(event["delta"])
            case "content_block_stop":
                if rest := self._characters.flush():
                    yield self._kind(rest)
            case "message_delta":
                self._count(event.get("usage"))
                reason = event["delta"].get("stop_reason")
                if reason is not None:
                    yield Finished(FINISH_REASONS.get(reason, "stop"), self.usage(), reason)

    def usage(self) -> Usage:
        """What the message has cost so far."""
        details = self._usage.get("output_tokens_details") or {}
        return Usage(
            input_tokens=self._usage.get("input_tokens", 0),
            cache_read_tokens=self._usage.get("cache_read_input_tokens", 0),
            cache_creation_tokens=self._usage.get("cache_creation_input_tokens", 0),
            output_tokens=self._usage.get("output_tokens", 0),
            reasoning_tokens=details.get("thinking_tokens", 0),
        )

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[Event]:
        self.has_content = True
        match delta["type"]:
            case "text_delta":
                self._kind, text = TextDelta, delta["text"]
            case "thinking_delta":
                self._kind, text = ReasoningDelta, delta["thinking"]
            case _:
                return
        if whole := self._characters.feed(text):
            yield self._kind(whole)

    def _count(self, usage: Mapping[str, Any] | None) -> None:
        # message_start has the input side, message_delta the output side; either may repeat the
        # other's with a null.
        self._usage.update(
            {name: value for name, value in (usage or {}).items() if value is not None}
        )
