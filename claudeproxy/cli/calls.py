"""Matches a process's calls of the client's tools with the results that the client sends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..conversation import Block, Tool, Turn
from . import mcp
from .outgoing import control_refusal, mcp_reply


# The field with the id of the tool_use block that a call belongs to (both versions).
USE_ID = "claudecode/toolUseId"


class Calls:
    """Matches the CLI's `tools/call` messages with results. Either can come first."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        """tools: the tools that the process was initialized with."""
        self._tools = tuple(tools)
        self._waiting: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._results: dict[str, Block] = {}

    def requested(self, line: Mapping[str, Any]) -> Iterator[bytes]:
        """Take a control request of the CLI, and yield the line that answers it, if there is one.

        Requests that do not concern the client's tools are refused.
        """
        request_id, request = line["request_id"], line["request"]
        if request["subtype"] == "mcp_message" and request["server_name"] == mcp.SERVER:
            yield from self.receive(request_id, request["message"])
        else:
            yield control_refusal(request_id)

    def receive(self, request_id: str, message: Mapping[str, Any]) -> Iterator[bytes]:
        """Take an MCP message, and yield the line that answers it, if there is one yet."""
        reply = mcp.reply(message, self._tools)
        if reply is not None:
            yield mcp_reply(request_id, reply)
            return
        use_id = message["params"]["_meta"][USE_ID]
        self._waiting[use_id] = (request_id, message)
        yield from self._reply_if_ready(use_id)

    def answer(self, results: Turn) -> Iterator[bytes]:
        """Take the results of all calls, and yield lines for the calls that already wait."""
        self._results = {block["tool_use_id"]: block for block in results.blocks}
        for use_id in list(self._waiting):
            yield from self._reply_if_ready(use_id)

    def forget(self) -> None:
        """Discard all calls and results."""
        self._waiting.clear()
        self._results.clear()

    def _reply_if_ready(self, use_id: str) -> Iterator[bytes]:
        if use_id in self._results:
            request_id, call = self._waiting.pop(use_id)
            yield mcp_reply(request_id, mcp.call_result(call, self._results.pop(use_id)))
