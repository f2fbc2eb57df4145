"""OpenAI Responses: what a request says, as a Conversation, and the responses that are kept.

The fields are declared in `schema`. How the answer is worded is in `answer`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NoReturn

import attrs

from ...conversation import Block, Conversation, Profile, ToolChoice
from ...errors import APIError, bad_request
from .. import Answer, ParsedRequest, TokenCount
from ..fields import Fields
from ..json_body import parse_object
from ..kinds import Invalid, Problem
from ..openai_answer import encode_error
from ..openai_request import check_request, effort_of, limits, unsupported_parameter
from ..openai_tools import read_format, read_tools, refuse_hosted_alone
from ..openai_web_search import SOURCES, TYPES, search_tools
from ..tools import Origin, ToolSet
from ..tools import as_listed as as_ignored
from ..wording import openai_error
from .answer import StreamedResponse, WholeResponse
from .compaction import REQUEST as SUMMARIZE
from .compaction import TRIGGER, CompactedResponse, kept_messages, sealed, triggering
from .content import as_listed, mark_references, read_history, read_items
from .schema import REQUEST
from .store import Item, ResponseStore, Stored
from .writer import ResponseContext


ORDERS = ("asc", "desc")
OPTIONAL = {"effort": "reasoning.effort", "temperature": "temperature", "top_p": "top_p"}
# Names of parameters in common errors, which are those of Chat Completions -> the names here.
NAMES = {"messages": "input", "response_format": "text.format"}
# The fields of the request that the response repeats, with their defaults. The last two must be
# numbers in OpenAI's schema.
ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "truncation": "disabled",
    "user": None,
    "store": True,
    "temperature": 1.0,
    "top_p": 1.0,
}
# The fields of the response for parameters that have no effect.
WITHOUT_EFFECT = {"presence_penalty": 0, "frequency_penalty": 0, "top_logprobs": 0}
# The defaults for the fields of a schema and of a function in the response.
OF_A_SCHEMA: Mapping[str, Any] = {"description": None, "strict": False}
OF_A_FUNCTION: Mapping[str, Any] = {"description": None, "parameters": None, "strict": False}


@attrs.frozen
class _Asked:
    """A parsed request.

    items: its input items. before: the items of previous responses. size: the size in bytes of all
    requests that these items came from. origins: the client's view of tools. compacts: whether the
    answer is a compaction item.
    """

    fields: Fields
    ignored: tuple[str, ...]
    conversation: Conversation
    origins: Mapping[str, Origin]
    items: tuple[Item, ...]
    before: tuple[Item, ...]
    size: int
    compacts: bool


@attrs.frozen
class Responses:
    """The dialect, with the store of its responses.

    owner: the name of the client's API key, "" without keys. It can use its own responses only.
    compacts: whether the requests are those of POST /v1/responses/compact.
    """

    store: ResponseStore
    owner: str = ""
    compacts: bool = False

    def read(self, body: bytes) -> ParsedRequest:
        """Read the body of POST /v1/responses; raises APIError, a 400 naming the parameter."""
        asked = self._read(body)
        fields, reasoning = asked.fields, asked.fields.child("reasoning")
        keep = None
        if fields.get("store") is not False:
            keep = partial(self._keep, asked.items, asked.before, asked.size)
        context = ResponseContext(
            _echo(fields),
            summary=not asked.compacts
            and (reasoning.has("summary") or reasoning.has("generate_summary")),
            keep=keep,
            origins=asked.origins,
            now=self.store.now,
            searches=bool(asked.conversation.limits.server_tools),
            sources=SOURCES in fields.get("include", ()),
            sealed=sealed if asked.compacts else None,
        )
        make: Callable[[str, int], Answer]
        if self.compacts:
            stays = tuple(kept_messages((*asked.before, *asked.items)))
            make = partial(CompactedResponse, context, kept=partial(as_listed, stays))
        else:
            make = partial(StreamedResponse if fields.get("stream") else WholeResponse, context)
        return ParsedRequest(
            conversations=(asked.conversation,),
            ignored=asked.ignored,
            optional=OPTIONAL,
            answer=make,
        )

    def count_tokens(self, body: bytes) -> TokenCount:
        """Read the body of POST /v1/responses/input_tokens; raises APIError."""
        asked = self._read(body)
        return TokenCount(asked.conversation, asked.ignored, _count_body)

    def error_body(self, error: APIError) -> bytes:
        """OpenAI's error object (openai.yaml, ErrorResponse)."""
        return encode_error(attrs.evolve(error, param=NAMES.get(error.param or "", error.param)))

    def fetch(self, response_id: str, query: Mapping[str, str]) -> bytes:
        """The body of GET /v1/responses/{id}; raises a 404, or a 400 if `stream` is asked for."""
        if query.get("stream", "false") != "false":
            raise unsupported_parameter("stream", "A stored response cannot be streamed.")
        return json.dumps(self._kept(response_id).response).encode("ascii")

    def delete(self, response_id: str) -> bytes:
        """The body of DELETE /v1/responses/{id}; raises a 404."""
        self._kept(response_id)
        self.store.delete(response_id, self.owner)
        told = {"id": response_id, "object": "response", "deleted": True}
        return json.dumps(told).encode("ascii")

    def cancel(self, response_id: str) -> NoReturn:
        """POST /v1/responses/{id}/cancel: a 404, or a 400 because it is not supported."""
        self._kept(response_id)
        raise bad_request(
            f"The response '{response_id}' cannot be cancelled: only background responses can be "
            "cancelled, and this server does not support them. To stop a response that is in "
            "progress, close its connection."
        )

    def input_items(self, response_id: str, query: Mapping[str, str]) -> bytes:
        """The body of GET /v1/responses/{id}/input_items; raises a 404, or a 400 for a query.

        query: `order` (desc or asc), `after` (an item's id) and `limit` (1 to 100).
        """
        stored = self._kept(response_id)
        fields = Fields(query)
        order, text = fields.get("order", "desc"), fields.get("limit", "20")
        if order not in ORDERS:
            raise openai_error(Invalid(Problem.CHOICE, ORDERS, order).at("order"))
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 100):
            raise fields.invalid("limit", "expected an integer from 1 to 100")
        items = list(stored.before + stored.input)[:: 1 if order == "asc" else -1]
        after = fields.get("after")
        if after is not None:
            ids = [item["id"] for item in items]
            if after not in ids:
                raise bad_request(f"Item with id '{after}' not found.", "after", "invalid_value")
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

    def _read(self, body: bytes) -> _Asked:
        given = parse_object(body)
        if self.compacts:
            given = triggering(given)
        mark_references(given.get("input"))
        fields, ignored = check_request(given, REQUEST)
        previous = self._previous(fields)
        before = () if previous is None else previous.conversation
        items = tuple(read_items(fields, partial(self.store.item, owner=self.owner)))
        compacts = bool(items) and items[-1].get("type") == TRIGGER
        read = read_history(
            before,
            items[:-1] if compacts else items,
            partial(self.store.blocks, owner=self.owner),
            fields.children("tools"),
        )
        if compacts:
            if not read.history.turns:
                raise bad_request("There is nothing to compact.", "input", "invalid_value")
            read.history.user((SUMMARIZE,))
        described = read.tools
        refuse_hosted_alone(fields, described)
        turns = read.history.finish()
        searches = search_tools(
            [*fields.children("tools"), *described], fields.get("max_tool_calls")
        )
        tool_set = read_tools(
            fields, nested=False, more=described, server_tools=searches, shared=read.shared
        )
        tool_set = tool_set.with_tools_called_in(turns)
        ignored = (*ignored, *dict.fromkeys(read.ignored), *_without_effect(fields, tool_set))
        schema = read_format(
            _latest(fields, read.updates, "text", "format"), "format", nested=False
        )
        if compacts:
            # The tools stay, so that a process and the prompt cache can be used again.
            none = ToolChoice("none") if tool_set.tools else ToolChoice()
            tool_set, schema = attrs.evolve(tool_set, choice=none, server_tools=()), None
        if schema is not None and tool_set.choice.forced:
            # A forced call is the whole answer. With a schema the model could answer otherwise.
            schema = None
            ignored = (*ignored, "text.format")
        bounds = limits(
            fields,
            # 0 and -1 are what clients send for "no limit".
            max_tokens=max(fields.get("max_output_tokens", 0), 0) or None,
            tool_choice=tool_set.choice,
            server_tools=tool_set.server_tools,
            **effort_of(_latest(fields, read.updates, "reasoning", "effort"), "effort"),
        )
        system = "\n\n".join(filter(None, (fields.get("instructions"), read.history.system_prompt)))
        profile = Profile(system, tool_set.tools)
        return _Asked(
            fields=fields,
            ignored=ignored,
            conversation=Conversation(profile, turns, bounds, schema, strict_as="tools[].strict"),
            origins=tool_set.origins,
            items=items,
            before=before,
            # The items of previous responses stay in memory as long as this response.
            size=len(body) + (0 if previous is None else previous.size),
            compacts=compacts,
        )

    def _previous(self, fields: Fields) -> Stored | None:
        response_id = fields.get("previous_response_id")
        if response_id is None:
            return None
        stored = self.store.get(response_id, self.owner)
        if stored is None:
            raise bad_request(
                f"Previous response with id '{response_id}' not found. This server keeps responses "
                "in memory for a limited time, unless `store` is false. A restart deletes them.",
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
        blocks: Mapping[str, tuple[Block, ...]],
    ) -> None:
        unique = response["id"].partition("_")[2]
        listed = tuple(as_listed(items, unique))
        # The searches among the input items have new ids, by which the next request names them.
        sent = {
            new["id"]: found
            for old, new in zip(items, listed, strict=True)
            if (found := self.store.blocks(str(old.get("id")), self.owner))
        }
        blocks = {**sent, **blocks}
        size += len(json.dumps([*blocks.values()])) if blocks else 0
        self.store.put(Stored(response, listed, before, size, self.owner, blocks))

    def _kept(self, response_id: str) -> Stored:
        stored = self.store.get(response_id, self.owner)
        if stored is None:
            raise APIError(404, f"Response with id '{response_id}' not found.")
        return stored


def _latest(fields: Fields, updates: Iterable[Fields], name: str, inner: str) -> Fields:
    """Return the object `name` of the last update that has `inner` in it, else the request's."""
    given = (item.child(name) for item in (fields, *updates))
    *_, latest = (one for index, one in enumerate(given) if index == 0 or one.has(inner))
    return latest


def _without_effect(fields: Fields, tool_set: ToolSet) -> Iterator[str]:
    """Yield the parameters that would only have an effect with other tools or values."""
    if not set(fields.get("include", ())) <= {SOURCES}:
        yield "include"
    # The model has one web search.
    searches = [tool for tool in fields.children("tools") if tool.get("type") in TYPES]
    yield from dict.fromkeys(as_ignored(tool) for tool in searches[1:])
    if fields.has("max_tool_calls") and not searches and not tool_set.server_tools:
        yield "max_tool_calls"


def _echo(fields: Fields) -> Mapping[str, Any]:
    echo = {
        name: _with_defaults(fields.value.get(name), default) for name, default in ECHOED.items()
    }
    echo["tools"] = [
        {**OF_A_FUNCTION, **tool} if tool.get("type") == "function" else tool
        for tool in echo["tools"]
    ]
    form = echo["text"]["format"]
    if form.get("type") == "json_schema":
        echo["text"] = {**echo["text"], "format": {**OF_A_SCHEMA, **form}}
    return {"model": fields.value["model"], **echo, **WITHOUT_EFFECT}


def _with_defaults(given: Any, default: Any) -> Any:
    """Return the given value, with defaults for what is absent."""
    if given is None:
        return default
    if isinstance(default, Mapping) and isinstance(given, Mapping):
        said = {name: value for name, value in given.items() if value is not None}
        return {**default, **said}
    return given


def _count_body(tokens: int) -> bytes:
    told = {"object": "response.input_tokens", "input_tokens": tokens}
    return json.dumps(told).encode("ascii")
