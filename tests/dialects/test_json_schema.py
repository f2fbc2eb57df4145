"""Schemas: an object at the root, everything below it as it is."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.dialects.chat.request import read

from .asking import ask, body, function, refused


LEAF = {"type": "object", "properties": {"value": {"type": "integer"}}}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}


def read_schema(schema: Any) -> Any:
    """The schema of a tool, which is that of a structured answer too."""
    answer = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    profile = ask(tools=[function(parameters=schema)], response_format=answer).conversation.profile
    assert profile.tools[0].input_schema == profile.output_schema
    return profile.output_schema


@pytest.mark.parametrize("absent", [{}, {"parameters": None}, {"parameters": {}}])
def test_a_tool_without_parameters_takes_an_object(absent: dict[str, Any]) -> None:
    (tool,) = ask(tools=[function(**absent)]).conversation.profile.tools
    assert tool.input_schema == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("schema", "as_read"),
    [
        ({}, {"type": "object", "properties": {}}),
        ({"type": "object"}, {"type": "object", "properties": {}}),
        ({"required": ["a"]}, {"type": "object", "properties": {}, "required": ["a"]}),
        (
            {"properties": {"a": {"type": "string"}}},
            {"type": "object", "properties": {"a": {"type": "string"}}},
        ),
        ({"$defs": {"Node": NODE}, "$ref": "#/$defs/Node"}, {"$defs": {"Node": NODE}, **NODE}),
        (
            {"definitions": {"Node": LEAF}, "$ref": "#/definitions/Node", "title": "A node"},
            {"definitions": {"Node": LEAF}, "title": "A node", **LEAF},
        ),
        (
            {"$defs": {"A": {"$ref": "#/$defs/Node"}, "Node": NODE}, "$ref": "#/$defs/A"},
            {"$defs": {"A": {"$ref": "#/$defs/Node"}, "Node": NODE}, **NODE},
        ),
    ],
)
def test_a_schema_is_brought_into_form(schema: Any, as_read: Any) -> None:
    assert read_schema(schema) == as_read


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": NODE}},
        {
            "type": "object",
            "properties": {
                "a": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"enum": [1, "b"]}}]},
                "b": {"type": ["string", "null"], "format": "date", "unknown-word": 5},
            },
            "required": ["a", "b"],
            "additionalProperties": False,
            "description": "é 🦜",
        },
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {},
            "patternProperties": {"^a": True},
        },
    ],
)
def test_a_schema_in_form_comes_through_unchanged(schema: Any) -> None:
    assert read_schema(schema) == schema


# What each mistake is, and what its message must say.
MISTAKES = [
    ({"anyOf": [{"type": "object"}]}, "must not have 'anyOf' at the top level"),
    ({"type": "object", "oneOf": [{}]}, "must not have 'oneOf' at the top level"),
    ({"type": "object", "allOf": [{}]}, "must not have 'allOf' at the top level"),
    ({"type": "object", "not": {}}, "must not have 'not' at the top level"),
    ({"enum": ["a"]}, "must not have 'enum' at the top level"),
    ({"$defs": {"A": {"anyOf": [{}]}}, "$ref": "#/$defs/A"}, "must not have 'anyOf'"),
    ({"type": "array", "items": {}}, "got 'array'"),
    ({"type": "string"}, "got 'string'"),
    ({"type": ["object", "null"]}, "got ['object', 'null']"),
    ({"$defs": {"A": {"type": "array"}}, "$ref": "#/$defs/A"}, "got 'array'"),
    ({"type": "dict"}, "'dict' is not valid"),
    ({"type": None}, "None is not valid"),
    ({"properties": {"a": {"type": "strng"}}}, "at ['properties']['a']['type']"),
    ({"properties": {"a": 5}}, "at ['properties']['a']"),
    ({"properties": []}, "at ['properties']"),
    ({"required": "a"}, "at ['required']"),
    ({"$ref": 5}, "at ['$ref']"),
]


@pytest.mark.parametrize(("schema", "why"), MISTAKES, ids=[why for _, why in MISTAKES])
def test_a_schema_that_cannot_be_is_refused_and_told_whose_it_is(schema: Any, why: str) -> None:
    message, *told = refused(lambda: ask(tools=[function("g"), function("f", parameters=schema)]))
    assert message.startswith("Invalid schema for function 'f': ")
    assert why in message
    assert told == ["tools[1].function.parameters", "invalid_schema"]


def test_a_schema_of_the_answer_is_told_by_its_name() -> None:
    described = {"name": "a", "schema": {"type": "list"}}
    message, *told = refused(
        lambda: ask(response_format={"type": "json_schema", "json_schema": described})
    )
    assert message.startswith("Invalid schema for response_format 'a': ")
    assert told == ["response_format.json_schema.schema", "invalid_schema"]


def answer_schema(schema: Any) -> Any:
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    return ask(response_format=form).conversation.profile.output_schema


@pytest.mark.parametrize(
    "schema",
    [
        {"const": "foo"},
        {"enum": ["a", 1]},
        {"type": "array", "items": {"type": "string"}},
        {"type": "string"},
        {"type": ["object", "null"], "properties": {}},
        {"anyOf": [{"type": "object"}, {"type": "null"}]},
        {"type": "object", "properties": {}, "oneOf": [{"required": ["a"]}]},
        {"items": {"type": "string"}},
        {"minimum": 5},
    ],
)
def test_an_answer_need_not_be_an_object(schema: Any) -> None:
    assert answer_schema(schema) == schema
    if "type" in schema or "enum" in schema:
        refused(lambda: ask(tools=[function(parameters=schema)]))


def test_an_answers_root_may_be_a_reference_to_anything() -> None:
    schema = {"$defs": {"A": {"type": "array"}}, "$ref": "#/$defs/A"}
    assert answer_schema(schema) == {"$defs": {"A": {"type": "array"}}, "type": "array"}


@pytest.mark.parametrize("word", ["items", "properties"])
def test_without_a_type_an_answer_is_what_the_other_words_are_about(word: str) -> None:
    schema = answer_schema({word: {}, "minimum": 5})
    assert schema.get("type") == (None if word == "items" else "object")


def test_a_list_of_one_type_is_that_type() -> None:
    assert read_schema({"type": ["object"]}) == {"type": "object", "properties": {}}


def test_a_schema_that_is_nested_too_deeply_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(400):
        deep = {"properties": {"a": deep}}
    message, *_ = refused(lambda: ask(tools=[function(parameters=deep)]))
    assert "nested too deeply" in message


def test_a_schema_that_was_refused_is_refused_again() -> None:
    for _ in range(2):
        refused(lambda: ask(tools=[function(parameters={"type": "dict"})]))


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/gone"},
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
        {"$ref": "https://example.com/schema.json"},
    ],
)
def test_a_root_that_refers_to_nothing_is_refused(schema: Any) -> None:
    assert refused(lambda: read_schema(schema))[2] == "invalid_schema"


def test_a_root_reference_is_a_json_pointer() -> None:
    schema = read_schema({"$ref": "#/$defs/a~1b~0", "$defs": {"a/b~": {"required": ["x"]}}})
    assert schema["required"] == ["x"]


@pytest.mark.parametrize("pattern", [r"^\p{L}+$", "(?<year>[0-9]{4})", r"^[^\cA]\u{1F600}$"])
def test_a_pattern_is_javascripts_and_comes_through(pattern: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}
    assert read_schema(schema) == schema


def test_a_number_that_no_float_holds_is_refused() -> None:
    huge = body(tools=[function(parameters={"properties": {"a": {"maximum": 12345}}})])
    refused(lambda: read(huge.replace(b"12345", b"1e999")))
