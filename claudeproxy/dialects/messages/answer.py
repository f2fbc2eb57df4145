"""Anthropic Messages: events as the body of a response, whole or as server-sent events.

Source: Anthropic's API reference, "Create a Message" and "Streaming messages". The answer is what
the API sent to the CLI: its blocks in their order, its stop reason, its counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ...errors import APIError
from ...events import (
    AnswerAccumulator,
    Cited,
    Delta,
    Event,
    Finished,
    Part,
    ReasoningDelta,
    ReasoningSigned,
    ServerInputDelta,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    Usage,
)
from .. import SCHEMA_MISMATCH, WholeBody, quoted
from ..tool_calls import read_arguments


# The API's error type for each HTTP status (its reference, "Errors").
ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


# On this error code the SDKs continue without a thread (`anthropic` 2.13.0).
THREADS = "thread_unsupported_request"

# The type of each delta, and the field that has its text.
DELTAS: Mapping[type[Delta], tuple[str, str]] = {
    TextDelta: ("text_delta", "text"),
    ReasoningDelta: ("thinking_delta", "thinking"),
    ToolArgumentsDelta: ("input_json_delta", "partial_json"),
    ServerInputDelta: ("input_json_delta", "partial_json"),
}


def error_type(error: APIError) -> str:
    """Return the type that the API gave the error, or the one for its status."""
    other = "api_error" if error.status >= 500 else "invalid_request_error"
    return error.api_type or ERROR_TYPES.get(error.status, other)


def encode_error(error: APIError, request_id: str | None = None) -> bytes:
    """Return Anthropic's error object. In the middle of a stream it has no `request_id`.

    `resets_at` is an extension of this server.
    """
    told: dict[str, Any] = {"type": error_type(error), "message": error.message}
    if error.resets_at is not None:
        told["resets_at"] = error.resets_at
    if error.code == THREADS:
        told["details"] = {"error_code": THREADS, "unsupported": [error.param]}
    body: dict[str, Any] = {"type": "error", "error": told}
    if request_id is not None:
        body["request_id"] = request_id
    return json.dumps(body).encode("ascii")


def usage_object(usage: Usage) -> dict[str, Any]:
    """Usage: what the cache took part in is counted beside `input_tokens`, not in it."""
    counts: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_creation_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
    }
    return {**counts, "server_tool_use": usage.server_tools} if usage.server_tools else counts


def _stop(finished: Finished) -> dict[str, Any]:
    """Why the answer ended, and what else the API tells at its end."""
    reason = finished.stop_reason
    if finished.reason == "stop" and reason == "tool_use":
        # A structured answer is a call of the CLI's own tool.
        reason = "end_turn"
    told: dict[str, Any] = {"stop_reason": reason, "stop_sequence": finished.stop_sequence}
    return {**told, "container": finished.container} if finished.container else told


def _message(unique: str, model: str, usage: Usage) -> dict[str, Any]:
    return {
        "id": f"msg_{unique}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage_object(usage),
    }


def _block(part: Part) -> dict[str, Any]:
    if part.call is not None:
        arguments = read_arguments(part.text)
        return {
            "type": "tool_use",
            "id": part.call.id,
            "name": part.call.name,
            "input": arguments,
        }
    if part.kind == "server":
        return part.block
    if part.kind == "text":
        cited = {"citations": part.citations} if part.citations else {}
        return {"type": "text", "text": part.text, **cited}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _empty(part: Part) -> dict[str, Any]:
    """The block as it begins, before its deltas."""
    block = _block(part)
    if part.kind == "text":
        block.update(text="", **({"citations": []} if part.citations else {}))
    elif part.kind == "reasoning":
        block["thinking"] = ""
    return block


@attrs.define
class WholeMessage(WholeBody):
    """The one JSON body of a request without `stream`."""

    unique: str
    created: int

    _model: str = attrs.field(init=False, default="")
    _gathered: AnswerAccumulator = attrs.field(init=False, factory=AnswerAccumulator)

    def feed(self, event: Event, choice: int = 0) -> bytes:
        """Nothing until the answer is finished, then all of it."""
        self._gathered.feed(event)
        if isinstance(event, Started):
            self._model = event.model
        if not isinstance(event, Finished):
            return b""
        message = _message(self.unique, self._model, event.usage)
        message["content"] = [_block(part) for part in self._gathered.parts]
        return json.dumps({**message, **_stop(event)}).encode("ascii")


@attrs.define
class StreamedMessage:
    """The events of a request with `stream`."""

    unique: str
    created: int

    content_type = "text/event-stream; charset=utf-8"
    keepalive = b'event: ping\ndata: {"type": "ping"}\n\n'

    # Of each block at least the first event. More is not needed here.
    _begun: AnswerAccumulator = attrs.field(init=False, factory=AnswerAccumulator)
    # The deltas that the open block takes, and how their frames begin.
    _taken: type[Delta] | None = attrs.field(init=False, default=None)
    _head: str = attrs.field(init=False, default="")

    def feed(self, event: Event, choice: int = 0) -> bytes:
        """The frames for one event."""
        if type(event) is self._taken:
            return self._delta(event.text)
        return b"".join(self._frames(event))

    def fail(self, error: APIError) -> bytes:
        """The API's error event."""
        return b"event: error\ndata: " + encode_error(error) + b"\n\n"

    def _frames(self, event: Event) -> Iterator[bytes]:
        self._taken = None
        parts = self._begun.parts
        before = len(parts)
        self._begun.feed(event)
        index = len(parts) - 1
        if before and (len(parts) > before or isinstance(event, Finished)):
            yield _frame("content_block_stop", index=before - 1)
        if len(parts) > before:
            yield _frame("content_block_start", index=index, content_block=_empty(parts[-1]))
        match event:
            case Started(model):
                yield _frame("message_start", message=_message(self.unique, model, event.usage))
            case ReasoningSigned(signature):
                signed = {"type": "signature_delta", "signature": signature}
                yield _frame("content_block_delta", index=index, delta=signed)
            case Cited(citation):
                cited = {"type": "citations_delta", "citation": citation}
                yield _frame("content_block_delta", index=index, delta=cited)
            case TextDelta() | ReasoningDelta() | ToolArgumentsDelta() | ServerInputDelta():
                self._taken = type(event)
                kind, field = DELTAS[self._taken]
                # All but the text is the same in every frame, so it is encoded once.
                self._head = (
                    f'event: content_block_delta\ndata: {{"type": "content_block_delta", '
                    f'"index": {index}, "delta": {{"type": "{kind}", "{field}": '
                )
                yield self._delta(event.text)
            case Finished():
                why = event.schema_mismatch
                more = {SCHEMA_MISMATCH: why} if why else {}
                usage = usage_object(event.usage)
                yield _frame("message_delta", delta=_stop(event), usage=usage, **more)
                yield _frame("message_stop")

    def _delta(self, text: str) -> bytes:
        return f"{self._head}{quoted(text)}}}}}\n\n".encode("ascii")


def _frame(kind: str, **told: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **told})}\n\n".encode("ascii")
