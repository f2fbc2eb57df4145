"""The table of a session's states."""

from __future__ import annotations

import re

import pytest

from claudeproxy.cli import state as state_module
from claudeproxy.cli.state import TRANSITIONS, Happening, ProtocolError, State, following


def reachable(start: State) -> set[State]:
    found, new = set(), {start}
    while new:
        found |= new
        new = {after for state in new for after in TRANSITIONS[state].values()} - found
    return found


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(State)


def test_every_state_can_be_reached() -> None:
    assert reachable(State.BLANK) == set(State) - {State.BROKEN}


@pytest.mark.parametrize("state", [state for state in State if state is not State.BROKEN])
def test_every_state_can_be_left_for_idle(state: State) -> None:
    assert State.IDLE in reachable(state)


def test_a_broken_session_stays_so() -> None:
    assert reachable(State.BROKEN) == {State.BROKEN}


def test_everything_that_can_happen_does_so_somewhere() -> None:
    happen = {happening for row in TRANSITIONS.values() for happening in row}
    assert happen == set(Happening) - {Happening.BREAK}


@pytest.mark.parametrize("state", State)
def test_every_session_can_break(state: State) -> None:
    assert following(state, Happening.BREAK) is State.BROKEN


@pytest.mark.parametrize("happening", [each for each in Happening if each is not Happening.BREAK])
@pytest.mark.parametrize("state", State)
def test_only_what_the_table_has_can_happen(state: State, happening: Happening) -> None:
    if happening in TRANSITIONS[state]:
        assert following(state, happening) is TRANSITIONS[state][happening]
    else:
        with pytest.raises(ProtocolError, match=f"^{happening.name} in the state {state.name}$"):
            following(state, happening)


# The picture


def drawn() -> set[tuple[str, str]]:
    """The arrows in the picture."""
    arrows = set()
    for line in (state_module.__doc__ or "").splitlines():
        path = re.match(r" {4,}([A-Z_]+(?: <?-> [A-Z_]+)+)", line)
        if path is None:
            continue
        steps = re.split(r" (<?->) ", path[1])
        for before, arrow, after in zip(steps[::2], steps[1::2], steps[2::2], strict=False):
            arrows.add((before, after))
            if arrow == "<->":
                arrows.add((after, before))
    return arrows


def test_the_picture_shows_the_table() -> None:
    table = {
        (before.name, after.name) for before, row in TRANSITIONS.items() for after in row.values()
    }
    assert drawn() == table


def test_the_docstring_names_every_state() -> None:
    assert {state.name for state in State} <= set(
        re.findall(r"[A-Z_]+", state_module.__doc__ or "")
    )
