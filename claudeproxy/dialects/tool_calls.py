"""Matches the tool calls of a history with their results, and makes their ids valid."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from ..conversation import Block
from ..errors import bad_request
from .json_body import parse_json


# The name of the field with arguments that are not a JSON object.
NOT_AN_OBJECT = "invalid_json"

_API_ID = re.compile(r"[A-Za-z0-9_-]+")


@attrs.frozen
class _Call:
    """A call of the history, and its id for the API."""

    name: str
    api_id: str


@attrs.define
class Calls:
    """The calls read so far.

    _open: the calls without a result, by their ids. _called: how often each id was used.
    """

    _open: dict[str, _Call] = attrs.field(init=False, factory=dict)
    _called: dict[str, int] = attrs.field(init=False, factory=dict)

    @property
    def waiting(self) -> list[str]:
        """The ids of the calls that have no result yet."""
        return list(self._open)

    def __contains__(self, call_id: str) -> bool:
        """Whether there was a call with this id."""
        return call_id in self._called

    def __len__(self) -> int:
        """The number of different ids."""
        return len(self._called)

    def waiting_for(self, name: str) -> str:
        """The id of the first call of a tool without a result, "" if there is none."""
        return next((key for key, call in self._open.items() if call.name == name), "")

    def use(self, call_id: str, name: str, arguments: Mapping[str, Any], where: str) -> Block:
        """Return the block of a call; raise a 400 that names `where` if its id is in use."""
        if call_id in self._open:
            raise bad_request(
                f"Invalid '{where}': the tool call id '{call_id}' is used more than once.",
                where,
                "invalid_value",
            )
        self._called[call_id] = times = self._called.get(call_id, 0) + 1
        # Some clients number the calls of each message from the start, but the API requires ids
        # that are unique.
        api_id = _api_id(call_id if times == 1 else f"{call_id} #{times}")
        self._open[call_id] = _Call(name, api_id)
        return {"type": "tool_use", "id": api_id, "name": name, "input": arguments}

    def result(self, call_id: str, content: Iterable[Block], *, is_error: bool = False) -> Block:
        """Return the block with the result of a call that has none yet."""
        listed = list(content)
        return {
            "type": "tool_result",
            "tool_use_id": self._open.pop(call_id).api_id,
            **({"content": listed} if listed else {}),
            **({"is_error": True} if is_error else {}),
        }

    def problem_with_result(self, call_id: str) -> str | None:
        """Return a sentence that says why a result is not valid, or None if it is valid."""
        if call_id in self._open:
            return None
        if call_id in self._called:
            return f"The tool call '{call_id}' already has a response."
        if not self._called:
            return "No tool call precedes it."
        return f"No tool call with the id '{call_id}' precedes it."


def read_arguments(text: str) -> dict[str, Any]:
    """Parse the arguments of a call that a client sends back as JSON text."""
    try:
        value = parse_json(text) if text.strip() else {}
    except ValueError:
        value = text
    if value is None or value in ([], ""):
        # What some clients send for a call without arguments: an empty array is PHP's.
        value = {}
    # The text may be incomplete because max_tokens cut the call off. The API accepts only objects.
    return value if isinstance(value, dict) else {NOT_AN_OBJECT: text}


def _api_id(call_id: str) -> str:
    """Return an id that the Messages API accepts. Ids of other servers may be invalid there."""
    if _API_ID.fullmatch(call_id):
        return call_id
    return "call_" + hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:24]
