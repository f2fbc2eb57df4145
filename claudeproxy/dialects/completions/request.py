"""OpenAI Completions: what a request says, as Conversations, one for each choice.

A prompt becomes what a user says; a chat model answers it, it does not continue it. There is no
limit unless `max_tokens` gives one. The fields are declared in `schema`.
"""

from __future__ import annotations

from functools import partial

from ...conversation import Conversation, Profile, Turn, text_block
from ...errors import bad_request
from .. import ParsedRequest
from ..fields import Fields
from ..json_body import parse_object
from ..openai_request import (
    MOST_CHOICES,
    check_request,
    limits,
    read_stops,
    unsupported_parameter,
    wants_usage,
)
from .answer import StreamedCompletion, WholeCompletion
from .schema import REQUEST


def read(body: bytes) -> ParsedRequest:
    """Read the body of POST /v1/completions; raises APIError, a 400 naming the parameter."""
    given = parse_object(body)
    _refuse_tokens(given.get("prompt"))
    fields, ignored = check_request(given, REQUEST)
    with_usage = wants_usage(fields)
    prompts = _prompts(fields)
    times = fields.get("n", 1)
    if times * len(prompts) > MOST_CHOICES:
        raise unsupported_parameter(
            "n" if times > 1 else "prompt",
            f"At most {MOST_CHOICES} choices per request are supported.",
        )
    if fields.get("best_of", 0) > times:
        raise unsupported_parameter(
            "best_of", "This server does not rank completions, so it cannot be larger than 'n'."
        )
    echo, most = fields.get("echo", False), fields.get("max_tokens")
    if echo and most == 0:
        raise unsupported_parameter(
            "max_tokens", "It cannot be 0 with 'echo': a prompt alone is not returned."
        )
    # 0 and -1 are what clients send for "no limit".
    bounds = limits(fields, max_tokens=most if most and most > 0 else None, stop=read_stops(fields))
    each = [prompt for prompt in prompts for _ in range(times)]
    echoed = tuple(prompt if echo else "" for prompt in each)
    return ParsedRequest(
        conversations=tuple(
            Conversation(Profile(), (Turn("user", (text_block(prompt),)),), bounds)
            for prompt in each
        ),
        ignored=ignored,
        optional={"temperature": "temperature", "top_p": "top_p"},
        answer=partial(StreamedCompletion, echoed, with_usage)
        if fields.get("stream")
        else partial(WholeCompletion, echoed),
    )


def _refuse_tokens(prompt: object) -> None:
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], int | list):
        raise bad_request(
            "Invalid 'prompt': arrays of tokens are not supported. Send the prompt as text.",
            "prompt",
            "unsupported_value",
        )


def _prompts(fields: Fields) -> tuple[str, ...]:
    prompt = fields.get("prompt")
    prompts = (prompt,) if isinstance(prompt, str) else tuple(prompt)
    if not all(one.strip() for one in prompts):
        raise fields.invalid("prompt", "it must not be empty or only white space")
    return prompts
