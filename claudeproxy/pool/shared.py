"""One call at a time of what takes long, for all who ask for its result meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.failure import Failure


T = TypeVar("T")


class Shared(Generic[T]):
    """A call that is made when somebody asks for its result, unless it is being made already."""

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        """call: made anew by the first who asks after the one before has ended."""
        self._call = call
        self._running: Deferred[T] | None = None
        self._waiting: list[Deferred[T]] = []

    def result(self) -> Deferred[T]:
        """What the call returns or raises. To cancel this does not end the call."""
        waiting: Deferred[T] = Deferred()
        self._waiting.append(waiting)
        if len(self._waiting) == 1:
            running = ensureDeferred(_awaited(self._call))
            self._running = running
            running.addBoth(self._done)
        return waiting

    def cancel(self) -> None:
        """End the call; all who wait get a CancelledError."""
        if self._running is not None:
            self._running.cancel()

    def _done(self, result: T | Failure) -> None:
        self._running = None
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            # Who no longer waits has called it by cancelling.
            if not one.called:
                one.callback(result)


async def _awaited(call: Callable[[], Awaitable[T]]) -> T:
    return await call()
