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


# How many seconds an answer is remembered, and how many bytes of JSON all of them may have.
REMEMBERED_FOR = 3600.0
MOST_BYTES = 64 * 1024 * 1024


@attrs.frozen
class _Kept:
    """An answer with searches. until: when it is forgotten. size: in bytes of JSON."""

    answer: Turn
    until: float
    size: int


@attrs.define
class Found:
    """The latest answers with searches, by the digests of the conversations that end with them.

    now: returns the time in seconds, from a monotonic clock. most: the limit for all sizes.
    """

    now: Callable[[], float]
    most: int = MOST_BYTES
    _kept: dict[bytes, _Kept] = attrs.field(init=False, factory=dict)
    _size: int = attrs.field(init=False, default=0)

    def keep(self, conversation: Conversation, answer: Turn) -> None:
        """Remember an answer as its process has it, if it has blocks that its client does not."""
        if conversation.shows_blocks or not has_server_blocks(answer):
            return
        key, size = conversation.key_with(answer), len(json.dumps(answer.blocks))
        self._drop(key)
        self._kept[key] = _Kept(answer, self.now() + REMEMBERED_FOR, size)
        self._size += size
        self._forget()

    def restored(self, conversation: Conversation) -> Conversation:
        """Return the conversation with what its searches found.

        What stands for a search that is not known here counts like all other text from then on.
        """
        if conversation.shows_blocks:
            return conversation
        self._forget()
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
        if (kept := self._kept.get(key)) is not None:
            return Turn("assistant", tuple(_with_calls_of(line, kept.answer)))
        if any(block["type"] == UNTOLD for block in line.blocks):
            return Turn("assistant", tuple(map(_told, line.blocks)))
        return line

    def _forget(self) -> None:
        while self._kept:
            key, oldest = next(iter(self._kept.items()))
            if self._size <= self.most and self.now() < oldest.until:
                return
            self._drop(key)

    def _drop(self, key: bytes) -> None:
        if (kept := self._kept.pop(key, None)) is not None:
            self._size -= kept.size


def _with_calls_of(line: Turn, answer: Turn) -> Iterator[Block]:
    """Yield the blocks of an answer. Its tool calls are those of the client, with their ids."""
    calls = (block for block in line.blocks if block["type"] == "tool_use")
    for block in answer.blocks:
        yield next(calls) if block["type"] == "tool_use" else block


def _told(block: Block) -> Block:
    told: Block = block["block"] if block["type"] == UNTOLD else block
    return told
