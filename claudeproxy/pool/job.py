"""One conversation on its way through the pool, from request to answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from ..cli.process import Listener, Worker
from ..conversation import Conversation, Turn, text_block
from ..errors import APIError, upstream_failed
from ..events import AnswerAccumulator, Event, Failed, Finished


class JobOwner(Protocol):
    """What a job tells whoever finds workers for it, and what it may ask for."""

    def answer_began(self, job: Job) -> None:
        """The first event of the job's answer is there."""

    def answer_ended(self, job: Job) -> None:
        """The client has all of the answer, though the worker may not be idle yet."""

    def retry(self, job: Job) -> None:
        """The job lost its worker before its answer began, and wants another one."""

    def cancel(self, job: Job, reason: str) -> None:
        """The job's answer is not wanted any more."""


@implementer(IPushProducer)
class Job:
    """A conversation and who waits for its answer. To the client's connection it is the producer.

    reuse: how its worker was found, "" while it has none. since: when it began to wait, in seconds.
    """

    def __init__(
        self, owner: JobOwner, conversation: Conversation, listener: Listener, since: float
    ) -> None:
        """The listener hears everything: whatever goes wrong reaches it as Failed."""
        self.conversation = conversation
        self.since = since
        self.reuse = ""
        self.worker: Worker | None = None
        self.retried = False
        self.began = False
        self._owner = owner
        self._listener: Listener | None = listener
        self._accumulated = AnswerAccumulator()
        self._over = False

    # What the worker tells

    def received(self, events: Sequence[Event]) -> None:
        """More of the answer; after its end nothing counts, not even the end of the process."""
        if self._over:
            return
        last = events[-1]
        if isinstance(last, Failed) and last.worker_lost and not self.began and not self.retried:
            self._owner.retry(self)
            return
        if not self.began:
            self.began = True
            self._owner.answer_began(self)
        for event in events:
            self._accumulated.feed(event)
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
        """The whole answer as a client will send it back, None if it is not whole or is empty."""
        accumulated = self._accumulated
        if accumulated.finished is None or accumulated.finished.reason not in (
            "stop",
            "tool_calls",
        ):
            return None
        text = accumulated.text
        blocks = [text_block(text)] if text.strip() else []
        for call, arguments in accumulated.calls:
            try:
                value = json.loads(arguments)
            except ValueError:
                return None
            blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": value})
        return Turn("assistant", tuple(blocks)) if blocks else None

    # What the client's side asks

    def cancel(self, reason: str) -> None:
        """The answer is not wanted any more: no token is spent on it from now on."""
        self._listener = None
        self._owner.cancel(self, reason)

    def pauseProducing(self) -> None:
        """The client reads slowly."""
        # After the answer only the end of the turn is left to read, and it is not the client's.
        if self.worker is not None and not self._over:
            self.worker.pause()

    def resumeProducing(self) -> None:
        """The client has caught up."""
        if self.worker is not None:
            self.worker.resume()

    def stopProducing(self) -> None:
        """The client has gone."""
        self.cancel("the client went away")


def error_of(failure: Failure) -> APIError:
    """What a job is told of a worker that could not be made ready."""
    if isinstance(failure.value, APIError):
        return failure.value
    return upstream_failed(f"The CLI could not be used: {failure.getErrorMessage()}")
