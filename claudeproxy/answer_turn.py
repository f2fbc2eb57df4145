"""An answer as a turn of the conversation that goes on with it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import attrs

from .conversation import Block, Conversation, Turn, text_block, untold
from .events import AnswerAccumulator


@attrs.define
class Separation:
    """Says what a client gets before a text, if all texts of an answer are one text for it.

    text: what it gets between two texts that a block of one of the API's own tools separates.
    """

    text: str
    _has_text: bool = attrs.field(init=False, default=False)
    _is_due: bool = attrs.field(init=False, default=False)

    def server_block(self) -> None:
        """A block of one of the API's own tools comes next."""
        self._is_due = self._has_text

    def before_text(self) -> str:
        """Return what comes before the text that follows."""
        self._has_text, due, self._is_due = True, self._is_due, False
        return self.text if due else ""


def turn_of(answer: AnswerAccumulator, conversation: Conversation) -> Turn | None:
    """Return an answer as the client will send it back; None if it is empty or cannot be known.

    An answer that reached its token limit can be known, a refusal cannot.
    """
    if answer.finished is None or answer.finished.reason == "content_filter":
        return None
    try:
        blocks = tuple(_blocks(answer, conversation))
    except ValueError:
        return None
    return Turn("assistant", blocks) if blocks else None


def _blocks(answer: AnswerAccumulator, conversation: Conversation) -> Iterator[Block]:
    """Yield the parts as blocks; raises ValueError if the arguments of a call are not JSON."""
    separation = Separation(conversation.separator)
    # Text without a block of its own: the API refuses one of nothing but white space.
    blank = ""
    for part in answer.parts:
        if part.call is not None:
            call = {"type": "tool_use", "id": part.call.id, "name": part.call.name}
            yield {**call, "input": json.loads(part.text)}
        elif part.kind == "server":
            separation.server_block()
            yield part.block if conversation.shows_blocks else untold(part.block)
        elif part.kind == "text":
            text = blank + separation.before_text() + part.text
            if not text.strip():
                blank = "" if conversation.shows_blocks else text
                continue
            blank, cited = "", {"citations": part.citations} if part.citations else {}
            yield {**text_block(text), **cited}
