"""OpenAI's dialects: what a request says of tools and of the form of the answer.

Source: OpenAI's OpenAPI document 2.3.0 (ChatCompletionTool, ChatCompletionToolChoiceOption,
ResponseFormatJsonSchema; FunctionTool, ToolChoiceParam, TextResponseFormatConfiguration). Chat
Completions puts a function into an object of its own (`nested`), Responses does not. The deprecated
`functions` and `function_call` are read as what replaced them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..conversation import ToolChoice
from ..errors import bad_request
from .fields import Fields
from .json_schema import answer_schema
from .kinds import Choice, Either, Flag, List, Map, Text
from .openai_request import NAME
from .parameters import Field, Object, Use, Variant
from .tools import MOST_TOOLS, ToolSet, named_choice, no_tools, read_all


A_SCHEMA = "A JSON Schema with an object at its root."
FUNCTION = Object(
    (
        Field("name", Text(NAME), required=True),
        Field("description", Text()),
        Field("parameters", Map(), note=A_SCHEMA),
        Field("strict", Flag(), Use.IGNORED, harmless=(False,)),
    )
)
FORMAT = (
    Field("name", Text(NAME), required=True),
    Field("description", Text()),
    Field("schema", Map(), required=True, note="A JSON Schema."),
    Field("strict", Flag()),
)
MODES = Choice(("none", "auto", "required"))
_NAMED = Object((Field("name", Text(), required=True),))
_ALLOWED_MODE = Field("mode", Choice(("auto", "required")), required=True)
_PARALLEL = Field("parallel_tool_calls", Flag())


def _in_an_object(name: str, inside: Object) -> Object:
    return Object((Field(name, inside, required=True),))


def tool_fields(*, nested: bool) -> tuple[Field, ...]:
    """The fields of a request that speak of tools."""
    function = _in_an_object("function", FUNCTION) if nested else FUNCTION
    named = _in_an_object("function", _NAMED) if nested else _NAMED
    one = Variant("type", {"function": named}, what="Tools")
    few = Object((_ALLOWED_MODE, Field("tools", List(one, least=1), required=True)))
    allowed = _in_an_object("allowed_tools", few) if nested else few
    choice = Either(
        (MODES, Variant("type", {"function": named, "allowed_tools": allowed})),
        "a string or an object",
    )
    tools = List(Variant("type", {"function": function}, what="Tools"), most=MOST_TOOLS)
    return (Field("tools", tools), Field("tool_choice", choice), _PARALLEL)


LEGACY = (
    Field("functions", List(FUNCTION, most=MOST_TOOLS), note="Deprecated: see `tools`."),
    Field(
        "function_call",
        Either((MODES, _NAMED), "a string or an object"),
        note="Deprecated: see `tool_choice`.",
    ),
)


def format_field(name: str, *, nested: bool) -> Field:
    """The field that says what form the answer is to have."""
    described = Object(FORMAT)
    if nested:
        described = _in_an_object("json_schema", described)
    plain = Object(())
    return Field(
        name, Variant("type", {"text": plain, "json_object": plain, "json_schema": described})
    )


def read_tools(fields: Fields, *, nested: bool = True) -> ToolSet:
    """The tools of a request and which of them may or must be called."""
    legacy = nested and bool(fields.get("functions"))
    given = "functions" if legacy else "tools"
    if legacy and fields.get("tools"):
        raise bad_request("Give either 'tools' or 'functions', not both.", "functions")
    functions = [
        entry.child("function") if nested and not legacy else entry
        for entry in fields.children(given)
    ]
    tools = read_all(functions, given, "parameters")
    names = [tool.name for tool in tools]
    parallel = fields.get("parallel_tool_calls") is not False and not legacy
    wanted, other = ("function_call", "tool_choice")[:: 1 if legacy else -1]
    if nested and fields.get(other) not in (None, "none", "auto"):
        raise bad_request(f"'{other}' does not go with '{given}'.", other, "invalid_value")
    choice, allowed = _choice(fields, wanted, names, nested=nested)
    if allowed is not None:
        tools = tuple(tool for tool in tools if tool.name in allowed)
    if not parallel or choice.mode == "tool":
        choice = attrs.evolve(choice, parallel=False)
    if not tools:
        choice = ToolChoice()
    return ToolSet(tools, choice, legacy)


def read_format(fields: Fields, name: str, *, nested: bool = True) -> Mapping[str, Any] | None:
    """The schema that the answer must fit, None for plain text.

    name: the field of `fields` that says it.
    """
    wanted = fields.child(name)
    kind = wanted.get("type", "text")
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    described = wanted.child(kind) if nested else wanted
    what = f"{wanted.path} '{described.get('name')}'"
    return answer_schema(described.get("schema"), what, described.where("schema"))


def _choice(
    fields: Fields, wanted: str, names: list[str], *, nested: bool
) -> tuple[ToolChoice, frozenset[str] | None]:
    """The choice, and the names of the tools that are offered at all, None for each of them."""
    value = fields.get(wanted, "auto")
    if isinstance(value, str):
        if value == "required" and not names:
            raise no_tools(wanted)
        return ToolChoice("any" if value == "required" else value), None  # type: ignore[arg-type]
    told = fields.child(wanted)
    if wanted == "function_call":
        return named_choice(told, names, wanted), None
    kind = told.get("type")
    described = told.child(kind) if nested else told
    if kind == "function":
        return named_choice(described, names, wanted), None
    allowed = [
        named_choice(entry.child("function") if nested else entry, names, wanted).name
        for entry in described.children("tools")
    ]
    return (
        ToolChoice("any" if described.get("mode") == "required" else "auto"),
        frozenset(name for name in allowed if name),
    )
