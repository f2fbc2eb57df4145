"""The schemas inside a JSON Schema: how to change them all, and how references name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote


# Keywords that contain values, not schemas.
VALUES = ("const", "enum", "default", "examples", "example")
# Keywords that map names, which are not keywords, to schemas.
SCHEMAS_BY_NAME = (
    *("$defs", "definitions", "properties", "patternProperties"),
    *("dependentSchemas", "dependencies"),
)


def with_parts(
    schema: Mapping[str, Any], change: Callable[[Mapping[str, Any]], Any]
) -> dict[str, Any]:
    """Return the schema with `change` applied to every schema directly inside it."""

    def changed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return change(value)
        return [changed(item) for item in value] if isinstance(value, list) else value

    def part(name: str, value: Any) -> Any:
        if name in VALUES:
            return value
        if name in SCHEMAS_BY_NAME and isinstance(value, Mapping):
            return {key: changed(item) for key, item in value.items()}
        return changed(value)

    return {name: part(name, value) for name, value in schema.items()}


def pointer_steps(reference: str) -> tuple[str, ...]:
    """Return the steps of a reference that is a JSON Pointer, such as `#/$defs/a` (RFC 6901)."""
    steps = unquote(reference.removeprefix("#")).split("/")[1:]
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)
