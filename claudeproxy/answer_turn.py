"""An answer as a turn of the conversation that goes on with it."""

from __future__ import annotations

import json

from .conversation import Block, Turn, text_block, untold
from .events import AnswerAccumulator, Part


def turn_of(answer: AnswerAccumulator, *, shows_blocks: bool) -> Turn | None:
    """Return an answer as the client will send it back; None if it is empty or cannot be known.

    An answer that reached its token limit can be known, a refusal cannot. shows_blocks: see
    Conversation; without it the blocks of the API's own tools are `untold`.
    """
    if answer.finished is None or answer.finished.reason == "content_filter":
        return None
    blocks: list[Block] = []
    for part in answer.parts:
        if part.kind == "reasoning" or (part.kind == "text" and not part.text.strip()):
            continue
        try:
            block = _block(part)
        except ValueError:
            return None
        blocks.append(untold(block) if part.kind == "server" and not shows_blocks else block)
    return Turn("assistant", tuple(blocks)) if blocks else None


def _block(part: Part) -> Block:
    """Return a part as a block; raises ValueError if the arguments of a call are not JSON."""
    if part.call is not None:
        arguments = json.loads(part.text)
        return {
            "type": "tool_use",
            "id": part.call.id,
            "name": part.call.name,
            "input": arguments,
        }
    if part.kind == "server":
        return part.block
    cited = {"citations": part.citations} if part.citations else {}
    return {**text_block(part.text), **cited}
