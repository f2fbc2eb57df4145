"""OpenAI Responses: the web searches of an answer, as items.

Source: OpenAI's OpenAPI document 2.3.0 (WebSearchToolCall, WebSearchActionSearch).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ...conversation import Block
from ...events import Part
from ..openai_web_search import found_in, is_search


def is_item(part: Part) -> bool:
    """Whether a part of an answer is an item of its own: not the result of a search."""
    return part.kind != "server" or is_search(part.begun)


@attrs.define
class Searches:
    """The results of the searches so far, by the ids of their calls.

    sources: whether the items list the pages that were found.
    """

    sources: bool
    _results: dict[str, Block] = attrs.field(init=False, factory=dict)

    def found(self, result: Block) -> None:
        """Add the result of a search."""
        self._results[result["tool_use_id"]] = result

    def has_ended(self, part: Part) -> bool:
        """Whether a search has its result."""
        return part.begun["id"] in self._results

    def fields(self, part: Part) -> dict[str, Any]:
        """Return the fields of the item for a search, beside its id and type."""
        result = self._results.get(part.begun["id"])
        pages = None if result is None else found_in(result)
        query = str(part.block.get("input", {}).get("query", ""))
        action: dict[str, Any] = {"type": "search", "query": query, "queries": [query]}
        if self.sources:
            action["sources"] = [{"type": "url", "url": page["url"]} for page in pages or ()]
        ended = "failed" if pages is None else "completed"
        return {"status": "incomplete" if result is None else ended, "action": action}

    def blocks(self, items: Mapping[str, Part]) -> dict[str, tuple[Block, ...]]:
        """Return the API's blocks for each search. items: the parts of an answer by item ids."""
        return {
            item_id: tuple(
                filter(None, (part.block, self._results.get(part.begun["id"]))),
            )
            for item_id, part in items.items()
            if part.kind == "server"
        }
