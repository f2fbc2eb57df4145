"""Makes up the smallest value that validates against a JSON schema.

Pure.  Understands what tools' schemas are made of: type, enum, const, required, properties, items,
$ref into the same document, anyOf/oneOf (the first branch), allOf, the bounds of numbers, strings
and lists and the items of tuples (also those that only a description has), and the formats and the
plain patterns of strings.  The rest (not, if, ...) is left to chance.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from attrs import frozen

from .patterns import PatternError, example
from .strings import STRING_FORMATS


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_DEPTH = 40
_BOUND = re.compile(
    r"\b(minimum|maximum|exclusiveMinimum|exclusiveMaximum|multipleOf|minLength|maxLength|minItems)"
    r" (-?\d+(?:\.\d+)?)(?=[,.\s]|$)"
)
# What claudeproxy tells of a tuple.
_ITEMS = {
    "prefixItems": "The first items, in this order: ",
    "items": "All further items: ",
}
_PYTHON_TYPES: dict[object, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def instance(
    schema: Mapping[str, Any],
    known: Callable[[Mapping[str, Any]], Any] = lambda schema: None,
    *,
    in_order: bool = False,
) -> Any:
    """A value for a schema; None where the schema refers to itself without an end.

    ``known`` is asked first for each value that is no object, no list and no ``const``; it gives
    None where it has none for that schema.  ``in_order``: the properties come in the order in which
    the schema defines them, as with structured outputs, not in that of ``required``.
    """
    return _Maker(schema, known, in_order).make(schema, _DEPTH)


def resolved(reference: object, root: Mapping[str, Any]) -> Any:
    """What a reference into the same document refers to; None if there is no such thing."""
    found: Any = root
    for step in str(reference).removeprefix("#").split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) else None
    return found


@frozen
class _Maker:
    """Makes the values of one schema, ``root``."""

    root: Mapping[str, Any]
    known: Callable[[Mapping[str, Any]], Any]
    in_order: bool

    def make(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, dict) or depth == 0:
            return None
        schema = _flat(schema, self.root, depth)
        schema = {**schema, **_described(schema)}
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
        required = dict.fromkeys(schema.get("required", ()))
        names: Iterable[str] = required
        if self.in_order:
            defined = [name for name in properties if name in required]
            names = dict.fromkeys([*defined, *required])
        return {name: self.make(properties.get(name, others), depth) for name in names}

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


def _described(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The bounds and tuples that are only in the description, as a model would heed them.

    Anthropic's SDKs and claudeproxy put bounds there that a format of the API cannot have.
    """
    description = schema.get("description")
    if not isinstance(description, str):
        return {}
    told: dict[str, Any] = {}
    if "Constraints: " in description:
        bounds = _BOUND.findall(description.rpartition("Constraints: ")[2])
        told = {word: json.loads(value) for word, value in bounds}
    for line in description.split("\n"):
        for word, start in _ITEMS.items():
            if line.startswith(start):
                with suppress(ValueError):
                    told[word] = json.loads(line.removeprefix(start))
    return told


def _smallest(schema: dict[str, Any], kind: object) -> Any:
    if schema.get("enum"):
        values = schema["enum"]
        fitting = [value for value in values if _is_of(value, _types(schema))]
        return (fitting or values)[0]
    if kind == "string":
        texts = list(_texts(schema))
        return next((text for text in texts if _is_right(text, schema)), texts[0])
    if kind in ("integer", "number"):
        return _number(schema, whole=kind == "integer")
    return False if kind == "boolean" else None


def _texts(schema: Mapping[str, Any]) -> Iterator[str]:
    """Texts for a schema of a string, the plainest first."""
    shortest = int(schema.get("minLength", 0))
    yield "demo"[: int(schema.get("maxLength", 4))].ljust(shortest, "x")
    if schema.get("format") in STRING_FORMATS:
        yield STRING_FORMATS[schema["format"]].example
    if "pattern" in schema:
        try:
            yield example(schema["pattern"])
        except PatternError:
            return


def _is_right(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether a text has the length, the format and the pattern that a schema asks for."""
    if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", math.inf):
        return False
    wanted = STRING_FORMATS.get(schema.get("format", ""))
    if wanted is not None and not wanted.fits(text):
        return False
    try:
        return re.search(schema.get("pattern", ""), text) is not None
    except re.error:
        return False


def _is_of(value: object, types: list[Any]) -> bool:
    """Whether a value is of one of the types; of none given, every value is."""
    if isinstance(value, bool):
        return not types or "boolean" in types
    return not types or any(isinstance(value, _PYTHON_TYPES.get(kind, ())) for kind in types)


def _flat(schema: dict[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """The schema with its references and branches folded into it."""
    for _ in range(depth):
        parts: list[Any] = []
        if "$ref" in schema:
            parts.append(resolved(schema["$ref"], root))
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
        for name in merged.get("properties", {}).keys() & part.get("properties", {}).keys():
            properties[name] = {"allOf": [merged["properties"][name], properties[name]]}
        required = [*merged.get("required", ()), *part.get("required", ())]
        both = _of_both(merged, part)
        merged = {**merged, **part, **both, "properties": properties, "required": required}
    return {k: v for k, v in merged.items() if v or k not in ("properties", "required")}


def _of_both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The types and the values of ``enum`` that two schemas have in common, where both have any."""
    both: dict[str, Any] = {}
    types = [kind for kind in _types(one) if kind in _types(other)]
    for narrow, wide in ((one, other), (other, one)):
        if "integer" in _types(narrow) and "number" in _types(wide) and "integer" not in types:
            types.append("integer")
    if types:
        both["type"] = types
    values = [value for value in one.get("enum", ()) if value in other.get("enum", ())]
    if values:
        both["enum"] = values
    return both


def _types(schema: Mapping[str, Any]) -> list[Any]:
    types = schema.get("type", [])
    return types if isinstance(types, list) else [types]


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
