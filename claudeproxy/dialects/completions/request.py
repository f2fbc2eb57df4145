"""OpenAI Completions, the API before Chat Completions, for tools that still speak it.

Source: OpenAI's OpenAPI document 2.3.0 (CreateCompletionRequest, CreateCompletionResponse). A
prompt becomes what a user says; a chat model answers it, it does not continue it. There is no limit
unless `max_tokens` gives one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ...conversation import Conversation, Limits, Profile, Turn, text_block
from ...errors import bad_request
from .. import ParsedRequest
from ..fields import Fields, parse_object, unsupported_parameter, wrong_type
from ..openai_request import MOST_CHOICES, read_stops, wants_usage
from .answer import StreamedCompletion, WholeCompletion


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


def read(body: bytes) -> ParsedRequest:
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
    return ParsedRequest(
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
    yield from fields.unknown(KNOWN)
