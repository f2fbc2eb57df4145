"""OpenAI Responses: compaction, which replaces the earlier part of a conversation by one item.

Only OpenAI's models can read OpenAI's items. Here the model is asked for a summary, and the item
has that as base64, so that no client takes it for a text to be shown.

Source: the `openai` package 3.54.0 (CompactionTrigger, ResponseCompactionItem, CompactedResponse).
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from ...conversation import Block, text_block
from ...errors import APIError
from ...events import Event, Finished
from .. import WholeBody
from ..fields import Fields
from .store import Item
from .writer import COMPACTION, Writer


TRIGGER = "compaction_trigger"
# Asks for the summary, as the last text of the user.
REQUEST = text_block(
    "Summarize this conversation. Your summary will replace it: whoever continues the work will "
    "have the summary and the user's messages, and nothing else. Say what the user wants, what was "
    "done and decided, what failed, and what remains to be done. Keep the names, paths, commands "
    "and values that are needed again. Write only the summary, and call no tools."
)
# What the items of this server begin with.
_OURS = "claudeproxy:"


def sealed(summary: str) -> str:
    """Return a summary as the `encrypted_content` of an item."""
    return _OURS + b64encode(summary.encode("utf-8", "surrogatepass")).decode("ascii")


def summary_in(item: Mapping[str, Any]) -> str | None:
    """Return the summary in an item; None if it is not one of this server's items."""
    content = item.get("encrypted_content")
    if (
        item.get("type") != COMPACTION
        or not isinstance(content, str)
        or not content.startswith(_OURS)
    ):
        return None
    try:
        return b64decode(content.removeprefix(_OURS), validate=True).decode("utf-8")
    except ValueError:
        return None


def summary_blocks(summary: str) -> tuple[Block, ...]:
    """Return the blocks for a summary."""
    return (
        text_block(f"<{COMPACTION}>\nSummary of what came before:\n\n{summary}\n</{COMPACTION}>"),
    )


def without_replaced(items: list[Fields]) -> list[Fields]:
    """Return the items without those that the last summary among them replaces.

    The messages of the user and the instructions stay, and so do definitions of tools.
    """
    places = (index for index, item in enumerate(items) if summary_in(item.value) is not None)
    last = max(places, default=0)
    before = (item for item in items[:last] if _stays(item.value))
    return [*before, *items[last:]]


def kept_messages(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items that a client keeps beside the compaction item."""
    return (item for item in items if _stays(item) and item.get("type") != "additional_tools")


def triggering(given: dict[str, Any]) -> dict[str, Any]:
    """Return the body of POST /v1/responses/compact as one of POST /v1/responses."""
    items = given.get("input")
    if items is None and given.get("previous_response_id") is not None:
        items = []
    elif isinstance(items, str):
        items = [{"role": "user", "content": items}]
    if isinstance(items, list):
        items = [*items, {"type": TRIGGER}]
    return {**given, "input": items, "stream": False, "store": False}


def _stays(item: Item) -> bool:
    kind = item.get("type") or "message"
    return kind == "additional_tools" or (kind == "message" and item.get("role") != "assistant")


def no_summary(*, cut_off: bool) -> APIError:
    """502: there is no summary that could replace the conversation."""
    why = "The summary was cut off" if cut_off else "The model declined to write the summary"
    message = f"{why}, so the conversation was not compacted."
    return APIError(502, message, "server_error", should_retry=False)


@attrs.define
class CompactedResponse(Writer, WholeBody):
    """The JSON body of POST /v1/responses/compact.

    kept: returns the items that stay, from the unique part of the response's id.
    """

    kept: Callable[[str], Iterable[Item]]

    def feed(self, event: Event, choice: int = 0) -> bytes:
        """Nothing until the answer is finished, then all of it.

        Raises APIError if the model has not written a whole summary.
        """
        if isinstance(event, Finished) and event.reason != "stop":
            raise no_summary(cut_off=event.reason == "length")
        self._take(event)
        if not isinstance(event, Finished):
            return b""
        response = self._complete()
        made = [item for item in response["output"] if item["type"] == COMPACTION]
        compacted = {
            "id": response["id"],
            "object": "response.compaction",
            "created_at": response["created_at"],
            "output": [*self.kept(self.unique), *made],
            "usage": response["usage"],
        }
        return json.dumps(compacted).encode("ascii")
