"""A conversation in the pool, from the request to the end of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from ..answer_turn import turn_of
from ..cli.process import Worker
from ..conversation import Conversation, Turn
from ..errors import APIError, upstream_failed
from ..events import AnswerAccumulator, Event, Failed, Finished, Listener


class JobOwner(Protocol):
    """The part of the pool that a job calls."""

    def answer_began(self, job: Job) -> None:
        """The first event of the job's answer has arrived."""

    def answer_ended(self, job: Job) -> None:
        """The answer is complete, though the worker may not be idle yet."""

    def retry(self, job: Job) -> None:
        """The job's worker ended before the answer began; assign another one."""

    def cancel(self, job: Job, reason: str) -> None:
        """The job's answer is no longer needed."""


@implementer(IPushProducer)
class Job:
    """A conversation and the listener for its answer; the push producer of the client's connection.

    reuse: how its worker was obtained, "" while it has none. since: when it entered the queue, in
    seconds.
    """

    def __init__(
        self, owner: JobOwner, conversation: Conversation, listener: Listener, since: float
    ) -> None:
        """The listener receives all events; any error reaches it as Failed."""
        self.conversation = conversation
        self.since = since
        self.reuse = ""
        self.left_out: tuple[str, ...] = ()
        self.worker: Worker | None = None
        self.retried = False
        self.began = False
        self._owner = owner
        self._listener: Listener | None = listener
        self._accumulated = AnswerAccumulator()
        self._over = False

    # Called by the worker

    def received(self, events: Sequence[Event]) -> None:
        """Take events of the answer; all that follow its end are ignored."""
        if self._over:
            return
        last = events[-1]
        if isinstance(last, Failed) and last.worker_lost and not self.began and not self.retried:
            self._owner.retry(self)
            return
        if not self.began:
            self.began = True
            self._owner.answer_began(self)
        self._accumulated.feed_all(events)
        self._over = isinstance(last, (Finished, Failed))
        if isinstance(last, Finished):
            self._owner.answer_ended(self)
        if self._listener is not None:
            self._listener.received(events)

    @property
    def waits_for_results(self) -> bool:
        """Whether the answer ended with calls of the client's tools."""
        finished = self._accumulated.finished
        return finished is not None and finished.reason == "tool_calls"

    @property
    def answer(self) -> Turn | None:
        """The answer as the client will send it back; None if it is empty or cannot be known."""
        return turn_of(self._accumulated, self.conversation)

    # Called by the client's side

    def cancel(self, reason: str) -> None:
        """Stop the answer, so that it uses no more tokens."""
        self._listener = None
        self._owner.cancel(self, reason)

    def pauseProducing(self) -> None:
        """Pause the worker: the client reads slowly."""
        # After the answer only the end of the turn is left to read; the client does not get it.
        if self.worker is not None and not self._over:
            self.worker.pause()

    def resumeProducing(self) -> None:
        """Resume the worker: the client has caught up."""
        if self.worker is not None:
            self.worker.resume()

    def stopProducing(self) -> None:
        """Cancel the answer: the client has disconnected."""
        self.cancel("the client disconnected")


def error_of(failure: Failure) -> APIError:
    """What a job is told of a worker that could not be made ready."""
    if isinstance(failure.value, APIError):
        return failure.value
    return upstream_failed(f"The CLI could not be used: {failure.getErrorMessage()}")
