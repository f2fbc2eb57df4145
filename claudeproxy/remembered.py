"""What is remembered for a while, of things that clients choose, so that there must be a limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import attrs


Key = TypeVar("Key")
Value = TypeVar("Value")
# How many values are remembered at most.
MOST = 1000


def keep(values: dict[str, Value], name: str, value: Value) -> None:
    """Set a value as the newest one, and drop the oldest one if there are too many."""
    values.pop(name, None)
    values[name] = value
    if len(values) > MOST:
        del values[next(iter(values))]


@attrs.frozen
class _Kept(Generic[Value]):
    """A value. until: when it is forgotten. size: its share of the limit."""

    value: Value
    until: float
    size: int


@attrs.define
class Remembered(Generic[Key, Value]):
    """Values by keys, each for a limited time. The oldest ones are dropped if there are too many.

    now: returns the time in seconds, from a monotonic clock. seconds: how long a value is
    remembered. most: the limit for the sizes of all values together.
    """

    now: Callable[[], float]
    seconds: float
    most: int = MOST
    _values: dict[Key, _Kept[Value]] = attrs.field(init=False, factory=dict)
    _size: int = attrs.field(init=False, default=0)

    def __bool__(self) -> bool:
        """Whether there may be any value."""
        return bool(self._values)

    def keep(self, key: Key, value: Value, size: int = 1) -> None:
        """Remember a value from now on."""
        self.forget(key)
        self._values[key] = _Kept(value, self.now() + self.seconds, size)
        self._size += size
        self._drop_oldest()

    def get(self, key: Key) -> Value | None:
        """Return the value of a key; None if there is none any more."""
        self._drop_oldest()
        kept = self._values.get(key)
        return None if kept is None else kept.value

    def forget(self, key: Key) -> None:
        """Forget a value."""
        if (kept := self._values.pop(key, None)) is not None:
            self._size -= kept.size

    def _drop_oldest(self) -> None:
        while self._values:
            key, oldest = next(iter(self._values.items()))
            if self._size <= self.most and self.now() < oldest.until:
                return
            self.forget(key)
