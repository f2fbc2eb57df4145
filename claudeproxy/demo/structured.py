"""What the demo API answers to a request with ``output_config.format``, and checks that it fits.

Pure.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import UnknownType
from referencing.exceptions import Unresolvable

from .answer import compact
from .instance import instance
from .strings import CHECKER


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


WRAPPED = "value"
"""The property by which claudeproxy gives StructuredOutput a schema that is not an object's."""


def schema_of(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema that the answer to a request is to fit, None if there is none."""
    wanted = (body.get("output_config") or {}).get("format")
    schema: Mapping[str, Any] | None = wanted["schema"] if wanted else None
    return schema


def fits(value: object, schema: Mapping[str, Any]) -> bool:
    """Whether a value validates against a schema, the formats of strings included."""
    try:
        return Draft202012Validator(schema, format_checker=CHECKER).is_valid(value)
    except (UnknownType, Unresolvable, RecursionError, re.error):
        return False


def text_fits(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether a text is JSON that validates against a schema."""
    try:
        value = _parsed(text)
    except (ValueError, RecursionError):
        return False
    return fits(value, schema)


def arguments_in(
    text: str, schema: Mapping[str, Any], *, fitting: bool = True
) -> tuple[str, dict[str, Any]] | None:
    """The arguments of a tool, as JSON and as their value, that a text is; None if it is none.

    If the tool takes a value in an object of one property, the text may be that value alone.
    Without ``fitting`` the text need not fit.
    """
    try:
        value = _parsed(text)
    except (ValueError, RecursionError):
        return None
    forms = [(text, value)] if isinstance(value, dict) else []
    if list(schema.get("properties") or ()) == [WRAPPED]:
        forms.insert(0, (f'{{"{WRAPPED}":{text}}}', {WRAPPED: value}))
    return next((form for form in forms if not fitting or fits(form[1], schema)), None)


def misfit(schema: Mapping[str, Any], *, of_object: bool = False) -> Any:
    """A value that does not validate against a schema, as near as may be to one that does.

    ``of_object``: it must be an object.  If every value validates, it is one that does.
    """
    near = instance(schema, in_order=True)
    found = (value for value in _misfits(near) if not of_object or isinstance(value, dict))
    return next((value for value in found if not fits(value, schema)), near)


def misfit_text(schema: Mapping[str, Any]) -> str:
    """A text that is no JSON that validates against a schema."""
    value = misfit(schema)
    return "misfit" if fits(value, schema) else compact(value)


def _misfits(near: Any) -> Iterator[Any]:
    if isinstance(near, dict):
        for name in near:
            for wrong in _wrong(near[name]):
                yield {**near, name: wrong}
        for name in near:
            yield {other: value for other, value in near.items() if other != name}
        yield {**near, "misfit": True}
    yield from _wrong(near)


def _wrong(value: Any) -> list[Any]:
    """Values of other types than this one's."""
    values: tuple[Any, ...] = ("misfit", 0, None, [], {})
    return [wrong for wrong in values if type(wrong) is not type(value)]


def _parsed(text: str) -> Any:
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> object:
    raise ValueError(f"invalid value {name}")
