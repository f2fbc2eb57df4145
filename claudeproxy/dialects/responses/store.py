"""Stores complete responses, for `previous_response_id` and GET /v1/responses/{id}.

They are only in memory, so a restart deletes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs

from ...conversation import Block


# An item of the Responses API: a message, a call, its output, a thought.
Item: TypeAlias = Mapping[str, Any]
# The limit for the size of all requests whose items are stored. They can contain images.
MOST_BYTES = 256 * 1024 * 1024


@attrs.frozen
class Stored:
    """One response.

    response: the response object. input: its input items, each with an id. before: the items of
    previous responses. size: the size in bytes of all requests that these items came from. owner:
    the name of the API key that made it, "" without keys. blocks: for each search in its output,
    the blocks that the API made for it, by the item's id.
    """

    response: Mapping[str, Any]
    input: tuple[Item, ...]
    before: tuple[Item, ...]
    size: int
    owner: str = ""
    blocks: Mapping[str, tuple[Block, ...]] = attrs.field(factory=dict)

    @property
    def conversation(self) -> tuple[Item, ...]:
        """All items up to the end of the response."""
        return (*self.before, *self.input, *self.response["output"])


@attrs.define
class ResponseStore:
    """Stores up to `most` responses for `age` seconds, and deletes the oldest ones first.

    A response and its items are only there for their owner. now: returns the time in seconds since
    the epoch.
    """

    now: Callable[[], float]
    most: int
    age: float
    _kept: dict[str, tuple[float, Stored]] = attrs.field(init=False, factory=dict)
    # By owner and id, because clients choose the ids of their items.
    _items: dict[tuple[str, str], Item] = attrs.field(init=False, factory=dict)
    _blocks: dict[tuple[str, str], tuple[Block, ...]] = attrs.field(init=False, factory=dict)
    _size: int = attrs.field(init=False, default=0)

    def put(self, stored: Stored) -> None:
        """Store a response."""
        self._kept[stored.response["id"]] = (self.now(), stored)
        self._items.update({(stored.owner, item["id"]): item for item in _own(stored)})
        self._blocks.update(
            {(stored.owner, item_id): blocks for item_id, blocks in stored.blocks.items()}
        )
        self._size += stored.size
        self._forget()

    def get(self, response_id: str, owner: str = "") -> Stored | None:
        """Return the response with an id, None if this owner has none."""
        self._forget()
        _, stored = self._kept.get(response_id, (0.0, None))
        return stored if stored is not None and stored.owner == owner else None

    def item(self, item_id: str, owner: str = "") -> Item | None:
        """Return an item of a stored response of this owner's by its id."""
        self._forget()
        return self._items.get((owner, item_id))

    def blocks(self, item_id: str, owner: str = "") -> tuple[Block, ...]:
        """Return the blocks of a search in a stored response of this owner's; none if unknown."""
        self._forget()
        return self._blocks.get((owner, item_id), ())

    def delete(self, response_id: str, owner: str = "") -> bool:
        """Delete a response; return whether this owner had it."""
        if self.get(response_id, owner) is None:
            return False
        self._drop(response_id)
        return True

    def _forget(self) -> None:
        oldest = self.now() - self.age
        while self._kept:
            response_id, (kept, _) = next(iter(self._kept.items()))
            if len(self._kept) <= self.most and kept >= oldest and self._size <= MOST_BYTES:
                return
            self._drop(response_id)

    def _drop(self, response_id: str) -> None:
        _, stored = self._kept.pop(response_id)
        self._size -= stored.size
        for item in _own(stored):
            self._items.pop((stored.owner, item["id"]), None)
        for item_id in stored.blocks:
            self._blocks.pop((stored.owner, item_id), None)


def _own(stored: Stored) -> tuple[Item, ...]:
    return (*stored.input, *stored.response["output"])
