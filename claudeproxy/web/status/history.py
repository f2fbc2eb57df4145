"""The last requests, and what happened in each minute of the last day. It has nothing of a content.

To note a request is a few appends; all sums are made when somebody looks.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from math import log
from typing import Any

import attrs

from ...events import Usage


# How many requests are kept, and how many minutes.
KEPT = 100
MINUTES = 24 * 60
MINUTE = 60
# The points of the plots: the minutes of each, and how many there are.
HOUR = (1, 60)
DAY = (15, 96)
# The times to the first token are counted in classes, each a fifth longer than the one before: a
# percentile is right to a tenth.
SHORTEST = 0.02
RATIO = 1.2
CLASSES = 56
PERCENTILES = (0.5, 0.95)


@attrs.frozen
class Ended:
    """A request that has ended.

    at: when, in seconds since the epoch. rung: how its process was obtained. first_token, seconds:
    how long it took. outcome: `ok`, `error` or `disconnected`. error: a word for the reason.
    """

    at: float
    route: str
    model: str
    rung: str
    key: str
    outcome: str
    status: int | None
    error: str | None
    first_token: float | None
    seconds: float
    usage: Usage | None = None

    def as_object(self, number: int) -> dict[str, Any]:
        """The same for the page. number: how many requests had been noted with this one."""
        usage = self.usage
        told = attrs.asdict(self, filter=lambda field, _: field.name != "usage")
        tokens = None if usage is None else _tokens(usage)
        return {"number": number, **told, "tokens": tokens}


@attrs.define
class _Minute:
    """The sums of one minute. first_tokens: how many were of each class."""

    requests: int = 0
    errors: int = 0
    input: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    first_tokens: array[int] = attrs.field(factory=lambda: array("I", bytes(4 * CLASSES)))


# The columns of a plot that are sums.
SUMS = ("requests", "errors", "input", "cached", "written", "output")


class History:
    """The history of one server; its memory is bounded."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        # How many requests have been noted.
        self.count = 0
        self._recent: deque[Ended] = deque(maxlen=KEPT)
        self._minutes: dict[int, _Minute] = {}

    def note(self, ended: Ended) -> None:
        """Take a request that has ended."""
        self.count += 1
        self._recent.append(ended)
        number = int(ended.at // MINUTE)
        minute = self._minutes.get(number)
        if minute is None:
            self._forget(number)
            minute = self._minutes[number] = _Minute()
        minute.requests += 1
        minute.errors += ended.outcome == "error"
        if ended.first_token is not None:
            minute.first_tokens[class_of(ended.first_token)] += 1
        usage = ended.usage
        if usage is not None:
            minute.input += usage.input_tokens
            minute.cached += usage.cache_read_tokens
            minute.written += usage.cache_creation_tokens
            minute.output += usage.output_tokens

    def recent(self, after: int = 0) -> list[dict[str, Any]]:
        """The kept requests, oldest first; only those that were noted after this number."""
        first = self.count - len(self._recent) + 1
        numbered = enumerate(self._recent, first)
        return [ended.as_object(number) for number, ended in numbered if number > after]

    def plots(self, now: float) -> dict[str, Any]:
        """The columns of the plots of the last hour and the last day."""
        return {"hour": self._columns(now, *HOUR), "day": self._columns(now, *DAY)}

    def _columns(self, now: float, width: int, points: int) -> dict[str, Any]:
        """The sums of each point, oldest first; the last one is that of the present."""
        end = (int(now // MINUTE) // width + 1) * width
        begin = end - width * points
        groups: list[list[_Minute]] = [[] for _ in range(points)]
        for number, minute in self._minutes.items():
            if begin <= number < end:
                groups[(number - begin) // width].append(minute)
        columns: dict[str, Any] = {
            name: [sum(getattr(minute, name) for minute in group) for group in groups]
            for name in SUMS
        }
        p50, p95 = zip(*(_percentiles(group) for group in groups), strict=True)
        return {
            "begin": begin * MINUTE,
            "step": width * MINUTE,
            **columns,
            "p50": list(p50),
            "p95": list(p95),
        }

    def _forget(self, now: int) -> None:
        """Forget what is older than a day. The clock may have been set, in either direction."""
        for number in [each for each in self._minutes if not now - MINUTES < each <= now]:
            del self._minutes[number]


def class_of(seconds: float) -> int:
    """The class of a time to the first token."""
    if seconds <= SHORTEST:
        return 0
    return min(int(log(seconds / SHORTEST) / log(RATIO)) + 1, CLASSES - 1)


def _percentiles(group: Iterable[_Minute]) -> Iterator[float | None]:
    counts = [sum(each) for each in zip(*(one.first_tokens for one in group), strict=True)]
    total = sum(counts)
    for share in PERCENTILES:
        yield round(_percentile(counts, total * share), 3) if total else None


def _percentile(counts: list[int], wanted: float) -> float:
    """The middle of the class in which this many have been counted."""
    passed = 0
    for number, count in enumerate(counts):
        passed += count
        if count and passed >= wanted:
            return SHORTEST * RATIO ** (number - 0.5) if number else SHORTEST
    raise AssertionError("fewer were counted than there are")


def _tokens(usage: Usage) -> dict[str, int]:
    return {
        "input": usage.input_tokens,
        "cached": usage.cache_read_tokens,
        "written": usage.cache_creation_tokens,
        "output": usage.output_tokens,
    }
