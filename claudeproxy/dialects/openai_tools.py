"""OpenAI's dialects: the fields for tools and for the format of the answer.

Source: OpenAI's OpenAPI document 2.3.0 (ChatCompletionTool, CustomToolChatCompletions,
ChatCompletionToolChoiceOption, ResponseFormatJsonSchema; FunctionTool, CustomToolParam,
ToolChoiceParam, TextResponseFormatConfiguration), and for namespaces what Codex 0.171.0 sends. Chat
Completions puts a tool into an object of its own (`nested`), Responses does not. The deprecated
`functions` and `function_call` are read as what replaced them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

import attrs

from ..conversation import ServerTool, ToolChoice
from ..errors import bad_request
from . import openai_web_search as web_search
from .fields import Fields
from .json_schema import answer_schema
from .kinds import Choice, Either, Flag, Ignored, Invalid, Kind, List, Map, Problem, Text
from .openai_request import LONGEST_NAME, NAME
from .openapi import Schema
from .parameters import Field, Object, Variant
from .tools import (
    MOST_TOOLS,
    Offer,
    Origin,
    ToolSet,
    named_nothing,
    no_tools,
    read_all,
)
from .wording import openai_error


STRICT = "strict"
A_SCHEMA = "A JSON Schema with an object at its root."
_NAME = Field("name", Text(NAME), required=True)
_DESCRIPTION = Field("description", Text())
FUNCTION = Object(
    (
        _NAME,
        _DESCRIPTION,
        Field("parameters", Map(), note=A_SCHEMA),
        Field(STRICT, Flag()),
    )
)
_GRAMMAR = (Field("syntax", Choice(("lark", "regex"))), Field("definition", Text()))
_GRAMMAR_FORMAT = Object((*_GRAMMAR, Field("grammar", Object(_GRAMMAR))))
CUSTOM = Object(
    (
        _NAME,
        _DESCRIPTION,
        Field("format", Variant("type", {"text": Object(()), "grammar": _GRAMMAR_FORMAT})),
    )
)
MODES = Choice(("none", "auto", "required"))
_NAMED_TOOLS = ("function", "custom")
_NAMED = Object((Field("name", Text(), required=True),))
_NAMED_IN_SPACE = _NAMED.and_also(Field("namespace", Text()))
_CHOICES = "Choices of tools"
_PARALLEL = Field("parallel_tool_calls", Flag())
# For Claude it is a function. Its Origin says what it is for the client.
SEARCH = "tool_search"
_SEARCH = Object(
    (_DESCRIPTION, Field("parameters", Map(), note=A_SCHEMA), Field("execution", Text()))
)


def _in_an_object(name: str, inside: Kind) -> Object:
    return Object((Field(name, inside, required=True),))


_NESTED_TOOLS: Mapping[str, Kind] = {
    "function": _in_an_object("function", FUNCTION),
    "custom": _in_an_object("custom", CUSTOM),
}
_FLAT_TOOLS: Mapping[str, Kind] = {
    "function": FUNCTION,
    "custom": CUSTOM,
    SEARCH: _SEARCH,
    "namespace": Object(
        (
            _NAME,
            _DESCRIPTION,
            Field(
                "tools",
                List(
                    Variant(
                        "type",
                        {"function": FUNCTION, "custom": CUSTOM},
                        what="Tools",
                        other=Map(),
                    )
                ),
                required=True,
            ),
        )
    ),
    **dict.fromkeys(web_search.TYPES, web_search.TOOL),
}
_SEARCH_HERE = "In Chat Completions, web search is the field `web_search_options`."
CHAT_TOOLS = List(
    Variant(
        "type",
        _NESTED_TOOLS,
        what="Tools",
        refused=dict.fromkeys(web_search.TYPES, _SEARCH_HERE),
    ),
    most=MOST_TOOLS,
)
# Hosted tools are ignored, because agents send them by default together with their own tools.
ANY_TOOL = Variant("type", _FLAT_TOOLS, what="Tools", other=Map())
RESPONSES_TOOLS = List(ANY_TOOL, most=MOST_TOOLS)


def _one_of(one: Mapping[str, Kind], *, nested: bool) -> Variant:
    """The kind of a tool in a tool choice. In Responses a hosted one is ignored."""
    return Variant("type", one, what="Tools", other=None if nested else Map())


def tool_fields(*, nested: bool) -> tuple[Field, ...]:
    """Return the fields of a request for tools."""
    one: Mapping[str, Kind] = {
        kind: _in_an_object(kind, _NAMED) if nested else _NAMED_IN_SPACE for kind in _NAMED_TOOLS
    }
    if not nested:
        one = {**one, **dict.fromkeys(web_search.TYPES, Object(()))}
    few = Object(
        (
            Field("mode", Choice(("auto", "required")), required=True),
            Field("tools", List(_one_of(one, nested=nested), least=1), required=True),
        )
    )
    allowed = _in_an_object("allowed_tools", few) if nested else few
    wanted = Variant("type", {**one, "allowed_tools": allowed}, what="" if nested else _CHOICES)
    choice = Either((MODES, wanted), "a string or an object")
    tools = CHAT_TOOLS if nested else RESPONSES_TOOLS
    return (Field("tools", tools), Field("tool_choice", choice), _PARALLEL)


LEGACY = (
    Field("functions", List(FUNCTION, most=MOST_TOOLS), note="Deprecated: see `tools`."),
    Field(
        "function_call",
        Either((MODES, _NAMED), "a string or an object"),
        note="Deprecated: see `tool_choice`.",
    ),
)


def inner_name(name: str, namespace: str = "", shared: Container[str] = ()) -> str:
    """Return the model's name for a tool. An invalid name is always changed in the same way.

    shared: the names that several tools would get. Those in namespaces get others.
    """
    inner = f"{namespace}__{name}" if namespace else name
    clashes = bool(namespace) and inner in shared
    if re.fullmatch(NAME, inner) and not clashes:
        return inner
    known = f"{namespace}\0{name}" if clashes else inner
    own = hashlib.sha256(known.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{re.sub(r'[^a-zA-Z0-9_-]', '_', inner)[: LONGEST_NAME - 9]}_{own}"


def shared_names(tools: Iterable[Fields]) -> frozenset[str]:
    """Return the names that would be those of several tools, because they are in namespaces."""
    known: dict[str, set[tuple[str, str]]] = {}
    for offer in offers_of(tools, nested=False):
        origin = offer.origin or Origin(offer.inner)
        joined = f"{origin.namespace}__{origin.name}" if origin.namespace else origin.name
        known.setdefault(joined, set()).add((origin.namespace, origin.name))
    return frozenset(name for name, pairs in known.items() if len(pairs) > 1)


def refuse_hosted_alone(fields: Fields, more: Iterable[Fields]) -> None:
    """Raise a 400 if the request has only hosted tools, which would all be ignored."""
    given = [*fields.children("tools"), *more]
    hosted = [tool for tool in given if tool.get("type") not in _FLAT_TOOLS]
    if hosted and len(hosted) == len(given):
        kind = hosted[0].get("type")
        invalid = Invalid(Problem.UNSUPPORTED_KIND, tuple(_FLAT_TOOLS), kind, "Tools")
        raise attrs.evolve(openai_error(invalid), param=hosted[0].where("type"))


def offers_of(
    entries: Iterable[Fields], *, nested: bool, shared: Container[str] = ()
) -> Iterator[Offer]:
    """Yield the tools, including those inside namespaces but not the hosted ones.

    shared: see inner_name.
    """
    for entry in entries:
        kind = entry.get("type")
        described = entry.child(kind) if nested else entry
        match kind:
            case "function":
                yield Offer(described, described.get("name"), more=_more(described))
            case "custom":
                name = described.get("name")
                yield Offer(described, name, Origin(name, "custom"))
            case "tool_search":
                yield Offer(described, SEARCH, Origin(SEARCH, "tool_search"))
            case "namespace":
                space = entry.get("name")
                for tool in entry.children("tools"):
                    if tool.get("type") not in _NAMED_TOOLS:
                        continue
                    name = tool.get("name")
                    origin = Origin(name, tool.get("type"), space)
                    yield Offer(tool, inner_name(name, space, shared), origin, _more(tool))


def _more(function: Fields) -> Mapping[str, Any]:
    return {STRICT: True} if function.get(STRICT) else {}


def read_tools(
    fields: Fields,
    *,
    nested: bool = True,
    more: Iterable[Fields] = (),
    server_tools: tuple[ServerTool, ...] = (),
    shared: Container[str] = (),
) -> ToolSet:
    """Return the tools of a request and the tool choice; raise a 400.

    more: tools that are defined elsewhere in the request. server_tools: those of the API's own.
    shared: see inner_name.
    """
    legacy = nested and bool(fields.get("functions"))
    given = "functions" if legacy else "tools"
    if legacy and fields.get("tools"):
        raise bad_request("Specify either 'tools' or 'functions', not both.", "functions")
    if legacy:
        entries = fields.children(given)
        offers = [Offer(entry, entry.get("name"), more=_more(entry)) for entry in entries]
    else:
        own_offers = offers_of(fields.children(given), nested=nested, shared=shared)
        offers = _each_once([*own_offers], offers_of(more, nested=False, shared=shared))
    tools = read_all(offers, given, "parameters")
    parallel = fields.get("parallel_tool_calls") is not False and not legacy
    wanted, other = ("function_call", "tool_choice")[:: 1 if legacy else -1]
    if nested and fields.get(other) not in (None, "none", "auto"):
        raise bad_request(f"'{other}' cannot be used with '{given}'.", other, "invalid_value")
    own = {ToolChoice("tool", tool.name): tool for tool in tools}
    server = {ToolChoice("tool", tool.name, of_server=True): tool for tool in server_tools}
    choice, allowed = _choice(fields, wanted, [*own, *server], nested=nested, shared=shared)
    if allowed is not None:
        tools = tuple(tool for chosen, tool in own.items() if chosen in allowed)
        server_tools = tuple(tool for chosen, tool in server.items() if chosen in allowed)
    if not parallel or choice.mode == "tool":
        choice = attrs.evolve(choice, parallel=False)
    if not tools and not server_tools:
        choice = ToolChoice()
    origins = {offer.inner: offer.origin for offer in offers if offer.origin is not None}
    return ToolSet(tools, choice, legacy, origins, server_tools)


def _each_once(offers: list[Offer], more: Iterable[Offer]) -> list[Offer]:
    """Add the tools in `more` whose names are new. A client may define a tool more than once."""
    known = {offer.inner for offer in offers}
    for offer in more:
        if offer.inner not in known:
            known.add(offer.inner)
            offers.append(offer)
    return offers


_FORMAT = (
    Field("name", Text(NAME)),
    _DESCRIPTION,
    Field("schema", Map(), note=A_SCHEMA),
    Field("strict", Flag()),
)


@attrs.frozen
class _NestedFormat:
    """A format whose fields are in an object `json_schema`.

    Some clients leave out that object. Fields beside it are ignored.
    """

    flat: Object
    nested: Object
    noun = "an object"

    def check(self, value: Any) -> Ignored:
        """A format of either form."""
        nested = type(value) is dict and value.get("json_schema") is not None
        return (self.nested if nested else self.flat).check(value)

    def schema(self) -> Schema:
        """The fields of both forms."""
        return self.flat.and_also(*self.nested.fields).schema()


def format_field(name: str, *, nested: bool) -> Field:
    """Return the field for the format of the answer."""
    plain = Object(())
    flat = Object(_FORMAT)
    described: Kind = flat
    if nested:
        described = _NestedFormat(flat, Object((Field("json_schema", flat),)))
    return Field(
        name, Variant("type", {"text": plain, "json_object": plain, "json_schema": described})
    )


def read_format(fields: Fields, name: str, *, nested: bool = True) -> Mapping[str, Any] | None:
    """Return the schema that the answer must match, None for plain text; raise a 400.

    name: the field with the format.
    """
    wanted = fields.child(name)
    kind = wanted.get("type", "text")
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    described = wanted
    alone = nested and wanted.has("schema") and not wanted.has("json_schema")
    if nested and not alone:
        if not wanted.has("json_schema"):
            raise wanted.missing("json_schema")
        described = wanted.child("json_schema")
    for needed in () if alone else ("name", "schema"):
        if not described.has(needed):
            raise described.missing(needed)
    name_of_it = described.get("name")
    what = f"{wanted.path} '{name_of_it}'" if name_of_it else wanted.path
    schema = answer_schema(described.get("schema"), what, described.where("schema"))
    if not (description := described.get("description")):
        return schema
    # Claude's API has no other place for it.
    told = filter(None, (description, schema.get("description")))
    return {**schema, "description": "\n\n".join(told)}


def _choice(
    fields: Fields,
    wanted: str,
    choices: list[ToolChoice],
    *,
    nested: bool,
    shared: Container[str],
) -> tuple[ToolChoice, frozenset[ToolChoice] | None]:
    """Return the tool choice, and the choices of the allowed tools, None if all are allowed.

    choices: that of each tool of the request.
    """
    value = fields.get(wanted, "auto")
    if isinstance(value, str):
        if value == "required" and not choices:
            raise no_tools(wanted)
        return ToolChoice("any" if value == "required" else value), None  # type: ignore[arg-type]
    told = fields.child(wanted)
    if wanted == "function_call":
        return _named(told, choices, wanted), None
    kind = told.get("type")
    described = told.child(kind) if nested else told
    if kind != "allowed_tools":
        return _named(described, choices, wanted, shared), None
    allowed = [
        _named(entry.child(entry.get("type")) if nested else entry, choices, wanted, shared)
        for entry in described.children("tools")
        if entry.get("type") in (*_NAMED_TOOLS, *web_search.TYPES)
    ]
    forced = described.get("mode") == "required"
    if forced and not allowed:
        raise no_tools(wanted)
    return ToolChoice("any" if forced else "auto"), frozenset(allowed)


def _named(
    described: Fields, choices: list[ToolChoice], wanted: str, shared: Container[str] = ()
) -> ToolChoice:
    """Return the choice of one tool; raise a 400 if the request does not define it."""
    if not choices:
        raise no_tools(wanted)
    if described.get("type") in web_search.TYPES:
        chosen = next((choice for choice in choices if choice.of_server), None)
        if chosen is None:
            raise described.invalid("type", "the request does not define this tool")
        return chosen
    inner = inner_name(described.get("name"), described.get("namespace", ""), shared)
    chosen = ToolChoice("tool", inner)
    if chosen not in choices:
        raise named_nothing(described, inner, wanted)
    return chosen
