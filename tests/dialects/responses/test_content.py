"""The input of Responses requests as turns: messages, calls and their outputs, references."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.conversation import Block, Profile, Tool, ToolChoice, Turn, text_block
from claudeproxy.dialects.json_schema import ANYTHING
from claudeproxy.dialects.openai_content import CONTINUATION, OPENING
from claudeproxy.errors import APIError

from ..asking import PDF, PNG, PNG_URL, assistant, refused, tool_result, tool_use, user
from .test_request import F, answered, ask, dialect


BEGIN = Turn("user", (OPENING,))
CONTINUE = Turn("user", (CONTINUATION,))
HELLO = {"role": "user", "content": "Hello"}


def turns(*items: Any) -> tuple[Turn, ...]:
    return ask(*items).conversation.turns


def system(*items: Any, **changes: Any) -> str:
    return ask(*items, **changes).conversation.profile.system


def message(role: str, *parts: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


def shown(text: str) -> dict[str, Any]:
    return {"type": "input_text", "text": text}


def said(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def call(call_id: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def output(call_id: str, content: Any = "done") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": content}


DONE = text_block("done")
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]}


# Messages


@pytest.mark.parametrize(
    "item",
    [
        HELLO,
        {"type": "message", **HELLO},
        {"type": None, **HELLO},
        {"id": "msg_1", "status": "completed", **HELLO},
        message("user", shown("Hello")),
        message("user", shown(" "), shown("Hello")),
    ],
)
def test_a_message_needs_neither_type_nor_parts(item: Any) -> None:
    assert turns(item) == (user("Hello"),)


def test_every_role_has_its_place() -> None:
    asked = ask(
        {"role": "system", "content": "S"},
        message("developer", shown("D"), shown("E")),
        HELLO,
        message("assistant", said("Well."), {"type": "refusal", "refusal": "I cannot."}),
        message("user", shown("a"), shown("b")),
        instructions="I",
    ).conversation
    assert asked.profile == Profile(system="I\n\nS\n\nD\n\nE")
    assert asked.turns == (user("Hello"), assistant("Well.", "I cannot."), user("a", "b"))


@pytest.mark.parametrize("instructions", [None, ""])
def test_instructions_need_not_be(instructions: str | None) -> None:
    assert system(HELLO, instructions=instructions) == ""
    assert system({"role": "system", "content": "S"}, instructions=instructions) == "S"


def test_instructions_stand_before_the_systems_messages_wherever_those_are() -> None:
    late = {"role": "developer", "content": "late"}
    assert system(HELLO, late, instructions="first") == "first\n\nlate"


@pytest.mark.parametrize("item", ["Hi", [shown("Hi")], [said("Hi")]])
def test_what_the_assistant_said_is_a_string_or_parts(item: Any) -> None:
    assert turns(HELLO, {"role": "assistant", "content": item}, HELLO) == (
        user("Hello"),
        assistant("Hi"),
        user("Hello"),
    )


@pytest.mark.parametrize("content", ["", " \n", [], [said(" ")]])
def test_an_answer_without_text_is_left_out_and_its_neighbours_meet(content: Any) -> None:
    silent = {"role": "assistant", "content": content}
    assert turns(HELLO, silent, HELLO) == (user("Hello", "Hello"),)


def test_neighbours_of_one_role_are_merged() -> None:
    hi = {"role": "assistant", "content": "Hi"}
    assert turns(HELLO, HELLO, hi, hi, HELLO) == (
        user("Hello", "Hello"),
        assistant("Hi", "Hi"),
        user("Hello"),
    )


def test_the_user_stands_at_both_ends() -> None:
    assert turns(message("assistant", said("Hi"))) == (BEGIN, assistant("Hi"), CONTINUE)
    assert turns({"role": "system", "content": "S"}) == (BEGIN,)


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"type": "input_image", "image_url": PNG_URL, "detail": "high"},
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": PNG},
            },
        ),
        (
            {"type": "input_image", "image_url": "https://a.test/b.png"},
            {"type": "image", "source": {"type": "url", "url": "https://a.test/b.png"}},
        ),
        (
            {"type": "input_file", "file_data": PDF, "filename": "a.pdf"},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                "title": "a.pdf",
            },
        ),
        (
            {"type": "input_file", "file_url": "https://a.test/b.pdf"},
            {"type": "document", "source": {"type": "url", "url": "https://a.test/b.pdf"}},
        ),
    ],
)
def test_pictures_and_files_are_shown_by_users_and_by_tools(part: Any, block: Block) -> None:
    assert turns(message("user", part, shown("?"))) == (Turn("user", (block, text_block("?"))),)
    assert turns(call("a"), output("a", [shown("See:"), part]))[-1] == Turn(
        "user", (tool_result("a", text_block("See:"), block),)
    )


@pytest.mark.parametrize(
    ("item", "where", "code"),
    [
        ({}, ".role", "missing_required_parameter"),
        ({"role": "tool", "content": "x"}, ".role", "invalid_value"),
        ({"role": 5, "content": "x"}, ".role", "invalid_type"),
        ({"role": "user"}, ".content", "missing_required_parameter"),
        ({"role": "assistant", "content": None}, ".content", "missing_required_parameter"),
        ({"role": "user", "content": 5}, ".content", "invalid_type"),
        ({"role": "user", "content": " \n"}, ".content", "invalid_value"),
        (message("user"), ".content", "invalid_value"),
        (message("user", "x"), ".content[0]", "invalid_type"),
        (message("user", {"text": "x"}), ".content[0].type", "missing_required_parameter"),
        (message("user", {"type": "text", "text": "x"}), ".content[0].type", "unsupported_value"),
        (message("user", said("x")), ".content[0].type", "unsupported_value"),
        (message("assistant", {"type": "input_image"}), ".content[0].type", "unsupported_value"),
        (message("system", said("x")), ".content[0].type", "unsupported_value"),
        (
            message("user", {"type": "input_text"}),
            ".content[0].text",
            "missing_required_parameter",
        ),
        (
            message("user", {"type": "input_image"}),
            ".content[0].image_url",
            "missing_required_parameter",
        ),
        (
            message("user", {"type": "input_image", "image_url": "ftp://x"}),
            ".content[0].image_url",
            "invalid_value",
        ),
        (
            message("user", {"type": "input_image", "image_url": PNG_URL, "detail": 5}),
            ".content[0].detail",
            "invalid_type",
        ),
        (
            message("user", {"type": "input_image", "file_id": "file_1"}),
            ".content[0].file_id",
            "unsupported_parameter",
        ),
        (
            message("user", {"type": "input_file", "file_id": "file_1"}),
            ".content[0].file_id",
            "unsupported_parameter",
        ),
        (
            message("user", {"type": "input_file"}),
            ".content[0].file_data",
            "missing_required_parameter",
        ),
        (
            message("user", {"type": "input_file", "file_url": "file:///x"}),
            ".content[0].file_url",
            "invalid_value",
        ),
        ({"type": 5}, ".type", "invalid_type"),
        ({"type": "web_search_call", "id": "ws_1"}, ".type", "unsupported_value"),
        ({"type": "computer_call_output"}, ".type", "unsupported_value"),
        ({"type": "item_reference"}, ".id", "missing_required_parameter"),
        ({"id": 5}, ".id", "invalid_type"),
        (call(""), ".call_id", "missing_required_parameter"),
        (call("b", name="a b"), ".name", "invalid_value"),
        ({**call("b"), "name": None}, ".name", "missing_required_parameter"),
        ({**call("b"), "arguments": None}, ".arguments", "missing_required_parameter"),
        ({**call("b"), "arguments": {}}, ".arguments", "invalid_type"),
        (output(""), ".call_id", "missing_required_parameter"),
    ],
)
def test_an_item_that_cannot_be_is_told_by_its_place(item: Any, where: str, code: str) -> None:
    assert refused(lambda: turns(HELLO, item))[1:] == (f"input[1]{where}", code)


def test_an_item_of_an_unknown_type_is_named_with_those_that_are_known() -> None:
    message, *_ = refused(lambda: turns({"type": "web_search_call"}))
    assert "'web_search_call'" in message
    assert "function_call_output" in message


# Calls and their outputs


def test_a_call_and_its_output_are_blocks() -> None:
    items = [HELLO, call("a", "f", '{"x": 1}'), output("a")]
    assert turns(*items) == (
        user("Hello"),
        Turn("assistant", (tool_use("a", "f", x=1),)),
        Turn("user", (tool_result("a", DONE),)),
    )


def test_several_outputs_and_what_the_user_says_then_are_one_turn() -> None:
    items = [message("assistant", said("Wait.")), call("a"), call("b", "g")]
    assert turns(HELLO, *items, output("b"), output("a", ""), HELLO) == (
        user("Hello"),
        Turn("assistant", (text_block("Wait."), tool_use("a", "f"), tool_use("b", "g"))),
        Turn("user", (tool_result("b", DONE), tool_result("a"), text_block("Hello"))),
    )


def test_calls_may_follow_one_another() -> None:
    said_then = message("assistant", said("Next."))
    assert turns(HELLO, call("a"), output("a"), THOUGHT, said_then, call("b"), output("b")) == (
        user("Hello"),
        Turn("assistant", (tool_use("a", "f"),)),
        Turn("user", (tool_result("a", DONE),)),
        Turn("assistant", (text_block("Next."), tool_use("b", "f"))),
        Turn("user", (tool_result("b", DONE),)),
    )


def test_what_stands_between_calls_and_outputs_does_not_part_them() -> None:
    late = {"role": "developer", "content": "D"}
    assert turns(HELLO, call("a"), THOUGHT, call("b"), late, output("a"), output("b")) == (
        user("Hello"),
        Turn("assistant", (tool_use("a", "f"), tool_use("b", "f"))),
        Turn("user", (tool_result("a", DONE), tool_result("b", DONE))),
    )


@pytest.mark.parametrize("arguments", ["", " "])
def test_a_call_without_arguments_has_none(arguments: str) -> None:
    blocks = turns(call("a", arguments=arguments), output("a"))[1].blocks
    assert blocks == (tool_use("a", "f"),)


def test_arguments_that_were_cut_off_are_kept_as_text() -> None:
    blocks = turns(call("a", arguments='{"x'), output("a"))[1].blocks
    assert blocks == (tool_use("a", "f", invalid_json='{"x'),)


@pytest.mark.parametrize(
    "items",
    [
        [call("a")],
        [call("a"), HELLO],
        [call("a"), call("b"), output("b")],
        [call("a"), call("b"), output("b"), HELLO],
        [call("a"), call("b"), output("b"), message("assistant", said("x")), output("a")],
        [call("a"), call("b"), output("b"), call("c"), output("a"), output("c")],
    ],
)
def test_a_call_without_an_output_is_told(items: list[Any]) -> None:
    assert refused(lambda: turns(HELLO, *items)) == (
        "No tool output found for function call a.",
        "input",
        None,
    )


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ([output("a")], "There is no call before it."),
        ([output("a"), call("a")], "There is no call before it."),
        ([call("b"), output("a")], "There is no tool call 'a' for it in the message before."),
        ([call("a"), output("a"), output("a")], "The tool call 'a' has its response already."),
    ],
)
def test_an_output_without_a_call_is_told(items: list[Any], why: str) -> None:
    message, param, code = refused(lambda: turns(*items))
    assert message == f"No tool call found for function call output with call_id a. {why}"
    place = max(index for index, item in enumerate(items) if item == output("a"))
    assert (param, code) == (f"input[{place}].call_id", None)


def test_an_output_must_be_there() -> None:
    for missing in ({**output("a"), "output": None}, {"call_id": "a", "type": output("a")["type"]}):
        told = refused(lambda given=missing: turns(call("a"), given))  # type: ignore[misc]
        assert told[1:] == ("input[1].output", "missing_required_parameter")


def test_a_call_that_is_there_twice_is_told() -> None:
    message, *told = refused(lambda: turns(call("a"), call("a"), output("a")))
    assert "'a' is there twice" in message
    assert told == ["input[1].call_id", "invalid_value"]


def test_an_id_may_be_used_again_once_its_call_has_its_output() -> None:
    read = turns(call("a"), output("a"), call("a"), output("a"))
    first, second = (turn.blocks[0]["id"] for turn in read if turn.role == "assistant")
    assert first == "a" != second
    assert [turn.blocks[0]["tool_use_id"] for turn in read[2::2]] == [first, second]


@pytest.mark.parametrize("tools", [None, [], [F]])
def test_calls_of_earlier_on_bring_their_tools_if_there_are_no_others(tools: Any) -> None:
    asked = ask(call("a", "g"), output("a"), tools=tools).conversation
    names = ["f"] if tools else ["g"]
    assert asked.profile.tools == tuple(Tool(name, "", ANYTHING) for name in names)
    assert asked.limits.tool_choice == (ToolChoice() if tools else ToolChoice("none"))


# What the model thought


@pytest.mark.parametrize(
    "thought", [THOUGHT, {"type": "reasoning"}, {**THOUGHT, "encrypted_content": "abc"}]
)
def test_thoughts_are_dropped(thought: Any) -> None:
    assert turns(HELLO, thought, message("assistant", said("Hi")), thought, HELLO) == (
        user("Hello"),
        assistant("Hi"),
        user("Hello"),
    )


# References


@pytest.mark.parametrize("typed", [{}, {"type": "item_reference"}])
def test_a_reference_stands_for_its_item(typed: Any) -> None:
    kept = dialect()
    (item,) = answered("one", HELLO, to=kept)["output"]
    asked = ask({**typed, "id": "msg_onei0"}, {**typed, "id": item["id"]}, HELLO, to=kept)
    assert asked.conversation.turns == (user("Hello"), assistant("Hi"), user("Hello"))


def test_what_refers_to_nothing_is_not_found() -> None:
    with pytest.raises(APIError) as caught:
        turns(HELLO, {"type": "item_reference", "id": "msg_x"})
    error = caught.value
    assert (error.status, error.param, error.code) == (404, "input[1].id", None)
    assert error.message.startswith("Item with id 'msg_x' not found. ")
