"""Keeps what the CLI reports about the limits of the plan, and asks for it when a client does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from ..cli.notices import PlanReport, RateLimitEvent
from ..plan_usage import FRESH, Change, Level, PlanUsage
from ..timers import Timers


# The CLI itself waits for Anthropic for up to 5 s.
RESPONSE_TIMEOUT = 6.0


class PlanWatch:
    """The usage of the plan, as all processes together report it."""

    log = Logger()

    def __init__(
        self, clock: Any, ask: Callable[[], bool], now: Callable[[], float] | None = None
    ) -> None:
        """ask: has an idle process report the usage, and returns whether there is one.

        now: seconds since the epoch, if those of the clock are others.
        """
        self._now = now or clock.seconds
        self._ask = ask
        self._timers = Timers(clock)
        self._asked_at: float | None = None
        self._waiting: list[Deferred[None]] = []
        self._account: Mapping[str, Any] = {}
        self.usage = PlanUsage()

    def logged_in(self, account: Mapping[str, Any]) -> None:
        """Take the account that a new process reports."""
        self._account = account

    def received(self, report: PlanReport) -> None:
        """Take what a process reports, and log what the user does not know yet."""
        now = self._now()
        if isinstance(report, RateLimitEvent):
            self._tell(self.usage.report_event(report.info, now))
        else:
            self._tell(self.usage.report_usage(report.limits, now))
            self._responded()

    def refresh(self) -> Deferred[None]:
        """Ask for the usage if what is known is old; fires when there is nothing to wait for.

        It is asked for once in some minutes: the response may be that nothing is known.
        """
        now = self._now()
        if not self._waiting:
            lately = self._asked_at is not None and now - self._asked_at < FRESH
            if self.usage.fresh(now) or lately or not self._ask():
                return succeed(None)
            self._asked_at = now
            self._timers.start("response", RESPONSE_TIMEOUT, self._responded)
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def as_object(self) -> dict[str, Any]:
        """The body for GET /v1/usage."""
        return self.usage.as_object(self._now(), self._account)

    def headers(self) -> dict[str, str]:
        """The headers in which Anthropic's API reports the limits."""
        return self.usage.headers(self._now())

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._responded()
        self._timers.close()

    def _responded(self) -> None:
        self._timers.cancel("response")
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            # A client that has disconnected has cancelled its own Deferred.
            if not one.called:
                one.callback(None)

    def _tell(self, changes: list[Change]) -> None:
        for change in changes:
            if change.level is Level.FINE:
                self.log.info("{change}", change=change)
            else:
                self.log.warn("{change}", change=change)
