"""The condition of the CLI: its tables, and what is told in each state."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.condition import faults, machine
from claudeproxy.condition.faults import Reason
from claudeproxy.condition.login import Login
from claudeproxy.condition.machine import (
    LOGINS,
    TRANSITIONS,
    UNKNOWN_END,
    Access,
    Condition,
    Seen,
    Witness,
    Working,
)
from claudeproxy.errors import usage_limit_reached


PLAN = Login(True, "plan", "Claude Max", (("subscriptionType", "Claude Max"),))
TOKEN = Login(True, "token", None, (("tokenSource", "CLAUDE_CODE_OAUTH_TOKEN"),))
NOBODY = Login(False)
NAME = "Claude Code 9.9.9 (/opt/claude)"
BROKEN = faults.not_started(NAME, "exited with code 1", "no")


class Time:
    now = 1000.0


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def condition(time: Time) -> Condition:
    return Condition(lambda: time.now)


def find(condition: Condition, version: str = "9.9.9") -> None:
    condition.found("/opt/claude", version, "PATH")


def works(condition: Condition, login: Login = PLAN) -> Condition:
    find(condition)
    condition.ready(login)
    return condition


# The tables


def documented(first: type[Enum], second: type[Enum]) -> dict[Enum, dict[Enum, Enum]]:
    """A table of the docstring, whose first row names the events."""
    rows = [line.split() for line in (machine.__doc__ or "").splitlines()]
    names = {event.name for event in second}
    heads = [row[1:] for row in rows if row[:1] == ["state"] and set(row[1:]) == names]
    assert len(heads) == 1
    table = {}
    for row in rows:
        if row and row[0] in first.__members__ and len(row) == len(names) + 1:
            cells = zip(heads[0], row[1:], strict=True)
            table[first[row[0]]] = {second[e]: first[c] for e, c in cells if c != "-"}
    return table


def test_the_documented_tables_are_those_of_the_code() -> None:
    assert documented(Working, Seen) == TRANSITIONS
    assert documented(Access, Witness) == LOGINS
    assert set(TRANSITIONS) == set(Working)
    assert set(LOGINS) == set(Access)


# The CLI


def test_it_starts_and_is_ready(condition: Condition) -> None:
    assert condition.reason is Reason.STARTING
    find(condition)
    assert condition.reason is Reason.STARTING
    condition.ready(PLAN)
    assert condition.report() == {
        "ready": True,
        "reason": None,
        "message": "Claude Code is ready.",
        "until": None,
    }


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (faults.no_cli(""), Reason.NO_CLI),
        (faults.no_cli("/opt/claude"), Reason.NO_CLI),
        (faults.too_old(NAME, "claude update"), Reason.CLI_TOO_OLD),
        (faults.not_working("/opt/claude", "exited with code 1, wrote ''"), Reason.CLI_BROKEN),
    ],
)
def test_a_failed_lookup_is_told_until_a_cli_is_ready(
    condition: Condition, error: Any, reason: Reason
) -> None:
    works(condition)
    condition.lookup_failed(error)
    assert (condition.reason, condition.message) == (reason, error.message)
    assert condition.cli_report() is None
    # The late end of a process does not hide it.
    condition.start_failed(BROKEN, again=True)
    find(condition)
    assert condition.reason is Reason.STARTING
    condition.ready(PLAN)
    assert condition.reason is None


def test_one_failed_start_is_an_accident_if_it_worked_before(condition: Condition) -> None:
    works(condition)
    condition.start_failed(BROKEN, again=False)
    assert condition.reason is None
    condition.start_failed(BROKEN, again=True)
    assert condition.report()["reason"] == "cli_broken"
    assert condition.error == BROKEN
    find(condition)
    assert condition.reason is Reason.CLI_BROKEN
    find(condition, "9.9.10")
    assert condition.reason is Reason.STARTING


def test_the_first_start_that_fails_is_told(condition: Condition) -> None:
    find(condition)
    condition.start_failed(BROKEN, again=False)
    assert condition.message == BROKEN.message
    condition.ready(PLAN)
    assert condition.reason is None


# The login


def test_the_login_is_what_was_seen_last_with_its_age(condition: Condition, time: Time) -> None:
    assert condition.login_report() == {"state": "unknown", "by": None, "plan": None, "age": None}
    works(condition)
    time.now += 60
    assert condition.login_report() == {
        "state": "yes",
        "by": "plan",
        "plan": "Claude Max",
        "age": 60.0,
    }
    condition.answered(PLAN)
    assert condition.login_report()["age"] == 0


def test_without_a_login_the_command_names_the_cli(condition: Condition) -> None:
    works(condition, NOBODY)
    assert condition.reason is Reason.NOT_LOGGED_IN
    assert "`/opt/claude auth login`" in condition.message
    assert condition.login_report() == {"state": "no", "by": None, "plan": None, "age": 0}
    condition.ready(PLAN)
    assert condition.reason is None


def test_a_refused_login_is_unknown_until_a_request_has_tried_it(condition: Condition) -> None:
    works(condition)
    condition.unauthorised(PLAN)
    assert condition.reason is Reason.NOT_LOGGED_IN
    condition.ready(PLAN)
    assert condition.report()["ready"]
    assert condition.login_report()["state"] == "unknown"
    condition.answered(PLAN)
    assert condition.login_report()["state"] == "yes"


def test_another_account_after_a_refusal_is_a_login(condition: Condition) -> None:
    works(condition)
    condition.unauthorised(PLAN)
    condition.ready(TOKEN)
    assert condition.login_report()["state"] == "yes"


def test_what_a_process_with_an_older_login_shows_does_not_count(condition: Condition) -> None:
    works(condition, NOBODY)
    condition.ready(PLAN)
    condition.unauthorised(NOBODY)
    assert condition.reason is None
    condition.ready(NOBODY)
    condition.answered(PLAN)
    assert condition.reason is Reason.NOT_LOGGED_IN


def test_an_answer_without_a_known_login_is_a_login(condition: Condition) -> None:
    works(condition, NOBODY)
    condition.answered(NOBODY)
    assert condition.reason is None


# The limit of the plan


def test_a_reached_limit_lasts_until_it_resets(condition: Condition, time: Time) -> None:
    works(condition)
    error = usage_limit_reached("You've hit your limit", 5000.4, time.now, "five_hour")
    condition.limit_reached(error)
    told = condition.report()
    assert (told["ready"], told["reason"], told["until"]) == (False, "usage_limit", 5001)
    assert told["message"] == error.message
    time.now = 5001
    assert condition.report()["ready"]


def test_a_limit_whose_end_is_unknown_is_forgotten(condition: Condition, time: Time) -> None:
    works(condition)
    condition.limit_reached(usage_limit_reached("You've hit your limit", None, time.now))
    assert (condition.reason, condition.until) == (Reason.USAGE_LIMIT, None)
    time.now += UNKNOWN_END
    assert condition.reason is None


def test_an_answer_ends_a_limit(condition: Condition, time: Time) -> None:
    works(condition)
    condition.limit_reached(usage_limit_reached("You've hit your limit", 9000, time.now))
    condition.answered(PLAN)
    assert condition.reason is None


# Stopping, and all together


def test_stopping_is_told_before_all_else(condition: Condition) -> None:
    condition.lookup_failed(faults.no_cli(""))
    condition.stopping()
    assert condition.report()["reason"] == "stopping"


EVENTS: list[Callable[[Condition], None]] = [
    find,
    lambda condition: find(condition, "9.9.10"),
    lambda condition: condition.lookup_failed(faults.no_cli("")),
    lambda condition: condition.lookup_failed(faults.too_old(NAME, "claude update")),
    lambda condition: condition.start_failed(BROKEN, again=False),
    lambda condition: condition.start_failed(BROKEN, again=True),
    lambda condition: condition.ready(PLAN),
    lambda condition: condition.ready(NOBODY),
    lambda condition: condition.answered(PLAN),
    lambda condition: condition.unauthorised(PLAN),
    lambda condition: condition.limit_reached(usage_limit_reached("x", 2000, 1000)),
    lambda condition: condition.stopping(),
]


@given(st.lists(st.sampled_from(EVENTS)))
def test_whatever_happens_a_reason_has_a_sentence(
    events: list[Callable[[Condition], None]],
) -> None:
    changes: list[None] = []
    condition = Condition(lambda: 1000.0, on_change=lambda: changes.append(None))
    for event in events:
        event(condition)
        told = condition.report()
        assert told["ready"] == (told["reason"] is None)
        assert told["message"]
        if condition.reason not in (None, Reason.STARTING, Reason.STOPPING):
            assert condition.error is not None
            assert condition.error.message == told["message"]
