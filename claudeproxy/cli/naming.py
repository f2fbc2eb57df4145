"""Replaces names of tools and parameters that the Messages API does not accept.

The Messages API accepts tool names of up to 128 characters, and the CLI adds a prefix to them. It
also restricts the names of parameters (the top-level properties of a tool's schema) more than
OpenAI's APIs do; names further down are not restricted. With a name that the API would refuse, the
CLI leaves out the tool (2.1.331) or the whole request fails (2.1.197). So such a name gets a
replacement, the inner name, and a description that tells the model the client's name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any
from urllib.parse import unquote

import attrs

from ..conversation import Block, Limits, Tool, Turn
from . import mcp
from .argument_names import quoted


LONGEST_TOOL_NAME = 128 - len(mcp.PREFIX)
LONGEST_PARAMETER = 64
_PARAMETER = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_NOT_IN_PARAMETERS = re.compile(r"[^a-zA-Z0-9_.-]")

# Keywords whose schemas apply to the same object as the schema that contains them.
_SAME_OBJECT = frozenset({"if", "then", "else", "not"})
_LISTS_OF_SAME_OBJECT = frozenset({"allOf", "anyOf", "oneOf"})
_BY_PARAMETER = frozenset({"properties", "dependentRequired", "dependentSchemas", "dependencies"})
# Keywords whose values are instances, not schemas.
_VALUES = frozenset({"const", "default"})
_LISTS_OF_VALUES = frozenset({"enum", "examples"})
# Keywords whose values map the client's names to schemas.
_NAMED_SCHEMAS = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)

Renames = Mapping[str, str]


class Names:
    """Translates between the client's names and the inner names for the tools of one profile.

    The inner names depend only on the tools, so they are the same in every process.
    """

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        """tools: the tools with the client's names."""
        given = tuple(tools)
        self._inner_tools = _tool_names([tool.name for tool in given])
        self._client_tools = {inner: name for name, inner in self._inner_tools.items()}
        renames = {tool.name: inner_parameters(tool.input_schema) for tool in given}
        self._inner = {name: inner for name, inner in renames.items() if inner}
        self.tools = tuple(self._tool(tool) for tool in given)

    def limits(self, limits: Limits) -> Limits:
        """Return the limits with the inner name of the tool that must be called."""
        choice = limits.tool_choice
        if choice.name is None or choice.of_server:
            return limits
        choice = attrs.evolve(choice, name=self._inner_tool(choice.name))
        return attrs.evolve(limits, tool_choice=choice)

    def turn(self, turn: Turn) -> Turn:
        """Return the turn with the inner names in its calls."""
        return Turn(turn.role, tuple(map(self._block, turn.blocks)))

    def client_tool(self, inner: str) -> str:
        """Return the client's name for a tool that the model calls."""
        return self._client_tools.get(inner, inner)

    def client_parameters(self, inner: str) -> Renames:
        """Map the inner names of a tool's parameters to the client's, where they differ."""
        renames = self._inner.get(self.client_tool(inner), {})
        return {renamed: name for name, renamed in renames.items()}

    def _inner_tool(self, name: str) -> str:
        # The history can contain calls of tools that the request does not define.
        return self._inner_tools.get(name) or _fitting(name)

    def _tool(self, tool: Tool) -> Tool:
        name = self._inner_tools[tool.name]
        description = tool.description
        if name != tool.name:
            told = f"Stands for the tool {quoted(tool.name)}."
            description = "\n\n".join(filter(None, (told, description)))
        renames = self._inner.get(tool.name, {})
        schema = with_inner_parameters(tool.input_schema, renames)
        more = dict(tool.more)
        if isinstance(examples := more.get("input_examples"), list):
            more["input_examples"] = [_value(example, renames) for example in examples]
        return Tool(name, description, schema, more)

    def _block(self, block: Block) -> Block:
        if block["type"] != "tool_use":
            return block
        inner = self._inner.get(block["name"], {})
        return {
            **block,
            "name": self._inner_tool(block["name"]),
            "input": _value(block["input"], inner),
        }


def inner_parameters(schema: Mapping[str, Any]) -> Renames:
    """Map the names of root properties that the API refuses to inner names."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    # Sorted, so that the inner names do not depend on the order of the properties.
    refused = sorted(name for name in properties if not _PARAMETER.fullmatch(name))
    if not refused:
        return {}
    said = json.dumps(schema)
    inner: dict[str, str] = {}
    for name in refused:
        plain = _NOT_IN_PARAMETERS.sub("_", name)[:LONGEST_PARAMETER] or "_"
        inner[name] = next(
            candidate
            for candidate in _numbered(plain, LONGEST_PARAMETER)
            if f'"{candidate}"' not in said and candidate not in inner.values()
        )
    return inner


def with_inner_parameters(schema: Mapping[str, Any], inner: Renames) -> Mapping[str, Any]:
    """Return the schema with inner names for its root properties, and descriptions of them.

    `patternProperties` and the targets of references are not changed. They only guide the model:
    the CLI does not validate arguments against them.
    """
    if not inner:
        return schema
    told = _same_object(schema, inner)
    properties = told["properties"]
    for name, renamed in inner.items():
        properties[renamed] = _described(properties[renamed], name)
    place = "root"
    if _has_reference_to_root(told):
        # A nested object that refers to the root's schema keeps the client's names.
        definitions = told.get("$defs", {})
        place = next(name for name in _numbered(place, 64) if name not in definitions)
        copy = {word: part for word, part in schema.items() if word not in ("$defs", "definitions")}
        told["$defs"] = {**definitions, place: copy}
    referring: dict[str, Any] = _with_references(told, inner, f"#/$defs/{place}")
    return referring


def _tool_names(names: list[str]) -> dict[str, str]:
    inner = {name: name for name in names if len(name) <= LONGEST_TOOL_NAME}
    taken = set(inner)
    for name in sorted(set(names) - taken):
        fitting = _fitting(name)
        inner[name] = next(
            candidate
            for candidate in _numbered(fitting, LONGEST_TOOL_NAME)
            if candidate not in taken
        )
        taken.add(inner[name])
    return inner


def _fitting(name: str) -> str:
    """Return a name short enough for the prefix, independent of the other tools."""
    if len(name) <= LONGEST_TOOL_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[: LONGEST_TOOL_NAME - 9]}_{digest}"


def _numbered(name: str, longest: int) -> Iterable[str]:
    """Yield the name, then the name with _2, _3, ... at its end."""
    yield name
    for number in count(2):
        end = f"_{number}"
        yield name[: longest - len(end)] + end


def _described(schema: Any, name: str) -> dict[str, Any]:
    """Return the schema of a property, with the client's name in its description."""
    # A schema can also be true or false.
    told = dict(schema) if isinstance(schema, Mapping) else {} if schema else {"not": {}}
    described = (f"Stands for the parameter {quoted(name)}.", told.get("description"))
    return {**told, "description": "\n".join(filter(None, described))}


def _same_object(schema: Any, inner: Renames) -> Any:
    """Return a schema with inner names for the properties of the object that it describes."""
    if not isinstance(schema, Mapping):
        return schema
    return {word: _keyword(word, value, inner) for word, value in schema.items()}


def _keyword(word: str, value: Any, inner: Renames) -> Any:
    if word in _BY_PARAMETER and isinstance(value, Mapping):
        if word == "properties":
            # The schemas of the properties describe other objects.
            return {inner.get(name, name): part for name, part in value.items()}
        return {
            inner.get(name, name): _names_or_schema(part, inner) for name, part in value.items()
        }
    if word == "required":
        return _names_or_schema(value, inner)
    if word in _SAME_OBJECT:
        return _same_object(value, inner)
    if word in _LISTS_OF_SAME_OBJECT and isinstance(value, list):
        return [_same_object(part, inner) for part in value]
    if word == "propertyNames":
        return {"anyOf": [value, {"enum": list(inner.values())}]}
    if word in _VALUES:
        return _value(value, inner)
    if word in _LISTS_OF_VALUES and isinstance(value, list):
        return [_value(part, inner) for part in value]
    return value


def _names_or_schema(value: Any, inner: Renames) -> Any:
    if isinstance(value, list):
        return [inner.get(name, name) if isinstance(name, str) else name for name in value]
    return _same_object(value, inner)


def _value(value: Any, inner: Renames) -> Any:
    """Return an object with inner names, except where it already has a member of that name."""
    if not isinstance(value, Mapping) or not inner:
        return value
    return {
        name if inner.get(name) in value else inner.get(name, name): part
        for name, part in value.items()
    }


def _has_reference_to_root(part: Any) -> bool:
    if isinstance(part, Mapping):
        return part.get("$ref") == "#" or any(map(_has_reference_to_root, part.values()))
    return isinstance(part, list) and any(map(_has_reference_to_root, part))


def _with_references(part: Any, inner: Renames, root: str, *, named: bool = False) -> Any:
    """Return the schema with every `$ref` changed to the new place of its target.

    root: the replacement for "#". named: `part` maps the client's names to schemas.
    """
    if isinstance(part, list):
        return [_with_references(value, inner, root) for value in part]
    if not isinstance(part, Mapping):
        return part
    told = {}
    for word, value in part.items():
        if not named and (word in _VALUES or word in _LISTS_OF_VALUES):
            told[word] = value
        elif not named and word == "$ref" and isinstance(value, str):
            told[word] = root if value == "#" else _reference(value, inner)
        else:
            by_name = not named and word in _NAMED_SCHEMAS
            told[word] = _with_references(value, inner, root, named=by_name)
    return told


def _reference(path: str, inner: Renames) -> str:
    """Return a JSON Pointer (RFC 6901) with the inner names."""
    steps = path.split("/")
    at = 1
    while at < len(steps):
        word = steps[at]
        if word in _BY_PARAMETER and at + 1 < len(steps):
            name = unquote(steps[at + 1]).replace("~1", "/").replace("~0", "~")
            steps[at + 1] = inner.get(name, steps[at + 1])
        if word in _SAME_OBJECT:
            at += 1
        elif word in _LISTS_OF_SAME_OBJECT or (word in _BY_PARAMETER and word != "properties"):
            at += 2
        else:
            break
    return "/".join(steps)
