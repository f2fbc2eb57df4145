"""Keeps the targets of references that are inside of keywords which the CLI does not know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from ...schema_parts import pointer_steps, with_parts


# Stands for a place that a schema does not have. (A schema may be false.)
_NOWHERE = object()


def with_targets(
    used: dict[str, Any], schema: Mapping[str, Any], convert: Callable[[Any], Any]
) -> dict[str, Any]:
    """Return a converted schema with a definition for each target that it lacks.

    schema: what was converted. convert: converts a part of it.
    """
    names: dict[str, str] = {}
    added: dict[str, Any] = {}

    def place(path: str) -> str:
        if not path.startswith("#/") or _at(used, path) is not _NOWHERE:
            return path
        if path not in names:
            target = _at(schema, path)
            if target is _NOWHERE:
                return path
            taken = {*used.get("$defs", ()), *names.values()}
            names[path] = next(name for n in count(1) if (name := f"target_{n}") not in taken)
            target = convert(target)
            added[names[path]] = moved(target) if isinstance(target, Mapping) else target
        return f"#/$defs/{names[path]}"

    def moved(part: Mapping[str, Any]) -> dict[str, Any]:
        told = with_parts(part, moved)
        if isinstance(told.get("$ref"), str):
            told["$ref"] = place(told["$ref"])
        return told

    told = moved(used)
    return {**told, "$defs": {**told.get("$defs", {}), **added}} if added else used


def _at(schema: Mapping[str, Any], path: str) -> Any:
    """Return what a reference points to."""
    found: Any = schema
    for key in pointer_steps(path):
        if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, Mapping) and key in found:
            found = found[key]
        else:
            return _NOWHERE
    return found
