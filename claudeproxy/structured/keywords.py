"""The keywords of JSON Schema, and what becomes of each in a schema for the Messages API."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable


class Becomes(enum.Enum):
    """What becomes of a keyword. The value is the word in doc/structured-output.md."""

    TAKEN = "taken"
    CLOSED = "closed"
    DESCRIBED = "described and checked"
    DROPPED = "dropped"
    NOT_SAYABLE = "not sayable"


# Keywords that are not here have no meaning in JSON Schema 2020-12, and are dropped.
KEYWORDS = {
    **dict.fromkeys(
        (
            *("type", "enum", "const", "properties", "required", "items", "minItems"),
            *("anyOf", "allOf", "$ref", "$defs", "definitions", "format", "pattern"),
            *("title", "description", "default"),
        ),
        Becomes.TAKEN,
    ),
    **dict.fromkeys(("additionalProperties", "unevaluatedProperties"), Becomes.CLOSED),
    **dict.fromkeys(
        (
            *("oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"),
            *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
            *("minLength", "maxLength", "maxItems", "uniqueItems"),
            *("contains", "minContains", "maxContains"),
            *("minProperties", "maxProperties", "propertyNames"),
        ),
        Becomes.DESCRIBED,
    ),
    **dict.fromkeys(
        (
            *("examples", "example", "$schema", "$comment", "$vocabulary", "deprecated"),
            *("readOnly", "writeOnly", "nullable", "discriminator"),
            *("contentEncoding", "contentMediaType", "contentSchema"),
        ),
        Becomes.DROPPED,
    ),
    **dict.fromkeys(
        (
            *("patternProperties", "prefixItems", "unevaluatedItems"),
            *("$id", "$anchor", "$dynamicRef", "$dynamicAnchor"),
        ),
        Becomes.NOT_SAYABLE,
    ),
}

# Types and the limits that apply to values of that type only.
LIMITS_OF = {
    "object": frozenset(
        {
            *("dependentRequired", "dependentSchemas", "minProperties", "maxProperties"),
            "propertyNames",
        }
    ),
    "array": frozenset({"prefixItems", "minItems", "maxItems", "uniqueItems", "contains"}),
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "number": frozenset(
        {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    ),
}
TYPE_OF_LIMIT = {word: kind for kind, words in LIMITS_OF.items() for word in words}
FORMATS = frozenset(
    {
        *("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6"),
        "uuid",
    }
)


def becomes(keyword: str) -> Becomes:
    """Return what becomes of a keyword."""
    return KEYWORDS.get(keyword, Becomes.DROPPED)


# Types


def covers(types: Iterable[str], kind: str) -> bool:
    """Whether every value of a type is allowed by these types."""
    types = tuple(types)
    return kind in types or (kind == "integer" and "number" in types)


def common_types(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    """Return the types that are in both; an integer is also a number."""
    one, other = tuple(one), tuple(other)
    both = [kind for kind in one if covers(other, kind)]
    both += [kind for kind in other if kind not in both and covers(one, kind)]
    return tuple(kind for kind in both if kind != "integer" or "number" not in both)


def applies(limit: str, types: Iterable[str] | None) -> bool:
    """Whether a limit has an effect on values of these types; None stands for all types."""
    kind = TYPE_OF_LIMIT.get(limit)
    if types is None or kind is None:
        return True
    types = tuple(types)
    return kind in types or (kind == "number" and "integer" in types)


# Patterns

_ESCAPED = r"\\[dws.\\/()\[\]{}+*?^$|-]"
_TOKEN = re.compile(
    rf"(?P<open>\((?!\?)|\(\?:)|(?P<close>\))|(?P<bar>\|)"
    rf"|(?:{_ESCAPED}|\[\^?(?:[^\\\[\]^]|{_ESCAPED})+\]|[^\\^$*+?()\[\]{{}}|])"
    rf"|(?P<times>(?:[*+?]|\{{\d{{1,3}}(?:,\d{{0,3}})?\}})(?![*+?{{]))"
)


def plain_pattern(pattern: str) -> str | None:
    """Return a pattern in the syntax that the API takes, or None.

    Groups that do not capture are written as groups that do. They match the same strings.
    """
    begin = int(pattern.startswith("^"))
    end = len(pattern)
    if end > begin and pattern.endswith("$") and not pattern.endswith("\\$"):
        end -= 1
    is_anchored = begin > 0 or end < len(pattern)
    place, depth, written = begin, 0, []
    while place < end:
        token = _TOKEN.match(pattern, place, end)
        if token is None:
            return None
        depth += bool(token["open"]) - bool(token["close"])
        # Whether an anchor applies to one alternative or to all is easy to get wrong.
        if depth < 0 or (token["bar"] and depth == 0 and is_anchored):
            return None
        written.append("(" if token["open"] else token[0])
        place = token.end()
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return None
    return pattern[:begin] + "".join(written) + pattern[end:]
