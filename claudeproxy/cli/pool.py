"""Which worker serves which conversation.

For now: each request has a process of its own, which is stopped when the answer is complete.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ..conversation import Conversation, Profile
from ..errors import APIError, unavailable, upstream_failed
from ..events import Failed
from .launch import Launch
from .process import Listener, Worker
from .session import Ready


@implementer(IPushProducer)
class Job:
    """One conversation being answered. To the client's connection it is the producer."""

    def __init__(self, pool: Pool, worker: Worker, rung: str) -> None:
        """rung: how the worker was found, for the client to see."""
        self.rung = rung
        self._pool = pool
        self._worker = worker

    def cancel(self, reason: str) -> None:
        """The answer is not wanted any more: no token is spent on it from now on."""
        self._pool.release(self._worker, reason)

    def pauseProducing(self) -> None:
        """The client reads slowly."""
        self._worker.pause()

    def resumeProducing(self) -> None:
        """The client has caught up."""
        self._worker.resume()

    def stopProducing(self) -> None:
        """The client has gone."""
        self.cancel("the client went away")


class Pool:
    """All CLI processes of this server."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        find_launch: Callable[[], Launch],
        longest_retry: float,
        start_timeout: float,
    ) -> None:
        """find_launch: raises APIError while there is no CLI; asked again until there is one.

        longest_retry, start_timeout: seconds, as in the settings.
        """
        self._reactor = reactor
        self._find_launch = find_launch
        self._launch: Launch | None = None
        self._longest_retry = longest_retry
        self._start_timeout = start_timeout
        self._workers: set[Worker] = set()
        self._stopping = False

    # What the rest of the house asks

    def start(self, conversation: Conversation, listener: Listener) -> Job:
        """Have a conversation answered; raises APIError if no process can be started.

        Whatever goes wrong later reaches the listener as Failed.
        """
        worker = self._spawn(conversation.profile, conversation.limits.model)
        worker.on_turn_over = lambda over: self.release(worker, "its turn is over")

        def ready(_: Ready) -> None:
            worker.ask(conversation.turns, conversation.limits, listener)

        def failed(failure: Failure) -> None:
            listener.received([Failed(_as_error(failure))])

        worker.ready.addCallbacks(ready, failed)
        worker.ready.addErrback(lambda failure: self.log.failure("asking a worker", failure))
        return Job(self, worker, "spawned")

    async def introduce(self) -> Ready:
        """What the CLI says of itself: its models and account; costs no token.

        Raises APIError if the CLI does not start.
        """
        worker = self._spawn(Profile(), "")
        try:
            return await worker.ready
        finally:
            self.release(worker, "only asked for its models")

    def stop(self) -> Deferred[None]:
        """End every process; fires when all are gone. Nothing starts from now on."""
        self._stopping = True
        error = unavailable("The server is stopping.", retry_after=5)
        ended = [worker.stop("the server stops", error) for worker in list(self._workers)]
        return gatherResults(ended).addCallback(lambda _: None)

    # How it is done

    def release(self, worker: Worker, reason: str) -> None:
        """The worker has done what it was started for, or is no longer wanted."""
        worker.interrupt()
        worker.stop(reason).addErrback(lambda failure: self.log.failure("stopping", failure))

    def _spawn(self, profile: Profile, model: str) -> Worker:
        if self._stopping:
            raise unavailable("The server is stopping.", retry_after=5)
        self._launch = self._launch or self._find_launch()
        worker = Worker(self._reactor, self._launch, self._longest_retry, model)
        try:
            worker.start(self._start_timeout)
        except OSError as error:
            raise unavailable(f"The CLI could not be started: {error}") from error
        self._workers.add(worker)
        worker.on_ended = lambda reason: self._workers.discard(worker)
        worker.initialize(profile)
        return worker


def _as_error(failure: Failure) -> APIError:
    if isinstance(failure.value, APIError):
        return failure.value
    return upstream_failed(f"The CLI could not be used: {failure.getErrorMessage()}")
