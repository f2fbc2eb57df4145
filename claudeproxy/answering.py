"""The interface of what answers conversations: the pool, and what is in front of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .conversation import Conversation
from .errors import APIError
from .events import Event, Failed, Listener


class Running(Protocol):
    """An answer in progress."""

    @property
    def reuse(self) -> str:
        """How its process was obtained, as in the header `x-claudeproxy-worker`; "" at first."""

    @property
    def left_out(self) -> Sequence[str]:
        """The parameters that have no effect, as in the header `x-claudeproxy-ignored`."""

    def cancel(self, reason: str) -> None:
        """Stop the answer, so that it uses no more tokens."""

    def pauseProducing(self) -> None:
        """The client reads slowly."""

    def resumeProducing(self) -> None:
        """The client has caught up."""


class Answering(Protocol):
    """What answers conversations."""

    def start(self, conversation: Conversation, listener: Listener) -> Running:
        """Begin to answer; raises APIError. Any later error reaches the listener as Failed."""


class Attempts:
    """An answer that may take several requests, one after the other; the client sees one answer.

    A subclass takes the events of each in `received`, and passes them on with `tell`.
    """

    def __init__(self, pool: Answering, listener: Listener) -> None:
        """pool: answers the requests. listener: gets the events that the client is told."""
        self._pool = pool
        self._listener = listener
        self._running: Running | None = None
        self._paused = False
        # Whether the client has been told anything.
        self.told = False

    @property
    def reuse(self) -> str:
        """How the process of the last request was obtained."""
        return "" if self._running is None else self._running.reuse

    @property
    def left_out(self) -> Sequence[str]:
        """As the last request says."""
        return () if self._running is None else self._running.left_out

    def cancel(self, reason: str) -> None:
        """Stop the answer."""
        if self._running is not None:
            self._running.cancel(reason)

    def pauseProducing(self) -> None:
        """Pause the process: the client reads slowly."""
        self._paused = True
        if self._running is not None:
            self._running.pauseProducing()

    def resumeProducing(self) -> None:
        """Resume the process: the client has caught up."""
        self._paused = False
        if self._running is not None:
            self._running.resumeProducing()

    def ask(self, conversation: Conversation) -> None:
        """Make the first request; raises APIError."""
        self._running = self._pool.start(conversation, self)

    def ask_again(self, conversation: Conversation) -> None:
        """Make another request. The listener is told of an error."""
        try:
            self.ask(conversation)
        except APIError as error:
            self.tell([Failed(error)])
            return
        if self._paused:
            self.pauseProducing()

    def tell(self, events: Sequence[Event]) -> None:
        """Pass events on to the listener."""
        if events:
            self.told = True
            self._listener.received(events)

    def received(self, events: Sequence[Event]) -> None:
        """Take the events of one read."""
        raise NotImplementedError
