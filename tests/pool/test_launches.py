"""Requests share the search for the CLI, and for a moment its failure."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from claudeproxy.cli.launch import CLI, Launch
from claudeproxy.condition.machine import Condition
from claudeproxy.errors import APIError, unavailable
from claudeproxy.pool.launches import ASK_AGAIN_AFTER, LaunchFinder


LAUNCH = Launch(CLI("claude", "1", "here"), {}, "/nonexistent", "/nonexistent")


class Finding(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.looks: list[Deferred[Launch]] = []
        self.condition = Condition(self.clock.seconds)
        self.finder = LaunchFinder(self.look, self.clock.seconds, self.condition)

    def look(self) -> Deferred[Launch]:
        self.looks.append(Deferred())
        return self.looks[-1]

    def find(self) -> Deferred[Any]:
        return ensureDeferred(self.finder.find())

    def error(self, found: Deferred[Any]) -> str:
        error = self.failureResultOf(found, APIError).value
        assert isinstance(error, APIError)
        assert error.status == 503
        return error.message

    def test_it_is_looked_for_once(self) -> None:
        first, second = self.find(), self.find()
        self.looks[0].callback(LAUNCH)
        for found in (first, second, self.find()):
            assert self.successResultOf(found) is LAUNCH
        assert self.finder.require() is LAUNCH
        assert len(self.looks) == 1

    def test_what_was_not_found_is_not_looked_for_again_at_once(self) -> None:
        first, second = self.find(), self.find()
        self.looks[0].errback(unavailable("not there"))
        assert {self.error(found) for found in (first, second, self.find())} == {"not there"}
        self.clock.advance(ASK_AGAIN_AFTER - 0.1)
        assert self.error(self.find()) == "not there"
        assert len(self.looks) == 1

    def test_after_some_seconds_it_is_looked_for_again(self) -> None:
        self.find().addErrback(lambda _: None)
        self.looks[0].errback(unavailable("not there"))
        self.clock.advance(ASK_AGAIN_AFTER)
        found = self.find()
        self.looks[1].callback(LAUNCH)
        assert self.successResultOf(found) is LAUNCH

    def test_until_it_is_found_nothing_can_be_started(self) -> None:
        with self.assertRaises(APIError) as raised:
            self.finder.require()
        assert raised.exception.status == 503

    def test_when_the_server_stops_those_who_wait_are_told(self) -> None:
        found = self.find()
        self.finder.cancel()
        assert self.error(found) == "The server is stopping."
