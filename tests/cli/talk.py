"""What the tests of a session have in common: the lines of both sides, and what is told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

import attrs
from hypothesis import HealthCheck, settings

from claudeproxy.cli.notices import Notice
from claudeproxy.cli.outgoing import EXTRA_BODY
from claudeproxy.cli.plan import Plan
from claudeproxy.cli.session import Session
from claudeproxy.cli.state import State
from claudeproxy.cli.turn_settings import NO_MESSAGES
from claudeproxy.conversation import Limits, Profile, Turn, text_block
from claudeproxy.errors import APIError
from claudeproxy.events import Event, Failed, TextDelta


# A fresh checkout builds Hypothesis' tables first, and a busy machine takes its time.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NOW = 1_795_400_000.0
LONGEST_RETRY = 5.0

Told = Event | Notice


def user(*texts: str) -> Turn:
    return Turn("user", tuple(text_block(text) for text in texts))


def assistant(*texts: str) -> Turn:
    return Turn("assistant", tuple(text_block(text) for text in texts))


def plan(*lines: Turn, **more: Any) -> Plan:
    return Plan(lines, **more)


def plain(told: Iterable[Told]) -> list[object]:
    """The same, with errors as what they say: two of them are never equal."""
    return [
        ("Failed", attrs.asdict(item.error)) if isinstance(item, Failed) else item for item in told
    ]


# Set where each line is to have these before it; see test_unknown.py.
BEFORE_EACH_LINE = os.environ.get("BEFORE_EACH_LINE", "").encode()


def encoded(*messages: dict[str, Any]) -> bytes:
    before = BEFORE_EACH_LINE and BEFORE_EACH_LINE + b"\n"
    return b"".join(before + json.dumps(message).encode() + b"\n" for message in messages)


def new_session(model: str = "", *, reasoning: bool = True) -> Session:
    return Session(lambda: NOW, LONGEST_RETRY, model, reasoning=reasoning)


def sent(session: Session) -> list[dict[str, Any]]:
    """The lines that are written now, as they are."""
    return [json.loads(line) for line in session.data_to_send().splitlines()]


def written(session: Session) -> list[dict[str, Any]]:
    """The lines that are written now, but for the uuids of the user's."""
    return [
        {name: value for name, value in line.items() if name != "uuid"} for line in sent(session)
    ]


GUARD = {"env": {EXTRA_BODY: NO_MESSAGES}}


def state_of(session: Session) -> State:
    """The state now; mypy takes an attribute to stay what it was once seen to be."""
    return session.state


def in_short(message: dict[str, Any]) -> str:
    """A written line's kind, where a question differs from history, and the guard from settings."""
    if message["type"] == "control_request":
        guard = message["request"].get("settings") == GUARD
        return "guard" if guard else str(message["request"]["subtype"])
    if message["type"] == "user":
        if message["message"]["content"] == "/clear":
            return "clear"
        return "question" if message.get("shouldQuery", True) else "history"
    return str(message["type"])


def texts(*pieces: str) -> list[TextDelta]:
    return [TextDelta(piece) for piece in pieces]


def failed(**error: Any) -> tuple[str, dict[str, Any]]:
    return "Failed", attrs.asdict(APIError(**error))


# The CLI's lines

START = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 1}}}
RESULT = {"type": "result", "subtype": "success", "is_error": False, "num_turns": 1}
REPLAYED = {**RESULT, "num_turns": 0, "result": ""}
OPUS = Limits("opus")
NO_PROFILE = Profile()
QUESTION = {
    "type": "user",
    "message": {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
    "parent_tool_use_id": None,
    "client_composed": True,
}


BLOCK_START = {"type": "content_block_start", "content_block": {"type": "text", "text": ""}}
BLOCK_STOP = {"type": "content_block_stop"}


def call_start(use_id: str, name: str) -> dict[str, Any]:
    block = {"type": "tool_use", "id": use_id, "name": name, "input": {}}
    return {"type": "content_block_start", "content_block": block}


def arguments(piece: str) -> dict[str, Any]:
    delta = {"type": "input_json_delta", "partial_json": piece}
    return {"type": "content_block_delta", "delta": delta}


def text(piece: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "delta": {"type": "text_delta", "text": piece}}


def stop(reason: str | None = "end_turn") -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {}}


def stream(event: dict[str, Any]) -> dict[str, Any]:
    return {"type": "stream_event", "event": event, "parent_tool_use_id": None}


def say(session: Session, *messages: dict[str, Any]) -> list[object]:
    """What the session tells of these lines; a stream's event may stand for its line."""
    lines = [
        stream(message) if message["type"].startswith(("message_", "content_block_")) else message
        for message in messages
    ]
    return plain(session.receive_data(encoded(*lines)))


def retry(delay_ms: float, status: int | None = 529) -> dict[str, Any]:
    return {
        "type": "system",
        "subtype": "api_retry",
        "retry_delay_ms": delay_ms,
        "error_status": status,
    }


def control_answer(request_id: str, **response: Any) -> dict[str, Any]:
    return {
        "type": "control_response",
        "response": {"subtype": "success", "request_id": request_id, **response},
    }


def blank() -> Session:
    return new_session("opus")


def initializing(profile: Profile = NO_PROFILE) -> Session:
    session = blank()
    session.initialize(profile)
    session.data_to_send()
    return session


def idle(profile: Profile = NO_PROFILE) -> Session:
    session = initializing(profile)
    say(session, control_answer("claudeproxy-1", response={}), control_answer("claudeproxy-2"))
    assert session.state is State.IDLE
    return session
