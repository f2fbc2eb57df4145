"""What searches found, for clients that cannot send it back with the answers.

Such a client sends the text of an answer and its tool calls. The process that answered has the
blocks of the searches as well. Any other process gets them from here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from operator import is_

import attrs

from ..conversation import UNTOLD, Block, Conversation, Turn, alternate, has_server_blocks
from ..remembered import Remembered


# How many seconds an answer is remembered, and how many bytes of JSON all of them may have.
REMEMBERED_FOR = 3600.0
MOST_BYTES = 64 * 1024 * 1024


class Found:
    """The latest answers with searches, by the digests of the conversations that end with them."""

    def __init__(self, now: Callable[[], float], most: int = MOST_BYTES) -> None:
        """now: returns the time in seconds, from a monotonic clock. most: the limit in bytes."""
        self._answers = Remembered[bytes, Turn](now, REMEMBERED_FOR, most)

    def keep(self, conversation: Conversation, answer: Turn) -> None:
        """Remember an answer as its process has it, if it has blocks that its client does not."""
        if not conversation.shows_blocks and has_server_blocks(answer):
            size = len(json.dumps(answer.blocks))
            self._answers.keep(conversation.key_with(answer), answer, size)

    def restored(self, conversation: Conversation) -> Conversation:
        """Return the conversation with what its searches found.

        What stands for a search that is not known here counts like all other text from then on.
        """
        if conversation.shows_blocks:
            return conversation
        lines = tuple(
            self._restored(line, key)
            for line, key in zip(conversation.lines, conversation.keys[1:], strict=True)
        )
        if all(map(is_, lines, conversation.lines)):
            return conversation
        return attrs.evolve(conversation, turns=alternate(lines))

    def _restored(self, line: Turn, key: bytes) -> Turn:
        if line.role == "user" or has_server_blocks(line):
            return line
        if (answer := self._answers.get(key)) is not None:
            return Turn("assistant", tuple(_with_calls_of(line, answer)))
        if any(block["type"] == UNTOLD for block in line.blocks):
            return Turn("assistant", tuple(map(_told, line.blocks)))
        return line


def _with_calls_of(line: Turn, answer: Turn) -> Iterator[Block]:
    """Yield the blocks of an answer. Its tool calls are those of the client, with their ids."""
    calls = (block for block in line.blocks if block["type"] == "tool_use")
    for block in answer.blocks:
        yield next(calls) if block["type"] == "tool_use" else block


def _told(block: Block) -> Block:
    told: Block = block["block"] if block["type"] == UNTOLD else block
    return told
