"""OpenAI Responses: events as the body of a response, whole or as server-sent events.

Source: OpenAI's OpenAPI document 2.3.0 (Response, ResponseStreamEvent).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from ...errors import USAGE_LIMIT, APIError
from ...events import (
    AnswerAccumulator,
    Delta,
    Event,
    Finished,
    Part,
    ReasoningDelta,
    ReasoningSigned,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
)
from .. import SCHEMA_MISMATCH, WholeBody, quoted
from ..custom_tools import InputReader, whole_input
from ..openai_answer import REFUSAL, plain_id
from ..tool_calls import read_arguments
from ..tools import Origin


# How ids of items begin; those of calls are told by the kind of the tool.
PREFIXES = {
    "text": "msg",
    "reasoning": "rs",
    "function": "fc",
    "custom": "ctc",
    "tool_search": "tsc",
}
# What each kind of tool is called by.
CALLS = {
    "function": "function_call",
    "custom": "custom_tool_call",
    "tool_search": "tool_search_call",
}
# The values of the fields of an item that has just begun.
EMPTY: Mapping[str, Any] = {"content": [], "summary": [], "arguments": "", "input": ""}
# `context_length_exceeded` is not in OpenAI's document, but Codex looks for it.
ERROR_CODES = frozenset({"rate_limit_exceeded", "context_length_exceeded"})
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


@attrs.frozen
class ResponseContext:
    """What a response needs in addition to its events.

    echo: the fields of the request that it repeats. summary: whether it includes the model's
    thinking. keep: called with the response when it is complete. origins: the client's view of
    tools. now: returns the time in seconds since the epoch.
    """

    echo: Mapping[str, Any]
    summary: bool = False
    keep: Callable[[Mapping[str, Any]], None] | None = None
    origins: Mapping[str, Origin] = attrs.field(factory=dict)
    now: Callable[[], float] | None = None


def usage_object(usage: Usage) -> dict[str, Any]:
    """ResponseUsage: `input_tokens` counts cached tokens too."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_creation_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
    }


def _text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _refusal(text: str) -> dict[str, Any]:
    return {"type": "refusal", "refusal": text}


def _summary(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


def _error(error: APIError) -> dict[str, Any]:
    """ResponseError, and for the limit of a plan what Codex reads of it."""
    code = error.code if error.code in ERROR_CODES else "server_error"
    told: dict[str, Any] = {"code": code, "message": error.message}
    if error.type == USAGE_LIMIT:
        told.update(type=USAGE_LIMIT, resets_at=error.resets_at)
    return told


@attrs.define
class _Writer:
    """What both forms of an answer have in common."""

    context: ResponseContext
    unique: str
    created: int

    _model: str = attrs.field(init=False, default="")
    _gathered: AnswerAccumulator = attrs.field(init=False, factory=AnswerAccumulator)

    def _take(self, event: Event) -> bool:
        """Add an event to the answer; return whether the client gets it."""
        if isinstance(event, Started):
            self._model = event.model
        if isinstance(event, ReasoningDelta | ReasoningSigned) and not self.context.summary:
            return False
        self._gathered.feed(event)
        return True

    def _item(self, index: int, status: str) -> dict[str, Any]:
        part = self._gathered.parts[index]
        item: dict[str, Any] = {"id": self._id(index, part), "type": "message", "status": status}
        if part.call is not None:
            return {**item, **self._call(part.call, part.text)}
        if part.kind == "reasoning":
            return {**item, "type": "reasoning", "summary": [_summary(part.text)]}
        return {**item, "role": "assistant", "content": [_text(part.text)]}

    def _now(self) -> int:
        return self.created if self.context.now is None else int(self.context.now())

    def _origin(self, call: ToolCallStarted) -> Origin:
        return self.context.origins.get(call.name) or Origin(call.name)

    def _call(self, call: ToolCallStarted, arguments: str) -> dict[str, Any]:
        origin = self._origin(call)
        told: dict[str, Any] = {"type": CALLS[origin.kind], "call_id": plain_id(call.id)}
        match origin.kind:
            case "custom":
                told |= {"name": origin.name, "input": whole_input(arguments)}
            case "tool_search":
                told |= {"execution": "client", "arguments": read_arguments(arguments)}
            case _:
                told |= {"name": origin.name, "arguments": arguments}
        return {**told, "namespace": origin.namespace} if origin.namespace else told

    def _refused(self) -> dict[str, Any]:
        return {
            "id": f"msg_{self.unique}r",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [_refusal(REFUSAL)],
        }

    def _id(self, index: int, part: Part) -> str:
        kind = part.kind if part.call is None else self._origin(part.call).kind
        return f"{PREFIXES[kind]}_{self.unique}{index}"

    def _status_of(self, index: int) -> str:
        finished = self._gathered.finished
        cut_off = finished is None or finished.reason == "length"
        last = index == len(self._gathered.parts) - 1
        return "incomplete" if cut_off and last else "completed"

    def _response(self, status: str, error: APIError | None = None) -> dict[str, Any]:
        finished = self._gathered.finished
        output: list[Mapping[str, Any]] = []
        if status != "in_progress":
            output = [
                self._item(index, self._status_of(index))
                for index in range(len(self._gathered.parts))
            ]
        reason = None
        if finished is not None and finished.reason in INCOMPLETE:
            status, reason = "incomplete", {"reason": INCOMPLETE[finished.reason]}
            if finished.reason == "content_filter":
                output.append(self._refused())
        return {
            "id": f"resp_{self.unique}",
            "object": "response",
            "created_at": self.created,
            "completed_at": self._now() if status == "completed" else None,
            "status": status,
            "background": False,
            "error": None if error is None else _error(error),
            "incomplete_details": reason,
            "output": output,
            "service_tier": "default",
            **self.context.echo,
            "model": self._model or self.context.echo["model"],
            "usage": None if finished is None else usage_object(finished.usage),
            **(
                {SCHEMA_MISMATCH: finished.schema_mismatch}
                if finished is not None and finished.schema_mismatch
                else {}
            ),
        }

    def _complete(self) -> dict[str, Any]:
        response = self._response("completed")
        if self.context.keep is not None:
            self.context.keep(response)
        return response


@attrs.define
class WholeResponse(_Writer, WholeBody):
    """The one JSON body of a request without `stream`."""

    def feed(self, event: Event, choice: int = 0) -> bytes:
        """Nothing until the answer is finished, then all of it."""
        self._take(event)
        return json.dumps(self._complete()).encode("ascii") if isinstance(event, Finished) else b""


@attrs.define
class StreamedResponse(_Writer):
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

    def feed(self, event: Event, choice: int = 0) -> bytes:
        """The frames for one event."""
        if type(event) is self._taken:
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
        parts = self._gathered.parts
        before = len(parts)
        if not self._take(event):
            return
        self._taken = None
        if before and (len(parts) > before or isinstance(event, Finished)):
            yield from self._end_item(before - 1)
        if len(parts) > before:
            yield from self._begin_item(len(parts) - 1)
        match event:
            case Started():
                yield from self._begin()
            case TextDelta(text):
                self._taken, more = TextDelta, ', "content_index": 0, "logprobs": []'
                yield self._delta("response.output_text.delta", text, more)
            case ReasoningDelta(text):
                self._taken, more = ReasoningDelta, ', "summary_index": 0'
                yield self._delta("response.reasoning_summary_text.delta", text, more)
            case ToolArgumentsDelta(_, text):
                yield from self._arguments(text)
            case Finished(reason):
                if reason == "content_filter":
                    yield from self._refuse()
                response = self._complete()
                yield self._event(f"response.{response['status']}", response=response)

    def _begin_item(self, index: int) -> Iterator[bytes]:
        item, part = self._item(index, "in_progress"), self._gathered.parts[index]
        place = {"item_id": item["id"], "output_index": index}
        begun = {name: EMPTY.get(name, value) for name, value in item.items()}
        if item["type"] == "tool_search_call":
            begun["arguments"] = {}
        self._input = InputReader() if item["type"] == "custom_tool_call" else None
        yield self._event("response.output_item.added", output_index=index, item=begun)
        if part.kind == "text":
            yield self._event(
                "response.content_part.added", **place, content_index=0, part=_text("")
            )
        elif part.kind == "reasoning":
            yield self._event(
                "response.reasoning_summary_part.added", **place, summary_index=0, part=_summary("")
            )

    def _end_item(self, index: int) -> Iterator[bytes]:
        part, item = self._gathered.parts[index], self._item(index, self._status_of(index))
        place = {"item_id": item["id"], "output_index": index}
        text = part.text
        if part.call is not None:
            yield from self._end_call(item, place)
        elif part.kind == "text":
            place["content_index"] = 0
            yield self._event("response.output_text.done", **place, text=text, logprobs=[])
            yield self._event("response.content_part.done", **place, part=_text(text))
        else:
            place["summary_index"] = 0
            yield self._event("response.reasoning_summary_text.done", **place, text=text)
            yield self._event("response.reasoning_summary_part.done", **place, part=_summary(text))
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
        index, item = len(self._gathered.parts), self._refused()
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        begun = {**item, "status": "in_progress", "content": []}
        yield self._event("response.output_item.added", output_index=index, item=begun)
        yield self._event("response.content_part.added", **place, part=_refusal(""))
        yield self._event("response.refusal.delta", **place, delta=REFUSAL)
        yield self._event("response.refusal.done", **place, refusal=REFUSAL)
        yield self._event("response.content_part.done", **place, part=_refusal(REFUSAL))
        yield self._event("response.output_item.done", output_index=index, item=item)

    def _delta(self, kind: str, text: str, more: str = "") -> bytes:
        """An event with text for the last item; more: the fields after it, as JSON."""
        index = len(self._gathered.parts) - 1
        item_id = self._id(index, self._gathered.parts[index])
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
