"""What structured outputs refuse in a JSON schema.

Pure.  The rules are those of Anthropic's page "Structured outputs".  The page does not give the
messages.  Public reports of the real API's errors show these, word for word but for the names and
the numbers in them:

- For 'object' type, 'additionalProperties' must be explicitly set to false
- For 'object' type, 'additionalProperties: true' is not supported. Please set
  'additionalProperties' to false
- For 'object' type, property 'propertyNames' is not supported
- For 'number' type, properties maximum, minimum are not supported
- For 'array' type, 'minItems' values other than 0 or 1 are not supported (got: [6, ∞])
- Schema type 'oneOf' is not supported
- Circular reference detected in schema definitions: A -> A. Self-referencing or
  mutually-referencing definitions are not supported.
- Schema is too complex for compilation.

All others are assumed.  So is that keywords which are not JSON Schema's are let pass, and how deep
and how large a schema may be with its references followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from .instance import resolved
from .patterns import PatternError, example
from .strings import STRING_FORMATS


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TOO_COMPLEX = "Schema is too complex for compilation."
DEEPEST = 30
LARGEST = 5000

_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_SAYS_TYPE = ("type", "enum", "const", "anyOf", "allOf", "$ref")
_BRANCHES = ("anyOf", "allOf")
_DEFINITIONS = ("$defs", "definitions")
_NO_TYPES = ("oneOf", "not", "if", "then", "else")
_NOT_SUPPORTED = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"minLength", "maxLength", "contentEncoding", "contentMediaType", "contentSchema"}
    | {"maxItems", "uniqueItems", "prefixItems", "additionalItems", "unevaluatedItems"}
    | {"contains", "minContains", "maxContains"}
    | {"minProperties", "maxProperties", "patternProperties", "propertyNames"}
    | {"unevaluatedProperties", "dependencies", "dependentRequired", "dependentSchemas"}
    | {"$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"}
)


def schema_problems(schema: object) -> Iterator[str]:
    """What is wrong with a schema.  Only the first is to be used."""
    for node, depth in _nodes(schema):
        if depth > DEEPEST:
            yield TOO_COMPLEX
        yield from _node_problems(node)
    assert isinstance(schema, dict)
    checked = {id(node) for node, _ in _nodes(schema)}
    for node, _ in _nodes(schema):
        if "$ref" not in node:
            continue
        if not node["$ref"].startswith("#"):
            yield f"External '$ref' is not supported: '{node['$ref']}'"
        if id(resolved(node["$ref"], schema)) not in checked:
            yield f"'$ref' points to no schema: '{node['$ref']}'"
    yield from _extent_problems(schema)


@frozen
class Complexity:
    """How many properties of the schemas of a request are optional, and how many are unions."""

    optional: int = 0
    unions: int = 0

    def __add__(self, other: Complexity) -> Complexity:
        return Complexity(self.optional + other.optional, self.unions + other.unions)


def complexity(schema: Mapping[str, Any]) -> Complexity:
    """Of a schema that has no problems.  What is referred to twice counts once."""
    counted = Complexity()
    for node, _ in _nodes(schema):
        properties = node.get("properties", {})
        optional = len(properties.keys() - set(node.get("required", ())))
        unions = sum(_is_union(inner, schema) for inner in properties.values())
        counted += Complexity(optional, unions)
    return counted


def _is_union(schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    while "$ref" in schema:
        schema = resolved(schema["$ref"], root)
    return "anyOf" in schema or isinstance(schema.get("type"), list)


def _nodes(schema: Any) -> Iterator[tuple[Any, int]]:
    """(schema, depth) of a schema and all in it, the outer ones first.

    The caller ends at one that is no object, and at one that is too deep.
    """
    waiting = [(schema, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting.extend((inner, depth + 1) for inner in reversed(_inner(node)))


def _inner(node: Mapping[str, Any]) -> list[Any]:
    inner: list[Any] = []
    for name in ("properties", *_DEFINITIONS):
        inner.extend(node.get(name, {}).values())
    inner.extend(node[name] for name in ("items",) if name in node)
    for name in _BRANCHES:
        inner.extend(node.get(name, ()))
    return inner


def _node_problems(node: object) -> Iterator[str]:
    """What is wrong with one schema apart from those in it."""
    if not isinstance(node, dict):
        yield "Input should be a valid dictionary"
        return
    yield from _form_problems(node)
    for word in _NO_TYPES:
        if word in node:
            yield f"Schema type '{word}' is not supported"
    if not any(word in node for word in _SAYS_TYPE):
        yield f"Schema must have one of {', '.join(_SAYS_TYPE)}"
    types = _types(node)
    for kind in types:
        if kind not in _TYPES:
            yield f"Schema type '{kind}' is not supported"
    yield from _keyword_problems(node, types[0] if types else None)
    for branch in node.get("allOf", ()):
        if isinstance(branch, dict) and "$ref" in branch:
            yield "'$ref' within 'allOf' is not supported"


def _types(node: Mapping[str, Any]) -> list[Any]:
    types = node.get("type", [])
    return types if isinstance(types, list) else [types]


def _form_problems(node: Mapping[str, Any]) -> Iterator[str]:
    """What is not even JSON Schema, as far as later checks take it for granted."""
    for name in ("properties", *_DEFINITIONS):
        if not isinstance(node.get(name, {}), dict):
            yield f"'{name}' must be an object"
    for name in (*_BRANCHES, "enum"):
        if name in node and not (isinstance(node[name], list) and node[name]):
            yield f"'{name}' must be a list that is not empty"
    if "type" in node and not (_types(node) and all(isinstance(t, str) for t in _types(node))):
        yield "'type' must be a string or a list of strings"
    required = node.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield "'required' must be a list of strings"
    for name in ("$ref", "format", "pattern"):
        if not isinstance(node.get(name, ""), str):
            yield f"'{name}' must be a string"


def _keyword_problems(node: Mapping[str, Any], kind: str | None) -> Iterator[str]:
    of_type = f"For '{kind}' type, " if kind else ""
    refused = sorted(node.keys() & _NOT_SUPPORTED)
    if len(refused) == 1:
        yield f"{of_type}property '{refused[0]}' is not supported"
    elif refused:
        yield f"{of_type}properties {', '.join(refused)} are not supported"
    if "object" in _types(node) or "additionalProperties" in node:
        yield from _openness_problems(node)
    least = node.get("minItems", 0)
    if isinstance(least, bool) or least not in (0, 1):
        yield f"{of_type}'minItems' values other than 0 or 1 are not supported (got: [{least}, ∞])"
    for value in (*node.get("enum", ()), *((node["const"],) if "const" in node else ())):
        if isinstance(value, list | dict):
            yield f"{of_type}complex values in 'enum' or 'const' are not supported"
    if node.get("format", "date") not in STRING_FORMATS:
        yield f"{of_type}'format' value '{node['format']}' is not supported"
    if "pattern" in node:
        try:
            example(node["pattern"])
        except PatternError as error:
            yield f"{of_type}'pattern' is not supported: it has {error}"


def _openness_problems(node: Mapping[str, Any]) -> Iterator[str]:
    others = node.get("additionalProperties")
    if others is True or isinstance(others, dict):
        said = "true" if others is True else "object"
        yield (
            f"For 'object' type, 'additionalProperties: {said}' is not supported. "
            "Please set 'additionalProperties' to false"
        )
    elif others is not False:
        yield "For 'object' type, 'additionalProperties' must be explicitly set to false"


def _extent_problems(schema: Mapping[str, Any]) -> Iterator[str]:
    try:
        size, depth = _Extents(schema).of(schema, 1, "#")
    except _TooDeepError:
        yield TOO_COMPLEX
        return
    except _CircularError as error:
        yield (
            f"Circular reference detected in schema definitions: {error}. "
            "Self-referencing or mutually-referencing definitions are not supported."
        )
        return
    if size > LARGEST or depth > DEEPEST:
        yield TOO_COMPLEX


class _CircularError(Exception):
    """Schemas refer to each other in a circle; the text is the way around."""


class _TooDeepError(Exception):
    """There are too many schemas in one another to look further."""


@define
class _Extents:
    """How many schemas, and how many in one another, a schema has with its references followed."""

    root: Mapping[str, Any]
    _known: dict[str, tuple[int, int]] = field(factory=dict, init=False)
    _trail: list[str] = field(factory=list, init=False)

    def of(self, node: Mapping[str, Any], level: int, name: str = "") -> tuple[int, int]:
        """(number, depth) of a schema; ``name``: the reference to it, "" without one.

        ``level``: so many are around it, itself included.
        """
        if name in self._known:
            return self._known[name]
        if name in self._trail:
            around = [*self._trail[self._trail.index(name) :], name]
            raise _CircularError(" -> ".join(step.rpartition("/")[2] for step in around))
        if level > DEEPEST:
            raise _TooDeepError
        if name:
            self._trail.append(name)
        parts = [self.of(inner, level + 1) for inner in _inner(node)]
        if "$ref" in node:
            parts.append(self.of(resolved(node["$ref"], self.root), level + 1, node["$ref"]))
        extent = 1 + sum(n for n, _ in parts), 1 + max((d for _, d in parts), default=0)
        if name:
            self._trail.pop()
            self._known[name] = extent
        return extent
