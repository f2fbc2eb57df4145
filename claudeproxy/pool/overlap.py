"""How much of a conversation a process remembers already, and what is lost if it is used for it."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ..conversation import Conversation
from .slot import Slot


# One mark that a process keeps counts as much as this many that it loses. With fewer, the requests
# are probably different conversations that begin with the same words.
KEPT_TO_LOST = 4


@attrs.frozen
class Overlap:
    """What a slot's process can keep for a conversation.

    held: how many of the conversation's lines it remembers. back_to: the mark to rewind to for
    that; None if it remembers nothing else.
    """

    slot: Slot
    held: int
    back_to: int | None = None

    @property
    def lost(self) -> int:
        """How many marks the process loses."""
        return 0 if self.back_to is None else len(self.slot.marks) - self.back_to


def overlap(slot: Slot, conversation: Conversation, *, rewinds: bool) -> Overlap | None:
    """What a slot can keep for a conversation of its profile; None if nothing at all."""
    if not slot.empty and slot.limits and slot.limits.model != conversation.limits.model:
        # The CLI would note the change of the model in the conversation (2.1.332).
        return None
    places = conversation.places
    whole = places.get(slot.history_key) if slot.history_key is not None else None
    # The last key is that of the conversation with its newest turn, which has to be asked.
    if whole is not None and whole < len(conversation.lines):
        return Overlap(slot, whole)
    if rewinds:
        for number in range(len(slot.marks) - 1, -1, -1):
            held = places.get(slot.marks[number])
            if held is not None and held < len(conversation.lines):
                return Overlap(slot, held, number)
    return None


def largest(overlaps: Iterable[Overlap]) -> Overlap | None:
    """The one that holds the most lines; among equals, the one that loses the least."""
    return max(overlaps, key=lambda found: (found.held, -found.lost), default=None)


def keeps_enough(found: Overlap, *, alive: bool) -> bool:
    """Whether a rewound process probably loses nothing that a client will come back for.

    alive: clients of the profile have come back for what had been rewound.
    """
    assert found.back_to is not None
    if found.lost == 1 and found.slot.history_key is None:
        # The newest turn was cancelled, has failed, or is known to the client in another form.
        return True
    if alive:
        return False
    # The newest turn alone is regenerated, or edited.
    return found.lost == 1 or found.back_to * KEPT_TO_LOST >= found.lost
