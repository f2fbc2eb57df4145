"""OpenAI Completions: events as the body of a response, whole or in chunks.

Source: OpenAI's OpenAPI document 2.3.0 (CreateCompletionResponse).
"""

from __future__ import annotations

import json
from typing import Any

import attrs

from ...errors import APIError
from ...events import AnswerAccumulator, Event, Finished, Started, TextDelta, Usage
from .. import WholeBody
from ..openai_answer import DONE, encode_error, usage_object


def error_body(error: APIError) -> bytes:
    """OpenAI's error object (openai.yaml, ErrorResponse)."""
    param = "prompt" if error.param == "messages" else error.param
    return encode_error(attrs.evolve(error, param=param))


def _choice(index: int, text: str, finished: Finished | None) -> dict[str, Any]:
    reason = None if finished is None else finished.reason
    return {"text": text, "index": index, "logprobs": None, "finish_reason": reason}


@attrs.define
class _Writer:
    """What both forms of an answer have in common. echoed: what each choice begins with."""

    echoed: tuple[str, ...]

    def _body(
        self, unique: str, created: int, model: str, choices: list[dict[str, Any]]
    ) -> dict[str, Any]:
        return {
            "id": f"cmpl-{unique}",
            "object": "text_completion",
            "created": created,
            "model": model,
            "choices": choices,
        }


@attrs.define
class WholeCompletion(_Writer, WholeBody):
    """The one JSON body of a request without `stream`."""

    unique: str
    created: int

    _model: str = attrs.field(init=False, default="")
    _choices: list[AnswerAccumulator] = attrs.field(init=False)

    @_choices.default
    def _empty(self) -> list[AnswerAccumulator]:
        return [AnswerAccumulator() for _ in self.echoed]

    def feed(self, event: Event, choice: int = 0) -> bytes:
        """Nothing until all choices are finished, then all of it."""
        if isinstance(event, Started):
            self._model = event.model
        self._choices[choice].feed(event)
        ends = [its.finished for its in self._choices if its.finished is not None]
        if not isinstance(event, Finished) or len(ends) < len(self._choices):
            return b""
        choices = [
            _choice(index, before + its.text, its.finished)
            for index, (before, its) in enumerate(zip(self.echoed, self._choices, strict=True))
        ]
        body = self._body(self.unique, self.created, self._model, choices)
        body["usage"] = usage_object(sum((end.usage for end in ends), Usage()))
        return json.dumps(body).encode("ascii")


@attrs.define
class StreamedCompletion(_Writer):
    """The chunks of a request with `stream`, as server-sent events."""

    with_usage: bool
    unique: str
    created: int

    content_type = "text/event-stream; charset=utf-8"
    keepalive = b": keep-alive\n\n"

    _model: str = attrs.field(init=False, default="")
    _ended: list[Finished] = attrs.field(init=False, factory=list)

    def feed(self, event: Event, choice: int = 0) -> bytes:
        """The frames for one event."""
        match event:
            case Started(model):
                self._model = model
                before = self.echoed[choice]
                return self._chunk([_choice(choice, before, None)]) if before else b""
            case TextDelta(text):
                return self._chunk([_choice(choice, text, None)])
            case Finished():
                return self._finish(choice, event)
        return b""

    def fail(self, error: APIError) -> bytes:
        """An error frame, which both official SDKs raise as an APIError."""
        return b"data: " + error_body(error) + b"\n\n"

    def _finish(self, choice: int, finished: Finished) -> bytes:
        self._ended.append(finished)
        frames = self._chunk([_choice(choice, "", finished)])
        if len(self._ended) < len(self.echoed):
            return frames
        if self.with_usage:
            usage = usage_object(sum((end.usage for end in self._ended), Usage()))
            frames += self._chunk([], usage)
        return frames + DONE

    def _chunk(self, choices: list[dict[str, Any]], usage: object = None) -> bytes:
        body = self._body(self.unique, self.created, self._model, choices)
        if self.with_usage:
            body["usage"] = usage
        return f"data: {json.dumps(body)}\n\n".encode("ascii")
