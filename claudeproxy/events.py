"""The neutral answer: what a worker reports of one request, in the order in which it happens.

    Started, (TextDelta | ReasoningDelta | ReasoningSigned | ToolCallStarted | ToolArgumentsDelta
    | Withdrawn)*, Finished | Failed

Text is text as the client shall see it: whole code points, in pieces as they came.
"""

from __future__ import annotations

from io import StringIO
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
    """The model began to answer; `model` is the one that really does.

    usage: what is known by then, which is what the prompt costs.
    """

    model: str
    usage: Usage = attrs.field(factory=Usage, eq=False)


@attrs.frozen
class TextDelta:
    """More of the answer's text."""

    text: str


@attrs.frozen
class ReasoningDelta:
    """More of what the model thinks before it answers."""

    text: str


@attrs.frozen
class ReasoningSigned:
    """What was thought is complete, and this is the API's signature of it."""

    signature: str


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
class Withdrawn:
    """Nothing of the answer so far counts: the model gives another one.

    Only where the limits say that the answer is not streamed.
    """


@attrs.frozen
class Finished:
    """The answer is complete; nothing follows.

    stop_reason: the API's own word. stop_sequence: the one that the answer ended before.
    """

    reason: FinishReason
    usage: Usage
    stop_reason: str = ""
    stop_sequence: str | None = None


@attrs.frozen
class Failed:
    """The answer will not be completed; nothing follows.

    worker_lost: it was no fault of the request or of the API, and another worker may do better.
    """

    error: APIError
    worker_lost: bool = False


Event: TypeAlias = (
    Started
    | TextDelta
    | ReasoningDelta
    | ReasoningSigned
    | ToolCallStarted
    | ToolArgumentsDelta
    | Withdrawn
    | Finished
    | Failed
)


@attrs.define(eq=False)
class Part:
    """A stretch of an answer that is all text, all thought, or one tool call.

    call: the call, None for the others. signature: of a thought.
    """

    kind: Literal["text", "reasoning", "call"]
    call: ToolCallStarted | None = None
    signature: str = ""
    # A list of its pieces would take ten times the room.
    _text: StringIO = attrs.field(init=False, factory=StringIO)

    def add(self, piece: str) -> None:
        """Make it longer."""
        self._text.write(piece)

    @property
    def text(self) -> str:
        """What was said or thought, or the JSON text of the call's arguments."""
        return self._text.getvalue()


@attrs.define
class AnswerAccumulator:
    """What the events of one answer add up to so far: its parts in their order."""

    parts: list[Part] = attrs.field(init=False, factory=list)
    finished: Finished | None = attrs.field(init=False, default=None)

    def feed(self, event: Event) -> None:
        """Take one event more."""
        match event:
            case TextDelta(text):
                self._last("text").add(text)
            case ReasoningDelta(text):
                self._last("reasoning").add(text)
            case ReasoningSigned(signature):
                self._last("reasoning").signature = signature
            case ToolCallStarted():
                self.parts.append(Part("call", event))
            case ToolArgumentsDelta(index, json):
                [part for part in self.parts if part.call is not None][index].add(json)
            case Withdrawn():
                self.parts.clear()
            case Finished():
                self.finished = event

    @property
    def calls(self) -> list[tuple[ToolCallStarted, str]]:
        """The tool calls, each with the JSON text of its arguments."""
        return [(part.call, part.text) for part in self.parts if part.call is not None]

    @property
    def text(self) -> str:
        """The answer's text."""
        return "".join(part.text for part in self.parts if part.kind == "text")

    @property
    def reasoning(self) -> str:
        """What the model thought."""
        return "".join(part.text for part in self.parts if part.kind == "reasoning")

    def _last(self, kind: Literal["text", "reasoning"]) -> Part:
        # What was thought after its signature is another thought.
        if not self.parts or self.parts[-1].kind != kind or self.parts[-1].signature:
            self.parts.append(Part(kind))
        return self.parts[-1]
