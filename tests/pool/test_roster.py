"""The pool's decisions, played against processes that remember like the CLI does.

Whatever conversations come, in whatever order, each is answered from exactly its own turns.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from claudeproxy.cli.mcp import PREFIX
from claudeproxy.cli.outbox import Outbox
from claudeproxy.cli.plan import Plan, is_mark
from claudeproxy.cli.replay import Replay
from claudeproxy.conversation import (
    Block,
    Conversation,
    Limits,
    Profile,
    Turn,
    called_in,
    has_results,
    is_results,
    next_key,
    profile_key,
    text_block,
    untold,
)
from claudeproxy.pool.roster import Placement, Roster
from claudeproxy.pool.slot import Activity, Slot


LIMITS = Limits("sonnet")


def user(text: str) -> Turn:
    return Turn("user", (text_block(text),))


def assistant(text: str) -> Turn:
    return Turn("assistant", (text_block(text),))


def conversation(*texts: str, system: str = "S") -> Conversation:
    turns = [(user, assistant)[index % 2](text) for index, text in enumerate(texts)]
    return Conversation(Profile(system), tuple(turns), LIMITS)


def answered(
    roster: Roster,
    slot: Slot,
    said: Conversation,
    answer: str,
    now: float = 0,
    *,
    clean: bool = True,
) -> None:
    roster.answered(slot, now, said, assistant(answer))
    roster.idle(slot, now, clean=clean, marks=len(slot.marks))


def place(roster: Roster, said: Conversation, now: float = 0) -> Placement:
    placement = roster.place(said, now)
    assert placement is not None
    return placement


def sent(placement: Placement) -> tuple[Turn, ...]:
    return placement.plan.new


def told(roster: Roster, *texts: str, now: float = 0) -> Slot:
    """The slot of a conversation whose last text is its answer."""
    said = conversation(*texts[:-1])
    slot = place(roster, said, now).slot
    answered(roster, slot, said, texts[-1], now)
    return slot


def test_the_next_turn_goes_to_the_process_that_holds_the_others_alone() -> None:
    roster = Roster(most=4)
    first = place(roster, conversation("a"))
    assert (first.reuse, sent(first)) == ("spawned", (user("a"),))
    answered(roster, first.slot, conversation("a"), " b\n")
    second = place(roster, conversation("a", "b", "c"))
    assert (second.reuse, second.slot, second.plan.clear) == ("continued", first.slot, False)
    assert sent(second) == (user("c"),)


def test_a_retried_conversation_gets_a_new_process() -> None:
    roster = Roster(most=2)
    first = told(roster, "a", "b")
    roster.add_blank(0)
    # Neither the process that holds the conversation nor the spare: they may be gone as well.
    retried = roster.place(conversation("a", "b", "c"), 0, new_process=True)
    assert retried is not None
    assert (retried.reuse, sent(retried)) == ("spawned", conversation("a", "b", "c").turns)
    assert retried.evicted is first
    # Until there is room it waits.
    assert roster.place(conversation("d"), 0, new_process=True) is None


CHAT = ("a", "b", "c", "d", "e", "f")


@pytest.mark.parametrize(
    ("said", "back_to", "new"),
    [
        (("a", "b", "c", "d", "e"), 2, ("e",)),
        (("a", "b", "c", "d", "edited"), 2, ("edited",)),
        (("a", "b", "c", "d", "e", "changed", "g"), 2, ("e", "changed", "g")),
        (("a", "b", "c"), 1, ("c",)),
        (("a", "b", "c", "changed", "e"), 1, ("c", "changed", "e")),
        (("a", "b", "g"), 1, ("g",)),
    ],
    ids=["regenerated", "edited", "changed-answer", "truncated", "earlier-answer", "branched"],
)
@pytest.mark.parametrize("spare", [False, True])
def test_a_process_goes_back_to_where_it_and_the_conversation_part(
    said: tuple[str, ...], back_to: int, new: tuple[str, ...], *, spare: bool
) -> None:
    roster = Roster(most=4)
    slot = told(roster, *CHAT)
    if spare:
        roster.add_blank(0)
    placement = place(roster, conversation(*said))
    assert (placement.reuse, placement.slot) == ("rewound", slot)
    assert (placement.plan.back_to, placement.plan.clear) == (back_to, False)
    assert sent(placement) == conversation(*said).turns[-len(new) :]


def test_nothing_is_taken_back_where_the_cli_cannot() -> None:
    roster = Roster(most=4)
    roster.rewinds = False
    told(roster, *CHAT)
    placement = place(roster, conversation("a", "b", "g"))
    assert (placement.reuse, placement.plan) == (
        "recycled",
        Plan(conversation("a", "b", "g").turns, clear=True),
    )


def test_the_process_that_shares_most_is_taken_back() -> None:
    roster = Roster(most=4)
    told(roster, "a", "b", "x", "y")
    best = told(roster, *CHAT)
    told(roster, "a", "b", "z", "y")
    assert place(roster, conversation("a", "b", "c", "d", "g")).slot is best


def test_a_process_that_holds_only_a_beginning_goes_on_from_there() -> None:
    roster = Roster(most=4)
    slot = told(roster, "a", "b")
    placement = place(roster, conversation(*CHAT[:5]))
    assert (placement.reuse, placement.slot, placement.plan.back_to) == ("continued", slot, None)
    assert sent(placement) == conversation(*CHAT[:5]).turns[2:]


def test_a_short_beginning_is_not_worth_a_long_conversation_while_there_is_a_spare() -> None:
    roster = Roster(most=4)
    long = told(roster, *(f"{n}" for n in range(20)))
    blank = roster.add_blank(0)
    said = conversation("0", "1", "x")
    assert place(roster, said).slot is blank
    placement = place(roster, conversation("0", "1", "y"))
    assert (placement.reuse, placement.slot) == ("rewound", long)


def test_branches_that_alternate_get_a_process_each() -> None:
    roster = Roster(most=4)
    told(roster, *CHAT)
    roster.add_blank(0)
    left, right = [*CHAT[:4], "left"], [*CHAT[:4], "right"]
    reuses = []
    for number in range(4):
        for branch in (left, right):
            placement = place(roster, conversation(*branch))
            reuses.append(placement.reuse)
            answered(roster, placement.slot, conversation(*branch), f"answer {number}")
            branch += [f"answer {number}", f"question {number}"]
    assert reuses[-4:] == ["continued"] * 4
    assert "recycled" not in reuses
    assert len(roster.slots) == 2


@pytest.mark.parametrize("how", ["cancelled", "failed", "structured", "too long"])
def test_a_turn_that_went_wrong_spoils_nothing_before_it(how: str) -> None:
    roster = Roster(most=4)
    slot = told(roster, *CHAT[:4])
    said = conversation(*CHAT[:5])
    place(roster, said)
    if how in ("cancelled", "failed"):
        if how == "cancelled":
            roster.interrupted(slot, 0)
        roster.idle(slot, 0, clean=False, marks=3)
        next_one, new = said, said.turns[-1:]
    else:
        answered(roster, slot, said, "f", clean=False)
        next_one = conversation(*CHAT, "g")
        new = next_one.turns[-3:]
    placement = place(roster, next_one)
    assert (placement.reuse, placement.slot, placement.plan.back_to) == ("rewound", slot, 2)
    assert sent(placement) == new


def test_lines_that_the_process_never_got_are_no_marks() -> None:
    roster = Roster(most=4)
    slot = place(roster, conversation(*CHAT[:5])).slot
    # It was interrupted after its first line.
    roster.interrupted(slot, 0)
    roster.idle(slot, 0, clean=False, marks=1)
    assert slot.marks == [conversation("a").profile_key]


def test_conversations_that_go_on_do_not_take_each_others_process() -> None:
    roster = Roster(most=4)
    told(roster, "a", "b", "c", "d")
    spare = roster.add_blank(1)
    assert place(roster, conversation("x")).slot is spare
    assert place(roster, conversation("a", "b", "c", "d", "e")).reuse == "continued"


@pytest.mark.parametrize("rewinds", [True, False])
def test_without_a_spare_a_continued_conversation_is_recycled(*, rewinds: bool) -> None:
    roster = Roster(most=4)
    roster.rewinds = rewinds
    slot = told(roster, "a", "b", "c", "d")
    placement = place(roster, conversation("x"))
    assert (placement.slot, placement.reuse) == (slot, "recycled")
    assert placement.plan.clear is not rewinds
    assert placement.plan.back_to == (0 if rewinds else None)


def test_another_system_prompt_takes_the_spare() -> None:
    roster = Roster(most=4)
    told(roster, "a", "b")
    spare = roster.add_blank(1)
    assert place(roster, conversation("a", system="T")).slot is spare


def test_a_process_that_is_about_to_be_idle_is_waited_for() -> None:
    roster = Roster(most=4)
    first = place(roster, conversation("a"))
    roster.add_blank(0)
    roster.answered(first.slot, 0, conversation("a"), assistant("b"))
    assert roster.place(conversation("a", "b", "c"), 1) is None
    roster.idle(first.slot, 1, clean=True, marks=1)
    assert place(roster, conversation("a", "b", "c")).reuse == "continued"


def test_a_process_that_is_interrupted_is_waited_for_if_it_holds_most() -> None:
    roster = Roster(most=4)
    slot = told(roster, *CHAT[:4])
    said = conversation(*CHAT[:5])
    place(roster, said)
    roster.add_blank(0)
    roster.interrupted(slot, 0)
    assert roster.place(said, 1) is None
    roster.idle(slot, 1, clean=False, marks=3)
    assert place(roster, said).reuse == "rewound"


def test_the_process_of_a_conversation_is_waited_for_though_others_are_idle() -> None:
    roster = Roster(most=4)
    first = place(roster, conversation("a"))
    blank = roster.add_blank(0)
    roster.initializing(blank, 0)
    roster.ready(blank, Profile("S"), 0)
    roster.answered(first.slot, 0, conversation("a"), assistant("b"))
    assert roster.place(conversation("a", "b", "c"), 1) is None
    assert place(roster, conversation("x")).reuse == "claimed"


def test_a_process_that_was_never_used_needs_no_clearing() -> None:
    roster = Roster(most=4)
    slot = roster.add_blank(0)
    roster.initializing(slot, 0)
    roster.ready(slot, Profile("S"), 0)
    placement = place(roster, conversation("a", "b", "c"))
    assert (placement.slot, placement.reuse) == (slot, "recycled")
    assert placement.plan == Plan(conversation("a", "b", "c").turns)


def test_without_recycling_a_used_process_serves_only_its_own_conversation() -> None:
    roster = Roster(most=4, recycling=False)
    told(roster, "a", "b")
    assert place(roster, conversation("x")).reuse == "spawned"
    placement = place(roster, conversation("a", "b", "c"))
    assert placement.reuse == "continued"
    answered(roster, placement.slot, conversation("a", "b", "c"), "d")
    placement = place(roster, conversation("a", "b", "c"))
    # It may not be cleared if it cannot be taken back.
    assert (placement.reuse, placement.plan.whole) == ("rewound", False)


CALL = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}


def test_a_process_that_sent_blocks_of_the_apis_tools_serves_no_other_conversation() -> None:
    roster = Roster(most=4)
    said = conversation("a")
    slot = place(roster, said).slot
    answer = Turn("assistant", (text_block("b"), untold(CALL)))
    roster.answered(slot, 0, said, answer)
    roster.idle(slot, 0, clean=True, marks=1)
    # The API has not got them back yet.
    assert (slot.searched, slot.worn) == (True, False)
    said = conversation("a", "b", "c")
    placement = place(roster, said)
    assert (placement.reuse, placement.slot, slot.worn) == ("continued", slot, True)
    answered(roster, slot, said, "d")
    assert roster.preparation(slot) is None
    # It is neither emptied nor taken back further than to its newest question.
    assert place(roster, conversation("x")).reuse == "spawned"
    assert place(roster, conversation("a", "other", "c")).reuse == "spawned"
    assert place(roster, conversation("a", "b", "other")).slot is slot


def test_a_process_that_only_searched_is_emptied_as_others_are() -> None:
    roster = Roster(most=1)
    said = conversation("a")
    slot = place(roster, said).slot
    roster.answered(slot, 0, said, Turn("assistant", (text_block("b"), CALL)))
    roster.idle(slot, 0, clean=True, marks=1)
    placement = place(roster, conversation("x"))
    assert (placement.reuse, slot.searched, slot.worn) == ("recycled", False, False)


def test_a_replayed_history_with_such_blocks_wears_a_process_too() -> None:
    roster = Roster(most=1)
    turns = (user("a"), Turn("assistant", (CALL, text_block("b"))), user("c"))
    slot = place(roster, Conversation(Profile("S"), turns, LIMITS)).slot
    assert slot.worn


def test_the_least_recently_used_makes_room_and_the_busy_are_left_alone() -> None:
    roster = Roster(most=2)
    slots = [place(roster, conversation("a", system=name)).slot for name in "AB"]
    assert roster.place(conversation("a", system="C"), 0) is None
    answered(roster, slots[1], conversation("a", system="B"), "b", now=1)
    answered(roster, slots[0], conversation("a", system="A"), "b", now=2)
    placement = place(roster, conversation("a", system="C"), now=3)
    assert placement.evicted is slots[1]
    assert placement.slot not in slots


@pytest.mark.parametrize("rewinds", [True, False])
def test_one_shots_are_emptied_in_advance(*, rewinds: bool) -> None:
    roster = Roster(most=4)
    roster.rewinds = rewinds
    slot = told(roster, "a", "b")
    assert roster.preparation(slot) is None
    assert place(roster, conversation("x")).reuse == "recycled"
    answered(roster, slot, conversation("x"), "y")
    plan = roster.preparation(slot)
    assert plan == (Plan(back_to=0) if rewinds else Plan(clear=True))
    assert roster.profile_needing_spare(since=0) == Profile("S")
    assert roster.profile_needing_spare(since=0.1) is None
    roster.preparing(slot, plan, 0)
    assert roster.place(conversation("z"), 0) is None
    roster.prepared(slot, 0, clean=True, marks=0)
    assert roster.preparation(slot) is None
    placement = place(roster, conversation("z"))
    assert (placement.slot, placement.reuse) == (slot, "recycled")
    assert placement.plan == Plan((user("z"),))


def test_a_conversation_that_goes_on_is_kept() -> None:
    roster = Roster(most=4)
    slot = told(roster, "a", "b")
    told(roster, "x", "y")
    told(roster, "x", "y", "z", "!")
    assert roster.preparation(slot) is None
    assert roster.profile_needing_spare(since=0) is None


def test_tokens_are_counted_by_an_empty_process() -> None:
    roster = Roster(most=4)
    said = conversation(*CHAT[:5])
    assert roster.place_count(said, 0) is None
    slot = told(roster, "a", "b")
    # After an answer the CLI would estimate, and another conversation would be lost.
    assert roster.place_count(said, 0) is None
    roster.preparing(slot, Plan(back_to=0), 0)
    roster.prepared(slot, 0, clean=True, marks=0)
    other = attrs.evolve(said, limits=Limits("opus"))
    assert roster.place_count(other, 0) is None
    assert roster.place_count(said, 1) == (slot, Plan(said.turns, whole=False))
    # It is empty again then.
    roster.prepared(slot, 3, clean=True, marks=0)
    assert place(roster, said).plan == Plan(said.turns)


@pytest.mark.parametrize("texts", [CHAT[:3], ("a", "b", "x")])
def test_a_conversation_with_another_model_begins_anew(texts: tuple[str, ...]) -> None:
    roster = Roster(most=4)
    slot = told(roster, "a", "b")
    slot = told(roster, *CHAT[:4])
    said = attrs.evolve(conversation(*texts), limits=Limits("opus"))
    placement = place(roster, said)
    # The CLI would note a change of the model in what it remembers.
    assert (placement.slot, placement.reuse) == (slot, "recycled")
    assert placement.plan == Plan(said.turns, back_to=0)


class Process:
    """What a CLI process remembers; it can go back to the plain lines of the user."""

    def __init__(self) -> None:
        self.lines: list[Turn] = []
        self.outbox = Outbox()
        self.replay = Replay(self.outbox)
        self.answers = 0

    @property
    def marks(self) -> list[int]:
        return [place for place, line in enumerate(self.lines) if is_mark(line)]

    def follow(self, plan: Plan, *, refuses: bool = False, asked: bool = False) -> bool:
        """Carry out a plan; False if the process cannot be used for it."""
        new = self.written(plan.new, own=plan.own, asked=asked)
        if plan.back_to is not None and not refuses:
            del self.lines[self.marks[plan.back_to] :]
        elif plan.back_to is not None:
            self.lines = list(plan.lines) if plan.whole else [user("unknown")]
            return plan.whole
        if plan.clear:
            self.lines.clear()
        self.lines += new
        return True

    def written(self, lines: Sequence[Turn], *, own: bool, asked: bool) -> list[Turn]:
        """The lines that the process gets. asked: it is to answer the last one."""
        self.replay.load(lines, own=own)
        while (line := self.replay.next_user_line()) is not None:
            send = self.replay.question if asked and self.replay.done else self.replay.history
            send(line)
        told = [json.loads(line)["message"] for line in self.outbox.take().splitlines()]
        return [
            Turn(message["role"], tuple(renamed(block, "") for block in message["content"]))
            for message in told
        ]

    def say(self, answer: Turn) -> None:
        """The model answers."""
        self.answers += 1
        content = [renamed(block, PREFIX) for block in answer.blocks]
        message = {"id": f"msg_{self.answers}", "model": "claude-m", "content": content}
        self.replay.hear({"type": "assistant", "message": message})
        self.lines.append(answer)


def renamed(block: Block, prefix: str) -> Block:
    """A block with another prefix of the name of its tool."""
    if block["type"] != "tool_use":
        return block
    return {**block, "name": prefix + block["name"].removeprefix(PREFIX)}


class Pool(RuleBasedStateMachine):
    """Random conversations on a roster, with processes that remember as the CLI does."""

    @initialize(
        most=st.integers(1, 5),
        recycling=st.booleans(),
        rewinds=st.sampled_from([True, True, False]),
    )
    def start(self, most: int, recycling: bool, rewinds: bool) -> None:
        self.roster = Roster(most, recycling)
        self.can_rewind = rewinds
        self.now = 0.0
        self.processes: dict[Slot, Process] = {}
        self.profiles: dict[Slot, Profile] = {}
        self.models: dict[Slot, str] = {}
        self.running: dict[Slot, Conversation] = {}
        self.ending: dict[Slot, bool] = {}
        self.preparing: dict[Slot, tuple[Plan, bool]] = {}
        self.parked: list[Slot] = []
        # Everything that any client was ever told, to go on from, edit or branch.
        self.known: list[Conversation] = []
        self.counter = 0

    def text(self) -> str:
        # Often the same, so that conversations resemble each other.
        self.counter += 1
        return f"t{self.counter % 3}"

    def following(self, data: st.DataObject, before: Conversation) -> list[Turn]:
        """What a client sends after it was told the end of a conversation."""
        turns = list(before.turns)
        how = data.draw(
            st.sampled_from(
                ["go on", "go on", "edit", "cut", "again", "rewrite", "move", "respell"]
            )
        )
        if how == "edit":
            turns[data.draw(st.integers(0, len(turns) - 1)) // 2 * 2] = user("edited")
        if how == "cut":
            turns = turns[: data.draw(st.integers(1, len(turns) // 2)) * 2]
        if how == "again":
            return turns[:-1]
        if how == "rewrite":
            turns[-1] = assistant("rewritten")
        if how == "respell":
            turns = [respelled(turn) for turn in turns]
        if how == "move" and not is_results(turns[-2]) and has_results(turns[-2]):
            # The words beside the results stood at the end of the request only.
            turns[-2] = Turn("user", turns[-2].blocks[:1])
        calls = called_in(turns[-1:])
        results = tuple(result(call) for call in calls)
        words = (text_block(self.text()),)
        alone = bool(calls) and bool(data.draw(st.booleans()))
        return [*turns, Turn("user", results if alone else (*results, *words))]

    @rule(
        data=st.data(),
        system=st.sampled_from(["S", "S", "S", "T"]),
        spawn=st.sampled_from([True, True, True, False]),
        model=st.sampled_from(["sonnet", "sonnet", "sonnet", "opus"]),
    )
    def ask(self, data: st.DataObject, system: str, spawn: bool, model: str) -> None:
        said = Conversation(Profile(system), (user(self.text()),), LIMITS)
        if self.known and data.draw(st.sampled_from([True, True, True, False])):
            before = data.draw(st.sampled_from(self.known[-8:]))
            said = attrs.evolve(before, turns=tuple(self.following(data, before)))
        said = attrs.evolve(said, limits=Limits(model))
        self.now += 1
        if slot := self.roster.unresumable(said):
            self.interrupt(slot)
        placement = self.roster.place(said, self.now, may_spawn=spawn)
        if placement is None:
            # It waits for a process that will be idle, or for room, or it may not start one.
            assert not spawn or self.running or self.ending or self.preparing or self.parked
            return
        slot = placement.slot
        if placement.evicted is not None:
            self.forget(placement.evicted)
        assert self.profiles.setdefault(slot, said.profile) == said.profile
        process = self.processes.setdefault(slot, Process())
        if placement.reuse == "resumed":
            self.parked.remove(slot)
            process.lines += placement.plan.new
        else:
            refuses = self.refuses(data)
            if refuses and placement.plan.back_to is not None:
                self.roster.rewinds = False
            if not process.follow(placement.plan, refuses=refuses, asked=True):
                self.die(slot)
                return
        # The CLI notes a change of the model in what it remembers.
        assert self.models.get(slot, model) == model or not placement.plan.held
        self.models[slot] = model
        # This is what reaches the API.
        assert spoken(process.lines) == spoken(said.lines)
        self.running[slot] = said

    def refuses(self, data: st.DataObject) -> bool:
        return not self.can_rewind or data.draw(st.integers(0, 9)) == 0

    @precondition(lambda self: self.running)
    @rule(
        data=st.data(),
        how=st.sampled_from(["whole", "calls", "calls", "cut", "cancelled", "error", "died"]),
    )
    def end(self, data: st.DataObject, how: str) -> None:
        slot = data.draw(st.sampled_from(list(self.running)))
        said, process = self.running.pop(slot), self.processes[slot]
        self.now += 1
        if how == "died":
            self.die(slot)
            return
        answer = called(self.counter) if how == "calls" else assistant(self.text())
        if how in ("whole", "calls", "cut"):
            self.known.append(attrs.evolve(said, turns=(*said.turns, answer)))
        if how == "calls":
            process.say(answer)
            self.roster.parked(slot, self.now, said, answer)
            self.parked.append(slot)
            if self.roster.preparation(slot):
                self.interrupt(slot)
            return
        # White space at the ends may be lost on the way to the client and back.
        noted = assistant(f" {spoken([answer])[0][1]}\n") if how == "whole" else assistant("no")
        process.say(noted)
        if how in ("whole", "cut"):
            self.roster.answered(slot, self.now, said, answer)
        elif how == "cancelled":
            self.roster.interrupted(slot, self.now)
        self.ending[slot] = how == "whole"

    def interrupt(self, slot: Slot) -> None:
        self.parked.remove(slot)
        self.processes[slot].lines.append(user("interrupted"))
        self.roster.interrupted(slot, self.now)
        self.ending[slot] = False

    @precondition(lambda self: self.parked)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        self.interrupt(data.draw(st.sampled_from(self.parked)))

    @precondition(lambda self: self.ending)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(list(self.ending)))
        clean = self.ending.pop(slot)
        # Of the CLI's own notes the proxy knows nothing.
        self.roster.idle(slot, self.now, clean=clean, marks=len(slot.marks))
        self.prepare(data, slot)

    def prepare(self, data: st.DataObject, slot: Slot) -> None:
        if plan := self.roster.preparation(slot):
            self.roster.preparing(slot, plan, self.now)
            self.preparing[slot] = plan, self.refuses(data)

    @precondition(lambda self: self.preparing)
    @rule(data=st.data())
    def prepared(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(list(self.preparing)))
        plan, refuses = self.preparing.pop(slot)
        if refuses and plan.back_to is not None:
            self.roster.rewinds = False
        clean = self.processes[slot].follow(plan, refuses=refuses)
        marks = len(slot.marks) if clean else 0
        self.roster.prepared(slot, self.now, clean=clean, marks=marks)
        self.prepare(data, slot)

    @rule(data=st.data())
    def all_settle(self, data: st.DataObject) -> None:
        while self.running:
            self.end(data, data.draw(st.sampled_from(["whole", "calls", "cut"])))
        while self.ending:
            self.settle(data)
        while self.preparing:
            self.prepared(data)

    @rule()
    def spare(self) -> None:
        if len(self.roster.slots) < self.roster.most:
            self.roster.add_blank(self.now)

    def die(self, slot: Slot) -> None:
        self.roster.remove(slot)
        self.forget(slot)

    def forget(self, slot: Slot) -> None:
        assert slot not in self.running
        self.processes.pop(slot, None)
        self.profiles.pop(slot, None)
        self.models.pop(slot, None)

    @invariant()
    def there_are_never_too_many(self) -> None:
        if hasattr(self, "roster"):
            assert len(self.roster.slots) <= self.roster.most
            for activity, slots in (
                (Activity.BUSY, self.running),
                (Activity.ENDING, self.ending),
                (Activity.PREPARING, self.preparing),
                (Activity.PARKED, self.parked),
            ):
                # A turn that failed is still busy.
                assert self.roster.count(activity) <= len(slots) + len(self.ending)

    @invariant()
    def what_is_known_of_an_idle_process_is_true(self) -> None:
        for slot in self.roster.slots if hasattr(self, "roster") else ():
            if slot.activity is Activity.IDLE and slot.history_key is not None:
                key = profile_key(slot.profile or Profile())
                said: tuple[str, ...] = ()
                for line in self.processes[slot].lines:
                    key = next_key(key, line, said)
                    said = called_in((line,)) if line.role == "assistant" else said
                assert slot.history_key == key


def result(call: str) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call, "content": "r"}


def respelled(turn: Turn) -> Turn:
    """A turn as a client sends it that changes the ids of calls."""
    return Turn(
        turn.role,
        tuple(
            {
                name: f"{value}x" if name in ("id", "tool_use_id") else value
                for name, value in block.items()
            }
            for block in turn.blocks
        ),
    )


def called(number: int) -> Turn:
    call = {"type": "tool_use", "id": f"toolu_{number}", "name": "add", "input": {"n": number % 2}}
    return Turn("assistant", (call,))


def spoken(lines: Sequence[Turn]) -> list[tuple[str, str]]:
    """The texts of lines, and which calls and results there are."""
    told: list[tuple[str, str]] = []
    called: tuple[str, ...] = ()
    for line in lines:
        told.append((line.role, "".join(_spoken(block, called) for block in line.blocks)))
        if line.role == "assistant":
            called = called_in((line,))
    return told


def _spoken(block: Block, called: tuple[str, ...]) -> str:
    if block["type"] == "text":
        return str(block["text"].strip())
    if block["type"] == "tool_result":
        # The CLI leaves out a result whose id is not that of a call.
        return f"<result {called.index(block['tool_use_id'])}>"
    return f"<{block['type']} {block['input']}>"


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=400, stateful_step_count=50, deadline=None)
