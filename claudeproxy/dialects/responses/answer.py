"""OpenAI Responses: events as the body of a response, whole or as server-sent events.

Source: OpenAI's OpenAPI document 2.3.0 (ResponseStreamEvent).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs

from ...errors import APIError
from ...events import (
    Delta,
    Event,
    Finished,
    ReasoningDelta,
    ServerBlockStarted,
    Started,
    TextDelta,
    ToolArgumentsDelta,
)
from .. import WholeBody, quoted
from ..custom_tools import InputReader
from ..openai_answer import REFUSAL
from ..openai_web_search import RESULT
from .writer import EMPTY, Writer, annotation_object, refusal_part, summary_part, text_part


@attrs.define
class WholeResponse(Writer, WholeBody):
    """The one JSON body of a request without `stream`."""

    def feed(self, event: Event, choice: int = 0) -> bytes:
        """Nothing until the answer is finished, then all of it."""
        self._take(event)
        return json.dumps(self._complete()).encode("ascii") if isinstance(event, Finished) else b""


@attrs.define
class StreamedResponse(Writer):
    """The events of a request with `stream`, numbered."""

    content_type = "text/event-stream; charset=utf-8"
    keepalive = b": keep-alive\n\n"

    _sent: int = attrs.field(init=False, default=0)
    # Of the call that is being told, if it is one of a custom tool.
    _input: InputReader | None = attrs.field(init=False, default=None)
    # The deltas that the last item takes, and what their frames have around the text.
    _taken: type[Delta] | None = attrs.field(init=False, default=None)
    _head: str = attrs.field(init=False, default="")
    _place: str = attrs.field(init=False, default="")
    _tail: str = attrs.field(init=False, default="")
    # The items of the searches without a result, by the ids of their calls.
    _open_searches: dict[str, int] = attrs.field(init=False, factory=dict)

    def feed(self, event: Event, choice: int = 0) -> bytes:
        """The frames for one event."""
        if type(event) is self._taken:
            if self.context.searches:
                self._cite(event)
            else:
                self._gathered.feed(event)
            return self._more(event.text)
        return b"".join(self._frames(event))

    def fail(self, error: APIError) -> bytes:
        """Return the unfinished response with the error."""
        frames = [] if self._sent else list(self._begin())
        told = self._event("response.failed", response=self._response("failed", error))
        return b"".join((*frames, told))

    def _begin(self) -> Iterator[bytes]:
        response = self._response("in_progress")
        yield self._event("response.created", response=response)
        yield self._event("response.in_progress", response=response)

    def _frames(self, event: Event) -> Iterator[bytes]:
        before = len(self._parts)
        cited = len(self._annotations.get(before - 1, ()))
        if not self._take(event):
            return
        self._taken = None
        yield from self._annotated(before - 1, cited)
        count = len(self._parts)
        if before and (count > before or isinstance(event, Finished)):
            yield from self._end_item(before - 1)
        if count > before:
            yield from self._begin_item(count - 1)
        yield from self._told(event)

    def _told(self, event: Event) -> Iterator[bytes]:
        """The frames for what an event adds to the last item, or to the response."""
        match event:
            case Started():
                yield from self._begin()
            case TextDelta(text) if self.context.sealed is None:
                self._taken, more = TextDelta, ', "content_index": 0, "logprobs": []'
                yield self._delta("response.output_text.delta", text, more)
            case ReasoningDelta(text):
                self._taken, more = ReasoningDelta, ', "summary_index": 0'
                yield self._delta("response.reasoning_summary_text.delta", text, more)
            case ToolArgumentsDelta(_, text):
                yield from self._arguments(text)
            case ServerBlockStarted(block) if block["type"] == RESULT:
                yield from self._searched(block["tool_use_id"])
            case Finished(reason):
                for search_id in [*self._open_searches]:
                    yield from self._searched(search_id)
                if reason == "content_filter":
                    yield from self._refuse()
                response = self._complete()
                yield self._event(f"response.{response['status']}", response=response)

    def _begin_item(self, index: int) -> Iterator[bytes]:
        item, part = self._item(index, "in_progress"), self._parts[index]
        kind = self._kind(part)
        place = {"item_id": item["id"], "output_index": index}
        begun = {name: EMPTY.get(name, value) for name, value in item.items()}
        if "status" in item:
            begun["status"] = "in_progress"
        if item["type"] == "tool_search_call":
            begun["arguments"] = {}
        self._input = InputReader() if item["type"] == "custom_tool_call" else None
        yield self._event("response.output_item.added", output_index=index, item=begun)
        if kind == "text":
            yield self._event(
                "response.content_part.added", **place, content_index=0, part=text_part("")
            )
        elif kind == "reasoning":
            yield self._event(
                "response.reasoning_summary_part.added",
                **place,
                summary_index=0,
                part=summary_part(""),
            )
        elif kind == "server":
            self._open_searches[part.begun["id"]] = index
            yield self._event("response.web_search_call.in_progress", **place)
            yield self._event("response.web_search_call.searching", **place)

    def _end_item(self, index: int) -> Iterator[bytes]:
        part, item = self._parts[index], self._item(index, self._status_of(index))
        kind = self._kind(part)
        if kind == "server":
            # It ends with its result.
            return
        place = {"item_id": item["id"], "output_index": index}
        text = part.text
        if part.call is not None:
            yield from self._end_call(item, place)
        elif kind == "text":
            place["content_index"] = 0
            yield self._event("response.output_text.done", **place, text=text, logprobs=[])
            yield self._event("response.content_part.done", **place, part=item["content"][0])
        elif kind == "reasoning":
            place["summary_index"] = 0
            yield self._event("response.reasoning_summary_text.done", **place, text=text)
            yield self._event(
                "response.reasoning_summary_part.done", **place, part=summary_part(text)
            )
        yield self._event("response.output_item.done", output_index=index, item=item)

    def _annotated(self, index: int, cited: int) -> Iterator[bytes]:
        """The annotations of a text from number `cited` on."""
        for number, annotation in enumerate(self._annotations.get(index, ())[cited:], cited):
            yield self._event(
                "response.output_text.annotation.added",
                item_id=self._id(index, self._parts[index]),
                output_index=index,
                content_index=0,
                annotation_index=number,
                annotation=annotation_object(annotation),
            )

    def _searched(self, search_id: str) -> Iterator[bytes]:
        """The end of a search; of one without a result at the end of the answer."""
        index = self._open_searches.pop(search_id, None)
        if index is None:
            return
        item = self._item(index, "")
        if item["status"] == "completed":
            yield self._event(
                "response.web_search_call.completed", item_id=item["id"], output_index=index
            )
        yield self._event("response.output_item.done", output_index=index, item=item)

    def _arguments(self, text: str) -> Iterator[bytes]:
        part = self._gathered.parts[-1]
        assert part.call is not None
        if self._input is not None:
            if typed := self._input.feed(text):
                yield self._delta("response.custom_tool_call_input.delta", typed)
        elif self._origin(part.call).kind == "function":
            self._taken = ToolArgumentsDelta
            yield self._delta("response.function_call_arguments.delta", text)

    def _end_call(self, item: dict[str, Any], place: dict[str, Any]) -> Iterator[bytes]:
        if item["type"] == "function_call":
            told = {key: item[key] for key in ("name", "namespace", "arguments") if key in item}
            yield self._event("response.function_call_arguments.done", **place, **told)
        elif self._input is not None:
            if rest := self._input.end():
                yield self._event("response.custom_tool_call_input.delta", **place, delta=rest)
            yield self._event("response.custom_tool_call_input.done", **place, input=item["input"])

    def _refuse(self) -> Iterator[bytes]:
        index, item = len(self._parts), self._refused()
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        begun = {**item, "status": "in_progress", "content": []}
        yield self._event("response.output_item.added", output_index=index, item=begun)
        yield self._event("response.content_part.added", **place, part=refusal_part(""))
        yield self._event("response.refusal.delta", **place, delta=REFUSAL)
        yield self._event("response.refusal.done", **place, refusal=REFUSAL)
        yield self._event("response.content_part.done", **place, part=refusal_part(REFUSAL))
        yield self._event("response.output_item.done", output_index=index, item=item)

    def _delta(self, kind: str, text: str, more: str = "") -> bytes:
        """An event with text for the last item; more: the fields after it, as JSON."""
        index = len(self._parts) - 1
        item_id = self._id(index, self._parts[index])
        # All but the number and the text is the same in the next event, so it is encoded once.
        self._head = f'event: {kind}\ndata: {{"type": "{kind}", "sequence_number": '
        self._place = f', "item_id": {quoted(item_id)}, "output_index": {index}, "delta": '
        self._tail = more + "}\n\n"
        return self._more(text)

    def _more(self, text: str) -> bytes:
        """Another event like the last one of `_delta`."""
        number, self._sent = self._sent, self._sent + 1
        return f"{self._head}{number}{self._place}{quoted(text)}{self._tail}".encode("ascii")

    def _event(self, kind: str, **told: Any) -> bytes:
        told = {"type": kind, "sequence_number": self._sent, **told}
        self._sent += 1
        return f"event: {kind}\ndata: {json.dumps(told)}\n\n".encode("ascii")
