"""OpenAI Chat Completions: what a request says, as a Conversation.

Source: OpenAI's OpenAPI document 2.3.0 (CreateChatCompletionRequest) and the `openai` package
3.54.0. How the answer is worded is in `chat_answer`. What is honoured, ignored and refused is
listed for people in doc/chat-completions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ..conversation import Block, Conversation, Limits, Profile, Turn, alternate, text_block
from ..errors import APIError, bad_request
from . import Asked
from .chat_answer import StreamedAnswer, WholeAnswer, encode_error
from .fields import Fields, parse_object, wrong_type


ROLES = ("developer", "system", "user", "assistant", "tool", "function")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MOST_STOPS = 4

# The Messages API wants the user to speak first and last, Chat Completions does not mind. Where
# no user turn stands there, these do.
OPENING = text_block("Begin.")
CONTINUATION = text_block("Continue.")


def read(body: bytes) -> Asked:
    """Read the body of POST /v1/chat/completions; raises APIError, a 400 naming the parameter."""
    fields = parse_object(body)
    model = fields.string("model")
    if not model:
        raise fields.missing("model")
    stream = fields.boolean("stream") or False
    with_usage = _wants_usage(fields, stream=stream)
    system, turns = _messages(fields)
    _refuse_unsupported(fields)
    return Asked(
        conversation=Conversation(
            profile=Profile(system=system), turns=turns, limits=_limits(fields, model)
        ),
        ignored=tuple(_ignored(fields)),
        answer=partial(StreamedAnswer, with_usage=with_usage) if stream else WholeAnswer,
    )


def error_body(error: APIError) -> bytes:
    """OpenAI's error object (openai.yaml, ErrorResponse)."""
    return encode_error(error)


# Messages


def _messages(fields: Fields) -> tuple[str, tuple[Turn, ...]]:
    if not fields.has("messages"):
        raise fields.missing("messages")
    if not fields.array("messages"):
        raise bad_request(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
            "messages",
            "empty_array",
        )
    system: list[str] = []
    turns: list[Turn] = []
    for message in fields.objects("messages"):
        match message.choice("role", ROLES):
            case None:
                raise message.missing("role")
            case "system" | "developer":
                system.extend(block["text"] for block in _text_blocks(message))
            case "user":
                turns.append(Turn("user", _user_blocks(message)))
            case "assistant":
                # An answer that was cut off before its first word leaves nothing to replay.
                if blocks := _assistant_blocks(message):
                    turns.append(Turn("assistant", blocks))
            case role:
                raise bad_request(
                    f"Messages with the role '{role}' are not supported yet.",
                    message.where("role"),
                    "unsupported_value",
                )
    return "\n\n".join(system), alternate(_user_at_both_ends(turns))


def _user_at_both_ends(turns: list[Turn]) -> Iterable[Turn]:
    if not turns or turns[0].role != "user":
        yield Turn("user", (OPENING,))
    yield from turns
    if turns and turns[-1].role != "user":
        yield Turn("user", (CONTINUATION,))


def _user_blocks(message: Fields) -> tuple[Block, ...]:
    if not message.has("content"):
        raise message.missing("content")
    blocks = tuple(_text_blocks(message))
    if not blocks:
        # The CLI would not send it, the API would not take it.
        raise bad_request(
            f"Invalid '{message.where('content')}': a user message must hold text other than "
            "white space.",
            message.where("content"),
            "invalid_value",
        )
    return blocks


def _assistant_blocks(message: Fields) -> tuple[Block, ...]:
    for name in ("tool_calls", "function_call"):
        # Some clients send back an empty list.
        if message.value.get(name):
            raise bad_request(
                "Tool calls are not supported yet.", message.where(name), "unsupported_parameter"
            )
    refusal = message.string("refusal")
    blocks = tuple(_text_blocks(message, "text", "refusal"))
    return blocks or ((text_block(refusal),) if refusal and refusal.strip() else ())


def _text_blocks(message: Fields, *types: str) -> Iterable[Block]:
    """The text of a message's content, without blocks that are blank (the API refuses those)."""
    content = message.value.get("content")
    if isinstance(content, str):
        texts: Iterable[str] = [content]
    elif content is None:
        texts = []
    elif isinstance(content, list):
        texts = [_part_text(part, types or ("text",)) for part in message.objects("content")]
    else:
        raise wrong_type(message.where("content"), "a string or an array of parts", content)
    return [text_block(text) for text in texts if text.strip()]


def _part_text(part: Fields, types: tuple[str, ...]) -> str:
    part_type = part.string("type")
    if part_type is None:
        raise part.missing("type")
    if part_type not in types:
        raise bad_request(
            f"Content parts of type '{part_type}' are not supported here; supported: "
            f"{', '.join(types)}.",
            part.where("type"),
            "unsupported_value",
        )
    text = part.string(part_type)
    if text is None:
        raise part.missing(part_type)
    return text


# Parameters


def _wants_usage(fields: Fields, *, stream: bool) -> bool:
    options = fields.object("stream_options")
    if options is None:
        return False
    if not stream:
        raise bad_request(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )
    options.boolean("include_obfuscation")
    return options.boolean("include_usage") or False


def _limits(fields: Fields, model: str) -> Limits:
    # 0 is what OpenAI's own client tests send for "no limit".
    bounds = [fields.integer(name, 0) or None for name in ("max_tokens", "max_completion_tokens")]
    return Limits(
        model=model,
        max_tokens=min((bound for bound in bounds if bound), default=None),
        stop=_stop(fields),
    )


def _stop(fields: Fields) -> tuple[str, ...]:
    value = fields.value.get("stop")
    stops = (value,) if isinstance(value, str) else fields.strings("stop")
    if len(stops) > MOST_STOPS:
        raise bad_request(
            f"Invalid 'stop': array too long. Expected at most {MOST_STOPS} stop sequences, but "
            f"got {len(stops)} instead.",
            "stop",
            "array_above_max_length",
        )
    for stop in stops:
        if not stop.strip():
            raise bad_request(
                "Invalid 'stop': a stop sequence must hold more than white space.",
                "stop",
                "unsupported_value",
            )
    return stops


def _refuse_unsupported(fields: Fields) -> None:
    """What would change the answer's form and cannot be had: said, never dropped."""
    if (fields.integer("n", 1, 128) or 1) > 1:
        raise _unsupported("n", "Only one choice per request is supported.")
    for name, wanted in (
        ("logprobs", fields.boolean("logprobs")),
        ("top_logprobs", fields.integer("top_logprobs", 0, 20)),
    ):
        if wanted:
            raise _unsupported(name, "Log probabilities are not available from this server.")
    if fields.has("audio") or "audio" in fields.strings("modalities"):
        raise _unsupported(
            "audio" if fields.has("audio") else "modalities", "Audio is not supported."
        )
    if fields.has("web_search_options"):
        raise _unsupported("web_search_options", "Web search is not supported.")
    response_format = fields.object("response_format")
    if response_format is not None and response_format.string("type") != "text":
        raise _unsupported("response_format", "Only the response format 'text' is supported yet.")
    for name in ("tool_choice", "function_call"):
        value = fields.value.get(name)
        if value not in (None, "auto", "none"):
            raise _unsupported(name, "Tools are not supported yet, so no call can be forced.")


def _unsupported(name: str, message: str) -> APIError:
    return bad_request(f"Unsupported parameter: '{name}'. {message}", name, "unsupported_parameter")


# Accepted by every OpenAI client and honoured by nothing here: checked, then told in a header.
_Check = Callable[[Fields, str], Any]
_IGNORED: dict[str, _Check] = {
    "temperature": lambda fields, name: fields.number(name, 0, 2),
    "top_p": lambda fields, name: fields.number(name, 0, 1),
    "presence_penalty": lambda fields, name: fields.number(name, -2, 2),
    "frequency_penalty": lambda fields, name: fields.number(name, -2, 2),
    "seed": lambda fields, name: fields.integer(name, float("-inf")),
    "logit_bias": Fields.object,
    "reasoning_effort": lambda fields, name: fields.choice(name, EFFORTS),
    "verbosity": lambda fields, name: fields.choice(name, ("low", "medium", "high")),
    "tools": Fields.array,
    "tool_choice": lambda fields, name: None,
    "parallel_tool_calls": Fields.boolean,
    "functions": Fields.array,
    "function_call": lambda fields, name: None,
    "prediction": Fields.object,
    "store": Fields.boolean,
    "metadata": Fields.object,
    "service_tier": Fields.string,
    "user": Fields.string,
    "safety_identifier": Fields.string,
    "prompt_cache_key": Fields.string,
    "prompt_cache_retention": Fields.string,
}


def _ignored(fields: Fields) -> Iterable[str]:
    for name, check in _IGNORED.items():
        check(fields, name)
        if fields.has(name):
            yield name
