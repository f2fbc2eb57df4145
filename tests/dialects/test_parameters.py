"""Declared fields: what is checked, what is listed as ignored, what the schema says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from claudeproxy.dialects.chat import schema as chat
from claudeproxy.dialects.completions import schema as completions
from claudeproxy.dialects.kinds import (
    Anything,
    Choice,
    Either,
    Flag,
    Invalid,
    Kind,
    List,
    Map,
    Nothing,
    Number,
    Problem,
    Text,
    kind,
)
from claudeproxy.dialects.messages import schema as messages
from claudeproxy.dialects.parameters import MOST_IGNORED, Field, Object, Use, Variant, told
from claudeproxy.dialects.responses import schema as responses
from claudeproxy.dialects.wording import anthropic_error, openai_error

from .asking import calm


def invalid(of: Kind, value: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        of.check(value)
    return caught.value


def test_kinds_are_jsons_own() -> None:
    values: list[object] = [None, True, 1, 1.5, "", [], {}]
    assert [kind(value) for value in values] == [
        "null",
        "a boolean",
        "an integer",
        "a number",
        "a string",
        "an array",
        "an object",
    ]


SAMPLES: dict[str, Any] = {
    "a boolean": True,
    "an integer": 1,
    "a number": 1.5,
    "a string": "a",
    "an array": [],
    "an object": {},
}
KINDS: dict[str, tuple[Kind, ...]] = {
    "a boolean": (Flag(),),
    "an integer": (Number(whole=True),),
    "a number": (Number(),),
    "a string": (Text(), Choice(("a",))),
    "an array": (List(Anything()),),
    "an object": (Map(), Object(()), Variant("type", {"x": Object(())}, default="x")),
}


@pytest.mark.parametrize("given_kind", SAMPLES)
@pytest.mark.parametrize("expected", KINDS)
def test_each_kind_takes_its_own_type_only(expected: str, given_kind: str) -> None:
    fits = given_kind == expected or (given_kind, expected) == ("an integer", "a number")
    for of in KINDS[expected]:
        if fits:
            assert not of.check(SAMPLES[given_kind])
        else:
            error = openai_error(invalid(of, SAMPLES[given_kind]).at("x"))
            assert (error.message, error.param, error.code) == (
                f"Invalid type for 'x': expected {expected}, but got {given_kind} instead.",
                "x",
                "invalid_type",
            )


@pytest.mark.parametrize(
    ("of", "value", "problem"),
    [
        (Text("[a-z]+"), "A", Problem.PATTERN),
        (Text("[a-z]+"), "a\n", Problem.PATTERN),
        (Text(empty=False), "", Problem.EMPTY),
        (Number(0, 2), -0.1, Problem.BELOW),
        (Number(0, 2), 2.1, Problem.ABOVE),
        (Number(0, 128, whole=True), 10**400, Problem.ABOVE),
        (Choice(("a", "b")), "c", Problem.CHOICE),
        (Nothing("No."), {}, Problem.REFUSED),
        (Nothing("No.", (0,), Number(whole=True)), 1, Problem.REFUSED),
        (Nothing("No.", (0,), Number(whole=True)), "x", Problem.TYPE),
        # To Python they are equal, to JSON they are not.
        (Nothing("No.", (False,)), 0, Problem.REFUSED),
        (Nothing("No.", (0,)), False, Problem.REFUSED),
        (List(Anything(), least=1), [], Problem.EMPTY),
        (List(Anything(), most=1), [1, 2], Problem.TOO_LONG),
        (Either((Text(), List(Text())), "a string or an array"), {}, Problem.TYPE),
        (Object((Field("x", Text(), required=True),)), {}, Problem.MISSING),
        (Object((Field("x", Text(), required=True),)), {"x": None}, Problem.MISSING),
        (Variant("type", {"a": Object(())}), {}, Problem.MISSING),
        (Variant("type", {"a": Object(())}), {"type": "b"}, Problem.CHOICE),
        (Variant("type", {"a": Object(())}, what="Parts"), {"type": "b"}, Problem.UNSUPPORTED_KIND),
    ],
    ids=str,
)
def test_what_does_not_fit_is_a_problem_of_its_kind(of: Kind, value: Any, problem: Problem) -> None:
    assert invalid(of, value).problem is problem


@pytest.mark.parametrize("value", [0, 2, 1.5])
def test_both_bounds_belong_to_a_range(value: float) -> None:
    assert Number(0, 2).check(value) == ()


DEEP = Object(
    (
        Field("known", Text()),
        Field("dropped", Text(), Use.IGNORED, harmless=("no",)),
        Field("echoed", Text(), Use.ACCEPTED),
        Field(
            "inner",
            List(Variant("type", {"a": Object((Field("x", Text(), Use.IGNORED),))})),
        ),
    )
)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({}, ()),
        ({"known": "a", "echoed": "b", "dropped": None, "new": None}, ()),
        ({"dropped": "no"}, ()),
        ({"dropped": "yes"}, ("dropped",)),
        ({"new": False}, ("new",)),
        # As a header can hold them.
        (
            {"a b": 1, "a\nb": 1, "é": 1, "x" * 65: 1, "": 1, "$x": 1, "\ud800": 1},
            ("a%20b", "a%0Ab", "%C3%A9", "x" * 64, '""', "$x", "%ED%A0%80"),
        ),
        ({"inner": [{"type": "a"}, {"type": "a", "x": "1", "y": 2}]}, ("inner[].x", "inner[].y")),
        ({"inner": [{"type": "a", "y": 1}] * 3}, ("inner[].y",)),
    ],
)
def test_what_is_ignored_is_listed_by_its_path_once(value: Any, names: Any) -> None:
    assert told(DEEP.check(value)) == names


def test_no_more_names_are_told_than_fit_into_a_header() -> None:
    names = told(DEEP.check({f"new_{n}": 1 for n in range(1000)}))
    assert (len(names), names[-1]) == (MOST_IGNORED + 1, "...")


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ({"known": 1}, "known"),
        ({"inner": {}}, "inner"),
        ({"inner": [1]}, "inner[0]"),
        ({"inner": [{"type": "a"}, {"type": "a", "x": 1}]}, "inner[1].x"),
        ({"inner": [{}]}, "inner[0].type"),
    ],
)
def test_a_problem_is_told_by_the_full_path_in_the_clients_words(value: Any, param: str) -> None:
    assert openai_error(invalid(DEEP, value)).param == param
    dotted = param.replace("[", ".").replace("]", "")
    assert anthropic_error(invalid(DEEP, value)).message.startswith(f"{dotted}: ")


@pytest.mark.parametrize(
    ("problem", "openai", "anthropic"),
    [
        (
            Invalid(Problem.MISSING),
            "Missing required parameter: 'm[1].r'.",
            "m.1.r: Field required",
        ),
        (
            Invalid(Problem.CHOICE, ("a", "b"), "c"),
            "Invalid value: 'c'. Supported values are: 'a', 'b'.",
            "m.1.r: Input should be 'a' or 'b'",
        ),
        (
            Invalid(Problem.TYPE, "a string", 1),
            "Invalid type for 'm[1].r': expected a string, but got an integer instead.",
            "m.1.r: Input should be a valid string",
        ),
        (
            Invalid(Problem.ABOVE, 128, 129, "integer"),
            # As people's bug reports quote OpenAI's own answer.
            "Invalid 'm[1].r': integer above maximum value. Expected a value <= 128, but got 129 "
            "instead.",
            "m.1.r: Input should be less than or equal to 128",
        ),
        (
            Invalid(Problem.BELOW, 0, -0.5, "decimal"),
            "Invalid 'm[1].r': decimal below minimum value. Expected a value >= 0, but got -0.5 "
            "instead.",
            "m.1.r: Input should be greater than or equal to 0",
        ),
        (
            Invalid(Problem.REFUSED, "No such thing here.", 1),
            "Unsupported parameter: 'm[1].r'. No such thing here.",
            "m.1.r: Extra inputs are not permitted. No such thing here.",
        ),
        (
            Invalid(Problem.EMPTY, "an array", []),
            "Invalid 'm[1].r': empty array. Expected an array with minimum length 1.",
            "m.1.r: List should have at least 1 item after validation, not 0",
        ),
        (
            Invalid(Problem.TOO_LONG, 4, 5),
            "Invalid 'm[1].r': array too long. Expected an array with maximum length 4, but got 5 "
            "instead.",
            "m.1.r: List should have at most 4 items after validation, not 5",
        ),
    ],
    ids=lambda value: getattr(value, "problem", ""),
)
def test_each_problem_has_the_words_of_both_apis(
    problem: Invalid, openai: str, anthropic: str
) -> None:
    problem.at("r").at(1).at("m")
    assert openai_error(problem).message == openai
    assert anthropic_error(problem).message == anthropic
    assert openai_error(problem).code == anthropic_error(problem).code


REQUESTS = {
    "chat": chat.REQUEST,
    "responses": responses.REQUEST,
    "messages": messages.REQUEST,
    "completions": completions.REQUEST,
}
SCHEMAS = {name: Draft202012Validator(it.schema()) for name, it in REQUESTS.items()}
FIELDS = [(name, field) for name, it in REQUESTS.items() for field in it.fields]
words = st.sampled_from(
    [
        *(
            "",
            "a",
            "user",
            "assistant",
            "system",
            "tool",
            "text",
            "function",
            "auto",
            "low",
            "none",
        ),
        *("json_schema", "message", "function_call", "enabled", "url", "base64", "https://x.y"),
    ]
)
names = st.sampled_from(
    [
        *("role", "content", "type", "text", "name", "id", "function", "arguments", "input"),
        *("tool_calls", "tool_call_id", "source", "url", "data", "call_id", "output", "effort"),
        *("format", "schema", "budget_tokens", "mode", "tools", "enabled", "detail"),
    ]
)
anything = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 1, -1, 2.5, 2000, 10**400]) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@calm
@given(st.sampled_from(FIELDS), anything)
def test_whatever_passes_the_check_fits_the_schema(declared: tuple[str, Field], value: Any) -> None:
    dialect, field = declared
    if value is None and not field.required:
        return
    try:
        field.check(value)
    except Invalid:
        return
    assert Draft202012Validator(field.schema()).is_valid(value), (dialect, field.name)


@calm
@given(st.sampled_from(sorted(REQUESTS)), st.dictionaries(names, anything, max_size=4))
def test_no_body_raises_anything_but_invalid(dialect: str, body: dict[str, Any]) -> None:
    whole = {"model": "m", "messages": [body], "input": [body], "prompt": "p", "max_tokens": 1}
    try:
        told(REQUESTS[dialect].check(whole))
    except Invalid as error:
        assert error.path
        for wording in (openai_error, anthropic_error):
            json.dumps(wording(error).message)


@pytest.mark.parametrize("dialect", REQUESTS)
def test_no_field_is_declared_twice(dialect: str) -> None:
    declared = [field.name for field in REQUESTS[dialect].fields]
    assert len(declared) == len(set(declared))
