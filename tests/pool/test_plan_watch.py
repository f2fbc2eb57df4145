"""The usage of the plan: what processes report, what is asked of them, and what is logged."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from claudeproxy.cli.notices import RateLimitEvent, UsageResponse
from claudeproxy.plan_usage import FRESH
from claudeproxy.pool.plan_watch import RESPONSE_TIMEOUT, PlanWatch

from .fakes import FakeReactor, Process, new_pool


def event(status: str, resets_at: int = 900) -> RateLimitEvent:
    return RateLimitEvent({"status": status, "resetsAt": resets_at, "rateLimitType": "five_hour"})


USAGE = UsageResponse({"five_hour": {"utilization": 42, "resets_at": "1970-01-01T10:00:00Z"}})
NOTHING = UsageResponse({})


class Watches(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.asked = 0
        self.idle = True
        self.watch = PlanWatch(self.clock, self.ask)
        self.logged: list[tuple[str, str]] = []
        observe: Any = self.observe
        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def observe(self, told: Any) -> None:
        if told.get("log_namespace", "").endswith("PlanWatch"):
            self.logged.append((told["log_level"].name, str(told["change"])))

    def ask(self) -> bool:
        self.asked += self.idle
        return self.idle

    def used(self) -> object:
        return [window["used"] for window in self.watch.as_object()["windows"]]

    def test_each_change_is_logged_once(self) -> None:
        for status in ("allowed", "allowed_warning", "allowed_warning", "rejected", "rejected"):
            self.watch.received(event(status))
        self.clock.advance(900)
        self.watch.received(event("allowed", 9000))
        self.watch.received(event("allowed", 9000))
        assert [level for level, _ in self.logged] == ["warn", "warn", "info"]
        assert "is near" in self.logged[0][1]
        assert "is reached" in self.logged[1][1]
        assert "has reset" in self.logged[2][1]

    def test_it_is_asked_for_if_nothing_is_known(self) -> None:
        done = self.watch.refresh()
        self.assertNoResult(done)
        self.watch.received(USAGE)
        assert self.successResultOf(done) is None
        assert (self.asked, self.used()) == (1, [0.42])
        assert self.clock.getDelayedCalls() == []

    def test_those_who_ask_at_the_same_time_share_the_response(self) -> None:
        both = [self.watch.refresh(), self.watch.refresh()]
        self.watch.received(USAGE)
        for done in both:
            self.successResultOf(done)
        assert self.asked == 1

    def test_a_fresh_report_is_enough(self) -> None:
        self.watch.received(event("allowed", 90_000))
        self.successResultOf(self.watch.refresh())
        assert self.asked == 0
        self.clock.advance(FRESH + 1)
        self.assertNoResult(self.watch.refresh())
        assert self.asked == 1

    def test_after_a_response_without_windows_it_is_not_asked_for_again_soon(self) -> None:
        done = self.watch.refresh()
        self.watch.received(NOTHING)
        self.successResultOf(done)
        self.clock.advance(FRESH - 1)
        self.successResultOf(self.watch.refresh())
        assert self.asked == 1
        self.clock.advance(1)
        self.assertNoResult(self.watch.refresh())
        assert self.asked == 2

    def test_without_an_idle_process_what_is_known_is_told(self) -> None:
        self.idle = False
        self.successResultOf(self.watch.refresh())
        # That was no attempt.
        self.idle = True
        self.assertNoResult(self.watch.refresh())

    def test_nobody_waits_longer_than_the_cli_does(self) -> None:
        done = self.watch.refresh()
        self.clock.advance(RESPONSE_TIMEOUT)
        self.successResultOf(done)
        # A late response counts too.
        self.watch.received(USAGE)
        assert self.used() == [0.42]

    def test_a_client_may_disconnect(self) -> None:
        first, second = self.watch.refresh(), self.watch.refresh()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.watch.received(USAGE)
        self.successResultOf(second)

    def test_it_waits_for_nothing_when_it_is_stopped(self) -> None:
        done = self.watch.refresh()
        self.watch.stop()
        self.successResultOf(done)
        assert self.clock.getDelayedCalls() == []

    def test_the_plan_is_that_of_the_newest_process(self) -> None:
        assert self.watch.as_object()["plan"] is None
        self.watch.logged_in({"subscriptionType": "Claude Pro"})
        self.watch.logged_in({"subscriptionType": "Claude Max"})
        assert self.watch.as_object()["plan"] == "Claude Max"

    def test_the_headers_are_told(self) -> None:
        self.watch.received(event("allowed"))
        assert self.watch.headers()["anthropic-ratelimit-unified-status"] == "allowed"


class Asks(SynchronousTestCase):
    """The pool asks an idle process of its own."""

    def setUp(self) -> None:
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        self.reactor = FakeReactor(lambda reactor, process: None)
        self.pool = new_pool(self.reactor, folder, spares=0)

    def ready(self) -> Process:
        done: Deferred[Any] = ensureDeferred(self.pool.probe_cli())
        [process] = self.reactor.processes
        response = {"models": [], "account": {"subscriptionType": "Claude Max"}}
        self.respond(process, "initialize", response)
        self.successResultOf(done)
        return process

    def requests(self, process: Process, subtype: str) -> list[Any]:
        lines = [json.loads(line) for line in process.written.splitlines()]
        return [line for line in lines if line["request"]["subtype"] == subtype]

    def respond(self, process: Process, subtype: str, response: object) -> None:
        request_id = self.requests(process, subtype)[-1]["request_id"]
        told = {"subtype": "success", "request_id": request_id, "response": response}
        process.say(json.dumps({"type": "control_response", "response": told}).encode() + b"\n")

    def test_an_idle_process_is_asked(self) -> None:
        process = self.ready()
        done = self.pool.plan.refresh()
        self.assertNoResult(done)
        windows = {"five_hour": {"utilization": 10, "resets_at": None}}
        self.respond(process, "get_usage", {"rate_limits": windows})
        self.successResultOf(done)
        told = self.pool.plan.as_object()
        assert told["plan"] == "Claude Max"
        assert [window["used"] for window in told["windows"]] == [0.1]
        text = self.pool._metrics.exposition().decode()
        assert 'claudeproxy_plan_used_ratio{window="five_hour"} 0.1\n' in text
        assert "claudeproxy_plan_resets_timestamp_seconds{" not in text

    def test_without_a_process_none_is_started(self) -> None:
        self.successResultOf(self.pool.plan.refresh())
        assert self.reactor.processes == []

    def test_what_comes_with_a_turn_is_known_too(self) -> None:
        process = self.ready()
        info = {"status": "rejected", "rateLimitType": "seven_day", "resetsAt": 10**9}
        process.say(json.dumps({"type": "rate_limit_event", "rate_limit_info": info}).encode())
        process.say(b"\n")
        [window] = self.pool.plan.as_object()["windows"]
        assert (window["name"], window["status"]) == ("seven_day", "rejected")
        text = self.pool._metrics.exposition().decode()
        expected = 'claudeproxy_plan_resets_timestamp_seconds{window="seven_day"} 1e+09\n'
        assert expected in text
        assert "claudeproxy_plan_used_ratio{" not in text

    def test_stopping_the_pool_ends_the_wait(self) -> None:
        self.ready()
        done = self.pool.plan.refresh()
        self.pool.stop()
        self.successResultOf(done)
