"""Turns that wait for tool results: who goes on with which, and who has waited long enough."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from claudeproxy.cli import mcp
from claudeproxy.conversation import Conversation, Limits, Profile, Turn, called_in, text_block
from claudeproxy.pool.roster import Activity, Placement, Roster, Slot


LIMITS = Limits("sonnet", effort="low")
PROFILE = Profile("S")


def user(text: str) -> Turn:
    return Turn("user", (text_block(text),))


def calls(*numbers: int) -> Turn:
    return Turn(
        "assistant",
        tuple(
            {"type": "tool_use", "id": f"toolu_{n}", "name": "add", "input": {"n": n}}
            for n in numbers
        ),
    )


def results(*numbers: int, content: Any = "3") -> Turn:
    return Turn(
        "user",
        tuple(
            {"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": content}
            for n in numbers
        ),
    )


AWAITING_ANSWER = Conversation(PROFILE, (user("a"),), LIMITS)


def after(*turns: Turn, limits: Limits = LIMITS) -> Conversation:
    return Conversation(PROFILE, (*AWAITING_ANSWER.turns, *turns), limits)


def place(roster: Roster, said: Conversation, now: float = 0) -> Placement:
    placement = roster.place(said, now)
    assert placement is not None
    return placement


def parked(most: int = 4, now: float = 0) -> tuple[Roster, Slot]:
    """A roster whose only process waits for the results of two calls."""
    roster = Roster(most)
    slot = place(roster, AWAITING_ANSWER, now).slot
    roster.parked(slot, AWAITING_ANSWER.key_with(calls(1, 2)), called_in((calls(1, 2),)), now)
    assert roster.count(Activity.PARKED) == 1
    return roster, slot


def test_results_go_on_with_the_turn_that_waits_for_them() -> None:
    roster, slot = parked()
    placement = place(roster, after(calls(1, 2), results(1, 2)), 5)
    assert placement == Placement(slot, "resumed", (results(1, 2),))
    assert (slot.activity, slot.since, slot.history_key) == (Activity.BUSY, 5, None)


def respelled(turn: Turn) -> Turn:
    """The turn as a client sends it that keeps letters and digits only."""
    return Turn(
        turn.role,
        tuple(
            {
                **block,
                **{
                    name: f"{block[name]}x".replace("_", "")
                    for name in ("id", "tool_use_id")
                    if name in block
                },
            }
            for block in turn.blocks
        ),
    )


def test_tool_call_ids_that_a_client_changed_are_mapped_back() -> None:
    roster, slot = parked()
    said = after(respelled(calls(1, 2)), respelled(results(2, 1)))
    placement = place(roster, said, 5)
    assert placement == Placement(slot, "resumed", (results(2, 1),))


def test_results_of_other_calls_are_not_for_the_turn_that_waits() -> None:
    roster, _ = parked()
    assert place(roster, after(calls(1, 2), respelled(results(1, 2)))).reuse != "resumed"


def test_a_resumed_turn_can_wait_again_and_is_then_continued() -> None:
    roster, slot = parked()
    second = after(calls(1, 2), results(1, 2))
    place(roster, second)
    roster.parked(slot, second.key_with(calls(3)), called_in((calls(3),)), 1)
    third = after(calls(1, 2), results(1, 2), calls(3), results(3))
    assert place(roster, third).reuse == "resumed"
    answer = Turn("assistant", (text_block("6"),))
    roster.finishing(slot, third.key_with(answer))
    roster.idle(slot, 2, clean=True)
    assert place(roster, attrs.evolve(third, turns=(*third.turns, answer, user("b")))).reuse == (
        "continued"
    )


MUCH = "a" * (mcp.LONGEST_RESULT + 1)
BESIDE = Turn("user", (*results(1, 2).blocks, text_block("and b?")))


@pytest.mark.parametrize(
    "said",
    [
        after(calls(1, 2), results(1, 2), limits=Limits("opus", effort="low")),
        after(calls(1, 2), results(1, 2), limits=Limits("sonnet", effort="high")),
        after(calls(1, 2), results(1, 2), limits=Limits("sonnet")),
        after(calls(1, 2), results(1, 2), limits=attrs.evolve(LIMITS, max_tokens=5)),
        after(calls(1, 2), results(1, 2, content=MUCH)),
        after(calls(1, 2), BESIDE),
        after(calls(1, 2), user("b")),
        after(calls(2, 1), results(1, 2)),
        after(calls(1), results(1)),
        Conversation(Profile("T"), (user("a"), calls(1, 2), results(1, 2)), LIMITS),
        Conversation(PROFILE, (user("edited"), calls(1, 2), results(1, 2)), LIMITS),
    ],
    ids=(
        *(
            "another-model",
            "another-effort",
            "no-effort",
            "another-limit",
            "too-large",
            "text-beside",
            "no-results",
        ),
        *("other-order", "fewer-calls", "another-profile", "edited"),
    ),
)
def test_what_the_running_turn_cannot_take_is_served_elsewhere(said: Conversation) -> None:
    roster, slot = parked()
    placement = place(roster, said)
    assert placement.slot is not slot
    assert placement.turns == said.turns
    assert slot.activity is Activity.PARKED


def test_limits_that_a_running_turn_can_take_do_not_matter() -> None:
    roster, slot = parked()
    limits = attrs.evolve(LIMITS, stop=("x",), thinking=False)
    said = after(calls(1, 2), results(1, 2), limits=limits)
    assert place(roster, said).slot is slot


def test_tool_results_are_accepted_once() -> None:
    roster, slot = parked()
    said = after(calls(1, 2), results(1, 2))
    assert place(roster, said).slot is slot
    assert place(roster, said).reuse == "spawned"


def test_an_interrupted_turn_is_not_resumed() -> None:
    roster, slot = parked()
    roster.finishing(slot, None)
    # It will be idle in a moment, and then it can forget.
    assert roster.place(after(calls(1, 2), results(1, 2)), 1) is None
    roster.idle(slot, 1, clean=False)
    placement = place(roster, after(calls(1, 2), results(1, 2)))
    assert (placement.slot, placement.reuse, placement.clear) == (slot, "recycled", True)


def test_a_parked_turn_makes_no_room_by_itself() -> None:
    roster, slot = parked(most=1)
    assert roster.place(Conversation(Profile("T"), (user("x"),), LIMITS), 1) is None
    assert slot.activity is Activity.PARKED


def test_the_longest_parked_turn_makes_room_when_all_slots_are_taken() -> None:
    roster, first = parked(most=2, now=3)
    assert roster.longest_parked() is None
    other = Conversation(Profile("T"), (user("x"),), LIMITS)
    second = place(roster, other, 1).slot
    assert roster.longest_parked() is first
    roster.parked(second, other.key_with(calls(1)), called_in((calls(1),)), 1)
    assert roster.longest_parked() is second


def test_no_parked_turn_is_interrupted_while_a_process_is_about_to_be_idle() -> None:
    roster, first = parked(most=2)
    other = Conversation(Profile("T"), (user("x"),), LIMITS)
    second = place(roster, other, 1).slot
    roster.finishing(second, None)
    assert roster.longest_parked() is None
    roster.remove(second)
    place(roster, attrs.evolve(other, profile=Profile("U")), 1)
    assert roster.longest_parked() is first


def test_no_parked_turn_is_interrupted_while_an_idle_process_can_be_evicted() -> None:
    roster, _ = parked(most=2)
    roster.prepared(roster.add_blank(0), Profile("T"), 0)
    assert roster.longest_parked() is None


def test_a_parked_turn_that_its_conversation_cannot_resume_is_found() -> None:
    roster, slot = parked()
    assert roster.unresumable(after(calls(1, 2), BESIDE)) is slot
    assert roster.unresumable(after(calls(1, 2), results(1, 2))) is None
    assert roster.unresumable(after(calls(1), results(1))) is None
