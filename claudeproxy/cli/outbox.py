"""What is to be written to the CLI, and what it was asked in control requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import outgoing


class Outbox:
    """The lines that wait to be written, and the control requests that are not answered yet."""

    def __init__(self) -> None:
        """It is empty."""
        self._lines: list[bytes] = []
        self._requests = 0
        self._pending: dict[str, str] = {}

    def send(self, line: bytes) -> None:
        """Write a line."""
        self._lines.append(line)

    def control(self, subtype: str, **request: Any) -> None:
        """Write a control request with an id of its own."""
        self._requests += 1
        request_id = f"claudeproxy-{self._requests}"
        self._pending[request_id] = subtype
        self.send(outgoing.control_request(request_id, subtype, request))

    def answered(self, response: Mapping[str, Any]) -> str | None:
        """The subtype of the control request that a response is for, None if it is for none."""
        return self._pending.pop(response.get("request_id", ""), None)

    def take(self) -> bytes:
        """All lines that wait; from now on they do not."""
        data = b"".join(self._lines)
        self._lines.clear()
        return data
