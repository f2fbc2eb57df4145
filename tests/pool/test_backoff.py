"""When a process may be started after some that did not become ready."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.pool.backoff import LONGEST_WAIT, StartBackoff


def failed(times: int, now: float = 0.0) -> StartBackoff:
    backoff = StartBackoff()
    for _ in range(times):
        backoff.failed(now)
    return backoff


def test_without_failures_nothing_is_waited_for() -> None:
    assert StartBackoff().wait(5) == 0
    assert StartBackoff().may_start(starting=7)


def test_each_failure_doubles_the_wait_up_to_minutes() -> None:
    assert [failed(times).wait(0) for times in (1, 2, 3, 4, 9, 10, 10_000)] == [
        *(1, 2, 4, 8, 256, LONGEST_WAIT, LONGEST_WAIT)
    ]


def test_the_wait_passes() -> None:
    backoff = failed(3, now=100)
    assert (backoff.wait(101), backoff.wait(104), backoff.wait(200)) == (3, 0, 0)


def test_a_process_that_becomes_ready_ends_it() -> None:
    backoff = failed(5)
    backoff.succeeded()
    assert (backoff.wait(0), backoff.failing, backoff.may_start(3)) == (0, False, True)
    backoff.failed(0)
    assert backoff.wait(0) == 1


def test_one_failure_does_not_bound_the_starts_for_requests() -> None:
    assert failed(1).may_start(starting=1)


def test_after_more_one_process_at_a_time_is_started_for_requests() -> None:
    assert failed(2).may_start(starting=0)
    assert not failed(2).may_start(starting=1)


def test_a_failure_long_after_the_others_is_the_first_again() -> None:
    backoff = failed(5)
    backoff.failed(2 * LONGEST_WAIT + 1)
    assert backoff.failures == 1


@given(st.floats(0, 10), st.integers(60, 3600))
def test_starts_that_all_fail_become_rare(lifetime: float, window: int) -> None:
    backoff, now, starts = StartBackoff(), 0.0, 0
    while now < window:
        starts += 1
        now += lifetime
        backoff.failed(now)
        now += backoff.wait(now)
    assert starts <= 10 + window / LONGEST_WAIT
