"""Collects the lines to write to the CLI, and keeps track of its control requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import outgoing


class Outbox:
    """The lines that are to be written, and the control requests that have no response yet."""

    def __init__(self) -> None:
        """Start empty."""
        self._lines: list[bytes] = []
        self._requests = 0
        self._pending: dict[str, str] = {}

    def send(self, line: bytes) -> None:
        """Add a line."""
        self._lines.append(line)

    def control(self, subtype: str, **request: Any) -> None:
        """Add a control request with a new id."""
        self._requests += 1
        request_id = f"claudeproxy-{self._requests}"
        self._pending[request_id] = subtype
        self.send(outgoing.control_request(request_id, subtype, request))

    def answered(self, response: Mapping[str, Any]) -> str | None:
        """Return the subtype of the control request that a response answers; None if unknown."""
        return self._pending.pop(response.get("request_id", ""), None)

    def take(self) -> bytes:
        """Return all lines and remove them."""
        data = b"".join(self._lines)
        self._lines.clear()
        return data
