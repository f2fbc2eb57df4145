"""The queue of requests: when each gets a process, is retried, or is rejected.

The Roster chooses the process, and the Workers start and end it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..cli.launch import Launch
from ..cli.notices import Ready, TurnEnded
from ..cli.process import Worker
from ..condition.machine import Condition
from ..conversation import Conversation, Profile
from ..errors import APIError, internal_error, rate_limited, unavailable, upstream_failed
from ..events import Failed, Listener
from ..metrics import Metrics
from ..timers import Timers
from .job import Job, error_of
from .looks import Looks
from .pace import LatencyEstimates
from .plan_watch import PlanWatch
from .roster import Placement, Roster
from .slot import Activity, Slot
from .spares import Spares
from .workers import PoolSettings, Workers


class Pool:
    """Decides who waits: the order of the requests, and when one is retried or rejected."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        find_launch: Callable[[], Awaitable[Launch]],
        settings: PoolSettings,
        metrics: Metrics,
        condition: Condition | None = None,
    ) -> None:
        """find_launch: raises APIError while there is no CLI; called again until it finds one.

        condition: is told what the processes and the answers show; has the time since the epoch.
        """
        condition = condition or Condition(reactor.seconds)
        self._reactor = reactor
        self._settings = settings
        self._metrics = metrics
        self._roster = Roster(settings.workers, settings.recycling)
        self._workers = Workers(reactor, find_launch, settings, metrics, self._roster, condition)
        self._workers.on_turn_end = self._turn_ended
        self._workers.on_ended = self._ended
        self.plan = PlanWatch(reactor, self._workers.ask_usage, condition.seconds)
        self._workers.on_ready = lambda ready: self.plan.logged_in(ready.account)
        self._workers.on_plan = self.plan.received
        metrics.watch_plan(lambda: self.plan.usage.windows(condition.seconds()))
        self._jobs: dict[Worker, Job] = {}
        self._queue: list[Job] = []
        self._awaiting_first_event: set[Job] = set()
        self._timers = Timers(reactor)
        self._pace = LatencyEstimates(os.cpu_count() or 1)
        self._spares = Spares(
            reactor, settings, self._roster, self._workers, self._pace, self._needs_cpu
        )
        self._spares.on_ready = self._prepared
        self.looks = Looks(
            reactor.seconds, self._workers, condition, lambda: self._spares.prepare(Profile())
        )
        self._stopping = False
        # Called with what the CLI says of the models that a process has used.
        self.on_model_usage: Callable[[Mapping[str, Any]], None] = lambda told: None
        counts = {activity.value: partial(self.count, activity) for activity in Activity}
        metrics.watch(counts, lambda: len(self._queue))

    # Called by the web package

    def start(self, conversation: Conversation, listener: Listener) -> Job:
        """Queue a conversation; raises APIError if it must wait, and too many do; or without a CLI.

        Any later error reaches the listener as Failed.
        """
        self._refuse_if_stopping()
        if not self._workers.any_ready():
            self._workers.require_cli()
        job = Job(self, conversation, listener, self._reactor.seconds())
        self._enqueue(job)
        self._assign_workers()
        if job in self._queue and len(self._queue) > self._settings.queue:
            self._forget(job)
            self._metrics.refused()
            raise rate_limited("Too many requests are waiting already.", retry_after=5)
        return job

    async def probe_cli(self) -> Ready:
        """Start a process, and ask it for its models and account, which uses no tokens.

        Raises APIError if the CLI does not start. Concurrent callers share one process. It is kept
        for conversations without a system prompt.
        """
        self._refuse_if_stopping()
        return await self.looks.probe()

    async def newest(self) -> Ready:
        """The models and the account that the newest process told; raises APIError if none can."""
        self._refuse_if_stopping()
        return await self.looks.newest()

    def look(self) -> None:
        """Look in the background for a CLI or a login if there was none; may be called often."""
        if not self._stopping:
            self.looks.look()

    def cancel(self, job: Job, reason: str) -> None:
        """Cancel a job: take it out of the queue, or interrupt its turn."""
        self._forget(job)
        worker, job.worker = job.worker, None
        if worker is not None and self._jobs.get(worker) is job:
            del self._jobs[worker]
            if worker.ready.called:
                self._workers.interrupt(worker)
        self._assign_workers()

    async def count_tokens(self, conversation: Conversation) -> int | None:
        """The tokens of a conversation as the API counts them, which costs none.

        None if there is no warm process of its profile that can do it at once.
        """
        now = self._reactor.seconds()
        limits = conversation.limits
        if limits.unlisted or limits.output_format is not None or limits.server_tools:
            # For a model that is not listed, the CLI would first send a request. It does not count
            # what the API adds to the prompt for the format of the answer.
            return None
        placed = self._roster.place_count(conversation, now)
        if placed is None:
            return None
        return await self._workers.count_tokens(*placed)

    def stop(self) -> Deferred[None]:
        """End all processes; fires when they have ended. No process is started any more."""
        self._stopping = True
        error = unavailable("The server is stopping.", retry_after=5)
        for job in list(self._queue):
            self._forget(job)
            job.received([Failed(error)])
        self._timers.close()
        self.plan.stop()
        self._spares.stop()
        return self._workers.stop(error)

    def count(self, activity: Activity) -> int:
        """How many processes have this activity."""
        return self._roster.count(activity)

    def report(self) -> dict[str, Any]:
        """What each process does, and how many requests wait for one."""
        processes = [slot.report() for slot in self._roster.slots]
        return {"processes": processes, "waiting": len(self._queue)}

    # Called by jobs

    def answer_began(self, job: Job) -> None:
        """The first event of the job's answer has arrived."""
        self._awaiting_first_event.discard(job)
        self._metrics.began(self._reactor.seconds() - job.since)
        self._spares.schedule()

    def answer_ended(self, job: Job) -> None:
        """The answer is complete; the worker will be idle soon, or waits for tool results."""
        worker = job.worker
        if worker is None:
            return
        slot, now = self._workers.slot_of(worker), self._reactor.seconds()
        conversation, answer = job.conversation, job.answer
        if not job.waits_for_results:
            self._roster.answered(slot, now, conversation, answer)
            self._workers.expect_turn_end(worker)
        elif answer is None:
            self._workers.interrupt(worker)
        else:
            del self._jobs[worker]
            job.worker = None
            self._roster.parked(slot, now, conversation, answer)
            if self._roster.preparation(slot) is not None:
                # When the turn has ended, the process is made ready for the next round.
                self._workers.interrupt(worker)
            else:
                self._workers.park(worker)
            self._assign_workers()

    def retry(self, job: Job) -> None:
        """Queue a job again whose worker ended before its answer began; at most once per job."""
        if self._stopping:
            job.retried = True
            job.received([Failed(unavailable("The server is stopping.", retry_after=5))])
            return
        job.retried = True
        job.worker = None
        self._metrics.retried()
        self._enqueue(job)
        self._assign_workers()

    # The queue

    def _enqueue(self, job: Job) -> None:
        self._queue.append(job)
        self._awaiting_first_event.add(job)
        self._timers.start(job, self._settings.queue_wait, self._waited_too_long, job)

    def _waited_too_long(self, job: Job) -> None:
        self._forget(job)
        self._metrics.refused()
        error = rate_limited("No CLI process became free in time.", retry_after=5)
        job.received([Failed(error)])

    def _forget(self, job: Job) -> None:
        """Take a job out of the queue and cancel its timer."""
        self._awaiting_first_event.discard(job)
        if job in self._queue:
            self._queue.remove(job)
        self._timers.cancel(job)

    def _assign_workers(self) -> None:
        """Assign workers to waiting jobs, first come, first served; then schedule a spare."""
        now = self._reactor.seconds()
        for job in list(self._queue):
            if job in self._queue:
                try:
                    self._place(job, now)
                except Exception:
                    # An error with one job must not affect the jobs behind it.
                    self.log.failure("Assigning a worker to a request failed")
                    self._drop(job)
        if self._queue and (slot := self._roster.longest_parked()):
            # If its client comes back, it sends the whole conversation anyway.
            self._workers.interrupt(self._workers.at(slot))
        self._spares.schedule()

    def _place(self, job: Job, now: float) -> None:
        if slot := self._roster.unresumable(job.conversation):
            self._workers.interrupt(self._workers.at(slot))
        if job.retried and not self._workers.may_start():
            return
        placement = self._roster.place(
            job.conversation,
            now,
            may_spawn=self._workers.may_start() and self._should_spawn(job, now),
            new_process=job.retried,
        )
        if placement is not None:
            self._forget(job)
            self._awaiting_first_event.add(job)
            self._run(job, placement)

    def _drop(self, job: Job) -> None:
        """Fail a job after an internal error."""
        self._forget(job)
        job.received([Failed(internal_error())])
        if job.worker is not None:
            self._workers.retire(job.worker, "internal error")

    def _should_spawn(self, job: Job, now: float) -> bool:
        waited = now - job.since
        busy = self._roster.serves(job.conversation)
        worth = not self._settings.queue or self._pace.should_spawn(
            waited=waited,
            ahead=self._queue.index(job) + 1,
            busy=busy,
            starting=self._starting(),
        )
        if busy and not worth and waited < self._pace.starting:
            self._timers.start("queue", self._pace.starting - waited, self._assign_workers)
        return worth

    def _starting(self) -> int:
        """How many processes are started for requests now."""
        return sum(not worker.ready.called for worker in self._jobs)

    # Workers

    def _run(self, job: Job, placement: Placement) -> None:
        job.reuse = placement.reuse
        limits = job.conversation.limits
        self._spares.expect(limits)
        self._metrics.placed(placement.reuse)
        if placement.evicted is not None:
            self._workers.retire(self._workers.at(placement.evicted), "evicted")
        try:
            worker = (
                self._workers.spawn(placement.slot, limits.model)
                if placement.reuse == "spawned"
                else self._workers.at(placement.slot)
            )
        except APIError as error:
            self._roster.remove(placement.slot)
            job.received([Failed(error)])
            return
        self._workers.in_use(worker)
        self._jobs[worker] = job
        job.worker = worker
        if placement.reuse == "resumed":
            heard = self._workers.witness(worker, job)
            worker.answer_tool_calls(placement.plan.lines[-1], limits, heard)
            return
        began = self._reactor.seconds()
        failing = self._workers.backoff.failing

        def ask(_: object) -> None:
            if placement.reuse == "spawned":
                self._pace.started(self._reactor.seconds() - began)
            if self._jobs.get(worker) is job:
                worker.ask(placement.plan, limits, self._workers.witness(worker, job))
            else:
                self._prepared(worker, job.conversation.profile)

        def failed(failure: Failure) -> None:
            error = error_of(failure)
            if self._jobs.pop(worker, None) is job:
                # While starts keep failing, another worker would fail too.
                job.received([Failed(error, worker_lost=not failing)])
            self._refuse_waiting(error)

        if not worker.blank:
            ask(None)
            return
        worker.initialize(job.conversation.profile, self._settings.start_timeout)
        worker.ready.addCallbacks(ask, failed)
        worker.ready.addCallback(lambda _: self._assign_workers())
        worker.ready.addErrback(self._not_asked, worker)

    def _refuse_waiting(self, error: APIError) -> None:
        """Fail all waiting jobs if starts keep failing and no process is ready."""
        if not self._workers.backoff.failing or self._workers.any_ready():
            return
        for job in list(self._queue):
            self._forget(job)
            job.received([Failed(error)])

    def _not_asked(self, failure: Failure, worker: Worker) -> None:
        """Retire a worker after an internal error; its job fails when the process has ended."""
        self.log.failure("Sending a request to a worker failed", failure)
        self._workers.retire(worker, "internal error")

    def _turn_ended(self, worker: Worker, slot: Slot, over: TurnEnded) -> None:
        """Clear or keep a worker whose turn has ended."""
        self.on_model_usage(over.model_usage)
        now = self._reactor.seconds()
        job = self._jobs.pop(worker, None)
        if job is not None and job.worker is worker:
            # A job that is retried has another one by now.
            job.worker = None
            if job.reuse in ("continued", "rewound", "recycled"):
                self._pace.answered(now - slot.since)
        if slot.activity is Activity.PREPARING:
            self._roster.prepared(slot, now, clean=over.clean, marks=over.marks)
        else:
            self._roster.idle(slot, now, clean=over.clean, marks=over.marks)
        plan = self._roster.preparation(slot) if worker.alive else None
        if plan is not None and (plan.lines or not self._queue):
            self._roster.preparing(slot, plan, now)
            worker.prepare(plan)
            self._workers.expect_turn_end(worker, len(plan.new))
            return
        self._workers.release(worker, wanted=bool(self._queue))
        self._assign_workers()
        if self._starting() and slot.activity is Activity.IDLE:
            self._workers.give_way(worker)

    def _prepared(self, worker: Worker, profile: Profile) -> None:
        """Make a ready worker idle: it is a spare, or its job has been cancelled."""
        if self._workers.has_slot(worker):
            slot = self._workers.slot_of(worker)
            self._roster.ready(slot, profile, self._reactor.seconds())
            self._workers.release(worker, wanted=bool(self._queue))
            self._assign_workers()

    def _ended(self, worker: Worker) -> None:
        """The worker's process has ended."""
        job = self._jobs.pop(worker, None)
        if job is not None and job.worker is worker:
            job.received([Failed(upstream_failed("The CLI process ended."), worker_lost=True)])
        if not self._stopping:
            self._assign_workers()

    def _needs_cpu(self) -> bool:
        """Whether a request waits for a process, or for its first token."""
        return bool(self._queue or self._awaiting_first_event)

    def _refuse_if_stopping(self) -> None:
        if self._stopping:
            raise unavailable("The server is stopping.", retry_after=5)
