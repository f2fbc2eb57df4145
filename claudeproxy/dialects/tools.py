"""The tools of a request, whatever its dialect: which there are, and which may be called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from ..conversation import Tool, ToolChoice, Turn
from ..errors import APIError, bad_request
from .fields import Fields
from .json_schema import ANYTHING, object_schema


MOST_TOOLS = 128


@attrs.frozen
class ToolSet:
    """What the model may call. legacy: the client speaks of functions."""

    tools: tuple[Tool, ...] = ()
    choice: ToolChoice = attrs.field(factory=ToolChoice)
    legacy: bool = False

    def with_tools_called_in(self, turns: Iterable[Turn]) -> ToolSet:
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


def read_all(functions: Sequence[Fields], given: str, schema: str) -> tuple[Tool, ...]:
    """The tools that `functions` describe, each with a name of its own.

    schema: the field that its arguments' schema is in.
    """
    tools = tuple(_tool(function, schema) for function in functions)
    names = [tool.name for tool in tools]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise bad_request(
                f"Invalid '{given}': the name '{name}' is there twice.",
                functions[index].where("name"),
                "invalid_value",
            )
    return tools


def named_choice(described: Fields, names: Sequence[str], wanted: str) -> ToolChoice:
    """The tool that must be called, by its name."""
    name: str = described.get("name")
    if not names:
        raise no_tools(wanted)
    if name not in names:
        raise bad_request(
            f"Invalid value for '{wanted}': the tool '{name}' is not among the tools of this "
            "request.",
            described.where("name"),
            "invalid_value",
        )
    return ToolChoice("tool", name)


def no_tools(wanted: str) -> APIError:
    """The error for a forced call without tools."""
    return bad_request(
        f"Invalid value for '{wanted}': it can only force a call when 'tools' are given.",
        wanted,
        "invalid_value",
    )


def _tool(function: Fields, schema: str) -> Tool:
    name = function.get("name")
    described = function.get(schema)
    return Tool(
        name,
        function.get("description", ""),
        ANYTHING
        if described is None
        else object_schema(described, f"function '{name}'", function.where(schema)),
    )
