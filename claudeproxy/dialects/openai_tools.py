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
from .fields import Fields, wrong_type
from .json_schema import object_schema
from .tools import ToolSet, check_number, named_choice, no_tools, read_all


FORMATS = ("text", "json_object", "json_schema")


def read_tools(fields: Fields, *, nested: bool = True) -> ToolSet:
    """The tools of a request and which of them may or must be called."""
    legacy = nested and bool(fields.array("functions"))
    given = "functions" if legacy else "tools"
    if legacy and fields.array("tools"):
        raise bad_request("Give either 'tools' or 'functions', not both.", "functions")
    check_number(fields, given)
    functions = [
        entry if legacy else _function_of(entry, nested=nested) for entry in fields.objects(given)
    ]
    tools = read_all(functions, given, "parameters")
    names = [tool.name for tool in tools]
    strict = True in [function.boolean("strict") for function in functions]
    parallel = fields.boolean("parallel_tool_calls") is not False and not legacy
    wanted, other = ("function_call", "tool_choice")[:: 1 if legacy else -1]
    if nested and fields.value.get(other) not in (None, "none", "auto"):
        raise bad_request(f"'{other}' does not go with '{given}'.", other, "invalid_value")
    choice, allowed = _choice(fields, wanted, names, nested=nested)
    if allowed is not None:
        tools = tuple(tool for tool in tools if tool.name in allowed)
    if not parallel or choice.mode == "tool":
        choice = attrs.evolve(choice, parallel=False)
    if not tools:
        choice = ToolChoice()
    return ToolSet(tools, choice, legacy, strict)


def read_format(
    fields: Fields | None, name: str, *, nested: bool = True
) -> Mapping[str, Any] | None:
    """The schema that the answer must fit, None for plain text.

    name: the field of `fields` that says it.
    """
    wanted = None if fields is None else fields.object(name)
    if wanted is None:
        return None
    kind = wanted.require("type", wanted.choice("type", FORMATS))
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    described = wanted.require(kind, wanted.object(kind)) if nested else wanted
    called = described.name("name")
    described.string("description")
    described.boolean("strict")
    schema = described.require("schema", described.object("schema"))
    return object_schema(schema.value, f"{wanted.path} '{called}'", described.where("schema"))


def _function_of(entry: Fields, *, nested: bool) -> Fields:
    kind = entry.require("type", entry.string("type"))
    if kind != "function":
        raise bad_request(
            f"Tools of type '{kind}' are not supported; supported: 'function'.",
            entry.where("type"),
            "unsupported_value",
        )
    return entry.require("function", entry.object("function")) if nested else entry


def _choice(
    fields: Fields, wanted: str, names: list[str], *, nested: bool
) -> tuple[ToolChoice, frozenset[str] | None]:
    """The choice, and the names of the tools that are offered at all, None for each of them."""
    value = fields.value.get(wanted)
    if value is None:
        return ToolChoice(), None
    if isinstance(value, str):
        modes = {"auto": "auto", "none": "none", "required": "any"}
        mode = modes.get(fields.choice(wanted, tuple(modes)) or "")
        if mode == "any" and not names:
            raise no_tools(wanted)
        return ToolChoice(mode), None  # type: ignore[arg-type]
    if not isinstance(value, dict):
        raise wrong_type(wanted, "a string or an object", value)
    told = Fields(value, wanted)
    if wanted == "function_call":
        return named_choice(told, names, wanted), None
    kind = told.require("type", told.choice("type", ("function", "allowed_tools")))
    described = told.require(kind, told.object(kind)) if nested else told
    if kind == "function":
        return named_choice(described, names, wanted), None
    mode = described.require("mode", described.choice("mode", ("auto", "required")))
    allowed = [
        named_choice(_function_of(entry, nested=nested), names, wanted).name
        for entry in described.objects("tools")
    ]
    if not allowed:
        raise described.missing("tools")
    return (
        ToolChoice("any" if mode == "required" else "auto"),
        frozenset(name for name in allowed if name),
    )
