"""Values that do not fit a schema, and the check whether one does."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.demo.structured import fits, misfit, misfit_text, schema_of, text_fits


COUNT = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
ANYTHING = {"anyOf": [{"type": ["object", "array", "string", "number", "boolean", "null"]}]}


def test_the_schema_of_a_request() -> None:
    wanted = {"type": "json_schema", "schema": COUNT}
    assert schema_of({"output_config": {"effort": "low", "format": wanted}}) == COUNT
    for config in ({}, {"output_config": None}, {"output_config": {"effort": "low"}}):
        assert schema_of(config) is None
    assert schema_of({"output_config": {"format": None}}) is None


@pytest.mark.parametrize(
    ("text", "fitting"),
    [
        ('{"n":1}', True),
        (' {"n": 1.0}\n', True),
        ('{"n":"1"}', False),
        ('{"n":1,"m":2}', False),
        ("{}", False),
        ('{"n":1', False),
        ('{"n":1} ', True),
        ('```json\n{"n":1}\n```', False),
        ('{"n":NaN}', False),
        ("", False),
        ("[" * 100_000, False),
    ],
)
def test_what_fits(text: str, fitting: bool) -> None:
    assert text_fits(text, COUNT) is fitting


def test_the_formats_of_strings_count() -> None:
    assert fits("2026-01-01", {"type": "string", "format": "date"})
    assert not fits("today", {"type": "string", "format": "date"})


@pytest.mark.parametrize("schema", [{"type": "any"}, {"$ref": "#/nowhere"}, {"pattern": "("}])
def test_nothing_fits_a_schema_that_is_none(schema: Any) -> None:
    assert not fits("a", schema)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (COUNT, {"n": "misfit"}),
        ({"type": "string"}, 0),
        ({"type": "array", "items": {"type": "null"}}, "misfit"),
        ({"type": "object", "additionalProperties": False}, {"misfit": True}),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, {}),
        ({"enum": ["misfit", 0]}, None),
    ],
)
def test_a_value_that_does_not_fit(schema: Any, value: Any) -> None:
    assert misfit(schema) == value
    assert not fits(value, schema)


def test_an_object_that_does_not_fit() -> None:
    assert misfit(COUNT, of_object=True) == {"n": "misfit"}
    # There is none.
    assert misfit({"type": "object"}, of_object=True) == {}
    assert misfit({"type": "object"}) == "misfit"


def test_a_text_that_does_not_fit() -> None:
    assert misfit_text(COUNT) == '{"n":"misfit"}'
    assert not text_fits(misfit_text(ANYTHING), ANYTHING)
