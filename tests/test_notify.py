"""What systemd is told."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from claudeproxy.notify import Notifier, sender, watchdog_interval


def test_what_is_told_from_start_to_stop() -> None:
    told: list[str] = []
    clock = Clock()
    notifier = Notifier(clock, told.append, 30.0)
    notifier.startService()
    assert told == ["WATCHDOG=1"]
    clock.advance(29)
    assert len(told) == 1
    clock.advance(1)
    assert told == ["WATCHDOG=1"] * 2
    notifier.told("\nclaudeproxy listens\n  Claude Code 2\nLogged in.\n\nTry it:\n")
    assert told[-1] == "READY=1\nSTATUS=claudeproxy listens Claude Code 2 Logged in."
    notifier.stopService()
    assert told[-1] == "STOPPING=1"
    clock.advance(100)
    assert told[-1] == "STOPPING=1"
    assert clock.getDelayedCalls() == []


def test_a_status_is_not_too_long() -> None:
    told: list[str] = []
    Notifier(Clock(), told.append, None).told("x" * 1000)
    assert len(told[0]) < 250


def test_without_a_service_manager_nothing_runs() -> None:
    clock = Clock()
    notifier = Notifier(clock, None, 30.0)
    notifier.startService()
    notifier.told("ready")
    assert clock.getDelayedCalls() == []
    notifier.stopService()
    assert sender({}) is None
    assert sender({"NOTIFY_SOCKET": "relative"}) is None


@pytest.mark.parametrize("abstract", [False, True])
def test_a_message_reaches_the_socket(tmp_path: Path, abstract: bool) -> None:
    if abstract and not Path("/proc").exists():
        pytest.skip("only Linux has abstract addresses")
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{path}" if abstract else path)
        send = sender({"NOTIFY_SOCKET": f"@{path}" if abstract else path})
        assert send is not None
        send("READY=1\nSTATUS=ä")
        assert manager.recv(100).decode() == "READY=1\nSTATUS=ä"


def test_a_service_manager_that_has_gone_is_no_error(tmp_path: Path) -> None:
    send = sender({"NOTIFY_SOCKET": str(tmp_path / "missing")})
    assert send is not None
    send("READY=1")


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
    ],
)
def test_the_interval_is_half_of_the_limit(environ: dict[str, str], interval: float | None) -> None:
    assert watchdog_interval(environ, 7) == interval
