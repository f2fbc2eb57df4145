"""What becomes of each keyword in a schema for the API."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from claudeproxy.structured import api_schema
from claudeproxy.structured.api_schema import NotSayable, Sayable, for_api
from claudeproxy.structured.check import mismatch
from claudeproxy.structured.keywords import plain_pattern

from .language import refused


STRING: dict[str, Any] = {"type": "string"}
INTEGER: dict[str, Any] = {"type": "integer"}
NULL: dict[str, Any] = {"type": "null"}


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def inside(schema: Any) -> Any:
    """A schema as the property of an object."""
    return {**closed(a=schema), "required": ["a"]}


def said(schema: Any) -> tuple[Any, tuple[str, ...]]:
    """The schema that a property's schema becomes, and what is checked."""
    found = for_api(inside(schema))
    assert isinstance(found, Sayable), found
    assert refused(found.schema) == []
    assert found.schema["required"] == ["a"]
    return found.schema["properties"]["a"], found.checked


def reason(schema: Any) -> str:
    found = for_api(schema)
    assert isinstance(found, NotSayable), found
    return found.reason


@pytest.mark.parametrize(
    "schema",
    [
        *({"type": kind} for kind in ("string", "integer", "number", "boolean", "null")),
        {"type": ["string", "null"]},
        {"enum": ["a", 1, 1.5, True, None]},
        {"const": "a"},
        {"title": "T", "description": "D", "default": "x", "type": "string"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "pattern": "^[a-z]+$"},
        {"type": "array", "items": STRING},
        {"type": "array", "items": STRING, "minItems": 1},
        {"anyOf": [STRING, NULL]},
        closed(b=STRING),
        {**closed(b=STRING, c=INTEGER), "required": ["c"]},
        closed(),
    ],
)
def test_what_the_api_takes_stays(schema: Any) -> None:
    assert said(schema) == (schema, ())


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        # Objects are closed.
        ({"type": "object", "properties": {"b": STRING}}, closed(b=STRING)),
        ({"properties": {"b": STRING}, "additionalProperties": True}, closed(b=STRING)),
        ({"properties": {"b": STRING}, "additionalProperties": {}}, closed(b=STRING)),
        ({"properties": {"b": STRING}, "unevaluatedProperties": False}, closed(b=STRING)),
        ({"type": "object", "additionalProperties": False}, closed()),
        ({"type": "object", "unevaluatedProperties": False}, closed()),
        ({"properties": {"b": STRING, "c": False}}, closed(b=STRING)),
        ({"properties": {"b": STRING}, "patternProperties": {}}, closed(b=STRING)),
        (
            {"properties": {"b": STRING}, "required": ["b", "b"]},
            {**closed(b=STRING), "required": ["b"]},
        ),
        # A schema without a type gets the type that its keywords are about.
        ({"pattern": "^a"}, {"type": "string", "pattern": "^a"}),
        ({"format": "uuid"}, {"type": "string", "format": "uuid"}),
        ({"items": STRING}, {"type": "array", "items": STRING}),
        # Types.
        ({"type": ["string"]}, STRING),
        ({"type": ["integer", "number"]}, {"type": "number"}),
        # Values that do not fit are left out.
        ({"type": "string", "enum": ["a", 1, None]}, {"enum": ["a"]}),
        ({"type": "integer", "enum": [1, 1.5, 2.0, True]}, {"enum": [1, 2.0]}),
        ({"type": "string", "enum": ["a", {"b": 1}]}, {"enum": ["a"]}),
        ({"type": ["string", "null"], "enum": ["a", None, 0]}, {"enum": ["a", None]}),
        ({"enum": [1, 2, 3, "x"], "minimum": 2}, {"enum": [2, 3, "x"]}),
        ({"enum": ["a", "b"], "not": {"const": "a"}}, {"enum": ["b"]}),
        ({"enum": ["a", "b", 1], "anyOf": [{"const": "a"}, INTEGER]}, {"enum": ["a", 1]}),
        ({"enum": ["a", "b"], "pattern": "^(?=a)"}, {"enum": ["a"]}),
        ({"enum": ["a", "b"], "pattern": r"^\p{L}"}, {"enum": ["a", "b"]}),
        ({"enum": [1, True, 1.0]}, {"enum": [1.0, True]}),
        ({"const": "a", "enum": ["a", "b"], "type": "string"}, {"const": "a"}),
        # Limits that have no effect.
        ({"type": "string", "minLength": 0, "minimum": 3}, STRING),
        (
            {"type": "array", "items": STRING, "uniqueItems": False},
            {"type": "array", "items": STRING},
        ),
        ({"type": "array", "items": STRING, "minItems": 0}, {"type": "array", "items": STRING}),
        ({"type": "string", "if": {"minLength": 1}}, STRING),
        ({"type": "string", "then": {"minLength": 1}, "minContains": 1}, STRING),
        ({"type": "string", "additionalProperties": STRING, "items": {}}, STRING),
        # Annotations.
        (
            {"type": "string", "nullable": True, "deprecated": True, "x-a": 1, "$comment": "c"},
            STRING,
        ),
        (
            {"type": "string", "examples": ["a", "é"]},
            {"type": "string", "description": 'Examples: "a", "é".'},
        ),
        (
            {"type": "integer", "format": "int32"},
            {"type": "integer", "description": "Format: int32."},
        ),
        # Patterns.
        ({"pattern": "^(?:a|b)+$"}, {"type": "string", "pattern": "^(a|b)+$"}),
        # Unions with a type beside them.
        ({"type": "string", "anyOf": [STRING, INTEGER]}, {"anyOf": [STRING]}),
        ({"type": ["string", "null"], "anyOf": [STRING, NULL]}, {"anyOf": [STRING, NULL]}),
        (
            {"type": "string", "anyOf": [{"pattern": "^a"}, {"format": "date"}]},
            {"anyOf": [{"type": "string", "pattern": "^a"}, {"type": "string", "format": "date"}]},
        ),
        ({"type": "integer", "anyOf": [{"type": "number"}, NULL]}, {"anyOf": [INTEGER]}),
        ({"anyOf": [STRING, False, STRING]}, {"anyOf": [STRING]}),
        (
            {"anyOf": [{"properties": {"b": STRING}}, NULL], "unevaluatedProperties": False},
            {"anyOf": [closed(b=STRING), NULL]},
        ),
        # allOf.
        ({"allOf": [STRING, {"pattern": "^a"}]}, {"type": "string", "pattern": "^a"}),
        ({"allOf": [{"type": "number"}, INTEGER]}, INTEGER),
        ({"allOf": [STRING, True]}, STRING),
        ({"allOf": [{"enum": [1, 2]}, {"enum": [2.0, 3]}]}, {"enum": [2.0]}),
        (
            {
                "allOf": [
                    {"properties": {"b": STRING}},
                    {"properties": {"c": INTEGER}, "required": ["c"]},
                ],
                "unevaluatedProperties": False,
            },
            {**closed(b=STRING, c=INTEGER), "required": ["c"]},
        ),
        (
            {"properties": {"b": STRING}, "allOf": [{"required": ["b"], "description": "D"}]},
            {"description": "D", **closed(b=STRING), "required": ["b"]},
        ),
        (
            {"allOf": [{"properties": {"b": STRING}}, {"properties": {"b": {"pattern": "^a"}}}]},
            closed(b={"type": "string", "pattern": "^a"}),
        ),
        (
            {"allOf": [{"items": STRING}, {"items": {"format": "date"}}]},
            {"type": "array", "items": {"type": "string", "format": "date"}},
        ),
        # Tuples of one kind of item.
        ({"prefixItems": [STRING, STRING]}, {"type": "array", "items": STRING}),
    ],
)
def test_what_has_an_exact_or_a_narrower_equivalent_is_written_so(
    schema: Any, written: Any
) -> None:
    assert said(schema) == (written, ())


@pytest.mark.parametrize(
    ("schema", "words", "checked"),
    [
        ({"type": "integer", "minimum": 3}, "minimum 3", ["minimum"]),
        ({"type": "number", "maximum": 3.5}, "maximum 3.5", ["maximum"]),
        ({"exclusiveMinimum": 3}, "exclusiveMinimum 3", ["exclusiveMinimum"]),
        ({"exclusiveMaximum": 3}, "exclusiveMaximum 3", ["exclusiveMaximum"]),
        ({"multipleOf": 3}, "multipleOf 3", ["multipleOf"]),
        (
            {"type": "string", "minLength": 1, "maxLength": 2},
            "minLength 1, maxLength 2",
            ["maxLength", "minLength"],
        ),
        ({"type": "string", "pattern": "^(?=a)"}, "pattern ^(?=a)", ["pattern"]),
        ({"items": STRING, "minItems": 2}, "minItems 2", ["minItems"]),
        ({"items": STRING, "maxItems": 0}, "maxItems 0", ["maxItems"]),
        ({"items": STRING, "uniqueItems": True}, "uniqueItems true", ["uniqueItems"]),
        (
            {"items": STRING, "contains": {"const": "a"}, "maxContains": 2},
            'contains {"const": "a"} maxContains 2',
            ["contains"],
        ),
        ({"prefixItems": [STRING], "items": False}, "at most 1 items", ["prefixItems"]),
        ({**closed(b=STRING), "minProperties": 1}, "minProperties 1", ["minProperties"]),
        ({**closed(b=STRING), "maxProperties": 0}, "maxProperties 0", ["maxProperties"]),
        (
            {**closed(b=STRING), "propertyNames": {"maxLength": 0}},
            'propertyNames {"maxLength": 0}',
            ["propertyNames"],
        ),
        (
            {**closed(b=STRING, c=STRING), "dependentRequired": {"b": ["c"]}},
            'dependentRequired {"b": ["c"]}',
            ["dependentRequired"],
        ),
        (
            {**closed(b=STRING, c=STRING), "dependentSchemas": {"b": {"required": ["c"]}}},
            'dependentSchemas {"b": {"required": ["c"]}}',
            ["dependentSchemas"],
        ),
        ({**STRING, "not": {"const": "a"}}, 'not {"const": "a"}', ["not"]),
        (
            {**STRING, "if": {"minLength": 3}, "then": {"maxLength": 4}, "else": False},
            'if {"minLength": 3} then {"maxLength": 4} else false',
            ["if"],
        ),
        (
            {**closed(b=STRING, c=STRING), "anyOf": [{"required": ["b"]}, {"required": ["c"]}]},
            'anyOf [{"required": ["b"]}, {"required": ["c"]}]',
            ["anyOf"],
        ),
        ({"anyOf": [INTEGER, NULL], "maximum": 3}, "maximum 3", ["maximum"]),
        (
            {"allOf": [{"minLength": 1}, {"minLength": 2}]},
            "minLength 1, minLength 2",
            ["minLength"],
        ),
        ({"allOf": [{"pattern": "^a"}, {"pattern": "b"}]}, "pattern b", ["pattern"]),
    ],
)
def test_what_the_api_does_not_take_is_described_and_checked(
    schema: Any, words: str, checked: list[str]
) -> None:
    written, to_check = said({**schema, "description": "D"})
    assert written["description"] == f"D\nConstraints: {words}."
    assert to_check == tuple(checked)


def test_one_of_becomes_any_of_and_is_checked() -> None:
    assert said({"oneOf": [STRING, INTEGER]}) == ({"anyOf": [STRING, INTEGER]}, ("oneOf",))


def test_more_than_one_item_is_said_as_at_least_one() -> None:
    assert said({"items": STRING, "minItems": 3})[0]["minItems"] == 1


def test_a_long_limit_is_checked_but_not_described() -> None:
    schema = {**STRING, "not": {"enum": ["a" * 2000]}}
    assert said(schema) == (STRING, ("not",))


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({}, "the schema at '/properties/a' accepts anything"),
        (True, "the schema at '/properties/a' accepts anything"),
        ({"description": "D", "x-a": 1}, "the schema at '/properties/a' accepts anything"),
        ({"not": STRING}, "the schema at '/properties/a' accepts anything"),
        ({"anyOf": [STRING, {}]}, "the schema at '/properties/a/anyOf/1' accepts anything"),
        (False, "no value fits the schema at '/properties/a'"),
        ({"anyOf": [False]}, "no value fits the schema at '/properties/a'"),
        ({"allOf": [STRING, INTEGER]}, "no type fits the schema at '/properties/a'"),
        ({**INTEGER, "enum": ["a"]}, "no allowed value fits the schema at '/properties/a'"),
        ({"enum": [[1]]}, "an allowed value at '/properties/a' is an array or an object"),
        ({"const": {}}, "an allowed value at '/properties/a' is an array or an object"),
        ({"type": "object"}, "the object at '/properties/a' may have properties of any name"),
        (
            {"type": "object", "properties": {}},
            "the object at '/properties/a' may have properties of any name",
        ),
        *(
            (
                {**closed(b=STRING), word: value},
                "the object at '/properties/a' may have properties of any name",
            )
            for word, value in (
                ("additionalProperties", STRING),
                ("unevaluatedProperties", STRING),
                ("patternProperties", {"^x": STRING}),
            )
        ),
        (
            {"anyOf": [closed(b=STRING)], "additionalProperties": STRING},
            "the object at '/properties/a' may have properties of any name",
        ),
        (
            {"properties": {"b": STRING}, "required": ["c"]},
            "the object at '/properties/a' requires 'c', which is not in its properties",
        ),
        (
            {"properties": {"b": False}, "required": ["b"]},
            "no value fits the schema at '/properties/a/properties/b'",
        ),
        ({"type": "array"}, "the items of the array at '/properties/a' can be anything"),
        ({"items": True}, "the schema at '/properties/a/items' accepts anything"),
        ({"items": False}, "no value fits the schema at '/properties/a/items'"),
        ({"prefixItems": [STRING, INTEGER]}, "the schema at '/properties/a' has 'prefixItems'"),
        (
            {"prefixItems": [{"const": 1}, {"const": True}]},
            "the schema at '/properties/a' has 'prefixItems'",
        ),
        ({"unevaluatedItems": STRING}, "the schema at '/properties/a' has 'unevaluatedItems'"),
        *(
            ({**STRING, word: "x"}, f"the schema at '/properties/a' has '{word}'")
            for word in ("$id", "$anchor", "$dynamicAnchor")
        ),
        ({"$dynamicRef": "#x"}, "the schema at '/properties/a' has '$dynamicRef'"),
        (
            {"allOf": [closed(b=STRING), closed(c=STRING)]},
            "the schema at '/properties/a' combines closed objects",
        ),
        (
            {"additionalProperties": False, "allOf": [closed(c=STRING)]},
            "the schema at '/properties/a' combines closed objects",
        ),
        (
            {
                "allOf": [
                    {"properties": {"b": STRING}, "unevaluatedProperties": False},
                    {"properties": {"c": STRING}},
                ]
            },
            "the schema at '/properties/a' combines closed objects",
        ),
        ({"$ref": "#x"}, "the '$ref' at '/properties/a' is not a JSON Pointer"),
        ({"$ref": "https://example.com/a"}, "the '$ref' at '/properties/a' is not a JSON Pointer"),
        (
            {"$ref": "#/$defs/x"},
            "the '$ref' at '/properties/a' refers to a schema that is not there",
        ),
        ({"$ref": "#/required/0"}, "the '$ref' at '/properties/a' does not refer to a schema"),
        ({"$ref": "#"}, "the schema at the root is recursive"),
        ({"items": {"$ref": "#/properties/a"}}, "the schema at '/properties/a' is recursive"),
    ],
)
def test_what_the_api_cannot_take_is_named_with_its_place(schema: Any, why: str) -> None:
    assert reason(inside(schema)) == why


def test_the_place_is_a_json_pointer() -> None:
    assert reason(closed(**{"a/b~c": {}})) == "the schema at '/properties/a~1b~0c' accepts anything"


# References


def test_used_definitions_stay_and_unused_ones_are_left_out() -> None:
    schema = {
        **inside({"$ref": "#/$defs/A"}),
        "$defs": {"A": {"items": {"$ref": "#/definitions/B"}}, "C": {"$ref": "#/$defs/C"}},
        "definitions": {"B": {"properties": {"b": STRING}}, "D": {}},
    }
    found = for_api(schema)
    assert isinstance(found, Sayable)
    assert found.schema == {
        **inside({"$ref": "#/$defs/A"}),
        "$defs": {"A": {"type": "array", "items": {"$ref": "#/definitions/B"}}},
        "definitions": {"B": closed(b=STRING)},
    }


@pytest.mark.parametrize(
    ("reference", "written"),
    [
        ({"$ref": "#/$defs/A", "$comment": "c", "x-a": 1}, {"$ref": "#/$defs/A"}),
        (
            {"$ref": "#/$defs/A", "description": "D"},
            {"title": "A", "description": "D\nA's", **STRING},
        ),
        (
            {"$ref": "#/$defs/A", "pattern": "^a"},
            {"title": "A", "description": "A's", **STRING, "pattern": "^a"},
        ),
        ({"allOf": [{"$ref": "#/$defs/A"}]}, {"title": "A", "description": "A's", **STRING}),
        ({"$ref": "#/properties/b/items"}, INTEGER),
        ({"$ref": "#/properties/b/anyOf/0"}, NULL),
        ({"$ref": "#/$defs/a~1b~0c%20%C3%A4"}, {"const": 1}),
        ({"$ref": "#/%24defs/A"}, {"$ref": "#/$defs/A"}),
        ({"$ref": "#/$defs/B/properties/b"}, NULL),
    ],
)
def test_references_stay_or_are_replaced_by_their_targets(reference: Any, written: Any) -> None:
    schema = {
        **closed(a=reference, b={"type": "array", "items": INTEGER, "anyOf": [NULL]}),
        "$defs": {
            "A": {"title": "A", "description": "A's", **STRING},
            "a/b~c ä": {"const": 1},
            "B": closed(b=NULL),
        },
    }
    found = for_api(schema)
    assert isinstance(found, Sayable)
    assert refused(found.schema) == []
    assert found.schema["properties"]["a"] == written


def test_a_definition_that_only_a_left_out_property_uses_is_left_out() -> None:
    lost = {"properties": {"c": {"$ref": "#/$defs/A"}, "d": False}, "required": ["c", "d"]}
    found = for_api({**closed(a=lost, b=STRING), "$defs": {"A": INTEGER}})
    assert found == Sayable(closed(b=STRING), ())


def test_too_many_values_to_filter_are_not_sayable() -> None:
    schema = {"enum": [*range(10_000)], "anyOf": [{"minimum": n} for n in range(1000)]}
    assert reason(inside(schema)) == "there are too many allowed values at '/properties/a'"


@pytest.mark.parametrize("wrong", [{"type": 5}, {"enum": 1}, {"required": "a"}, {"anyOf": [1]}, 3])
def test_a_reference_to_what_is_not_a_valid_schema_is_not_sayable(wrong: Any) -> None:
    schema = {**inside({"$ref": "#/x-parts/A"}), "x-parts": {"A": wrong}}
    assert reason(schema) == "the '$ref' at '/properties/a' does not refer to a schema"


@pytest.mark.parametrize("name", ["%FF", "%ED%A0%80", "\ud800", "-1"])
def test_odd_references_raise_no_error(name: str) -> None:
    assert "not there" in reason({**inside({"$ref": f"#/$defs/{name}"}), "$defs": {"A": STRING}})


def test_the_definition_false_counts_as_a_schema_that_nothing_fits() -> None:
    found = for_api({**closed(a={"$ref": "#/$defs/A"}, b=STRING), "$defs": {"A": False}})
    assert found == Sayable(closed(b=STRING), ())


@pytest.mark.parametrize(
    "definitions",
    [
        {"A": {"properties": {"b": {"$ref": "#/$defs/A"}}}},
        {"A": {"properties": {"b": {"$ref": "#/$defs/A", "description": "D"}}}},
        {"A": {"items": {"$ref": "#/$defs/B"}}, "B": {"anyOf": [NULL, {"$ref": "#/$defs/A"}]}},
        {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}},
        {"A": {"allOf": [{"$ref": "#/$defs/A"}]}},
    ],
)
def test_recursive_definitions_are_not_sayable(definitions: Any) -> None:
    schema = {**inside({"$ref": "#/$defs/A"}), "$defs": definitions}
    assert reason(schema) == "the schema at '/$defs/A' is recursive"


def test_a_definition_inside_a_schema_with_its_own_id_is_not_sayable() -> None:
    schema = {**inside({"$ref": "#/$defs/A/items"}), "$defs": {"A": {"$id": "x", "items": STRING}}}
    assert "has '$id'" in reason(schema)


# Limits of the API


def test_at_most_24_optional_properties() -> None:
    schema = closed(**{f"p{n}": STRING for n in range(25)})
    assert reason(schema) == "it has 25 optional properties, and the API takes 24"
    assert isinstance(for_api({**schema, "required": ["p7"]}), Sayable)


def test_at_most_16_unions() -> None:
    properties = {f"p{n}": {"type": ["string", "null"]} for n in range(16)}
    required = {"required": [*properties]}
    assert isinstance(for_api({**closed(**properties), **required}), Sayable)
    schema = {**closed(**properties, a={"anyOf": [STRING, NULL]}), "required": [*properties, "a"]}
    assert reason(schema) == "it has 17 unions of types, and the API takes 16"


def test_copies_of_definitions_do_not_grow_without_end() -> None:
    def twice(name: str) -> Any:
        one = {"$ref": f"#/$defs/{name}", "description": "D"}
        return {**closed(a=one, b=one), "required": ["a", "b"]}

    levels = {f"L{n}": twice(f"L{n + 1}") for n in range(15)}
    schema = {**twice("L0"), "$defs": {**levels, "L15": STRING}}
    assert reason(schema) == "the schema is larger than 200 kB without references"


def test_many_conditions_for_the_same_value_are_not_sayable() -> None:
    members = [{"properties": {"a": {"minLength": n}}} for n in range(150)]
    assert reason({"allOf": members}) == "the schema at '/allOf/100' combines too many schemas"
    limits = [{"type": "string", "minLength": n} for n in range(1000)]
    assert "200 kB" in reason({"allOf": limits})
    assert isinstance(for_api({"allOf": limits[:100]}), Sayable)


def test_a_large_schema_is_not_sayable() -> None:
    assert "200 kB" in reason(closed(a={"enum": [f"value {n}" for n in range(20_000)]}))


@pytest.mark.parametrize("levels", [60, 400, 100_000])
def test_deep_schemas_are_not_sayable(levels: int) -> None:
    schema: Any = STRING
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    assert reason(schema) == "the schema is nested too deeply"


# The root


def test_a_root_that_is_no_object_is_passed_on() -> None:
    assert for_api({"type": "array", "items": STRING}) == Sayable(
        {"type": "array", "items": STRING}, ()
    )
    assert for_api({"$schema": "x", "$id": "https://example.com/s", **STRING}) == Sayable(
        STRING, ()
    )


def test_a_reference_at_the_root_is_replaced() -> None:
    schema = {"$ref": "#/$defs/A", "$defs": {"A": closed(b=STRING)}}
    assert for_api(schema) == Sayable(closed(b=STRING), ())


def test_a_schema_is_converted_once_and_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = inside({"type": "integer", "minimum": 3, "examples": [4]})
    before = copy.deepcopy(schema)
    first = for_api(schema)
    monkeypatch.delattr(api_schema, "_Writer")
    assert for_api(json.loads(json.dumps(schema))) is first
    assert schema == before


def test_a_value_that_does_not_pass_the_check_fits_the_schema_of_the_api() -> None:
    schema = inside({"type": "integer", "minimum": 3})
    found = for_api(schema)
    assert isinstance(found, Sayable)
    assert Draft202012Validator(found.schema).is_valid({"a": 2})
    assert mismatch('{"a": 2}', schema) == "$.a: 2 is less than the minimum of 3"


# Patterns


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "^",
        "^a$",
        "a.b",
        r"^\d{3}-\d{4}$",
        "[a-z0-9_-]+",
        "[^a]",
        "(a|b)?c",
        "a{2,}",
        r"\.\$",
        r"^[\w.+-]+@\w+\.\w{2,}$",
        "a|b",
        "^(a|b)$",
        "é",
        r"[\]\\]",
    ],
)
def test_plain_patterns_stay(pattern: str) -> None:
    assert plain_pattern(pattern) == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        r"\bx",
        "(?=a)",
        "(?!a)",
        "(?<=a)b",
        r"(a)\1",
        "(?P<n>a)",
        "(?i)a",
        "a*?",
        "a++",
        "a**",
        r"\p{L}",
        r"\D",
        "a^b",
        "a$b",
        "^a|b$",
        "(a",
        "a)",
        "[a",
        "*a",
        "a{2,1}",
        "{",
        "[]a]",
        r"\u0041",
        "a{1000,}",
        "()*)",
        "\\",
        "^*",
        "(*)",
    ],
)
def test_other_patterns_are_not_plain(pattern: str) -> None:
    assert plain_pattern(pattern) is None


def test_groups_that_do_not_capture_become_groups_that_do() -> None:
    assert plain_pattern(r"^(?:a[(?:]|\(b)+$") == r"^(a[(?:]|\(b)+$"
