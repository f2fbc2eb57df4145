"""One request in flight: writes the events of its answers to the client's connection.

The exchange holds the response headers until the answer begins, so that an earlier error can set
the HTTP status, for streams too. If a stream has no event within `hold_head` seconds, the exchange
sends its headers, and then keep-alive comments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from ..answering import Answering, Running
from ..conversation import Conversation
from ..dialects import Answer, Dialect
from ..errors import APIError, internal_error, timed_out
from ..events import Event, Failed, Finished
from ..timers import Timers
from .facts import Facts
from .respond import add_ignored, send_error, send_stream_head, send_whole_head


@attrs.frozen
class Timeouts:
    """The timeouts of an exchange, in seconds, as in the settings."""

    first_token: float
    stall: float
    total: float
    hold_head: float
    keepalive: float


@attrs.frozen
class _Choice:
    """The listener for one choice of an exchange."""

    exchange: Exchange
    index: int

    def received(self, events: Sequence[Event]) -> None:
        """Pass events on; all events of one read become one write."""
        self.exchange.received(events, self.index)


@implementer(IPushProducer)
class Exchange:
    """Runs the conversations of one request, and writes their answers as one response.

    answered: whether the whole answer was sent. error: the error that was sent instead.
    """

    log = Logger()

    def __init__(
        self,
        request: Any,
        dialect: Dialect,
        answer: Answer,
        clock: Any,
        timeouts: Timeouts,
        headers: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """The exchange owns the request until `run` is done.

        headers: called for more headers when the answer begins.
        """
        self._request = request
        self._dialect = dialect
        self._answer = answer
        self._timeouts = timeouts
        self._headers = headers
        self.answered = False
        self.error: APIError | None = None
        self._jobs: list[Running] = []
        self._facts: Facts = request.facts
        self._facts.streamed, self._facts.jobs = self._streamed, self._jobs
        self._seconds = clock.seconds
        self._unfinished = 0
        self._done: Deferred[None] = Deferred()
        self._started = False
        self._paused = False
        self._timers = Timers(clock)

    async def run(self, pool: Answering, conversations: Sequence[Conversation]) -> None:
        """Answer the conversations; returns when the whole response has been written.

        Each conversation is one choice of the response, and has its own worker. Raises APIError if
        a conversation cannot be queued. This is cancelled if the client disconnects.
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
            self._cancel("the client disconnected")
        except APIError:
            self._cancel("another choice was rejected")
            raise
        except Exception:
            self._cancel("internal error")
            raise
        finally:
            self._close()

    # Called by the pool

    def received(self, events: Sequence[Event], choice: int) -> None:
        """Take events of one choice."""
        if self._done.called:
            return
        self._facts.saw(events, choice, self._seconds())
        self._timers.put_off("silence", self._timeouts.stall)
        try:
            self._tell(events, choice)
        except APIError as error:
            # What the model has answered is of no use to the client.
            ended = isinstance(events[-1], Finished)
            self._cancel("the answer is of no use", but=choice if ended else None)
            self._fail(error)
        except Exception:
            # The error must not reach the worker that sent the events.
            self.log.failure("Writing an answer failed")
            self._abort("internal error", internal_error())

    # Called by the connection

    def pauseProducing(self) -> None:
        """Pause the jobs: the client reads slowly, so a lack of events is its own doing."""
        self._paused = True
        self._timers.put_off("silence", self._timeouts.stall)
        for job in self._jobs:
            job.pauseProducing()

    def resumeProducing(self) -> None:
        """Resume the jobs: the client has caught up."""
        self._paused = False
        for job in self._jobs:
            job.resumeProducing()
        self._timers.put_off("silence", self._timeouts.stall)

    def stopProducing(self) -> None:
        """Do nothing: `run` is cancelled when the client disconnects."""

    # Writing

    def _tell(self, events: Sequence[Event], choice: int) -> None:
        feed, last = self._answer.feed, events[-1]
        # Only the last event may end the answer.
        told = events[:-1] if isinstance(last, Failed) else events
        out = b"".join([feed(event, choice) for event in told])
        if isinstance(last, Failed):
            self._cancel("another choice failed", but=choice)
            self._fail(last.error, out)
            return
        self._unfinished -= isinstance(last, Finished)
        if out:
            self._write(out)
        if not self._unfinished:
            self.answered = True
            self._end()

    @property
    def _streamed(self) -> bool:
        return bool(self._answer.keepalive)

    def _write(self, data: bytes) -> None:
        if not self._started:
            self._started = True
            self._set_headers()
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
        self.error = self._facts.error = error
        if self._started or before:
            self._write(before + self._answer.fail(error))
        else:
            self._set_headers()
            send_error(self._request, self._dialect, error)
        self._end()

    def _set_headers(self) -> None:
        for name, value in self._headers().items():
            self._request.setHeader(name, value)
        add_ignored(self._request, [name for job in self._jobs for name in job.left_out])
        if reuses := [job.reuse for job in self._jobs if job.reuse]:
            self._request.setHeader("x-claudeproxy-worker", ", ".join(reuses))

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
        """End `run`; events that arrive later are ignored."""
        self._timers.close()
        if not self._done.called:
            self._done.callback(None)

    # Deadlines

    def _keep_alive(self) -> None:
        self._timers.start("keepalive", self._timeouts.keepalive, self._keep_alive)
        self._write(self._answer.keepalive)

    def _silent_too_long(self) -> None:
        if self._paused:
            # The client blocks a process, and its unread data takes memory.
            self._facts.error = APIError(499, "The client did not read the answer.")
            self._cancel("the client does not read")
            self._request.channel.forceAbortClient()
        else:
            self._abort("no events in time", timed_out("No answer came in time."))

    def _took_too_long(self) -> None:
        self._abort("total timeout", timed_out("The answer took too long."))
