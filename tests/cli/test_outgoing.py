"""The lines that are written to the CLI, word by word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claudeproxy.cli import outgoing
from claudeproxy.conversation import Limits, Turn, text_block


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
    assert decoded(outgoing.question_line(user("Hello"))) == {
        "type": "user",
        "message": {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        "parent_tool_use_id": None,
        "client_composed": True,
    }


def test_history_is_not_to_be_answered_and_not_client_composed() -> None:
    assert decoded(outgoing.history_line(user("Hello"))) == {
        "type": "user",
        "message": {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        "parent_tool_use_id": None,
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
    assert content(line(user("first", text))) == [text_block("first"), text_block(sent)]


def test_a_past_answer_that_begins_with_a_slash_stays_as_it_was() -> None:
    turn = Turn("assistant", (text_block("/clear"),))
    assert content(outgoing.assistant_line(turn, 1)) == [text_block("/clear")]


def test_the_turn_itself_is_not_changed() -> None:
    turn = user("/clear")
    outgoing.question_line(turn)
    assert turn == user("/clear")


def test_what_else_a_block_has_is_kept() -> None:
    block = {"type": "text", "text": "/x", "cache_control": {"type": "ephemeral"}}
    assert content(outgoing.question_line(Turn("user", (block, IMAGE)))) == [
        {**block, "text": "\n/x"},
        IMAGE,
    ]


@pytest.mark.parametrize(
    ("limits", "max_tokens", "extra"),
    [
        (Limits("m"), "", ""),
        (Limits("m", max_tokens=5), "5", ""),
        (Limits("m", stop=("a",)), "", {"stop_sequences": ["a"]}),
        (Limits("m", max_tokens=1, stop=("a", "\u2028")), "1", {"stop_sequences": ["a", "\u2028"]}),
    ],
)
def test_limits_as_variables_an_empty_one_takes_it_back(
    limits: Limits, max_tokens: str, extra: Any
) -> None:
    env = outgoing.limits_env(limits)
    assert env["CLAUDE_CODE_DISABLE_THINKING"] == ""
    assert env["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == max_tokens
    body = env["CLAUDE_CODE_EXTRA_BODY"]
    assert (json.loads(body) if body else "") == extra


def test_thinking_is_switched_off_by_a_variable() -> None:
    env = outgoing.limits_env(Limits("m", thinking=False))
    assert env["CLAUDE_CODE_DISABLE_THINKING"] == "1"
