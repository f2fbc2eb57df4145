"""Anthropic Messages: what a request says, as a Conversation.

Source: Anthropic's API reference, "Create a Message", and the `anthropic` package 2.12.0. How the
answer is worded is in `messages_answer`. What is honoured, ignored and refused is listed for people
in doc/messages.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

import attrs

from ...conversation import Conversation, Limits, Profile, ToolChoice
from ...errors import APIError, bad_request
from .. import ParsedRequest
from ..fields import Fields, parse_object
from ..json_schema import object_schema
from ..tools import ToolSet, check_number, named_choice, no_tools, read_all
from .answer import THREADS, StreamedMessage, WholeMessage, encode_error
from .content import read_messages, read_system


EFFORTS = ("low", "medium", "high", "xhigh", "max")
THINKING = ("enabled", "disabled", "adaptive")
LEAST_BUDGET = 1024
DISPLAYS = ("summarized", "omitted")
ASKS_FOR_NOTHING: tuple[Any, ...] = (None, [], {}, {"edits": []})
OPTIONAL = {"effort": "output_config.effort", "temperature": "temperature", "top_p": "top_p"}
# Accepted by the API and honoured by nothing here.
IGNORED = ("metadata", "service_tier", "top_k", "inference_geo", "cache_control")
# What cannot be had, by the field that asks for it.
REFUSED = {
    "mcp_servers": "MCP servers are not supported here.",
    "container": "Containers are not supported here.",
    "context_management": "Context management is not supported here.",
    "thread": "Threads are not kept here; send the whole conversation.",
}
KNOWN = {
    *("model", "messages", "max_tokens", "stream", "system", "tools", "tool_choice", "thinking"),
    *("output_config", "output_format", "stop_sequences", "temperature", "top_p"),
    *(*REFUSED, *IGNORED),
}
OF_A_TOOL = {"type", "name", "description", "input_schema", "cache_control"}
# Roughly what Claude's tokenizer makes of English, and the most that an image costs (Anthropic's
# page "Vision").
BYTES_PER_TOKEN = 3.5
TOKENS_OF_AN_IMAGE = 1600


def read(body: bytes) -> ParsedRequest:
    """Read the body of POST /v1/messages; raises APIError, a 400 naming the parameter."""
    fields = parse_object(body)
    max_tokens = fields.require("max_tokens", fields.integer("max_tokens", 1))
    stream = fields.boolean("stream") or False
    conversation, ignored = _read(fields, max_tokens)
    return ParsedRequest(
        conversations=(conversation,),
        ignored=ignored,
        optional=OPTIONAL,
        answer=StreamedMessage if stream else WholeMessage,
    )


def count_tokens(body: bytes) -> tuple[str, bytes]:
    """Read the body of POST /v1/messages/count_tokens: the model's name, and the response's body.

    The CLI has nothing that counts, so this is an estimate.
    """
    conversation, _ = _read(parse_object(body), max_tokens=None)
    profile = conversation.profile
    texts = [
        profile.system,
        *(json.dumps(attrs.asdict(tool)) for tool in profile.tools),
        json.dumps(profile.output_schema or ""),
    ]
    images = 0
    for turn in conversation.turns:
        for block in turn.blocks:
            images += block["type"] == "image"
            texts.append("" if block["type"] == "image" else _said(block))
    tokens = ceil(sum(len(text.encode("utf-8", "replace")) for text in texts) / BYTES_PER_TOKEN)
    body = json.dumps({"input_tokens": tokens + images * TOKENS_OF_AN_IMAGE}).encode("ascii")
    return conversation.limits.model, body


def error_body(error: APIError) -> bytes:
    """Anthropic's error object (API reference, "Errors")."""
    return encode_error(error)


def _read(fields: Fields, max_tokens: int | None) -> tuple[Conversation, tuple[str, ...]]:
    model = fields.string("model")
    if not model:
        raise fields.missing("model")
    system = read_system(fields)
    turns = read_messages(fields)
    for name, why in REFUSED.items():
        if fields.value.get(name) not in ASKS_FOR_NOTHING:
            code = THREADS if name == "thread" else "unsupported_parameter"
            raise bad_request(f"{name}: {why}", name, code)
    tool_set = _tools(fields).with_tools_called_in(turns)
    ignored = [name for name in IGNORED if fields.has(name)]
    ignored += fields.unknown(KNOWN)
    ignored += {
        f"tools.{name}": None for t in fields.objects("tools") for name in t.unknown(OF_A_TOOL)
    }
    schema, effort = _output(fields)
    if schema is not None and tool_set.choice.forced:
        # The answer is a call then, and a schema would be another way out.
        schema = None
        ignored.append("output_config.format")
    thinks, told = _thinking(fields, max_tokens)
    limits = Limits(
        model=model,
        max_tokens=max_tokens,
        stop=_stops(fields),
        effort=effort,
        thinking=thinks,
        tool_choice=tool_set.choice,
        temperature=fields.number("temperature", 0, 1),
        top_p=fields.number("top_p", 0, 1),
    )
    conversation = Conversation(Profile(system, tool_set.tools, schema), turns, limits)
    return conversation, (*ignored, *told)


def _stops(fields: Fields) -> tuple[str, ...]:
    stops = fields.strings("stop_sequences")
    if not all(stops):
        raise bad_request(
            "stop_sequences: a stop sequence must not be empty.", "stop_sequences", "invalid_value"
        )
    return stops


def _tools(fields: Fields) -> ToolSet:
    check_number(fields, "tools")
    described = list(fields.objects("tools"))
    for tool in described:
        kind = tool.string("type") or "custom"
        if kind != "custom":
            raise bad_request(
                f"{tool.where('type')}: the tool '{kind}' is Anthropic's own and not supported "
                "here; supported: 'custom'.",
                tool.where("type"),
                "unsupported_value",
            )
        tool.require("input_schema", tool.object("input_schema"))
    tools = read_all(described, "tools", "input_schema")
    choice = _choice(fields.object("tool_choice"), [tool.name for tool in tools])
    return ToolSet(tools, choice if tools else ToolChoice())


def _choice(wanted: Fields | None, names: list[str]) -> ToolChoice:
    if wanted is None:
        return ToolChoice()
    mode = wanted.require("type", wanted.choice("type", ("auto", "any", "tool", "none")))
    if mode == "any" and not names:
        raise no_tools("tool_choice")
    choice = ToolChoice(mode)  # type: ignore[arg-type]
    if mode == "tool":
        choice = named_choice(wanted, names, "tool_choice")
    parallel = not wanted.boolean("disable_parallel_tool_use") and mode != "tool"
    return attrs.evolve(choice, parallel=parallel)


def _output(fields: Fields) -> tuple[Mapping[str, Any] | None, str | None]:
    """The schema that the answer must fit, and the effort."""
    config = fields.object("output_config")
    effort = config and config.choice("effort", EFFORTS)
    # Its name in the beta.
    form = (config and config.object("format")) or fields.object("output_format")
    if form is None:
        return None, effort or None
    form.require("type", form.choice("type", ("json_schema",)))
    schema = form.require("schema", form.object("schema"))
    return object_schema(schema.value, form.path, form.where("schema")), effort or None


def _thinking(fields: Fields, max_tokens: int | None) -> tuple[bool, Iterable[str]]:
    """Whether to think, and what of the wish for it is ignored."""
    wanted = fields.object("thinking")
    if wanted is None:
        return False, ()
    kind = wanted.require("type", wanted.choice("type", THINKING))
    ignored = []
    if wanted.choice("display", DISPLAYS) == "omitted":
        ignored.append(wanted.where("display"))
    if kind != "enabled":
        return kind == "adaptive", ignored
    budget = wanted.require(
        "budget_tokens", wanted.integer("budget_tokens", LEAST_BUDGET, max_tokens or float("inf"))
    )
    if budget == max_tokens:
        raise bad_request(
            "`max_tokens` must be greater than `thinking.budget_tokens`.", "max_tokens"
        )
    # The CLI makes its own budgets.
    return True, (*ignored, wanted.where("budget_tokens"))


def _said(block: Mapping[str, Any]) -> str:
    """What of a block costs tokens, roughly."""
    if block["type"] == "text":
        return str(block["text"])
    return json.dumps({name: value for name, value in block.items() if name != "type"})
