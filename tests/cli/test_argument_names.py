"""Names in the text of a call's arguments, replaced while it comes in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.cli.argument_names import ArgumentNames

from .talk import calm


NAMES = {"_filter": "$filter", "gr__e": "größe", "_": "", "x_": 'x"\\', "p": "🦜\n", "h": "\ud83e"}
LONGEST = 6 * len("_filter") + 2

_KEYS = st.sampled_from(sorted({*NAMES, *NAMES.values()})) | st.text(max_size=4) | st.just("q" * 60)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from('{}[],:"\\'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


def fed(pieces: Iterable[str], names: dict[str, str]) -> str:
    replacing = ArgumentNames(names)
    return "".join([*(replacing.feed(piece) for piece in pieces), replacing.flush()])


def cut(text: str, places: Iterable[int]) -> list[str]:
    """The text in pieces, some of them empty."""
    ends = sorted(place % (len(text) + 1) for place in places)
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


def renamed(names: Iterable[str]) -> list[str]:
    """The client's names. Of two that would be alike, the second has the inner name."""
    back = {client: inner for inner, client in NAMES.items()}
    told: list[str] = []
    for name in names:
        client = NAMES.get(name, name)
        told.append(back[client] if client in told else client)
    return told


def members(text: str) -> Any:
    """The outermost object's members in their order, doubles and all."""
    return json.JSONDecoder(object_pairs_hook=list).decode(text)


@calm
@given(
    st.dictionaries(_KEYS, _VALUES, max_size=5),
    st.lists(st.integers(0, 10**6), max_size=30),
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_only_the_outermost_names_are_replaced_however_it_is_cut(
    arguments: dict[str, Any], places: list[int], escaped: bool, indent: int | None
) -> None:
    text = json.dumps(arguments, ensure_ascii=escaped, indent=indent)
    told = fed(cut(text, places), NAMES)
    wanted = zip(renamed(arguments), arguments.values(), strict=True)
    # All that is no name stays as it was written.
    assert [list(member) for member in members(told)] == [
        [name, members(json.dumps(value))] for name, value in wanted
    ]
    assert fed(text, NAMES) == told
    assert len(set(renamed(arguments))) == len(arguments)
    if not set(NAMES) & set(arguments):
        assert told == text


@calm
@given(
    st.text(st.sampled_from('{}[],:"\\_p'), max_size=30),
    st.lists(st.integers(0, 10**6), max_size=9),
)
def test_what_is_not_json_comes_out_the_same_however_it_is_cut(
    text: str, places: list[int]
) -> None:
    assert fed(cut(text, places), NAMES) == fed([text], NAMES)
    assert fed(cut(text, places), {"no such name": ""}) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"_filter":1}', '{"$filter":1}'),
        ('{"\\u005ffilter" : 1}', '{"$filter" : 1}'),
        ('{"gr__e":"gr__e","a":{"gr__e":["gr__e"]}}', '{"größe":"gr__e","a":{"gr__e":["gr__e"]}}'),
        ('{"a":[{"_":1}],"_":2}', '{"a":[{"_":1}],"":2}'),
        (
            '{"x_":1.0,"id":12345678901234567890123}',
            '{"x\\"\\\\":1.0,"id":12345678901234567890123}',
        ),
        ('{"p":1,"h":2}', '{"🦜\\n":1,"\\ud83e":2}'),
        ('{"a":"\\"","_filter":1}', '{"a":"\\"","$filter":1}'),
        ('{"a":"\\\\","_filter":1}', '{"a":"\\\\","$filter":1}'),
        ('["_filter","_filter"]', '["_filter","_filter"]'),
        ('[{"_filter":1}]', '[{"_filter":1}]'),
        ('"_filter"', '"_filter"'),
        # Both names, in either order, at the top and further down.
        ('{"_filter":1,"$filter":2}', '{"$filter":1,"_filter":2}'),
        ('{"$filter":1,"_filter":2}', '{"$filter":1,"_filter":2}'),
        ('{"\\u0024filter":1,"a":{"_":3,"":4},"_":5}', '{"\\u0024filter":1,"a":{"_":3,"":4},"":5}'),
        # Cut off by max_tokens.
        ('{"a":1,"_filt', '{"a":1,"_filt'),
        ('{"_filter":"_fil', '{"$filter":"_fil'),
        ('{"_filter\\', '{"_filter\\'),
    ],
)
def test_examples(text: str, told: str) -> None:
    assert fed([text], NAMES) == told
    assert fed(text, NAMES) == told


def test_no_more_than_a_name_is_held_back() -> None:
    replacing = ArgumentNames(NAMES)
    assert replacing.feed('{ "a": "_fi') == '{ "a": "_fi'
    assert replacing.feed('lter", "_fi') == 'lter", '
    assert replacing.feed("lter") == ""
    assert replacing.feed('": "') == '"$filter": "'
    assert replacing.feed('x", "' + "q" * LONGEST) == 'x", "' + "q" * LONGEST
    assert replacing.feed("q") == "q"
    assert replacing.feed('": 1, "_": 2}') == '": 1, "": 2}'
    assert replacing.flush() == ""
