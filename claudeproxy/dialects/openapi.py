"""What the schemas of the OpenAPI document are made of.

`null` means absent for every optional field.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from .fields import NAME


Schema: TypeAlias = dict[str, Any]

TEXT: Schema = {"type": "string"}
NOT_EMPTY: Schema = {"type": "string", "minLength": 1}
FUNCTION_NAME: Schema = {"type": "string", "pattern": f"^{NAME.pattern}$"}
COUNT: Schema = {"type": "integer", "minimum": 0}
PICTURE: Schema = {"type": "string", "pattern": "^(data:|https://)"}
IGNORED = "Checked, then ignored; named in the header `x-claudeproxy-ignored`."


def ref(name: str) -> Schema:
    """A schema of the document's, by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def struct(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """An object; `required` are the names of those properties that must be there."""
    return {"type": "object", "properties": properties, "required": list(required)}


def all_of(**properties: Schema) -> Schema:
    """An object with all of its properties."""
    return struct(tuple(properties), **properties)


def optional(kind: str, description: str = "", **more: Any) -> Schema:
    """A value of one type, or null."""
    told = {"description": description} if description else {}
    return {"type": [kind, "null"], **more, **told}


def or_null(*schemas: Schema) -> Schema:
    """One of the schemas, or null."""
    return {"anyOf": [*schemas, {"type": "null"}]}


def one_of(*values: str) -> Schema:
    """One of the texts, or null."""
    return {"enum": [*values, None]}


def array(items: Schema, **more: Any) -> Schema:
    """An array."""
    return {"type": "array", "items": items, **more}


def refused(*harmless: object) -> Schema:
    """What is a 400 unless it is `harmless` or null."""
    return {"enum": [*harmless, None], "description": "Not supported: anything else is a 400."}
