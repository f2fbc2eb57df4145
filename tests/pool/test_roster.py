"""The pool's decisions, played against processes that remember like the CLI does.

Whatever conversations come, in whatever order, each is answered from exactly its own turns.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from claudeproxy.conversation import Conversation, Limits, Profile, Turn, text_block
from claudeproxy.pool.roster import Activity, Placement, Roster, Slot


LIMITS = Limits("sonnet")


def user(text: str) -> Turn:
    return Turn("user", (text_block(text),))


def assistant(text: str) -> Turn:
    return Turn("assistant", (text_block(text),))


def conversation(*texts: str, system: str = "S") -> Conversation:
    turns = [(user, assistant)[index % 2](text) for index, text in enumerate(texts)]
    return Conversation(Profile(system), tuple(turns), LIMITS)


def answered(roster: Roster, slot: Slot, said: Conversation, answer: str, now: float = 0) -> None:
    roster.finishing(slot, said.key_with(assistant(answer)))
    roster.idle(slot, now, clean=True)


def place(roster: Roster, said: Conversation, now: float = 0) -> Placement:
    placement = roster.place(said, now)
    assert placement is not None
    return placement


def test_the_next_turn_goes_to_the_process_that_holds_the_others_alone() -> None:
    roster = Roster(most=4)
    first = place(roster, conversation("a"))
    assert (first.reuse, first.turns) == ("spawned", (user("a"),))
    answered(roster, first.slot, conversation("a"), " b\n")
    second = place(roster, conversation("a", "b", "c"))
    assert (second.reuse, second.slot, second.clear) == ("continued", first.slot, False)
    assert second.turns == (user("c"),)


def test_a_retried_conversation_gets_a_new_process() -> None:
    roster = Roster(most=2)
    first = place(roster, conversation("a"))
    answered(roster, first.slot, conversation("a"), "b")
    roster.add_blank(0)
    # Neither the process that holds the conversation nor the spare: they may be gone as well.
    retried = roster.place(conversation("a", "b", "c"), 0, new_process=True)
    assert retried is not None
    assert (retried.reuse, retried.turns) == ("spawned", conversation("a", "b", "c").turns)
    assert retried.evicted is first.slot
    # Until there is room it waits.
    assert roster.place(conversation("d"), 0, new_process=True) is None


def test_an_edited_answer_is_replayed() -> None:
    roster = Roster(most=4)
    first = place(roster, conversation("a"))
    answered(roster, first.slot, conversation("a"), "b")
    second = place(roster, conversation("a", "edited", "c"))
    assert (second.reuse, second.clear) == ("recycled", True)
    assert second.turns == conversation("a", "edited", "c").turns


def test_conversations_that_go_on_do_not_take_each_others_process() -> None:
    roster = Roster(most=4)
    first = place(roster, conversation("a", "b", "c"))
    answered(roster, first.slot, conversation("a", "b", "c"), "d")
    spare = roster.add_blank(1)
    assert place(roster, conversation("x")).slot is spare
    assert place(roster, conversation("a", "b", "c", "d", "e")).reuse == "continued"


def test_without_a_spare_a_continued_conversation_is_recycled() -> None:
    roster = Roster(most=4)
    first = place(roster, conversation("a", "b", "c"))
    answered(roster, first.slot, conversation("a", "b", "c"), "d")
    placement = place(roster, conversation("x"))
    assert (placement.slot, placement.reuse, placement.clear) == (first.slot, "recycled", True)


def test_another_system_prompt_takes_the_spare() -> None:
    roster = Roster(most=4)
    first = place(roster, conversation("a"))
    answered(roster, first.slot, conversation("a"), "b")
    spare = roster.add_blank(1)
    assert place(roster, conversation("a", system="T")).slot is spare


def test_a_process_that_is_about_to_be_idle_is_waited_for() -> None:
    roster = Roster(most=4)
    first = place(roster, conversation("a"))
    roster.add_blank(0)
    roster.finishing(first.slot, conversation("a").key_with(assistant("b")))
    assert roster.place(conversation("a", "b", "c"), 1) is None
    roster.idle(first.slot, 1, clean=True)
    assert place(roster, conversation("a", "b", "c")).reuse == "continued"


def test_the_process_of_a_conversation_is_waited_for_though_others_are_idle() -> None:
    roster = Roster(most=4)
    first = place(roster, conversation("a"))
    roster.prepared(roster.add_blank(0), Profile("S"), 0)
    roster.finishing(first.slot, conversation("a").key_with(assistant("b")))
    assert roster.place(conversation("a", "b", "c"), 1) is None
    assert place(roster, conversation("x")).reuse == "claimed"


def test_a_spoilt_process_is_never_continued() -> None:
    roster = Roster(most=4)
    first = place(roster, conversation("a"))
    roster.finishing(first.slot, conversation("a").key_with(assistant("b")))
    roster.idle(first.slot, 0, clean=False)
    second = place(roster, conversation("a", "b", "c"))
    assert (second.reuse, second.clear) == ("recycled", True)


def test_a_process_that_was_never_used_needs_no_clearing() -> None:
    roster = Roster(most=4)
    slot = roster.add_blank(0)
    roster.prepared(slot, Profile("S"), 0)
    placement = place(roster, conversation("a", "b", "c"))
    assert (placement.slot, placement.reuse, placement.clear) == (slot, "recycled", False)


def test_without_recycling_a_used_process_serves_only_its_own_conversation() -> None:
    roster = Roster(most=4, recycling=False)
    first = place(roster, conversation("a"))
    answered(roster, first.slot, conversation("a"), "b")
    assert place(roster, conversation("x")).reuse == "spawned"
    assert place(roster, conversation("a", "b", "c")).reuse == "continued"


def test_the_least_recently_used_makes_room_and_the_busy_are_left_alone() -> None:
    roster = Roster(most=2)
    slots = [place(roster, conversation("a", system=name)).slot for name in "AB"]
    assert roster.place(conversation("a", system="C"), 0) is None
    answered(roster, slots[1], conversation("a", system="B"), "b", now=1)
    answered(roster, slots[0], conversation("a", system="A"), "b", now=2)
    placement = place(roster, conversation("a", system="C"), now=3)
    assert placement.evicted is slots[1]
    assert placement.slot not in slots


def test_one_shots_are_cleared_in_advance() -> None:
    roster = Roster(most=4)
    slot = place(roster, conversation("a")).slot
    answered(roster, slot, conversation("a"), "b")
    assert not roster.should_clear(slot)
    assert place(roster, conversation("x")).reuse == "recycled"
    answered(roster, slot, conversation("x"), "y")
    assert roster.should_clear(slot)
    assert roster.profile_needing_spare() == Profile("S")
    roster.clearing(slot, 0)
    assert roster.place(conversation("z"), 0) is None
    roster.cleared(slot, 0)
    placement = place(roster, conversation("z"))
    assert (placement.slot, placement.reuse, placement.clear) == (slot, "recycled", False)


def test_a_conversation_that_goes_on_is_kept() -> None:
    roster = Roster(most=4)
    slot = place(roster, conversation("a")).slot
    answered(roster, slot, conversation("a"), "b")
    place(roster, conversation("x"))
    answered(roster, slot, conversation("x"), "y")
    place(roster, conversation("x", "y", "z"))
    answered(roster, slot, conversation("x", "y", "z"), "!")
    assert not roster.should_clear(slot)
    assert roster.profile_needing_spare() is None


class Pool(RuleBasedStateMachine):
    """Random conversations on a roster, with processes that are lists of turns."""

    @initialize(most=st.integers(1, 4), recycling=st.booleans())
    def start(self, most: int, recycling: bool) -> None:
        self.roster = Roster(most, recycling)
        self.now = 0.0
        self.memory: dict[Slot, list[Turn]] = {}
        self.profiles: dict[Slot, Profile] = {}
        self.running: dict[Slot, Conversation] = {}
        self.clearing: list[Slot] = []
        # Everything that any client was ever told, to go on from, edit or branch.
        self.known: list[Conversation] = []
        self.counter = 0

    def text(self) -> str:
        # Often the same, so that conversations resemble each other.
        self.counter += 1
        return f"t{self.counter % 3}"

    @rule(
        data=st.data(),
        system=st.sampled_from(["", "S", "T"]),
        spawn=st.booleans(),
        how=st.sampled_from(["new", "go on", "edit", "truncate"]),
    )
    def ask(self, data: st.DataObject, system: str, spawn: bool, how: str) -> None:
        said = Conversation(Profile(system), (user(self.text()),), LIMITS)
        if how != "new" and self.known:
            before = data.draw(st.sampled_from(self.known))
            turns = list(before.turns)
            if how == "edit":
                turns[data.draw(st.integers(0, len(turns) - 1)) // 2 * 2] = user("edited")
            if how == "truncate":
                turns = turns[: data.draw(st.integers(0, len(turns) // 2)) * 2]
            said = Conversation(before.profile, (*turns, user(self.text())), LIMITS)
        self.now += 1
        placement = self.roster.place(said, self.now, may_spawn=spawn)
        if placement is None:
            return
        slot = placement.slot
        assert slot not in self.running
        if placement.evicted is not None:
            assert placement.evicted not in self.running
            self.forget(placement.evicted)
        assert self.profiles.setdefault(slot, said.profile) == said.profile
        if placement.clear:
            self.memory[slot] = []
        held = self.memory.setdefault(slot, [])
        held.extend(placement.turns)
        # This is what reaches the API.
        assert [(turn.role, spoken(turn)) for turn in held] == [
            (turn.role, spoken(turn)) for turn in said.turns
        ]
        self.running[slot] = said

    @precondition(lambda self: self.running)
    @rule(data=st.data(), how=st.sampled_from(["whole", "cut", "cancelled", "api error", "died"]))
    def end(self, data: st.DataObject, how: str) -> None:
        slot = data.draw(st.sampled_from(list(self.running)))
        said = self.running.pop(slot)
        self.now += 1
        if how == "died":
            self.roster.remove(slot)
            self.forget(slot)
            return
        answer = assistant(self.text())
        if how == "whole":
            # White space at the ends may be lost on the way to the client and back.
            self.memory[slot].append(assistant(f" {spoken(answer)}\n"))
            self.known.append(Conversation(said.profile, (*said.turns, answer), LIMITS))
            self.roster.finishing(slot, said.key_with(answer))
        elif how == "cut":
            self.memory[slot].append(answer)
            self.memory[slot].append(user("a note of the CLI's"))
            self.known.append(Conversation(said.profile, (*said.turns, answer), LIMITS))
            self.roster.finishing(slot, None)
        else:
            self.memory[slot].append(user("interrupted"))
        self.roster.idle(slot, self.now, clean=how == "whole")
        if self.roster.should_clear(slot):
            self.roster.clearing(slot, self.now)
            self.clearing.append(slot)

    @precondition(lambda self: self.clearing)
    @rule()
    def empty(self) -> None:
        slot = self.clearing.pop(0)
        self.memory[slot] = []
        self.roster.cleared(slot, self.now)

    @rule()
    def spare(self) -> None:
        if len(self.roster.slots) < self.roster.most:
            self.roster.add_blank(self.now)

    def forget(self, slot: Slot) -> None:
        self.memory.pop(slot, None)
        self.profiles.pop(slot, None)

    @invariant()
    def there_are_never_too_many(self) -> None:
        if hasattr(self, "roster"):
            assert len(self.roster.slots) <= self.roster.most
            assert self.roster.count(Activity.BUSY) == len(self.running) + len(self.clearing)


def spoken(turn: Turn) -> str:
    return "".join(block["text"] for block in turn.blocks).strip()


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
