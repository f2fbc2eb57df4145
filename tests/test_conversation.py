"""Turns are merged, blocks are never lost."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claudeproxy.conversation import Limits, Profile, Role, Turn, alternate, text_block


# A fresh checkout builds Hypothesis' tables first, and a busy machine takes its time.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def user(*texts: str) -> Turn:
    return Turn("user", tuple(text_block(text) for text in texts))


def assistant(*texts: str) -> Turn:
    return Turn("assistant", tuple(text_block(text) for text in texts))


ROLES: tuple[Role, ...] = ("user", "assistant")
turns: st.SearchStrategy[list[Turn]] = st.lists(
    st.builds(
        lambda role, texts: Turn(role, tuple(text_block(text) for text in texts)),
        st.sampled_from(ROLES),
        st.lists(st.text(max_size=3), min_size=1, max_size=3),
    ),
    max_size=8,
)


def test_a_text_block_is_the_messages_apis() -> None:
    assert text_block("hi") == {"type": "text", "text": "hi"}


def test_neighbours_of_one_role_become_one_turn_in_order() -> None:
    merged = alternate([user("a"), user("b", "c"), assistant("d"), assistant("e"), user("f")])
    assert merged == (user("a", "b", "c"), assistant("d", "e"), user("f"))


def test_turns_that_alternate_stay_as_they_are() -> None:
    assert alternate([user("a"), assistant("b"), user("c")]) == (
        user("a"),
        assistant("b"),
        user("c"),
    )


def test_no_turns_stay_no_turns() -> None:
    assert alternate([]) == ()


@calm
@given(turns)
def test_merging_alternates_and_keeps_every_block_in_order(given_turns: list[Turn]) -> None:
    def blocks(of: Any) -> list[Any]:
        return [(turn.role, block) for turn in of for block in turn.blocks]

    merged = alternate(given_turns)
    assert blocks(merged) == blocks(given_turns)
    assert all(first.role != second.role for first, second in pairwise(merged))


def test_merging_again_changes_nothing() -> None:
    once = alternate([user("a"), user("b"), assistant("c")])
    assert alternate(once) == once


def test_nothing_is_limited_and_nothing_is_set_up_by_default() -> None:
    assert Limits("opus") == Limits("opus", max_tokens=None, stop=(), effort=None)
    assert Profile() == Profile(system="", tools=(), output_schema=None)
