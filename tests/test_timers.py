from __future__ import annotations

from twisted.internet.task import Clock

from claudeproxy.timers import Timers


def test_a_name_has_one_call_which_can_be_postponed_or_cancelled() -> None:
    clock, came = Clock(), list[str]()
    timers = Timers(clock)
    timers.start("a", 1, came.append, "first")
    timers.start("a", 2, came.append, "second")
    timers.start("b", 1, came.append, "b")
    clock.advance(1)
    assert came == ["b"]
    timers.put_off("a", 2)
    timers.put_off("b", 1)
    clock.advance(1.5)
    assert came == ["b"]
    clock.advance(0.5)
    assert came == ["b", "second"]
    timers.start("c", 1, came.append, "c")
    timers.cancel("c")
    clock.advance(1)
    assert came == ["b", "second"]


def test_after_close_no_call_runs() -> None:
    clock, came = Clock(), list[str]()
    timers = Timers(clock)
    timers.start("a", 1, came.append, "a")
    timers.close()
    timers.start("b", 1, came.append, "b")
    assert clock.getDelayedCalls() == []
    clock.advance(2)
    assert came == []
