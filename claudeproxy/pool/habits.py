"""What has been learned about the clients of a profile, to make processes ready for them."""

from __future__ import annotations

from collections import OrderedDict

import attrs

from ..cli.plan import Plan
from ..conversation import Conversation, Turn, called_in, is_results, next_key
from .slot import Activity, Habit, Slot, Told


# How many abandoned conversations are remembered, to notice when a client comes back to one.
MOST_ABANDONED = 1000


def told_by(slot: Slot, conversation: Conversation, answer: Turn) -> Told | None:
    """What the client of a slot knows after an answer; None if the process cannot be taken back."""
    if not slot.marks or slot.marks[-1] not in conversation.places:
        return None
    place = conversation.places[slot.marks[-1]]
    since = conversation.lines[place:]
    keys = {
        Habit.KEEPS_BOTH: conversation.key_with(answer),
        Habit.CHANGES_ANSWER: conversation.keys[-1],
    }
    if len(since) == 1 and place and conversation.lines[place - 1].role == "user":
        # The words beside results. Those of another question may be more than what is moved.
        keys[Habit.MOVES_QUESTION] = next_key(slot.marks[-1], answer)
    return Told(slot.marks[-1], since, answer, keys)


@attrs.define
class Habits:
    """The habits of the clients of each profile, as seen so far."""

    _habits: dict[bytes, Habit] = attrs.field(init=False, factory=dict)
    _branching: set[bytes] = attrs.field(init=False, factory=set)
    _abandoned: OrderedDict[bytes, None] = attrs.field(init=False, factory=OrderedDict)

    def learn(self, slot: Slot, conversation: Conversation, back_to: int | None) -> None:
        """Compare what a slot has with the conversation that it is placed for.

        back_to: the mark to which it is taken back for that; None if it is not.
        """
        profile, places = conversation.profile_key, conversation.places
        if conversation.prefix_key in self._abandoned:
            self._branching.add(profile)
        if back_to is None:
            needless = slot.habit is Habit.KEEPS_BOTH and is_results(conversation.turns[-1])
            if slot.calls and needless and slot.history_key in places:
                self._habits.pop(profile, None)
            return
        if slot.history_key is not None and slot.history_key not in places:
            self._abandon(slot.history_key)
        if slot.habit is not None:
            self._habits.pop(profile, None)
        if slot.told is not None and slot.told.mark == slot.marks[back_to]:
            for habit, key in slot.told.keys.items():
                if key in places:
                    self._habits[profile] = habit
                    break

    def of(self, slot: Slot) -> Habit | None:
        """The habit of the slot's profile."""
        return self._habits.get(slot.profile_key or b"")

    def branches(self, slot: Slot) -> bool:
        """Whether clients of the profile come back to what had been abandoned."""
        return slot.profile_key in self._branching

    def goes_on(self, slot: Slot, conversation: Conversation) -> bool:
        """Whether a conversation is that of a slot whose newest answer made calls.

        Its newest question may be different: the client may have changed or moved it.
        """
        if slot.told is None or not slot.marks or slot.profile_key != conversation.profile_key:
            return False
        if not called_in((slot.told.answer,)):
            # Other conversations may have the same words for an answer.
            return False
        last = conversation.lines[conversation.newest - 1 : conversation.newest]
        ids = set(map(_letters, called_in((slot.told.answer,))))
        same = any(_letters(call) in ids for call in called_in(last)) or (
            bool(last) and next_key(b"", last[0]) == next_key(b"", slot.told.answer)
        )
        return same and slot.marks[-1] in conversation.places

    def preparation(self, slot: Slot) -> Plan | None:
        """What to do with a process now if its client does again what its profile's clients do."""
        habit, told = self.of(slot), slot.told
        if habit is None or told is None or not slot.marks or slot.habit is not None:
            return None
        parked = slot.activity is Activity.PARKED
        if habit is Habit.KEEPS_BOTH:
            if not parked and slot.history_key is not None:
                # The process has what the client has.
                return None
            lines = (*told.since, told.answer)
        elif habit is Habit.MOVES_QUESTION:
            if habit not in told.keys:
                return None
            lines = (told.answer,)
        else:
            lines = told.since
        # A slot with calls has answered its client with exactly what its process said. Of lines
        # without the newest answer, the answers may be of earlier turns.
        own = bool(slot.calls) and habit is not Habit.CHANGES_ANSWER
        return Plan(lines, back_to=len(slot.marks) - 1, whole=False, own=own)

    def forget(self, profile: bytes) -> None:
        """No process of this profile is left."""
        self._habits.pop(profile, None)
        self._branching.discard(profile)

    def _abandon(self, key: bytes) -> None:
        self._abandoned[key] = None
        if len(self._abandoned) > MOST_ABANDONED:
            self._abandoned.popitem(last=False)


def _letters(call_id: str) -> str:
    """What clients leave of the id of a call; ids are unique beyond this."""
    return "".join(filter(str.isalnum, call_id))
