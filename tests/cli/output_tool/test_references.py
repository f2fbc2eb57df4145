"""References into keywords that the CLI does not know."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.cli.output_tool.schema import for_cli


STRING, INTEGER = {"type": "string"}, {"type": "integer"}
PAIR = {"type": "array", "prefixItems": [STRING, {"type": "array", "prefixItems": [INTEGER]}]}


def of(target: str, **more: Any) -> dict[str, Any]:
    """A schema that refers to a target."""
    return {"type": "object", "properties": {"p": PAIR, "r": {"$ref": target}}, **more}


@pytest.mark.parametrize(
    ("target", "definition"),
    [
        ("#/properties/p/prefixItems/0", STRING),
        ("#/properties/p/prefixItems/1/prefixItems/0", INTEGER),
        ("#/properties/p/prefixItems/1", {"type": "array", "minItems": 0}),
        ("#/dependentSchemas/a~1b%20c", {"required": ["r"]}),
        ("#/unevaluatedProperties", False),
    ],
)
def test_a_target_that_would_be_lost_becomes_a_definition(target: str, definition: Any) -> None:
    lost = {"dependentSchemas": {"a/b c": {"required": ["r"]}}, "unevaluatedProperties": False}
    made = for_cli(of(target, **lost, **{"$defs": {"target_1": STRING}}))
    assert made["properties"]["r"] == {"$ref": "#/$defs/target_2"}
    assert made["$defs"] == {"target_1": STRING, "target_2": definition}


def test_a_target_may_refer_to_itself_and_to_others() -> None:
    tree = {"anyOf": [STRING, {"$ref": "#/properties/t/prefixItems/0"}, {"$ref": "#/$defs/A"}]}
    pair = {"prefixItems": [tree, INTEGER], "items": False}
    schema = {"type": "object", "properties": {"t": pair}}
    made = for_cli({**schema, "$defs": {"A": INTEGER}})
    here = {"$ref": "#/$defs/target_1"}
    moved = {"anyOf": [STRING, here, {"$ref": "#/$defs/A"}]}
    assert made["$defs"] == {"A": INTEGER, "target_1": moved}


def test_it_is_in_its_place_in_a_wrapper_too() -> None:
    made = for_cli(
        {"type": "array", "prefixItems": [STRING, {"$ref": "#/prefixItems/0"}], "items": False}
    )
    assert made["$defs"] == {"target_1": STRING}
    (kinds,) = (made["properties"]["value"]["items"]["anyOf"],)
    assert kinds == [STRING, {"$ref": "#/$defs/target_1"}]


@pytest.mark.parametrize("target", ["#", "#/properties/p", "#/$defs/A", "#/gone", "#/type/0"])
def test_other_references_stay(target: str) -> None:
    made = for_cli(of(target, **{"$defs": {"A": INTEGER}}))
    assert made["properties"]["r"] == {"$ref": target}
    assert made["$defs"] == {"A": INTEGER}
