"""What the tests of Chat Completions requests have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from claudeproxy.conversation import Block, Limits, Turn, text_block
from claudeproxy.dialects import ParsedRequest
from claudeproxy.dialects.chat.request import read
from claudeproxy.errors import APIError


# A fresh checkout builds Hypothesis' tables first, and a busy machine takes its time.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

HELLO = {"role": "user", "content": "Hello"}
# The first bytes of a picture and of a document, and nobody here looks any further.
PNG = "iVBORw0KGgoAAAAN"
PNG_URL = f"data:image/png;base64,{PNG}"
PDF = "JVBERi0xLjQK"


def user(*texts: str) -> Turn:
    return Turn("user", tuple(text_block(text) for text in texts))


def assistant(*texts: str) -> Turn:
    return Turn("assistant", tuple(text_block(text) for text in texts))


def tool_use(call_id: str, name: str, **arguments: Any) -> Block:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def tool_result(call_id: str, *content: Block) -> Block:
    result = {"type": "tool_result", "tool_use_id": call_id}
    return {**result, "content": list(content)} if content else result


def call(call_id: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    """A tool call as a client sends it back."""
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def calling(*calls: Any, content: Any = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def result(call_id: str, content: Any = "done") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def function(name: str = "f", **more: Any) -> dict[str, Any]:
    """A tool as a client offers it."""
    return {"type": "function", "function": {"name": name, **more}}


def body(**changes: Any) -> bytes:
    return json.dumps({"model": "sonnet", "messages": [HELLO], **changes}).encode()


def ask(*messages: Any, **changes: Any) -> ParsedRequest:
    return read(body(messages=list(messages) or [HELLO], **changes))


def turns(*messages: Any) -> tuple[Turn, ...]:
    return ask(*messages).conversation.turns


def limits(**changes: Any) -> Limits:
    return ask(**changes).conversation.limits


def refused(read_it: Callable[[], object]) -> tuple[str, str | None, str | None]:
    with pytest.raises(APIError) as caught:
        read_it()
    error = caught.value
    assert (error.status, error.type, error.retry_after) == (400, "invalid_request_error", None)
    return error.message, error.param, error.code


def without(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key != name}
