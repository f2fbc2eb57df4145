"""OpenAI Completions, the API before Chat Completions, for tools that still speak it.

Source: OpenAI's OpenAPI document 2.3.0 (CreateCompletionRequest, CreateCompletionResponse). A
prompt becomes what a user says; a chat model answers it, it does not continue it. There is no limit
unless `max_tokens` gives one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import attrs

from ..conversation import Conversation, Limits, Profile, Turn, text_block
from ..errors import APIError, bad_request
from ..events import Event, Finished, Gathered, Started, TextDelta, Usage
from . import Asked, WholeBody
from .chat import MOST_CHOICES, read_stops, wants_usage
from .chat_answer import DONE, encode_error, usage_object
from .fields import Fields, parse_object, unsupported_parameter, wrong_type


_Check = Callable[[Fields, str], Any]
IGNORED: dict[str, _Check] = {
    "presence_penalty": lambda fields, name: fields.number(name, -2, 2),
    "frequency_penalty": lambda fields, name: fields.number(name, -2, 2),
    "seed": lambda fields, name: fields.integer(name, float("-inf")),
    "logit_bias": Fields.object,
    "user": Fields.string,
}


KNOWN = IGNORED.keys() | {
    *("model", "prompt", "stream", "stream_options", "n", "max_tokens", "stop", "echo"),
    *("temperature", "top_p", "suffix", "logprobs", "best_of"),
}


def read(body: bytes) -> Asked:
    """Read the body of POST /v1/completions; raises APIError, a 400 naming the parameter."""
    fields = parse_object(body)
    model = fields.string("model")
    if not model:
        raise fields.missing("model")
    stream = fields.boolean("stream") or False
    with_usage = wants_usage(fields, stream=stream)
    prompts = _prompts(fields)
    times = fields.integer("n", 1, 128) or 1
    if times * len(prompts) > MOST_CHOICES:
        raise unsupported_parameter(
            "n" if times > 1 else "prompt",
            f"At most {MOST_CHOICES} choices per request are supported.",
        )
    if fields.string("suffix"):
        raise unsupported_parameter("suffix", "Text cannot be inserted, only answered.")
    if fields.integer("logprobs", 0, 5) is not None:
        raise unsupported_parameter(
            "logprobs", "Log probabilities are not available from this server."
        )
    if (fields.integer("best_of", 0, 20) or times) > times:
        raise unsupported_parameter("best_of", "Answers are not rated here.")
    echo, most = fields.boolean("echo") or False, fields.integer("max_tokens", 0)
    if echo and most == 0:
        raise unsupported_parameter("max_tokens", "A prompt cannot be had back without an answer.")
    limits = Limits(
        model=model,
        # 0 is what OpenAI's own client tests send for "no limit".
        max_tokens=most or None,
        stop=read_stops(fields),
        temperature=fields.number("temperature", 0, 2),
        top_p=fields.number("top_p", 0, 1),
    )
    each = [prompt for prompt in prompts for _ in range(times)]
    echoed = tuple(prompt if echo else "" for prompt in each)
    return Asked(
        conversations=tuple(
            Conversation(Profile(), (Turn("user", (text_block(prompt),)),), limits)
            for prompt in each
        ),
        ignored=tuple(_ignored(fields)),
        optional={"temperature": "temperature", "top_p": "top_p"},
        answer=partial(StreamedCompletion, echoed, with_usage)
        if stream
        else partial(WholeCompletion, echoed),
    )


def error_body(error: APIError) -> bytes:
    """OpenAI's error object (openai.yaml, ErrorResponse)."""
    param = "prompt" if error.param == "messages" else error.param
    return encode_error(attrs.evolve(error, param=param))


def _prompts(fields: Fields) -> tuple[str, ...]:
    value = fields.value.get("prompt")
    if value is None:
        raise fields.missing("prompt")
    if isinstance(value, str):
        prompts: tuple[str, ...] = (value,)
    elif not isinstance(value, list):
        raise wrong_type("prompt", "a string or an array of strings", value)
    elif value and isinstance(value[0], int | list):
        raise bad_request(
            "Invalid 'prompt': prompts of tokens are not supported, only of text.",
            "prompt",
            "unsupported_value",
        )
    else:
        prompts = fields.strings("prompt")
    if not prompts or not all(prompt.strip() for prompt in prompts):
        raise bad_request(
            "Invalid 'prompt': it must hold something other than white space.",
            "prompt",
            "invalid_value",
        )
    return prompts


def _ignored(fields: Fields) -> Iterable[str]:
    for name, check in IGNORED.items():
        check(fields, name)
        if fields.has(name):
            yield name
    yield from fields.others(KNOWN)


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
    _choices: list[Gathered] = attrs.field(init=False)

    @_choices.default
    def _empty(self) -> list[Gathered]:
        return [Gathered() for _ in self.echoed]

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
