"""The lines that are written to the CLI, word by word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claudeproxy.cli import outgoing
from claudeproxy.conversation import Limits, Profile, Tool, ToolChoice, Turn, text_block


FORMAT = {"type": "json_schema", "schema": {"type": "array"}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}


def user(*texts: str) -> Turn:
    return Turn("user", tuple(text_block(text) for text in texts))


def decoded(line: bytes) -> dict[str, Any]:
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    message: dict[str, Any] = json.loads(line)
    return message


def content(line: bytes) -> Any:
    return decoded(line)["message"]["content"]


def test_a_question() -> None:
    assert decoded(outgoing.question_line(user("Hello"), "u-1")) == {
        "type": "user",
        "message": {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        "parent_tool_use_id": None,
        "uuid": "u-1",
        "client_composed": True,
    }


def test_history_is_not_to_be_answered_and_not_client_composed() -> None:
    assert decoded(outgoing.history_line(user("Hello"), "u-1")) == {
        "type": "user",
        "message": {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        "parent_tool_use_id": None,
        "uuid": "u-1",
        "shouldQuery": False,
    }


def test_a_past_answer() -> None:
    turn = Turn("assistant", (text_block("Hi"), text_block("there")))
    assert decoded(outgoing.assistant_line(turn, 3)) == {
        "type": "assistant",
        "message": {
            "id": "msg_replayed_3",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}],
        },
        "parent_tool_use_id": None,
    }


def test_past_answers_with_numbers_of_their_own_have_ids_of_their_own() -> None:
    turn = Turn("assistant", (text_block("Hi"),))
    ids = {decoded(outgoing.assistant_line(turn, n))["message"]["id"] for n in range(5)}
    assert len(ids) == 5


def test_a_request_beside_the_conversation() -> None:
    assert decoded(outgoing.control_request("r1", "set_model", {"model": "opus"})) == {
        "type": "control_request",
        "request_id": "r1",
        "request": {"subtype": "set_model", "model": "opus"},
    }


def test_a_request_of_the_clis_is_refused_under_its_own_id() -> None:
    assert decoded(outgoing.control_refusal("r1")) == {
        "type": "control_response",
        "response": {"subtype": "error", "request_id": "r1", "error": "not available here"},
    }


@pytest.mark.parametrize("line", [outgoing.question_line, outgoing.history_line])
@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("/clear", "\n/clear"),
        ("/", "\n/"),
        ("//comment", "\n//comment"),
        (" /clear", " /clear"),
        ("\n/clear", "\n/clear"),
        ("see /etc/hosts", "see /etc/hosts"),
        ("!ls", "!ls"),
        ("@/etc/hosts", "@/etc/hosts"),
    ],
)
def test_text_that_begins_with_a_slash_is_no_command(line: Any, text: str, sent: str) -> None:
    assert content(line(user("first", text), "u-1")) == [text_block("first"), text_block(sent)]


def test_a_past_answer_that_begins_with_a_slash_stays_as_it_was() -> None:
    turn = Turn("assistant", (text_block("/clear"),))
    assert content(outgoing.assistant_line(turn, 1)) == [text_block("/clear")]


def test_the_turn_itself_is_not_changed() -> None:
    turn = user("/clear")
    outgoing.question_line(turn, "u-1")
    assert turn == user("/clear")


def test_what_else_a_block_has_is_kept() -> None:
    block = {"type": "text", "text": "/x", "cache_control": {"type": "ephemeral"}}
    assert content(outgoing.question_line(Turn("user", (block, IMAGE)), "u-1")) == [
        {**block, "text": "\n/x"},
        IMAGE,
    ]


def test_a_past_call_is_told_by_the_clis_name_of_the_tool() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}
    turn = Turn("assistant", (text_block("Hi"), call))
    assert content(outgoing.assistant_line(turn, 1)) == [
        text_block("Hi"),
        {**call, "name": "mcp__client__add"},
    ]


def test_an_mcp_message_is_answered_under_its_requests_id() -> None:
    assert decoded(outgoing.mcp_reply("r1", {"id": 0, "result": {}})) == {
        "type": "control_response",
        "response": {
            "subtype": "success",
            "request_id": "r1",
            "response": {"mcp_response": {"id": 0, "result": {}}},
        },
    }


# Settings

NOTHING = Profile()


def env_of(limits: Limits, profile: Profile = NOTHING) -> dict[str, str]:
    env: dict[str, str] = outgoing.flag_settings(limits, profile)["env"]
    return env


def extra_of(limits: Limits, profile: Profile = NOTHING) -> Any:
    """What is put into the API's requests."""
    extra = env_of(limits, profile)["CLAUDE_CODE_EXTRA_BODY"]
    return json.loads(extra) if extra else None


def test_without_limits_everything_is_taken_back() -> None:
    assert outgoing.flag_settings(Limits("m"), NOTHING) == {
        "effortLevel": None,
        "env": {
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "",
            "CLAUDE_CODE_DISABLE_THINKING": "",
            "CLAUDE_CODE_EXTRA_BODY": "",
        },
    }


def test_each_limit_has_its_setting() -> None:
    limits = Limits("m", max_tokens=5, effort="low", thinking=False)
    told = outgoing.flag_settings(limits, NOTHING)
    assert told["effortLevel"] == "low"
    assert told["env"]["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "5"
    assert told["env"]["CLAUDE_CODE_DISABLE_THINKING"] == "1"


@pytest.mark.parametrize(
    ("limits", "extra"),
    [
        (Limits("m", stop=("a", "\u2028x")), {"stop_sequences": ["a", "\u2028x"]}),
        (Limits("m", stop=("a", "\n\n", " b")), {"stop_sequences": ["a", " b"]}),
        (Limits("m", stop=("\n",)), None),
        (Limits("m", temperature=0.0), {"temperature": 0.0}),
        (Limits("m", top_p=0.5), {"top_p": 0.5}),
        (Limits("m", output_format={"type": "array"}), {"output_config": {"format": FORMAT}}),
        (Limits("m", effort="low"), None),
    ],
)
def test_what_the_api_is_told_beside(limits: Limits, extra: Any) -> None:
    assert extra_of(limits) == extra


TOOLS = Profile(tools=(Tool("add", "Adds.", {}),))
SCHEMA = Profile(output_schema={})
BOTH = Profile(tools=TOOLS.tools, output_schema={})
ONE_OUTPUT = {"type": "tool", "name": "StructuredOutput", "disable_parallel_tool_use": True}
ALONE = {"disable_parallel_tool_use": True}
ADD = ToolChoice("tool", "add")


def test_the_format_may_change_within_a_turn_as_the_effort_may() -> None:
    began = Limits("m", effort="low")
    for effort, more in (("low", {}), ("high", {"effort": "high"})):
        limits = Limits("m", effort=effort, output_format={"type": "array"})
        extra = outgoing.flag_settings(limits, Profile(), began)["env"]["CLAUDE_CODE_EXTRA_BODY"]
        assert json.loads(extra) == {"output_config": {**more, "format": FORMAT}}


@pytest.mark.parametrize(
    ("profile", "choice", "effort", "told"),
    [
        (TOOLS, ToolChoice(), None, None),
        (TOOLS, ToolChoice(), "low", None),
        (TOOLS, ToolChoice("none"), None, {"type": "none"}),
        (TOOLS, ToolChoice("none", parallel=False), None, {"type": "none"}),
        (TOOLS, ToolChoice("any"), None, {"type": "any"}),
        (TOOLS, ToolChoice("any"), "low", {"type": "any"}),
        (TOOLS, ToolChoice(parallel=False), None, {"type": "auto", **ALONE}),
        (TOOLS, ToolChoice("any", parallel=False), None, {"type": "any", **ALONE}),
        (TOOLS, ADD, None, {"type": "tool", "name": "mcp__client__add"}),
        (
            TOOLS,
            ToolChoice("tool", "add", parallel=False),
            None,
            {"type": "tool", "name": "mcp__client__add", **ALONE},
        ),
        (SCHEMA, ToolChoice(), None, ONE_OUTPUT),
        (SCHEMA, ToolChoice(), "low", None),
        (BOTH, ToolChoice(), None, {"type": "any"}),
        (BOTH, ToolChoice(parallel=False), None, {"type": "any", **ALONE}),
        (BOTH, ToolChoice("none"), None, ONE_OUTPUT),
        (BOTH, ToolChoice(), "low", None),
        (BOTH, ToolChoice("any"), "low", {"type": "any"}),
        (BOTH, ADD, None, {"type": "tool", "name": "mcp__client__add"}),
    ],
)
def test_what_the_model_may_call(
    profile: Profile, choice: ToolChoice, effort: str | None, told: Any
) -> None:
    limits = Limits("m", effort=effort, tool_choice=choice)
    assert (extra_of(limits, profile) or {}).get("tool_choice") == told
    # The API does not let a model think that is told what to call.
    forced = told is not None and told["type"] in ("any", "tool")
    assert env_of(limits, profile)["CLAUDE_CODE_DISABLE_THINKING"] == ("1" if forced else "")


def test_one_call_at_a_time_stays_so_where_the_model_thinks_before_its_object() -> None:
    limits = Limits("m", effort="low", tool_choice=ToolChoice(parallel=False))
    assert extra_of(limits, BOTH)["tool_choice"] == {"type": "auto", **ALONE}
