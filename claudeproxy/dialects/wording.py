"""Error messages for invalid requests, worded as in OpenAI's or Anthropic's API.

Some clients read these messages: for example, they retry without a field that the server does not
know. Sources: the responses of OpenAI's API (its OpenAPI document does not list the messages), and
the messages of pydantic, which Anthropic's API uses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import attrs

from ..errors import APIError, bad_request
from .kinds import Invalid, Problem, kind


def openai_path(steps: Sequence[str | int]) -> str:
    """The full name of a field, as in `messages[0].role`."""
    told = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return told.removeprefix(".")


def steps_of(path: str) -> list[str | int]:
    """The steps of a path such as `messages[0].role`, which must not have other names in it."""
    return [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]


def openai_error(invalid: Invalid) -> APIError:
    """Return a 400 with OpenAI's message, `param` and `code`."""
    where = openai_path(invalid.path)
    expected, got = invalid.expected, invalid.got
    match invalid.problem:
        case Problem.TYPE:
            message = (
                f"Invalid type for '{where}': expected {expected}, but got {kind(got)} instead."
            )
            code = "invalid_type"
        case Problem.CHOICE | Problem.TAG:
            listed = ", ".join(f"'{choice}'" for choice in expected)
            message = f"Invalid value: '{got}'. Supported values are: {listed}."
            code = "invalid_value"
        case Problem.PATTERN:
            message = (
                f"Invalid '{where}': string does not match pattern. Expected a string that matches "
                f"the pattern '{expected}'."
            )
            code = "invalid_value"
        case Problem.BELOW | Problem.ABOVE:
            below = invalid.problem is Problem.BELOW
            side, sign = ("below minimum", ">=") if below else ("above maximum", "<=")
            message = (
                f"Invalid '{where}': {invalid.noun} {side} value. Expected a value {sign} "
                f"{expected}, but got {got} instead."
            )
            code = f"{invalid.noun}_{'below_min' if below else 'above_max'}_value"
        case Problem.EMPTY if isinstance(got, list):
            message = f"Invalid '{where}': empty array. Expected an array with minimum length 1."
            code = "empty_array"
        case Problem.TOO_LONG:
            message = (
                f"Invalid '{where}': array too long. Expected an array with maximum length "
                f"{expected}, but got {got} instead."
            )
            code = "array_above_max_length"
        case Problem.UNSUPPORTED_KIND:
            listed = ", ".join(f"'{choice}'" for choice in expected)
            message = (
                f"{invalid.noun} of type '{got}' are not supported. Supported types are: {listed}."
            )
            code = "unsupported_value"
        case Problem.REFUSED_KIND:
            message = f"{invalid.noun} of type '{got}' are not supported. {expected}"
            code = "unsupported_value"
        case Problem.REFUSED:
            message = f"Unsupported parameter: '{where}'. {expected}"
            code = "unsupported_parameter"
        case _:
            # An empty string counts as missing.
            message = f"Missing required parameter: '{where}'."
            code = "missing_required_parameter"
    return bad_request(message, where, code)


_VALID = {
    "a string": "a valid string",
    "a boolean": "a valid boolean",
    "an integer": "a valid integer",
    "a number": "a valid number",
    "an array": "a valid list",
    "an object": "a valid dictionary",
}


def _listed(choices: Sequence[str], last: str) -> str:
    *others, final = (f"'{choice}'" for choice in choices)
    return f"{', '.join(others)}{last if others else ''}{final}"


def _tag(invalid: Invalid) -> str:
    return (
        f"Input tag '{invalid.got}' found using 'type' does not match any of the expected tags: "
        f"{_listed(sorted(invalid.expected), ', ')}"
    )


def _too_little(invalid: Invalid) -> str:
    if isinstance(invalid.got, list):
        return "List should have at least 1 item after validation, not 0"
    return "String should have at least 1 character"


_ANTHROPIC: dict[Problem, Callable[[Invalid], str]] = {
    Problem.TYPE: lambda it: f"Input should be {_VALID.get(it.expected, it.expected)}",
    Problem.MISSING: lambda _: "Field required",
    Problem.CHOICE: lambda it: f"Input should be {_listed(it.expected, ' or ')}",
    Problem.PATTERN: lambda it: f"String should match pattern '{it.expected}'",
    Problem.BELOW: lambda it: f"Input should be greater than or equal to {it.expected}",
    Problem.ABOVE: lambda it: f"Input should be less than or equal to {it.expected}",
    Problem.EMPTY: _too_little,
    Problem.TOO_LONG: lambda it: (
        f"List should have at most {it.expected} items after validation, not {it.got}"
    ),
    Problem.TAG: _tag,
    Problem.REFUSED_KIND: lambda it: (
        f"Input tag '{it.got}' found using 'type' does not match any of the expected tags. "
        f"{it.noun} of this type are not supported. {it.expected}"
    ),
    Problem.REFUSED: lambda it: f"Extra inputs are not permitted. {it.expected}",
}


def dotted(path: str) -> str:
    """Return a place in the request as Anthropic's API names it: `messages.0.content`."""
    return path.replace("[", ".").replace("]", "")


_PREFIX = re.compile(r"Invalid (?:value for )?'[^']*': ")


def named(message: str, path: Sequence[str | int]) -> str:
    """Return a message about a field with the field's path before it, as in Anthropic's API."""
    if message.startswith((f"{path[0]}.", f"{path[0]}:")):
        return message
    why = _PREFIX.sub("", message, count=1)
    return f"{'.'.join(map(str, path))}: {why[:1].upper()}{why[1:]}"


def anthropic_error(invalid: Invalid, path: Sequence[str | int] | None = None) -> APIError:
    """Return a 400 with Anthropic's message, as in `messages.0.role: Input should be ...`.

    path: that of the field with the tags of objects; that of `invalid` if there are none.
    The API names an object of an unknown kind, and not the field with the kind, in contrast to one
    whose kind is missing (seen in users' reports of its answers).
    """
    problem, path = invalid.problem, invalid.path if path is None else path
    if problem is Problem.UNSUPPORTED_KIND:
        problem = Problem.TAG if len(invalid.expected) > 1 else Problem.CHOICE
    if problem in (Problem.TAG, Problem.REFUSED_KIND):
        path = path[:-1]
    where = ".".join(map(str, path))
    message = f"{where}: {_ANTHROPIC[problem](invalid)}"
    return attrs.evolve(openai_error(invalid), message=message)
