"""Random agents on a roster: whatever they do, the API gets their conversations.

The agents have habits, so that processes are made ready for them; and they share conversations, so
that a process is used for one that another process has answered. To repeat a walk, use its seed.
"""

from __future__ import annotations

import random

import attrs
import pytest

from claudeproxy.cli.plan import Plan
from claudeproxy.conversation import (
    Block,
    Conversation,
    Limits,
    Profile,
    Turn,
    called_in,
    text_block,
)
from claudeproxy.pool.roster import Roster
from claudeproxy.pool.slot import Activity, Slot

from .test_roster import Process, assistant, respelled, result, spoken, user


@attrs.define
class Walk:
    """A roster, its processes, and the conversations of the agents.

    words, notes, rewrites, respells: how often an agent adds words to its results, adds a note to
    a request only, rewrites an answer, spells ids otherwise.
    """

    chance: random.Random
    words: float
    notes: float
    rewrites: float
    respells: float
    roster: Roster = attrs.field(init=False)
    processes: dict[Slot, Process] = attrs.field(init=False, factory=dict)
    known: list[tuple[Turn, ...]] = attrs.field(init=False, factory=list)
    story: list[str] = attrs.field(init=False, factory=list)
    calls: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.roster = Roster(self.chance.randint(1, 4))

    def happens(self, often: float) -> bool:
        return self.chance.random() < often

    def step(self) -> None:
        """One request and its answer."""
        chance = self.chance
        kept = self.next_turns()
        newest = kept[-1]
        if self.happens(self.notes):
            newest = Turn("user", (*newest.blocks, text_block(f"note {chance.randrange(3)}")))
        model = "opus" if self.happens(0.03) else "sonnet"
        limits = Limits(model, effort=chance.choice(("low", "low", None)))
        said = Conversation(Profile("S"), (*kept[:-1], newest), limits)
        slot = self.placed(said)
        # Often the same answer to the same conversation, but for the ids of calls.
        same = random.Random(str(spoken(said.lines)))
        answer = self.answer(same if self.happens(0.8) else chance)
        self.story.append(f"answered {spoken([answer])}")
        if called_in((answer,)):
            self.roster.parked(slot, 0, said, answer)
            self.processes[slot].say(answer)
            if self.roster.preparation(slot) is not None:
                self.interrupt(slot)
        elif self.happens(0.1):
            self.processes[slot].lines.append(user("interrupted"))
            self.roster.interrupted(slot, 0)
            self.settle(slot, clean=False)
        else:
            # After a structured answer, for example, the process remembers something else.
            clean = self.happens(0.9)
            self.processes[slot].say(answer if clean else assistant("something else"))
            self.roster.answered(slot, 0, said, answer)
            self.settle(slot, clean=clean)
        self.known.append((*(said.turns if self.happens(0.1) else kept), answer))

    def next_turns(self) -> tuple[Turn, ...]:
        """A conversation that goes on, branches or begins; the last turn is the user's."""
        chance = self.chance
        if not self.known or self.happens(0.1):
            return (user(f"t{chance.randrange(3)}"),)
        turns = chance.choice(self.known[-chance.choice((1, 3, len(self.known))) :])
        if self.happens(0.1):
            turns = turns[: 2 * chance.randint(1, len(turns) // 2)]
        if self.happens(0.15):
            return turns[:-1]
        if self.happens(self.rewrites):
            calls = tuple(block for block in turns[-1].blocks if block["type"] == "tool_use")
            turns = (*turns[:-1], Turn("assistant", (text_block("rewritten"), *calls)))
        if self.happens(self.respells):
            turns = (*turns[:-1], respelled(turns[-1]))
        results = [result(call) for call in called_in(turns[-1:])]
        chance.shuffle(results)
        blocks: list[Block] = [*results]
        if not blocks or self.happens(self.words):
            blocks.append(text_block(f"t{chance.randrange(3)}"))
        return (*turns, Turn("user", tuple(blocks)))

    def answer(self, chance: random.Random) -> Turn:
        text = (text_block(f"a{chance.randrange(2)}"),) if chance.random() < 0.8 else ()
        calls: list[Block] = []
        for _ in range(chance.choice((0, 1, 1, 2)) if text else 1):
            self.calls += 1
            inputs = {"n": chance.randrange(2)}
            call = {"type": "tool_use", "id": f"toolu_{self.calls}", "name": "add", "input": inputs}
            calls.append(call)
        return Turn("assistant", (*text, *calls))

    def placed(self, said: Conversation) -> Slot:
        """The slot that the conversation gets; its process then has the conversation alone."""
        roster = self.roster
        if slot := roster.unresumable(said):
            self.interrupt(slot)
        while (placement := roster.place(said, 0)) is None:
            slot = self.chance.choice([s for s in roster.slots if s.activity is Activity.PARKED])
            self.interrupt(slot)
        slot = placement.slot
        if placement.evicted is not None:
            del self.processes[placement.evicted]
        process = self.processes.setdefault(slot, Process())
        self.story.append(f"{placement.reuse}: {spoken(said.lines)}")
        if placement.reuse == "resumed":
            process.lines += placement.plan.new
        else:
            assert process.follow(placement.plan, asked=True)
        assert spoken(process.lines) == spoken(said.lines)
        return slot

    def interrupt(self, slot: Slot) -> None:
        self.processes[slot].lines.append(user("interrupted"))
        self.roster.interrupted(slot, 0)
        self.settle(slot, clean=False)

    def settle(self, slot: Slot, *, clean: bool) -> None:
        roster = self.roster
        roster.idle(slot, 0, clean=clean, marks=len(slot.marks))
        while (plan := roster.preparation(slot)) is not None:
            self.prepare(slot, plan)

    def prepare(self, slot: Slot, plan: Plan) -> None:
        self.story.append(f"prepared: {spoken(plan.new)}")
        self.roster.preparing(slot, plan, 0)
        assert self.processes[slot].follow(plan)
        self.roster.prepared(slot, 0, clean=True, marks=len(slot.marks))


@pytest.mark.parametrize("seed", range(150))
def test_the_api_gets_what_agents_say(seed: int) -> None:
    chance = random.Random(seed)
    often = [chance.choice((0, 0, 0.3, 1)) for _ in range(4)]
    walk = Walk(chance, *often)
    try:
        for _ in range(40):
            walk.step()
    except Exception as error:
        raise AssertionError("\n".join([*walk.story, repr(error)])) from error
