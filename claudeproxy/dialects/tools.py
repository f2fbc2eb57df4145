"""The tools of a request, whatever its dialect: which there are, and which may be called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import attrs

from ..conversation import Tool, ToolChoice, Turn
from ..errors import APIError, bad_request
from .custom_tools import custom_tool
from .fields import Fields
from .json_schema import ANYTHING, object_schema


MOST_TOOLS = 128


@attrs.frozen
class Origin:
    """What a tool of the model's is to the client, where that is not a function of its name."""

    name: str
    kind: Literal["function", "custom", "tool_search"] = "function"
    namespace: str = ""


@attrs.frozen
class Offer:
    """A tool as a request describes it. inner: the name that the model knows it by."""

    described: Fields
    inner: str
    origin: Origin | None = None


@attrs.frozen
class ToolSet:
    """What the model may call.

    legacy: the client speaks of functions. origins: what the tools are to the client, by the names
    that the model knows them by.
    """

    tools: tuple[Tool, ...] = ()
    choice: ToolChoice = attrs.field(factory=ToolChoice)
    legacy: bool = False
    origins: Mapping[str, Origin] = attrs.field(factory=dict)

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


def read_all(offers: Sequence[Offer], given: str, schema: str) -> tuple[Tool, ...]:
    """The tools that are offered, each with a name of its own.

    schema: the field that the schema of the arguments is in.
    """
    tools = tuple(_tool(offer, schema) for offer in offers)
    names: set[str] = set()
    for offer, tool in zip(offers, tools, strict=True):
        if tool.name in names:
            raise bad_request(
                f"Invalid '{given}': the name '{tool.name}' is used more than once.",
                offer.described.where("name"),
                "invalid_value",
            )
        names.add(tool.name)
    return tools


def named_choice(described: Fields, name: str, names: Sequence[str], wanted: str) -> ToolChoice:
    """The tool that must be called, by its name."""
    if not names:
        raise no_tools(wanted)
    if name not in names:
        raise bad_request(
            f"Invalid value for '{wanted}': the request does not define a tool named '{name}'.",
            described.where("name"),
            "invalid_value",
        )
    return ToolChoice("tool", name)


def no_tools(wanted: str) -> APIError:
    """The error for a forced call without tools."""
    return bad_request(
        f"Invalid value for '{wanted}': it can force a tool call only when 'tools' are given.",
        wanted,
        "invalid_value",
    )


def _tool(offer: Offer, schema: str) -> Tool:
    described = offer.described
    if offer.origin is not None and offer.origin.kind == "custom":
        return custom_tool(offer.inner, described)
    given = described.get(schema)
    return Tool(
        offer.inner,
        described.get("description", ""),
        ANYTHING
        if given is None
        else object_schema(given, f"function '{offer.inner}'", described.where(schema)),
    )
