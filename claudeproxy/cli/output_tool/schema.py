"""Converts a JSON Schema to one that the CLI accepts for structured output.

The CLI compiles the schema with Ajv, draft 7, in strict mode. If that fails, it silently does not
offer the StructuredOutput tool (seen on 2.1.197 and 2.1.330). So keywords that Ajv does not know
are left out, or replaced where draft 7 has an equivalent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .references import with_targets
from .wrapped import needs_wrapper, wrapped


SUPPORTED_KEYWORDS = frozenset(
    {
        *("$ref", "$defs", "definitions", "$comment", "title", "description", "default"),
        *("examples", "deprecated", "readOnly", "writeOnly", "nullable", "type", "enum", "const"),
        *("multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
        *("maxLength", "minLength", "pattern", "format", "items", "maxItems", "minItems"),
        *("uniqueItems", "contains", "maxProperties", "minProperties", "required", "properties"),
        *("patternProperties", "additionalProperties", "propertyNames", "if", "then", "else"),
        *("allOf", "anyOf", "oneOf", "not", "contentMediaType", "contentEncoding"),
    }
)
SCHEMAS_BY_NAME = frozenset({"$defs", "definitions", "properties", "patternProperties"})
LISTS_OF_SCHEMAS = frozenset({"allOf", "anyOf", "oneOf"})
SCHEMAS = frozenset(
    {"items", "contains", "additionalProperties", "propertyNames", "if", "then", "else", "not"}
)
# Together with one of these, it is not known which items `unevaluatedItems` applies to.
EVALUATES_ITEMS = frozenset({"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "contains"})

# In characters.
LONGEST_ORDER = 1000

# Patterns that mean the same in all dialects of regular expressions, including JavaScript's with
# the `u` flag.
_PLAIN_PATTERN = re.compile(
    r"(?:[\w^$.*+?|/,:;@#%&=~<>!\"' -]|\((?!\?)|\(\?:|\)|\[\^?|\]|\\[dDwWsSbB.\\/()\[\]{}+*?^$|]"
    r"|\{\d{1,4}(?:,\d{0,4})?\})*",
    re.ASCII,
)


def for_cli(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema for the arguments of the StructuredOutput tool."""
    used = with_targets(usable(schema), schema, _schema)
    return wrapped(used) if needs_wrapper(schema) else used


def usable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that the CLI can compile. Every value that matches the old one matches it."""
    kept = {
        name: _part(name, value) for name, value in schema.items() if name in SUPPORTED_KEYWORDS
    }
    if isinstance(tuple_of := schema.get("prefixItems"), list):
        made = _tuple(tuple_of, schema)
        _describe(kept, made.pop("description"))
        kept.update(made)
    if isinstance(enum := kept.get("enum"), list):
        kept["enum"] = [value for index, value in enumerate(enum) if value not in enum[:index]]
    if "type" not in kept:
        kept.pop("nullable", None)
    if "if" not in kept or not {"then", "else"} & set(kept):
        for name in ("if", "then", "else"):
            kept.pop(name, None)
    if "properties" in kept or not all(map(_is_plain, kept.get("patternProperties", ()))):
        kept.pop("patternProperties", None)
    if "pattern" in kept and not _is_plain(kept["pattern"]):
        _describe(kept, f"Must match the pattern {kept.pop('pattern')}")
    return kept


def _describe(schema: dict[str, Any], told: str) -> None:
    """Add to the description of a schema what its keywords do not say."""
    if told:
        schema["description"] = "\n".join(filter(None, (schema.get("description"), told)))


def _part(name: str, value: Any) -> Any:
    if name in SCHEMAS_BY_NAME and isinstance(value, Mapping):
        return {key: _schema(schema) for key, schema in value.items()}
    if name in LISTS_OF_SCHEMAS and isinstance(value, list):
        return [_schema(schema) for schema in value]
    return _schema(value) if name in SCHEMAS else value


def _schema(value: Any) -> Any:
    return usable(value) if isinstance(value, Mapping) else value


def _tuple(tuple_of: list[Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return keywords of draft 7 for a tuple that the Messages API accepts too.

    They do not express the order of the items, so the description does. It may be empty.
    """
    most = schema.get("maxItems")
    unevaluated = True if EVALUATES_ITEMS & set(schema) else schema.get("unevaluatedItems", True)
    rest = schema.get("items", unevaluated)
    if most is not None and most <= len(tuple_of):
        # No items can follow, so keywords for further items have no effect.
        tuple_of, rest = tuple_of[: int(most)], False
    kinds: list[Any] = []
    first = [_schema(kind) for kind in tuple_of]
    further = [_schema(rest)] if isinstance(rest, Mapping) else []
    for kind in [*first, *further]:
        if kind not in kinds:
            kinds.append(kind)
    told: dict[str, Any] = {
        "minItems": schema.get("minItems", 0),
        "description": _order(first, further) if len(kinds) > 1 else "",
    }
    if rest is False:
        told["maxItems"] = len(tuple_of)
    if rest is not True:
        told["items"] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}
    return told


def _order(first: list[Any], further: list[Any]) -> str:
    """Return a description of the items of a tuple.

    A long one is left out, because tuples inside tuples would repeat it.
    """
    told = f"The first items, in this order: {json.dumps(first, ensure_ascii=False)}"
    for kind in further:
        told += f"\nAll further items: {json.dumps(kind, ensure_ascii=False)}"
    return "" if len(told) > LONGEST_ORDER else told


def _is_plain(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return _PLAIN_PATTERN.fullmatch(pattern) is not None
