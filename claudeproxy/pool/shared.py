"""A slow call whose result concurrent callers share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.failure import Failure


T = TypeVar("T")


class Shared(Generic[T]):
    """Runs a call on request, at most once at a time."""

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        """call: runs again for the first request after the previous run has ended."""
        self._call = call
        self._running: Deferred[T] | None = None
        self._waiting: list[Deferred[T]] = []

    def result(self) -> Deferred[T]:
        """The result of the running call, or of a new one. Cancelling it does not end the call."""
        waiting: Deferred[T] = Deferred()
        self._waiting.append(waiting)
        if len(self._waiting) == 1:
            running = ensureDeferred(_awaited(self._call))
            self._running = running
            running.addBoth(self._done)
        return waiting

    def cancel(self) -> None:
        """End the call; all who wait for it get a CancelledError."""
        if self._running is not None:
            self._running.cancel()

    def _done(self, result: T | Failure) -> None:
        self._running = None
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            # A caller that no longer waits has cancelled its own Deferred.
            if not one.called:
                one.callback(result)


async def _awaited(call: Callable[[], Awaitable[T]]) -> T:
    return await call()
