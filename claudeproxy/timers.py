"""Delayed calls that have names and an owner, so that none of them is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Timers:
    """The delayed calls of one owner; a name has one call at a time."""

    def __init__(self, clock: Any) -> None:
        """clock: Twisted's IReactorTime."""
        self._clock = clock
        self._calls: dict[object, Any] = {}
        self._closed = False

    def start(self, name: object, seconds: float, call: Callable[..., None], *args: object) -> None:
        """Call in so many seconds, instead of what the name stood for."""
        self.cancel(name)
        if not self._closed:
            self._calls[name] = self._clock.callLater(seconds, self._due, name, call, args)

    def put_off(self, name: object, seconds: float) -> None:
        """The call comes in so many seconds from now, if it was to come at all."""
        if name in self._calls:
            self._calls[name].reset(seconds)

    def cancel(self, name: object) -> None:
        """The call does not come."""
        if name in self._calls:
            self._calls.pop(name).cancel()

    def close(self) -> None:
        """No call comes any more, whoever may still ask for one: the owner has ended."""
        self._closed = True
        for name in list(self._calls):
            self.cancel(name)

    def _due(self, name: object, call: Callable[..., None], args: tuple[object, ...]) -> None:
        del self._calls[name]
        call(*args)
