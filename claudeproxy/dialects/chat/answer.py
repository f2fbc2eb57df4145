"""OpenAI Chat Completions: events as the body of a response, whole or in chunks.

Source: OpenAI's OpenAPI document 2.3.0 (CreateChatCompletionResponse,
CreateChatCompletionStreamResponse).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ...errors import APIError
from ...events import (
    AnswerAccumulator,
    Delta,
    Event,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
)
from .. import SCHEMA_MISMATCH, WholeBody, quoted
from ..custom_tools import InputReader, whole_input
from ..openai_answer import DONE, REFUSAL, encode_error, plain_id, usage_object
from ..openai_web_search import Annotation
from ..tools import Origin
from .cited import CitedText, annotations_field


# The value before the first delta.
NO_DELTA: tuple[None, str, str] = None, "", ""


def finish_reason(finished: Finished, *, legacy: bool) -> str:
    """The finish_reason of a choice."""
    return "function_call" if legacy and finished.reason == "tool_calls" else finished.reason


def _message(
    answer: AnswerAccumulator,
    origins: Mapping[str, Origin],
    annotations: Sequence[Annotation],
    *,
    legacy: bool,
) -> dict[str, Any]:
    """ChatCompletionResponseMessage."""
    refused = answer.finished is not None and answer.finished.reason == "content_filter"
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.text or (None if answer.calls or refused else ""),
        "refusal": REFUSAL if refused else None,
        "annotations": annotations_field(annotations),
    }
    if reasoning := answer.reasoning:
        message["reasoning_content"] = reasoning
    if answer.calls and legacy:
        call, arguments = answer.calls[0]
        message["function_call"] = {"name": call.name, "arguments": arguments}
    elif answer.calls:
        message["tool_calls"] = [
            _tool_call(call, arguments, origins.get(call.name)) for call, arguments in answer.calls
        ]
    return message


def _tool_call(call: ToolCallStarted, arguments: str, origin: Origin | None) -> dict[str, Any]:
    """ChatCompletionMessageToolCall, or ...CustomToolCall."""
    if origin is not None and origin.kind == "custom":
        custom = {"name": origin.name, "input": whole_input(arguments)}
        return {"id": plain_id(call.id), "type": "custom", "custom": custom}
    function = {"name": call.name, "arguments": arguments}
    return {"id": plain_id(call.id), "type": "function", "function": function}


@attrs.define
class WholeAnswer(WholeBody):
    """The one JSON body of a request without `stream`.

    legacy: the client calls tools functions, and knows one call at most. origins: of the tools that
    are something else to the client. cites: the answer may cite web pages.
    """

    unique: str
    created: int
    choices: int = 1
    legacy: bool = False
    origins: Mapping[str, Origin] = attrs.field(factory=dict)
    cites: bool = False

    _model: str = attrs.field(init=False, default="")
    _choices: list[AnswerAccumulator] = attrs.field(init=False)

    _cited: dict[int, CitedText] = attrs.field(init=False, factory=dict)

    @_choices.default
    def _empty(self) -> list[AnswerAccumulator]:
        return [AnswerAccumulator() for _ in range(self.choices)]

    def feed(self, event: Event, choice: int = 0) -> bytes:
        """Nothing until all choices are finished, then all of it."""
        if isinstance(event, Started):
            self._model = event.model
        events: Sequence[Event] = (event,)
        if self.cites:
            events = self._cited.setdefault(choice, CitedText()).feed(event)
        self._choices[choice].feed_all(events)
        ends = [its.finished for its in self._choices]
        if isinstance(event, Finished) and None not in ends:
            return self._body([end for end in ends if end is not None])
        return b""

    def _body(self, ends: list[Finished]) -> bytes:
        body = {
            "id": f"chatcmpl-{self.unique}",
            "object": "chat.completion",
            "created": self.created,
            "model": self._model,
            "choices": [
                {
                    "index": index,
                    "message": self._message(index),
                    "logprobs": None,
                    "finish_reason": finish_reason(end, legacy=self.legacy),
                }
                for index, end in enumerate(ends)
            ],
            "usage": usage_object(sum((end.usage for end in ends), Usage())),
            "service_tier": "default",
        }
        return json.dumps(body).encode("ascii")

    def _message(self, index: int) -> dict[str, Any]:
        cited = self._cited.get(index)
        annotations = () if cited is None else cited.annotations
        return _message(self._choices[index], self.origins, annotations, legacy=self.legacy)


@attrs.define
class StreamedAnswer:
    """The chunks of a request with `stream`, as server-sent events; fields as in WholeAnswer.

    with_usage: the last chunk has the usage.
    """

    unique: str
    created: int
    choices: int = 1
    legacy: bool = False
    origins: Mapping[str, Origin] = attrs.field(factory=dict)
    cites: bool = False
    with_usage: bool = False

    content_type = "text/event-stream; charset=utf-8"
    keepalive = b": keep-alive\n\n"

    _head: str = attrs.field(init=False, default="")
    _tail: str = attrs.field(init=False, default="")
    _ended: list[Finished] = attrs.field(init=False, factory=list)
    _inputs: dict[tuple[int, int], InputReader] = attrs.field(init=False, factory=dict)
    # For each choice the class of its last delta, and what the chunk has around the text.
    _last: dict[int, tuple[type[Delta], str, str]] = attrs.field(init=False, factory=dict)

    _cited: dict[int, CitedText] = attrs.field(init=False, factory=dict)

    def feed(self, event: Event, choice: int = 0) -> bytes:
        """The frames for one event."""
        if self.cites:
            return self._feed_cited(event, choice)
        return self._feed(event, choice)

    def _feed_cited(self, event: Event, choice: int) -> bytes:
        cited = self._cited.setdefault(choice, CitedText())
        frames = [self._feed(told, choice) for told in cited.feed(event)]
        if isinstance(event, Finished) and cited.annotations:
            # OpenAI's clients take one list for each choice: the Python client fails at a second
            # one, and the JavaScript client replaces the first.
            told = {"annotations": annotations_field(cited.annotations)}
            frames.insert(0, self._chunk(choice, json.dumps(told)))
        return b"".join(frames)

    def _feed(self, event: Event, choice: int) -> bytes:
        kind, before, after = self._last.get(choice, NO_DELTA)
        if type(event) is kind:
            return f"{before}{quoted(event.text)}{after}".encode("ascii")
        self._last.pop(choice, None)
        match event:
            case TextDelta():
                return self._delta(choice, event, '{"content":', "}")
            case ReasoningDelta():
                return self._delta(choice, event, '{"reasoning_content":', "}")
            case ToolCallStarted(index):
                call = _tool_call(event, "", self.origins.get(event.name))
                if call["type"] == "custom":
                    self._inputs[choice, index] = InputReader()
                return self._called(choice, index, {"index": index, **call})
            case ToolArgumentsDelta(index, text):
                reader = self._inputs.get((choice, index))
                if reader is not None:
                    return self._typed(choice, index, reader.feed(text))
                return self._arguments(choice, event)
            case Started(model):
                self._prepare(model)
                return self._chunk(choice, '{"role":"assistant","content":"","refusal":null}')
            case Finished():
                return self._finish(choice, event)
        return b""

    def fail(self, error: APIError) -> bytes:
        """An error frame, which both official SDKs raise as an APIError."""
        return b"data: " + encode_error(error) + b"\n\n"

    def _prepare(self, model: str) -> None:
        # All but the delta is the same in every chunk of an answer, so it is encoded once.
        self._head = (
            f'data: {{"id":"chatcmpl-{self.unique}","object":"chat.completion.chunk",'
            f'"created":{self.created},"model":{json.dumps(model)},'
            f'"service_tier":"default","choices":['
        )
        self._tail = "]" + (',"usage":null' if self.with_usage else "") + "}\n\n"

    def _called(self, choice: int, index: int, call: dict[str, Any]) -> bytes:
        if not self.legacy:
            return self._chunk(choice, json.dumps({"tool_calls": [call]}))
        return (
            b"" if index else self._chunk(choice, json.dumps({"function_call": call["function"]}))
        )

    def _arguments(self, choice: int, event: ToolArgumentsDelta) -> bytes:
        if not self.legacy:
            before = f'{{"tool_calls": [{{"index": {event.index}, "function": {{"arguments": '
            return self._delta(choice, event, before, "}}]}")
        if event.index:
            return b""
        return self._delta(choice, event, '{"function_call": {"arguments": ', "}}")

    def _typed(self, choice: int, index: int, text: str) -> bytes:
        """More of the input of a custom tool."""
        if not text:
            return b""
        return self._called(choice, index, {"index": index, "custom": {"input": text}})

    def _finish(self, choice: int, finished: Finished) -> bytes:
        frames = b"".join(
            self._typed(choice, index, reader.end())
            for (its, index), reader in self._inputs.items()
            if its == choice
        )
        if finished.reason == "content_filter":
            frames += self._chunk(choice, json.dumps({"refusal": REFUSAL}))
        finish = f'"{finish_reason(finished, legacy=self.legacy)}"'
        if finished.schema_mismatch:
            finish += f',"{SCHEMA_MISMATCH}":{quoted(finished.schema_mismatch)}'
        frames += self._chunk(choice, "{}", finish)
        self._ended.append(finished)
        if len(self._ended) < self.choices:
            return frames
        if self.with_usage:
            usage = usage_object(sum((end.usage for end in self._ended), Usage()))
            frames += f'{self._head}],"usage":{json.dumps(usage)}}}\n\n'.encode("ascii")
        return frames + DONE

    def _delta(self, choice: int, event: Delta, before: str, after: str) -> bytes:
        """The chunk with the event's text; before, after: the JSON of the delta around it."""
        start, end = self._around(choice)
        # All but the text is the same in the next chunk of this class, so it is encoded once.
        self._last[choice] = type(event), start + before, after + end
        return self._chunk(choice, f"{before}{quoted(event.text)}{after}")

    def _chunk(self, choice: int, delta: str, finish: str = "null") -> bytes:
        start, end = self._around(choice, finish)
        return f"{start}{delta}{end}".encode("ascii")

    def _around(self, choice: int, finish: str = "null") -> tuple[str, str]:
        return (
            f'{self._head}{{"index":{choice},"delta":',
            f',"logprobs":null,"finish_reason":{finish}}}{self._tail}',
        )
