"""The events of an answer, the same for all dialects.

A worker reports them for one request, in this order:

    Started, (TextDelta | ReasoningDelta | ReasoningSigned | ToolCallStarted | ToolArgumentsDelta
    | Withdrawn)*, Finished | Failed

Text comes in the pieces in which the CLI sent it. A piece never ends in the middle of a code point.
The arguments of a call come before the next call is started.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import Literal, Protocol, TypeAlias

import attrs
import msgspec

from .errors import APIError


FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


@attrs.frozen
class Usage:
    """The tokens of one message, as the Messages API counts them.

    input_tokens does not include the tokens that were read from or written to the prompt cache.
    output_tokens includes reasoning_tokens.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        """The sum of both."""
        return Usage(*map(sum, zip(attrs.astuple(self), attrs.astuple(other), strict=True)))

    @property
    def prompt_tokens(self) -> int:
        """All tokens of the prompt, cached or not."""
        return self.input_tokens + self.cache_read_tokens + self.cache_creation_tokens


@attrs.frozen
class Started:
    """The model has begun to answer.

    model: the model that answers, which may differ from the requested one. usage: the tokens of
    the prompt.
    """

    model: str
    usage: Usage = attrs.field(factory=Usage, eq=False)


# A long answer has thousands of deltas. msgspec makes their objects in a quarter of the time that
# attrs takes, and the garbage collector need not look at them.
class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """More of the answer's text."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """More of the model's thinking."""

    text: str


@attrs.frozen
class ReasoningSigned:
    """The thinking block is complete, and this is the API's signature for it."""

    signature: str


@attrs.frozen
class ToolCallStarted:
    """The model has begun to call the client's tool `name`. `index` counts the calls from 0."""

    index: int
    id: str
    name: str


class ToolArgumentsDelta(msgspec.Struct, frozen=True, gc=False):
    """More of the JSON text of call `index`'s arguments."""

    index: int
    text: str


@attrs.frozen
class Withdrawn:
    """Discard the answer so far, because the model starts a new one.

    This is sent only for answers that are not streamed.
    """


@attrs.frozen
class Finished:
    """The answer is complete. No event follows.

    stop_reason: the stop reason as the Messages API gives it. stop_sequence: the stop sequence that
    ended the answer, if one did. schema_mismatch: why the answer, which has been streamed, does not
    match the schema that the client asked for.
    """

    reason: FinishReason
    usage: Usage
    stop_reason: str = ""
    stop_sequence: str | None = None
    schema_mismatch: str = ""


@attrs.frozen
class Failed:
    """The answer cannot be completed. No event follows.

    worker_lost: the worker failed, not the request or the API, so another worker may succeed.
    usage: the tokens that it used all the same, where that is known.
    """

    error: APIError
    worker_lost: bool = False
    usage: Usage | None = attrs.field(default=None, eq=False)


# An event with more of what the last part of the answer has.
Delta: TypeAlias = TextDelta | ReasoningDelta | ToolArgumentsDelta
Event: TypeAlias = (
    Started | Delta | ReasoningSigned | ToolCallStarted | Withdrawn | Finished | Failed
)


class Listener(Protocol):
    """Receives the events of a request."""

    def received(self, events: Sequence[Event]) -> None:
        """Take the events of one read, in order; none follow Finished or Failed."""


@attrs.define(eq=False)
class Part:
    """A part of an answer: text, thinking or one tool call.

    call: the tool call, None for the other kinds. signature: the API's signature for thinking.
    """

    kind: Literal["text", "reasoning", "call"]
    call: ToolCallStarted | None = None
    signature: str = ""
    # A list of the pieces would take ten times the memory.
    _text: StringIO = attrs.field(init=False, factory=StringIO)

    def add(self, piece: str) -> None:
        """Append a piece."""
        self._text.write(piece)

    @property
    def text(self) -> str:
        """The text, the thinking, or the JSON text of the call's arguments."""
        return self._text.getvalue()


@attrs.define
class AnswerAccumulator:
    """Collects the events of one answer into its parts, in order."""

    parts: list[Part] = attrs.field(init=False, factory=list)
    finished: Finished | None = attrs.field(init=False, default=None)

    def feed(self, event: Event) -> None:
        """Add one event."""
        if isinstance(event, TextDelta):
            # Nearly all events are of this class, and a match statement takes longer.
            self._last("text").add(event.text)
            return
        match event:
            case ReasoningDelta(text):
                self._last("reasoning").add(text)
            case ReasoningSigned(signature):
                self._last("reasoning").signature = signature
            case ToolCallStarted():
                self.parts.append(Part("call", event))
            case ToolArgumentsDelta(index, text):
                [part for part in self.parts if part.call is not None][index].add(text)
            case Withdrawn():
                self.parts.clear()
            case Finished():
                self.finished = event

    def feed_all(self, events: Sequence[Event]) -> None:
        """Add the events of one read, in order."""
        texts = [event.text for event in events if type(event) is TextDelta]
        if texts and len(texts) == len(events):
            # In the middle of a long answer this is so for all reads.
            self._last("text").add("".join(texts))
            return
        for event in events:
            self.feed(event)

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
        """The model's thinking."""
        return "".join(part.text for part in self.parts if part.kind == "reasoning")

    def _last(self, kind: Literal["text", "reasoning"]) -> Part:
        last = self.parts[-1] if self.parts else None
        # Thinking that follows a signature belongs to a new block.
        if last is None or last.kind != kind or last.signature:
            last = Part(kind)
            self.parts.append(last)
        return last
