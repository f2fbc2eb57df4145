"""JSON Schemas in a request: of a tool's arguments, of a structured answer.

The Messages API takes an object at a tool's root only; an answer may be anything. What it would
refuse, or the CLI would drop or rewrite, is told here, at no cost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator, FormatChecker, SchemaError

from ..errors import bad_request


ANYTHING = {"type": "object", "properties": {}}
OBJECT = ("object", ["object"])
# What neither OpenAI nor the Messages API takes at the root.
COMBINATIONS = ("anyOf", "oneOf", "allOf", "not", "enum")


# Those of the keywords for one type that say something of a value of another.
OF_OBJECTS = frozenset(
    {
        *("properties", "required", "additionalProperties", "patternProperties", "propertyNames"),
        *("minProperties", "maxProperties", "dependentRequired", "dependentSchemas"),
        "unevaluatedProperties",
    }
)
OF_OTHERS = frozenset(
    {
        *("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
        *("unevaluatedItems", "minLength", "maxLength", "pattern", "format", "multipleOf"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    }
)


def object_schema(schema: Mapping[str, Any], what: str, where: str) -> Mapping[str, Any]:
    """The schema with an object at its root; raises a 400.

    what: whose it is, in words, as in "function 'get_weather'". where: its place in the request.
    """
    return _usable(schema, what, where, of_object=True)


def answer_schema(schema: Mapping[str, Any], what: str, where: str) -> Mapping[str, Any]:
    """The schema of a structured answer, which need not be an object; raises a 400.

    One of an object has `"type": "object"` at its root, as `object_schema` gives it.
    """
    return _usable(schema, what, where, of_object=False)


def _usable(
    schema: Mapping[str, Any], what: str, where: str, *, of_object: bool
) -> Mapping[str, Any]:
    try:
        return _read(json.dumps(schema), of_object=of_object)
    except RecursionError:
        why = "it is nested too deeply"
    except _Unusable as error:
        why = str(error)
    raise bad_request(f"Invalid schema for {what}: {why}.", where, "invalid_schema")


class _Unusable(ValueError):
    """A schema that cannot be; the message says why."""


# An agent sends the same dozen schemas with every request, and this takes milliseconds.
@lru_cache(maxsize=1024)
def _read(text: str, *, of_object: bool) -> Mapping[str, Any]:
    schema = json.loads(text)
    try:
        # Without formats: patterns are JavaScript's here, and would be taken for Python's.
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(()))
    except SchemaError as error:
        place = "".join(f"[{step!r}]" for step in error.absolute_path)
        raise _Unusable(f"{error.message}{place and f', at {place}'}") from None
    for reference in _references(schema):
        if _referred(schema, reference) is None:
            raise _Unusable(f"it refers to {reference!r}, which is not in it")
    schema = _without_root_reference(schema)
    if "$ref" in schema:
        raise _Unusable("its root refers to itself")
    return _with_object_root(schema) if of_object or _is_of_object(schema) else schema


def _is_of_object(schema: Mapping[str, Any]) -> bool:
    """Whether it describes an object and can stand at the root of a tool's schema."""
    if not {*COMBINATIONS, "const"}.isdisjoint(schema):
        return False
    if "type" in schema:
        return schema["type"] in OBJECT
    return OF_OTHERS.isdisjoint(schema) or not OF_OBJECTS.isdisjoint(schema)


def _with_object_root(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    for word in COMBINATIONS:
        if word in schema:
            raise _Unusable(f"schema must not have '{word}' at the top level")
    kind = schema.get("type", "object")
    if kind not in OBJECT:
        raise _Unusable(f"schema must be a JSON Schema of 'type: \"object\"', got {kind!r}")
    return {**ANYTHING, **schema, "type": "object"}


def _without_root_reference(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with what a `$ref` at its root refers to in its place (pydantic makes those)."""
    target: Any = schema
    seen = set()
    while isinstance(target, Mapping) and isinstance(path := target.get("$ref"), str):
        if path in seen:
            return schema
        seen.add(path)
        target = _referred(schema, path)
    if target is schema or not isinstance(target, Mapping):
        return schema
    rest = {name: value for name, value in schema.items() if name != "$ref"}
    return {**rest, **target}


def _referred(schema: Mapping[str, Any], path: str) -> Any:
    """What a reference refers to, None if that is not in the schema (JSON Pointer, RFC 6901)."""
    target: Any = schema
    for part in path.split("/")[1:]:
        step = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(target, list):
            target = dict(enumerate(target)).get(int(step) if step.isdecimal() else -1)
        else:
            target = target.get(step) if isinstance(target, Mapping) else None
    return target if path.partition("/")[0] == "#" else None


def _references(part: object) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(path := part.get("$ref"), str):
            yield path
        for name, value in part.items():
            # What stands there are values, not schemas.
            if name not in ("const", "enum", "default", "examples", "example"):
                yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)
