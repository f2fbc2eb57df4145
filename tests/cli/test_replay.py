"""The lines of a plan, and the answers that a process itself has given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claudeproxy.cli.outbox import Outbox
from claudeproxy.cli.replay import Replay
from claudeproxy.conversation import Turn

from .talk import assistant, user


THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "mcp__client__add", "input": {}}
ANSWER = Turn("assistant", ({**CALL, "name": "add"},))


def heard(number: int, *blocks: dict[str, Any], model: str = "claude-m") -> dict[str, Any]:
    message = {"id": f"msg_{number}", "model": model, "content": list(blocks)}
    return {"type": "assistant", "message": message}


class Sent:
    def __init__(self) -> None:
        self.outbox = Outbox()
        self.replay = Replay(self.outbox)

    def ask(self) -> None:
        self.replay.question(user("Hello"))
        self.outbox.take()

    def answers(self, *lines: Turn, own: bool = True) -> list[tuple[Any, Any]]:
        """The model and the content of each answer that is sent."""
        self.replay.load(lines, own=own)
        while (line := self.replay.next_user_line()) is not None:
            self.replay.history(line)
        written = [json.loads(line) for line in self.outbox.take().splitlines()]
        messages = [line["message"] for line in written if line["type"] == "assistant"]
        assert all(message["id"].startswith("msg_replayed_") for message in messages)
        return [(message.get("model"), message["content"]) for message in messages]


def test_what_the_process_has_said_is_sent_again_with_its_thinking() -> None:
    sent = Sent()
    sent.ask()
    sent.replay.hear(heard(1, THINKING))
    sent.replay.hear(heard(1, CALL))
    assert sent.answers(user("Hello"), ANSWER) == [("claude-m", [THINKING, CALL])]


def test_several_messages_of_a_turn_are_told_apart() -> None:
    sent = Sent()
    sent.ask()
    sent.replay.hear(heard(1, THINKING, CALL))
    sent.replay.hear(heard(2, CALL))
    again = sent.answers(user("Hello"), ANSWER, user("x"), ANSWER)
    assert again == [("claude-m", [THINKING, CALL]), ("claude-m", [CALL])]


@pytest.mark.parametrize(
    "line",
    [
        heard(2, CALL, model="<synthetic>"),
        {"type": "assistant"},
        {"type": "system", "subtype": "init"},
    ],
)
def test_only_what_the_model_said_counts(line: dict[str, Any]) -> None:
    sent = Sent()
    sent.ask()
    sent.replay.hear(heard(1, CALL))
    sent.replay.hear(line)
    assert sent.answers(user("Hello"), ANSWER) == [("claude-m", [CALL])]


@pytest.mark.parametrize("lines", [(user("a"),), (ANSWER, user("a"), ANSWER)])
def test_what_does_not_fit_is_sent_as_the_client_has_it(lines: tuple[Turn, ...]) -> None:
    sent = Sent()
    sent.ask()
    sent.replay.hear(heard(1, THINKING, CALL))
    answers = sum(line.role == "assistant" for line in lines)
    assert sent.answers(*lines) == [(None, [CALL])] * answers


def test_what_the_cli_asked_for_by_itself_is_no_answer_of_the_client() -> None:
    sent = Sent()
    sent.ask()
    # The CLI refused the first call, and the client has only the second one.
    sent.replay.hear(heard(1, {**CALL, "name": "StructuredOutput"}))
    sent.replay.hear(heard(2, THINKING, CALL))
    again = sent.answers(user("Hello"), assistant("earlier"), user("x"), ANSWER)
    assert again == [(None, [{"type": "text", "text": "earlier"}]), (None, [CALL])]


def test_calls_have_the_ids_that_the_results_after_them_have() -> None:
    sent = Sent()
    sent.ask()
    sent.replay.hear(heard(1, THINKING, CALL, {**CALL, "id": "toolu_2"}))
    calls = [{**CALL, "name": "add", "id": call_id} for call_id in ("toolu1", "toolu2")]
    [(model, content)] = sent.answers(user("Hello"), Turn("assistant", tuple(calls)))
    assert model == "claude-m"
    assert content == [THINKING, {**CALL, "id": "toolu1"}, {**CALL, "id": "toolu2"}]


def test_other_plans_send_what_the_client_has() -> None:
    sent = Sent()
    sent.ask()
    sent.replay.hear(heard(1, THINKING, CALL))
    assert sent.answers(user("Hello"), assistant("edited"), own=False) == [
        (None, [{"type": "text", "text": "edited"}])
    ]


def test_another_question_ends_what_is_remembered() -> None:
    sent = Sent()
    sent.ask()
    sent.replay.hear(heard(1, THINKING, CALL))
    sent.ask()
    assert sent.answers(user("Hello"), ANSWER) == [(None, [CALL])]


def test_whether_the_newest_message_begins_with_thinking() -> None:
    sent = Sent()
    assert not sent.replay.thought
    sent.replay.hear(heard(1, THINKING, CALL))
    assert sent.replay.thought
    sent.replay.hear(heard(2, CALL))
    assert not sent.replay.thought
    sent.replay.hear(heard(3, {"type": "redacted_thinking", "data": "x"}))
    assert sent.replay.thought
