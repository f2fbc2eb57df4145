"""OpenAI Chat Completions: events as the body of a response, whole or in chunks.

Source: OpenAI's OpenAPI document 2.3.0 (CreateChatCompletionResponse,
CreateChatCompletionStreamResponse).
"""

from __future__ import annotations

import json
from typing import Any

import attrs

from ..errors import APIError
from ..events import Event, Finished, Started, TextDelta, Usage


DONE = b"data: [DONE]\n\n"


def encode_error(error: APIError) -> bytes:
    """OpenAI's error object (openai.yaml, ErrorResponse): all four keys, always."""
    body = {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": error.code,
    }
    return json.dumps({"error": body}).encode("ascii")


def usage_object(usage: Usage) -> dict[str, Any]:
    """CompletionUsage: `prompt_tokens` counts cached tokens too."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_creation_tokens,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


@attrs.define
class WholeAnswer:
    """The one JSON body of a request without `stream`."""

    unique: str
    created: int

    content_type = "application/json"
    keepalive = b""

    _model: str = attrs.field(init=False, default="")
    _text: list[str] = attrs.field(init=False, factory=list)

    def feed(self, event: Event) -> bytes:
        """Nothing until the answer is finished, then all of it."""
        match event:
            case Started(model):
                self._model = model
            case TextDelta(text):
                self._text.append(text)
            case Finished():
                return self._body(event)
        return b""

    def fail(self, error: APIError) -> bytes:
        """Nothing: the head goes out with the body, so an error always has its own response."""
        raise AssertionError("a whole answer has no body to put an error in") from error

    def _body(self, finished: Finished) -> bytes:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(self._text),
            "refusal": None,
            "annotations": [],
        }
        body = {
            "id": f"chatcmpl-{self.unique}",
            "object": "chat.completion",
            "created": self.created,
            "model": self._model,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": finished.reason,
                }
            ],
            "usage": usage_object(finished.usage),
            "service_tier": "default",
        }
        return json.dumps(body).encode("ascii")


@attrs.define
class StreamedAnswer:
    """The chunks of a request with `stream`, as server-sent events."""

    unique: str
    created: int
    with_usage: bool = False

    content_type = "text/event-stream; charset=utf-8"
    keepalive = b": keep-alive\n\n"

    _head: str = attrs.field(init=False, default="")
    _tail: str = attrs.field(init=False, default="")

    def feed(self, event: Event) -> bytes:
        """The frames for one event."""
        match event:
            case TextDelta(text):
                return self._chunk(f'{{"content":{json.dumps(text)}}}')
            case Started(model):
                self._prepare(model)
                return self._chunk('{"role":"assistant","content":"","refusal":null}')
            case Finished(reason, usage):
                last = self._chunk("{}", f'"{reason}"')
                return last + (self._usage(usage) if self.with_usage else b"") + DONE
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

    def _chunk(self, delta: str, finish_reason: str = "null") -> bytes:
        return (
            f'{self._head}{{"index":0,"delta":{delta},"logprobs":null,'
            f'"finish_reason":{finish_reason}}}{self._tail}'
        ).encode("ascii")

    def _usage(self, usage: Usage) -> bytes:
        return f'{self._head}],"usage":{json.dumps(usage_object(usage))}}}\n\n'.encode("ascii")
