"""Delayed calls with names and an owner, which can cancel them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Timers:
    """The delayed calls of one owner; each name has at most one pending call."""

    def __init__(self, clock: Any) -> None:
        """clock: Twisted's IReactorTime."""
        self._clock = clock
        self._calls: dict[object, Any] = {}
        self._closed = False

    def start(self, name: object, seconds: float, call: Callable[..., None], *args: object) -> None:
        """Schedule `call` in `seconds`; it replaces a pending call of the same name."""
        self.cancel(name)
        if not self._closed:
            self._calls[name] = self._clock.callLater(seconds, self._due, name, call, args)

    def put_off(self, name: object, seconds: float) -> None:
        """Postpone a pending call to `seconds` from now; without one, do nothing."""
        if name in self._calls:
            self._calls[name].reset(seconds)

    def cancel(self, name: object) -> None:
        """Cancel the pending call of this name, if there is one."""
        if name in self._calls:
            self._calls.pop(name).cancel()

    def close(self) -> None:
        """Cancel all pending calls, and ignore later calls of `start`: the owner has ended."""
        self._closed = True
        for name in list(self._calls):
            self.cancel(name)

    def _due(self, name: object, call: Callable[..., None], args: tuple[object, ...]) -> None:
        del self._calls[name]
        call(*args)
