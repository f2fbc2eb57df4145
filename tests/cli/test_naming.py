"""The names that the model has for the client's tools and parameters."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from claudeproxy.cli.naming import LONGEST_TOOL_NAME, Names, inner_parameters
from claudeproxy.conversation import Limits, Tool, ToolChoice, Turn, text_block

from .talk import calm


REFUSED = (
    "$filter",
    "filter[id]",
    "größe",
    "Account Number",
    "@type",
    "",
    "p" * 65,
    "名前",
    "地址",
)
PARAMETER = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


def tool(name: str = "t", **schema: Any) -> Tool:
    return Tool(name, "", {"type": "object", **schema})


def inner_of(**schema: Any) -> Any:
    """The schema that the model sees."""
    (renamed,) = Names([tool(**schema)]).tools
    return renamed.input_schema


def call(name: str, arguments: dict[str, Any]) -> Turn:
    block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": arguments}
    return Turn("assistant", (text_block("$filter"), block))


def block_of(names: Names, name: str, arguments: dict[str, Any]) -> Any:
    said, block = names.turn(call(name, arguments)).blocks
    assert said == text_block("$filter")
    return block


# Which names


def test_what_the_api_takes_is_left_as_it_is() -> None:
    schema = {
        "type": "object",
        "properties": {"a.b-c_D": {"properties": {"$deep": {}}}, "p" * 64: {}},
        "required": ["$not_a_property"],
        "$defs": {"$x": {"$ref": "#"}},
    }
    given = Tool("n" * LONGEST_TOOL_NAME, "Does it.", schema)
    names = Names([given])
    assert names.tools == (given,)
    assert names.tools[0].input_schema is schema
    turn = call(given.name, {"$not_a_property": 1})
    assert names.turn(turn) == turn
    assert names.client_tool(given.name) == given.name
    assert names.client_parameters(given.name) == {}


def test_each_refused_parameter_has_a_name_and_says_whose() -> None:
    properties = {name: {"type": "string"} for name in REFUSED}
    names = Names([tool(properties=properties)])
    told: Any = names.tools[0].input_schema["properties"]
    assert list(told) == [
        *("_filter", "filter_id_", "gr__e", "Account_Number", "_type", "_", "p" * 64, "__", "___2"),
    ]
    assert told["_filter"] == {
        "type": "string",
        "description": 'Stands for the parameter "$filter".',
    }
    assert names.client_parameters("t") == dict(zip(told, REFUSED, strict=True))


@calm
@given(st.lists(st.text(max_size=70) | st.sampled_from(REFUSED), unique=True), st.randoms())
def test_inner_names_are_the_apis_and_meet_nothing_else(given: list[str], random: Any) -> None:
    schema = {"properties": dict.fromkeys(given, True), "required": ["_", "_2"]}
    inner = inner_parameters(schema)
    assert set(inner) == {name for name in given if not PARAMETER.fullmatch(name)}
    assert all(map(PARAMETER.fullmatch, inner.values()))
    taken = {*given, "_", "_2"}
    assert len(set(inner.values()) - taken) == len(inner)
    random.shuffle(given)
    assert inner_parameters({**schema, "properties": dict.fromkeys(given, True)}) == inner


def test_a_parameter_of_the_inner_name_keeps_it() -> None:
    names = Names([tool(properties={"$a": {}, "_a": {}, "@a": {}}, required=["_a_2"])])
    assert names.client_parameters("t") == {"_a_3": "$a", "_a_4": "@a"}


@pytest.mark.parametrize(
    ("schema", "described"),
    [
        ({"description": "How."}, {"description": 'Stands for the parameter "$a".\nHow.'}),
        (True, {"description": 'Stands for the parameter "$a".'}),
        (False, {"not": {}, "description": 'Stands for the parameter "$a".'}),
    ],
)
def test_a_description_is_added_to(schema: Any, described: Any) -> None:
    assert inner_of(properties={"$a": schema})["properties"] == {"_a": described}


def test_half_a_surrogate_pair_is_told_as_an_escape() -> None:
    told = inner_of(properties={"\ud83e": {}})["properties"]
    assert told == {"_": {"description": 'Stands for the parameter "\\ud83e".'}}


def test_a_long_name_of_a_tool_leaves_room_for_the_prefix() -> None:
    long = [f"{'n' * 120}_{number}" for number in range(3)]
    names = Names([*map(tool, long), Tool("m" * 128, "Does it.", {})])
    inner = [renamed.name for renamed in names.tools]
    assert len(set(inner)) == 4
    assert {len(name) for name in inner} == {LONGEST_TOOL_NAME}
    assert [names.client_tool(name) for name in inner] == [*long, "m" * 128]
    assert names.tools[3].description == f'Stands for the tool "{"m" * 128}".\n\nDoes it.'
    # What it is called does not depend on the others, nor on whether it is offered.
    assert Names([tool(long[1])]).tools[0].name == inner[1]
    assert block_of(Names(), long[1], {"$a": 1})["name"] == inner[1]
    clash = Names([tool(long[0]), tool(inner[0])])
    assert clash.tools[1].name == inner[0]
    assert clash.tools[0].name != inner[0]
    assert clash.client_tool(clash.tools[0].name) == long[0]


# In the schema


def test_whatever_speaks_of_a_parameter_says_its_inner_name() -> None:
    told = inner_of(
        properties={"$a": {"required": ["$a"], "properties": {"$a": {}}}, "b": {}},
        required=["$a", "b", "$c"],
        dependentRequired={"b": ["$a"], "$a": ["b"]},
        dependencies={"b": ["$a"], "$a": {"required": ["$a"]}},
        dependentSchemas={"$a": {"properties": {"$a": {"const": 1}, "$c": {}}}},
        propertyNames={"pattern": "^[$b]"},
        examples=[{"$a": {"$a": 1}}],
        default={"$a": 2},
        additionalProperties=False,
        **{"if": {"not": {"required": ["$a"]}}, "then": {"anyOf": [{"required": ["$a"]}, True]}},
    )
    described = 'Stands for the parameter "$a".'
    assert told == {
        "type": "object",
        "properties": {
            "_a": {"required": ["$a"], "properties": {"$a": {}}, "description": described},
            "b": {},
        },
        "required": ["_a", "b", "$c"],
        "dependentRequired": {"b": ["_a"], "_a": ["b"]},
        "dependencies": {"b": ["_a"], "_a": {"required": ["_a"]}},
        "dependentSchemas": {"_a": {"properties": {"_a": {"const": 1}, "$c": {}}}},
        "propertyNames": {"anyOf": [{"pattern": "^[$b]"}, {"enum": ["_a"]}]},
        "examples": [{"_a": {"$a": 1}}],
        "default": {"_a": 2},
        "additionalProperties": False,
        "if": {"not": {"required": ["_a"]}},
        "then": {"anyOf": [{"required": ["_a"]}, True]},
    }


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("#/properties/$a", "#/properties/_a"),
        ("#/properties/%24a/items", "#/properties/_a/items"),
        ("#/properties/a~1b%7e0", "#/properties/a_b_"),
        ("#/properties/b/properties/$a", "#/properties/b/properties/$a"),
        ("#/$defs/$a/properties/$a", "#/$defs/$a/properties/$a"),
        ("#/then/properties/$a", "#/then/properties/_a"),
        ("#/allOf/0/dependentSchemas/$a/properties/$a",
         "#/allOf/0/dependentSchemas/_a/properties/_a"),
        ("#/properties", "#/properties"),
    ],
)  # fmt: skip
def test_references_find_what_they_referred_to(reference: str, told: str) -> None:
    properties = {"$a": {}, "a/b~": {}, "b": {"items": {"$ref": reference}}}
    assert inner_of(properties=properties)["properties"]["b"]["items"] == {"$ref": told}


def test_what_looks_like_a_reference_and_is_none_stays() -> None:
    values = {"const": {"$ref": "#/properties/$a"}, "default": {"$ref": "#"}}
    properties = {"$a": {}, "$ref": {"type": "string"}, "const": {"$ref": "#/properties/$a"}}
    told = inner_of(properties={**properties, "b": values})["properties"]
    assert told["b"] == values
    assert told["const"] == {"$ref": "#/properties/_a"}


def test_an_object_like_the_root_further_down_keeps_the_clients_names() -> None:
    told = inner_of(
        properties={"$and": {"type": "array", "items": {"$ref": "#"}}, "n": {"type": "number"}},
        additionalProperties=False,
        **{"$defs": {"root": {}}},
    )
    valid = Draft202012Validator(told).is_valid
    assert valid({"_and": [{"n": 1}, {"$and": [{"$and": []}]}], "n": 2})
    assert not valid({"_and": [{"_and": []}]})
    assert not valid({"_and": [{"$and": [{"n": "x"}]}]})
    assert not valid({"$and": []})


_SCHEMAS = st.fixed_dictionaries(
    {
        "properties": st.dictionaries(
            st.sampled_from(["$a", "@b", "c"]), st.just({"type": "number"})
        )
    },
    optional={
        "required": st.lists(st.sampled_from(["$a", "@b", "c", "$d"]), unique=True),
        "additionalProperties": st.just({"$ref": "#/properties/$a"}) | st.booleans(),
        "dependentRequired": st.just({"$a": ["@b"], "c": ["$a"]}),
        "if": st.just({"required": ["$a"]}),
        "then": st.just({"properties": {"@b": {"minimum": 2}}}),
        "minProperties": st.integers(0, 2),
    },
)


@calm
@given(_SCHEMAS, st.dictionaries(st.sampled_from(["$a", "@b", "c", "$d"]), st.integers(0, 4)))
def test_a_value_fits_inside_just_when_it_fits_outside(schema: Any, value: Any) -> None:
    if "$a" not in schema["properties"]:
        schema["properties"]["$a"] = {"type": "number"}
    names = Names([tool(**schema)])
    inside = block_of(names, "t", value)["input"]
    fits = Draft202012Validator(schema).is_valid(value)
    assert Draft202012Validator(names.tools[0].input_schema).is_valid(inside) == fits


# In conversations


def test_a_call_of_the_history_has_inner_names_at_its_top_only() -> None:
    names = Names([tool(properties={"$a": {}}), tool("other", properties={"b": {}})])
    value = {"$a": {"$a": 1}, "$b": 2}
    assert block_of(names, "t", value) == {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "t",
        "input": {"_a": {"$a": 1}, "$b": 2},
    }
    for name in ("other", "unknown"):
        assert block_of(names, name, value)["input"] == value


def test_nothing_is_lost_where_a_call_has_both_names() -> None:
    value = {"$a": 1, "_a": 2}
    assert block_of(Names([tool(properties={"$a": {}})]), "t", value)["input"] == value


def test_the_tool_that_must_be_called_has_its_inner_name() -> None:
    names = Names([tool("n" * 128), tool()])
    for choice, told in (("n" * 128, names.tools[0].name), ("t", "t")):
        limits = Limits("m", max_tokens=3, tool_choice=ToolChoice("tool", choice))
        assert names.limits(limits) == Limits(
            "m", max_tokens=3, tool_choice=ToolChoice("tool", told)
        )
    assert names.limits(Limits("m")) == Limits("m")
