"""The request for the plan's usage, beside all else that a process does."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.cli.launch import ALWAYS
from claudeproxy.cli.notices import TurnEnded, UsageResponse
from claudeproxy.cli.session import Session
from claudeproxy.cli.state import ProtocolError, State
from claudeproxy.cli.usage import QUIET
from claudeproxy.events import Started, TextDelta

from .talk import (
    OPUS,
    RESULT,
    START,
    blank,
    control_answer,
    idle,
    in_short,
    plan,
    say,
    state_of,
    stop,
    text,
    user,
    written,
)


LIMITS = {"five_hour": {"utilization": 42, "resets_at": "2030-01-01T00:00:00Z"}}


def asked() -> tuple[Session, str]:
    """A session that has asked, and the id of its request."""
    session = idle()
    session.data_to_send()
    session.ask_usage()
    allowed, request = written(session)
    assert allowed["request"] == flags("")
    assert request["request"] == {"subtype": "get_usage", "skip_behaviors": True}
    return session, request["request_id"]


def flags(value: str) -> dict[str, Any]:
    return {"subtype": "apply_flag_settings", "settings": {"env": {QUIET: value}}}


def quiet_again(session: Session) -> bool:
    [line] = written(session)
    return bool(line["request"] == flags(ALWAYS[QUIET]))


@pytest.mark.parametrize(
    ("response", "limits"),
    [
        ({"response": {"rate_limits": LIMITS}}, LIMITS),
        ({"response": {"rate_limits": None, "rate_limits_available": False}}, {}),
        ({"response": {}}, {}),
        ({"response": None}, {}),
        ({"response": {"rate_limits": "no"}}, {}),
        # A version that does not know the request.
        ({"subtype": "error", "error": "Unsupported control request subtype: get_usage"}, {}),
    ],
)
def test_the_usage_is_told_and_the_process_stays_idle(
    response: dict[str, Any], limits: dict[str, Any]
) -> None:
    session, request_id = asked()
    assert say(session, control_answer(request_id, **response)) == [UsageResponse(limits)]
    # Only for this request the CLI may send what is not needed to answer.
    assert quiet_again(session)
    assert session.state is State.IDLE


def test_a_turn_does_not_wait_for_it() -> None:
    session, request_id = asked()
    session.ask(plan(user("Hello")), OPUS)
    assert in_short(written(session)[-1]) == "question"
    say(session, START, text("a"))
    session.data_to_send()
    told = say(session, control_answer(request_id, response={"rate_limits": LIMITS}))
    assert told == [UsageResponse(LIMITS)]
    assert quiet_again(session)
    assert state_of(session) is State.ANSWERING
    assert say(session, text("b"), stop(), RESULT)[-1] == TurnEnded(clean=True, marks=1)


def test_an_answer_that_comes_first_is_not_confused_with_it() -> None:
    session, request_id = asked()
    session.ask(plan(user("Hello")), OPUS)
    assert say(session, START, text("a")) == [Started("m"), TextDelta("a")]
    say(session, stop(), RESULT)
    assert say(session, control_answer(request_id, response={})) == [UsageResponse({})]
    assert session.state is State.IDLE


def test_only_an_idle_process_is_asked() -> None:
    session = blank()
    with pytest.raises(ProtocolError):
        session.ask_usage()
    assert session.data_to_send() == b""
