"""Chat Completions messages as turns: roles, content, and what stands at both ends."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.conversation import Profile, Turn
from claudeproxy.dialects.chat.request import read
from claudeproxy.dialects.openai_content import CONTINUATION, OPENING

from ..asking import HELLO, ask, assistant, body, refused, turns, user


BEGIN = Turn("user", (OPENING,))
CONTINUE = Turn("user", (CONTINUATION,))


def system(*messages: Any) -> str:
    return ask(*messages).conversation.profile.system


# Roles and content


def test_every_role_has_its_place() -> None:
    asked = ask(
        {"role": "system", "content": "S"},
        {"role": "developer", "content": "D"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three", "name": "bob"},
    )
    assert asked.conversation.profile == Profile(system="S\n\nD")
    assert asked.conversation.turns == (user("one"), assistant("two"), user("three"))


def test_instructions_are_joined_in_order_wherever_they_stand() -> None:
    messages = [
        {"role": "developer", "content": "one"},
        HELLO,
        {"role": "system", "content": [{"type": "text", "text": "two"}]},
        {"role": "assistant", "content": "Hi"},
        {"role": "developer", "content": "three\n"},
        HELLO,
    ]
    assert system(*messages) == "one\n\ntwo\n\nthree\n"
    assert turns(*messages) == (user("Hello"), assistant("Hi"), user("Hello"))


@pytest.mark.parametrize("content", ["", " \n\t", None, [], [{"type": "text", "text": " "}]])
def test_blank_instructions_are_none(content: Any) -> None:
    assert system({"role": "system", "content": content}, HELLO) == ""


@pytest.mark.parametrize(
    "content",
    [
        "Hi there",
        [{"type": "text", "text": "Hi there"}],
        [{"type": "text", "text": ""}, {"type": "text", "text": "Hi there"}],
    ],
)
def test_content_is_a_string_or_parts(content: Any) -> None:
    assert turns({"role": "user", "content": content}) == (user("Hi there"),)
    assert turns(HELLO, {"role": "assistant", "content": content}, HELLO) == (
        user("Hello"),
        assistant("Hi there"),
        user("Hello"),
    )


def test_parts_stay_blocks_of_their_own_with_their_white_space() -> None:
    parts = [{"type": "text", "text": " one "}, {"type": "text", "text": "two\n"}]
    assert turns({"role": "user", "content": parts}) == (user(" one ", "two\n"),)


def test_an_assistants_refusal_part_is_its_text() -> None:
    parts = [{"type": "text", "text": "Well."}, {"type": "refusal", "refusal": "I cannot."}]
    assert turns(HELLO, {"role": "assistant", "content": parts}, HELLO) == (
        user("Hello"),
        assistant("Well.", "I cannot."),
        user("Hello"),
    )


def test_neighbours_of_one_role_are_merged() -> None:
    assert turns(
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": "c"},
        {"role": "assistant", "content": "d"},
        {"role": "user", "content": "e"},
    ) == (user("a", "b"), assistant("c", "d"), user("e"))


@pytest.mark.parametrize("content", [None, "", "  ", [], [{"type": "text", "text": "\n"}]])
def test_an_answer_without_text_is_left_out_and_its_neighbours_meet(content: Any) -> None:
    assert turns(
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": "b"},
    ) == (user("a", "b"),)


def test_an_assistant_needs_no_content() -> None:
    assert turns(HELLO, {"role": "assistant"}, HELLO) == (user("Hello", "Hello"),)


def test_where_the_assistant_speaks_first_an_opening_is_put_before_it() -> None:
    assert turns({"role": "assistant", "content": "Hi"}, HELLO) == (
        BEGIN,
        assistant("Hi"),
        user("Hello"),
    )


def test_where_the_assistant_speaks_last_a_continuation_is_put_after_it() -> None:
    assert turns(HELLO, {"role": "assistant", "content": "Once"}) == (
        user("Hello"),
        assistant("Once"),
        CONTINUE,
    )


def test_where_only_the_assistant_speaks_both_are_put_around_it() -> None:
    assert turns({"role": "assistant", "content": "Hi"}) == (BEGIN, assistant("Hi"), CONTINUE)


@pytest.mark.parametrize("role", ["system", "developer"])
def test_instructions_alone_are_answered_from_the_opening(role: str) -> None:
    asked = ask({"role": role, "content": "Tell a joke."})
    assert asked.conversation.turns == (BEGIN,)
    assert asked.conversation.profile.system == "Tell a joke."


def test_what_stands_in_for_the_user_is_not_blank() -> None:
    assert [OPENING["text"], CONTINUATION["text"]] == ["Begin.", "Continue."]


@pytest.mark.parametrize(
    "text", ["/clear", "\u2028", "\x00\x1b", '"quoted"', "🦜", "\ud83e", "a\r\nb"]
)
def test_text_comes_through_as_it_is(text: str) -> None:
    assert turns({"role": "user", "content": "x" + text}) == (user("x" + text),)
    assert system({"role": "system", "content": "x" + text}, HELLO) == "x" + text


# Messages that cannot be


@pytest.mark.parametrize(
    ("messages", "message", "param", "code"),
    [
        (
            [],
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
            "messages",
            "empty_array",
        ),
        (
            "Hello",
            "Invalid type for 'messages': expected an array, but got a string instead.",
            "messages",
            "invalid_type",
        ),
        (
            {"role": "user"},
            "Invalid type for 'messages': expected an array, but got an object instead.",
            "messages",
            "invalid_type",
        ),
        (
            [HELLO, "Hello"],
            "Invalid type for 'messages[1]': expected an object, but got a string instead.",
            "messages[1]",
            "invalid_type",
        ),
        (
            [{"content": "Hello"}],
            "Missing required parameter: 'messages[0].role'.",
            "messages[0].role",
            "missing_required_parameter",
        ),
        (
            [{"role": 5, "content": "Hello"}],
            "Invalid type for 'messages[0].role': expected a string, but got an integer instead.",
            "messages[0].role",
            "invalid_type",
        ),
        (
            [{"role": "bot", "content": "Hello"}],
            "Invalid value: 'bot'. Supported values are: 'developer', 'system', 'user', "
            "'assistant', 'tool', 'function'.",
            "messages[0].role",
            "invalid_value",
        ),
        (
            [{"role": "user"}],
            "Missing required parameter: 'messages[0].content'.",
            "messages[0].content",
            "missing_required_parameter",
        ),
        (
            [{"role": "user", "content": None}],
            "Missing required parameter: 'messages[0].content'.",
            "messages[0].content",
            "missing_required_parameter",
        ),
        (
            [{"role": "user", "content": 5}],
            "Invalid type for 'messages[0].content': expected a string or an array of parts, but "
            "got an integer instead.",
            "messages[0].content",
            "invalid_type",
        ),
        (
            [{"role": "system", "content": {"type": "text", "text": "x"}}],
            "Invalid type for 'messages[0].content': expected a string or an array of parts, but "
            "got an object instead.",
            "messages[0].content",
            "invalid_type",
        ),
        (
            [{"role": "user", "content": ["Hello"]}],
            "Invalid type for 'messages[0].content[0]': expected an object, but got a string "
            "instead.",
            "messages[0].content[0]",
            "invalid_type",
        ),
        (
            [{"role": "user", "content": [{"text": "Hello"}]}],
            "Missing required parameter: 'messages[0].content[0].type'.",
            "messages[0].content[0].type",
            "missing_required_parameter",
        ),
        (
            [{"role": "user", "content": [{"type": "text"}]}],
            "Missing required parameter: 'messages[0].content[0].text'.",
            "messages[0].content[0].text",
            "missing_required_parameter",
        ),
        (
            [HELLO, {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": 1}]}],
            "Invalid type for 'messages[1].content[1].type': expected a string, but got an integer "
            "instead.",
            "messages[1].content[1].type",
            "invalid_type",
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": ["x"]}]}],
            "Invalid type for 'messages[0].content[0].text': expected a string, but got an array "
            "instead.",
            "messages[0].content[0].text",
            "invalid_type",
        ),
    ],
)
def test_a_message_that_cannot_be_is_told_by_its_place(
    messages: Any, message: str, param: str, code: str
) -> None:
    assert refused(lambda: read(body(messages=messages))) == (message, param, code)


@pytest.mark.parametrize("content", ["", " ", "\n\t\u00a0", [], [{"type": "text", "text": ""}]])
def test_a_blank_user_message_is_refused(content: Any) -> None:
    message, param, code = refused(lambda: ask(HELLO, {"role": "user", "content": content}))
    assert message.startswith("Invalid 'messages[1].content': ")
    assert (param, code) == ("messages[1].content", "invalid_value")
