"""The places that a process can be taken back to: before each plain user line that it remembers.

`rewind_conversation` is a request of the CLI that is not documented. So a process counts as rewound
only if the CLI says that it went back to exactly the place that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..conversation import Turn
from .plan import is_mark


REWIND = "rewind_conversation"


class Marks:
    """The uuids of the user lines that a process remembers. They never leave the proxy."""

    def __init__(self) -> None:
        """A new process remembers no lines."""
        self._sent = 0
        # Of all user lines, in order; and the places of the plain ones among them.
        self._uuids: list[str] = []
        self._plain: list[int] = []
        self._target = 0

    def __len__(self) -> int:
        """How many marks there are."""
        return len(self._plain)

    def add(self, line: Turn) -> str:
        """Return the uuid for a user line that is about to be sent."""
        self._sent += 1
        if is_mark(line):
            self._plain.append(len(self._uuids))
        # The CLI derives further uuids from the first 24 characters, so these must differ.
        self._uuids.append(f"{self._sent:08x}-0000-4000-8000-000000000000")
        return self._uuids[-1]

    def request(self, target: int) -> dict[str, str]:
        """Return the fields of the request that takes the process back to a mark."""
        self._target = target
        return {
            "target_message_uuid": self._uuids[self._plain[target]],
            "last_seen_user_message_uuid": self._uuids[-1],
        }

    def refusal(self, response: Mapping[str, Any]) -> str:
        """Return why the process did not go back; "" if it did, and then forget what it forgot."""
        told = response.get("response") or {}
        if response.get("subtype") != "success":
            return _reason(response.get("error"))
        if told.get("rewound") is not True:
            return _reason(told.get("error"))
        place = self._plain[self._target]
        if told.get("targetMessageUuid") != self._uuids[place]:
            return "another target"
        del self._uuids[place:], self._plain[self._target :]
        return ""

    def keep(self, count: int) -> None:
        """Never go back to any mark but the first ones; the process has forgotten nothing."""
        del self._plain[count:]

    def forget(self) -> None:
        """The process has been cleared, or what it remembers is not known."""
        self._uuids.clear()
        self._plain.clear()


# The reasons that the CLI gives (2.1.197, 2.1.330, 2.1.332); any other one is counted as "other".
REASONS = (
    "stale target",
    "target splits a tool call",
    "turn running",
    "no preceding assistant",
    "target not found",
)


def _reason(told: object) -> str:
    text = str(told).lower()
    if "unsupported" in text or "unknown" in text:
        return "unsupported"
    return next((reason for reason in REASONS if reason in text), "other")
