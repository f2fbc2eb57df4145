"""Lines and fields that no CLI is known to write, for among those that it does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs


NAME = "neverSeen"
VALUES: tuple[Any, ...] = (None, True, 7, "text", ["a", {"b": 1}], {"type": "text", "text": "no"})


def streamed(event: Any, parent: str | None = None) -> dict[str, Any]:
    return {"type": "stream_event", "event": event, "parent_tool_use_id": parent}


def asking(**request: Any) -> dict[str, Any]:
    return {"type": "control_request", "request_id": "never-seen-1", "request": request}


def a_block(kind: str, *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """All events of a block."""
    block = {"type": kind, "id": "srvtoolu_1", "name": "never_seen", "input": {}, "text": ""}
    return [
        streamed({"type": "content_block_start", "index": 90, "content_block": block}),
        *(streamed({"type": "content_block_delta", "index": 90, "delta": d}) for d in deltas),
        streamed({"type": "content_block_stop", "index": 90}),
    ]


# Each may come at any place.
LINES: dict[str, Any] = {
    "a type": {"type": "never_seen", "request_id": "1", "result": "no", "is_error": True},
    "a cancelled request": {"type": "control_cancel_request", "request_id": "never-seen-2"},
    "no type": {"subtype": "success", "is_error": True},
    "a type that is no string": {"type": ["result"], "is_error": True},
    "a type that is null": {"type": None},
    "no object": ["type", "result"],
    "a number": 17,
    "null": None,
    "a system line": {"type": "system", "subtype": "never_seen", "tools": 1, "message": "no"},
    "a stream event": streamed({"type": "never_seen", "delta": {"type": "text_delta"}}),
    "a ping": streamed({"type": "ping"}),
    "a delta": streamed(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "never_seen", "text": "no"}}
    ),
    "a subagent's text": streamed(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "no"}},
        parent="toolu_1",
    ),
    "a message_delta that ends nothing": streamed(
        {"type": "message_delta", "delta": {NAME: 1}, "usage": {NAME: 5}}
    ),
    "an assistant's block": {
        "type": "assistant",
        "message": {
            "id": "msg_never_seen",
            "model": "claude-never-seen",
            "role": "assistant",
            "content": [{"type": "never_seen", "text": "no"}],
        },
    },
    "a user's block": {
        "type": "user",
        "message": {"role": "user", "content": [{"type": "never_seen", "text": "no"}]},
    },
    "an answer to nobody": {
        "type": "control_response",
        "response": {"subtype": "error", "request_id": "nobody", "error": "no"},
    },
}
# The CLI gets an answer to these.
REQUESTS: dict[str, Any] = {
    "a request": asking(subtype="never_seen", tool_name="Bash", input={}),
    "a message to another server": asking(
        subtype="mcp_message", server_name="never_seen", message={"method": "never/seen"}
    ),
    "an MCP method": asking(
        subtype="mcp_message", server_name="client", message={"method": "never/seen", "id": 9}
    ),
    "an MCP notification": asking(
        subtype="mcp_message", server_name="client", message={"method": "notifications/never_seen"}
    ),
}
# Each may come between two blocks of a message.
BLOCKS: dict[str, list[Any]] = {
    "a block": a_block("never_seen"),
    "a block with text": a_block("never_seen", {"type": "text_delta", "text": "no"}),
    "a block with JSON": a_block(
        "server_never_seen", {"type": "input_json_delta", "partial_json": "{"}
    ),
    "a block with a delta": a_block("never_seen", {"type": "never_seen_delta", "text": "no"}),
}

# These have names of the client's, of models and of servers for fields: one more would be known.
NOT_FIELDS = frozenset({"input", "arguments", "modelUsage", "structured_output", "mcpServers"})


def with_fields(value: Any, more: Callable[[], Any]) -> Any:
    """The same with an unknown field in every object. more: returns the value of the next one."""
    if isinstance(value, Mapping):
        inner = {k: v if k in NOT_FIELDS else with_fields(v, more) for k, v in value.items()}
        return {NAME: more(), **inner, f"{NAME}Too": more()}
    if isinstance(value, list):
        return [with_fields(each, more) for each in value]
    return value


def without_fields(value: Any) -> Any:
    """The same without them. What is told has some objects of the CLI's as they are."""
    if attrs.has(type(value)):
        fields = attrs.asdict(value, recurse=False)
        return type(value).__name__, without_fields(fields)
    if isinstance(value, Mapping):
        kept = {k: v for k, v in value.items() if k not in (NAME, f"{NAME}Too")}
        return {name: without_fields(each) for name, each in kept.items()}
    if isinstance(value, list | tuple):
        return [without_fields(each) for each in value]
    return copy.copy(value)


class Between:
    """Puts lines before each message, and blocks before each one that may follow a block."""

    def __init__(self, choose: Callable[[bool], list[Any]]) -> None:
        """choose: returns what comes before the next message; told whether that may be a block."""
        self._choose = choose
        self._in_message = self._in_block = False

    def __call__(self, message: dict[str, Any]) -> Iterator[Any]:
        event = message["event"] if message["type"] == "stream_event" else {}
        own = message.get("parent_tool_use_id") is None
        may = self._in_message and not self._in_block and own
        yield from self._choose(may)
        match event.get("type") if own else None:
            case "message_start":
                self._in_message, self._in_block = True, False
            case "content_block_start":
                self._in_block = True
            case "content_block_stop":
                self._in_block = False
            case "message_delta" | "message_stop":
                self._in_message = False
        yield message
