"""The decision which worker serves which conversation, without processes or I/O.

Each worker has a Slot here. A conversation gets the first of these that is available:

1. resumed: a parked worker, whose turn waits for exactly the tool results that the client sends;
2. continued: an idle worker that holds the whole conversation except its newest turn;
3. recycled: an idle worker of the same profile whose conversation probably will not continue, after
   `/clear`;
4. claimed: a blank spare, whose profile is not fixed yet;
5. recycled: any idle worker of the same profile;
6. spawned: a new process; at the maximum number, the least recently used idle one is evicted.

If all are busy, the conversation waits. A conversation never gets a worker that remembers anything
other than the beginning of that conversation.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TypeAlias

import attrs

from ..cli.mcp import can_carry
from ..conversation import Conversation, Profile, Turn, called_in, is_results, profile_key


class Activity(Enum):
    """What the process of a slot does."""

    BLANK = "blank"
    BUSY = "busy"
    IDLE = "idle"
    PARKED = "parked"


# Model, effort and max_tokens. In a running turn 2.1.330 cannot change the last two, and 2.1.197
# cannot change the model.
FixedLimits: TypeAlias = tuple[str, str | None, int | None]


@attrs.define(eq=False)
class Slot:
    """The state of one process. `profile` is None while it is blank.

    since: when its activity began, in seconds. history_key: the digest of all that the process
    remembers; None if that is unknown, or differs from what a client received. single_turn: its
    conversation began with this turn. finishing: its client has the whole answer, so it will be
    idle within milliseconds. turns: how many it has served. fixed_limits: the limits that cannot
    change during its turn. calls: the ids of the tool calls whose results it waits for, in order.
    """

    activity: Activity
    since: float
    profile_key: bytes | None = None
    profile: Profile | None = None
    history_key: bytes | None = None
    single_turn: bool = False
    finishing: bool = False
    turns: int = 0
    fixed_limits: FixedLimits | None = None
    calls: tuple[str, ...] = ()


@attrs.frozen
class Placement:
    """The slot of a conversation, and what to do with its process.

    reuse: how the slot was obtained. turns: the turns to send. clear: whether to send `/clear`
    first. evicted: the slot that was removed to make room for this one.
    """

    slot: Slot
    reuse: str
    turns: tuple[Turn, ...]
    clear: bool = False
    evicted: Slot | None = None


@attrs.define
class Roster:
    """Decides which slot a conversation gets, and which turns its process must be sent.

    most: the maximum number of slots. recycling: whether ways 3 and 5 are used. one_shots: the
    profiles whose requests so far have been separate conversations of one turn.
    """

    most: int
    recycling: bool = True
    slots: list[Slot] = attrs.field(init=False, factory=list)
    one_shots: set[bytes] = attrs.field(init=False, factory=set)

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
            slot = placement.slot
            slot.activity, slot.since = Activity.BUSY, now
            slot.profile_key, slot.profile = conversation.profile_key, conversation.profile
            slot.history_key = None
            slot.single_turn = len(conversation.turns) == 1
            slot.fixed_limits = _fixed_limits(conversation)
        return placement

    def _found(
        self, conversation: Conversation, now: float, *, may_spawn: bool
    ) -> Placement | None:
        profile, prefix = conversation.profile_key, conversation.prefix_key
        if len(conversation.turns) > 1:
            self.one_shots.discard(profile)
        finishing = [slot for slot in self.slots if slot.finishing and slot.profile_key == profile]
        if any(slot.history_key == prefix for slot in finishing):
            # The client continues at once: its process will be idle within milliseconds.
            return None
        idle = [
            slot
            for slot in self._ordered(self.slots)
            if slot.activity is Activity.IDLE and slot.profile_key == profile
        ]
        placement = self._continued(conversation, idle, prefix) or self._recycled(
            conversation,
            [slot for slot in idle if slot.single_turn or slot.history_key in (None, profile)],
        )
        if placement is None and finishing:
            return None
        if placement is None and (blank := self._oldest(Activity.BLANK)):
            placement = Placement(blank, "claimed", conversation.turns)
        # A spare is better than to clear a conversation, which is better than to start a process.
        placement = placement or self._recycled(conversation, idle)
        if placement is None and may_spawn:
            placement = self._spawned(conversation, now)
        return placement

    def add_blank(self, now: float) -> Slot:
        """Add a slot for a blank process."""
        slot = Slot(Activity.BLANK, now)
        self.slots.append(slot)
        return slot

    def finishing(self, slot: Slot, history_key: bytes | None) -> None:
        """The answer is complete or cancelled, and the turn is about to end.

        history_key: the digest of what the process then remembers; None if nobody can continue it.
        """
        slot.finishing, slot.history_key = True, history_key

    def parked(self, slot: Slot, history_key: bytes, calls: tuple[str, ...], now: float) -> None:
        """The answer calls the client's tools, and the process waits for their results."""
        slot.activity, slot.since, slot.history_key = Activity.PARKED, now, history_key
        slot.calls = calls

    def unresumable(self, conversation: Conversation) -> Slot | None:
        """The parked slot of this conversation, if its turn cannot be resumed.

        No other request can use its turn, and clearing it is faster than starting a process.
        """
        slot = self._parked_for(conversation)
        return None if slot is None or _can_resume(slot, conversation) else slot

    def longest_parked(self) -> Slot | None:
        """The longest parked slot, if no slot is idle or about to be, and none can be added."""
        full = len(self.slots) >= self.most and not self.count(Activity.IDLE)
        if full and not any(slot.finishing for slot in self.slots):
            return self._oldest(Activity.PARKED)
        return None

    def idle(self, slot: Slot, now: float, *, clean: bool) -> None:
        """The process is idle. clean: it remembers exactly what its client received."""
        slot.activity, slot.since, slot.finishing = Activity.IDLE, now, False
        slot.turns += 1
        if not clean:
            slot.history_key = None

    def prepared(self, slot: Slot, profile: Profile, now: float) -> None:
        """The process is initialised for a profile and remembers nothing."""
        slot.activity, slot.since = Activity.IDLE, now
        slot.profile_key = slot.history_key = profile_key(profile)
        slot.profile = profile

    def should_clear(self, slot: Slot) -> bool:
        """Whether to clear an idle process now, because nobody will continue its conversation.

        The next request then does not have to wait for `/clear`.
        """
        if not self.recycling or slot.history_key == slot.profile_key:
            return False
        return slot.history_key is None or (slot.single_turn and slot.profile_key in self.one_shots)

    def clearing(self, slot: Slot, now: float) -> None:
        """The process runs `/clear`, and is busy until that is done."""
        slot.activity, slot.since, slot.finishing, slot.history_key = Activity.BUSY, now, True, None

    def cleared(self, slot: Slot, now: float) -> None:
        """The process is idle and remembers nothing."""
        slot.activity, slot.since, slot.finishing = Activity.IDLE, now, False
        slot.history_key = slot.profile_key

    def profile_needing_spare(self) -> Profile | None:
        """A profile of one-shots with a single process: a second could serve during `/clear`."""
        for profile in self.one_shots:
            slots = [slot for slot in self.slots if slot.profile_key == profile]
            if len(slots) == 1:
                return slots[0].profile
        return None

    def remove(self, slot: Slot) -> None:
        """The process has ended, or must not be used again."""
        if slot in self.slots:
            self.slots.remove(slot)
        if all(other.profile_key != slot.profile_key for other in self.slots):
            self.one_shots.discard(slot.profile_key or b"")

    def serves(self, conversation: Conversation) -> int:
        """How many busy slots could serve the conversation next."""
        return sum(
            slot.activity is Activity.BUSY and slot.profile_key == conversation.profile_key
            for slot in self.slots
        )

    def count(self, activity: Activity) -> int:
        """How many slots are blank, busy, idle or parked."""
        return sum(slot.activity is activity for slot in self.slots)

    def _parked_for(self, conversation: Conversation) -> Slot | None:
        parked = (slot for slot in self.slots if slot.activity is Activity.PARKED)
        return next((slot for slot in parked if slot.history_key == conversation.prefix_key), None)

    def _resumed(self, conversation: Conversation) -> Placement | None:
        slot = self._parked_for(conversation)
        if slot is None or not _can_resume(slot, conversation):
            return None
        return Placement(slot, "resumed", (_answering(slot.calls, conversation),))

    def _continued(
        self, conversation: Conversation, idle: list[Slot], prefix: bytes
    ) -> Placement | None:
        for slot in idle:
            if slot.history_key == prefix:
                reuse = "recycled" if slot.turns else "claimed"
                if len(conversation.turns) > 1:
                    reuse = "continued"
                return Placement(slot, reuse, conversation.turns[-1:])
        return None

    def _recycled(self, conversation: Conversation, idle: list[Slot]) -> Placement | None:
        if not self.recycling or not idle:
            return None
        profile = conversation.profile_key
        # First a process without a conversation, then one with an unusable history, then the least
        # recently used one.
        worth = {profile: 0, None: 1}
        slot = min(idle, key=lambda slot: worth.get(slot.history_key, 2))
        if slot.single_turn and slot.history_key not in worth:
            self.one_shots.add(profile)
        return Placement(slot, "recycled", conversation.turns, clear=slot.history_key != profile)

    def _spawned(self, conversation: Conversation, now: float) -> Placement | None:
        evicted = None
        if len(self.slots) >= self.most:
            evicted = self._oldest(Activity.IDLE)
            if evicted is None:
                return None
            self.slots.remove(evicted)
        slot = self.add_blank(now)
        return Placement(slot, "spawned", conversation.turns, evicted=evicted)

    def _oldest(self, activity: Activity) -> Slot | None:
        return next(
            iter(self._ordered(slot for slot in self.slots if slot.activity is activity)), None
        )

    def _ordered(self, slots: Iterable[Slot]) -> list[Slot]:
        return sorted(slots, key=lambda slot: slot.since)


def _answering(calls: tuple[str, ...], conversation: Conversation) -> Turn:
    """The newest turn with the CLI's ids of the calls: a client may have changed the ids."""
    *_, before, newest = conversation.turns
    ours = dict(zip(called_in((before,)), calls, strict=True))
    return Turn(
        "user",
        tuple({**block, "tool_use_id": ours[block["tool_use_id"]]} for block in newest.blocks),
    )


def _fixed_limits(conversation: Conversation) -> FixedLimits:
    limits = conversation.limits
    return limits.model, limits.effort, limits.max_tokens


def _can_resume(slot: Slot, conversation: Conversation) -> bool:
    """Whether the parked turn of a slot can continue with the newest turn of a conversation."""
    *before, newest = conversation.turns
    called = called_in(before[-1:])
    return (
        slot.fixed_limits == _fixed_limits(conversation)
        and is_results(newest)
        and all(block["tool_use_id"] in called for block in newest.blocks)
        and can_carry(newest)
    )
