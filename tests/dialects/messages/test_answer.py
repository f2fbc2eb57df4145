"""Anthropic Messages answers: whole, streamed, and errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claudeproxy.dialects.messages.answer import StreamedMessage, WholeMessage, encode_error
from claudeproxy.errors import APIError
from claudeproxy.events import (
    Event,
    Finished,
    ReasoningDelta,
    ReasoningSigned,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
)


USAGE = Usage(5, 2, 3, 7, 1)
EVENTS: list[Event] = [
    Started("claude-x", Usage(5, 2, 3)),
    ReasoningDelta("h"),
    ReasoningDelta("m"),
    ReasoningSigned("sig"),
    TextDelta("a"),
    TextDelta("b"),
    ToolCallStarted(0, "t0", "f"),
    ToolArgumentsDelta(0, '{"a":'),
    ToolArgumentsDelta(0, "1}"),
    ToolCallStarted(1, "t1", "g"),
    ToolArgumentsDelta(1, "{}"),
    Finished("tool_calls", USAGE, "tool_use"),
]
BLOCKS = [
    {"type": "thinking", "thinking": "hm", "signature": "sig"},
    {"type": "text", "text": "ab"},
    {"type": "tool_use", "id": "t0", "name": "f", "input": {"a": 1}},
    {"type": "tool_use", "id": "t1", "name": "g", "input": {}},
]


def whole(*events: Event) -> dict[str, Any]:
    answer = WholeMessage("u", 0)
    *before, last = [answer.feed(event) for event in events]
    assert not any(before)
    message: dict[str, Any] = json.loads(last)
    return message


def test_a_whole_answer() -> None:
    assert whole(*EVENTS) == {
        "id": "msg_u",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": BLOCKS,
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 5,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 2,
            "output_tokens": 7,
        },
    }


@pytest.mark.parametrize(
    ("end", "reason", "sequence"),
    [
        (Finished("stop", USAGE, "end_turn"), "end_turn", None),
        (Finished("stop", USAGE, "tool_use"), "end_turn", None),
        (Finished("stop", USAGE, "stop_sequence", "X"), "stop_sequence", "X"),
        (Finished("length", USAGE, "max_tokens"), "max_tokens", None),
        (Finished("content_filter", USAGE, "refusal"), "refusal", None),
    ],
)
def test_why_it_ended(end: Finished, reason: str, sequence: str | None) -> None:
    message = whole(Started("m"), TextDelta("a"), end)
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)


def test_a_streamed_answer_adds_up_to_the_whole_one() -> None:
    answer = StreamedMessage("u", 0)
    frames = b"".join(answer.feed(event) for event in EVENTS).decode().split("\n\n")[:-1]
    events = [json.loads(frame.partition("data: ")[2]) for frame in frames]
    assert [frame.partition("\n")[0] for frame in frames] == [
        f"event: {event['type']}" for event in events
    ]
    assert events[0]["message"]["usage"]["input_tokens"] == 5
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert events[-2]["usage"]["output_tokens"] == 7
    blocks: list[dict[str, Any]] = []
    open_block = None
    for event in events[1:-2]:
        if event["type"] == "content_block_start":
            assert open_block is None
            open_block = event["index"]
            assert open_block == len(blocks)
            blocks.append({**event["content_block"], "json": ""})
        elif event["type"] == "content_block_delta":
            assert event["index"] == open_block
            delta = event["delta"]
            for name in ("text", "thinking", "signature"):
                if name in delta:
                    blocks[-1][name] += delta[name]
            blocks[-1]["json"] += delta.get("partial_json", "")
        else:
            assert (event["type"], event["index"]) == ("content_block_stop", open_block)
            open_block = None
    for block in blocks:
        text = block.pop("json")
        if block["type"] == "tool_use":
            block["input"] = json.loads(text)
    assert blocks == BLOCKS


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((400, "invalid_request_error"), (401, "authentication_error"), (404, "not_found_error")),
        *((413, "request_too_large"), (429, "rate_limit_error"), (503, "overloaded_error")),
        *((500, "api_error"), (502, "api_error"), (504, "timeout_error")),
    ],
)
def test_errors(status: int, kind: str) -> None:
    error = APIError(status, "why")
    body = {"type": "error", "error": {"type": kind, "message": "why"}}
    assert json.loads(encode_error(error)) == body
    frame = StreamedMessage("u", 0).fail(error)
    assert frame == b"event: error\ndata: " + encode_error(error) + b"\n\n"


def test_an_error_of_a_request_names_it() -> None:
    told = json.loads(encode_error(APIError(404, "No."), "req_1"))
    assert told == {
        "type": "error",
        "error": {"type": "not_found_error", "message": "No."},
        "request_id": "req_1",
    }
