"""Parses the body of a request: one JSON object that all parsers read alike."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, NoReturn

from ..errors import APIError, bad_request
from .kinds import kind


# The limit of many JSON parsers (serde_json, for one). It is far below the depth at which Python's
# encoder and validators reach the recursion limit.
DEEPEST = 128


class DuplicateName(ValueError):
    """An object has two members with the same name."""


class TooDeep(ValueError):
    """Arrays and objects are nested in more than `DEEPEST` levels."""


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a request's body; raise a 400 for anything else."""
    try:
        value = parse_json(body)
    except json.JSONDecodeError as error:
        raise _not_json(str(error)) from None
    except UnicodeDecodeError:
        raise _not_json("it is not valid UTF-8") from None
    except TooDeep:
        raise _not_json(f"it is nested too deeply (more than {DEEPEST} levels)") from None
    except DuplicateName:
        raise _not_json("an object in it has a duplicate name") from None
    except ValueError:
        raise _not_json("it contains a number that is too large or is not valid JSON") from None
    if not isinstance(value, dict):
        raise bad_request(f"The request body must be a JSON object, not {kind(value)}.")
    return value


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; raise ValueError if other parsers may read it differently.

    This refuses NaN and infinities, numbers that are too large for a float, duplicate names in an
    object, and texts that are nested too deeply.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
        text = text.removeprefix("\ufeff")
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise TooDeep from None
    # A fast check for short texts, such as the arguments of calls: with few brackets there cannot
    # be many levels.
    shallow = len(text) < 10_000 and text.count("[") + text.count("{") <= DEEPEST
    if not shallow and _depth(value) > DEEPEST:
        raise TooDeep
    return value


def _depth(value: Any) -> int:
    """The number of levels of nested arrays and objects."""
    depth, level = 0, [value] if isinstance(value, dict | list) else []
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return depth


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise DuplicateName
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text} is too large")
    return value


def _not_json(why: str) -> APIError:
    return bad_request(f"We could not parse the JSON body of your request: {why}.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# With these arguments `json.loads` would create a decoder for each call.
_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_each_once
)
