"""The tools of a request and the tool choice, for all dialects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import attrs

from ..conversation import ServerTool, Tool, ToolChoice, Turn
from ..errors import APIError, bad_request
from .custom_tools import custom_tool
from .fields import Fields
from .json_schema import ANYTHING, object_schema


MOST_TOOLS = 128
# The largest integer that JavaScript, and so the CLI, knows exactly.
MOST_USES = 2**53 - 1
# The fields of a web tool with the domains of pages. Only one of them can be given.
DOMAINS = ("allowed_domains", "blocked_domains")
_SCHEME = re.compile(r"[a-z]+://", re.IGNORECASE)


@attrs.frozen
class Origin:
    """The client's view of a tool that is not simply a function with the same name."""

    name: str
    kind: Literal["function", "custom", "tool_search"] = "function"
    namespace: str = ""


@attrs.frozen
class Offer:
    """A tool as a request describes it.

    inner: the name that the model gets for it. more: see Tool.
    """

    described: Fields
    inner: str
    origin: Origin | None = None
    more: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class ToolSet:
    """The tools that the model may call.

    legacy: the client uses the deprecated `functions`. origins: the client's view of the tools, by
    the names that the model gets for them. server_tools: those that the API carries out itself.
    """

    tools: tuple[Tool, ...] = ()
    choice: ToolChoice = attrs.field(factory=ToolChoice)
    legacy: bool = False
    origins: Mapping[str, Origin] = attrs.field(factory=dict)
    server_tools: tuple[ServerTool, ...] = ()

    def with_tools_called_in(self, turns: Iterable[Turn]) -> ToolSet:
        """Add the tools that the conversation calls, if the request has no tools at all.

        The API requires tools if the conversation has tool calls. The tool choice `none` keeps the
        model from calling them.
        """
        if self.tools or self.server_tools:
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
    """Return the tools; raise a 400 if two have the same name.

    given: the field with the tools. schema: the field of a tool with the schema of its arguments.
    """
    tools = tuple(_tool(offer, schema) for offer in offers)
    names: set[str] = set()
    for offer, tool in zip(offers, tools, strict=True):
        if tool.name in names:
            raise used_twice(given, tool.name, offer.described)
        names.add(tool.name)
    return tools


def as_listed(tool: Fields) -> str:
    """Return the name of a tool for the header `x-claudeproxy-ignored`: `tools[].TYPE`."""
    return f"{re.sub(r'[0-9]+', '', tool.path)}.{tool.get('type')}"


def read_domains(described: Fields) -> dict[str, list[str]]:
    """Return the domains of a web tool; raise a 400 for both lists, or for what is no domain."""
    given = {name: described.get(name) for name in DOMAINS if described.get(name)}
    if len(given) > 1:
        raise described.invalid(DOMAINS[1], "it cannot be combined with 'allowed_domains'")
    for name, domains in given.items():
        for index, domain in enumerate(domains):
            if not domain or _SCHEME.match(domain) or any(map(str.isspace, domain)):
                why = "expected a domain such as 'example.com', without a scheme or spaces"
                raise described.invalid(f"{name}[{index}]", why)
    return given


def used_twice(given: str, name: str, described: Fields) -> APIError:
    """Return the 400 for a tool whose name another one has."""
    return bad_request(
        f"Invalid '{given}': the name '{name}' is used more than once.",
        described.where("name"),
        "invalid_value",
    )


def named_choice(described: Fields, name: str, names: Sequence[str], wanted: str) -> ToolChoice:
    """Return the choice of a tool by its name; raise a 400 if it is not defined."""
    if not names:
        raise no_tools(wanted)
    if name not in names:
        raise named_nothing(described, name, wanted)
    return ToolChoice("tool", name)


def named_nothing(described: Fields, name: str, wanted: str) -> APIError:
    """Return the 400 for the choice of a tool that the request does not define."""
    return bad_request(
        f"Invalid value for '{wanted}': the request does not define a tool named '{name}'.",
        described.where("name"),
        "invalid_value",
    )


def no_tools(wanted: str) -> APIError:
    """Return the 400 for a forced tool call in a request without tools."""
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
        offer.more,
    )
