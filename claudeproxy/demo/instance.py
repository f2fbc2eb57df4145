"""Makes up the smallest value that validates against a JSON schema.

Pure.  Understands what tools' schemas are made of: type, enum, const, required, properties, items,
$ref into the same document, anyOf/oneOf (the first branch), allOf, and the bounds of numbers,
strings and lists.  What cannot be met by rule (pattern, format, not) is left to chance.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from collections.abc import Mapping

_DEPTH = 40


def instance(schema: Mapping[str, Any]) -> Any:
    """A value for a schema; None where the schema refers to itself without an end."""
    return _make(schema, schema, _DEPTH)


def _make(schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    if not isinstance(schema, dict) or depth == 0:
        return None
    schema = _flat(schema, root, depth)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = _kind(schema)
    if kind == "object":
        return _object(schema, root, depth - 1)
    if kind == "array":
        return _array(schema, root, depth - 1)
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


def _object(schema: dict[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties")
    return {
        name: _make(properties.get(name, others), root, depth)
        for name in dict.fromkeys(schema.get("required", ()))
    }


def _array(schema: dict[str, Any], root: Mapping[str, Any], depth: int) -> list[Any]:
    first = schema.get("prefixItems", [])
    made = []
    for index in range(int(schema.get("minItems", 0))):
        item = _make(first[index] if index < len(first) else schema.get("items"), root, depth)
        # The one thing that uniqueItems asks for, as far as counting up gets.
        if schema.get("uniqueItems") and item in made:
            item = f"{item}{index}" if isinstance(item, str) else index
        made.append(item)
    return made


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
