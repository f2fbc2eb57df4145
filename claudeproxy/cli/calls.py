"""The calls of the client's tools that a process waits for, and the results that come for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..conversation import Block, Tool, Turn, plain_id
from . import mcp
from .outgoing import mcp_reply


# Where the CLI says which tool_use block of the stream a call belongs to (both versions).
USE_ID = "claudecode/toolUseId"


class Calls:
    """Matches the CLI's `tools/call` messages with results, in whichever order they come."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        """tools: what the process was made with."""
        self._tools = tuple(tools)
        self._waiting: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._results: dict[str, Block] = {}

    def receive(self, request_id: str, message: Mapping[str, Any]) -> Iterator[bytes]:
        """An MCP message of the CLI's: the line that answers it, if it can be answered yet."""
        reply = mcp.reply(message, self._tools)
        if reply is not None:
            yield mcp_reply(request_id, reply)
            return
        use_id = plain_id(message["params"]["_meta"][USE_ID])
        self._waiting[use_id] = (request_id, message)
        yield from self._reply_if_ready(use_id)

    def answer(self, results: Turn) -> Iterator[bytes]:
        """Results of all calls: the lines for those that have been called for already."""
        self._results = {plain_id(block["tool_use_id"]): block for block in results.blocks}
        for use_id in list(self._waiting):
            yield from self._reply_if_ready(use_id)

    def forget(self) -> None:
        """No one waits any more."""
        self._waiting.clear()
        self._results.clear()

    def _reply_if_ready(self, use_id: str) -> Iterator[bytes]:
        if use_id in self._results:
            request_id, call = self._waiting.pop(use_id)
            yield mcp_reply(request_id, mcp.call_result(call, self._results.pop(use_id)))
