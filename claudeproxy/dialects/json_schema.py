"""JSON Schemas in a request: of a tool's arguments, of a structured answer.

The Messages API takes an object at the root only. What it would refuse, or the CLI would drop or
rewrite, is told here, at no cost.
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
# What neither OpenAI nor the Messages API takes at the root.
COMBINATIONS = ("anyOf", "oneOf", "allOf", "not", "enum")


def object_schema(schema: Mapping[str, Any], what: str, where: str) -> Mapping[str, Any]:
    """The schema with an object at its root; raises a 400.

    what: whose it is, in words, as in "function 'get_weather'". where: its place in the request.
    """
    try:
        return _read(json.dumps(schema))
    except RecursionError:
        why = "it is nested too deeply"
    except _Unusable as error:
        why = str(error)
    raise bad_request(f"Invalid schema for {what}: {why}.", where, "invalid_schema")


class _Unusable(ValueError):
    """A schema that cannot be; the message says why."""


# An agent sends the same dozen schemas with every request, and this takes milliseconds.
@lru_cache(maxsize=1024)
def _read(text: str) -> Mapping[str, Any]:
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
    for word in COMBINATIONS:
        if word in schema:
            raise _Unusable(f"schema must not have '{word}' at the top level")
    kind = schema.get("type", "object")
    if kind != "object":
        raise _Unusable(f"schema must be a JSON Schema of 'type: \"object\"', got {kind!r}")
    return {**ANYTHING, **schema}


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
