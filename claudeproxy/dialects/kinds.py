"""The kinds of values that a field of a request can have, and the problems with such values.

Each kind checks values and returns its JSON Schema. An `Invalid` only has the facts; `wording`
makes the error message from them, in the style of the client's API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

import attrs

from .openapi import Schema, nullable


# Names of fields, as paths relative to the value that was checked: ".detail", "[].name".
Ignored = Sequence[str]


class Problem(Enum):
    """What can be wrong with a value; a dialect words it for its clients (`wording`)."""

    TYPE = "type"
    MISSING = "missing"
    CHOICE = "choice"
    TAG = "tag"
    PATTERN = "pattern"
    BELOW = "below"
    ABOVE = "above"
    EMPTY = "empty"
    TOO_LONG = "too long"
    UNSUPPORTED_KIND = "unsupported kind"
    REFUSED_KIND = "refused kind"
    REFUSED = "refused"


class Invalid(ValueError):
    """A value that is not allowed in a request.

    path: the names and indices that lead to it from the checked value. expected, got: details,
    which depend on the problem. noun: the word for the value in messages.
    """

    def __init__(
        self, problem: Problem, expected: Any = "", got: Any = None, noun: str = ""
    ) -> None:
        """The path is empty at first. Each enclosing kind adds its step with `at`."""
        super().__init__(problem.value)
        self.problem = problem
        self.expected = expected
        self.got = got
        self.noun = noun
        self.path: list[str | int] = []

    def at(self, step: str | int) -> Invalid:
        """Add the step from the enclosing value, and return self."""
        self.path.insert(0, step)
        return self


def kind(value: object) -> str:
    """Return the name of the value's JSON type, with its article."""
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


class Kind(Protocol):
    """The values that a field takes."""

    # As an error names it: "a string".
    @property
    def noun(self) -> str:
        """The name of the JSON type, with its article."""

    def check(self, value: Any) -> Ignored:
        """Raise Invalid, or return the names of the ignored fields in the value."""

    def schema(self) -> Schema:
        """The JSON Schema of the values."""


@attrs.frozen
class Text:
    """A string. pattern: must match the whole string. empty: whether it may be empty."""

    pattern: str = ""
    empty: bool = True
    noun = "a string"
    _compiled: re.Pattern[str] | None = attrs.field(init=False)

    @_compiled.default
    def _compile(self) -> re.Pattern[str] | None:
        return re.compile(self.pattern) if self.pattern else None

    def check(self, value: Any) -> Ignored:
        """Accept a matching string."""
        if type(value) is not str:
            raise Invalid(Problem.TYPE, self.noun, value)
        if not value and not self.empty:
            raise Invalid(Problem.EMPTY, self.noun, value)
        if self._compiled is not None and not self._compiled.fullmatch(value):
            raise Invalid(Problem.PATTERN, f"^{self.pattern}$", value)
        return ()

    def schema(self) -> Schema:
        """A string."""
        schema: Schema = {"type": "string"}
        if self.pattern:
            schema["pattern"] = f"^{self.pattern}$"
        elif not self.empty:
            schema["minLength"] = 1
        return schema


@attrs.frozen
class Flag:
    """A boolean."""

    noun = "a boolean"

    def check(self, value: Any) -> Ignored:
        """True or False."""
        if not isinstance(value, bool):
            raise Invalid(Problem.TYPE, self.noun, value)
        return ()

    def schema(self) -> Schema:
        """A boolean."""
        return {"type": "boolean"}


@attrs.frozen
class Number:
    """A number from `low` to `high`, None for no bound. whole: integers only."""

    low: float | None = None
    high: float | None = None
    whole: bool = False

    @property
    def noun(self) -> str:
        """An integer or any number."""
        return "an integer" if self.whole else "a number"

    def check(self, value: Any) -> Ignored:
        """A number within the bounds."""
        # A bool is an int to Python, not to JSON.
        if not isinstance(value, int if self.whole else int | float) or isinstance(value, bool):
            raise Invalid(Problem.TYPE, self.noun, value)
        noun = "integer" if self.whole else "decimal"
        if self.low is not None and value < self.low:
            raise Invalid(Problem.BELOW, self.low, value, noun)
        if self.high is not None and value > self.high:
            raise Invalid(Problem.ABOVE, self.high, value, noun)
        return ()

    def schema(self) -> Schema:
        """A number with its bounds."""
        bounds = {"minimum": self.low, "maximum": self.high}
        told = {name: bound for name, bound in bounds.items() if bound is not None}
        return {"type": "integer" if self.whole else "number", **told}


@attrs.frozen
class Choice:
    """One of some strings."""

    values: tuple[str, ...]
    noun = "a string"

    def check(self, value: Any) -> Ignored:
        """One of them."""
        if not isinstance(value, str):
            raise Invalid(Problem.TYPE, self.noun, value)
        if value not in self.values:
            raise Invalid(Problem.CHOICE, self.values, value)
        return ()

    def schema(self) -> Schema:
        """An enum."""
        return {"const": self.values[0]} if len(self.values) == 1 else {"enum": list(self.values)}


@attrs.frozen
class Nothing:
    """A field that is not supported.

    why: a sentence for the error message. harmless: values that are accepted, because they ask for
    nothing.
    """

    why: str
    harmless: tuple[Any, ...] = ()
    # The kind of the field's values, for an error if the type is wrong; None for any type.
    of: Kind | None = None
    noun = "null"

    def check(self, value: Any) -> Ignored:
        """Accept the harmless values."""
        if self.of is not None:
            self.of.check(value)
        if any(value == one and type(value) is type(one) for one in self.harmless):
            return ()
        raise Invalid(Problem.REFUSED, self.why, value)

    def schema(self) -> Schema:
        """The harmless values."""
        about = "Not supported: any other value is a 400 error."
        return {"enum": [*self.harmless, None], "description": about}


@attrs.frozen
class Map:
    """An object with any names. values: the kind of its values, None for any."""

    values: Kind | None = None
    noun = "an object"

    def check(self, value: Any) -> Ignored:
        """An object."""
        if not isinstance(value, dict):
            raise Invalid(Problem.TYPE, self.noun, value)
        if self.values is not None:
            for name, inner in value.items():
                if inner is not None:
                    _within(self.values, inner, name)
        return ()

    def schema(self) -> Schema:
        """An object."""
        if self.values is None:
            return {"type": "object"}
        return {"type": "object", "additionalProperties": nullable(self.values.schema())}


@attrs.frozen
class Anything:
    """Any value at all."""

    noun = "a value"

    def check(self, value: Any) -> Ignored:
        """Whatever it is."""
        return ()

    def schema(self) -> Schema:
        """No bounds."""
        return {}


@attrs.frozen
class List:
    """An array, of `least` to `most` values."""

    of: Kind
    least: int = 0
    most: int | None = None
    noun = "an array"

    def check(self, value: Any) -> Ignored:
        """An array of such values."""
        if not isinstance(value, list):
            raise Invalid(Problem.TYPE, self.noun, value)
        if len(value) < self.least:
            raise Invalid(Problem.EMPTY, self.noun, value)
        if self.most is not None and len(value) > self.most:
            raise Invalid(Problem.TOO_LONG, self.most, len(value))
        check, ignored = self.of.check, None
        for index, inner in enumerate(value):
            try:
                if names := check(inner):
                    ignored = ignored or {}
                    ignored.update(dict.fromkeys(names))
            except Invalid as error:
                raise error.at(index) from None
        return [f"[]{name}" for name in ignored] if ignored else ()

    def schema(self) -> Schema:
        """An array."""
        schema: Schema = {"type": "array", "items": self.of.schema()}
        if self.least:
            schema["minItems"] = self.least
        if self.most is not None:
            schema["maxItems"] = self.most
        return schema


@attrs.frozen
class Either:
    """One of several kinds with different JSON types: a string, an array or an object."""

    kinds: tuple[Kind, ...]
    noun: str
    _by_type: Mapping[type, Kind] = attrs.field(init=False)

    @_by_type.default
    def _of_each_type(self) -> Mapping[type, Kind]:
        types = {"a string": str, "an array": list, "an object": dict}
        return {types[one.noun]: one for one in self.kinds}

    def of(self, value: Any) -> Kind | None:
        """The kind of a value, None if it is none of them."""
        return self._by_type.get(type(value))

    def check(self, value: Any) -> Ignored:
        """A value of one of the kinds."""
        found = self.of(value)
        if found is None:
            raise Invalid(Problem.TYPE, self.noun, value)
        return found.check(value)

    def schema(self) -> Schema:
        """Any of them."""
        return {"anyOf": [one.schema() for one in self.kinds]}


def _within(kind_: Kind, value: Any, step: str | int) -> Ignored:
    try:
        return kind_.check(value)
    except Invalid as error:
        raise error.at(step) from None
