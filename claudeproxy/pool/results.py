"""The results of tool calls that a client sends, for the process that made the calls."""

from __future__ import annotations

from ..cli.mcp import can_carry
from ..cli.turn_settings import can_change
from ..conversation import Conversation, Turn, called_in, is_results
from .slot import Slot


def answering(calls: tuple[str, ...], conversation: Conversation, place: int) -> Turn:
    """The results in a line with the CLI's ids of the calls in the line before it.

    A client may have changed the ids, or another process may have made the same calls.
    """
    before, results = conversation.lines[place - 1 : place + 1]
    ours = dict(zip(called_in((before,)), calls, strict=True))
    return Turn(
        "user",
        tuple(
            {**block, "tool_use_id": ours.get(block["tool_use_id"], block["tool_use_id"])}
            if block["type"] == "tool_result"
            else block
            for block in results.blocks
        ),
    )


def can_resume(slot: Slot, conversation: Conversation) -> bool:
    """Whether the parked turn of a slot can continue with the newest turn of a conversation."""
    *before, newest = conversation.turns
    called = called_in(before[-1:])
    return (
        slot.limits is not None
        and can_change(slot.limits, conversation.limits)
        and is_results(newest)
        and all(block["tool_use_id"] in called for block in newest.blocks)
        and can_carry(newest)
    )
