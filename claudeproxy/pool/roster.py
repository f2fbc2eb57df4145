"""The decision which worker serves which conversation, without processes or I/O.

Each worker has a Slot here. A conversation gets the first of these that is available:

1. resumed: a parked worker, whose turn waits for exactly the tool results that the client sends;
2. continued: an idle worker that holds a beginning of the conversation and nothing else;
3. rewound: an idle worker that holds more, and is taken back to where the two part;
4. recycled: an idle worker of the same profile that is empty, or whose conversation probably will
   not continue;
5. claimed: a blank spare, whose profile is not fixed yet;
6. rewound: the same as 3, although another conversation may continue on that worker;
7. recycled: any idle worker of the same profile;
8. spawned: a new process; at the maximum number, the least recently used idle one is evicted.

If all are busy, the conversation waits. A conversation never gets a worker that remembers anything
other than the beginning of that conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from ..cli.plan import Plan, is_mark
from ..conversation import Conversation, Profile, Turn, called_in, keys_of, profile_key
from .habits import Habits, told_by
from .overlap import Overlap, keeps_enough, largest, overlap
from .results import answering, can_resume
from .slot import Activity, Happening, Slot


@attrs.frozen
class Placement:
    """The slot of a conversation, and what its process must be sent.

    reuse: how the slot was obtained. evicted: the slot that was removed to make room for it.
    """

    slot: Slot
    reuse: str
    plan: Plan
    evicted: Slot | None = None


@attrs.define
class Roster:
    """Decides which slot a conversation gets, and what its process must forget and be sent.

    most: the maximum number of slots. recycling: whether a process may serve another conversation.
    rewinds: whether the CLI can take a conversation back. one_shots: the profiles whose requests so
    far have been separate conversations of one turn. habits: how the clients of a profile change
    their conversations.
    """

    most: int
    recycling: bool = True
    rewinds: bool = attrs.field(init=False, default=True)
    slots: list[Slot] = attrs.field(init=False, factory=list)
    one_shots: set[bytes] = attrs.field(init=False, factory=set)
    habits: Habits = attrs.field(init=False, factory=Habits)

    # Requests

    def place(
        self,
        conversation: Conversation,
        now: float,
        *,
        may_spawn: bool = True,
        new_process: bool = False,
    ) -> Placement | None:
        """Assign a slot to a conversation, and make it busy; None if the conversation must wait.

        may_spawn: whether a new process may be started for it. new_process: use only a new process:
        the conversation has lost one already, and the cause may have ended all the others.
        """
        if new_process:
            placement = self._spawned(conversation, now)
        else:
            placement = self._resumed(conversation) or self._found(
                conversation, now, may_spawn=may_spawn
            )
        if placement is not None:
            self._occupy(placement, conversation, now)
        return placement

    def _occupy(self, placement: Placement, conversation: Conversation, now: float) -> None:
        slot, plan = placement.slot, placement.plan
        rewound, resumed = placement.reuse == "rewound", placement.reuse == "resumed"
        self.habits.learn(slot, conversation, plan.back_to if rewound else None)
        slot.enter(Happening.PLACED, now)
        slot.profile_key, slot.profile = conversation.profile_key, conversation.profile
        slot.history_key, slot.told, slot.habit, slot.calls = None, None, None, ()
        slot.single_turn = len(conversation.turns) == 1
        slot.remember(conversation.lines, emptied=_empties(plan))
        slot.worn = slot.worn or slot.searched
        if not resumed:
            slot.limits = conversation.limits
            slot.first_key = conversation.keys[1]
            _remember(slot, plan, conversation.keys)

    def _resumed(self, conversation: Conversation) -> Placement | None:
        slot = self._parked_for(conversation)
        if slot is None or not can_resume(slot, conversation):
            return None
        results = answering(slot.calls, conversation, conversation.newest)
        return Placement(slot, "resumed", Plan((results,)))

    def _found(
        self, conversation: Conversation, now: float, *, may_spawn: bool
    ) -> Placement | None:
        profile = conversation.profile_key
        if len(conversation.turns) > 1:
            self.one_shots.discard(profile)
        of_profile = [slot for slot in self._ordered(self.slots) if slot.profile_key == profile]
        idle = [slot for slot in of_profile if slot.activity is Activity.IDLE]
        settling = [slot for slot in of_profile if slot.settling]
        shared = largest(self._overlaps(idle, conversation))
        soon = largest(self._overlaps(settling, conversation))
        if soon is not None and (shared is None or soon.held > shared.held):
            # The client continues at once: its process will be idle within milliseconds.
            return None
        placement = None
        if shared is not None and self._is_good(shared):
            placement = self._shared(conversation, shared)
        placement = placement or self._recycled(conversation, filter(self._is_worthless, idle))
        if placement is None and settling:
            return None
        if placement is None and (blank := self._oldest(Activity.BLANK)):
            placement = Placement(blank, "claimed", Plan(conversation.lines))
        # A spare is better than to take from a conversation, which is better than to start a
        # process.
        if placement is None and shared is not None:
            placement = self._shared(conversation, shared)
        placement = placement or self._recycled(conversation, idle)
        if placement is None and may_spawn:
            placement = self._spawned(conversation, now)
        return placement

    def _overlaps(self, slots: Iterable[Slot], conversation: Conversation) -> Iterable[Overlap]:
        for slot in slots:
            found = overlap(slot, conversation, rewinds=self.rewinds)
            if found is None or (slot.worn and found.lost > 1):
                continue
            same = found.held or _is_same(slot, conversation)
            if same or self.habits.goes_on(slot, conversation):
                yield found

    def _is_good(self, shared: Overlap) -> bool:
        """Whether a slot may be taken while there may be others."""
        return shared.back_to is None or keeps_enough(
            shared, alive=self.habits.branches(shared.slot)
        )

    def _shared(self, conversation: Conversation, shared: Overlap) -> Placement:
        slot, held = shared.slot, shared.held
        reuse = "continued" if shared.back_to is None else "rewound"
        lines = conversation.lines
        if shared.back_to is None and slot.calls:
            # The process was prepared with the calls, and has the CLI's ids for them.
            lines = (*lines[:held], answering(slot.calls, conversation, held), *lines[held + 1 :])
        return Placement(slot, reuse, Plan(lines, held, shared.back_to, whole=self.recycling))

    def _is_worthless(self, slot: Slot) -> bool:
        """Whether the conversation of an idle slot will probably not continue."""
        unusable = slot.history_key is None and not (self.rewinds and len(slot.marks) > 1)
        return slot.empty or slot.single_turn or unusable

    def _recycled(self, conversation: Conversation, idle: Iterable[Slot]) -> Placement | None:
        profile = conversation.profile_key
        # First a process without a conversation, then one with an unusable history, then the least
        # recently used one.
        worth = {profile: 0, None: 1}
        slots = [slot for slot in idle if slot.empty or (self.recycling and not slot.worn)]
        if not slots:
            return None
        slot = min(slots, key=lambda slot: worth.get(slot.history_key, 2))
        if slot.empty:
            reuse = "recycled" if slot.turns or len(conversation.turns) > 1 else "claimed"
            return Placement(slot, reuse, Plan(conversation.lines))
        if slot.single_turn and slot.told is not None:
            self.one_shots.add(profile)
        return Placement(
            slot, "recycled", attrs.evolve(self._emptied(slot), lines=conversation.lines)
        )

    def _emptied(self, slot: Slot) -> Plan:
        can_rewind = self.rewinds and slot.marks and slot.marks[0] == slot.profile_key
        return Plan(back_to=0) if can_rewind else Plan(clear=True)

    def _spawned(self, conversation: Conversation, now: float) -> Placement | None:
        evicted = None
        if len(self.slots) >= self.most:
            evicted = self._oldest(Activity.IDLE)
            if evicted is None:
                return None
            self.slots.remove(evicted)
        slot = self.add_blank(now)
        return Placement(slot, "spawned", Plan(conversation.lines), evicted=evicted)

    # What happens to a process

    def add_blank(self, now: float) -> Slot:
        """Add a slot for a blank process."""
        slot = Slot(Activity.BLANK, now)
        self.slots.append(slot)
        return slot

    def answered(
        self, slot: Slot, now: float, conversation: Conversation, answer: Turn | None
    ) -> None:
        """The answer is complete, and the turn is about to end. answer: as the client has it."""
        slot.enter(Happening.ANSWERED, now)
        self._note(slot, conversation, answer)

    def parked(self, slot: Slot, now: float, conversation: Conversation, answer: Turn) -> None:
        """The answer calls the client's tools, and the process waits for their results."""
        slot.enter(Happening.PARKED, now)
        self._note(slot, conversation, answer)
        slot.calls, slot.single_turn = called_in((answer,)), False

    def _note(self, slot: Slot, conversation: Conversation, answer: Turn | None) -> None:
        slot.told = told_by(slot, conversation, answer) if answer is not None else None
        slot.history_key = conversation.key_with(answer) if answer is not None else None
        slot.remember((answer,) if answer is not None else ())

    def interrupted(self, slot: Slot, now: float) -> None:
        """The turn has been interrupted, and is about to end."""
        slot.enter(Happening.ANSWERED, now)
        slot.history_key = None

    def idle(self, slot: Slot, now: float, *, clean: bool, marks: int) -> None:
        """The process is idle.

        clean: it remembers exactly what its client received. marks: how many places it can be taken
        back to.
        """
        slot.enter(Happening.ENDED, now)
        slot.turns += 1
        _settle(slot, clean=clean, marks=marks)

    def ready(self, slot: Slot, profile: Profile, now: float) -> None:
        """The process is initialised for a profile and remembers nothing."""
        slot.enter(Happening.PREPARED, now)
        slot.profile_key = slot.history_key = profile_key(profile)
        slot.profile, slot.told = profile, None
        slot.marks.clear()

    def initializing(self, slot: Slot, now: float) -> None:
        """A blank process is initialised for a profile, without a request."""
        slot.enter(Happening.PREPARE, now)

    # Preparation

    def preparation(self, slot: Slot) -> Plan | None:
        """What to do with a process now, so that the next request does not have to wait for it.

        The process is idle, or parked and must be interrupted first.
        """
        parked = slot.activity is Activity.PARKED
        if not parked and self.recycling and not slot.empty and not slot.worn:
            unknown = slot.history_key is None and slot.told is None
            unusable = unknown and self._is_worthless(slot)
            if unusable or (slot.single_turn and slot.profile_key in self.one_shots):
                return self._emptied(slot)
        if not self.rewinds:
            return None
        return self.habits.preparation(slot)

    def preparing(self, slot: Slot, plan: Plan, now: float) -> None:
        """The process carries out a plan that `preparation` returned."""
        slot.enter(Happening.PREPARE, now)
        slot.remember(plan.lines, emptied=_empties(plan))
        kept = slot.profile_key or b"" if plan.back_to is None else slot.marks[plan.back_to]
        keys = keys_of(kept, plan.lines)
        _remember(slot, plan, keys)
        slot.history_key = keys[-1]
        slot.habit = self.habits.of(slot) if plan.lines else None
        slot.calls = called_in(plan.lines[-1:])

    def prepared(self, slot: Slot, now: float, *, clean: bool, marks: int) -> None:
        """The process is idle again. clean, marks: as for `idle`."""
        slot.enter(Happening.PREPARED, now)
        _settle(slot, clean=clean, marks=marks)

    def place_count(self, conversation: Conversation, now: float) -> tuple[Slot, Plan] | None:
        """Assign a slot that can count a conversation's tokens at once, and loses nothing by it.

        It must be empty: once there was an answer, the CLI estimates what follows it.
        """
        if not self.rewinds:
            return None
        for slot in self.slots:
            fits = slot.activity is Activity.IDLE and slot.profile_key == conversation.profile_key
            # Another model may count differently.
            same = slot.limits is not None and slot.limits.model == conversation.limits.model
            if fits and same and slot.empty:
                slot.enter(Happening.PREPARE, now)
                return slot, Plan(conversation.lines, whole=False)
        return None

    # Other questions

    def unresumable(self, conversation: Conversation) -> Slot | None:
        """The parked slot of this conversation, if its turn cannot be resumed.

        No other request can use its turn, and taking it back is faster than starting a process.
        """
        slot = self._parked_for(conversation)
        if slot is None:
            return next(
                (slot for slot in self._parked() if self.habits.goes_on(slot, conversation)), None
            )
        return None if can_resume(slot, conversation) else slot

    def longest_parked(self) -> Slot | None:
        """The longest parked slot, if no slot is idle or about to be, and none can be added."""
        full = len(self.slots) >= self.most and not self.count(Activity.IDLE)
        if full and not any(slot.settling for slot in self.slots):
            return self._oldest(Activity.PARKED)
        return None

    def profile_needing_spare(self, since: float) -> Profile | None:
        """A profile of one-shots with a single process: a second could serve while it is busy.

        since: only if the process has been used since then.
        """
        for profile in self.one_shots:
            slots = [slot for slot in self.slots if slot.profile_key == profile]
            if len(slots) == 1 and slots[0].turns and slots[0].since >= since:
                return slots[0].profile
        return None

    def remove(self, slot: Slot) -> None:
        """The process has ended, or must not be used again."""
        if slot in self.slots:
            self.slots.remove(slot)
        if all(other.profile_key != slot.profile_key for other in self.slots):
            self.one_shots.discard(slot.profile_key or b"")
            self.habits.forget(slot.profile_key or b"")

    def serves(self, conversation: Conversation) -> int:
        """How many busy slots could serve the conversation next."""
        return sum(
            (slot.activity is Activity.BUSY or slot.settling)
            and slot.profile_key == conversation.profile_key
            for slot in self.slots
        )

    def count(self, activity: Activity) -> int:
        """How many slots have this activity."""
        return sum(slot.activity is activity for slot in self.slots)

    def _parked(self) -> Iterable[Slot]:
        return (slot for slot in self.slots if slot.activity is Activity.PARKED)

    def _parked_for(self, conversation: Conversation) -> Slot | None:
        parked = self._parked()
        return next((slot for slot in parked if slot.history_key == conversation.prefix_key), None)

    def _oldest(self, activity: Activity) -> Slot | None:
        return next(
            iter(self._ordered(slot for slot in self.slots if slot.activity is activity)), None
        )

    def _ordered(self, slots: Iterable[Slot]) -> list[Slot]:
        return sorted(slots, key=lambda slot: slot.since)


def _empties(plan: Plan) -> bool:
    """Whether a process forgets all that it remembers."""
    return plan.clear or plan.back_to == 0


def _is_same(slot: Slot, conversation: Conversation) -> bool:
    """Whether a slot and a conversation have the first question in common, and no answer yet."""
    return (
        len(conversation.turns) > 1
        and len(slot.marks) == 1
        and slot.first_key == conversation.keys[1]
    )


def _settle(slot: Slot, *, clean: bool, marks: int) -> None:
    """Note what a process that is idle again remembers; the parameters are those of `idle`."""
    del slot.marks[marks:]
    if not clean:
        slot.history_key = None


def _remember(slot: Slot, plan: Plan, keys: Sequence[bytes]) -> None:
    """Note the marks of the lines that a process is sent. keys: what it remembers before each."""
    if plan.clear:
        slot.marks.clear()
    elif plan.back_to is not None:
        del slot.marks[plan.back_to :]
    for index in range(plan.held, len(plan.lines)):
        if is_mark(plan.lines[index]):
            slot.marks.append(keys[index])
