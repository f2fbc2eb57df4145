"""Responses answers as numbered events, read by the official package's own types."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from claudeproxy.dialects.openai_answer import REFUSAL
from claudeproxy.dialects.responses.answer import StreamedResponse
from claudeproxy.errors import APIError, rate_limited
from claudeproxy.events import (
    Event,
    FinishReason,
    ReasoningDelta,
    ReasoningSigned,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
)

from ..asking import calm
from .test_answer import (
    AWKWARD,
    CALLING,
    NEWER,
    REFUSED,
    THINKING,
    USAGE_OBJECT,
    answer,
    call_item,
    text_item,
    thought_item,
    unknown,
    whole,
)
from .test_request import ask, dialect


EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
SUMMARY = {"summary": "auto"}
BEGUN: Any = ["response.created", "response.in_progress"]
ITEM, ITEM_DONE = "response.output_item.added", "response.output_item.done"
PART, PART_DONE = "response.content_part.added", "response.content_part.done"
TEXT, TEXT_DONE = "response.output_text.delta", "response.output_text.done"
ARGUMENTS = "response.function_call_arguments.delta"
ARGUMENTS_DONE = "response.function_call_arguments.done"
SUMMED, SUMMED_DONE = (
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
)
THOUGHT, THOUGHT_DONE = (
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
)


def writing(**changes: Any) -> StreamedResponse:
    to = dialect(lambda: 1700000005.9)
    writer = ask(to=to, stream=True, **changes).answer("abc", 1700000000)
    assert isinstance(writer, StreamedResponse)
    return writer


def frames(data: bytes) -> list[dict[str, Any]]:
    """The events of a stream, each of which the official types read."""
    text = data.decode("ascii")
    told = []
    for frame in text.split("\n\n")[:-1]:
        kind, line = frame.split("\n")
        event = json.loads(line.removeprefix("data: "))
        assert kind == f"event: {event['type']}"
        read = EVENT.validate_python(event, strict=True)
        assert read.type == event["type"]
        assert unknown(read) <= {*NEWER, "name", "namespace", "status"}
        told.append(event)
    assert text == "" or text.endswith("\n\n")
    return told


def streamed(events: Iterable[Event], **changes: Any) -> list[dict[str, Any]]:
    writer = writing(**changes)
    told = frames(b"".join(map(writer.feed, events)))
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    return told


def kinds(told: Iterable[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in told]


def without_number(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "sequence_number"}


# Word by word


def test_a_text_word_by_word() -> None:
    told = streamed(answer(TextDelta("Hello "), TextDelta("there")))
    finished = whole(answer(TextDelta("Hello there")))
    open_still: dict[str, Any] = {
        "status": "in_progress",
        "completed_at": None,
        "output": [],
        "usage": None,
    }
    started = {**finished, **open_still}
    done = text_item("msg_abc0", "Hello there")
    (part,) = done["content"]
    place = {"item_id": "msg_abc0", "output_index": 0, "content_index": 0}
    assert list(map(without_number, told)) == [
        {"type": "response.created", "response": started},
        {"type": "response.in_progress", "response": started},
        {
            "type": ITEM,
            "output_index": 0,
            "item": {**done, "status": "in_progress", "content": []},
        },
        {"type": PART, **place, "part": {**part, "text": ""}},
        {"type": TEXT, **place, "delta": "Hello ", "logprobs": []},
        {"type": TEXT, **place, "delta": "there", "logprobs": []},
        {"type": TEXT_DONE, **place, "text": "Hello there", "logprobs": []},
        {"type": PART_DONE, **place, "part": part},
        {"type": ITEM_DONE, "output_index": 0, "item": done},
        {"type": "response.completed", "response": finished},
    ]


def test_a_call_word_by_word() -> None:
    told = streamed(answer(*CALLING, reason="tool_calls"))
    first = call_item("fc_abc0", "calla", "f", '{"x": 1}')
    second = call_item("fc_abc1", "callb", "g", "")
    place = {"item_id": "fc_abc0", "output_index": 0}
    assert list(map(without_number, told[2:-1])) == [
        {
            "type": ITEM,
            "output_index": 0,
            "item": {**first, "status": "in_progress", "arguments": ""},
        },
        {"type": ARGUMENTS, **place, "delta": '{"x"'},
        {"type": ARGUMENTS, **place, "delta": ": 1}"},
        {"type": ARGUMENTS_DONE, **place, "name": "f", "arguments": '{"x": 1}'},
        {"type": ITEM_DONE, "output_index": 0, "item": first},
        {"type": ITEM, "output_index": 1, "item": {**second, "status": "in_progress"}},
        {
            "type": ARGUMENTS_DONE,
            "item_id": "fc_abc1",
            "output_index": 1,
            "name": "g",
            "arguments": "",
        },
        {"type": ITEM_DONE, "output_index": 1, "item": second},
    ]
    assert told[-1]["response"] == whole(answer(*CALLING))


def test_a_thought_word_by_word() -> None:
    told = streamed(answer(*THINKING), reasoning=SUMMARY)
    done = thought_item("rs_abc0", "Let me see.")
    (part,) = done["summary"]
    place = {"item_id": "rs_abc0", "output_index": 0, "summary_index": 0}
    assert list(map(without_number, told[2:-1])) == [
        {
            "type": ITEM,
            "output_index": 0,
            "item": {**done, "status": "in_progress", "summary": []},
        },
        {"type": SUMMED, **place, "part": {**part, "text": ""}},
        {"type": THOUGHT, **place, "delta": "Let me "},
        {"type": THOUGHT, **place, "delta": "see."},
        {"type": THOUGHT_DONE, **place, "text": "Let me see."},
        {"type": SUMMED_DONE, **place, "part": part},
        {"type": ITEM_DONE, "output_index": 0, "item": done},
    ]


def test_a_refusal_word_by_word() -> None:
    told = streamed(answer(TextDelta("Well"), reason="content_filter"))
    assert kinds(told[2:8]) == [ITEM, PART, TEXT, TEXT_DONE, PART_DONE, ITEM_DONE]
    place = {"item_id": "msg_abcr", "output_index": 1, "content_index": 0}
    said = {"type": "refusal", "refusal": REFUSAL}
    assert list(map(without_number, told[8:-1])) == [
        {
            "type": ITEM,
            "output_index": 1,
            "item": {**REFUSED, "status": "in_progress", "content": []},
        },
        {"type": PART, **place, "part": {**said, "refusal": ""}},
        {"type": "response.refusal.delta", **place, "delta": REFUSAL},
        {"type": "response.refusal.done", **place, "refusal": REFUSAL},
        {"type": PART_DONE, **place, "part": said},
        {"type": ITEM_DONE, "output_index": 1, "item": REFUSED},
    ]
    assert told[-1]["type"] == "response.incomplete"
    assert told[-1]["response"]["output"][-1] == REFUSED


def test_each_event_is_told_at_once() -> None:
    writer = writing(reasoning=SUMMARY)
    events = answer(*THINKING, TextDelta("a"), TextDelta("b"), *CALLING)
    assert [kinds(frames(writer.feed(event))) for event in events] == [
        BEGUN,
        [ITEM, SUMMED, THOUGHT],
        [THOUGHT],
        [],
        [THOUGHT_DONE, SUMMED_DONE, ITEM_DONE, ITEM, PART, TEXT],
        [TEXT],
        [TEXT_DONE, PART_DONE, ITEM_DONE, ITEM],
        [ARGUMENTS],
        [ARGUMENTS],
        [ARGUMENTS_DONE, ITEM_DONE, ITEM],
        [ARGUMENTS_DONE, ITEM_DONE, "response.completed"],
    ]


def test_thoughts_are_kept_back_unless_asked_for() -> None:
    told = streamed(answer(*THINKING, TextDelta("a"), ReasoningDelta("x"), TextDelta("b")))
    middle = [ITEM, PART, TEXT, TEXT, TEXT_DONE, PART_DONE, ITEM_DONE]
    assert kinds(told) == [*BEGUN, *middle, "response.completed"]


# How it ends


def test_an_answer_that_was_cut_off_is_incomplete_and_so_is_its_last_item() -> None:
    *_, item, last = streamed(answer(TextDelta("x"), *CALLING[:2], reason="length"))
    assert item["item"] == call_item("fc_abc1", "calla", "f", '{"x"', "incomplete")
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [item["status"] for item in last["response"]["output"]] == ["completed", "incomplete"]
    assert last["response"]["usage"] == USAGE_OBJECT


def test_an_answer_of_nothing_begins_and_ends() -> None:
    assert kinds(streamed(answer())) == [*BEGUN, "response.completed"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (rate_limited('Too "much"\n\nat once.', 5), "rate_limit_exceeded"),
        (APIError(504, "Too slow.", "server_error"), "server_error"),
    ],
)
def test_a_failure_is_told_with_what_there_is_of_the_response(error: APIError, code: str) -> None:
    writer = writing()
    before = writer.feed(Started("claude")) + writer.feed(TextDelta("Hel"))
    told = frames(before + writer.fail(error))
    assert kinds(told) == [*BEGUN, ITEM, PART, TEXT, "response.failed"]
    assert [event["sequence_number"] for event in told] == list(range(6))
    response = told[-1]["response"]
    assert response["status"] == "failed"
    assert response["completed_at"] is None
    assert response["error"] == {"code": code, "message": error.message}
    assert response["output"][0]["content"][0]["text"] == "Hel"
    assert response["output"][0]["status"] == "incomplete"
    assert response["model"] == "claude"
    assert response["usage"] is None


def test_a_failure_before_anything_else_is_a_response_too() -> None:
    told = frames(writing().fail(APIError(503, "Stopping.", "server_error")))
    assert kinds(told) == [*BEGUN, "response.failed"]
    assert [event["sequence_number"] for event in told] == [0, 1, 2]
    assert [event["response"]["status"] for event in told] == [
        "in_progress",
        "in_progress",
        "failed",
    ]
    assert {event["response"]["model"] for event in told} == {"sonnet"}
    assert told[-1]["response"]["output"] == []


def test_a_keepalive_is_a_comment() -> None:
    assert writing().keepalive == b": keep-alive\n\n"
    assert writing().content_type == "text/event-stream; charset=utf-8"


# Both ways

PIECES = st.lists(st.text(max_size=4) | st.sampled_from(AWKWARD), min_size=1, max_size=3)
STRETCHES = st.lists(
    st.tuples(st.sampled_from(["text", "call", "thought", "signed thought"]), PIECES), max_size=6
)
REASONS: list[FinishReason] = ["stop", "length", "tool_calls", "content_filter"]


def as_events(stretches: Sequence[tuple[str, Sequence[str]]]) -> list[Event]:
    events: list[Event] = []
    calls = 0
    for kind, pieces in stretches:
        if kind == "text":
            events.extend(map(TextDelta, pieces))
        elif kind == "call":
            events.append(ToolCallStarted(calls, f"call_{calls}", "f"))
            events.extend(ToolArgumentsDelta(calls, piece) for piece in pieces)
            calls += 1
        else:
            events.extend(map(ReasoningDelta, pieces))
            if kind == "signed thought":
                events.append(ReasoningSigned("sig"))
    return events


def text_of(item: dict[str, Any]) -> str:
    """What an item says."""
    if item["type"] == "function_call":
        return str(item["arguments"])
    (part,) = item["content" if item["type"] == "message" else "summary"]
    return str(part["refusal" if part["type"] == "refusal" else "text"])


@calm
@given(STRETCHES, st.sampled_from(REASONS), st.sampled_from([None, SUMMARY]))
def test_any_answer_is_the_same_streamed_as_whole(
    stretches: list[tuple[str, list[str]]], reason: FinishReason, reasoning: Any
) -> None:
    events = answer(*as_events(stretches), reason=reason)
    told = streamed(events, reasoning=reasoning)
    expected = whole(events, reasoning=reasoning)
    assert told[-1]["response"] == expected
    done = [event for event in told if event["type"] == ITEM_DONE]
    assert [event["item"] for event in done] == expected["output"]
    assert [event["output_index"] for event in done] == list(range(len(done)))
    for index, item in enumerate(expected["output"]):
        deltas = [event["delta"] for event in told if told_of(event, index) and "delta" in event]
        assert "".join(deltas) == text_of(item)
        ids = {event["item_id"] for event in told if told_of(event, index) and "item_id" in event}
        assert ids == {item["id"]}


def told_of(event: dict[str, Any], index: int) -> bool:
    return event.get("output_index") == index
