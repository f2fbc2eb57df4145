"""What the Messages API refuses in a request's tools, and in how it is told to choose among them.

Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .server_tools import model_problems, typed_problems


if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PROPERTY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CHOICES = ("auto", "any", "tool", "none")


def thinking_on(body: Mapping[str, Any]) -> bool:
    """Whether a request asks for thinking."""
    thinking = body.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")


def tool_problems(body: Mapping[str, Any], betas: Collection[str] = ()) -> Iterator[str]:
    """What is wrong with ``tools``; ``betas`` are those that the request has asked for."""
    tools = body.get("tools")
    if tools is None:
        return
    if not isinstance(tools, list):
        yield "tools: Input should be a valid list"
    names: set[str] = set()
    for index, tool in enumerate(tools):
        where = f"tools.{index}"
        if not isinstance(tool, dict):
            yield f"{where}: Input should be a valid dictionary"
        name = tool.get("name")
        custom = tool.get("type") in (None, "custom")
        if not custom:
            yield from typed_problems(tool, where, betas)
        elif not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
            yield f"{where}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        if name in names:
            yield "tools: Tool names must be unique."
        if name is not None:
            names.add(name)
        # Any other type is one of the tools that the API itself defines: no schema.
        if custom:
            yield from _schema(tool.get("input_schema"), f"{where}.custom.input_schema")
    yield from model_problems(body)


def _schema(schema: object, where: str) -> Iterator[str]:
    if not isinstance(schema, dict):
        yield (
            f"{where}: Field required" if schema is None else f"{where}: Input should be an object"
        )
        return
    if schema.get("type") != "object":
        yield f"{where}.type: Input should be 'object'"
    if any(word in schema for word in ("anyOf", "oneOf", "allOf")):
        yield f"{where}: input_schema does not support oneOf, allOf, or anyOf at the top level"
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        yield f"{where}.properties: Input should be an object"
    # Of the root alone: deeper names may be anything.
    if not all(map(_PROPERTY.fullmatch, properties)):
        yield (f"{where}.properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{{1,64}}$'")


def choice_problems(body: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with ``tool_choice``, in a body whose ``tools`` are right."""
    choice = body.get("tool_choice")
    if choice is None:
        return
    if not isinstance(choice, dict) or choice.get("type") not in _CHOICES:
        yield f"tool_choice.type: Input should be one of {', '.join(_CHOICES)}"
    tools = body.get("tools")
    if not tools:
        yield "tool_choice may only be specified while providing tools"
    if choice["type"] in ("any", "tool") and thinking_on(body):
        yield "Thinking may not be enabled when tool_choice forces tool use."
    if choice["type"] == "tool":
        name = choice.get("name")
        if name is None or name not in [tool.get("name") for tool in tools or ()]:
            yield f"Tool '{name}' not found in provided tools"
