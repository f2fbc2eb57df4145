"""The stream events of one message, as the neutral events of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.cli.answer import MessageReader
from claudeproxy.events import Event, Finished, ReasoningDelta, Started, TextDelta, Usage


INPUT = {
    "input_tokens": 11,
    "cache_read_input_tokens": 5,
    "cache_creation_input_tokens": 3,
    "output_tokens": 1,
}


def start(model: str = "claude-opus-5-5", usage: Any = INPUT) -> dict[str, Any]:
    return {"type": "message_start", "message": {"model": model, "usage": usage}}


def text(piece: str) -> dict[str, Any]:
    return delta({"type": "text_delta", "text": piece})


def thinking(piece: str) -> dict[str, Any]:
    return delta({"type": "thinking_delta", "thinking": piece})


def begin(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": 0, "content_block": {"type": kind, **more}}


def delta(inner: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": inner}


def stop(reason: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


BLOCK_STOP = {"type": "content_block_stop", "index": 0}


def read(*events: dict[str, Any]) -> list[Event]:
    reader = MessageReader()
    return [told for event in events for told in reader.feed(event)]


def test_a_message_from_start_to_stop() -> None:
    assert read(
        start(),
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        text("Hello "),
        text("there"),
        BLOCK_STOP,
        stop(output_tokens=7),
        {"type": "message_stop"},
    ) == [
        Started("claude-opus-5-5"),
        TextDelta("Hello "),
        TextDelta("there"),
        Finished("stop", Usage(11, 5, 3, 7, 0), "end_turn"),
    ]


def test_thoughts_are_told_apart_from_text() -> None:
    thought = (begin("thinking"), thinking("hmm"), BLOCK_STOP)
    assert read(*thought, begin("text"), text("Yes")) == [
        ReasoningDelta("hmm"),
        TextDelta("Yes"),
    ]


@pytest.mark.parametrize(
    ("stop_reason", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_why_a_message_stopped(stop_reason: str, reason: str) -> None:
    (finished,) = read(stop(stop_reason))
    assert isinstance(finished, Finished)
    assert (finished.reason, finished.stop_reason) == (reason, stop_reason)


def test_a_message_that_was_broken_off_has_no_end() -> None:
    assert read(start(), text("a"), stop(None, output_tokens=1))[2:] == []


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_stop"},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "new"}},
        {"type": "something_new"},
        delta({"type": "signature_delta", "signature": "c2ln"}),
        delta({"type": "citations_delta", "citation": {}}),
        delta({"type": "something_new"}),
        text(""),
        thinking(""),
    ],
)
def test_what_a_client_has_no_use_for_is_nothing(event: dict[str, Any]) -> None:
    assert read(event) == []


def test_a_pair_cut_in_two_is_told_whole() -> None:
    assert read(text("a\ud83e"), text("\udd9cb"), BLOCK_STOP) == [TextDelta("a"), TextDelta("🦜b")]


def test_half_a_pair_at_the_end_of_a_block_is_told_as_such() -> None:
    assert read(text("a\ud83e"), BLOCK_STOP) == [TextDelta("a"), TextDelta("\ufffd")]


def test_half_a_pair_at_the_end_of_a_thought_is_part_of_the_thought() -> None:
    thought = (begin("thinking"), thinking("a\ud83e"), BLOCK_STOP)
    assert read(*thought, begin("text"), text("b")) == [
        ReasoningDelta("a"),
        ReasoningDelta("\ufffd"),
        TextDelta("b"),
    ]


@pytest.mark.parametrize(
    ("events", "usage"),
    [
        ([start(usage=None), stop()], Usage()),
        ([start(), stop()], Usage(11, 5, 3, 1)),
        ([start(), stop(output_tokens=7)], Usage(11, 5, 3, 7)),
        ([start(), stop(input_tokens=None, output_tokens=7)], Usage(11, 5, 3, 7)),
        ([start(), stop(input_tokens=12, output_tokens=7)], Usage(12, 5, 3, 7)),
        (
            [start(), stop(output_tokens=7, output_tokens_details={"thinking_tokens": 4})],
            Usage(11, 5, 3, 7, 4),
        ),
        ([start(), stop(output_tokens=7, output_tokens_details=None)], Usage(11, 5, 3, 7)),
        ([start(), start(usage={"input_tokens": 2}), stop()], Usage(2, 0, 0, 0)),
    ],
)
def test_usage_is_the_last_that_was_said(events: list[dict[str, Any]], usage: Usage) -> None:
    finished = read(*events)[-1]
    assert isinstance(finished, Finished)
    assert finished.usage == usage


def test_searches_are_counted_until_the_api_counts_them() -> None:
    found = begin("web_search_tool_result", tool_use_id="s", content=[])
    failed = begin("web_search_tool_result", tool_use_id="s", content={"error_code": "unavailable"})
    fetched = begin("web_fetch_tool_result", tool_use_id="f", content={"type": "web_fetch_result"})
    reader = MessageReader()
    zero = {"web_search_requests": 0, "web_fetch_requests": 0}
    for event in (start(usage={"server_tool_use": zero}), found, failed, found, fetched):
        assert list(reader.feed(event))
    assert reader.usage().server_tools == {"web_search_requests": 2, "web_fetch_requests": 1}
    counted = {"web_search_requests": 3, "web_fetch_requests": 0}
    (finished,) = reader.feed(stop(server_tool_use=counted))
    assert isinstance(finished, Finished)
    assert finished.usage.server_tools == counted


def test_the_container_is_told_at_the_end() -> None:
    container = {"id": "container_1", "expires_at": "2030-01-01T00:00:00Z"}
    begun = start()
    begun["message"]["container"] = container
    ended = stop()
    ended["delta"]["container"] = {**container, "id": "container_2"}
    for events, wanted in (
        ((begun, stop()), container),
        ((start(), ended), {**container, "id": "container_2"}),
        ((start(), stop()), None),
        ((begun, start(), stop()), None),
    ):
        finished = read(*events)[-1]
        assert isinstance(finished, Finished)
        assert finished.container == wanted


def test_a_message_delta_without_usage_is_read() -> None:
    event = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    assert read(start(), event)[1] == Finished("stop", Usage(11, 5, 3, 1), "end_turn")


def test_a_second_start_is_not_told() -> None:
    assert read(start("one"), start("one"), text("a")) == [Started("one"), TextDelta("a")]


@pytest.mark.parametrize(
    "events",
    [
        (begin("text"), text("a")),
        (begin("thinking"), thinking("a")),
        (begin("tool_use", id="toolu_1", name="mcp__client__add"),),
    ],
)
def test_content_begins_with_the_first_piece_of_any_kind(events: tuple[dict[str, Any]]) -> None:
    reader = MessageReader()
    assert list(reader.feed(start()))
    assert not reader.has_content
    for event in events:
        list(reader.feed(event))
    assert reader.has_content


def test_prompt_tokens_count_the_cache_too() -> None:
    assert Usage(11, 5, 3, 7, 2).prompt_tokens == 19
