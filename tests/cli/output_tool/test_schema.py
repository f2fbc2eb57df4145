"""Schemas as the CLI can compile them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from claudeproxy.cli.output_tool.schema import LONGEST_ORDER, SUPPORTED_KEYWORDS, usable

from ..talk import calm


STRING = {"type": "string"}
INTEGER = {"type": "integer"}
ORDER = f"The first items, in this order: {json.dumps([STRING, INTEGER])}"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": STRING, "pattern": STRING, "x-y": STRING}},
        {"$defs": {"A": {"properties": {"a": {"$ref": "#/$defs/A"}}}}, "$ref": "#/$defs/A"},
        {"anyOf": [STRING, {"type": "null"}], "default": {"x-mine": 1}, "examples": [{"e": 1}]},
        {"type": "array", "items": STRING, "minItems": 1, "uniqueItems": True},
        {"type": "string", "pattern": r"^[A-Za-z0-9_]{1,4}(?:\\.\\d+)?$", "format": "date"},
        {"patternProperties": {"^a": STRING}, "additionalProperties": False},
        {"if": {"required": ["a"]}, "then": {"required": ["b"]}, "not": {"const": {"x-": 1}}},
        {"type": ["string", "null"], "nullable": True, "enum": ["a", None]},
    ],
)
def test_what_it_knows_stays(schema: Any) -> None:
    assert usable(schema) == schema


@pytest.mark.parametrize(
    ("schema", "used"),
    [
        ({"$schema": "https://json-schema.org/draft/2020-12/schema", **STRING}, STRING),
        ({"example": 1, "x-mine": 2, "$anchor": "a", "$id": "b", **STRING}, STRING),
        ({"oneOf": [{"discriminator": {}, **STRING}]}, {"oneOf": [STRING]}),
        ({"properties": {"a": {"minContains": 1, **STRING}}}, {"properties": {"a": STRING}}),
        ({"enum": [1, 2, 1]}, {"enum": [1, 2]}),
        ({"nullable": True, "enum": [1]}, {"enum": [1]}),
        ({"if": {"required": ["a"]}}, {}),
        ({"then": {"required": ["a"]}}, {}),
        (
            {"properties": {"a": STRING}, "patternProperties": {"^b": STRING}},
            {"properties": {"a": STRING}},
        ),
        (
            {"type": "array", "prefixItems": [STRING, {"type": "integer"}], "items": False},
            {
                "type": "array",
                "items": {"anyOf": [STRING, {"type": "integer"}]},
                "minItems": 0,
                "maxItems": 2,
                "description": ORDER,
            },
        ),
        (
            {"prefixItems": [STRING, STRING], "items": False, "minItems": 2},
            {"items": STRING, "minItems": 2, "maxItems": 2},
        ),
        ({"prefixItems": [STRING]}, {"minItems": 0}),
    ],
)
def test_what_it_does_not_know_is_left_out_or_said_otherwise(schema: Any, used: Any) -> None:
    assert usable(schema) == used


BOTH = {"anyOf": [STRING, INTEGER]}


@pytest.mark.parametrize(
    ("schema", "used"),
    [
        # What pydantic makes of a tuple.
        (
            {"type": "array", "prefixItems": [STRING, INTEGER], "minItems": 2, "maxItems": 2},
            {"type": "array", "items": BOTH, "minItems": 2, "maxItems": 2},
        ),
        ({"maxItems": 1}, {"items": STRING, "minItems": 0, "maxItems": 1}),
        ({"maxItems": 0}, {"items": {}, "minItems": 0, "maxItems": 0}),
        ({"maxItems": 2, "items": {"type": "null"}}, {"items": BOTH, "minItems": 0, "maxItems": 2}),
        ({"maxItems": 3}, {"minItems": 0, "maxItems": 3}),
        ({"maxItems": 3, "items": False}, {"items": BOTH, "minItems": 0, "maxItems": 2}),
        (
            {"maxItems": 3, "items": {"type": "null"}},
            {"items": {"anyOf": [STRING, INTEGER, {"type": "null"}]}, "minItems": 0, "maxItems": 3},
        ),
        ({"items": INTEGER}, {"items": BOTH, "minItems": 0}),
        ({"unevaluatedItems": False}, {"items": BOTH, "minItems": 0, "maxItems": 2}),
        ({"unevaluatedItems": INTEGER}, {"items": BOTH, "minItems": 0}),
        ({"unevaluatedItems": False, "items": True}, {"items": True, "minItems": 0}),
        (
            {"unevaluatedItems": False, "contains": INTEGER},
            {"contains": INTEGER, "minItems": 0},
        ),
    ],
)
def test_a_tuple_keeps_the_types_of_its_items(schema: Any, used: Any) -> None:
    made = usable({"prefixItems": [STRING, INTEGER], **schema})
    order, *further = made.pop("description", "").split("\n")
    assert made == used
    assert order == ("" if used.get("maxItems", 2) < 2 else ORDER)
    rest = schema.get("items", schema.get("unevaluatedItems"))
    told = isinstance(rest, dict) and used.get("maxItems") != 2
    assert further == ([f"All further items: {json.dumps(rest)}"] if told else [])


def test_the_order_of_a_tuple_is_told_after_its_own_description() -> None:
    pair = {"prefixItems": [STRING, INTEGER]}
    assert usable({**pair, "description": "A pair."})["description"] == f"A pair.\n{ORDER}"
    inside = {"prefixItems": [pair, STRING]}
    assert usable(inside)["description"].count(json.dumps(ORDER)) == 1


def test_an_order_that_says_nothing_or_is_long_is_not_told() -> None:
    assert "description" not in usable({"prefixItems": [STRING, STRING]})
    long = {"type": "string", "description": "x" * LONGEST_ORDER}
    assert "description" not in usable({"prefixItems": [long, INTEGER]})


TUPLES = st.fixed_dictionaries(
    {"prefixItems": st.lists(st.sampled_from([STRING, INTEGER, True]), min_size=1, max_size=3)},
    optional={
        "minItems": st.integers(0, 3),
        "maxItems": st.integers(0, 4),
        "items": st.sampled_from([True, False, STRING, {"type": "null"}]),
        "unevaluatedItems": st.sampled_from([True, False, INTEGER]),
        "contains": st.just(INTEGER),
    },
)
VALUES = st.lists(st.sampled_from([1, "a", None]), max_size=4)


@calm
@given(schema=TUPLES, value=VALUES)
def test_whatever_fits_a_tuple_fits_what_is_made_of_it(schema: Any, value: list[Any]) -> None:
    if Draft202012Validator(schema).is_valid(value):
        assert Draft7Validator(usable(schema)).is_valid(value)


@pytest.mark.parametrize(
    "pattern", ["(", "(?P<y>x)", r"^\p{L}$", "a{99999999999}", r"\A", "{", "[é]"]
)
def test_a_pattern_that_may_mean_something_else_is_told_in_words(pattern: str) -> None:
    used = usable({**STRING, "pattern": pattern, "description": "A word."})
    assert used == {**STRING, "description": f"A word.\nMust match the pattern {pattern}"}


def test_words_for_names_are_not_taken_for_keywords() -> None:
    named = dict.fromkeys(sorted(SUPPORTED_KEYWORDS | {"example", "x-", "discriminator"}), STRING)
    schema = {"type": "object", "properties": named, "required": list(named)}
    assert json.dumps(usable(schema)) == json.dumps(schema)
