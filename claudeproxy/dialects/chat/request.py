"""OpenAI Chat Completions: what a request says, as a Conversation.

Source: OpenAI's OpenAPI document 2.3.0 (CreateChatCompletionRequest) and the `openai` package
3.54.0. How the answer is worded is in `chat_answer`. What is honoured, ignored and refused is
listed for people in doc/chat-completions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ...conversation import Conversation, Limits, Profile, ToolChoice
from ...errors import APIError
from .. import ParsedRequest
from ..fields import Fields, parse_object, unsupported_parameter
from ..openai_answer import encode_error
from ..openai_request import EFFORTS, MOST_CHOICES, read_stops, wants_usage
from ..openai_tools import read_format, read_tools
from .answer import StreamedAnswer, WholeAnswer
from .content import read_messages


# What each limit that a model may not take is called here.
OPTIONAL = {"effort": "reasoning_effort", "temperature": "temperature", "top_p": "top_p"}


def read(body: bytes) -> ParsedRequest:
    """Read the body of POST /v1/chat/completions; raises APIError, a 400 naming the parameter."""
    fields = parse_object(body)
    model = fields.string("model")
    if not model:
        raise fields.missing("model")
    stream = fields.boolean("stream") or False
    with_usage = wants_usage(fields, stream=stream)
    system, turns = read_messages(fields)
    _refuse_unsupported(fields)
    schema = read_format(fields, "response_format")
    tool_set = read_tools(fields).with_tools_called_in(turns)
    ignored = list(_ignored(fields))
    if tool_set.strict:
        ignored.append("tools.function.strict")
    if schema is not None and tool_set.choice.forced:
        # The answer is a call then, and a schema would be another way out.
        schema = None
        ignored.append("response_format")
    choices = fields.integer("n", 1, 128) or 1
    if choices > MOST_CHOICES:
        raise unsupported_parameter(
            "n", f"At most {MOST_CHOICES} choices per request are supported."
        )
    make = partial(StreamedAnswer, with_usage=with_usage) if stream else WholeAnswer
    conversation = Conversation(
        profile=Profile(system, tool_set.tools, schema),
        turns=turns,
        limits=_limits(fields, model, tool_set.choice),
    )
    return ParsedRequest(
        conversations=(conversation,) * choices,
        ignored=tuple(ignored),
        optional=OPTIONAL,
        answer=partial(make, choices=choices, legacy=tool_set.legacy),
    )


def error_body(error: APIError) -> bytes:
    """OpenAI's error object (openai.yaml, ErrorResponse)."""
    return encode_error(error)


# Parameters


def _limits(fields: Fields, model: str, choice: ToolChoice) -> Limits:
    # 0 is what OpenAI's own client tests send for "no limit".
    bounds = [fields.integer(name, 0) or None for name in ("max_tokens", "max_completion_tokens")]
    effort = fields.choice("reasoning_effort", EFFORTS)
    return Limits(
        model=model,
        max_tokens=min((bound for bound in bounds if bound), default=None),
        stop=read_stops(fields),
        effort="low" if effort == "minimal" else None if effort == "none" else effort,
        thinking=effort != "none",
        tool_choice=choice,
        temperature=fields.number("temperature", 0, 2),
        top_p=fields.number("top_p", 0, 1),
    )


def _refuse_unsupported(fields: Fields) -> None:
    """What would change the answer's form and cannot be had: said, never dropped."""
    for name, wanted in (
        ("logprobs", fields.boolean("logprobs")),
        ("top_logprobs", fields.integer("top_logprobs", 0, 20)),
    ):
        if wanted:
            raise unsupported_parameter(
                name, "Log probabilities are not available from this server."
            )
    if fields.has("audio") or "audio" in fields.strings("modalities"):
        raise unsupported_parameter(
            "audio" if fields.has("audio") else "modalities", "Audio is not supported."
        )
    if fields.has("web_search_options"):
        raise unsupported_parameter("web_search_options", "Web search is not supported.")


# What is read for what it says.
_HONOURED = {
    *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens"),
    *("stop", "n", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
    *("response_format", "reasoning_effort", "temperature", "top_p", "logprobs", "top_logprobs"),
    *("modalities", "audio", "web_search_options"),
}
# Accepted by every OpenAI client and honoured by nothing here: checked, then told in a header.
_Check = Callable[[Fields, str], Any]
_IGNORED: dict[str, _Check] = {
    "presence_penalty": lambda fields, name: fields.number(name, -2, 2),
    "frequency_penalty": lambda fields, name: fields.number(name, -2, 2),
    "seed": lambda fields, name: fields.integer(name, float("-inf")),
    "logit_bias": Fields.object,
    "verbosity": lambda fields, name: fields.choice(name, ("low", "medium", "high")),
    "prediction": Fields.object,
    "store": Fields.boolean,
    "metadata": Fields.object,
    "service_tier": Fields.string,
    "user": Fields.string,
    "safety_identifier": Fields.string,
    "prompt_cache_key": Fields.string,
    "prompt_cache_retention": Fields.string,
    "prompt_cache_options": Fields.object,
    "moderation": Fields.object,
}


KNOWN = _HONOURED | _IGNORED.keys()


def _ignored(fields: Fields) -> Iterable[str]:
    for name, check in _IGNORED.items():
        check(fields, name)
        if fields.has(name):
            yield name
    yield from fields.unknown(KNOWN)
