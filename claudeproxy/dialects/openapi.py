"""Helpers that build the schemas of the OpenAPI document.

`null` means absent for every optional field.
"""

from __future__ import annotations

from typing import Any, TypeAlias


Schema: TypeAlias = dict[str, Any]

TEXT: Schema = {"type": "string"}
NOT_EMPTY: Schema = {"type": "string", "minLength": 1}
COUNT: Schema = {"type": "integer", "minimum": 0}


def ref(name: str) -> Schema:
    """A schema of the document's, by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def struct(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """An object. `required` has the names of the required properties."""
    return {"type": "object", "properties": properties, "required": list(required)}


def all_of(**properties: Schema) -> Schema:
    """An object whose properties are all required."""
    return struct(tuple(properties), **properties)


def optional(kind: str, description: str = "", **more: Any) -> Schema:
    """A value of one type, or null."""
    told = {"description": description} if description else {}
    return {"type": [kind, "null"], **more, **told}


def or_null(*schemas: Schema) -> Schema:
    """One of the schemas, or null."""
    return {"anyOf": [*schemas, {"type": "null"}]}


def nullable(schema: Schema) -> Schema:
    """The schema of the same values and of null."""
    kinds = schema.get("type")
    if "enum" in schema:
        values = schema["enum"]
        return schema if None in values else {**schema, "enum": [*values, None]}
    if "const" in schema:
        rest = {name: value for name, value in schema.items() if name != "const"}
        return {**rest, "enum": [schema["const"], None]}
    if isinstance(kinds, str):
        return {**schema, "type": [kinds, "null"]}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    return schema


def one_of(*values: str) -> Schema:
    """One of the strings, or null."""
    return {"enum": [*values, None]}


def array(items: Schema, **more: Any) -> Schema:
    """An array."""
    return {"type": "array", "items": items, **more}
