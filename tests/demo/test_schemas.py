"""What structured outputs refuse in a JSON schema, and what they take and a value is made for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claudeproxy.demo.instance import instance
from claudeproxy.demo.schemas import (
    DEEPEST,
    LARGEST,
    TOO_COMPLEX,
    Complexity,
    complexity,
    schema_problems,
)
from claudeproxy.demo.strings import STRING_FORMATS
from claudeproxy.demo.structured import fits, misfit


STRING = {"type": "string"}
NULL = {"type": "null"}


def of(*required: str, **properties: Any) -> dict[str, Any]:
    """The schema of an object; all properties are required if no names are given."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required or properties),
        "additionalProperties": False,
    }


def nested(depth: int) -> Any:
    schema: Any = NULL
    for _ in range(depth - 1):
        schema = {"type": "array", "items": schema}
    return schema


def chain(length: int, twice: bool = False) -> dict[str, Any]:
    """Definitions that each refer to the next one, once or twice."""
    definitions: dict[str, Any] = {f"d{length}": NULL}
    for index in range(length):
        following = {"$ref": f"#/$defs/d{index + 1}"}
        definitions[f"d{index}"] = of(a=following, b=following if twice else NULL)
    return {"$ref": "#/$defs/d0", "$defs": definitions}


TAKEN: list[Any] = [
    *({"type": kind} for kind in ("string", "integer", "number", "boolean", "null", "array")),
    of(),
    of(a=STRING),
    {"type": "object", "additionalProperties": False},
    {"type": ["string", "null"]},
    {**of(a=STRING), "type": ["object", "null"]},
    {"enum": ["a", 1, 1.5, True, None]},
    {"type": "string", "enum": ["a", "b"]},
    *({"const": value} for value in ("a", 1, True, None)),
    {"anyOf": [STRING, of(a=NULL)]},
    {"allOf": [of(a=STRING), of(a={"const": "a"})]},
    {"$ref": "#/$defs/A", "$defs": {"A": STRING}},
    {
        "$ref": "#/definitions/A",
        "definitions": {"A": of(b={"$ref": "#/definitions/b~1c"}), "b/c": NULL},
    },
    {**of(a={"$ref": "#/$defs/A"}, b={"$ref": "#/$defs/A"}), "$defs": {"A": STRING}},
    of(a=STRING, b={"$ref": "#/properties/a"}),
    {"type": "string", "default": "a", "title": "A", "description": "What it is."},
    {"type": "string", "$schema": "https://json-schema.org/draft/2020-12/schema", "examples": [1]},
    *({"type": "string", "format": name} for name in STRING_FORMATS),
    *({"type": "array", "items": STRING, "minItems": least} for least in (0, 1)),
    {"type": "string", "pattern": r"^[A-Z]{2,3}-\d+$"},
    nested(DEEPEST),
    # Each definition, each reference: two in one another.
    chain(DEEPEST // 2 - 1),
    chain(5, twice=True),
    of(**{"größe": STRING, "a b": STRING}),
]


@pytest.mark.parametrize("schema", TAKEN)
def test_takes(schema: Any) -> None:
    assert list(schema_problems(schema)) == []


@pytest.mark.parametrize("schema", TAKEN)
def test_a_value_is_made_for_what_is_taken(schema: Any) -> None:
    assert fits(instance(schema), schema)
    assert not fits(misfit(schema), schema)


CLOSED = "For 'object' type, 'additionalProperties' must be explicitly set to false"
PLEASE = "Please set 'additionalProperties' to false"
SAYS_NOTHING = "Schema must have one of type, enum, const, anyOf, allOf, $ref"
COMPLEX_VALUES = "complex values in 'enum' or 'const' are not supported"


def circular(way: str) -> str:
    return (
        f"Circular reference detected in schema definitions: {way}. "
        "Self-referencing or mutually-referencing definitions are not supported."
    )


def alone(kind: str, word: str, value: Any = 1) -> tuple[Any, str]:
    """A keyword that the API does not support, in a schema of this type."""
    closed = {"additionalProperties": False} if kind == "object" else {}
    message = f"For '{kind}' type, property '{word}' is not supported"
    return {"type": kind, word: value, **closed}, message


REFUSED: list[tuple[Any, str]] = [
    (True, "Input should be a valid dictionary"),
    ({}, SAYS_NOTHING),
    ({"description": "Anything"}, SAYS_NOTHING),
    ({"properties": {}, "additionalProperties": False}, SAYS_NOTHING),
    (of(a={}), SAYS_NOTHING),
    (of(a=True), "Input should be a valid dictionary"),
    ({"type": "array", "items": {}}, SAYS_NOTHING),
    ({"anyOf": [STRING, {}]}, SAYS_NOTHING),
    ({"allOf": [STRING, {}]}, SAYS_NOTHING),
    ({**STRING, "$defs": {"unused": {}}}, SAYS_NOTHING),
    ({"type": "object"}, CLOSED),
    ({"type": ["null", "object"]}, CLOSED),
    ({"type": "array", "items": {"type": "object"}}, CLOSED),
    ({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object"}}}, CLOSED),
    ({"type": "object", "additionalProperties": None}, CLOSED),
    (
        {"type": "object", "additionalProperties": True},
        f"For 'object' type, 'additionalProperties: true' is not supported. {PLEASE}",
    ),
    (
        {"type": "object", "additionalProperties": STRING},
        f"For 'object' type, 'additionalProperties: object' is not supported. {PLEASE}",
    ),
    ({"enum": ["a", ["b"]]}, COMPLEX_VALUES),
    ({"type": "object", "additionalProperties": False, "const": {}}, "For 'object' type, "),
    ({"const": []}, COMPLEX_VALUES),
    *(
        alone(kind, word)
        for kind in ("integer", "number")
        for word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
    ),
    (
        {"type": "number", "minimum": 0, "maximum": 1},
        "For 'number' type, properties maximum, minimum are not supported",
    ),
    alone("string", "minLength"),
    alone("string", "maxLength"),
    alone("array", "maxItems"),
    alone("array", "uniqueItems", True),
    alone("array", "uniqueItems", False),
    alone("array", "prefixItems", [STRING]),
    alone("array", "contains", STRING),
    alone("object", "patternProperties", {}),
    alone("object", "propertyNames", STRING),
    alone("object", "minProperties"),
    alone("object", "dependentRequired", {}),
    ({"const": 1, "maximum": 1}, "property 'maximum' is not supported"),
    (of(a={"type": "integer", "minimum": 0}), "For 'integer' type, property 'minimum' is not"),
    *(
        (
            {"type": "array", "minItems": least},
            "For 'array' type, 'minItems' values other than 0 or 1 are not supported "
            f"(got: [{least}, ∞])",
        )
        for least in (2, -1, True)
    ),
    ({"oneOf": [STRING]}, "Schema type 'oneOf' is not supported"),
    ({**STRING, "not": {"const": "a"}}, "Schema type 'not' is not supported"),
    ({**STRING, "if": {"const": "a"}}, "Schema type 'if' is not supported"),
    ({"type": "any"}, "Schema type 'any' is not supported"),
    ({"type": ["string", "any"]}, "Schema type 'any' is not supported"),
    ({"type": "string", "format": "regex"}, "For 'string' type, 'format' value 'regex' is not"),
    ({"type": "integer", "format": "int32"}, "For 'integer' type, 'format' value 'int32' is not"),
    ({"type": "string", "pattern": r"(a)\1"}, "For 'string' type, 'pattern' is not supported: it"),
    ({"type": "string", "pattern": "(?=a)"}, "For 'string' type, 'pattern' is not supported: it"),
    ({"type": "string", "pattern": r"\ba"}, "For 'string' type, 'pattern' is not supported: it"),
    ({"$ref": "https://example.com/a.json"}, "External '$ref' is not supported: 'https://exam"),
    ({"$ref": "other.json#/$defs/A"}, "External '$ref' is not supported: 'other.json#/$defs/A'"),
    ({"$ref": "#/$defs/A"}, "'$ref' points to no schema: '#/$defs/A'"),
    ({"$ref": "#/$defs", "$defs": {"A": STRING}}, "'$ref' points to no schema: '#/$defs'"),
    ({"$ref": "#/other", "other": {"items": 3}}, "'$ref' points to no schema: '#/other'"),
    (
        {"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": STRING}},
        "'$ref' within 'allOf' is not supported",
    ),
    ({"$ref": "#"}, circular("# -> #")),
    (of(a={"$ref": "#"}), circular("# -> #")),
    (of(a={"$ref": "#/properties/a"}), circular("a -> a")),
    ({**STRING, "$defs": {"A": of(b={"$ref": "#/$defs/A"})}}, circular("A -> A")),
    (
        {
            **of(a={"$ref": "#/$defs/A"}),
            "$defs": {
                "A": of(b={"anyOf": [NULL, {"$ref": "#/$defs/B"}]}),
                "B": {"type": "array", "items": {"$ref": "#/$defs/A"}},
            },
        },
        circular("A -> B -> A"),
    ),
    (nested(DEEPEST + 1), TOO_COMPLEX),
    (nested(5000), TOO_COMPLEX),
    (chain(DEEPEST), TOO_COMPLEX),
    (chain(3000), TOO_COMPLEX),
    (chain(12, twice=True), TOO_COMPLEX),
    (of(**{f"p{n}": STRING for n in range(LARGEST)}), TOO_COMPLEX),
    ({"type": []}, "'type' must be a string or a list of strings"),
    ({"type": 3}, "'type' must be a string or a list of strings"),
    ({**of(), "properties": []}, "'properties' must be an object"),
    ({**STRING, "$defs": []}, "'$defs' must be an object"),
    ({"enum": []}, "'enum' must be a list that is not empty"),
    ({"anyOf": []}, "'anyOf' must be a list that is not empty"),
    ({"allOf": {}}, "'allOf' must be a list that is not empty"),
    ({**of(), "required": "a"}, "'required' must be a list of strings"),
    ({**of(), "required": [1]}, "'required' must be a list of strings"),
    ({"$ref": 3}, "'$ref' must be a string"),
    ({"type": "string", "format": 3}, "'format' must be a string"),
    ({"type": "string", "pattern": 3}, "'pattern' must be a string"),
]


@pytest.mark.parametrize(("schema", "start"), REFUSED)
def test_refuses(schema: Any, start: str) -> None:
    problem = next(schema_problems(schema), None)
    assert problem is not None
    assert problem.startswith(start), problem


@pytest.mark.parametrize(
    ("schema", "counted"),
    [
        (STRING, Complexity()),
        (of(a=STRING), Complexity()),
        ({**of(a=STRING, b=STRING), "required": ["a"]}, Complexity(1)),
        ({**of(a=STRING), "required": []}, Complexity(1)),
        ({"type": "array", "items": {**of(a=STRING), "required": []}}, Complexity(1)),
        ({"anyOf": [NULL, {**of(a=STRING), "required": []}]}, Complexity(1)),
        (of(a={"type": ["string", "null"]}, b={"anyOf": [STRING, NULL]}), Complexity(0, 2)),
        (of(a=of(b={"type": ["string"]})), Complexity(0, 1)),
        (
            {
                **of(a={"$ref": "#/$defs/A"}, b={"$ref": "#/$defs/A"}),
                "$defs": {"A": {"anyOf": [NULL, {**of(c=STRING), "required": []}]}},
            },
            Complexity(1, 2),
        ),
    ],
)
def test_optional_properties_and_unions_are_counted(schema: Any, counted: Complexity) -> None:
    assert complexity(schema) == counted


_LEAVES = st.sampled_from(
    [
        *({"type": kind} for kind in ("string", "integer", "number", "boolean", "null")),
        *({"type": "string", "format": name} for name in STRING_FORMATS),
        {"type": ["null", "string"]},
        {"enum": ["a", 1, None]},
        {"type": "integer", "enum": ["a", 2]},
        {"const": True},
        {"type": "string", "pattern": r"^\d{3}$"},
        {"allOf": [{"type": ["string", "null"]}, {"type": ["null", "integer"]}]},
        {"allOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]},
        {"type": "number", "allOf": [{"type": "integer"}]},
    ]
)
_SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    _LEAVES,
    lambda inner: (
        st.builds(lambda a, b: of("b", a=a, b=b), inner, inner)
        | st.builds(lambda a: {"allOf": [of(a=a), of(a=a)]}, inner)
        | st.builds(lambda a: {"type": "array", "items": a, "minItems": 1}, inner)
        | st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner)
    ),
    max_leaves=8,
)


@given(_SCHEMAS)
@settings(deadline=None)
def test_whatever_is_taken_has_a_value_that_fits(schema: Any) -> None:
    assert list(schema_problems(schema)) == []
    assert fits(instance(schema), schema)


_WORDS = ("type", "properties", "items", "anyOf", "$ref", "$defs", "enum", "required", "minItems")
_ATOMS = st.sampled_from([None, True, 0, 2.5, "", "#", "#/$defs/type", "object", "string"])
_SHAPES: st.SearchStrategy[Any] = st.recursive(
    _ATOMS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner),
    max_leaves=10,
)


@given(_SHAPES)
@settings(deadline=None)
def test_whatever_comes_is_answered(schema: Any) -> None:
    assert next(schema_problems(schema), "") is not None
