"""What the answers of a server say, also of one that says less."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.command.server import Answer, address, url
from claudeproxy.command.told import duration, model_rows, moment, status_of, usage_rows
from claudeproxy.settings import Settings


HEALTH = {"status": "ok", "version": "1.2.3", "cli": {"version": "2.1.332", "logged_in": True}}
NOT_FOUND = Answer(404, {"error": {"message": "no such route"}})


def test_a_server_without_the_newer_route_is_judged_by_its_login() -> None:
    found = status_of(Answer(200, HEALTH), NOT_FOUND)
    assert (found.ready, found.version) == (True, "1.2.3")
    assert list(found.lines()) == [
        "claudeproxy 1.2.3: ready",
        "Claude Code 2.1.332",
        "Logged in: yes",
    ]
    assert "error" not in found.as_dict()


@pytest.mark.parametrize(
    ("cli", "reason"),
    [
        (None, "It has found no Claude Code CLI yet."),
        ({"version": "2", "logged_in": False}, "The CLI is not logged in."),
        ({"version": "2", "logged_in": None}, "The login is not known yet."),
    ],
)
def test_its_reasons(cli: Any, reason: str) -> None:
    found = status_of(Answer(200, {**HEALTH, "cli": cli}), NOT_FOUND)
    assert (found.ready, found.reason) == (False, reason)


def test_everything_that_the_newer_route_says_is_told() -> None:
    ready = {
        "ready": True,
        "cli": {"version": "2.1.332", "path": "/usr/bin/claude", "where": "PATH"},
        "login": {"state": "yes", "by": "plan", "plan": "max", "age": 12},
        "demo": False,
        "processes": {"idle": 2, "busy": 1},
        "uptime": 3700.5,
    }
    found = status_of(Answer(200, HEALTH), Answer(200, ready))
    assert list(found.lines()) == [
        "claudeproxy 1.2.3: ready",
        "Claude Code 2.1.332: /usr/bin/claude (PATH)",
        "Logged in: yes (plan, max, seen 12 s ago)",
        "Processes: idle 2, busy 1",
        "Running for 1 h 1 min",
    ]


def test_the_reason_of_a_server_that_is_not_ready_is_told() -> None:
    ready = {
        "ready": False,
        "reason": "plan_limit",
        "message": "Usage limit reached. It resets at 2030-03-17 17:47.",
        "until": 1_900_000_000,
    }
    found = status_of(Answer(200, HEALTH), Answer(503, ready))
    assert not found.ready
    assert next(found.lines()) == (
        "claudeproxy 1.2.3: not ready. Usage limit reached. It resets at 2030-03-17 17:47."
    )
    only_reason = status_of(Answer(200, HEALTH), Answer(503, {"ready": False, "reason": "no_cli"}))
    assert only_reason.reason == "no_cli"


@pytest.mark.parametrize("body", [None, [], "text", {}, {"windows": 3}, {"windows": [1]}])
def test_strange_answers_are_no_error(body: Any) -> None:
    assert all(row[0] == "?" for row in usage_rows(body))
    assert model_rows(body) == []
    assert not status_of(Answer(200, body), Answer(200, body)).ready


def test_the_windows_of_the_plan() -> None:
    window = {"name": "five_hour", "used": 0.125, "resets_at": 0}
    assert usage_rows({"windows": [window, {"name": "seven_day"}]}) == [
        ("five_hour", "12%", "1970-01-01 00:00 UTC"),
        ("seven_day", "?", "?"),
    ]


def test_the_models() -> None:
    body = {"data": [{"id": "opus", "display_name": "Opus"}, {"id": "x"}]}
    assert model_rows(body) == [("opus", "Opus"), ("x", "")]


def test_times() -> None:
    assert [moment(n) for n in (0, 1)] == ["1970-01-01 00:00 UTC", "1970-01-01 00:01 UTC"]
    assert [duration(n) for n in (0, 59, 61, 90061)] == ["0 s", "59 s", "1 min 1 s", "1 d 1 h"]


def test_a_server_on_every_address_is_asked_on_loopback() -> None:
    assert address(Settings(interface="0.0.0.0", port=1)) == ("127.0.0.1", 1)
    assert url(Settings(interface="::", port=1)) == "http://[::1]:1"
    assert url(Settings(interface="10.0.0.1", port=1)) == "http://10.0.0.1:1"
