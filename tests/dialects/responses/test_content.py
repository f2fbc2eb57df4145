"""The input of Responses requests as turns: messages, calls and their outputs, references."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.conversation import Block, Profile, Tool, ToolChoice, Turn, text_block
from claudeproxy.dialects.history import CONTINUATION, OPENING
from claudeproxy.dialects.json_schema import ANYTHING
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


def custom_call(call_id: str, given: str = "x") -> dict[str, Any]:
    return {"type": "custom_tool_call", "call_id": call_id, "name": "c", "input": given}


def custom_output(call_id: str, content: Any = "done") -> dict[str, Any]:
    return {**output(call_id, content), "type": "custom_tool_call_output"}


def search_call(call_id: str | None, **arguments: Any) -> dict[str, Any]:
    told = {"type": "tool_search_call", "call_id": call_id, "arguments": arguments}
    return {**told, "execution": "client" if call_id else "server", "status": "completed"}


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


def test_instructions_stand_before_leading_messages_and_later_ones_stay_where_they_are() -> None:
    lead = {"role": "system", "content": "lead"}
    late = {"role": "developer", "content": "late"}
    asked = ask(lead, HELLO, late, instructions="first").conversation
    assert asked.profile.system == "first\n\nlead"
    assert asked.turns == (user("Hello", "<system_message>\nlate\n</system_message>"),)


def test_the_model_is_told_who_speaks() -> None:
    asked = ask(
        {"role": "developer", "name": "rules", "content": "S"},
        {"role": "user", "name": "bob", "content": [shown("a"), shown("b")]},
        {"role": "assistant", "name": "ann", "content": "c"},
        {"role": "system", "name": "boss", "content": "D"},
    )
    assert asked.conversation.profile.system == "rules: S"
    assert asked.conversation.turns == (
        user("bob: a", "b"),
        assistant("c"),
        user("<system_message>\nboss: D\n</system_message>"),
    )
    assert asked.ignored == ()


def test_assistants_are_named_if_there_are_several() -> None:
    said_by = [{"role": "assistant", "name": name, "content": name} for name in ("ann", "bo")]
    assert turns(HELLO, *said_by) == (user("Hello"), assistant("ann: ann", "bo: bo"), CONTINUE)


@pytest.mark.parametrize("content", ["", " \n", [], [shown(" ")]])
def test_a_blank_user_message_is_left_out(content: Any) -> None:
    blank = {"role": "user", "content": content}
    assert turns(HELLO, blank) == turns(blank, HELLO) == (user("Hello"),)
    assert turns(blank) == (BEGIN,)
    assert turns(HELLO, {"role": "assistant", "content": "Hi"}, blank)[-1] == CONTINUE


@pytest.mark.parametrize("item", [message("assistant", said("Hi")), call("a"), THOUGHT])
def test_items_of_answers_are_taken_back_without_a_word(item: dict[str, Any]) -> None:
    part = {"parsed": {"a": 1}, "annotations": [{"type": "url_citation"}], "logprobs": []}
    parts = [{**one, **part} for one in item.get("content", ())]
    sent = {**item, "id": "x_1", "status": "completed", **({"content": parts} if parts else {})}
    if item["type"] == "function_call":
        sent |= {"parsed_arguments": {}, "namespace": None, "caller": None}
    after = output("a") if item["type"] == "function_call" else HELLO
    assert ask(HELLO, sent, after).ignored == ()


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
        ({"type": "item_reference"}, ".id", "missing_required_parameter"),
        ({"id": 5}, ".id", "invalid_type"),
        (call(""), ".call_id", "missing_required_parameter"),
        (call("b", name="a b"), ".name", "invalid_value"),
        ({**call("b"), "name": None}, ".name", "missing_required_parameter"),
        ({**call("b"), "arguments": None}, ".arguments", "missing_required_parameter"),
        ({**call("b"), "arguments": {}}, ".arguments", "invalid_type"),
        ({**call("b"), "namespace": 5}, ".namespace", "invalid_type"),
        (output(""), ".call_id", "missing_required_parameter"),
        (output("b", 5), ".output", "invalid_type"),
        (output("b", ["x"]), ".output[0]", "invalid_type"),
        ({**custom_call("b"), "input": None}, ".input", "missing_required_parameter"),
        ({**custom_call("b"), "input": {}}, ".input", "invalid_type"),
        ({**custom_call("b"), "name": None}, ".name", "missing_required_parameter"),
        ({"type": "additional_tools"}, ".tools", "missing_required_parameter"),
        (
            {"type": "additional_tools", "tools": [{"type": "function"}]},
            ".tools[0].name",
            "missing_required_parameter",
        ),
        ({"type": "tool_search_output", "tools": {}}, ".tools", "invalid_type"),
    ],
)
def test_an_item_that_cannot_be_is_told_by_its_place(item: Any, where: str, code: str) -> None:
    assert refused(lambda: turns(HELLO, item))[1:] == (f"input[1]{where}", code)


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


def test_what_stands_between_calls_and_outputs_comes_after_them() -> None:
    late = {"role": "developer", "content": "D"}
    late_text = text_block("<system_message>\nD\n</system_message>")
    said_then = message("assistant", said("x"))
    items = [call("a"), THOUGHT, call("b"), late, HELLO, output("a"), said_then, output("b")]
    assert turns(HELLO, *items) == (
        user("Hello"),
        Turn("assistant", (tool_use("a", "f"), tool_use("b", "f"))),
        Turn(
            "user",
            (tool_result("a", DONE), tool_result("b", DONE), late_text, text_block("Hello")),
        ),
        assistant("x"),
        CONTINUE,
    )


CALLED_A, CALLED_B = (Turn("assistant", (tool_use(name, "f"),)) for name in "ab")
GIVEN_A, GIVEN_B = (Turn("user", (tool_result(name, DONE),)) for name in "ab")


@pytest.mark.parametrize(
    "items",
    [
        [call("a"), output("a"), call("b"), output("b")],
        # Where a client puts the outputs makes no difference.
        [output("b"), output("a"), call("a"), {"role": "user", "content": " "}, call("b")],
        [output("b"), call("a"), output("a"), call("b")],
    ],
)
def test_an_output_is_put_behind_its_call(items: list[Any]) -> None:
    read = turns(HELLO, *items)
    if len(read) == 5:
        assert read == (user("Hello"), CALLED_A, GIVEN_A, CALLED_B, GIVEN_B)
    else:
        assert read == (
            user("Hello"),
            Turn("assistant", CALLED_A.blocks + CALLED_B.blocks),
            Turn("user", GIVEN_A.blocks + GIVEN_B.blocks),
        )


def test_outputs_of_calls_that_the_user_parted_are_put_behind_each() -> None:
    assert turns(HELLO, call("a"), HELLO, call("b"), output("b"), output("a")) == (
        user("Hello"),
        CALLED_A,
        Turn("user", (*GIVEN_A.blocks, text_block("Hello"))),
        CALLED_B,
        GIVEN_B,
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"a": ["é", None]}, '{"a": ["é", null]}'),
        ([{"type": "odd", "b": 1}], '{"type": "odd", "b": 1}'),
        (
            [{"type": "odd", "data": "A" * 2000}],
            '{"type": "odd", "data": "(2,000 bytes of base64)"}',
        ),
    ],
)
def test_an_output_of_another_form_is_told_as_json(given: Any, told: str) -> None:
    asked = ask(call("a"), output("a", given))
    assert asked.conversation.turns[-1].blocks == (tool_result("a", text_block(told)),)
    assert asked.ignored == (("input[].output[].odd",) if isinstance(given, list) else ())


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
        [call("a"), custom_call("b"), output("b")],
        [custom_call("a"), HELLO],
        [search_call("a"), HELLO],
        [{**call("a"), "status": "completed"}],
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
        ([output("a")], "No tool call precedes it."),
        ([output("a"), call("b"), output("b")], "No tool call precedes it."),
        ([call("b"), output("a")], "No tool call with the id 'a' precedes it."),
    ],
)
def test_an_output_without_a_call_is_told(items: list[Any], why: str) -> None:
    message, param, code = refused(lambda: turns(*items))
    assert message == f"No tool call found for function call output with call_id a. {why}"
    place = max(index for index, item in enumerate(items) if item == output("a"))
    assert (param, code) == (f"input[{place}].call_id", None)


@pytest.mark.parametrize(
    "items",
    [
        [call("a"), output("a", "one"), output("a", "two")],
        [output("a", "one"), call("a"), output("a", "two")],
        [output("a", "one"), output("a", "two"), call("a")],
        [call("a"), output("a", "one"), output("a", ""), output("a", [shown("two")])],
        [custom_call("a"), custom_output("a", "one"), {**custom_output("a", "two"), "name": "c"}],
    ],
)
def test_all_outputs_of_a_call_are_its_result(items: list[Any]) -> None:
    asked = ask(HELLO, *items, HELLO)
    expected = (tool_result("a", text_block("one"), text_block("two")), text_block("Hello"))
    assert asked.conversation.turns[-1].blocks == expected
    assert asked.ignored == ()


def test_outputs_of_calls_made_together_stay_with_their_calls() -> None:
    outputs = [output("a", "one"), output("b", "three"), output("a", "two")]
    assert turns(call("a"), call("b"), *outputs)[-1].blocks == (
        tool_result("a", text_block("one"), text_block("two")),
        tool_result("b", text_block("three")),
    )


def test_an_output_after_the_model_has_answered_the_first_one_keeps_its_place() -> None:
    waits = {"role": "assistant", "content": "I wait."}
    read = turns(call("a", "g"), output("a", "one"), waits, output("a", "two"))
    assert read[2:] == (
        Turn("user", (tool_result("a", text_block("one")),)),
        Turn("assistant", (text_block("I wait."),)),
        Turn("user", (text_block("More output of g:"), text_block("two"))),
    )


@pytest.mark.parametrize(
    ("more", "name"),
    [({}, "a tool"), ({"name": "f"}, "f"), ({"name": "f", "namespace": "n"}, "n__f")],
)
def test_an_output_without_the_id_of_a_call_is_told_as_text(more: Any, name: str) -> None:
    late = {"type": "function_call_output", "output": [shown("late")], **more}
    asked = ask(HELLO, late, {**late, "call_id": None})
    told = (text_block(f"Output of {name}:"), text_block("late"))
    assert asked.conversation.turns == (Turn("user", (text_block("Hello"), *told, *told)),)
    assert asked.ignored == ()


def test_an_output_must_be_there() -> None:
    for missing in ({**output("a"), "output": None}, {"call_id": "a", "type": output("a")["type"]}):
        told = refused(lambda given=missing: turns(call("a"), given))  # type: ignore[misc]
        assert told[1:] == ("input[1].output", "missing_required_parameter")


def test_a_call_that_is_there_twice_is_told() -> None:
    message, *told = refused(lambda: turns(call("a"), call("a"), output("a")))
    assert "'a' is used more than once" in message
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
