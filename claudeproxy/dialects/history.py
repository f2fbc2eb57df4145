"""The messages of a request, read one after the other, as turns of a conversation.

The Messages API wants turns to alternate, the user to speak first and last, and the results of
calls at the beginning of the turn after them. Other APIs do not mind.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import attrs

from ..conversation import Block, Turn, alternate, text_block
from .fields import Fields
from .tool_calls import Calls


# What stands where no user turn is and the API wants one.
OPENING = text_block("Begin.")
CONTINUATION = text_block("Continue.")


def instructions(text: str) -> Block:
    """What a system message in the middle of a conversation says, as text of the user's turn."""
    return text_block(f"<system_message>\n{text}\n</system_message>")


def several_assistants(messages: Iterable[Fields]) -> bool:
    """Whether the messages name several assistants; a single one need not be told its name."""
    names = {
        _name(message)
        for message in messages
        if message.has("name") and message.get("role") == "assistant"
    }
    return len(names - {""}) > 1


def named(message: Fields, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """What a message says, with the name of who says it in front, if it has one."""
    if not blocks or not message.has("name") or not (name := _name(message)):
        return blocks
    first, *rest = blocks
    if first["type"] != "text":
        return (text_block(f"{name}:"), *blocks)
    return (text_block(f"{name}: {first['text']}"), *rest)


def _name(message: Fields) -> str:
    return str(message.get("name")).strip()


@attrs.define
class History:
    """What has been read so far.

    Leading instructions are the system prompt. Later ones stand where they are, so that a client
    that adds instructions does not make another system prompt of it each time.
    """

    system: list[str] = attrs.field(factory=list)
    turns: list[Turn] = attrs.field(factory=list)
    calls: Calls = attrs.field(factory=Calls)

    def instruct(self, texts: Iterable[str]) -> None:
        """A system or developer message."""
        if self.turns:
            self.user(tuple(map(instructions, texts)))
        else:
            self.system += texts

    def user(self, blocks: tuple[Block, ...]) -> None:
        """What the user says, or the result of a call.

        Nothing leaves nothing: the API refuses a blank message, and a client that keeps one in its
        history could not go on.
        """
        if blocks:
            self.turns.append(Turn("user", blocks))

    def assistant(self, blocks: tuple[Block, ...]) -> None:
        """What the model said; an answer that was cut off before its first word leaves nothing."""
        if blocks:
            self.turns.append(Turn("assistant", blocks))

    @property
    def system_prompt(self) -> str:
        """The leading instructions."""
        return "\n\n".join(self.system)

    def finish(self) -> tuple[Turn, ...]:
        """The turns as the API wants them."""
        turns = _with_results_first(alternate(self.turns))
        before = () if turns and turns[0].role == "user" else (Turn("user", (OPENING,)),)
        after = (Turn("user", (CONTINUATION,)),) if turns and turns[-1].role != "user" else ()
        return (*before, *turns, *after)


def _with_results_first(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The turns, each result at the beginning of the turn after its call, wherever it stood."""
    if not any(_out_of_place(before, turn) for before, turn in pairwise(turns)):
        return turns
    results = {
        block["tool_use_id"]: block
        for turn in turns
        for block in turn.blocks
        if block["type"] == "tool_result"
    }
    placed: list[Turn] = []
    for turn in turns:
        if turn.role == "user":
            blocks = tuple(block for block in turn.blocks if block["type"] != "tool_result")
        else:
            blocks = turn.blocks
        placed.append(Turn(turn.role, blocks))
        called = [block["id"] for block in blocks if block["type"] == "tool_use"]
        placed.append(Turn("user", tuple(results[call_id] for call_id in called)))
    return alternate(turn for turn in placed if turn.blocks)


def _out_of_place(before: Turn, turn: Turn) -> bool:
    """Whether results in a user's turn are not the first in it, or of calls not just before."""
    if turn.role == "assistant":
        return False
    called = {block["id"] for block in before.blocks if block["type"] == "tool_use"}
    are_results = [block["type"] == "tool_result" for block in turn.blocks]
    answered = {block["tool_use_id"] for block in turn.blocks if block["type"] == "tool_result"}
    return not answered <= called or are_results != sorted(are_results, reverse=True)
