"""Makes up the smallest value that validates against a JSON schema.

Pure.  Understands what tools' schemas are made of: type, enum, const, required, properties, items,
$ref into the same document, anyOf/oneOf (the first branch), allOf, and the bounds of numbers,
strings and lists.  What cannot be met by rule (pattern, format, not) is left to chance.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from attrs import frozen


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DEPTH = 40


def instance(
    schema: Mapping[str, Any], known: Callable[[Mapping[str, Any]], Any] = lambda schema: None
) -> Any:
    """A value for a schema; None where the schema refers to itself without an end.

    ``known`` is asked first for each value that is no object, no list and no ``const``; it gives
    None where it has none for that schema.
    """
    return _Maker(schema, known).make(schema, _DEPTH)


@frozen
class _Maker:
    """Makes the values of one schema, ``root``."""

    root: Mapping[str, Any]
    known: Callable[[Mapping[str, Any]], Any]

    def make(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, dict) or depth == 0:
            return None
        schema = _flat(schema, self.root, depth)
        if "const" in schema:
            return schema["const"]
        kind = None if schema.get("enum") else _kind(schema)
        if kind == "object":
            return self._object(schema, depth - 1)
        if kind == "array":
            return self._array(schema, depth - 1)
        value = self.known(schema)
        return _smallest(schema, kind) if value is None else value

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties")
        return {
            name: self.make(properties.get(name, others), depth)
            for name in dict.fromkeys(schema.get("required", ()))
        }

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        made = []
        for index in range(int(schema.get("minItems", 0))):
            item = self.make(first[index] if index < len(first) else schema.get("items"), depth)
            # The one thing that uniqueItems asks for, as far as counting up gets.
            if schema.get("uniqueItems") and item in made:
                item = f"{item}{index}" if isinstance(item, str) else index
            made.append(item)
        return made


def _smallest(schema: dict[str, Any], kind: object) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    if kind == "string":
        shortest = int(schema.get("minLength", 0))
        return "demo"[: int(schema.get("maxLength", 4))].ljust(shortest, "x")
    if kind in ("integer", "number"):
        return _number(schema, whole=kind == "integer")
    return False if kind == "boolean" else None


def _flat(schema: dict[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """The schema with its references and branches folded into it."""
    for _ in range(depth):
        parts: list[Any] = []
        if "$ref" in schema:
            parts.append(_resolve(schema["$ref"], root))
        parts.extend(schema[word][0] for word in ("anyOf", "oneOf") if schema.get(word))
        parts.extend(schema.get("allOf", ()))
        if not parts:
            break
        rest = {k: v for k, v in schema.items() if k not in ("$ref", "anyOf", "oneOf", "allOf")}
        schema = _merged([*parts, rest])
    return schema


def _merged(parts: list[Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, dict):
            continue
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        required = [*merged.get("required", ()), *part.get("required", ())]
        merged = {**merged, **part, "properties": properties, "required": required}
    return {k: v for k, v in merged.items() if v or k not in ("properties", "required")}


def _resolve(reference: object, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for step in str(reference).removeprefix("#").split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _kind(schema: dict[str, Any]) -> object:
    kind = schema.get("type")
    if isinstance(kind, list):
        return kind[0] if kind else None
    if kind is None and ("properties" in schema or "required" in schema):
        return "object"
    if kind is None and "items" in schema:
        return "array"
    return kind


def _number(schema: dict[str, Any], *, whole: bool) -> float:
    step = schema.get("multipleOf", 1)
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    value: float = 0
    if low is not None and value < low:
        value = math.ceil(low / step) * step
    if above is not None and value <= above:
        value = (math.floor(above / step) + 1) * step
    if high is not None and value > high:
        value = math.floor(high / step) * step
    if below is not None and value >= below:
        value = (math.ceil(below / step) - 1) * step
    if not whole and low is not None and high is not None and not low <= value <= high:
        value = low
    return int(value) if whole else value
