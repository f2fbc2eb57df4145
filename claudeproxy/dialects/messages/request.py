"""Anthropic Messages: what a request says, as a Conversation.

The fields are declared in `schema`. How the answer is worded is in `answer`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ...conversation import Conversation, Limits, Profile, ServerTool, ToolChoice
from ...errors import APIError
from .. import ParsedRequest, TokenCount
from ..fields import Fields
from ..json_body import parse_object
from ..json_schema import answer_schema
from ..kinds import Invalid
from ..parameters import Object, told, with_tags
from ..tools import Offer, ToolSet, named_choice, no_tools, read_all
from ..wording import anthropic_error, named, steps_of
from .answer import THREADS, StreamedMessage, WholeMessage, encode_error
from .content import read_messages, read_system, tools_defined_in
from .schema import COUNTED, MORE_OF_TOOLS, REQUEST
from .server_tools import TOOLS, read_server_tools


OPTIONAL = {"effort": "output_config.effort", "temperature": "temperature", "top_p": "top_p"}


def read(body: bytes) -> ParsedRequest:
    """Read the body of POST /v1/messages; raises APIError, a 400 naming the parameter."""
    fields, ignored = _check(body, REQUEST)
    conversation, dropped = _conversation(fields, REQUEST)
    return ParsedRequest(
        conversations=(conversation,),
        ignored=(*ignored, *dropped),
        optional=OPTIONAL,
        answer=StreamedMessage if fields.get("stream") else WholeMessage,
    )


def count_tokens(body: bytes) -> TokenCount:
    """Read the body of POST /v1/messages/count_tokens; raises APIError."""
    fields, ignored = _check(body, COUNTED)
    conversation, dropped = _conversation(fields, COUNTED)
    return TokenCount(conversation, (*ignored, *dropped), _count_body)


def _count_body(tokens: int) -> bytes:
    return json.dumps({"input_tokens": tokens}).encode("ascii")


def error_body(error: APIError, request_id: str | None = None) -> bytes:
    """Anthropic's error object (API reference, "Errors")."""
    return encode_error(error, request_id)


def _check(body: bytes, declared: Object) -> tuple[Fields, tuple[str, ...]]:
    value = parse_object(body)
    try:
        return Fields(value), told(declared.check(value))
    except Invalid as error:
        wrong = anthropic_error(error, with_tags(declared, value, error.path))
        if error.path == ["thread"]:
            wrong = attrs.evolve(wrong, code=THREADS)
        raise wrong from None


def _conversation(fields: Fields, declared: Object) -> tuple[Conversation, tuple[str, ...]]:
    """Return the conversation, and the names of fields that it leaves out; raise a 400.

    Claude Code finds the image or document that it must leave out by the path in the message.
    """
    try:
        return _read(fields, counting=declared is COUNTED)
    except APIError as error:
        if error.param is None:
            raise
        path = with_tags(declared, fields.value, steps_of(error.param))
        raise attrs.evolve(error, message=named(error.message, path)) from None


def _read(fields: Fields, *, counting: bool) -> tuple[Conversation, tuple[str, ...]]:
    """Return the conversation, and the names of fields that it leaves out."""
    described = [*fields.children("tools"), *tools_defined_in(fields)]
    server_tools = read_server_tools(described)
    history = read_messages(fields, counting=counting)
    turns = history.finish()
    tool_set = _tools(fields, described, server_tools).with_tools_called_in(turns)
    config = fields.child("output_config")
    schema = _schema(config.child("format")) or _schema(fields.child("output_format"))
    dropped: tuple[str, ...] = ()
    if schema is not None and tool_set.choice.forced:
        # A forced call is the whole answer. With a schema the model could answer otherwise.
        schema, dropped = None, ("output_config.format",)
    bounds = Limits(
        model=fields.get("model"),
        max_tokens=fields.get("max_tokens"),
        stop=tuple(fields.get("stop_sequences", ())),
        effort=config.get("effort"),
        thinking=fields.child("thinking").get("type") in ("enabled", "adaptive"),
        tool_choice=tool_set.choice,
        temperature=fields.get("temperature"),
        top_p=fields.get("top_p"),
        streamed=bool(fields.get("stream")),
        server_tools=server_tools,
        container=_container(fields),
    )
    system = "\n\n".join(filter(None, (read_system(fields), history.system_prompt)))
    profile = Profile(system, tool_set.tools)
    return Conversation(profile, turns, bounds, schema, shows_blocks=True), dropped


def _container(fields: Fields) -> str | None:
    given = fields.get("container")
    return given.get("id") if isinstance(given, Mapping) else given


def _schema(form: Fields) -> Mapping[str, Any] | None:
    schema = form.get("schema")
    return schema and answer_schema(schema, form.path, form.where("schema"))


def _tools(
    fields: Fields, described: Sequence[Fields], server_tools: Sequence[ServerTool]
) -> ToolSet:
    offers = [
        Offer(tool, tool.get("name"), more=_more(tool))
        for tool in described
        if tool.get("type") not in TOOLS
    ]
    tools = read_all(offers, "tools", "input_schema")
    own, server = ([tool.name for tool in some] for some in (tools, server_tools))
    choice = _choice(fields.child("tool_choice"), own, server)
    if not tools and not server:
        choice = ToolChoice()
    return ToolSet(tools, choice, server_tools=tuple(server_tools))


def _more(tool: Fields) -> dict[str, Any]:
    return {name: tool.get(name) for name in MORE_OF_TOOLS if tool.has(name)}


def _choice(wanted: Fields, own: list[str], server: list[str]) -> ToolChoice:
    names = [*own, *server]
    mode = wanted.get("type", "auto")
    if mode == "any" and not names:
        raise no_tools("tool_choice")
    choice = ToolChoice(mode)
    if mode == "tool":
        choice = named_choice(wanted, wanted.get("name"), names, "tool_choice")
        choice = attrs.evolve(choice, of_server=choice.name in server)
    parallel = not wanted.get("disable_parallel_tool_use") and mode != "tool"
    return attrs.evolve(choice, parallel=parallel)
