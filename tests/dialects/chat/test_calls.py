"""Tool calls and their results in the messages of a request."""

from __future__ import annotations

import json
import re
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.conversation import Block, Turn, text_block
from claudeproxy.dialects.tool_calls import NOT_AN_OBJECT

from ..asking import (
    HELLO,
    PDF,
    PNG_URL,
    ask,
    assistant,
    call,
    calling,
    calm,
    refused,
    result,
    tool_result,
    tool_use,
    turns,
    user,
)


DONE = text_block("done")


def function_call(name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"role": "assistant", "function_call": {"name": name, "arguments": arguments}}


def function_result(name: str = "f", content: Any = "done") -> dict[str, Any]:
    return {"role": "function", "name": name, "content": content}


def the_result(content: Any) -> Block:
    *_, turn = turns(HELLO, calling(call("a")), result("a", content))
    (block,) = turn.blocks
    return block


# Calls


def test_a_call_is_what_the_assistant_said_last_and_its_result_a_turn_of_the_users() -> None:
    assert turns(
        HELLO,
        calling(call("a", "f", '{"x": [1, "é"]}'), content="Let me see."),
        result("a", "42"),
    ) == (
        user("Hello"),
        Turn("assistant", (text_block("Let me see."), tool_use("a", "f", x=[1, "é"]))),
        Turn("user", (tool_result("a", text_block("42")),)),
    )


@pytest.mark.parametrize("content", [None, "", [], " \n"])
def test_a_call_needs_no_text(content: Any) -> None:
    _, said, _ = turns(HELLO, calling(call("a"), content=content), result("a"))
    assert said == Turn("assistant", (tool_use("a", "f"),))


def test_a_call_may_come_first_of_all() -> None:
    _, said, answered = turns(calling(call("a")), result("a"))
    assert (said.role, answered.role) == ("assistant", "user")


@pytest.mark.parametrize("none", [None, []])
def test_no_calls_are_no_calls(none: Any) -> None:
    message = {"role": "assistant", "content": "Hi", "tool_calls": none, "function_call": None}
    assert turns(HELLO, message, HELLO)[1] == assistant("Hi")


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ("{}", {}),
        ("", {}),
        (" \n", {}),
        (' {"a": null}\n', {"a": None}),
        ("null", {}),
        (" null\n", {}),
        ("[]", {}),
        (" [ ]", {}),
        ('""', {}),
        ('{"a": "\\u00e9", "b": 2}', {"a": "é", "b": 2}),
    ],
)
def test_arguments_are_the_text_of_an_object_or_nothing(arguments: str, value: Any) -> None:
    said = turns(HELLO, calling(call("a", "f", arguments)), result("a"))[1]
    assert said.blocks == (tool_use("a", "f", **value),)


@pytest.mark.parametrize(
    "arguments",
    [
        *("{", "x=1", "[{}]", "nul", "true", "false", "0", '" "', '"{}"', "{} {}"),
        *("[" * 100_000, '{"a": %s}' % ("1" * 5000)),
    ],
    ids=lambda value: value[:20],
)
def test_arguments_of_anything_else_are_an_object_that_holds_their_text(arguments: str) -> None:
    kept = {NOT_AN_OBJECT: arguments}
    said = turns(HELLO, calling(call("a", "f", arguments)), result("a"))[1]
    assert said.blocks == (tool_use("a", "f", **kept),)
    said = turns(HELLO, function_call("f", arguments), function_result())[1]
    assert said.blocks == (tool_use("function-0", "f", **kept),)


@pytest.mark.parametrize(
    ("arguments", "code"), [({}, "invalid_type"), (None, "missing_required_parameter")]
)
def test_arguments_that_are_no_text_are_refused(arguments: Any, code: str) -> None:
    place = "messages[1].tool_calls[0].function.arguments"
    messages = [HELLO, calling(call("a", "f", arguments)), result("a")]
    assert refused(lambda: ask(*messages))[1:] == (place, code)
    place = "messages[1].function_call.arguments"
    messages = [HELLO, function_call("f", arguments), function_result()]
    assert refused(lambda: ask(*messages))[1:] == (place, code)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_arguments_are_json_to_everyone(number: str) -> None:
    said = turns(HELLO, calling(call("a", "f", f'{{"x": {number}}}')), result("a"))[1]
    json.dumps(said.blocks, allow_nan=False)


@pytest.mark.parametrize("name", ["get weather", "functions.f"])
def test_a_call_of_a_name_that_no_tool_can_have_is_refused(name: str) -> None:
    messages = [HELLO, calling(call("a", name)), result("a")]
    assert refused(lambda: ask(*messages))[1] == "messages[1].tool_calls[0].function.name"


@pytest.mark.parametrize(
    ("broken", "where", "code"),
    [
        ("f", "", "invalid_type"),
        ({"type": None}, ".type", "missing_required_parameter"),
        ({"type": "web_search"}, ".type", "invalid_value"),
        ({"type": "custom"}, ".custom", "missing_required_parameter"),
        ({"type": "custom", "custom": "f"}, ".custom", "invalid_type"),
        (
            {"type": "custom", "custom": {"name": "f"}},
            ".custom.input",
            "missing_required_parameter",
        ),
        (
            {"type": "custom", "custom": {"input": "x"}},
            ".custom.name",
            "missing_required_parameter",
        ),
        ({"id": None}, ".id", "missing_required_parameter"),
        ({"id": ""}, ".id", "missing_required_parameter"),
        ({"id": 5}, ".id", "invalid_type"),
        ({"id": "a"}, ".id", "invalid_value"),
        ({"function": None}, ".function", "missing_required_parameter"),
        ({"function": "f"}, ".function", "invalid_type"),
        ({"function": {"arguments": "{}"}}, ".function.name", "missing_required_parameter"),
        (
            {"function": {"name": "", "arguments": "{}"}},
            ".function.name",
            "missing_required_parameter",
        ),
        ({"function": {"name": "f"}}, ".function.arguments", "missing_required_parameter"),
    ],
)
def test_a_call_that_cannot_be_is_told_by_its_place(broken: Any, where: str, code: str) -> None:
    second = {**call("b"), **broken} if isinstance(broken, dict) else broken
    messages = [HELLO, calling(call("a"), second), result("a"), result("b")]
    assert refused(lambda: ask(*messages))[1:] == (f"messages[1].tool_calls[1]{where}", code)


def test_an_id_that_is_used_again_later_is_another_one_to_the_api() -> None:
    again = [HELLO, calling(call("a")), result("a"), calling(call("a")), result("a"), HELLO]
    said = turns(*again)
    uses = [turn.blocks[0]["id"] for turn in said if turn.role == "assistant"]
    results = [turn.blocks[0]["tool_use_id"] for turn in said[2:] if turn.role == "user"]
    assert uses == results
    assert len(set(uses)) == 2
    assert turns(*again) == said


# Results


@pytest.mark.parametrize("order", list(permutations("abc")))
def test_results_come_in_any_order_and_are_one_turn(order: tuple[str, ...]) -> None:
    calls = calling(*(call(call_id) for call_id in "abc"))
    *_, answered = turns(HELLO, calls, *map(result, order))
    assert answered == Turn("user", tuple(tool_result(call_id, DONE) for call_id in order))


def test_what_the_user_adds_comes_after_the_results_in_one_turn() -> None:
    *_, answered = turns(HELLO, calling(call("a"), call("b")), result("b"), result("a"), HELLO)
    assert answered.blocks == (tool_result("b", DONE), tool_result("a", DONE), text_block("Hello"))


def test_calls_follow_upon_results() -> None:
    said = turns(HELLO, calling(call("a")), result("a"), calling(call("b")), result("b"))
    assert [turn.role for turn in said] == ["user", "assistant", "user", "assistant", "user"]


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        ("done", (DONE,)),
        ("", ()),
        (" \n", ()),
        (None, ()),
        ([], ()),
        ([{"type": "text", "text": "done"}, {"type": "text", "text": ""}], (DONE,)),
    ],
)
def test_a_result_is_text_or_nothing(content: Any, blocks: tuple[Block, ...]) -> None:
    assert the_result(content) == tool_result("a", *blocks)


def test_a_result_may_show_a_picture_and_a_file() -> None:
    shown = the_result(
        [
            {"type": "text", "text": "See:"},
            {"type": "image_url", "image_url": {"url": PNG_URL}},
            {"type": "file", "file": {"file_data": PDF}},
        ]
    )
    assert [block["type"] for block in shown["content"]] == ["text", "image", "document"]


@pytest.mark.parametrize(
    ("content", "where", "code"),
    [
        (5, "", "invalid_type"),
        ([{"type": "refusal", "refusal": "x"}], "[0].type", "unsupported_value"),
        ([{"type": "input_audio"}], "[0].type", "unsupported_value"),
        ([{"type": "text"}], "[0].text", "missing_required_parameter"),
        (
            [{"type": "image_url", "image_url": {"url": "x"}}],
            "[0].image_url.url",
            "invalid_value",
        ),
    ],
)
def test_content_of_a_result_that_cannot_be_is_told(content: Any, where: str, code: str) -> None:
    assert refused(lambda: the_result(content))[1:] == (f"messages[2].content{where}", code)


@pytest.mark.parametrize(
    ("after", "missing"),
    [
        ([], "a, b"),
        ([result("a")], "b"),
        ([result("b"), HELLO], "a"),
        ([result("b"), HELLO, result("a")], "a"),
        ([result("b"), {"role": "system", "content": "x"}, result("a")], "a"),
        ([result("b"), {"role": "assistant", "content": "x"}], "a"),
        ([calling(call("c")), result("c")], "a, b"),
    ],
)
def test_every_call_has_its_result_before_anything_else(after: list[Any], missing: str) -> None:
    message, *told = refused(lambda: ask(HELLO, calling(call("a"), call("b")), *after))
    assert message.endswith(f"did not have response messages: {missing}")
    assert told == ["messages[1].role", None]


@pytest.mark.parametrize(
    ("messages", "param", "why"),
    [
        ([result("a")], "messages[0].tool_call_id", "No tool call precedes it."),
        ([HELLO, result("a")], "messages[1].tool_call_id", "No tool call precedes it."),
        (
            [calling(call("a")), result("b")],
            "messages[1].tool_call_id",
            "No tool call with the id 'b' precedes it.",
        ),
        (
            [calling(call("a"), call("b")), result("a"), result("a")],
            "messages[2].tool_call_id",
            "already has a response",
        ),
        (
            [calling(call("a")), result("a"), HELLO, result("a")],
            "messages[3].tool_call_id",
            "already has a response",
        ),
        ([function_call("g"), function_result("f")], "messages[1].name", "No unanswered call of"),
    ],
)
def test_a_result_out_of_place_is_refused(messages: list[Any], param: str, why: str) -> None:
    message, *told = refused(lambda: ask(*messages))
    assert why in message
    assert told == [param, None]


@pytest.mark.parametrize(
    ("message", "name", "code"),
    [
        ({"role": "tool", "content": "x"}, "tool_call_id", "missing_required_parameter"),
        (result(""), "tool_call_id", "missing_required_parameter"),
        ({**result("a"), "tool_call_id": 5}, "tool_call_id", "invalid_type"),
        ({"role": "function", "content": "x"}, "name", "missing_required_parameter"),
        (function_result(""), "name", "missing_required_parameter"),
    ],
)
def test_a_result_tells_what_it_is_of(message: Any, name: str, code: str) -> None:
    assert refused(lambda: ask(calling(call("a")), message))[1:] == (f"messages[1].{name}", code)


# Ids


def ids_of(*call_ids: str) -> tuple[list[str], list[str]]:
    calls = calling(*map(call, call_ids))
    _, said, answered = turns(HELLO, calls, *map(result, reversed(call_ids)))
    return (
        [block["id"] for block in said.blocks],
        [block["tool_use_id"] for block in reversed(answered.blocks)],
    )


@pytest.mark.parametrize("call_id", ["a", "toolu_01AbC", "call_x-9", "x" * 200])
def test_an_id_that_the_api_takes_stays_as_it_is(call_id: str) -> None:
    assert ids_of(call_id) == ([call_id], [call_id])


@pytest.mark.parametrize("call_id", ["call:1", "functions.f:0", "é", "a b", "🦜", "\ud83e", "a\n"])
def test_an_id_of_another_servers_is_made_one_that_the_api_takes(call_id: str) -> None:
    (used,), (answered,) = ids_of(call_id)
    assert used == answered
    assert re.fullmatch(r"[A-Za-z0-9_-]+", used)


@calm
@given(st.lists(st.text(min_size=1), min_size=1, max_size=5, unique=True))
def test_different_ids_stay_different_and_belong_to_the_same_results(call_ids: list[str]) -> None:
    used, answered = ids_of(*call_ids)
    assert used == answered == ids_of(*call_ids)[0]
    assert len(set(used)) == len(call_ids)


# Functions, as they were before tools


def test_a_function_call_and_its_result_are_paired_by_name_and_place() -> None:
    messages = [HELLO, function_call("f", '{"x": 1}'), function_result("f"), HELLO]
    messages += [function_call("f"), function_result("f", [])]
    first, second = tool_use("function-0", "f", x=1), tool_use("function-1", "f")
    said = turns(*messages)
    assert said == (
        user("Hello"),
        Turn("assistant", (first,)),
        Turn("user", (tool_result("function-0", DONE), text_block("Hello"))),
        Turn("assistant", (second,)),
        Turn("user", (tool_result("function-1"),)),
    )
    assert turns(*messages[:4]) == said[:3]


@pytest.mark.parametrize("before", [[], [function_call(), function_result()]])
def test_a_result_of_a_function_may_come_without_its_call(before: list[Any]) -> None:
    # Home Assistant's integration Extended OpenAI Conversation can send it so.
    (*_, last) = turns(*before, HELLO, function_result("g", "1 lamp"))
    assert last.role == "user"
    title = text_block("The result of the function g:")
    assert last.blocks[-3:] == (text_block("Hello"), title, text_block("1 lamp"))


@pytest.mark.parametrize("broken", [{}, {"name": "", "arguments": "{}"}, {"arguments": "{}"}])
def test_a_function_call_without_a_name_is_refused(broken: Any) -> None:
    message = {"role": "assistant", "function_call": broken}
    assert refused(lambda: ask(HELLO, message))[1:] == (
        "messages[1].function_call.name",
        "missing_required_parameter",
    )
