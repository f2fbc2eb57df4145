"""The events of an answer, the same for all dialects.

A worker reports them for one request, in this order:

    Started, (TextDelta | TextStarted | Cited | ReasoningDelta | ReasoningSigned | ToolCallStarted
    | ToolArgumentsDelta | ServerBlockStarted | ServerInputDelta | Withdrawn)*, Finished | Failed

Text comes in the pieces in which the CLI sent it. A piece never ends in the middle of a code point.
The arguments of a call come before the next call is started.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, Literal, Protocol, TypeAlias

import attrs
import msgspec

from .errors import APIError


FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


@attrs.frozen
class Usage:
    """The tokens of one message, as the Messages API counts them.

    input_tokens does not include the tokens that were read from or written to the prompt cache.
    output_tokens includes reasoning_tokens. server_tools: how often the API's own tools were used,
    by the API's names (`web_search_requests`).
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    server_tools: Mapping[str, int] = attrs.field(factory=dict)

    def __add__(self, other: Usage) -> Usage:
        """The sum of both."""
        used = Counter(self.server_tools)
        used.update(other.server_tools)
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_creation_tokens + other.cache_creation_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            dict(used),
        )

    def with_use(self, name: str) -> Usage:
        """The same with one more use of one of the API's own tools."""
        used = {**self.server_tools, name: self.server_tools.get(name, 0) + 1}
        return attrs.evolve(self, server_tools=used)

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
class TextStarted:
    """The text that follows is a block of its own. This is sent only directly after other text.

    The API makes a block of each text that cites something.
    """


@attrs.frozen
class Cited:
    """The current block of text cites something. This usually comes before the text.

    citation: as the API gives it; `web_search_result_location` has `url` and `title`.
    """

    citation: Mapping[str, Any]


@attrs.frozen
class ServerBlockStarted:
    """A call of a tool that the API carries out itself, or the whole result of one.

    block: as the API gives it. The `input` of a call follows as ServerInputDelta events.
    """

    block: Mapping[str, Any]


class ServerInputDelta(msgspec.Struct, frozen=True, gc=False):
    """More of the JSON text of the input of the last ServerBlockStarted."""

    text: str


def counted_use(event: Event) -> str | None:
    """The name under which the API counts a use of its own tools, if an event is the result of one.

    The API does not count those that failed.
    """
    if not isinstance(event, ServerBlockStarted):
        return None
    name, content = _COUNTED.get(event.block["type"]), event.block.get("content")
    failed = isinstance(content, Mapping) and "error_code" in content
    return None if failed else name


# The types of results, each with the name of its count in `usage.server_tool_use`.
_COUNTED = {
    "web_search_tool_result": "web_search_requests",
    "web_fetch_tool_result": "web_fetch_requests",
}


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
    match the schema that the client asked for. container: where the API ran code, as the API gives
    it.
    """

    reason: FinishReason
    usage: Usage
    stop_reason: str = ""
    stop_sequence: str | None = None
    schema_mismatch: str = ""
    container: Mapping[str, Any] | None = None


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
Delta: TypeAlias = TextDelta | ReasoningDelta | ToolArgumentsDelta | ServerInputDelta
Event: TypeAlias = (
    Started
    | Delta
    | TextStarted
    | Cited
    | ReasoningSigned
    | ToolCallStarted
    | ServerBlockStarted
    | Withdrawn
    | Finished
    | Failed
)


class Listener(Protocol):
    """Receives the events of a request."""

    def received(self, events: Sequence[Event]) -> None:
        """Take the events of one read, in order; none follow Finished or Failed."""


@attrs.define(eq=False)
class Part:
    """A part of an answer: text, thinking, one tool call, or a block of one of the API's own tools.

    call: the tool call, None for the other kinds. signature: the API's signature for thinking.
    begun: the block of an API's tool, as it began. citations: what the text cites.
    """

    kind: Literal["text", "reasoning", "call", "server"]
    call: ToolCallStarted | None = None
    signature: str = ""
    begun: Mapping[str, Any] = attrs.field(factory=dict)
    citations: list[Mapping[str, Any]] = attrs.field(init=False, factory=list)
    # A list of the pieces would take ten times the memory.
    _text: StringIO = attrs.field(init=False, factory=StringIO)

    def add(self, piece: str) -> None:
        """Append a piece."""
        self._text.write(piece)

    @property
    def text(self) -> str:
        """The text, the thinking, or the JSON text of the call's arguments."""
        return self._text.getvalue()

    @property
    def block(self) -> dict[str, Any]:
        """The whole block of one of the API's own tools."""
        if not (text := self.text):
            return dict(self.begun)
        try:
            return {**self.begun, "input": json.loads(text)}
        except ValueError:
            # The answer was cut off.
            return dict(self.begun)


def _begun(event: TextStarted | ToolCallStarted | ServerBlockStarted) -> Part:
    match event:
        case TextStarted():
            return Part("text")
        case ToolCallStarted():
            return Part("call", event)
        case ServerBlockStarted(block):
            return Part("server", begun=block)


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
            case Cited(citation):
                self._last("text").citations.append(citation)
            case ServerInputDelta(text):
                self.parts[-1].add(text)
            case TextStarted() | ToolCallStarted() | ServerBlockStarted():
                self.parts.append(_begun(event))
            case ToolArgumentsDelta(index, text):
                self._calls[index].add(text)
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
        return [(part.call, part.text) for part in self._calls if part.call is not None]

    @property
    def _calls(self) -> list[Part]:
        return [part for part in self.parts if part.kind == "call"]

    @property
    def text(self) -> str:
        """The answer's text."""
        return "".join(part.text for part in self.parts if part.kind == "text")

    @property
    def last_text(self) -> str:
        """The text that follows the last block of one of the API's own tools."""
        texts: list[str] = []
        for part in reversed(self.parts):
            if part.kind == "server":
                break
            texts.append(part.text if part.kind == "text" else "")
        return "".join(reversed(texts))

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
