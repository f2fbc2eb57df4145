"""What the soak test concludes from what it saw."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from benchmarks import soak_verdict
from benchmarks.soak_verdict import Fault, Record, State, leaks, verdict


MINE, OTHERS = "soak-0-1-0123abcd", "soak-1-1-0123abcd"
TEXT = f"{MINE} w1 w2"
RECORD = Record("chat", 100.0, 101.0, frozenset({MINE}), TEXT, TEXT, status=200, whole=True)
BROKEN = attrs.evolve(RECORD, got=f"{MINE} w1", whole=False, error="it broke")
REFUSED = attrs.evolve(RECORD, got="", whole=False, status=503, error="no process")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "right"),
        ({"got": f"{MINE} w1"}, "wrong: another text"),
        ({"got": f"{TEXT} w3"}, "wrong: another text"),
        ({"got": f"{TEXT} {OTHERS}"}, "wrong: of another request"),
        ({"wanted": frozenset({429})}, "wrong: no error"),
    ],
)
def test_a_whole_answer_is_right_if_it_is_exactly_that_text(
    changed: dict[str, Any], expected: str
) -> None:
    assert verdict(attrs.evolve(RECORD, **changed)) == expected


@pytest.mark.parametrize("record", [BROKEN, REFUSED])
def test_a_failure_needs_a_fault(record: Record) -> None:
    assert verdict(record) == "wrong: failed without a fault"
    for began, ended, explained in (
        (99.5, 99.6, True),
        (100.5, 100.6, True),
        (80.0, 85.0, False),
        (80.0, 95.0, True),
        (101.5, 102.0, False),
    ):
        expected = "failed: killed" if explained else "wrong: failed without a fault"
        assert verdict(record, [Fault("killed", began, ended)]) == expected


def test_no_fault_explains_the_text_of_another() -> None:
    fault = Fault("killed", 100.5, 100.6)
    assert verdict(attrs.evolve(BROKEN, got="w1"), [fault]) == "wrong: another text"
    assert verdict(attrs.evolve(BROKEN, error=OTHERS), [fault]) == "wrong: of another request"


def test_an_error_that_was_asked_for_is_none_other() -> None:
    asked = attrs.evolve(REFUSED, wanted=frozenset({429}))
    assert verdict(attrs.evolve(asked, status=429)) == "error as asked"
    assert verdict(asked) == "wrong: failed without a fault"
    # In the middle of an answer the status is 200 already.
    assert verdict(attrs.evolve(BROKEN, wanted=frozenset({0}))) == "error as asked"
    assert verdict(attrs.evolve(BROKEN, wanted=frozenset({502}))).startswith("wrong")


def test_a_client_that_left_has_the_beginning_of_its_answer() -> None:
    left = attrs.evolve(BROKEN, left=True, error="")
    assert verdict(left) == "left"
    assert verdict(attrs.evolve(left, got="w1")) == "wrong: another text"


EARLY = State(
    100,
    clis=3,
    others=0,
    strays=0,
    threads=1,
    private=50_000_000,
    objects=80_000,
    descriptors={"pipe": 16, "socket": 1},
    timers={"Workers.retire": 3},
    types={"builtins.list": 100, "builtins.dict": 100},
)


def test_without_growth_there_is_no_leak() -> None:
    assert leaks(EARLY, attrs.evolve(EARLY, requests=10_000)) == []
    assert leaks(EARLY, attrs.evolve(EARLY, clis=4, descriptors={"pipe": 21})) == []


@pytest.mark.parametrize(
    ("grown", "told"),
    [
        ({"descriptors": {"pipe": 16, "socket": 200}}, "descriptors: 17 early, 216 late"),
        ({"timers": {"Workers.retire": 100}}, "timers: 3 early, 100 late"),
        ({"threads": 5}, "threads: 1 early, 5 late"),
        ({"others": 1}, "processes beside the CLI: 0 early, 1 late"),
        ({"objects": 200_000}, "objects: 80,000 early, 200,000 late"),
        ({"private": 90_000_000}, "memory: 50,000,000 early, 90,000,000 late"),
        ({"strays": 2}, "CLI processes without a proxy: 2"),
    ],
)
def test_each_leak_is_told(grown: dict[str, Any], told: str) -> None:
    assert leaks(EARLY, attrs.evolve(EARLY, **grown)) == [told]


def test_an_object_lost_with_every_request_is_a_leak() -> None:
    def late(requests: int) -> State:
        return attrs.evolve(EARLY, requests=100 + requests, objects=EARLY.objects + requests)

    assert leaks(EARLY, late(1000)) == []
    assert leaks(EARLY, late(40_000)) != []


def test_growth_names_the_types() -> None:
    late = attrs.evolve(EARLY, types={"builtins.list": 130, "builtins.dict": 90, "a.B": 50})
    assert soak_verdict.growth(EARLY, late) == "a.B +50, builtins.list +30"
