"""What the Messages API refuses in the order of messages: who begins, and calls without results.

Pure.  Takes messages whose content blocks are each as they should be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .web_history import pair_problems


if TYPE_CHECKING:
    from collections.abc import Iterator


def turn_problems(messages: list[Any]) -> Iterator[str]:
    """What is wrong with the turns and with the pairs of ``tool_use`` and ``tool_result``."""
    turns = list(_turns(messages))
    if not turns or turns[0][1] != "user":
        yield 'messages: first message must use the "user" role'
    yield from _pairs(turns)
    yield from pair_problems(turns)


def _turns(messages: list[Any]) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
    """(index of its first message, role, blocks) of each turn.

    The API merges messages of one role that follow each other; the CLI's own system messages
    in between are left out.
    """
    current: tuple[int, str, list[dict[str, Any]]] | None = None
    for index, message in enumerate(messages):
        role, content = message["role"], message["content"]
        if role == "system":
            continue
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if current is not None and current[1] == role:
            current[2].extend(blocks)
            continue
        if current is not None:
            yield current
        current = (index, role, list(blocks))
    if current is not None:
        yield current


def _pairs(turns: list[tuple[int, str, list[dict[str, Any]]]]) -> Iterator[str]:
    seen: set[str] = set()
    asked: list[str] = []
    for index, role, blocks in turns:
        where = f"messages.{index}"
        if role == "user":
            yield from _results(where, blocks, asked)
            asked = []
            continue
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
        for use_id in asked:
            if use_id in seen:
                yield f"{where}: `tool_use` ids must be unique"
            seen.add(use_id)
    if asked:
        yield from _results(f"messages.{turns[-1][0]}", [], asked)


def _results(where: str, blocks: list[dict[str, Any]], asked: list[str]) -> Iterator[str]:
    """The results in one user turn against the calls of the assistant turn before it."""
    results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    for use_id in results:
        if use_id not in asked:
            yield (
                f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {use_id}. Each "
                "`tool_result` block must have a corresponding `tool_use` block in the previous "
                "message."
            )
    if len(set(results)) < len(results):
        yield f"{where}: each tool_use must have a single result"
    first = [block["tool_use_id"] for block in blocks[: len(results)] if "tool_use_id" in block]
    missing = [use_id for use_id in asked if use_id not in first]
    if missing:
        yield (
            f"{where}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` "
            "block in the next message."
        )
