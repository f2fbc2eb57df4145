"""Answers are checked against the client's schema."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.structured import check
from claudeproxy.structured.check import mismatch


PRICES = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "items": {"type": "object", "properties": {"price": {"minimum": 0}}},
        }
    },
    "required": ["items"],
}


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ('{"items": [{"price": 0}]}', PRICES),
        (' \n{"items": []}\t\r\n', PRICES),
        ('"2026-13-45"', {"format": "date"}),
        ('"a"', {"type": "string", "pattern": r"^\p{Lu}"}),
        ('"ab"', {"allOf": [{"pattern": "["}, {"pattern": "^a"}]}),
        (
            '{"xy": 1}',
            {"patternProperties": {r"\p{L}": False, "^z": False}, "additionalProperties": False},
        ),
        ('{"xy": 1}', {"patternProperties": {"(": False}, "unevaluatedProperties": False}),
        ("1.0", {"type": "integer"}),
        ("0.5", {"multipleOf": 0.25}),
        (r'"\ud800"', {"type": "string"}),
        (r'"\ud83d\ude00"', {"maxLength": 1}),
        (f"{10**300}", {"type": "integer", "multipleOf": 0.5}),
        ("1e300", {"type": "number"}),
        ("5e-324", {"exclusiveMinimum": 0}),
    ],
)
def test_what_fits(text: str, schema: Any) -> None:
    assert mismatch(text, schema) is None


@pytest.mark.parametrize(
    ("text", "schema", "why"),
    [
        (
            '{"items": [{}, {}, {"price": -1}]}',
            PRICES,
            "$.items[2].price: -1 is less than the minimum of 0",
        ),
        ("{}", PRICES, "$: 'items' is a required property"),
        ("null", {"type": "string"}, "$: None is not of type 'string'"),
        (
            '{"a b": 1}',
            {"properties": {"a b": {"type": "null"}}},
            "$['a b']: 1 is not of type 'null'",
        ),
        ('"A"', {"enum": ["a", "b"]}, "$: 'A' is not one of ['a', 'b']"),
        ('"b"', {"pattern": "^a"}, "$: 'b' does not match '^a'"),
        ("true", {"const": 1}, "$: 1 was expected"),
        ("2", {"oneOf": [{"minimum": 1}, {"minimum": 2}]}, "$: 2 is valid under each of"),
        (
            '{"a": {"b": 1}}',
            {"anyOf": [{"properties": {"a": {"properties": {"b": {"type": "string"}}}}}]},
            "$.a.b: 1 is not of type 'string'",
        ),
        (
            '{"pattern": 1, "const": 2}',
            {"properties": {"pattern": {"type": "string"}}},
            "$.pattern: 1 is not of type",
        ),
        (
            '{"const": "b"}',
            {"properties": {"const": {"pattern": "^a"}}},
            "$.const: 'b' does not match",
        ),
        ('{"pattern": "["}', {"not": {"const": {"pattern": "["}}}, "should not be valid"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(text: str, schema: Any, why: str) -> None:
    said = mismatch(text, schema)
    assert said is not None
    assert why in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("Here it is: {}", "Expecting value"),
        ("```json\n{}\n```", "Expecting value"),
        ("{} {}", "Extra data"),
        ('{"a": 1', "delimiter"),
        ("{'a': 1}", "property name"),
        ('{"a": 1, "b": 2, "a": 1}', "the key 'a' occurs more than once in an object"),
        ("[NaN]", "NaN is not a JSON value"),
        ("-Infinity", "-Infinity is not a JSON value"),
        ("1e999", "the number 1e999 is out of range"),
        ("-" + "9" * 400, "is out of range"),
        ("9" * 10_000, "is out of range"),
        ('"\x01"', "control character"),
        ("\ufeff{}", "BOM"),
    ],
)
def test_what_is_not_json(text: str, why: str) -> None:
    said = mismatch(text, {})
    assert said is not None
    assert said.startswith("The text is not valid JSON: ")
    assert why in said
    assert len(said) <= 300


def test_long_messages_keep_their_beginning_and_their_end() -> None:
    schema = {"properties": {"a": {"type": "integer"}}}
    said = mismatch(json.dumps({"a": "x" * 5000}), schema)
    assert said is not None
    assert said.startswith("$.a: 'xxx")
    assert said.endswith("xxx' is not of type 'integer'")
    assert 250 < len(said) <= 300


def test_a_long_place_is_cut() -> None:
    said = mismatch(json.dumps({"k" * 5000: 1}), {"additionalProperties": {"type": "null"}})
    assert said is not None
    assert said.endswith(": 1 is not of type 'null'")
    assert len(said) <= 300


def test_a_message_can_be_sent_as_utf_8() -> None:
    said = mismatch(r'{"\ud800": "\udfff"}', {"additionalProperties": {"type": "null"}})
    assert said is not None
    assert r"\udfff" in said.encode("utf-8").decode("utf-8")


LIST = {"$defs": {"L": {"items": {"$ref": "#/$defs/L"}}}, "$ref": "#/$defs/L"}


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("[" * 100_000, {}),
        ("[" * 100_000 + "]" * 100_000, {}),
        ("[" * 500 + "]" * 500, LIST),
        ("1", {"$defs": {"A": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"}),
    ],
)
def test_deep_answers_and_endless_schemas_are_said_to_be_too_deep(text: str, schema: Any) -> None:
    assert "nested too deeply" in (mismatch(text, schema) or "")


def test_a_recursive_answer_is_checked() -> None:
    assert mismatch("[[[[]]]]", LIST) is None


def test_a_number_that_cannot_be_compared_is_a_mismatch() -> None:
    assert mismatch("0.5", {"multipleOf": 10**400}) == (
        "The text contains a number that cannot be checked against the schema."
    )


@pytest.mark.parametrize(
    "wrong", [{"type": 5}, {"pattern": "["}, {"required": 1}, {"minimum": "a"}]
)
def test_a_reference_to_what_is_not_a_schema_is_named(wrong: Any) -> None:
    for schema in ({"$ref": "#/default", "default": wrong}, {"$ref": "#/x-parts/A"}):
        for text in ("1", '"a"', "{}"):
            assert mismatch(text, schema) in (
                None,
                "The text cannot be checked, because a '$ref' of the schema refers to no schema.",
            )
    assert mismatch("1", {"$ref": "#/x-parts/A"}) is not None


def test_a_property_that_must_not_be_there_is_named() -> None:
    said = mismatch('{"a": {"b": 1}}', {"properties": {"a": {"properties": {"b": False}}}})
    assert said is not None
    assert said.startswith("$.a.b: 1 ")


def test_the_validator_is_made_once_for_each_schema() -> None:
    check.validator.cache_clear()
    for _ in range(3):
        mismatch("1", {"type": "integer", "title": "once"})
    assert check.validator.cache_info().misses == 1


@given(st.text() | st.text('[]{}":,0123456789.eE-+ntfu\\ ', max_size=30))
def test_no_text_raises_an_error(text: str) -> None:
    said = mismatch(text, {"type": ["array", "object"], "uniqueItems": True, "minProperties": 1})
    assert said is None or 0 < len(said) <= 300
