"""The CLI processes of this server: started, kept for what may come, and ended.

Each has a seat in the roster. Who gets which is the pool's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from ..cli.launch import Launch
from ..cli.notices import TurnOver
from ..cli.process import Worker
from ..errors import APIError, unavailable
from ..metrics import Metrics
from ..timers import Timers
from .roster import Activity, Roster, Seat


# An interrupted turn is over within 50 ms (seen on both versions).
SETTLE_WITHIN = 5.0


@attrs.frozen
class PoolSettings:
    """The pool's part of the settings; times in seconds, memory in bytes."""

    spares: int
    workers: int
    idle_workers: int
    idle_time: float
    worker_turns: int
    worker_memory: int
    recycling: bool
    reasoning: bool
    queue: int
    queue_wait: float
    start_timeout: float
    longest_retry: float
    debug: bool


class Workers:
    """Owns every process; whoever uses one gets it from here by its seat."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        find_launch: Callable[[], Launch],
        settings: PoolSettings,
        metrics: Metrics,
        roster: Roster,
    ) -> None:
        """find_launch: raises APIError while there is no CLI; asked again until there is one."""
        self._reactor = reactor
        self._find_launch = find_launch
        self._launch: Launch | None = None
        self._settings = settings
        self._metrics = metrics
        self._roster = roster
        self._seats: dict[Worker, Seat] = {}
        self._timers = Timers(reactor)
        # Called when a CLI is idle again, and when a process has gone.
        self.on_turn_over: Callable[[Worker, Seat, TurnOver], None] = lambda *_: None
        self.on_ended: Callable[[Worker], None] = lambda worker: None

    @property
    def can_start(self) -> bool:
        """Whether a CLI has been found."""
        return self._launch is not None

    def look_for_cli(self) -> None:
        """Find the CLI, if that has not been done; raises APIError."""
        self._launch = self._launch or self._find_launch()

    def spawn(self, seat: Seat, model: str) -> Worker:
        """Start a process at a seat, blank; raises APIError."""
        assert self._launch is not None
        settings = self._settings
        worker = Worker(
            self._reactor,
            self._launch,
            settings.longest_retry,
            model,
            reasoning=settings.reasoning,
            debug=settings.debug,
        )
        try:
            worker.start()
        except OSError as error:
            self._roster.remove(seat)
            self.log.failure("starting a CLI")
            raise unavailable("The CLI could not be started; see the log.") from error
        self._seats[worker] = seat
        worker.on_turn_over = lambda over: self.on_turn_over(worker, seat, over)
        worker.on_ended = lambda reason: self._ended(worker, reason)
        return worker

    def at(self, seat: Seat) -> Worker:
        """The process at a seat."""
        return next(worker for worker, its in self._seats.items() if its is seat)

    def seat_of(self, worker: Worker) -> Seat:
        """Where a process is."""
        return self._seats[worker]

    def is_kept(self, worker: Worker) -> bool:
        """Whether a process has a seat (still): it may be ending, or have ended."""
        return self._seats.get(worker) in self._roster.seats

    def in_use(self, worker: Worker) -> None:
        """Somebody uses it, so its time is not up."""
        self._timers.cancel(worker)

    def expect_idle(self, worker: Worker) -> None:
        """The CLI is about to say that its turn is over."""
        self._timers.start(worker, SETTLE_WITHIN, self.retire, worker, "did not settle")

    def park(self, worker: Worker) -> None:
        """Its turn waits for a client's tool results, but not for ever."""
        self._timers.start(worker, self._settings.idle_time, self.give_up, worker)

    def give_up(self, worker: Worker) -> None:
        """End the turn that a worker runs or waits with; it is idle in a moment."""
        self._roster.finishing(self._seats[worker], None)
        worker.interrupt()
        self.expect_idle(worker)

    def rest(self, worker: Worker, *, wanted: bool) -> None:
        """Keep an idle worker, or not. wanted: requests wait for one."""
        settings, seat = self._settings, self._seats[worker]
        self._timers.cancel(worker)
        if seat.turns >= settings.worker_turns:
            self.retire(worker, "served its turns")
        elif seat.holds is None and not settings.recycling:
            self.retire(worker, "holds what nobody was told")
        elif worker.memory() >= settings.worker_memory:
            self.retire(worker, "grew too large")
        else:
            self._timers.start(worker, settings.idle_time, self.retire, worker, "idle for long")
        idle = [at for at in self._roster.seats if at.activity is Activity.IDLE]
        if len(idle) > settings.idle_workers and not wanted:
            self.retire(self.at(min(idle, key=lambda at: at.since)), "surplus")

    def retire(self, worker: Worker, reason: str) -> None:
        """The worker serves no one from now on."""
        self._timers.cancel(worker)
        seat = self._seats.get(worker)
        if seat is not None:
            self._roster.remove(seat)
        worker.stop(reason).addErrback(lambda failure: self.log.failure("stopping", failure))

    def stop(self, error: APIError) -> Deferred[None]:
        """End every process; fires when all are gone. error: what is told to who waits for one."""
        self._timers.close()
        ended = [worker.stop("the server stops", error) for worker in list(self._seats)]
        return gatherResults(ended).addCallback(lambda _: None)

    def __iter__(self) -> Iterator[Worker]:
        """All of them."""
        return iter(self._seats)

    def _ended(self, worker: Worker, reason: str) -> None:
        self._timers.cancel(worker)
        self._roster.remove(self._seats.pop(worker))
        # What follows a colon is particular, and a label must not be.
        self._metrics.retired(reason.partition(":")[0])
        self.log.info("A CLI process ended: {reason}", reason=reason)
        self.on_ended(worker)
