"""The neutral answer: what a worker reports of one request, in the order in which it happens.

    Started, (TextDelta | ReasoningDelta | ToolCallStarted | ToolArgumentsDelta)*, Finished | Failed

Text is text as the client shall see it: whole code points, in pieces as they came.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from .errors import APIError


FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


@attrs.frozen
class Usage:
    """Tokens of one API message, as the Messages API counts them.

    input_tokens excludes what was read from or written to the prompt cache; output_tokens
    includes reasoning_tokens.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        """What both have cost."""
        return Usage(*map(sum, zip(attrs.astuple(self), attrs.astuple(other), strict=True)))

    @property
    def prompt_tokens(self) -> int:
        """All tokens of the prompt, cached or not."""
        return self.input_tokens + self.cache_read_tokens + self.cache_creation_tokens


@attrs.frozen
class Started:
    """The model began to answer; `model` is the one that really does."""

    model: str


@attrs.frozen
class TextDelta:
    """More of the answer's text."""

    text: str


@attrs.frozen
class ReasoningDelta:
    """More of what the model thinks before it answers."""

    text: str


@attrs.frozen
class ToolCallStarted:
    """The model begins a call of the client's tool `name`; `index` counts calls from 0."""

    index: int
    id: str
    name: str


@attrs.frozen
class ToolArgumentsDelta:
    """More of the JSON text of call `index`'s arguments."""

    index: int
    json: str


@attrs.frozen
class Finished:
    """The answer is complete; nothing follows. `stop_reason` is the API's own word."""

    reason: FinishReason
    usage: Usage
    stop_reason: str = ""


@attrs.frozen
class Failed:
    """The answer will not be completed; nothing follows.

    worker_lost: it was no fault of the request or of the API, and another worker may do better.
    """

    error: APIError
    worker_lost: bool = False


Event: TypeAlias = (
    Started | TextDelta | ReasoningDelta | ToolCallStarted | ToolArgumentsDelta | Finished | Failed
)


@attrs.define
class Gathered:
    """What the events of one answer add up to so far. `arguments` are the JSON texts of `calls`."""

    _text: list[str] = attrs.field(init=False, factory=list)
    _reasoning: list[str] = attrs.field(init=False, factory=list)
    _arguments: list[list[str]] = attrs.field(init=False, factory=list)
    calls: list[ToolCallStarted] = attrs.field(init=False, factory=list)
    finished: Finished | None = attrs.field(init=False, default=None)

    def feed(self, event: Event) -> None:
        """Take one event more."""
        match event:
            case TextDelta(text):
                self._text.append(text)
            case ReasoningDelta(text):
                self._reasoning.append(text)
            case ToolCallStarted():
                self.calls.append(event)
                self._arguments.append([])
            case ToolArgumentsDelta(index, json):
                self._arguments[index].append(json)
            case Finished():
                self.finished = event

    @property
    def text(self) -> str:
        """The answer's text."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """What the model thought."""
        return "".join(self._reasoning)

    @property
    def arguments(self) -> list[str]:
        """The JSON text of each call's arguments."""
        return ["".join(pieces) for pieces in self._arguments]
