"""Schemas: an object at the root, everything below it as it is."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.dialects.chat.request import read
from claudeproxy.dialects.json_schema import object_schema
from claudeproxy.errors import APIError

from .asking import ask, body, function, refused


LEAF = {"type": "object", "properties": {"value": {"type": "integer"}}}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}


def read_schema(schema: Any) -> Any:
    """The schema of a tool, which is that of a structured answer too."""
    answer = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    asked = ask(tools=[function(parameters=schema)], response_format=answer).conversation
    assert asked.profile.tools[0].input_schema == asked.output_schema
    return asked.output_schema


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
        ({"type": ["object"]}, {"type": "object", "properties": {}}),
        (
            {"$defs": {"A": LEAF | {"type": ["object"]}}, "$ref": "#/$defs/A"},
            {"$defs": {"A": LEAF | {"type": ["object"]}}, **LEAF},
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
    return ask(response_format=form).conversation.output_schema


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


def of_properties(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


A, B = {"type": "string"}, {"type": "integer"}
ID = "https://example.com/schemas/root"


@pytest.mark.parametrize(
    ("schema", "as_read"),
    [
        # An anchor, of a definition, of the root and of a schema with a name to escape.
        (
            of_properties(a={"$ref": "#x"}) | {"$defs": {"A": {"$anchor": "x", **A}}},
            of_properties(a={"$ref": "#/$defs/A"}) | {"$defs": {"A": A}},
        ),
        (
            {"$anchor": "x", **of_properties(a={"anyOf": [{"$ref": "#x"}, {"type": "null"}]})},
            of_properties(a={"anyOf": [{"$ref": "#"}, {"type": "null"}]}),
        ),
        (
            of_properties(a={"$ref": "#x"}) | {"$defs": {"a/b~ %é": {"$anchor": "x", **A}}},
            of_properties(a={"$ref": "#/$defs/a~1b~0%20%25%C3%A9"}) | {"$defs": {"a/b~ %é": A}},
        ),
        # An id, absolute or relative to that of the root, and a pointer or an anchor from there.
        (
            {
                "$id": ID,
                **of_properties(
                    a={"$ref": "other"},
                    b={"$ref": "https://example.com/schemas/other#/$defs/B"},
                    c={"$ref": "other#b"},
                    d={"$ref": f"{ID}#/$defs/A"},
                    e={"$ref": ID},
                    f={"$ref": "other#/$defs/yes"},
                ),
                "$defs": {
                    "A": {
                        "$id": "other",
                        "items": {"$ref": "#/$defs/B"},
                        "$defs": {"B": {"$anchor": "b", **B}, "yes": True},
                    }
                },
            },
            {
                "$id": ID,
                **of_properties(
                    a={"$ref": "#/$defs/A"},
                    b={"$ref": "#/$defs/A/$defs/B"},
                    c={"$ref": "#/$defs/A/$defs/B"},
                    d={"$ref": "#/$defs/A"},
                    e={"$ref": "#"},
                    f={"$ref": "#/$defs/A/$defs/yes"},
                ),
                "$defs": {
                    "A": {"items": {"$ref": "#/$defs/A/$defs/B"}, "$defs": {"B": B, "yes": True}}
                },
            },
        ),
        # Without an id of the root, and with a relative one that may end in an empty fragment.
        (
            of_properties(a={"$ref": "a.json"}) | {"$defs": {"A": {"$id": "a.json", **A}}},
            of_properties(a={"$ref": "#/$defs/A"}) | {"$defs": {"A": A}},
        ),
        (
            {
                "$id": "here/root.json#",
                **of_properties(a={"$ref": "a.json"}, b={"$ref": "root.json"}),
                "$defs": {"A": {"$id": "a.json", **A}},
            },
            {
                "$id": "here/root.json#",
                **of_properties(a={"$ref": "#/$defs/A"}, b={"$ref": "#"}),
                "$defs": {"A": A},
            },
        ),
        # At the root.
        (
            {"$ref": "#x", "$defs": {"A": {"$id": "urn:a", "$anchor": "a", **LEAF}}}
            | {"definitions": {"X": {"$anchor": "x", "$ref": "urn:a#a"}}},
            {"$defs": {"A": LEAF}, "definitions": {"X": {"$ref": "#/$defs/A"}}, **LEAF},
        ),
    ],
)
def test_a_reference_by_an_anchor_or_an_id_becomes_a_pointer(schema: Any, as_read: Any) -> None:
    assert read_schema(schema) == as_read


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("#gone", "it refers to '#gone', which it does not define"),
        ("#/$defs/gone", "it refers to '#/$defs/gone', which it does not define"),
        ("#/required/first", "it refers to '#/required/first', which it does not define"),
        ("#/minProperties/a", "it refers to '#/minProperties/a', which it does not define"),
        ("#/title", "it refers to '#/title', which is not a schema"),
        ("gone", "it refers to 'gone', which it does not define"),
        ("other#gone", "it refers to 'other#gone', which it does not define"),
        ("https://example.com/", "it refers to 'https://example.com/', which it does not define"),
        ("file:///etc/hostname", "it refers to 'file:///etc/hostname', which it does not define"),
        # Which the library that reads schemas has, but not this schema.
        ("https://json-schema.org/draft/2020-12/schema", "which it does not define"),
        ("http://[", "it refers to 'http://[', which it does not define"),
    ],
)
@pytest.mark.parametrize("place", ["property", "definition", "default", "unknown"])
def test_a_reference_to_what_is_not_in_the_schema_is_refused(
    reference: str, why: str, place: str
) -> None:
    to = {"$ref": reference}
    schema = {
        **of_properties(
            a=to if place == "property" else {}, default=to if place == "default" else {}
        ),
        "$defs": {"A": {"$id": "other"}, "B": to if place == "definition" else {}},
        "x-unknown": to if place == "unknown" else {},
        "title": "T",
        "required": ["a"],
        "minProperties": 1,
    }
    message, *told = refused(lambda: ask(tools=[function("f", parameters=schema)]))
    assert message.startswith("Invalid schema for function 'f': ")
    assert why in message
    assert told == ["tools[0].function.parameters", "invalid_schema"]


@pytest.mark.parametrize("ids", [(ID, "http://["), ("http://[", "a")])
def test_an_id_that_is_no_url_is_refused(ids: tuple[str, str]) -> None:
    schema = {"$id": ids[0], "$defs": {"A": {"$id": ids[1]}}}
    assert "it contains an '$id' that is not a valid URL" in refused(lambda: read_schema(schema))[0]


def test_what_is_a_value_and_no_schema_is_left_as_it_is() -> None:
    value = {"$ref": "#gone", "$anchor": "a", "$id": "b", "minimum": 1, "exclusiveMinimum": True}
    schema = of_properties(
        a={"default": value, "const": value, "enum": [value], "examples": [value]}, minimum=A
    )
    assert read_schema(schema) == schema
    # A reference to one does not make it a schema that can be read.
    root = {"$ref": "#/examples/0", "examples": [value]}
    assert "'#gone', which it does not define" in refused(lambda: read_schema(root))[0]


@pytest.mark.parametrize(
    ("draft_4", "as_read"),
    [
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"maximum": 0.5, "exclusiveMaximum": True}, {"exclusiveMaximum": 0.5}),
        ({"minimum": 1, "exclusiveMinimum": False}, {"minimum": 1}),
        ({"exclusiveMaximum": False}, {}),
        (
            {"minimum": 1, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False},
            {"exclusiveMinimum": 1, "maximum": 9},
        ),
        ({"minimum": 1, "exclusiveMinimum": 0}, {"minimum": 1, "exclusiveMinimum": 0}),
    ],
)
def test_a_limit_that_draft_4_excludes_is_a_number(draft_4: Any, as_read: Any) -> None:
    def everywhere(part: Any) -> dict[str, Any]:
        return of_properties(
            a=part, minimum={"items": part}, exclusiveMinimum=True, b={"anyOf": [part, A]}
        ) | {"$defs": {"A": part}, "additionalProperties": part}

    assert read_schema(everywhere(draft_4)) == everywhere(as_read)


# As zod-to-json-schema and other libraries write tuples by default.
@pytest.mark.parametrize(
    ("old", "as_read"),
    [
        ({"items": [A, B]}, {"prefixItems": [A, B]}),
        ({"items": [A], "additionalItems": B}, {"prefixItems": [A], "items": B}),
        ({"items": [A], "additionalItems": False}, {"prefixItems": [A], "items": False}),
        ({"items": [], "maxItems": 0}, {"maxItems": 0}),
        ({"items": [], "additionalItems": A}, {"items": A}),
        ({"items": A, "additionalItems": B}, {"items": A, "additionalItems": B}),
        ({"items": [{"items": [A]}]}, {"prefixItems": [{"prefixItems": [A]}]}),
    ],
)
def test_a_tuple_of_an_older_draft_is_read(old: Any, as_read: Any) -> None:
    whole = of_properties(a=old, items=A, b={"anyOf": [old, A]})
    assert read_schema(whole) == of_properties(a=as_read, items=A, b={"anyOf": [as_read, A]})


def test_a_reference_into_a_tuple_of_an_older_draft_is_moved() -> None:
    pair = {"items": [A, {"items": [B]}], "additionalItems": A}
    paths = ("a/items/0", "a/items/1/items/0", "a/items", "items")
    referring = {f"r{n}": {"$ref": f"#/properties/{path}"} for n, path in enumerate(paths)}
    read = read_schema(of_properties(a=pair, items=B, **referring))
    moved = ("a/prefixItems/0", "a/prefixItems/1/prefixItems/0", "a/items", "items")
    assert [read["properties"][f"r{n}"]["$ref"] for n in range(4)] == [
        f"#/properties/{path}" for path in moved
    ]


def test_a_list_of_items_beside_a_tuple_is_refused() -> None:
    refused(lambda: read_schema(of_properties(a={"items": [A], "prefixItems": [A]})))


@pytest.mark.parametrize(
    "part", [{"exclusiveMinimum": True}, {"minimum": "1", "exclusiveMinimum": True}]
)
def test_a_limit_that_excludes_nothing_is_refused(part: Any) -> None:
    assert "at ['properties']['a']" in refused(lambda: read_schema(of_properties(a=part)))[0]


WORDS = st.sampled_from(
    [
        *("$ref", "$id", "$anchor", "$defs", "properties", "items", "anyOf", "type", "examples"),
        *("minimum", "exclusiveMinimum", "a", "b"),
    ]
)
REFERENCES = st.sampled_from(
    ["#", "#a", "b#a", "b", "#/$defs/a", "b#/$defs/b", "#/anyOf/0", "#/anyOf/a", "#/type/x", "a:"]
)
PARTS = st.recursive(
    REFERENCES | st.booleans() | st.sampled_from(["object", "a", "b", 1]),
    lambda parts: st.lists(parts, max_size=2) | st.dictionaries(WORDS, parts, max_size=4),
)


@given(st.dictionaries(WORDS, PARTS, max_size=5))
def test_whatever_is_sent_is_read_or_refused(schema: dict[str, Any]) -> None:
    with suppress(APIError):
        read = object_schema(schema, "a test", "schema")
        assert object_schema(read, "a test", "schema") == read


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


def test_a_name_may_hold_half_of_a_surrogate_pair() -> None:
    schema = {"type": "object", "properties": {"a\ud800": {"type": "string"}}}
    assert object_schema(schema, "function 'f'", "tools") == schema
