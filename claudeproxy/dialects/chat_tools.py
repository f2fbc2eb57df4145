"""OpenAI Chat Completions: what a request says of tools and of the form of the answer.

Source: OpenAI's OpenAPI document 2.3.0 (ChatCompletionTool, ChatCompletionToolChoiceOption,
ResponseFormatJsonSchema). The deprecated `functions` and `function_call` are read as what replaced
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from ..conversation import Tool, ToolChoice, Turn
from ..errors import APIError, bad_request
from .fields import Fields, wrong_type
from .schemas import ANYTHING, object_schema


MOST_TOOLS = 128
FORMATS = ("text", "json_object", "json_schema")


@attrs.frozen
class Toolbox:
    """What the model may call. legacy: the client speaks of functions. strict: asked for it."""

    tools: tuple[Tool, ...] = ()
    choice: ToolChoice = attrs.field(factory=ToolChoice)
    legacy: bool = False
    strict: bool = False

    def and_those_of(self, turns: Iterable[Turn]) -> Toolbox:
        """With tools for the calls in a conversation, where the request itself has none.

        The API wants tools for a conversation with calls in it; these may not be called again.
        """
        if self.tools:
            return self
        names = {
            block["name"]: None
            for turn in turns
            for block in turn.blocks
            if block["type"] == "tool_use"
        }
        tools = tuple(Tool(name, "", ANYTHING) for name in names)
        return attrs.evolve(self, tools=tools, choice=ToolChoice("none")) if tools else self


def read_tools(fields: Fields) -> Toolbox:
    """The tools of a request and which of them may or must be called."""
    legacy = bool(fields.array("functions"))
    given = "functions" if legacy else "tools"
    if legacy and fields.array("tools"):
        raise bad_request("Give either 'tools' or 'functions', not both.", "functions")
    if len(fields.array(given) or ()) > MOST_TOOLS:
        raise bad_request(
            f"Invalid '{given}': array too long. Expected an array with maximum length "
            f"{MOST_TOOLS}, but got {len(fields.array(given) or ())} instead.",
            given,
            "array_above_max_length",
        )
    functions = [entry if legacy else _function_of(entry) for entry in fields.objects(given)]
    tools = tuple(_tool(function) for function in functions)
    names = [tool.name for tool in tools]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise bad_request(
                f"Invalid '{given}': the name '{name}' is there twice.",
                functions[index].where("name"),
                "invalid_value",
            )
    strict = True in [function.boolean("strict") for function in functions]
    parallel = fields.boolean("parallel_tool_calls") is not False and not legacy
    wanted, other = ("function_call", "tool_choice")[:: 1 if legacy else -1]
    if fields.value.get(other) not in (None, "none", "auto"):
        raise bad_request(f"'{other}' does not go with '{given}'.", other, "invalid_value")
    choice, allowed = _choice(fields, wanted, names)
    if allowed is not None:
        tools = tuple(tool for tool in tools if tool.name in allowed)
    if not parallel or choice.mode == "tool":
        choice = attrs.evolve(choice, parallel=False)
    if not tools:
        choice = ToolChoice()
    return Toolbox(tools, choice, legacy, strict)


def read_format(fields: Fields) -> Mapping[str, Any] | None:
    """The schema that the answer must fit, None for plain text."""
    wanted = fields.object("response_format")
    if wanted is None:
        return None
    kind = wanted.needed("type", wanted.choice("type", FORMATS))
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    described = wanted.needed("json_schema", wanted.object("json_schema"))
    name = described.name("name")
    described.string("description")
    described.boolean("strict")
    schema = described.needed("schema", described.object("schema"))
    return object_schema(schema.value, f"response_format '{name}'", described.where("schema"))


def _function_of(entry: Fields) -> Fields:
    kind = entry.needed("type", entry.string("type"))
    if kind != "function":
        raise bad_request(
            f"Tools of type '{kind}' are not supported; supported: 'function'.",
            entry.where("type"),
            "unsupported_value",
        )
    return entry.needed("function", entry.object("function"))


def _tool(function: Fields) -> Tool:
    name = function.name("name")
    parameters = function.object("parameters")
    schema = (
        ANYTHING
        if parameters is None
        else object_schema(parameters.value, f"function '{name}'", function.where("parameters"))
    )
    return Tool(name, function.string("description") or "", schema)


def _choice(
    fields: Fields, wanted: str, names: list[str]
) -> tuple[ToolChoice, frozenset[str] | None]:
    """The choice, and the names of the tools that are offered at all, None for each of them."""
    value = fields.value.get(wanted)
    if value is None:
        return ToolChoice(), None
    if isinstance(value, str):
        modes = {"auto": "auto", "none": "none", "required": "any"}
        mode = modes.get(fields.choice(wanted, tuple(modes)) or "")
        if mode == "any" and not names:
            raise _no_tools(wanted)
        return ToolChoice(mode), None  # type: ignore[arg-type]
    if not isinstance(value, dict):
        raise wrong_type(wanted, "a string or an object", value)
    chosen = Fields(value, wanted)
    if wanted == "function_call":
        return _named(chosen, names, wanted), None
    kind = chosen.needed("type", chosen.choice("type", ("function", "allowed_tools")))
    described = chosen.needed(kind, chosen.object(kind))
    if kind == "function":
        return _named(described, names, wanted), None
    return _allowed(described, names, wanted)


def _allowed(
    described: Fields, names: list[str], wanted: str
) -> tuple[ToolChoice, frozenset[str] | None]:
    mode = described.needed("mode", described.choice("mode", ("auto", "required")))
    allowed = [
        _named(_function_of(entry), names, wanted).name for entry in described.objects("tools")
    ]
    if not allowed:
        raise described.missing("tools")
    return (
        ToolChoice("any" if mode == "required" else "auto"),
        frozenset(name for name in allowed if name),
    )


def _named(function: Fields, names: list[str], wanted: str) -> ToolChoice:
    name = function.needed("name", function.string("name"))
    if not names:
        raise _no_tools(wanted)
    if name not in names:
        raise bad_request(
            f"Invalid value for '{wanted}': the tool '{name}' is not among the tools of this "
            "request.",
            function.where("name"),
            "invalid_value",
        )
    return ToolChoice("tool", name)


def _no_tools(wanted: str) -> APIError:
    return bad_request(
        f"Invalid value for '{wanted}': it can only force a call when 'tools' are given.",
        wanted,
        "invalid_value",
    )
