"""What the status page is told of the past: the last requests, and the sums of each minute."""

from __future__ import annotations

import json
import random
import sys
from typing import Any

import pytest

from claudeproxy.events import Usage
from claudeproxy.web.status.history import CLASSES, KEPT, MINUTES, RATIO, Ended, History, class_of


# The beginning of a quarter of an hour.
NOON = 1_700_049_600.0


def ended(at: float = NOON, **more: Any) -> Ended:
    values: dict[str, Any] = {
        "route": "POST /v1/messages",
        "model": "claude-sonnet-9",
        "rung": "claimed",
        "key": "none",
        "outcome": "ok",
        "status": 200,
        "error": None,
        "first_token": 1.0,
        "seconds": 2.0,
        "usage": Usage(1, 20, 3, 4, 2),
    }
    return Ended(at, **{**values, **more})


def test_a_request_is_told_with_its_number() -> None:
    history = History()
    history.note(ended())
    history.note(ended(usage=None, first_token=None, outcome="disconnected", status=None))
    first, second = history.recent()
    assert first == {
        "number": 1,
        "at": NOON,
        "route": "POST /v1/messages",
        "model": "claude-sonnet-9",
        "rung": "claimed",
        "key": "none",
        "outcome": "ok",
        "status": 200,
        "error": None,
        "first_token": 1.0,
        "seconds": 2.0,
        "tokens": {"input": 1, "cached": 20, "written": 3, "output": 4},
    }
    assert (second["number"], second["tokens"], second["outcome"]) == (2, None, "disconnected")
    assert history.recent(1) == [second]
    assert history.recent(2) == []
    json.dumps(history.recent())


def test_only_the_last_hundred_are_kept() -> None:
    history = History()
    for _ in range(1000):
        history.note(ended())
    assert (history.count, KEPT) == (1000, 100)
    assert [each["number"] for each in history.recent()] == list(range(901, 1001))
    assert [each["number"] for each in history.recent(998)] == [999, 1000]


def test_the_columns_of_an_hour() -> None:
    history = History()
    history.note(ended(NOON - 3600))
    history.note(ended(NOON - 3540))
    history.note(ended(NOON - 61, outcome="error", usage=None, first_token=None))
    history.note(ended(NOON - 1))
    history.note(ended(NOON))
    plot = history.plots(NOON + 30)["hour"]
    assert (plot["begin"], plot["step"]) == (NOON - 3540, 60)
    assert plot["requests"] == [1, *[0] * 56, 1, 1, 1]
    assert plot["errors"] == [0] * 57 + [1, 0, 0]
    for name, tokens in {"input": 1, "cached": 20, "written": 3, "output": 4}.items():
        assert plot[name] == [tokens, *[0] * 57, tokens, tokens]
    assert plot["p50"][1:58] == [None] * 57
    assert {len(column) for column in plot.values() if isinstance(column, list)} == {60}


def test_the_columns_of_a_day() -> None:
    history = History()
    for hours in range(30, -1, -1):
        history.note(ended(NOON - hours * 3600))
    plot = history.plots(NOON)["day"]
    assert (plot["begin"], plot["step"]) == (NOON - 95 * 900, 900)
    assert sum(plot["requests"]) == 24
    assert plot["requests"][-5:] == [1, 0, 0, 0, 1]
    assert len(plot["p95"]) == 96


def test_the_percentiles_are_right_to_a_tenth() -> None:
    history, times = History(), [random.Random(7).lognormvariate(0, 1) for _ in range(2000)]
    for seconds in times:
        history.note(ended(first_token=seconds))
    times.sort()
    plot = history.plots(NOON)["hour"]
    assert plot["p50"][-1] == pytest.approx(times[1000], rel=0.1)
    assert plot["p95"][-1] == pytest.approx(times[1900], rel=0.1)


def test_every_time_has_a_class() -> None:
    assert [class_of(each) for each in (0.0, 0.02, 0.0201, 1e9)] == [0, 0, 1, CLASSES - 1]
    # The longest are those that no setting allows to wait longer for.
    assert 0.02 * RATIO ** (CLASSES - 2) > 300


def test_a_clock_that_is_set_back_or_forth_loses_nothing_of_what_follows() -> None:
    history = History()
    history.note(ended(NOON + 1e9))
    for _ in range(2):
        history.note(ended(NOON))
    assert history.plots(NOON)["hour"]["requests"][-1] == 2
    assert sum(history.plots(NOON + 1e9)["hour"]["requests"]) == 0
    history.note(ended(NOON - 30))
    assert sum(history.plots(NOON)["day"]["requests"]) == 1


def test_the_memory_is_bounded() -> None:
    history = History()
    for minute in range(3 * MINUTES):
        history.note(ended(NOON + 60 * minute))
    minutes = history._minutes
    assert len(minutes) == MINUTES
    assert sum(sys.getsizeof(each.first_tokens) for each in minutes.values()) < 500_000
