"""The spare processes: they are started while no request needs the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from ..cli.notices import Ready
from ..cli.process import Worker
from ..conversation import Limits, Profile
from ..errors import APIError
from ..timers import Timers
from .pace import LatencyEstimates
from .roster import Roster
from .slot import Activity
from .workers import PoolSettings, Workers


# A spare is started after this much time without activity.
SPARE_DELAY = 0.3


class Spares:
    """Decides when a process is started that no request has asked for.

    Only while no request waits for its first token: starting a process takes a second of CPU, which
    a running request needs more.
    """

    def __init__(
        self,
        reactor: Any,
        settings: PoolSettings,
        roster: Roster,
        workers: Workers,
        pace: LatencyEstimates,
        needed: Callable[[], bool],
    ) -> None:
        """needed: whether requests need the CPU now."""
        self._reactor = reactor
        self._settings = settings
        self._roster = roster
        self._workers = workers
        self._pace = pace
        self._needed = needed
        self._timers = Timers(reactor)
        self._model = ""
        self._asked = reactor.seconds()
        # Called when a process has been initialised for a profile.
        self.on_ready: Callable[[Worker, Profile], None] = lambda *_: None

    def expect(self, limits: Limits) -> None:
        """A request has these limits; a spare is started with its model."""
        self._asked = self._reactor.seconds()
        # A model that is not listed may not even exist.
        if not limits.unlisted:
            self._model = limits.model

    def schedule(self) -> None:
        """There was activity: start a spare after some time without any."""
        self._timers.start("spare", SPARE_DELAY, self._refill)

    def stop(self) -> None:
        """Start none any more."""
        self._timers.close()

    def prepare(self, profile: Profile) -> Deferred[Ready]:
        """Start a process and initialise it for a profile; fires when it is ready."""
        now = self._reactor.seconds()
        slot = self._roster.add_blank(now)
        self._roster.initializing(slot, now)
        worker = self._workers.spawn(slot, self._model)
        worker.initialize(profile, self._settings.start_timeout)

        def ready(result: Ready) -> Ready:
            self.on_ready(worker, profile)
            return result

        return worker.ready.addCallback(ready)

    def _refill(self) -> None:
        """Start a spare process, if there are no requests that need the CPU now."""
        roster, settings, now = self._roster, self._settings, self._reactor.seconds()
        full = len(roster.slots) >= settings.workers
        if self._needed():
            return
        self._workers.catch_up()
        if full or not self._workers.can_start:
            return
        if wait := self._workers.backoff.wait(now):
            self._timers.start("spare", wait, self._refill)
            return
        try:
            if self._may_keep(now) and roster.count(Activity.BLANK) < settings.spares:
                self._workers.spawn(roster.add_blank(now), self._model)
                self._let_go()
            elif roster.count(Activity.IDLE) < settings.idle_workers and (
                profile := roster.profile_needing_spare(now - settings.idle_time / 2)
            ):
                # The error has been logged already.
                self.prepare(profile).addErrback(lambda failure: failure.trap(APIError))
            else:
                return
        except APIError:
            # The error has been logged already, and the next request will report it.
            return
        # Start one spare at a time: the next when this one is probably ready.
        self._timers.start("spare", self._pace.starting, self._refill)

    def _may_keep(self, now: float) -> bool:
        """Whether to have spares now."""
        return self._settings.idle_spares or now - self._asked < self._settings.idle_time

    def _let_go(self) -> None:
        """End the spares if there has been no request for long; otherwise look again then."""
        now = self._reactor.seconds()
        if self._settings.idle_spares:
            return
        if self._may_keep(now):
            left = self._asked + self._settings.idle_time - now
            self._timers.start("idle", left, self._let_go)
            return
        for slot in [slot for slot in self._roster.slots if slot.activity is Activity.BLANK]:
            self._workers.retire(self._workers.at(slot), "idle timeout")
