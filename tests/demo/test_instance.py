"""Made-up values validate against the schemas they are made for."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.demo.instance import instance


# Not a dependency of the tests, but the official SDK brings it along.
jsonschema: Any = pytest.importorskip("jsonschema")

TREE = {
    "type": "object",
    "properties": {
        "kids": {"type": "array", "items": {"$ref": "#"}},
        "at": {"$ref": "#/$defs/a~1b"},
    },
    "required": ["kids", "at"],
    "$defs": {"a/b": {"type": "string", "minLength": 6}},
}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "object"}, {}),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, {}),
        (TREE, {"kids": [], "at": "demoxx"}),
        ({"type": "string"}, "demo"),
        ({"type": "string", "maxLength": 2}, "de"),
        ({"enum": ["k", "l"]}, "k"),
        ({"const": 0}, 0),
        ({"type": "boolean"}, False),
        ({"type": "null"}, None),
        ({"type": ["integer", "null"]}, 0),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "minimum": 2.5}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "integer", "minimum": 4, "multipleOf": 3}, 6),
        ({"type": "number", "minimum": 0.2, "maximum": 0.4}, 0.2),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [0, 0]),
        ({"type": "integer", "description": "Age.\nConstraints: minimum 3, maximum 9."}, 3),
        ({"type": "number", "description": "Constraints: exclusiveMinimum 0.5."}, 1),
        ({"type": "integer", "description": "The minimum 3 does not hold."}, 0),
        (
            {
                "type": "array",
                "items": {"type": "integer"},
                "description": "Constraints: minItems 2.",
                "minItems": 1,
            },
            [0, 0],
        ),
        (
            {"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True},
            [0, 1, 2],
        ),
        ({"type": "array", "prefixItems": [{"const": 1}], "items": {}, "minItems": 2}, [1, None]),
        (
            {
                "type": "array",
                "items": {},
                "minItems": 3,
                "description": "A.\nThe first items, in this order: "
                '[{"const": 1}, {"const": 2}]\nAll further items: {"const": 3}\nB.',
            },
            [1, 2, 3],
        ),
        (
            {
                "type": "array",
                "items": {"type": "integer"},
                "minItems": 1,
                "description": "The first items, in this order: any",
            },
            [0],
        ),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 0),
        ({"oneOf": [{"const": 1}, {"const": 2}]}, 1),
        (
            {
                "allOf": [
                    {"properties": {"a": {"type": "string"}}, "required": ["a"]},
                    {"properties": {"b": {"type": "integer"}}, "required": ["b"]},
                ],
                "type": "object",
            },
            {"a": "demo", "b": 0},
        ),
        ({"required": ["x"], "additionalProperties": {"type": "integer"}}, {"x": 0}),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "string", "format": "unknown"}, "demo"),
        ({"type": "string", "pattern": r"^\d{2}$"}, "00"),
        ({"type": "string", "pattern": "^[a-z]+$"}, "demo"),
        ({"type": "string", "pattern": "^x*$", "minLength": 0}, ""),
        ({"type": "integer", "enum": ["a", True, 3]}, 3),
        ({"type": ["string", "null"], "anyOf": [{"type": "null"}]}, None),
        ({"allOf": [{"type": "number"}, {"type": "integer"}]}, 0),
        ({"allOf": [{"enum": [1, 2]}, {"enum": [2, 3]}]}, 2),
        (
            {
                "type": "object",
                "required": ["a"],
                "allOf": [
                    {"properties": {"a": {"type": ["string", "integer"]}}},
                    {"properties": {"a": {"type": ["integer", "null"]}}},
                ],
            },
            {"a": 0},
        ),
    ],
)
def test_the_smallest_value(schema: dict[str, Any], expected: Any) -> None:
    made = instance(schema)
    assert made == expected
    assert type(made) is type(expected)
    jsonschema.validate(made, schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"anyOf": [{"$ref": "#"}]},
        {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
    ],
)
def test_a_schema_without_an_end_has_one(schema: dict[str, Any]) -> None:
    instance(schema)


def test_the_properties_come_in_the_order_of_required_or_of_their_definitions() -> None:
    one = {"type": "integer"}
    schema = {"properties": {"a": one, "b": one, "c": one}, "required": ["c", "d", "a"]}
    assert list(instance(schema)) == ["c", "d", "a"]
    assert list(instance(schema, in_order=True)) == ["a", "c", "d"]
