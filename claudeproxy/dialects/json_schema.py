"""Checks the JSON Schemas in a request: of a tool's arguments and of a structured answer.

The schema of a tool's arguments must describe an object; a structured answer may be of any type.
Schemas that the Messages API would refuse, or that the CLI would drop or change, are refused here,
before they use up tokens. Schemas are read as JSON Schema 2020-12. Keywords of older drafts are
converted where that is possible.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote

from jsonschema import Draft202012Validator, FormatChecker, SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, SchemaRegistry

from ..errors import bad_request
from ..schema_parts import with_parts


ANYTHING = {"type": "object", "properties": {}}
OBJECT = ("object", ["object"])
# Keywords that neither OpenAI nor the Messages API accepts at the root.
COMBINATIONS = ("anyOf", "oneOf", "allOf", "not", "enum")
LIMITS = (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum"))
# What a reference has before the index of a tuple's member, in drafts before 2020-12.
_IN_OLD_TUPLES = re.compile(r"/items/(?=\d)")


# Keywords that apply to objects only, and those that apply to other types only.
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
    """Return the schema with an object at its root; raise a 400 if that is not possible.

    what: what the schema is for, as in "function 'get_weather'". where: its place in the request.
    """
    return _usable(schema, what, where, of_object=True)


def answer_schema(schema: Mapping[str, Any], what: str, where: str) -> Mapping[str, Any]:
    """Return the schema of a structured answer of any type; raise a 400 if it cannot be used.

    A schema for objects gets `"type": "object"` at its root, as in `object_schema`.
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
    """A schema that cannot be used. The message is a clause that says why."""


# Agents send the same schemas with every request, and a check takes milliseconds.
@lru_cache(maxsize=1024)
def _read(text: str, *, of_object: bool) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = _of_2020_12(json.loads(text))
    try:
        # Without formats: they would check JavaScript's patterns with Python's syntax.
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(()))
    except SchemaError as error:
        place = "".join(f"[{step!r}]" for step in error.absolute_path)
        raise _Unusable(f"{error.message}{place and f', at {place}'}") from None
    schema = _without_root_reference(_with_pointers(schema))
    if "$ref" in schema:
        raise _Unusable("the '$ref' at its root refers to itself")
    return _with_object_root(schema) if of_object or _is_of_object(schema) else schema


def _is_of_object(schema: Mapping[str, Any]) -> bool:
    """Whether the schema describes an object and can be the root of a tool's schema."""
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


def _of_2020_12(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema with keywords of older drafts converted.

    In draft 4, `exclusiveMinimum` is a boolean. Before 2020-12, a list in `items` is a tuple.
    """
    read = with_parts(schema, _of_2020_12)
    for limit, exclusive in LIMITS:
        if read.get(exclusive) is False:
            del read[exclusive]
        elif read.get(exclusive) is True and type(read.get(limit)) in (int, float):
            read[exclusive] = read.pop(limit)
    if isinstance(read.get("items"), list) and "prefixItems" not in read:
        # An empty list is not allowed in `prefixItems`.
        if members := read.pop("items"):
            read["prefixItems"] = members
        if "additionalItems" in read:
            read["items"] = read.pop("additionalItems")
    return read


# References


def _with_pointers(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema with every `$ref` as a JSON Pointer from the root.

    The CLI supports only such references, so all targets must be in the schema. Every `$anchor` is
    removed, because it is no longer used. So is every `$id` below the root, because it would change
    the meaning of the pointers.
    """
    places = dict(_places(schema))

    def changed(part: Mapping[str, Any], base: Any) -> dict[str, Any]:
        if part is not schema and isinstance(part.get("$id"), str):
            base = base.in_subresource(DRAFT202012.create_resource(part))
        read = with_parts(part, partial(changed, base=base))
        if isinstance(reference := part.get("$ref"), str):
            read["$ref"] = _pointer(reference, base, places)
        read.pop("$anchor", None)
        if part is not schema:
            read.pop("$id", None)
        return read

    try:
        return changed(schema, _registry(schema).resolver(schema.get("$id", "").rstrip("#")))
    except _Unusable:
        raise
    except ValueError as error:
        raise _Unusable(f"it contains an '$id' that is not a valid URL ({error})") from None


def _pointer(reference: str, base: Any, places: Mapping[int, str]) -> str:
    """Return a reference as a JSON Pointer from the root of the document."""
    try:
        target = _referred(reference, base)
    except _Unusable:
        moved = _IN_OLD_TUPLES.sub("/prefixItems/", reference)
        if moved == reference:
            raise
        return _pointer(moved, base, places)
    resource, _, fragment = reference.partition("#")
    if fragment and not fragment.startswith("/"):
        return f"#{places[id(target)]}"
    root = _referred(resource or "#", base)
    return f"#{places[id(root)]}{fragment}"


def _referred(reference: str, base: Any) -> Any:
    """Return the schema that a reference refers to."""
    try:
        target = base.lookup(reference).contents
    except (Unresolvable, ValueError, TypeError):
        # The library raises TypeError and ValueError for pointers into numbers, and for list
        # indices that are not numbers.
        raise _Unusable(f"it refers to {reference!r}, which it does not define") from None
    if not isinstance(target, (Mapping, bool)):
        raise _Unusable(f"it refers to {reference!r}, which is not a schema")
    return target


def _without_root_reference(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace a `$ref` at the root, which pydantic generates, with the schema it refers to."""
    root = _registry(schema).resolver()
    target: Any = schema
    seen = set()
    while isinstance(target, Mapping) and isinstance(path := target.get("$ref"), str):
        if path in seen:
            return schema
        seen.add(path)
        target = _referred(path, root)
    if target is schema or not isinstance(target, Mapping):
        return schema
    rest = {name: value for name, value in schema.items() if name != "$ref"}
    return {**rest, **target}


def _registry(schema: Mapping[str, Any]) -> SchemaRegistry:
    """Return a registry with this schema only. Other documents are not fetched."""
    empty: SchemaRegistry = Registry()
    registry: SchemaRegistry = empty.with_resource("", DRAFT202012.create_resource(schema))
    return registry.crawl()


def _places(part: object, place: str = "") -> Iterator[tuple[int, str]]:
    """Yield the id() of each object and its place, as a JSON Pointer in a URI (RFC 6901)."""
    if isinstance(part, Mapping):
        yield id(part), place
        for name, value in part.items():
            step = name.replace("~", "~0").replace("/", "~1")
            # A name may contain a lone surrogate.
            step = quote(step, safe="~$", errors="surrogatepass")
            yield from _places(value, f"{place}/{step}")
    elif isinstance(part, list):
        for index, value in enumerate(part):
            yield from _places(value, f"{place}/{index}")
