"""OpenAI Responses: the response object that the events of an answer make.

Source: OpenAI's OpenAPI document 2.3.0 (Response, ResponseStreamEvent).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from ...conversation import Block
from ...errors import USAGE_LIMIT, APIError
from ...events import (
    AnswerAccumulator,
    Cited,
    Event,
    Part,
    ReasoningDelta,
    ReasoningSigned,
    ServerBlockStarted,
    Started,
    TextDelta,
    TextStarted,
    ToolCallStarted,
    Usage,
    Withdrawn,
)
from .. import SCHEMA_MISMATCH
from ..custom_tools import whole_input
from ..openai_answer import REFUSAL, plain_id
from ..openai_web_search import RESULT, Annotation, Citations
from ..tool_calls import read_arguments
from ..tools import Origin
from .searches import Searches, is_item


# The type of an item that has a summary.
COMPACTION = "compaction"
# How ids of items begin; those of calls are told by the kind of the tool.
PREFIXES = {
    "text": "msg",
    COMPACTION: "cmp",
    "reasoning": "rs",
    "function": "fc",
    "custom": "ctc",
    "tool_search": "tsc",
    "server": "ws",
}
# What each kind of tool is called by.
CALLS = {
    "function": "function_call",
    "custom": "custom_tool_call",
    "tool_search": "tool_search_call",
}
# The values of the fields of an item that has just begun.
EMPTY: Mapping[str, Any] = {
    "content": [],
    "summary": [],
    "arguments": "",
    "input": "",
    "encrypted_content": "",
}
# `context_length_exceeded` is not in OpenAI's document, but Codex looks for it.
ERROR_CODES = frozenset({"rate_limit_exceeded", "context_length_exceeded"})
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


@attrs.frozen
class ResponseContext:
    """What a response needs in addition to its events.

    echo: the fields of the request that it repeats. summary: whether it includes the model's
    thinking. keep: called with the response when it is complete, and with the API's blocks of each
    search. origins: the client's view of tools. now: returns the time in seconds since the epoch.
    searches: whether the model may search the web. sources: whether the response lists the pages
    that a search found. sealed: makes the content of a compaction item of the text, if such an item
    was asked for.
    """

    echo: Mapping[str, Any]
    summary: bool = False
    keep: Callable[[Mapping[str, Any], Mapping[str, tuple[Block, ...]]], None] | None = None
    origins: Mapping[str, Origin] = attrs.field(factory=dict)
    now: Callable[[], float] | None = None
    searches: bool = False
    sources: bool = False
    sealed: Callable[[str], str] | None = None


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


def text_part(text: str, annotations: Iterable[Annotation] = ()) -> dict[str, Any]:
    """ResponseOutputText."""
    cited = [*map(annotation_object, annotations)]
    return {"type": "output_text", "text": text, "annotations": cited, "logprobs": []}


def annotation_object(annotation: Annotation) -> dict[str, Any]:
    """UrlCitationBody."""
    return {"type": "url_citation", **annotation.body}


def refusal_part(text: str) -> dict[str, Any]:
    """OutputRefusal."""
    return {"type": "refusal", "refusal": text}


def summary_part(text: str) -> dict[str, Any]:
    """SummaryTextContent."""
    return {"type": "summary_text", "text": text}


def error_object(error: APIError) -> dict[str, Any]:
    """ResponseError, and for the limit of a plan what Codex reads of it."""
    code = error.code if error.code in ERROR_CODES else "server_error"
    told: dict[str, Any] = {"code": code, "message": error.message}
    if error.type == USAGE_LIMIT:
        told.update(type=USAGE_LIMIT, resets_at=error.resets_at)
    return told


@attrs.define
class Writer:
    """What both forms of an answer have in common."""

    context: ResponseContext
    unique: str
    created: int

    _model: str = attrs.field(init=False, default="")
    _gathered: AnswerAccumulator = attrs.field(init=False, factory=AnswerAccumulator)
    _searches: Searches = attrs.field(init=False)
    _citations: Citations = attrs.field(init=False, factory=Citations)
    # Of each text, by the index of its item.
    _annotations: dict[int, list[Annotation]] = attrs.field(init=False, factory=dict)

    @_searches.default
    def _none(self) -> Searches:
        return Searches(self.context.sources)

    @property
    def _parts(self) -> list[Part]:
        """The parts of the answer that are items."""
        parts = self._gathered.parts
        return [part for part in parts if is_item(part)] if self.context.searches else parts

    def _take(self, event: Event) -> bool:
        """Add an event to the answer; return whether the client gets it."""
        if isinstance(event, Started):
            self._model = event.model
        if isinstance(event, ReasoningDelta | ReasoningSigned) and not self.context.summary:
            return False
        if isinstance(event, Withdrawn):
            self._annotations.clear()
            self._citations, self._searches = Citations(), self._none()
        if self.context.searches:
            self._cite(event)
        # The blocks of a text are one text here.
        elif not isinstance(event, TextStarted):
            self._gathered.feed(event)
        return True

    def _cite(self, event: Event) -> None:
        before = len(self._gathered.parts)
        in_text = isinstance(event, TextDelta | Cited)
        if not in_text and (ended := self._citations.feed(event)):
            self._annotations.setdefault(len(self._parts) - 1, []).extend(ended)
        if not isinstance(event, TextStarted):
            self._gathered.feed(event)
        if len(self._gathered.parts) > before:
            self._citations.restart()
        if in_text:
            self._citations.feed(event)
        elif isinstance(event, ServerBlockStarted) and event.block["type"] == RESULT:
            self._searches.found(event.block)

    def _item(self, index: int, status: str) -> dict[str, Any]:
        part = self._parts[index]
        item: dict[str, Any] = {"id": self._id(index, part), "type": "message", "status": status}
        if part.kind == "server":
            return {**item, "type": "web_search_call", **self._searches.fields(part)}
        if part.call is not None:
            return {**item, **self._call(part.call, part.text)}
        if part.kind == "reasoning":
            return {**item, "type": "reasoning", "summary": [summary_part(part.text)]}
        if self.context.sealed is not None:
            sealed = self.context.sealed(part.text)
            return {"id": item["id"], "type": COMPACTION, "encrypted_content": sealed}
        text = text_part(part.text, self._annotations.get(index, ()))
        return {**item, "role": "assistant", "content": [text]}

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
            "content": [refusal_part(REFUSAL)],
        }

    def _kind(self, part: Part) -> str:
        """The kind of a part, except that the text of a summary has a kind of its own."""
        summary = part.kind == "text" and self.context.sealed is not None
        return COMPACTION if summary else part.kind

    def _id(self, index: int, part: Part) -> str:
        kind = self._kind(part) if part.call is None else self._origin(part.call).kind
        return f"{PREFIXES[kind]}_{self.unique}{index}"

    def _status_of(self, index: int) -> str:
        finished = self._gathered.finished
        cut_off = finished is None or finished.reason == "length"
        last = index == len(self._parts) - 1
        return "incomplete" if cut_off and last else "completed"

    def _response(self, status: str, error: APIError | None = None) -> dict[str, Any]:
        finished = self._gathered.finished
        output: list[Mapping[str, Any]] = []
        if status != "in_progress":
            output = [
                self._item(index, self._status_of(index)) for index in range(len(self._parts))
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
            "error": None if error is None else error_object(error),
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
            items = {self._id(index, part): part for index, part in enumerate(self._parts)}
            self.context.keep(response, self._searches.blocks(items))
        return response
