"""OpenAI Chat Completions: what a request says, as a Conversation.

The fields are declared in `schema`. How the answer is worded is in `answer`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ...conversation import Conversation, Profile
from ...errors import APIError
from .. import Answer, ParsedRequest
from ..openai_answer import encode_error
from ..openai_request import effort_of, limits, read_request, read_stops, wants_usage
from ..openai_tools import read_format, read_tools
from ..openai_web_search import search_of_options
from .answer import StreamedAnswer, WholeAnswer
from .cited import SEPARATOR
from .content import read_messages
from .schema import REQUEST


# The limits that some models do not support, with the names of their parameters.
OPTIONAL = {"effort": "reasoning_effort", "temperature": "temperature", "top_p": "top_p"}


def read(body: bytes) -> ParsedRequest:
    """Read the body of POST /v1/chat/completions; raises APIError, a 400 naming the parameter."""
    fields, ignored = read_request(body, REQUEST)
    with_usage = wants_usage(fields)
    history = read_messages(fields)
    turns = history.finish()
    schema = read_format(fields, "response_format")
    tool_set = read_tools(fields, server_tools=search_of_options(fields))
    tool_set = tool_set.with_tools_called_in(turns)
    if schema is not None and tool_set.choice.forced:
        # A forced call is the whole answer. With a schema the model could answer otherwise.
        schema = None
        ignored = (*ignored, "response_format")
    # 0 and -1 are what clients send for "no limit".
    bounds = [fields.get(name) for name in ("max_tokens", "max_completion_tokens")]
    conversation = Conversation(
        profile=Profile(history.system_prompt, tool_set.tools),
        turns=turns,
        limits=limits(
            fields,
            max_tokens=min((bound for bound in bounds if bound and bound > 0), default=None),
            stop=read_stops(fields),
            tool_choice=tool_set.choice,
            server_tools=tool_set.server_tools,
            **effort_of(fields, "reasoning_effort"),
        ),
        output_schema=schema,
        separator=SEPARATOR,
        strict_as="functions[].strict" if tool_set.legacy else "tools[].function.strict",
    )
    choices = fields.get("n", 1)
    make: Callable[..., Answer] = WholeAnswer
    if fields.get("stream"):
        make = partial(StreamedAnswer, with_usage=with_usage)
    return ParsedRequest(
        conversations=(conversation,) * choices,
        ignored=ignored,
        optional=OPTIONAL,
        answer=partial(
            make,
            choices=choices,
            legacy=tool_set.legacy,
            origins=tool_set.origins,
            cites=bool(tool_set.server_tools),
        ),
    )


def error_body(error: APIError) -> bytes:
    """OpenAI's error object (openai.yaml, ErrorResponse)."""
    return encode_error(error)
