"""Chat Completions messages as turns: roles, content, and what stands at both ends."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletionMessage

from claudeproxy.conversation import Profile, Turn, text_block
from claudeproxy.dialects.chat.request import read
from claudeproxy.dialects.history import CONTINUATION, OPENING

from ..asking import HELLO, PNG_URL, ask, assistant, body, refused, tool_use, turns, user


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
        {"role": "user", "content": "three"},
    )
    assert asked.conversation.profile == Profile(system="S\n\nD")
    assert asked.conversation.turns == (user("one"), assistant("two"), user("three"))
    assert asked.ignored == ()


def test_leading_instructions_are_the_system_prompt_and_later_ones_stand_where_they_are() -> None:
    messages = [
        {"role": "developer", "content": "zero"},
        {"role": "system", "content": "one"},
        HELLO,
        {"role": "system", "content": [{"type": "text", "text": "two"}]},
        {"role": "assistant", "content": "Hi"},
        {"role": "developer", "content": "three\n"},
        HELLO,
    ]
    assert system(*messages) == "zero\n\none"
    assert turns(*messages) == (
        user("Hello", "<system_message>\ntwo\n</system_message>"),
        assistant("Hi"),
        user("<system_message>\nthree\n\n</system_message>", "Hello"),
    )


def test_instructions_at_the_end_are_what_is_answered() -> None:
    late = {"role": "system", "content": [{"type": "text", "text": text} for text in "ab"]}
    assert turns(HELLO, {"role": "assistant", "content": "Hi"}, late) == (
        user("Hello"),
        assistant("Hi"),
        user("<system_message>\na\n</system_message>", "<system_message>\nb\n</system_message>"),
    )


@pytest.mark.parametrize("content", ["", " \n\t", None, [], [{"type": "text", "text": " "}]])
def test_blank_instructions_are_none(content: Any) -> None:
    blank = {"role": "system", "content": content}
    assert system(blank, HELLO) == ""
    assert turns(blank, HELLO, blank) == (user("Hello"),)


# Names


def test_the_model_is_told_who_speaks() -> None:
    asked = ask(
        {"role": "system", "name": "rules", "content": "S"},
        {"role": "user", "name": "bob", "content": [{"type": "text", "text": t} for t in "ab"]},
        {"role": "developer", "name": "boss", "content": "D"},
    )
    assert asked.conversation.profile.system == "rules: S"
    assert asked.conversation.turns == (
        user("bob: a", "b", "<system_message>\nboss: D\n</system_message>"),
    )
    assert asked.ignored == ()


def test_who_shows_an_image_first_is_named_before_it() -> None:
    image = {"type": "image_url", "image_url": {"url": PNG_URL}}
    (turn,) = turns({"role": "user", "name": "bob", "content": [image]})
    assert turn.blocks[0] == text_block("bob:")
    assert [block["type"] for block in turn.blocks] == ["text", "image"]


@pytest.mark.parametrize("name", [None, "", " "])
def test_a_blank_name_is_none(name: str | None) -> None:
    assert turns({"role": "user", "name": name, "content": "Hello"}) == (user("Hello"),)


def test_a_name_is_one_line() -> None:
    name = " Zoë\nBob:\t\u2028Hi\r\n"
    said = turns({"role": "user", "name": name, "content": "Hello\n"})
    assert said == (user("Zoë Bob: Hi: Hello\n"),)


def test_a_name_alone_says_nothing() -> None:
    assert turns({"role": "user", "name": "bob", "content": " "}, HELLO) == (user("Hello"),)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("a", "a"), ("x", "y")),
        (("a", None), ("x", "y")),
        (("a", " "), ("x", "y")),
        (("a", "b"), ("a: x", "b: y")),
    ],
)
def test_assistants_are_named_if_there_are_several(names: Any, told: tuple[str, str]) -> None:
    first, second = (
        {"role": "assistant", "content": content, "name": name}
        for name, content in zip(names, "xy", strict=True)
    )
    asked = ask(HELLO, first, HELLO, second, HELLO)
    assert asked.conversation.turns[1::2] == (assistant(told[0]), assistant(told[1]))
    assert asked.ignored == ()


# What clients send back of answers

SENT_BACK: dict[str, Any] = {
    "content": "Hi",
    "refusal": None,
    "role": "assistant",
    "annotations": [],
    "audio": None,
    "function_call": None,
    "tool_calls": None,
    "name": None,
}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"reasoning_content": "Hm"},
        {"reasoning": "Hm", "reasoning_details": [{"type": "reasoning.text", "text": "Hm"}]},
        {"provider_specific_fields": {"refusal": None}, "thinking_blocks": []},
        {"parsed": {"a": 1}},
        {"audio": {"id": "audio_1"}, "tool_calls": []},
    ],
)
def test_a_message_of_an_answer_is_taken_back_without_a_word(more: dict[str, Any]) -> None:
    asked = ask(HELLO, {**SENT_BACK, **more}, HELLO)
    assert asked.conversation.turns == (user("Hello"), assistant("Hi"), user("Hello"))
    assert asked.ignored == ()


def test_a_message_of_the_official_package_is_taken_back_without_a_word() -> None:
    called = {"name": "f", "arguments": "{}", "parsed_arguments": {}}
    call = {"id": "a", "type": "function", "function": called, "index": 0}
    called["provider_specific_fields"] = call["provider_specific_fields"] = {"a": 1}
    said = ChatCompletionMessage(role="assistant", content=None).model_dump()
    sent = {**said, "tool_calls": [call]}
    asked = ask(HELLO, sent, {"role": "tool", "tool_call_id": "a", "name": "f", "content": "x"})
    assert asked.ignored == ()
    assert asked.conversation.turns[1].blocks == (tool_use("a", "f"),)


def test_what_else_is_in_a_message_is_told_by_its_place() -> None:
    part = {"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral"}}
    asked = ask({"role": "user", "content": [part], "mood": "good"}, {"role": "system", "x": 1})
    assert asked.conversation.turns == (user("Hello"),)
    assert asked.ignored == (
        "messages[].content[].cache_control",
        "messages[].mood",
        "messages[].x",
    )


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


# Messages that cannot be, and some that say nothing


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
def test_a_blank_user_message_is_left_out(content: Any) -> None:
    blank = {"role": "user", "content": content}
    hi = {"role": "assistant", "content": "Hi"}
    assert turns(HELLO, blank) == turns(blank, HELLO) == (user("Hello"),)
    assert turns(blank) == (BEGIN,)
    assert turns(blank, hi, blank) == (BEGIN, assistant("Hi"), CONTINUE)
    # It does not end the system prompt.
    assert system(blank, {"role": "system", "content": "S"}, HELLO) == "S"
