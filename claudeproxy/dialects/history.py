"""Collects the messages of a request as the turns of a conversation.

The Messages API requires that turns alternate, that the first and the last one are the user's, and
that the results of calls are at the beginning of the next turn. Other APIs do not require this.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import attrs

from ..conversation import Block, Turn, alternate, text_block
from .fields import Fields
from .tool_calls import Calls


# The text of user turns that are added because the API requires them.
OPENING = text_block("Begin.")
CONTINUATION = text_block("Continue.")


def instructions(text: str) -> Block:
    """Return a system message from the middle of a conversation as text of a user turn."""
    return text_block(f"<system_message>\n{text}\n</system_message>")


def several_assistants(messages: Iterable[Fields]) -> bool:
    """Whether the messages name several assistants. The name of a single one is left out."""
    names = {
        _name(message)
        for message in messages
        if message.has("name") and message.get("role") == "assistant"
    }
    return len(names - {""}) > 1


def named(message: Fields, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """Return the content of a message, preceded by the author's name, if it has one."""
    if not blocks or not message.has("name") or not (name := _name(message)):
        return blocks
    first, *rest = blocks
    if first["type"] != "text":
        return (text_block(f"{name}:"), *blocks)
    return (text_block(f"{name}: {first['text']}"), *rest)


def _name(message: Fields) -> str:
    """Return an author's name on one line, so that it cannot look like another message."""
    return " ".join(str(message.get("name")).split())


@attrs.define
class History:
    """The messages read so far.

    Instructions at the beginning become the system prompt. Later ones stay in their place, so that
    added instructions do not change the system prompt.
    """

    system: list[str] = attrs.field(factory=list)
    turns: list[Turn] = attrs.field(factory=list)
    calls: Calls = attrs.field(factory=Calls)

    def instruct(self, texts: Iterable[str]) -> None:
        """Add a system or developer message."""
        if self.turns:
            self.user(tuple(map(instructions, texts)))
        else:
            self.system += texts

    def user(self, blocks: tuple[Block, ...]) -> None:
        """Add a user message or the result of a call.

        An empty message is left out. The API would refuse it, and a client with such a message in
        its history could not continue.
        """
        if blocks:
            self.turns.append(Turn("user", blocks))

    def assistant(self, blocks: tuple[Block, ...]) -> None:
        """Add an answer of the model. An empty one, which was cut off at once, is left out."""
        if blocks:
            self.turns.append(Turn("assistant", blocks))

    @property
    def system_prompt(self) -> str:
        """The instructions at the beginning of the conversation."""
        return "\n\n".join(self.system)

    def finish(self) -> tuple[Turn, ...]:
        """Return the turns in the form that the API requires."""
        turns = _with_results_first(alternate(self.turns))
        before = () if turns and turns[0].role == "user" else (Turn("user", (OPENING,)),)
        after = (Turn("user", (CONTINUATION,)),) if turns and turns[-1].role != "user" else ()
        return (*before, *turns, *after)


def _with_results_first(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Return the turns with each result moved to the beginning of the turn after its call."""
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
    """Whether a user turn has results after other blocks, or results of earlier calls."""
    if turn.role == "assistant":
        return False
    called = {block["id"] for block in before.blocks if block["type"] == "tool_use"}
    are_results = [block["type"] == "tool_result" for block in turn.blocks]
    answered = {block["tool_use_id"] for block in turn.blocks if block["type"] == "tool_result"}
    return not answered <= called or are_results != sorted(are_results, reverse=True)
