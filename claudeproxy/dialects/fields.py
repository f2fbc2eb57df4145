"""Reading a JSON request field by field, so that every mistake is told by the field's name.

Messages and codes are modelled on what OpenAI's API answers; `null` means absent throughout.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import islice
from math import isfinite
from typing import Any, NoReturn, TypeVar

import attrs

from ..errors import APIError, bad_request


NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# As deep as many JSON readers go (serde_json, for one), and far from where Python's own writer and
# validators end, which depends on who calls them.
DEEPEST = 128
# What is sent that nobody knows is told, but does not become a head that no client can read.
MOST_OTHERS = 32
T = TypeVar("T")
N = TypeVar("N", int, float)


class DuplicateName(ValueError):
    """An object has two members of one name."""


class TooDeep(ValueError):
    """Arrays and objects are within each other more than `DEEPEST` times."""


def parse_object(body: bytes) -> Fields:
    """The JSON object in a request's body; raises a 400 for anything else."""
    try:
        value = parse_json(body)
    except json.JSONDecodeError as error:
        raise _not_json(str(error)) from None
    except UnicodeDecodeError:
        raise _not_json("it is not UTF-8") from None
    except TooDeep:
        raise _not_json(f"it is nested too deeply (more than {DEEPEST} times)") from None
    except DuplicateName:
        raise _not_json("a name in it is there twice") from None
    except ValueError:
        raise _not_json("a number in it cannot be read") from None
    if not isinstance(value, dict):
        raise bad_request(f"The body of the request must be a JSON object, not {kind(value)}.")
    return Fields(value)


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text that everyone else reads the same; raises ValueError.

    What JSON does not have (NaN), what a float cannot hold, names that are there twice, of which
    everyone takes another one, and what is nested too deeply are refused.
    """
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_each_once,
        )
    except RecursionError:
        raise TooDeep from None
    if _depth(value) > DEEPEST:
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


def kind(value: object) -> str:
    """What JSON calls this value, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


@attrs.frozen
class Fields:
    """A JSON object being read; `path` is where it stands in the request, "" for its root."""

    value: Mapping[str, Any]
    path: str = ""

    def where(self, name: str) -> str:
        """The full name of a field, as in `messages[0].role`."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.value.get(name) is not None

    def string(self, name: str) -> str | None:
        """A string."""
        return self._typed(name, "a string", str)

    def boolean(self, name: str) -> bool | None:
        """A boolean."""
        return self._typed(name, "a boolean", bool)

    def number(self, name: str, low: float, high: float) -> float | None:
        """A number from `low` to `high`."""
        value = self._typed(name, "a number", float, int)
        return self._between(name, value, low, high, decimal=True)

    def integer(self, name: str, low: float, high: float = float("inf")) -> int | None:
        """A whole number from `low` to `high`."""
        return self._between(name, self._typed(name, "an integer", int), low, high)

    def choice(self, name: str, choices: Sequence[str]) -> str | None:
        """A string that is one of `choices`."""
        value = self.string(name)
        if value is not None and value not in choices:
            listed = ", ".join(f"'{choice}'" for choice in choices)
            raise bad_request(
                f"Invalid value: '{value}'. Supported values are: {listed}.",
                self.where(name),
                "invalid_value",
            )
        return value

    def object(self, name: str) -> Fields | None:
        """An object, to be read in turn."""
        value = self._typed(name, "an object", dict)
        return None if value is None else Fields(value, self.where(name))

    def array(self, name: str) -> list[Any] | None:
        """An array of anything."""
        return self._typed(name, "an array", list)

    def objects(self, name: str) -> Iterator[Fields]:
        """The objects of an array, each with its place in the path; none if absent."""
        for index, item in enumerate(self.array(name) or ()):
            place = f"{self.where(name)}[{index}]"
            if not isinstance(item, dict):
                raise wrong_type(place, "an object", item)
            yield Fields(item, place)

    def strings(self, name: str) -> tuple[str, ...]:
        """The strings of an array; none if absent."""
        items = self.array(name) or []
        for index, item in enumerate(items):
            if not isinstance(item, str):
                raise wrong_type(f"{self.where(name)}[{index}]", "a string", item)
        return tuple(items)

    def unknown(self, known: Container[str]) -> Iterator[str]:
        """The names that are given a value and are not among `known`, as far as they can be told.

        They go into a header: some, and only such as an API could have.
        """
        unknown = (name for name in self.value if name not in known and self.has(name))
        return islice(filter(NAME.fullmatch, unknown), MOST_OTHERS)

    def name(self, name: str) -> str:
        """A required name of a function or a schema."""
        value = self.require(name, self.string(name))
        if not NAME.fullmatch(value):
            raise bad_request(
                f"Invalid '{self.where(name)}': string does not match pattern. Expected a string "
                "that matches the pattern '^[a-zA-Z0-9_-]{1,64}$'.",
                self.where(name),
                "invalid_value",
            )
        return value

    def require(self, name: str, value: T | None) -> T:
        """What was read of a required field; raises the error for one that is not there."""
        if value is None:
            raise self.missing(name)
        return value

    def missing(self, name: str) -> APIError:
        """The error for a required field that is not there."""
        where = self.where(name)
        return bad_request(
            f"Missing required parameter: '{where}'.", where, "missing_required_parameter"
        )

    def _typed(self, name: str, expected: str, *types: type[T]) -> T | None:
        value = self.value.get(name)
        # A bool is an int to Python, not to JSON.
        if value is None or (
            isinstance(value, types) and (bool in types or not isinstance(value, bool))
        ):
            return value
        raise wrong_type(self.where(name), expected, value)

    def _between(
        self, name: str, value: N | None, low: float, high: float, *, decimal: bool = False
    ) -> N | None:
        if value is None or low <= value <= high:
            return value
        if value < low:
            side, sign, bound, code = "below minimum", ">=", low, "below_min_value"
        else:
            side, sign, bound, code = "above maximum", "<=", high, "above_max_value"
        kind_of_number = "decimal" if decimal else "integer"
        raise bad_request(
            f"Invalid '{self.where(name)}': {kind_of_number} {side} value. Expected a value "
            f"{sign} {bound}, but got {value} instead.",
            self.where(name),
            f"{kind_of_number}_{code}",
        )


def wrong_type(where: str, expected: str, value: object) -> APIError:
    """The error for a value of the wrong JSON type."""
    return bad_request(
        f"Invalid type for '{where}': expected {expected}, but got {kind(value)} instead.",
        where,
        "invalid_type",
    )


def unsupported_parameter(name: str, why: str) -> APIError:
    """400: a parameter that would change the answer, and cannot be had here."""
    return bad_request(f"Unsupported parameter: '{name}'. {why}", name, "unsupported_parameter")
