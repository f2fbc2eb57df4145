"""OpenAI Responses: what a request says, as a Conversation, and the responses that are kept.

Source: OpenAI's OpenAPI document 2.3.0 (CreateResponse) and the `openai` package 3.54.0. How the
answer is worded is in `responses_answer`. What is honoured, ignored and refused is listed for
people in doc/responses.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import attrs

from ...conversation import Conversation, Limits, Profile, ToolChoice
from ...errors import APIError, bad_request
from .. import ParsedRequest
from ..fields import Fields, parse_object, unsupported_parameter
from ..openai_answer import encode_error
from ..openai_request import EFFORTS
from ..openai_tools import read_format, read_tools
from .answer import ResponseContext, StreamedResponse, WholeResponse
from .content import as_listed, read_items, read_turns
from .store import Item, ResponseStore, Stored


SUMMARIES = ("auto", "concise", "detailed")
OPTIONAL = {"effort": "reasoning.effort", "temperature": "temperature", "top_p": "top_p"}
# What the core's errors call by the names of Chat Completions.
NAMES = {"messages": "input", "response_format": "text.format"}
REFUSED = {
    "conversation": "Conversations are not kept here; use 'previous_response_id'.",
    "prompt": "Prompt templates are not kept here; send 'instructions' and 'input'.",
    "context_management": "Context management is not supported.",
}
# Checked, then told in a header.
_Check = Callable[[Fields, str], Any]
IGNORED: dict[str, _Check] = {
    "max_tool_calls": lambda fields, name: fields.integer(name, 0),
    "service_tier": Fields.string,
    "user": Fields.string,
    "safety_identifier": Fields.string,
    "prompt_cache_key": Fields.string,
    "prompt_cache_retention": Fields.string,
    "prompt_cache_options": Fields.object,
    "moderation": Fields.object,
    "presence_penalty": lambda fields, name: fields.number(name, -2, 2),
    "frequency_penalty": lambda fields, name: fields.number(name, -2, 2),
}
KNOWN = {
    *("model", "input", "instructions", "previous_response_id", "store", "stream"),
    *("stream_options", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning"),
    *("max_output_tokens", "metadata", "temperature", "top_p", "include", "truncation"),
    *("background", "top_logprobs", *REFUSED, *IGNORED),
}
# What a response says again of its request, and what it says if the request did not.
ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
    "store": True,
}


@attrs.frozen
class Responses:
    """The dialect, with the responses that it keeps."""

    store: ResponseStore

    def read(self, body: bytes) -> ParsedRequest:
        """Read the body of POST /v1/responses; raises APIError, a 400 naming the parameter."""
        fields = parse_object(body)
        model = fields.string("model")
        if not model:
            raise fields.missing("model")
        stream = fields.boolean("stream") or False
        options = fields.object("stream_options")
        if options is not None:
            options.boolean("include_obfuscation")
        _refuse_unsupported(fields)
        previous = self._previous(fields)
        before = () if previous is None else previous.conversation
        items = read_items(fields, self.store.item)
        system, turns = read_turns(before, items)
        instructions = fields.string("instructions") or ""
        tool_set = read_tools(fields, nested=False).with_tools_called_in(turns)
        text = fields.object("text")
        schema = read_format(text, "format", nested=False)
        ignored = list(_ignored(fields, text))
        if tool_set.strict:
            ignored.append("tools.strict")
        if schema is not None and tool_set.choice.forced:
            # The answer is a call then, and a schema would be another way out.
            schema = None
            ignored.append("text.format")
        limits, summary = _limits(fields, model, tool_set.choice)
        profile = Profile("\n\n".join(filter(None, (instructions, system))), tool_set.tools, schema)
        keep = None
        if fields.boolean("store") is not False:
            # Its items are needed as long as it is, whether the earlier ones are kept or not.
            size = len(body) + (0 if previous is None else previous.size)
            keep = partial(self._keep, tuple(items), before, size)
        make = StreamedResponse if stream else WholeResponse
        return ParsedRequest(
            conversations=(Conversation(profile, turns, limits),),
            ignored=tuple(ignored),
            optional=OPTIONAL,
            answer=partial(make, ResponseContext(_echo(fields), summary=summary, keep=keep)),
        )

    def error_body(self, error: APIError) -> bytes:
        """OpenAI's error object (openai.yaml, ErrorResponse)."""
        return encode_error(attrs.evolve(error, param=NAMES.get(error.param or "", error.param)))

    def fetch(self, response_id: str, query: Mapping[str, str]) -> bytes:
        """The body of GET /v1/responses/{id}; raises a 404, or a 400 if `stream` is asked for."""
        if query.get("stream", "false") != "false":
            raise unsupported_parameter("stream", "A response that is kept is told whole.")
        return json.dumps(self._kept(response_id).response).encode("ascii")

    def delete(self, response_id: str) -> bytes:
        """The body of DELETE /v1/responses/{id}; raises a 404."""
        self._kept(response_id)
        self.store.delete(response_id)
        told = {"id": response_id, "object": "response", "deleted": True}
        return json.dumps(told).encode("ascii")

    def input_items(self, response_id: str, query: Mapping[str, str]) -> bytes:
        """The body of GET /v1/responses/{id}/input_items; raises a 404, or a 400 for a query.

        query: `order` (desc or asc), `after` (an item's id) and `limit` (1 to 100).
        """
        stored = self._kept(response_id)
        fields = Fields(query)
        order = fields.choice("order", ("asc", "desc")) or "desc"
        text = fields.string("limit") or "20"
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 100):
            raise bad_request(
                "Invalid 'limit': expected an integer from 1 to 100.", "limit", "invalid_value"
            )
        items = list(stored.before + stored.input)[:: 1 if order == "asc" else -1]
        after = fields.string("after")
        if after is not None:
            ids = [item["id"] for item in items]
            if after not in ids:
                raise bad_request(f"There is no item '{after}'.", "after", "invalid_value")
            items = items[ids.index(after) + 1 :]
        page = items[: int(text)]
        told = {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": len(items) > len(page),
        }
        return json.dumps(told).encode("ascii")

    def _previous(self, fields: Fields) -> Stored | None:
        response_id = fields.string("previous_response_id")
        if response_id is None:
            return None
        stored = self.store.get(response_id)
        if stored is None:
            raise bad_request(
                f"Previous response with id '{response_id}' not found. This server keeps responses "
                "in memory for a while, unless `store` is false; a restart forgets them.",
                "previous_response_id",
                "previous_response_not_found",
            )
        return stored

    def _keep(
        self,
        items: tuple[Item, ...],
        before: tuple[Item, ...],
        size: int,
        response: Mapping[str, Any],
    ) -> None:
        unique = response["id"].partition("_")[2]
        self.store.put(Stored(response, tuple(as_listed(items, unique)), before, size))

    def _kept(self, response_id: str) -> Stored:
        stored = self.store.get(response_id)
        if stored is None:
            raise APIError(404, f"Response with id '{response_id}' not found.")
        return stored


def _limits(fields: Fields, model: str, choice: ToolChoice) -> tuple[Limits, bool]:
    """The limits, and whether to tell what the model thinks."""
    reasoning = fields.object("reasoning") or Fields({}, "reasoning")
    effort = reasoning.choice("effort", EFFORTS)
    # `generate_summary` is its older name.
    summary = [reasoning.choice(name, SUMMARIES) for name in ("summary", "generate_summary")]
    limits = Limits(
        model=model,
        max_tokens=fields.integer("max_output_tokens", 1),
        effort="low" if effort == "minimal" else None if effort == "none" else effort,
        thinking=effort != "none",
        tool_choice=choice,
        temperature=fields.number("temperature", 0, 2),
        top_p=fields.number("top_p", 0, 1),
    )
    return limits, any(summary)


def _refuse_unsupported(fields: Fields) -> None:
    """What would change the answer's form and cannot be had: said, never dropped."""
    if fields.boolean("background"):
        raise unsupported_parameter("background", "Responses are not made in the background here.")
    if fields.integer("top_logprobs", 0, 20):
        raise unsupported_parameter("top_logprobs", "Log probabilities are not available.")
    for name, why in REFUSED.items():
        if fields.has(name):
            raise unsupported_parameter(name, why)


def _ignored(fields: Fields, text: Fields | None) -> Iterable[str]:
    for name, check in IGNORED.items():
        check(fields, name)
        if fields.has(name):
            yield name
    if fields.strings("include"):
        yield "include"
    if fields.choice("truncation", ("auto", "disabled")) == "auto":
        yield "truncation"
    if text is not None and text.choice("verbosity", ("low", "medium", "high")):
        yield "text.verbosity"
    yield from fields.unknown(KNOWN)


def _echo(fields: Fields) -> Mapping[str, Any]:
    metadata = fields.object("metadata")
    if metadata is not None:
        for name in metadata.value:
            metadata.string(name)
    return {"model": fields.value["model"]} | {
        name: _with_defaults(fields.value.get(name), default) for name, default in ECHOED.items()
    }


def _with_defaults(given: Any, default: Any) -> Any:
    """What was given, with what it leaves open as it is by default."""
    if given is None:
        return default
    if isinstance(default, Mapping) and isinstance(given, Mapping):
        said = {name: value for name, value in given.items() if value is not None}
        return {**default, **said}
    return given
