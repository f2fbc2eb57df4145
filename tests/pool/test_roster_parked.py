"""Turns that wait for tool results: who goes on with which, and who has waited long enough."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from claudeproxy.cli import mcp
from claudeproxy.cli.plan import Plan
from claudeproxy.conversation import Conversation, Limits, Profile, Turn, text_block
from claudeproxy.pool.roster import Placement, Roster
from claudeproxy.pool.slot import Activity, Slot


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
    roster.parked(slot, now, AWAITING_ANSWER, calls(1, 2))
    assert roster.count(Activity.PARKED) == 1
    return roster, slot


def test_results_go_on_with_the_turn_that_waits_for_them() -> None:
    roster, slot = parked()
    placement = place(roster, after(calls(1, 2), results(1, 2)), 5)
    assert placement == Placement(slot, "resumed", Plan((results(1, 2),)))
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
    assert placement == Placement(slot, "resumed", Plan((results(2, 1),)))


def test_results_of_other_calls_are_not_for_the_turn_that_waits() -> None:
    roster, _ = parked()
    assert place(roster, after(calls(1, 2), respelled(results(1, 2)))).reuse != "resumed"


def test_a_resumed_turn_can_wait_again_and_is_then_continued() -> None:
    roster, slot = parked()
    second = after(calls(1, 2), results(1, 2))
    place(roster, second)
    roster.parked(slot, 1, second, calls(3))
    third = after(calls(1, 2), results(1, 2), calls(3), results(3))
    assert place(roster, third).reuse == "resumed"
    answer = Turn("assistant", (text_block("6"),))
    roster.answered(slot, 2, third, answer)
    roster.idle(slot, 2, clean=True, marks=1)
    assert place(roster, attrs.evolve(third, turns=(*third.turns, answer, user("b")))).reuse == (
        "continued"
    )


MUCH = "a" * (mcp.LONGEST_RESULT + 1)
BESIDE = Turn("user", (*results(1, 2).blocks, text_block("and b?")))


@pytest.mark.parametrize(
    "said",
    [
        after(calls(1, 2), results(1, 2), limits=Limits("opus", effort="low")),
        after(calls(1, 2), results(1, 2), limits=Limits("sonnet")),
        after(
            calls(1, 2),
            results(1, 2),
            limits=attrs.evolve(LIMITS, max_tokens=5, budgeted=True),
        ),
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
            "no-effort",
            "another-limit-with-a-budget",
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
    assert placement.plan == Plan(said.lines)
    assert slot.activity is Activity.PARKED


def test_limits_that_a_running_turn_can_take_do_not_matter() -> None:
    roster, slot = parked()
    limits = attrs.evolve(LIMITS, stop=("x",), thinking=False, effort="high", max_tokens=5)
    said = after(calls(1, 2), results(1, 2), limits=limits)
    assert place(roster, said).slot is slot


def test_tool_results_are_accepted_once() -> None:
    roster, slot = parked()
    said = after(calls(1, 2), results(1, 2))
    assert place(roster, said).slot is slot
    assert place(roster, said).reuse == "spawned"


def test_an_interrupted_turn_is_not_resumed() -> None:
    roster, slot = parked()
    roster.interrupted(slot, 0)
    said = after(calls(1, 2), results(1, 2))
    # It will be idle in a moment, and then it can be taken back.
    assert roster.place(said, 1) is None
    roster.idle(slot, 1, clean=False, marks=1)
    placement = place(roster, said)
    assert (placement.slot, placement.reuse) == (slot, "rewound")
    assert placement.plan == Plan(said.turns, back_to=0)


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
    roster.parked(second, 1, other, calls(1))
    assert roster.longest_parked() is second


def test_no_parked_turn_is_interrupted_while_a_process_is_about_to_be_idle() -> None:
    roster, first = parked(most=2)
    other = Conversation(Profile("T"), (user("x"),), LIMITS)
    second = place(roster, other, 1).slot
    roster.interrupted(second, 1)
    assert roster.longest_parked() is None
    roster.remove(second)
    place(roster, attrs.evolve(other, profile=Profile("U")), 1)
    assert roster.longest_parked() is first


def test_no_parked_turn_is_interrupted_while_an_idle_process_can_be_evicted() -> None:
    roster, _ = parked(most=2)
    slot = roster.add_blank(0)
    roster.initializing(slot, 0)
    roster.ready(slot, Profile("T"), 0)
    assert roster.longest_parked() is None


def test_a_parked_turn_that_its_conversation_cannot_resume_is_found() -> None:
    roster, slot = parked()
    assert roster.unresumable(after(calls(1, 2), BESIDE)) is slot
    assert roster.unresumable(after(calls(1, 2), results(1, 2))) is None
    # The client has left one call out.
    assert roster.unresumable(after(calls(1), results(1))) is slot
    assert roster.unresumable(after(calls(3), results(3))) is None


# An agent that adds words to the results of its tools, or a note to each request.

CHAT = (user("a"), Turn("assistant", (text_block("b"),)), user("c"))


def settled(roster: Roster, slot: Slot, *, marks: int | None = None) -> Plan | None:
    """Let the interrupted turn of a slot end; what is to be prepared then."""
    count = len(slot.marks) if marks is None else marks
    roster.idle(slot, 1, clean=False, marks=count)
    return roster.preparation(slot)


def with_words(*numbers: int, words: str = "words") -> Turn:
    return Turn("user", (*results(*numbers).blocks, text_block(words)))


class Agent:
    """An agent on a roster that calls one tool in each round."""

    def __init__(self) -> None:
        self.roster = Roster(4)
        self.turns: tuple[Turn, ...] = CHAT
        self.round = 0

    @property
    def said(self) -> Conversation:
        return Conversation(PROFILE, self.turns, LIMITS)

    def ask(self) -> Placement:
        """Place the conversation, and interrupt its parked turn if that cannot be resumed."""
        if slot := self.roster.unresumable(self.said):
            self.roster.interrupted(slot, 0)
            assert self.roster.place(self.said, 0) is None
            assert settled(self.roster, slot) is None
        return place(self.roster, self.said)

    def call(self, slot: Slot) -> Plan | None:
        """The answer calls a tool; what is prepared then."""
        self.round += 1
        said, call = self.said, calls(self.round)
        self.roster.parked(slot, 0, said, call)
        self.turns = (*self.turns, call)
        if self.roster.preparation(slot) is None:
            return None
        self.roster.interrupted(slot, 0)
        plan = settled(self.roster, slot)
        assert plan is not None
        self.roster.preparing(slot, plan, 0)
        self.roster.prepared(slot, 0, clean=True, marks=len(slot.marks))
        return plan

    def go_on(self, newest: Turn) -> None:
        self.turns = (*self.turns, newest)


def test_after_words_beside_results_only_what_is_new_is_sent() -> None:
    agent = Agent()
    slot = agent.ask().slot
    assert agent.call(slot) is None
    agent.go_on(with_words(1))
    placement = agent.ask()
    assert (placement.reuse, placement.slot) == ("rewound", slot)
    assert placement.plan.back_to == 1
    # Results and words are lines of their own, so that the process can go back between them.
    assert placement.plan.new == (user("c"), calls(1), results(1), user("words"))
    assert len(slot.marks) == 3


def test_a_profile_whose_client_adds_words_is_made_ready_for_them() -> None:
    agent = Agent()
    slot = agent.ask().slot
    agent.call(slot)
    for number in range(1, 20):
        agent.go_on(with_words(number))
        placement = agent.ask()
        assert (placement.reuse, placement.slot) == (
            "rewound" if number == 1 else "continued",
            slot,
        )
        plan = agent.call(slot)
        assert plan is not None
        assert plan.lines == (user("words"), calls(number + 1))
        assert plan.back_to == len(slot.marks) - 1
    agent.go_on(with_words(20))
    assert agent.ask().plan.new == (results(20), user("words"))


def test_a_profile_is_no_longer_made_ready_once_its_client_adds_nothing() -> None:
    agent = Agent()
    slot = agent.ask().slot
    agent.call(slot)
    agent.go_on(with_words(1))
    agent.ask()
    assert agent.call(slot) is not None
    agent.go_on(respelled(results(2)))
    agent.turns = (*agent.turns[:-2], respelled(agent.turns[-2]), agent.turns[-1])
    placement = agent.ask()
    # The results are for the ids that the process was given.
    assert (placement.reuse, placement.plan.new) == ("continued", (results(2),))
    assert agent.call(slot) is None
    agent.go_on(results(3))
    assert agent.ask().reuse == "resumed"


def test_earlier_results_are_for_the_calls_that_the_process_was_made_ready_with() -> None:
    agent = Agent()
    slot = agent.ask().slot
    agent.call(slot)
    agent.go_on(with_words(1))
    agent.ask()
    assert agent.call(slot) is not None
    # Another process has answered the same conversation, so its client has other ids.
    *before, call = agent.turns
    said = user("d")
    agent.turns = (*before, *map(respelled, (call, results(2))), CHAT[1], said)
    placement = agent.ask()
    assert (placement.reuse, placement.slot) == ("continued", slot)
    assert placement.plan.new == (results(2), CHAT[1], said)


def with_notes(agent: Agent, rounds: int) -> list[str]:
    """Each request ends with a note that is not kept; how the rounds are served."""
    agent.call(agent.ask().slot)
    reuses = []
    for number in range(1, rounds + 1):
        agent.go_on(with_words(number, words=f"note {number}"))
        placement = agent.ask()
        reuses.append(placement.reuse)
        agent.call(placement.slot)
        # The note is gone from where it was.
        *before, noted, call = agent.turns
        agent.turns = (*before, Turn("user", noted.blocks[:1]), call)
    return reuses


def test_a_note_that_moves_to_the_end_of_each_request_is_expected_to_move() -> None:
    assert with_notes(Agent(), 5) == ["rewound", "rewound", "continued", "continued", "continued"]


@pytest.mark.parametrize("before", [(), CHAT[:2]])
def test_a_question_is_not_expected_to_move_with_its_note(before: tuple[Turn, ...]) -> None:
    agent = Agent()
    with_notes(agent, 3)
    agent.turns = (*before, Turn("user", (text_block("x"), text_block("note"))))
    slot = agent.ask().slot
    # Nobody can say which part of the message stays.
    assert agent.call(slot) is None
    agent.turns = (*before, user("x"), agent.turns[-1], with_words(agent.round, words="note"))
    placement = agent.ask()
    assert (placement.reuse, placement.slot) == ("rewound", slot)


def test_an_answer_that_the_client_rewrites_is_expected_to_be_rewritten() -> None:
    agent = Agent()
    reuses = []
    for number in range(5):
        placement = agent.ask()
        reuses.append(placement.reuse)
        slot = placement.slot
        answer = Turn("assistant", (text_block(f"answer {number}"),))
        agent.roster.answered(slot, 0, agent.said, answer)
        agent.roster.idle(slot, 0, clean=True, marks=len(slot.marks))
        if plan := agent.roster.preparation(slot):
            assert plan.lines == agent.turns[-1:]
            agent.roster.preparing(slot, plan, 0)
            agent.roster.prepared(slot, 0, clean=True, marks=len(slot.marks))
        rewritten = Turn("assistant", (text_block(f"rewritten {number}"),))
        agent.turns = (*agent.turns, rewritten, user(f"q {number}"))
    assert reuses == ["spawned", "rewound", "continued", "continued", "continued"]


def test_an_earlier_answer_is_not_sent_again_as_the_newest_one() -> None:
    agent = Agent()
    plans = []
    for number in range(1, 4):
        plans.append(agent.call(agent.ask().slot))
        *before, call = agent.turns
        rewritten = Turn("assistant", (text_block(f"rewritten {number}"), *call.blocks))
        agent.turns = (*before, rewritten, results(number))
    first, *others = plans
    assert first is None
    for plan in others:
        assert plan is not None
        # Its answers are those of earlier rounds.
        assert {line.role for line in plan.lines} == {"user", "assistant"}
        assert not plan.own


def test_another_conversation_does_not_end_a_turn_that_waits() -> None:
    roster, slot = parked()
    roster.add_blank(0)
    other = Conversation(PROFILE, (user("a"), calls(3), results(3)), LIMITS)
    assert roster.unresumable(other) is None
    assert place(roster, other).reuse == "claimed"
    assert slot.activity is Activity.PARKED


def test_the_note_beside_the_first_question_moves_behind_the_results() -> None:
    # The first question and the note are one message, of which nothing is kept.
    roster = Roster(4)
    first = Conversation(PROFILE, (Turn("user", (text_block("a"), text_block("note"))),), LIMITS)
    slot = place(roster, first).slot
    roster.parked(slot, 0, first, calls(1))
    moved = Turn("user", (*results(1).blocks, text_block("note")))
    second = after(calls(1), moved)
    assert roster.unresumable(second) is slot
    roster.interrupted(slot, 1)
    roster.idle(slot, 1, clean=False, marks=1)
    roster.add_blank(1)
    assert place(roster, second, 2) == Placement(slot, "rewound", Plan(second.lines, 0, 0))


def test_a_conversation_with_the_same_first_answer_is_another_one() -> None:
    roster = Roster(4)
    said = Turn("assistant", (text_block("b"),))
    slot = place(roster, AWAITING_ANSWER).slot
    roster.answered(slot, 0, AWAITING_ANSWER, said)
    roster.idle(slot, 0, clean=True, marks=1)
    slot.single_turn = False
    blank = roster.add_blank(1)
    other = Conversation(PROFILE, (user("c"), said, user("d")), LIMITS)
    assert place(roster, other, 2).slot is blank


def test_a_turn_whose_answer_the_client_changed_is_found_by_its_calls() -> None:
    roster, slot = parked()
    changed = Turn("assistant", (text_block("changed"), *calls(1).blocks))
    assert roster.unresumable(after(changed, results(1))) is slot
    other = Turn("assistant", (text_block("changed"), *calls(5).blocks))
    assert roster.unresumable(after(other, results(5))) is None
    # A client may leave the letters and digits of an id only.
    plain = Turn("assistant", ({**calls(1).blocks[0], "id": "toolu1"},))
    assert roster.unresumable(after(plain, results(1))) is slot
