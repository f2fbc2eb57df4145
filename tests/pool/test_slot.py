"""The table of what can happen to a process."""

from __future__ import annotations

import re

import pytest

from claudeproxy.conversation import Limits
from claudeproxy.pool import slot as slot_module
from claudeproxy.pool.slot import SETTLING, TRANSITIONS, Activity, Happening, Slot


def reachable(start: Activity) -> set[Activity]:
    found, new = set(), {start}
    while new:
        found |= new
        new = {after for each in new for after in TRANSITIONS[each].values()} - found
    return found


def test_every_activity_has_its_row() -> None:
    assert set(TRANSITIONS) == set(Activity)


def test_every_activity_can_be_reached() -> None:
    assert reachable(Activity.BLANK) == set(Activity)


@pytest.mark.parametrize("activity", Activity)
def test_every_process_can_become_idle(activity: Activity) -> None:
    assert Activity.IDLE in reachable(activity)


@pytest.mark.parametrize("activity", SETTLING)
def test_a_settling_process_becomes_idle_next(activity: Activity) -> None:
    assert set(TRANSITIONS[activity].values()) - {activity} == {Activity.IDLE}


def test_nothing_becomes_blank_again() -> None:
    assert not any(Activity.BLANK in row.values() for row in TRANSITIONS.values())


def test_everything_that_can_happen_does_so_somewhere() -> None:
    assert {happening for row in TRANSITIONS.values() for happening in row} == set(Happening)


@pytest.mark.parametrize("happening", Happening)
@pytest.mark.parametrize("activity", Activity)
def test_only_what_the_table_has_can_happen(activity: Activity, happening: Happening) -> None:
    slot = Slot(activity, 1)
    if happening in TRANSITIONS[activity]:
        slot.enter(happening, 2)
        assert (slot.activity, slot.since) == (TRANSITIONS[activity][happening], 2)
    else:
        with pytest.raises(KeyError):
            slot.enter(happening, 2)
        assert (slot.activity, slot.since) == (activity, 1)


def test_the_picture_shows_the_table() -> None:
    drawn = {
        (Activity[before], Activity[after])
        for line in (slot_module.__doc__ or "").splitlines()
        for chain in re.findall(r"[A-Z]+(?: <?-> [A-Z]+)+", line)
        for before, arrow, after in re.findall(r"(?=\b([A-Z]+) (<?->) ([A-Z]+))", chain)
        for before, after in ((before, after), *(((after, before),) if arrow == "<->" else ()))
    }
    table = {(before, after) for before, row in TRANSITIONS.items() for after in row.values()}
    # What can end in an unusual way is not drawn.
    unusual = {
        (Activity.PARKED, Activity.IDLE),
        (Activity.ENDING, Activity.ENDING),
    }
    assert drawn == table - unusual


def test_what_is_reported_of_a_process_has_nothing_of_its_conversation() -> None:
    slot = Slot(Activity.BUSY, 7.0, turns=3, limits=Limits("sonnet"))
    assert slot.report() == {"activity": "busy", "since": 7.0, "turns": 3, "model": "sonnet"}
    # A name that only a client has used.
    slot.limits = Limits("claude-x", unlisted=True)
    assert slot.report()["model"] is None
    assert Slot(Activity.BLANK, 0).report()["model"] is None
