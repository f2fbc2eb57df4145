"""Responses answers in one body, read by the official package's own types."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

import pytest
from openai.types.responses import Response
from pydantic import BaseModel

from claudeproxy.dialects.openai_answer import REFUSAL
from claudeproxy.dialects.responses.answer import WholeResponse
from claudeproxy.dialects.responses.writer import usage_object
from claudeproxy.errors import APIError
from claudeproxy.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    ReasoningSigned,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
)

from .test_request import ask, dialect


# Names that the documents of the API have and the package does not.
NEWER = {"store", "presence_penalty", "frequency_penalty"}
USAGE = Usage(
    input_tokens=11,
    cache_read_tokens=5,
    cache_creation_tokens=3,
    output_tokens=7,
    reasoning_tokens=2,
)
USAGE_OBJECT = {
    "input_tokens": 19,
    "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 3},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 26,
}
AWKWARD: Any = [
    "",
    "plain",
    '"\\',
    "\x00\x1b\x7f",
    "a\r\n\r\nb",
    "\u2028",
    "🦜é",
    "data: [DONE]\n\n",
]
THINKING: Any = [ReasoningDelta("Let me "), ReasoningDelta("see."), ReasoningSigned("sig")]
CALLING: Any = [
    ToolCallStarted(0, "call_a", "f"),
    ToolArgumentsDelta(0, '{"x"'),
    ToolArgumentsDelta(0, ": 1}"),
    ToolCallStarted(1, "call_b", "g"),
]


def answer(*events: Event, reason: FinishReason = "stop") -> list[Event]:
    return [Started("claude-opus-5-5"), *events, Finished(reason, USAGE)]


def whole(events: Sequence[Event], newer: Collection[str] = (), **changes: Any) -> dict[str, Any]:
    """The body, which the official type reads."""
    writer = ask(to=dialect(lambda: 1700000005.9), **changes).answer("abc", 1700000000)
    pieces = [writer.feed(event) for event in events]
    assert not any(pieces[:-1])
    told: dict[str, Any] = json.loads(pieces[-1])
    assert unknown(Response.model_validate(told, strict=True)) == {*NEWER, *newer}
    return told


def output(*events: Event, **changes: Any) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = whole(answer(*events), **changes)["output"]
    return told


def unknown(value: object) -> set[str]:
    """The names that the official types do not know, however deep."""
    if isinstance(value, list):
        return set().union(*map(unknown, value))
    if not isinstance(value, BaseModel):
        return set()
    inner = (unknown(getattr(value, name)) for name in type(value).model_fields)
    return set(value.model_extra or ()).union(*inner)


def text_item(item_id: str, text: str, status: str = "completed") -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "id": item_id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [part],
    }


def thought_item(item_id: str, text: str, status: str = "completed") -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": text}]
    return {"id": item_id, "type": "reasoning", "status": status, "summary": summary}


def call_item(
    item_id: str, call_id: str, name: str, arguments: str, status: str = "completed"
) -> dict[str, Any]:
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


REFUSED = {
    "id": "msg_abcr",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "refusal", "refusal": REFUSAL}],
}


def test_a_whole_answer_is_a_response() -> None:
    assert whole(answer(TextDelta("Hello "), TextDelta("there"))) == {
        "id": "resp_abc",
        "object": "response",
        "created_at": 1700000000,
        "completed_at": 1700000005,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "output": [text_item("msg_abc0", "Hello there")],
        "service_tier": "default",
        "model": "claude-opus-5-5",
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "top_logprobs": 0,
        "truncation": "disabled",
        "user": None,
        "store": True,
        "usage": USAGE_OBJECT,
    }


def test_the_official_type_gives_the_text() -> None:
    told = whole(answer(*THINKING, TextDelta("Hello"), *CALLING, TextDelta("!")))
    response = Response.model_validate(told, strict=True)
    assert response.output_text == "Hello!"
    assert response.usage is not None
    assert response.usage.input_tokens_details.cached_tokens == 5
    assert response.usage.output_tokens_details.reasoning_tokens == 2


@pytest.mark.parametrize("text", AWKWARD)
def test_text_survives(text: str) -> None:
    (item,) = output(TextDelta("<"), TextDelta(text), TextDelta(">"))
    assert item["content"][0]["text"] == f"<{text}>"


def test_an_answer_of_nothing_has_no_items() -> None:
    assert output() == []


@pytest.mark.parametrize("reasoning", [None, {}, {"effort": "high"}, {"summary": None}])
def test_thoughts_are_kept_back_unless_asked_for(reasoning: Any) -> None:
    told = output(*THINKING, TextDelta("Hi"), ReasoningDelta("x"), TextDelta("!"))
    assert told == [text_item("msg_abc0", "Hi!")]
    assert output(*THINKING, reasoning=reasoning) == []


@pytest.mark.parametrize("name", ["summary", "generate_summary"])
def test_thoughts_are_items_if_asked_for(name: str) -> None:
    told = output(*THINKING, ReasoningDelta("More."), TextDelta("Hi"), reasoning={name: "detailed"})
    # What was thought after a signature is another thought.
    assert told == [
        thought_item("rs_abc0", "Let me see."),
        thought_item("rs_abc1", "More."),
        text_item("msg_abc2", "Hi"),
    ]


def test_calls_are_items_in_the_order_of_the_answer() -> None:
    events = [TextDelta("Wait."), *CALLING, TextDelta("Done.")]
    assert output(*events) == [
        text_item("msg_abc0", "Wait."),
        call_item("fc_abc1", "calla", "f", '{"x": 1}'),
        call_item("fc_abc2", "callb", "g", ""),
        text_item("msg_abc3", "Done."),
    ]


@pytest.mark.parametrize("reason", ["stop", "tool_calls"])
def test_an_answer_that_came_to_its_end_is_complete(reason: FinishReason) -> None:
    told = whole(answer(TextDelta("x"), reason=reason))
    assert (told["status"], told["incomplete_details"]) == ("completed", None)
    assert told["completed_at"] == 1700000005


def test_an_answer_that_was_cut_off_is_incomplete_and_so_is_its_last_item() -> None:
    told = whole(answer(TextDelta("x"), *CALLING[:2], reason="length"))
    assert told["status"] == "incomplete"
    assert told["incomplete_details"] == {"reason": "max_output_tokens"}
    assert told["completed_at"] is None
    assert told["output"] == [
        text_item("msg_abc0", "x"),
        call_item("fc_abc1", "calla", "f", '{"x"', "incomplete"),
    ]
    assert told["usage"] == USAGE_OBJECT


def test_an_answer_that_was_cut_off_at_once_has_no_items() -> None:
    told = whole(answer(*THINKING, reason="length"))
    assert (told["status"], told["output"]) == ("incomplete", [])


@pytest.mark.parametrize("said", [[], [TextDelta("Well")]])
def test_a_refusal_is_an_item_of_its_own(said: list[Event]) -> None:
    told = whole(answer(*said, reason="content_filter"))
    assert told["status"] == "incomplete"
    assert told["incomplete_details"] == {"reason": "content_filter"}
    assert told["output"] == [*([text_item("msg_abc0", "Well")] if said else []), REFUSED]


def test_usage_of_nothing_is_all_zeros() -> None:
    usage = usage_object(Usage())
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (0, 0, 0)


def test_a_whole_answer_leaves_no_room_for_an_error_or_a_keepalive() -> None:
    writer = ask().answer("abc", 0)
    assert isinstance(writer, WholeResponse)
    assert (writer.content_type, writer.keepalive) == ("application/json", b"")
    assert writer.feed(Failed(APIError(500, "x"))) == b""
    with pytest.raises(AssertionError):
        writer.fail(APIError(500, "x"))
