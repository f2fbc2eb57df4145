from __future__ import annotations

from claudeproxy.pool.pace import LatencyEstimates


def test_without_a_busy_process_as_many_start_as_there_are_cores() -> None:
    pace = LatencyEstimates(cores=2)
    assert pace.should_spawn(waited=0, ahead=1, busy=0, starting=1)
    assert not pace.should_spawn(waited=0, ahead=1, busy=0, starting=2)


def test_it_waits_for_short_turns_but_not_for_long_ones() -> None:
    pace = LatencyEstimates(cores=2, starting=0.5)
    assert pace.should_spawn(waited=0, ahead=1, busy=1, starting=0)
    pace.answered(0.05)
    assert not pace.should_spawn(waited=0, ahead=10, busy=1, starting=0)
    assert pace.should_spawn(waited=0, ahead=11, busy=1, starting=0)
    assert not pace.should_spawn(waited=0, ahead=20, busy=2, starting=0)


def test_a_request_that_waited_as_long_as_a_start_takes_gets_a_process() -> None:
    pace = LatencyEstimates(cores=2, starting=0.5, turn=0.05)
    assert pace.should_spawn(waited=0.5, ahead=1, busy=1, starting=0)
    assert not pace.should_spawn(waited=0.5, ahead=1, busy=1, starting=1)


def test_estimates_follow_the_measurements() -> None:
    pace = LatencyEstimates(cores=2)
    pace.started(2)
    assert pace.starting == 1.3
    pace.answered(1)
    assert pace.turn == 1
    pace.answered(2)
    assert pace.turn == 1.3
