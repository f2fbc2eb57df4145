"""What soak.py concludes: whether each answer is the one that was asked for, and what leaks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs


# Every text that a client sends has one, and no two have the same.
TAG = re.compile(r"soak-[0-9]+-[0-9]+-[0-9a-f]{8}")
# So long after a fault may a request still fail for it, in seconds.
AFTERMATH = 10.0


@attrs.frozen
class Fault:
    """Something that was done to the proxy. began, ended: on the monotonic clock."""

    kind: str
    began: float
    ended: float


@attrs.frozen
class Record:
    """A request, and what came of it.

    tags: those of its conversation. expected: the answer's text. status: what came, 0 for nothing.
    whole: whether the answer came to its end. wanted: the statuses of an error that was asked for;
    0 is an error in the middle of an answer. left: the client went away before the end.
    """

    kind: str
    began: float
    ended: float
    tags: frozenset[str]
    expected: str
    got: str = ""
    status: int = 0
    whole: bool = False
    error: str = ""
    wanted: frozenset[int] = frozenset()
    left: bool = False


def verdict(record: Record, faults: Sequence[Fault] = ()) -> str:
    """One or two words: `right`, `left`, `error as asked`, `failed: FAULT`, `wrong: WHY`."""
    foreign = set(TAG.findall(record.got + record.error)) - record.tags
    if foreign:
        return "wrong: of another request"
    if record.whole:
        if record.wanted:
            return "wrong: no error"
        return "right" if record.got == record.expected else "wrong: another text"
    if not record.expected.startswith(record.got):
        return "wrong: another text"
    if record.left:
        return "left"
    status = 0 if record.status == 200 else record.status
    if status in record.wanted:
        return "error as asked"
    for fault in faults:
        if record.began <= fault.ended + AFTERMATH and record.ended >= fault.began:
            return f"failed: {fault.kind}"
    return "wrong: failed without a fault"


@attrs.frozen
class State:
    """What the proxy holds at a quiet point.

    clis: its CLI processes. others: its further descendants. strays: CLI processes that are not
    its descendants. descriptors, timers: by kind. private: bytes that only the proxy itself uses.
    requests: how many the clients have sent until then.
    """

    requests: int
    clis: int
    others: int
    strays: int
    threads: int
    private: int
    objects: int
    descriptors: Mapping[str, int]
    timers: Mapping[str, int]
    types: Mapping[str, int] = attrs.field(factory=dict, repr=False)


# A CLI process has so many of them in the proxy: stdin, stdout, stderr and a pipe; its timers.
DESCRIPTORS_OF_A_CLI = 5
TIMERS_OF_A_CLI = 3
# What may come without being a leak: processes that were used a moment ago have one more of each,
# caches fill, connections are kept.
SOME_DESCRIPTORS = 8
SOME_TIMERS = 8
SOME_THREADS = 2
SOME_OBJECTS = 15_000
SOME_BYTES = 12_000_000
# What is lost with every other request or so counts, after enough of them.
OBJECTS_OF_A_REQUEST = 0.5
BYTES_OF_A_REQUEST = 1_000


def leaks(early: State, late: State) -> list[str]:
    """A sentence for each leak between two quiet points of one process."""
    found = []
    more = late.clis - early.clis
    requests = late.requests - early.requests

    def look(what: str, before: float, now: float, allowed: float) -> None:
        if now - before > allowed:
            found.append(f"{what}: {before:,.0f} early, {now:,.0f} late")

    fds = sum(early.descriptors.values()), sum(late.descriptors.values())
    look("descriptors", *fds, max(0, more) * DESCRIPTORS_OF_A_CLI + SOME_DESCRIPTORS)
    timers = sum(early.timers.values()), sum(late.timers.values())
    look("timers", *timers, max(0, more) * TIMERS_OF_A_CLI + SOME_TIMERS)
    look("threads", early.threads, late.threads, SOME_THREADS)
    look("processes beside the CLI", early.others, late.others, 0)
    look("objects", early.objects, late.objects, SOME_OBJECTS + requests * OBJECTS_OF_A_REQUEST)
    look("memory", early.private, late.private, SOME_BYTES + requests * BYTES_OF_A_REQUEST)
    if late.strays:
        found.append(f"CLI processes without a proxy: {late.strays}")
    return found


def growth(early: State, late: State, most: int = 8) -> str:
    """The types of which there are more now, with how many."""
    grown = Counter(dict(late.types))
    grown.subtract(early.types)
    return ", ".join(f"{name} {n:+}" for name, n in grown.most_common(most) if n > 0)


def tally(records: Iterable[Record], faults: Sequence[Fault]) -> Counter[str]:
    """How many requests have each verdict."""
    return Counter(verdict(record, faults) for record in records)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)
