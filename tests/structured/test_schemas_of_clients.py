"""Schemas as common client libraries write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claudeproxy.dialects.json_schema import answer_schema
from claudeproxy.structured.api_schema import NotSayable, Sayable, for_api
from claudeproxy.structured.check import mismatch

from .language import refused


STRING: dict[str, Any] = {"type": "string"}


def title(name: str, **schema: Any) -> dict[str, Any]:
    return {"title": name, **schema}


# pydantic 2: Optional fields, nested models, limits, a discriminated union.
ORDER = {
    "$defs": {
        "Address": title(
            "Address",
            type="object",
            description="Where to send it.",
            properties={
                "street": title("Street", type="string", minLength=1),
                "zip": title("Zip", type="string", pattern="^[0-9]{5}$"),
                "country": {"$ref": "#/$defs/Country", "default": "DE"},
            },
            required=["street", "zip"],
        ),
        "Country": title("Country", enum=["DE", "FR"], type="string"),
        "Card": title(
            "Card",
            type="object",
            properties={
                "kind": title("Kind", const="card", type="string"),
                "number": title("Number", type="string"),
            },
            required=["kind", "number"],
        ),
        "Cash": title(
            "Cash",
            type="object",
            properties={"kind": title("Kind", const="cash", type="string")},
            required=["kind"],
        ),
    },
    "title": "Order",
    "type": "object",
    "properties": {
        "id": title("Id", type="string", format="uuid"),
        "note": title("Note", anyOf=[STRING, {"type": "null"}], default=None),
        "address": {"$ref": "#/$defs/Address"},
        "payment": title(
            "Payment",
            discriminator={
                "mapping": {"card": "#/$defs/Card", "cash": "#/$defs/Cash"},
                "propertyName": "kind",
            },
            oneOf=[{"$ref": "#/$defs/Card"}, {"$ref": "#/$defs/Cash"}],
        ),
        "prices": title("Prices", type="array", items={"type": "number", "exclusiveMinimum": 0}),
        "place": title(
            "Place",
            type="array",
            prefixItems=[{"type": "number"}, {"type": "number"}],
            minItems=2,
            maxItems=2,
        ),
    },
    "required": ["id", "address", "payment", "prices", "place"],
}
ORDERED = {
    "id": "x",
    "address": {"street": "a", "zip": "12345"},
    "payment": {"kind": "cash"},
    "prices": [1.5],
    "place": [1, 2],
}

# pydantic 1: definitions, and allOf with one reference.
PERSON = {
    "title": "Person",
    "type": "object",
    "properties": {
        "name": title("Name", type="string"),
        "home": title("Home", description="The address.", allOf=[{"$ref": "#/definitions/Home"}]),
        "age": title("Age", type="integer", minimum=0, exclusiveMaximum=150),
    },
    "required": ["name", "home"],
    "definitions": {
        "Home": title(
            "Home",
            type="object",
            properties={"city": title("City", type="string")},
            required=["city"],
        )
    },
}

# zod-to-json-schema: a schema that is used twice is referred to by its first place.
ROUTE = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "from": {
            "type": "object",
            "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}},
            "required": ["lat", "lon"],
            "additionalProperties": False,
        },
        "to": {"$ref": "#/properties/from"},
        "stops": {"type": "array", "items": {"$ref": "#/properties/to"}},
        "mode": {"type": "string", "enum": ["car", "train"]},
        "note": {"type": ["string", "null"]},
    },
    "required": ["from", "to", "stops", "mode", "note"],
    "additionalProperties": False,
}
POINT = {"lat": 1, "lon": 2.5}

# OpenAI's strict mode: all properties are required, and objects are closed.
EVENT = {
    "type": "object",
    "properties": {
        "name": STRING,
        "place": {"type": ["string", "null"], "description": "Where, if known."},
        "guests": {
            "type": "array",
            "items": {"anyOf": [{"$ref": "#/$defs/guest"}, {"type": "null"}]},
        },
    },
    "required": ["name", "place", "guests"],
    "additionalProperties": False,
    "$defs": {
        "guest": {
            "type": "object",
            "properties": {"name": STRING},
            "required": ["name"],
            "additionalProperties": False,
        }
    },
}


def action(name: str, **properties: Any) -> dict[str, Any]:
    """One action of a browser's agent, as an object with one property."""
    parameters = {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "title": f"{name}Action",
        "properties": {name: {"description": f"Do {name}.", **parameters}},
        "required": [name],
        "additionalProperties": False,
    }


AGENT = {
    "type": "object",
    "properties": {
        "thinking": {"anyOf": [STRING, {"type": "null"}], "default": None},
        "memory": STRING,
        "action": {
            "type": "array",
            "minItems": 1,
            "items": {
                "anyOf": [
                    action("click", index={"type": "integer", "minimum": 1}),
                    action(
                        "type", index={"type": "integer"}, text=STRING, clear={"type": "boolean"}
                    ),
                    action(
                        "scroll", down={"type": "boolean"}, pages={"type": "number", "default": 1.0}
                    ),
                    action("go", url=STRING, new_tab={"type": "boolean"}),
                    action("done", text=STRING, files={"type": "array", "items": STRING}),
                    *(
                        action(f"tool_{n}", value=STRING, kind={"enum": ["a", "b"]})
                        for n in range(30)
                    ),
                ]
            },
        },
    },
    "required": ["memory", "action"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "checked", "value"),
    [
        (ORDER, ("exclusiveMinimum", "maxItems", "minItems", "minLength", "oneOf"), ORDERED),
        (PERSON, ("exclusiveMaximum", "minimum"), {"name": "a", "home": {"city": "b"}}),
        (
            ROUTE,
            (),
            {"from": POINT, "to": POINT, "stops": [POINT], "mode": "car", "note": None},
        ),
        (EVENT, (), {"name": "a", "place": None, "guests": [{"name": "b"}, None]}),
        (AGENT, ("minimum",), {"memory": "m", "action": [{"click": {"index": 1}}]}),
    ],
)
def test_common_schemas_are_sayable(schema: Any, checked: Any, value: Any) -> None:
    schema = answer_schema(schema, "the answer", "text.format")
    said = for_api(schema)
    assert isinstance(said, Sayable), said
    assert said.checked == checked
    assert refused(said.schema) == []
    for one in (said.schema, schema):
        assert mismatch(json.dumps(value), one) is None


def test_a_strict_schema_for_openai_stays_as_it_is() -> None:
    assert for_api(EVENT) == Sayable(EVENT, ())


def test_descriptions_reach_the_api() -> None:
    said = for_api(PERSON)
    assert isinstance(said, Sayable)
    assert said.schema["properties"]["home"] == {
        "title": "Home",
        "description": "The address.",
        "type": "object",
        "properties": {"city": {"title": "City", "type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    assert said.schema["properties"]["age"] == {
        "title": "Age",
        "description": "Constraints: minimum 0, exclusiveMaximum 150.",
        "type": "integer",
    }


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        # A dict[str, int] of pydantic's.
        (
            {
                "type": "object",
                "properties": {
                    "counts": {"type": "object", "additionalProperties": {"type": "integer"}}
                },
                "required": ["counts"],
            },
            "the object at '/properties/counts' may have properties of any name",
        ),
        # Any of pydantic's, or z.any().
        (
            {"type": "object", "properties": {"value": {"title": "Value"}}},
            "the schema at '/properties/value' accepts anything",
        ),
        # A tree.
        (
            {
                "$ref": "#/$defs/Node",
                "$defs": {
                    "Node": {
                        "type": "object",
                        "properties": {
                            "name": STRING,
                            "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                        },
                    }
                },
            },
            "the schema at '/$defs/Node' is recursive",
        ),
    ],
)
def test_common_schemas_that_are_not_sayable(schema: Any, reason: str) -> None:
    said = for_api(answer_schema(schema, "the answer", "text.format"))
    assert said == NotSayable(reason)
