"""The body of a request: one JSON object that every reader takes for the same."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, NoReturn

from ..errors import APIError, bad_request
from .kinds import kind


# As deep as many JSON readers go (serde_json, for one), and far from where Python's own writer and
# validators end, which depends on who calls them.
DEEPEST = 128


class DuplicateName(ValueError):
    """An object has two members of one name."""


class TooDeep(ValueError):
    """Arrays and objects are within each other more than `DEEPEST` times."""


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a request's body; raises a 400 for anything else."""
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
    """The value of a JSON text that everyone else reads the same; raises ValueError.

    What JSON does not have (NaN), what a float cannot hold, names that are there twice, of which
    everyone takes another one, and what is nested too deeply are refused.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
        text = text.removeprefix("\ufeff")
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise TooDeep from None
    # Arguments of calls are many and small; what has few brackets cannot be deep.
    shallow = len(text) < 10_000 and text.count("[") + text.count("{") <= DEEPEST
    if not shallow and _depth(value) > DEEPEST:
        raise TooDeep
    return value


def _depth(value: Any) -> int:
    """How many arrays and objects are within each other."""
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


# Made once: `json.loads` would make one for each call.
_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_each_once
)
