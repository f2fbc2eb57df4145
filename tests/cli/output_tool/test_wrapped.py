"""Values that are no object, or one that the API would refuse, inside an object."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from claudeproxy.cli.output_tool.schema import for_cli
from claudeproxy.cli.output_tool.wrapped import Unwrapper, needs_wrapper, wrapped

from ..talk import calm


def wrapper(value: Any, **definitions: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"value": value},
        "required": ["value"],
        "additionalProperties": False,
        **definitions,
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"const": "foo"},
        {"type": "array", "items": {"type": "string"}},
        {"type": ["object", "null"]},
        {"anyOf": [{"type": "object"}]},
        {"type": "object", "enum": [{}]},
        *(
            {"type": "object", "properties": {name: {"type": "string"}}}
            for name in ("$filter", "größe", "Account Number", "", "a" * 65, "a\n")
        ),
    ],
)
def test_what_the_api_would_refuse_is_put_into_an_object(schema: Any) -> None:
    assert needs_wrapper(schema)
    assert for_cli(schema) == wrapper(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {"a.b-C_9": {}, "a" * 64: {}}},
        {"type": "object", "properties": {"a": {"properties": {"$b": {}}}}, "required": ["$c"]},
    ],
)
def test_what_the_api_takes_is_asked_for_as_it_is(schema: Any) -> None:
    assert not needs_wrapper(schema)
    assert for_cli(schema) == schema


def test_without_a_schema_there_is_nothing_to_wrap() -> None:
    assert not needs_wrapper(None)


@pytest.mark.parametrize(
    ("reference", "moved"),
    [
        ("#", "#/properties/value"),
        ("#/items/anyOf/0", "#/properties/value/items/anyOf/0"),
        ("#/$defs/A", "#/$defs/A"),
        ("#/%24defs/A", "#/%24defs/A"),
        ("#/definitions/A/items", "#/definitions/A/items"),
        ("#/$defsX", "#/properties/value/$defsX"),
        ("#anchor", "#anchor"),
    ],
)
def test_references_find_what_has_moved(reference: str, moved: str) -> None:
    def with_reference(path: str) -> dict[str, Any]:
        return {"type": "array", "items": {"anyOf": [{"$ref": path}]}}

    definitions = {"$defs": {"A": {"not": {"$ref": reference}}}, "definitions": {"A": {}}}
    moved_definitions = {"$defs": {"A": {"not": {"$ref": moved}}}, "definitions": {"A": {}}}
    assert wrapped({**with_reference(reference), **definitions}) == wrapper(
        with_reference(moved), **moved_definitions
    )


def test_what_only_looks_like_a_reference_stays() -> None:
    like = {"$ref": "#"}
    schema = {
        "enum": [like],
        "const": like,
        "default": like,
        "examples": [like],
        "properties": {"const": {"description": "$ref"}, "$ref": {"type": "string"}},
    }
    assert wrapped(schema) == wrapper(schema)


TREE = {
    "$defs": {"Leaf": {"type": "integer"}},
    "anyOf": [{"$ref": "#/$defs/Leaf"}, {"type": "array", "items": {"$ref": "#"}}],
}
TREES: st.SearchStrategy[Any] = st.recursive(
    st.integers() | st.none(), lambda inner: st.lists(inner, max_size=3), max_leaves=6
)


@calm
@given(value=TREES)
def test_a_value_fits_as_it_did(value: Any) -> None:
    fits = Draft202012Validator(TREE).is_valid(value)
    assert Draft202012Validator(for_cli(TREE)).is_valid({"value": value}) == fits


# The text


def unwrapped(*pieces: str) -> list[str]:
    unwrapper = Unwrapper()
    return [unwrapper.feed(piece) for piece in pieces]


SPACE = st.text(" \t\r\n", max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text('ab"\\{}[] é'),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('a"\\{}'), inner, max_size=3)
    ),
    max_leaves=8,
)


@calm
@given(
    value=VALUES,
    indent=st.sampled_from([None, 0, 2]),
    plain=st.booleans(),
    spaces=st.tuples(SPACE, SPACE, SPACE, SPACE, SPACE, SPACE),
    cuts=st.lists(st.integers(0, 200), max_size=12),
)
def test_the_text_is_the_values_whatever_the_pieces_and_the_space(
    value: Any, indent: int | None, plain: bool, spaces: tuple[str, ...], cuts: list[int]
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=plain)
    a, b, c, d, e, f = spaces
    whole = f'{a}{{{b}"value"{c}:{d}{text}{e}}}{f}'
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(places)]
    assert "".join(unwrapped(*pieces)) == text


@calm
@given(value=VALUES, kept=st.integers(1, 100))
def test_what_is_cut_off_is_told_up_to_there(value: Any, kept: int) -> None:
    cut = json.dumps(value)[:kept]
    (told,) = unwrapped('{"value": ' + cut)
    # White space at the end may come before the end of the wrapper.
    assert told in (cut, cut.rstrip())


def test_nothing_is_held_back_but_space_at_the_end() -> None:
    told = unwrapped('{"val', 'ue" :', " ", '"a', " b", '" ', " } ")
    assert told == ["", "", "", '"a', " b", '"', ""]
    assert unwrapped('{"value":[1,', " ", "2", "] ", "}") == ["[1,", " ", "2", "]", ""]


@pytest.mark.parametrize("text", ["{}", "", "[1]", '{"value"'])
def test_where_there_is_no_value_there_is_no_text(text: str) -> None:
    assert unwrapped(text) == [""]


def test_a_name_may_be_escaped_and_what_follows_the_value_is_not_told() -> None:
    assert unwrapped(r'{"v\"alue":1}', "2}") == ["1", ""]
