"""What is remembered for a while, of things that clients choose, so that there must be a limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import attrs


Value = TypeVar("Value")
# How many values are remembered at most.
MOST = 1000


def keep(values: dict[str, Value], name: str, value: Value) -> None:
    """Set a value as the newest one, and drop the oldest one if there are too many."""
    values.pop(name, None)
    values[name] = value
    if len(values) > MOST:
        del values[next(iter(values))]


@attrs.define
class Remembered(Generic[Value]):
    """Values by names, each for a limited time.

    now: returns the time in seconds, from a monotonic clock. seconds: how long a value is
    remembered.
    """

    now: Callable[[], float]
    seconds: float
    _values: dict[str, tuple[float, Value]] = attrs.field(init=False, factory=dict)

    def __bool__(self) -> bool:
        """Whether there may be any value."""
        return bool(self._values)

    def keep(self, name: str, value: Value) -> None:
        """Remember a value from now on."""
        keep(self._values, name, (self.now() + self.seconds, value))

    def get(self, name: str) -> Value | None:
        """Return the value of a name; None if there is none any more."""
        until, value = self._values.get(name, (0.0, None))
        return value if self.now() < until else None

    def forget(self, name: str) -> None:
        """Forget a value."""
        self._values.pop(name, None)
