"""The CLI processes of this server: when one is started, kept idle or ended.

Each process has a slot in the roster. Which request gets which process is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger, LogLevel

from ..cli.failures import StartFailure
from ..cli.launch import Launch
from ..cli.notices import PlanReport, Ready, TurnEnded, UsageResponse
from ..cli.plan import Plan
from ..cli.process import COUNT_TIMEOUT, Worker
from ..condition.faults import no_process
from ..condition.machine import Condition
from ..errors import APIError
from ..events import Listener
from ..metrics import Metrics
from ..timers import Timers
from .backoff import StartBackoff
from .launches import LaunchFinder
from .logins import Logins
from .roster import Roster
from .slot import Activity, Slot
from .start_failures import StartFailures
from .witness import Witness


# An interrupted turn ends within 50 ms (seen on both versions).
TURN_END_TIMEOUT = 5.0
# A line of the history takes about 10 ms.
LINE_TIMEOUT = 0.1
# Why a process ends that is not worth a line at info. All but the last are the server's own
# decisions, made also while it has nothing to do. The last has been logged by the process.
ORDINARY_ENDS = frozenset(
    {
        *("idle timeout", "too many idle processes", "evicted", "server shutdown"),
        *("turn limit reached", "memory limit reached", "unusable history", "exited"),
    }
)
# One that ends sooner after it became ready, and unused, is of no use.
YOUNG = 60.0


@attrs.frozen
class PoolSettings:
    """The settings of the pool; times in seconds, memory in bytes."""

    spares: int
    workers: int
    idle_workers: int
    idle_time: float
    worker_turns: int
    worker_memory: int
    recycling: bool
    pause_idle: bool
    idle_spares: bool
    reasoning: bool
    queue: int
    queue_wait: float
    start_timeout: float
    longest_retry: float
    debug: bool


class Workers:
    """Decides how long a process lives: whether it is started, kept when idle, or ended.

    It owns all processes; the pool gets one from here by its slot.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        find_launch: Callable[[], Awaitable[Launch]],
        settings: PoolSettings,
        metrics: Metrics,
        roster: Roster,
        condition: Condition,
    ) -> None:
        """find_launch: raises APIError while there is no CLI; called again until it finds one.

        condition: is told what becomes of the processes.
        """
        self._reactor = reactor
        self._launches = LaunchFinder(find_launch, reactor.seconds, condition)
        self._condition = condition
        self.logins = Logins(condition)
        self._settings = settings
        self._metrics = metrics
        self._roster = roster
        self._slots: dict[Worker, Slot] = {}
        self._counts: dict[Worker, Deferred[int | None]] = {}
        self._timers = Timers(reactor)
        self._gave_way: list[Worker] = []
        self.backoff = StartBackoff()
        self._failures = StartFailures(self.backoff, condition, metrics)
        self._went_back = False
        # Called when a CLI is ready, when it reports the limits of the plan, when it is idle again,
        # and when a process has ended.
        self.on_ready: Callable[[Ready], None] = lambda ready: None
        self.on_plan: Callable[[PlanReport], None] = lambda report: None
        self.on_turn_end: Callable[[Worker, Slot, TurnEnded], None] = lambda *_: None
        self.on_ended: Callable[[Worker], None] = lambda worker: None

    @property
    def can_start(self) -> bool:
        """Whether a CLI has been found."""
        return self._launches.known is not None

    async def find_cli(self) -> None:
        """Find the CLI, unless it has been found already; raises APIError."""
        await self._launches.find()

    def require_cli(self) -> None:
        """Raise APIError if the CLI has not been found."""
        self._launches.require()

    def spawn(self, slot: Slot, model: str) -> Worker:
        """Start a blank process for a slot; raises APIError."""
        launch = self._launches.require()
        settings = self._settings
        worker = Worker(
            self._reactor,
            launch,
            settings.longest_retry,
            model,
            reasoning=settings.reasoning,
            may_rest=settings.pause_idle,
            debug=settings.debug,
            now=self._condition.seconds,
        )
        try:
            worker.start()
        except OSError as error:
            self._roster.remove(slot)
            refused = no_process(launch.cli.name, error.strerror or "an unknown error")
            self._failures.no_process(refused, self._reactor.seconds())
            raise refused from error
        self._slots[worker] = slot
        self.logins.started(worker)
        worker.ready.addCallback(self._became_ready, worker)
        worker.on_start_failed = lambda failure: self._start_failed(slot, failure)
        worker.on_stopping = lambda: self._roster.remove(slot)
        worker.on_turn_end = lambda over: self._turn_ended(worker, slot, over)
        worker.on_rewind = self._rewound
        worker.on_plan = lambda report: self._plan_reported(worker, slot, report)
        worker.on_counted = lambda tokens: self._counted(worker, tokens)
        worker.on_ended = lambda reason: self._ended(worker, reason)
        worker.group.rest()
        return worker

    def may_start(self) -> bool:
        """Whether a request may start a process; only one at a time while starts fail."""
        return self.backoff.may_start(sum(worker.starting for worker in self._slots))

    def any_ready(self) -> bool:
        """Whether any process has become ready and is not being ended."""
        return any(worker.was_ready and self.has_slot(worker) for worker in self._slots)

    def at(self, slot: Slot) -> Worker:
        """The process of a slot."""
        return next(worker for worker, its in self._slots.items() if its is slot)

    def slot_of(self, worker: Worker) -> Slot:
        """The slot of a process."""
        return self._slots[worker]

    def has_slot(self, worker: Worker) -> bool:
        """Whether a process still has a slot: not if it is ending or has ended."""
        return self._slots.get(worker) in self._roster.slots

    def in_use(self, worker: Worker) -> None:
        """A request uses the worker: cancel its idle timeout."""
        self._timers.cancel(worker)

    def expect_turn_end(self, worker: Worker, lines: int = 0, more: float = 0) -> None:
        """Retire the worker unless the CLI soon reports the end of its turn.

        lines: how many it must confirm before that. more: what else may take time, in seconds.
        """
        timeout = TURN_END_TIMEOUT + lines * LINE_TIMEOUT + more
        self._timers.start(worker, timeout, self.retire, worker, "did not settle")

    def park(self, worker: Worker) -> None:
        """Let its turn wait for the client's tool results, up to the idle timeout."""
        self._timers.start(worker, self._settings.idle_time, self.interrupt, worker)
        worker.group.rest()

    def give_way(self, worker: Worker) -> None:
        """Stop an idle process at once: others are starting for requests and need the CPU.

        After its first answer a process goes on to use 0.15 s of CPU time.
        """
        worker.group.rest(at_once=True)
        self._gave_way.append(worker)

    def catch_up(self) -> None:
        """No request needs the CPU: let the processes that gave way go on."""
        gave_way, self._gave_way = self._gave_way, []
        for worker in gave_way:
            worker.group.catch_up()

    def interrupt(self, worker: Worker) -> None:
        """End the running or parked turn of a worker, which is then idle again."""
        self._roster.interrupted(self._slots[worker], self._reactor.seconds())
        worker.interrupt()
        self.expect_turn_end(worker)

    def count_tokens(self, slot: Slot, plan: Plan) -> Deferred[int | None]:
        """Have a process count the tokens of a plan; fires with None if it cannot."""
        worker = self.at(slot)
        self.in_use(worker)
        counted = self._counts[worker] = Deferred()
        worker.count(plan)
        self.expect_turn_end(worker, len(plan.new), COUNT_TIMEOUT)
        return counted

    def _counted(self, worker: Worker, tokens: int | None) -> None:
        if (counted := self._counts.pop(worker, None)) is not None:
            counted.callback(tokens)

    def ask_usage(self) -> bool:
        """Have an idle process report the usage of the plan; returns whether there is one.

        A request may use the process meanwhile.
        """
        slots = [slot for slot in self._roster.slots if slot.activity is Activity.IDLE]
        if not slots:
            return False
        self.at(max(slots, key=lambda slot: slot.since)).ask_usage()
        return True

    def _plan_reported(self, worker: Worker, slot: Slot, report: PlanReport) -> None:
        if isinstance(report, UsageResponse) and slot.activity is Activity.IDLE:
            worker.group.rest()
        self.on_plan(report)

    def release(self, worker: Worker, *, wanted: bool) -> None:
        """Keep or retire an idle worker. wanted: whether requests wait for one."""
        settings, slot = self._settings, self._slots[worker]
        self._timers.cancel(worker)
        if self.logins.outdated(worker):
            self.retire(worker, "login changed")
        elif slot.turns >= settings.worker_turns:
            self.retire(worker, "turn limit reached")
        elif slot.history_key is None and not (settings.recycling or slot.marks):
            self.retire(worker, "unusable history")
        elif worker.memory() >= settings.worker_memory:
            self.retire(worker, "memory limit reached")
        else:
            self._timers.start(worker, settings.idle_time, self.retire, worker, "idle timeout")
            if not wanted:
                worker.relax()
            worker.group.rest()
        idle = [at for at in self._roster.slots if at.activity is Activity.IDLE]
        if len(idle) > settings.idle_workers and not wanted:
            self.retire(self.at(min(idle, key=lambda at: at.since)), "too many idle processes")

    def retire(self, worker: Worker, reason: str) -> None:
        """End a worker; no request is assigned to it any more."""
        self._timers.cancel(worker)
        slot = self._slots.get(worker)
        if slot is not None:
            self._roster.remove(slot)
        worker.stop(reason).addErrback(
            lambda failure: self.log.failure("Stopping a CLI process failed", failure)
        )

    def stop(self, error: APIError) -> Deferred[None]:
        """End all processes; fires when they have ended. error: sent to requests still waiting."""
        self._timers.close()
        self._launches.cancel()
        ended = [worker.stop("server shutdown", error) for worker in list(self._slots)]
        return gatherResults(ended).addCallback(lambda _: None)

    def __iter__(self) -> Iterator[Worker]:
        """All workers."""
        return iter(self._slots)

    def witness(self, worker: Worker, listener: Listener) -> Witness:
        """A listener that also learns from the outcome whether the login is valid."""
        path = self._condition.cli.path if self._condition.cli else "claude"
        return Witness(listener, self._condition, self.logins.of(worker), path)

    def _became_ready(self, ready: Ready, worker: Worker) -> Ready:
        self.backoff.succeeded()
        self.logins.ready(worker, ready)
        for slot in [slot for slot in self._roster.slots if slot.activity is Activity.IDLE]:
            if self.logins.outdated(self.at(slot)):
                self.retire(self.at(slot), "login changed")
        self.on_ready(ready)
        return ready

    def _start_failed(self, slot: Slot, failure: StartFailure) -> None:
        now = self._reactor.seconds()
        if failure.was_ready and now - slot.since > YOUNG:
            self.log.warn("An unused CLI process ended: it {how}.", how=failure.how)
            return
        self._failures.add(failure, now)
        self._launches.suspect()

    def _turn_ended(self, worker: Worker, slot: Slot, over: TurnEnded) -> None:
        self._failures.answered()
        self.on_turn_end(worker, slot, over)

    def _rewound(self, refusal: str) -> None:
        """A process went back, or did not for a reason."""
        self._metrics.rewound(refusal or "done")
        self._went_back = self._went_back or not refusal
        if refusal and not self._went_back and self._roster.rewinds:
            # Without this request of the CLI's, processes are cleared instead.
            self._roster.rewinds = False
            self.log.warn(
                "The CLI did not go back to an earlier line of a conversation: {refusal}. "
                "From now on the server uses /clear instead.",
                refusal=refusal,
            )

    def _ended(self, worker: Worker, reason: str) -> None:
        self._timers.cancel(worker)
        self._counted(worker, None)
        self._roster.remove(self._slots.pop(worker))
        self.logins.ended(worker)
        # Details follow a colon; a metric's label must not contain them.
        kind = reason.partition(":")[0]
        self._metrics.retired(kind)
        level = LogLevel.debug if kind in ORDINARY_ENDS else LogLevel.info
        self.log.emit(level, "CLI process ended: {reason}", reason=reason)
        self.on_ended(worker)
