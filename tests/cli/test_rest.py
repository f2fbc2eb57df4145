"""When the process group of a CLI process is stopped and continued."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from claudeproxy.cli.rest import CAN_LEASH, REST_AFTER, Group
from claudeproxy.timers import Timers


STOP, CONT, TERM, KILL = signal.SIGSTOP, signal.SIGCONT, signal.SIGTERM, signal.SIGKILL
linux = pytest.mark.skipif(not CAN_LEASH, reason="a process is stopped on Linux only")


class Watched:
    """A group whose signals are noted; its process is this one, as far as the leash knows."""

    def __init__(self, *, may_rest: bool = True) -> None:
        self.clock = Clock()
        self.sent: list[signal.Signals] = []
        self.pid: int | None = os.getpgrp()
        self.group = Group(
            Timers(self.clock),
            lambda: self.pid,
            may_rest=may_rest,
            send=lambda pid, number: self.sent.append(number),
        )
        self.group.descriptors()

    def rests(self) -> None:
        self.group.rest()
        self.clock.advance(REST_AFTER)


@linux
class TestGroup:
    @pytest.fixture
    def watched(self) -> Watched:
        return Watched()

    @pytest.fixture(autouse=True)
    def released(self, watched: Watched) -> object:
        yield
        watched.group.ended()

    def test_it_is_stopped_after_some_time_and_continued_once(self, watched: Watched) -> None:
        watched.group.rest()
        watched.clock.advance(REST_AFTER - 0.1)
        assert watched.sent == []
        watched.clock.advance(0.1)
        assert watched.sent == [STOP]
        watched.group.wake()
        watched.group.wake()
        assert watched.sent == [STOP, CONT]

    def test_it_can_be_stopped_again(self, watched: Watched) -> None:
        for _ in range(2):
            watched.rests()
            watched.group.wake()
        assert watched.sent == [STOP, CONT, STOP, CONT]

    def test_it_is_not_stopped_if_it_is_used_before(self, watched: Watched) -> None:
        watched.group.rest()
        watched.group.wake()
        watched.clock.advance(10 * REST_AFTER)
        assert watched.sent == []

    def test_it_can_be_stopped_at_once(self, watched: Watched) -> None:
        watched.group.rest()
        watched.group.rest(at_once=True)
        watched.clock.advance(REST_AFTER)
        assert watched.sent == [STOP]

    def test_a_stopped_one_can_catch_up_and_is_stopped_again(self, watched: Watched) -> None:
        watched.group.rest(at_once=True)
        watched.group.catch_up()
        assert watched.sent == [STOP, CONT]
        watched.clock.advance(REST_AFTER)
        assert watched.sent == [STOP, CONT, STOP]

    def test_one_that_was_used_again_has_nothing_to_catch_up_with(self, watched: Watched) -> None:
        watched.group.rest(at_once=True)
        watched.group.wake()
        watched.group.catch_up()
        watched.clock.advance(REST_AFTER)
        assert watched.sent == [STOP, CONT]

    def test_it_is_continued_before_it_is_terminated(self, watched: Watched) -> None:
        watched.rests()
        watched.group.terminate()
        assert watched.sent == [STOP, CONT, TERM]

    def test_it_is_not_stopped_once_it_is_terminated_or_killed(self, watched: Watched) -> None:
        for end in (watched.group.terminate, watched.group.kill):
            watched.group.rest()
            end()
            watched.clock.advance(REST_AFTER)
        assert watched.sent == [TERM, KILL]

    def test_nothing_is_sent_to_a_process_that_has_ended(self, watched: Watched) -> None:
        watched.rests()
        watched.pid = None
        watched.group.wake()
        watched.group.terminate()
        watched.rests()
        assert watched.sent == [STOP]
        watched.group.ended()
        assert watched.clock.getDelayedCalls() == []

    def test_a_group_that_does_not_exist_is_not_stopped(self, watched: Watched) -> None:
        child = subprocess.Popen([sys.executable, "-c", ""])
        child.wait()
        watched.pid = child.pid
        watched.rests()
        assert watched.sent == []


def test_it_is_never_stopped_if_that_is_switched_off() -> None:
    watched = Watched(may_rest=False)
    assert watched.group.descriptors() == {0: "w", 1: "r", 2: "r"}
    watched.rests()
    watched.group.wake()
    assert watched.sent == []


def test_no_file_descriptor_is_left_open() -> None:
    def count() -> int:
        return len(os.listdir("/dev/fd"))

    before = count()
    for resting in (True, False):
        watched = Watched()
        if resting:
            watched.rests()
        assert not CAN_LEASH or count() > before
        watched.group.ended()
    assert count() == before


PARENT = """
import os, signal, subprocess, sys
from twisted.internet.task import Clock
from claudeproxy.cli.rest import REST_AFTER, Group
from claudeproxy.timers import Timers

clock, pids = Clock(), []
group = Group(Timers(clock), lambda: pids[0], may_rest=True)
fd = group.descriptors()[3]
# Its stdin ends with its parent.
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[fd], start_new_session=True)
pids.append(child.pid)
group.rest()
clock.advance(REST_AFTER)
os.waitid(os.P_PID, child.pid, os.WSTOPPED)
print(child.pid, flush=True)
sys.stdin.read()
"""


@linux
def test_a_stopped_process_does_not_outlive_a_proxy_that_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        ended = os.pidfd_open(child)
        try:
            assert _state(child) == "T"
            parent.kill()
            parent.wait()
            readable, _, _ = select.select([ended], [], [], 30)
            assert readable
        finally:
            os.close(ended)
            if _state(child) == "T":
                os.kill(child, KILL)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
