"""Checks that the text of a structured answer is JSON that fits the client's schema."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Protocol, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import UnknownType, ValidationError, best_match
from jsonschema.validators import extend
from referencing.exceptions import Unresolvable

from ..schema_parts import SCHEMAS_BY_NAME, with_parts
from .patterns import compiled


LONGEST = 300
LONGEST_PLACE = 120
# What jsonschema raises for references to places that do not exist or are not schemas.
_NOT_A_SCHEMA = (Unresolvable, UnknownType, re.error, TypeError, ValueError, AttributeError)


class Validator(Protocol):
    """What is used of jsonschema's validators."""

    def is_valid(self, instance: Any) -> bool:
        """Whether a value fits the schema."""

    def iter_errors(self, instance: Any) -> Any:
        """Yield why a value does not fit."""

    def evolve(self, **changes: Any) -> Validator:
        """Return the validator of another schema, with the same references."""


def mismatch(text: str, schema: Mapping[str, Any]) -> str | None:
    """Return why a text is not JSON that fits the schema, as a short sentence, or None.

    White space is allowed around the JSON, and other text is not. An object may have each key only
    once, and a number must be in the range of a double, because clients read others differently.
    Formats are not checked. Nor are patterns that are not valid in Python, or could take very long.

    The schema must be valid, but its references may be wrong.
    """
    try:
        value = _parsed(text)
    except RecursionError:
        return "The text is nested too deeply."
    except ValueError as error:
        return _shortened(f"The text is not valid JSON: {error}")
    try:
        return _misfit(value, validator(json.dumps(schema)))
    except RecursionError:
        return "The text or its schema is nested too deeply to be checked."
    except ArithmeticError:
        return "The text contains a number that cannot be checked against the schema."
    except _NOT_A_SCHEMA:
        return "The text cannot be checked, because a '$ref' of the schema refers to no schema."


def _misfit(value: Any, fits: Validator) -> str | None:
    error = best_match(fits.iter_errors(value))
    if error is None:
        return None
    place = _cut(error.json_path, LONGEST_PLACE)
    return _shortened(f"{place}: {error.message}")


def _shortened(text: str) -> str:
    # A lone surrogate cannot be encoded as UTF-8.
    return _cut(text.encode("utf-8", "backslashreplace").decode("utf-8"), LONGEST)


def _cut(text: str, length: int) -> str:
    """Return a text without its middle if it is too long: a message ends with what is wrong."""
    half = (length - 5) // 2
    return text if len(text) <= length else f"{text[:half]} ... {text[-half:]}"


# JSON


def _parsed(text: str) -> Any:
    return json.loads(
        text,
        object_pairs_hook=_object,
        parse_constant=_constant,
        parse_float=_float,
        parse_int=_int,
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        seen = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the key {name!r} occurs more than once in an object")
            seen.add(name)
    return read


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _float(digits: str) -> float:
    read = float(digits)
    if math.isinf(read):
        raise ValueError(f"the number {digits} is out of range")
    return read


def _int(digits: str) -> int:
    _float(digits)
    return int(digits)


# Validators


@lru_cache(maxsize=1024)
def validator(text: str) -> Validator:
    """Return the validator of a schema, which is given as JSON."""
    return cast(Validator, _Checker(tolerant(json.loads(text))))


def tolerant(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema without patterns of names that Python cannot compile or is slow with."""
    read = with_parts(schema, tolerant)
    for word in SCHEMAS_BY_NAME:
        if isinstance(read.get(word), Mapping):
            # jsonschema does not say where `false` is.
            read[word] = {
                name: {"not": {}} if value is False else value for name, value in read[word].items()
            }
    if isinstance(patterns := read.get("patternProperties"), Mapping):
        kept = {name: value for name, value in patterns.items() if _is_quick(name)}
        if len(kept) < len(patterns):
            # Any name may match the others, so every name counts as matched.
            kept.setdefault("^", True)
        read["patternProperties"] = kept
    return read


def _is_quick(pattern: str) -> bool:
    read = compiled(pattern)
    return read is not None and read.unlimited in (0, 1)


def _pattern(
    fits: Validator, pattern: str, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    read = compiled(pattern) if isinstance(instance, str) else None
    if read is not None and not read.may_match(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


_Checker = extend(Draft202012Validator, {"pattern": _pattern})
