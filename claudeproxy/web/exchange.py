"""One request in flight: what the pool's events become on the client's connection.

The response's head is held back until the answer begins, so that whatever goes wrong before is
told by a real HTTP status, for streams too. After `hold_head` seconds of nothing a stream's head
is sent all the same, and comments keep the connection alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from ..conversation import Conversation
from ..dialects import Answer, Dialect
from ..errors import APIError, internal_error, timed_out
from ..events import Event, Failed, Finished
from ..pool.job import Job
from ..pool.pool import Pool
from ..timers import Timers
from .respond import send_error, send_stream_head, send_whole_head


@attrs.frozen
class Timeouts:
    """How long an exchange waits for what; all in seconds, as in the settings."""

    first_token: float
    stall: float
    total: float
    hold_head: float
    keepalive: float


@attrs.frozen
class _Choice:
    """One of the answers of an exchange, as the pool's listener."""

    exchange: Exchange
    index: int

    def received(self, events: Sequence[Event]) -> None:
        """All events of one read become one write."""
        self.exchange.received(events, self.index)


@implementer(IPushProducer)
class Exchange:
    """Runs one conversation and writes its answer, or answers, to one request.

    answered: whether all of it was told. error: what the client was told instead.
    """

    log = Logger()

    def __init__(
        self, request: Any, dialect: Dialect, answer: Answer, clock: Any, timeouts: Timeouts
    ) -> None:
        """The exchange takes the request over until `run` is done."""
        self._request = request
        self._dialect = dialect
        self._answer = answer
        self._timeouts = timeouts
        self.answered = False
        self.error: APIError | None = None
        self._jobs: list[Job] = []
        self._unfinished = 0
        self._done: Deferred[None] = Deferred()
        self._started = False
        self._paused = False
        self._timers = Timers(clock)

    async def run(self, pool: Pool, conversations: Sequence[Conversation]) -> None:
        """Have the conversations answered; returns when the response's last byte was written.

        Each is a choice of the answer, and has a worker of its own. Raises APIError if it could not
        even begin. A client that goes away cancels this.
        """
        self._timers.start("silence", self._timeouts.first_token, self._silent_too_long)
        self._timers.start("total", self._timeouts.total, self._took_too_long)
        if self._streamed:
            self._timers.start("keepalive", self._timeouts.hold_head, self._keep_alive)
        self._unfinished = len(conversations)
        try:
            for index, conversation in enumerate(conversations):
                if self._done.called:
                    break
                self._jobs.append(pool.start(conversation, _Choice(self, index)))
            await self._done
        except CancelledError:
            self._cancel("the client went away")
        except APIError:
            self._cancel("there is no room for all choices")
            raise
        except Exception:
            self._cancel("a fault of the proxy's")
            raise
        finally:
            self._close()

    # What the pool tells

    def received(self, events: Sequence[Event], choice: int) -> None:
        """Events of one of the choices."""
        if self._done.called:
            return
        self._timers.put_off("silence", self._timeouts.stall)
        try:
            self._tell(events, choice)
        except Exception:
            # It must not reach the process that the events came from.
            self.log.failure("writing an answer")
            self._abort("a fault of the proxy's", internal_error())

    # What the connection tells

    def pauseProducing(self) -> None:
        """The client reads slowly; silence is now of its own making."""
        self._paused = True
        self._timers.put_off("silence", self._timeouts.stall)
        for job in self._jobs:
            job.pauseProducing()

    def resumeProducing(self) -> None:
        """The client has caught up."""
        self._paused = False
        for job in self._jobs:
            job.resumeProducing()
        self._timers.put_off("silence", self._timeouts.stall)

    def stopProducing(self) -> None:
        """The client has gone; `run` is cancelled for the same reason."""

    # How it is done

    def _tell(self, events: Sequence[Event], choice: int) -> None:
        out = bytearray()
        for event in events:
            if isinstance(event, Failed):
                self._cancel("another choice failed", but=choice)
                self._fail(event.error, bytes(out))
                return
            out += self._answer.feed(event, choice)
            self._unfinished -= isinstance(event, Finished)
        if out:
            self._write(bytes(out))
        if not self._unfinished:
            self.answered = True
            self._end()

    @property
    def _streamed(self) -> bool:
        return bool(self._answer.keepalive)

    def _write(self, data: bytes) -> None:
        if not self._started:
            self._started = True
            self._name_workers()
            if self._streamed:
                send_stream_head(self._request, self._answer.content_type)
                self._request.registerProducer(self, True)
            else:
                send_whole_head(self._request, self._answer.content_type, len(data))
        self._request.write(data)
        self._timers.put_off("keepalive", self._timeouts.keepalive)

    def _fail(self, error: APIError, before: bytes = b"") -> None:
        if self._done.called:
            return
        self.error = error
        if self._started or before:
            self._write(before + self._answer.fail(error))
        else:
            self._name_workers()
            send_error(self._request, self._dialect, error)
        self._end()

    def _name_workers(self) -> None:
        if rungs := [job.reuse for job in self._jobs if job.reuse]:
            self._request.setHeader("x-claudeproxy-worker", ", ".join(rungs))

    def _abort(self, reason: str, error: APIError) -> None:
        self._cancel(reason)
        self._fail(error)

    def _cancel(self, reason: str, *, but: int | None = None) -> None:
        for index, job in enumerate(self._jobs):
            if index != but:
                job.cancel(reason)

    def _end(self) -> None:
        if self._started and self._streamed:
            self._request.unregisterProducer()
        self._close()

    def _close(self) -> None:
        """Whatever is still told from now on, nobody waits for it."""
        self._timers.close()
        if not self._done.called:
            self._done.callback(None)

    # Deadlines

    def _keep_alive(self) -> None:
        self._timers.start("keepalive", self._timeouts.keepalive, self._keep_alive)
        self._write(self._answer.keepalive)

    def _silent_too_long(self) -> None:
        if self._paused:
            # It holds a process, and what is written for it waits in memory.
            self._cancel("the client does not read")
            self._request.channel.forceAbortClient()
        else:
            self._abort("it said nothing for too long", timed_out("No answer came in time."))

    def _took_too_long(self) -> None:
        self._abort("it took too long", timed_out("The answer took too long."))
