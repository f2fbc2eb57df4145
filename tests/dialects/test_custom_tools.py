"""Custom tools: what the model is told of them, and how the input of a call is read in pieces."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.conversation import Tool, ToolChoice
from claudeproxy.dialects.custom_tools import InputReader, whole_input

from .asking import HELLO, ask, call, calling, calm, function, refused, result
from .test_openai_tools import allowed, custom


TEXT_INPUT = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The whole input of the tool."}},
    "required": ["input"],
}
LARK = {"syntax": "lark", "definition": "start: /a+/"}
IN_LARK = "The input must match this grammar (lark):\nstart: /a+/"


@pytest.mark.parametrize(
    ("more", "description"),
    [
        ({}, ""),
        ({"description": None, "format": None}, ""),
        ({"description": "C", "format": {"type": "text"}}, "C"),
        ({"format": {"type": "grammar", "grammar": LARK}}, IN_LARK),
        ({"description": "C", "format": {"type": "grammar", "grammar": LARK}}, f"C\n\n{IN_LARK}"),
        # As Responses has it.
        ({"description": "C", "format": {"type": "grammar", **LARK}}, f"C\n\n{IN_LARK}"),
    ],
)
def test_a_custom_tool_is_a_function_of_one_text(more: Any, description: str) -> None:
    asked = ask(tools=[function("f"), custom("c", **more)])
    assert asked.conversation.profile.tools[1:] == (Tool("c", description, TEXT_INPUT),)
    assert asked.ignored == ()


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"type": "grammar"}, "definition"),
        ({"type": "grammar", "grammar": {"syntax": "lark"}}, "grammar.definition"),
        ({"type": "grammar", "grammar": {**LARK, "syntax": "larky"}}, "grammar.syntax"),
        ({"type": "grammar", **LARK, "syntax": 5}, "syntax"),
    ],
)
def test_a_grammar_must_be_one(form: Any, param: str) -> None:
    _, where, _ = refused(lambda: ask(tools=[custom("c", format=form)]))
    assert where == f"tools[0].custom.format.{param}"


@pytest.mark.parametrize(
    ("wanted", "names", "expected"),
    [
        ({"type": "custom", "custom": {"name": "c"}}, ["f", "c"], ToolChoice("tool", "c", False)),
        (allowed({"type": "custom", "custom": {"name": "c"}}), ["c"], ToolChoice()),
    ],
)
def test_a_custom_tool_can_be_chosen(wanted: Any, names: list[str], expected: Any) -> None:
    asked = ask(tools=[function("f"), custom("c")], tool_choice=wanted).conversation
    assert [tool.name for tool in asked.profile.tools] == names
    assert asked.limits.tool_choice == expected


def test_a_call_of_a_custom_tool_is_taken_back() -> None:
    called = {"id": "a", "type": "custom", "custom": {"name": "c", "input": "x\n"}}
    asked = ask(HELLO, calling(called, call("b")), result("a"), result("b"), tools=[custom("c")])
    assert asked.conversation.turns[1].blocks == (
        {"type": "tool_use", "id": "a", "name": "c", "input": {"input": "x\n"}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {}},
    )
    assert asked.ignored == ()


# The input of a call, which comes in pieces


def as_json(text: str, ascii_only: bool, colon: str = ": ") -> str:
    return json.dumps({"input": text}, ensure_ascii=ascii_only, separators=(",", colon))


def split(text: str, places: list[int]) -> list[str]:
    ends = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(ends)]


# Letters that JSON escapes, pairs of escapes, and halves of such pairs among others.
TEXTS = st.text(max_size=12) | st.text(
    st.sampled_from(list('"\\/bu\n\x00é\u2028d8🦜\U0010ffff\ud83e\udd9c')), max_size=12
)
PLACES = st.lists(st.integers(0, 200), max_size=30)


@calm
@given(TEXTS, st.booleans(), st.sampled_from([":", " : ", ":\n\t"]), PLACES)
def test_the_input_is_read_however_it_is_split(
    text: str, ascii_only: bool, colon: str, places: list[int]
) -> None:
    arguments = as_json(text, ascii_only, colon)
    # Two halves that stand side by side are one character to every reader of JSON.
    expected = json.loads(arguments)["input"]
    reader = InputReader()
    told = [reader.feed(piece) for piece in split(arguments, places)]
    assert "".join(told) == expected
    assert reader.end() == ""
    assert whole_input(arguments) == expected


@calm
@given(TEXTS, st.booleans(), PLACES)
def test_letter_by_letter_each_is_told_as_soon_as_it_is_certain(
    text: str, ascii_only: bool, places: list[int]
) -> None:
    arguments = as_json(text, ascii_only)
    expected = json.loads(arguments)["input"]
    reader, told = InputReader(), ""
    for count, letter in enumerate(arguments, 1):
        told += reader.feed(letter)
        assert expected.startswith(told)
        # What is held back is less than one character, in two escapes, can be long.
        assert len(as_json(told, ascii_only)) >= count - 12 - 2


@calm
@given(TEXTS, st.booleans(), st.integers(0, 200), PLACES)
def test_an_input_that_was_cut_off_is_told_as_far_as_it_went(
    text: str, ascii_only: bool, length: int, places: list[int]
) -> None:
    begun = len('{"input": "')
    arguments = as_json(text, ascii_only)
    cut = arguments[: begun + length % (len(arguments) - begun)]
    reader = InputReader()
    told = "".join(map(reader.feed, split(cut, places))) + reader.end()
    assert told == whole_input(cut)
    assert json.loads(arguments)["input"].startswith(told)


@pytest.mark.parametrize(
    "arguments",
    ["", "{}", '{"text": "x"}', '{"input": 5}', '{"input": ["x"]}', '"x"', "x", "[1]", '{"inp'],
)
def test_arguments_of_another_form_are_told_as_they_are(arguments: str) -> None:
    assert whole_input(arguments) == arguments
    reader = InputReader()
    assert [*map(reader.feed, arguments)] == [""] * len(arguments)
    assert reader.end() == arguments


@pytest.mark.parametrize("after", ["", "}", ' , "more": "y"}', '"', '{"input": "z"}'])
def test_what_comes_after_the_input_does_not_matter(after: str) -> None:
    assert whole_input('{"input": "x"' + after) == "x"
    reader = InputReader()
    assert "".join(map(reader.feed, '{"input": "x"' + after)) + reader.end() == "x"


def test_a_long_input_comes_in_many_pieces() -> None:
    text = '\\"🦜' * 50_000
    reader = InputReader()
    arguments = as_json(text, True)
    pieces = [arguments[at : at + 7] for at in range(0, len(arguments), 7)]
    assert "".join(map(reader.feed, pieces)) == text
