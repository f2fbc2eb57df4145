"""Chat Completions answers that are more than text: calls, thoughts, refusals, several choices."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from claudeproxy.dialects.chat.answer import StreamedAnswer, WholeAnswer
from claudeproxy.dialects.openai_answer import DONE, REFUSAL
from claudeproxy.dialects.tools import Origin
from claudeproxy.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
)

from ..asking import calm


# An event and the choice it is of.
Told = tuple[Event, int]

ORIGINS = {"patch": Origin("patch", "custom")}
STARTED = Started("claude-opus-5-5")
CALLED = Finished("tool_calls", Usage())
STOPPED = Finished("stop", Usage())
DECLINED = Finished("content_filter", Usage())
ONE_CALL: list[Event] = [
    ToolCallStarted(0, "toolu_1", "f"),
    ToolArgumentsDelta(0, '{"a": '),
    ToolArgumentsDelta(0, '"é\u2028"}'),
]
TWO_CALLS: list[Event] = [
    *ONE_CALL,
    ToolCallStarted(1, "toolu_2", "g"),
    ToolArgumentsDelta(1, "{}"),
]


def of(choice: int, *events: Event) -> list[Told]:
    return [(event, choice) for event in (STARTED, *events)]


def whole(told: Iterable[Told], *, choices: int = 1, legacy: bool = False) -> dict[str, Any]:
    """The body, which the last event must bring."""
    writer = WholeAnswer(
        "abc", 1700000000, choices, legacy=legacy, origins={} if legacy else ORIGINS
    )
    *early, body = [writer.feed(event, choice) for event, choice in told]
    assert not any(early)
    ChatCompletion.model_validate(json.loads(body), strict=True)
    answer: dict[str, Any] = json.loads(body)
    return answer


def streamed(
    told: Iterable[Told], *, choices: int = 1, legacy: bool = False, with_usage: bool = False
) -> list[dict[str, Any]]:
    """The chunks, which the one [DONE] must end."""
    writer = StreamedAnswer(
        "abc",
        1700000000,
        choices,
        legacy=legacy,
        origins={} if legacy else ORIGINS,
        with_usage=with_usage,
    )
    data = b"".join(writer.feed(event, choice) for event, choice in told)
    assert data.count(DONE) == 1
    assert data.endswith(DONE)
    lines = data.removesuffix(DONE).decode("ascii").split("\n\n")[:-1]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    for chunk in chunks:
        # The package reads calls of custom tools in whole answers only.
        if not any("custom" in call for call in calls_in(chunk)):
            ChatCompletionChunk.model_validate(chunk, strict=True)
    return chunks


def calls_in(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    return [call for choice in chunk["choices"] for call in choice["delta"].get("tool_calls", ())]


def message(*events: Event, legacy: bool = False) -> tuple[dict[str, Any], str]:
    (choice,) = whole(of(0, *events), legacy=legacy)["choices"]
    return choice["message"], choice["finish_reason"]


def deltas(*events: Event, legacy: bool = False) -> tuple[list[dict[str, Any]], str]:
    """All deltas between the first, which is always the same, and the last, which is empty."""
    chunks = streamed(of(0, *events), legacy=legacy)
    (first, *between, last) = [chunk["choices"][0] for chunk in chunks]
    assert first["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert last["delta"] == {}
    assert not any(choice["finish_reason"] for choice in (first, *between))
    return [choice["delta"] for choice in between], last["finish_reason"]


def message_of(*, content: str | None, **more: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": content, "refusal": None}
    return {**said, "annotations": [], **more}


# Calls

CALLS = [
    {
        "id": "toolu1",
        "type": "function",
        "function": {"name": "f", "arguments": '{"a": "é\u2028"}'},
    },
    {"id": "toolu2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
]


def test_calls_are_in_the_message_and_are_why_it_ended() -> None:
    assert message(*ONE_CALL, CALLED) == (
        message_of(content=None, tool_calls=CALLS[:1]),
        "tool_calls",
    )
    assert message(*TWO_CALLS, CALLED) == (message_of(content=None, tool_calls=CALLS), "tool_calls")


def test_text_before_calls_stays_text() -> None:
    events = [TextDelta("Let me "), TextDelta("see."), *ONE_CALL, CALLED]
    assert message(*events)[0] == message_of(content="Let me see.", tool_calls=CALLS[:1])


def test_a_call_that_was_cut_off_is_told_as_far_as_it_went() -> None:
    events = [*ONE_CALL[:2], Finished("length", Usage())]
    said, reason = message(*events)
    assert said["tool_calls"][0]["function"]["arguments"] == '{"a": '
    assert reason == "length"


def test_calls_are_streamed_piece_by_piece() -> None:
    def piece(index: int, arguments: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}

    def begun(index: int, call_id: str, name: str) -> dict[str, Any]:
        function = {"name": name, "arguments": ""}
        call = {"index": index, "id": call_id, "type": "function", "function": function}
        return {"tool_calls": [call]}

    assert deltas(TextDelta("So:"), *TWO_CALLS, CALLED) == (
        [
            {"content": "So:"},
            begun(0, "toolu1", "f"),
            piece(0, '{"a": '),
            piece(0, '"é\u2028"}'),
            begun(1, "toolu2", "g"),
            piece(1, "{}"),
        ],
        "tool_calls",
    )


def test_a_client_of_functions_gets_the_first_call_whole() -> None:
    said, reason = message(*TWO_CALLS, CALLED, legacy=True)
    assert said == message_of(content=None, function_call=CALLS[0]["function"])
    assert reason == "function_call"


def test_a_client_of_functions_gets_the_first_call_in_pieces() -> None:
    assert deltas(*TWO_CALLS, CALLED, legacy=True) == (
        [
            {"function_call": {"name": "f", "arguments": ""}},
            {"function_call": {"arguments": '{"a": '}},
            {"function_call": {"arguments": '"é\u2028"}'}},
        ],
        "function_call",
    )


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
def test_a_client_of_functions_is_told_other_ends_as_everyone_is(reason: FinishReason) -> None:
    end = Finished(reason, Usage())
    assert message(end, legacy=True) == message(end)
    assert deltas(end, legacy=True) == deltas(end)


# Calls of custom tools

# Each as JSON in which a letter is two escapes.
TYPED: list[Event] = [
    ToolCallStarted(0, "toolu_1", "patch"),
    ToolArgumentsDelta(0, '{"inpu'),
    ToolArgumentsDelta(0, 't": "a\\'),
    ToolArgumentsDelta(0, "n\\ud83e"),
    ToolArgumentsDelta(0, '\\udd9c"}'),
    ToolCallStarted(1, "toolu_2", "f"),
    ToolArgumentsDelta(1, "{}"),
]


def test_a_call_of_a_custom_tool_has_a_text() -> None:
    patch = {"name": "patch", "input": "a\n🦜"}
    called = {"id": "toolu2", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert message(*TYPED, CALLED) == (
        message_of(
            content=None,
            tool_calls=[{"id": "toolu1", "type": "custom", "custom": patch}, called],
        ),
        "tool_calls",
    )


def test_a_call_of_a_custom_tool_is_streamed_piece_by_piece() -> None:
    def piece(text: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": 0, "custom": {"input": text}}]}

    patch = {"name": "patch", "input": ""}
    begun = {"index": 0, "id": "toolu1", "type": "custom", "custom": patch}
    told, reason = deltas(*TYPED, CALLED)
    assert told[:4] == [{"tool_calls": [begun]}, piece("a"), piece("\n"), piece("🦜")]
    assert [delta["tool_calls"][0]["index"] for delta in told[4:]] == [1, 1]
    assert reason == "tool_calls"


def test_an_input_of_another_form_is_told_as_it_is() -> None:
    events: list[Event] = [TYPED[0], ToolArgumentsDelta(0, "{"), ToolArgumentsDelta(0, "}")]
    assert message(*events, CALLED)[0]["tool_calls"][0]["custom"]["input"] == "{}"
    assert deltas(*events, CALLED)[0][1:] == [
        {"tool_calls": [{"index": 0, "custom": {"input": "{}"}}]}
    ]


# Thoughts and refusals


def test_thoughts_stand_beside_the_text() -> None:
    events: list[Event] = [ReasoningDelta("Hm"), ReasoningDelta("m."), TextDelta("Yes"), STOPPED]
    assert message(*events)[0] == message_of(content="Yes", reasoning_content="Hmm.")
    assert deltas(*events)[0] == [
        {"reasoning_content": "Hm"},
        {"reasoning_content": "m."},
        {"content": "Yes"},
    ]


def test_who_did_not_think_has_no_thoughts() -> None:
    assert "reasoning_content" not in message(TextDelta("Yes"), STOPPED)[0]


def test_a_refusal_is_told_in_words() -> None:
    assert message(DECLINED) == (message_of(content=None, refusal=REFUSAL), "content_filter")
    assert deltas(DECLINED) == ([{"refusal": REFUSAL}], "content_filter")


def test_what_was_said_before_a_refusal_stays() -> None:
    events: list[Event] = [TextDelta("Well"), DECLINED]
    assert message(*events)[0] == message_of(content="Well", refusal=REFUSAL)
    assert deltas(*events)[0] == [{"content": "Well"}, {"refusal": REFUSAL}]


# Several choices

INTERLEAVED: list[Told] = [
    (STARTED, 1),
    (TextDelta("b"), 1),
    (STARTED, 0),
    (TextDelta("a"), 0),
    (ToolCallStarted(0, "toolu_1", "f"), 1),
    (TextDelta("A"), 0),
    (Finished("stop", Usage(3, 1, 0, 5, 1)), 0),
    (ToolArgumentsDelta(0, "{}"), 1),
    (STARTED, 2),
    (Finished("tool_calls", Usage(0, 3, 1, 7, 2)), 1),
    (TextDelta("c"), 2),
    (Finished("length", Usage(0, 4, 0, 1, 0)), 2),
]
SUMMED = {"prompt_tokens": 12, "completion_tokens": 13, "total_tokens": 25}


def test_choices_are_whole_and_in_order_once_the_last_is_finished() -> None:
    body = whole(INTERLEAVED, choices=3)
    assert [
        (choice["index"], choice["message"]["content"], choice["finish_reason"])
        for choice in body["choices"]
    ] == [(0, "aA", "stop"), (1, "b", "tool_calls"), (2, "c", "length")]
    assert "tool_calls" in body["choices"][1]["message"]


def test_the_usage_is_that_of_all_choices() -> None:
    *rest, last = streamed(INTERLEAVED, choices=3, with_usage=True)
    assert [chunk["usage"] for chunk in rest] == [None] * len(rest)
    assert last["choices"] == []
    assert last["usage"] == whole(INTERLEAVED, choices=3)["usage"]
    assert {name: last["usage"][name] for name in SUMMED} == SUMMED
    assert last["usage"]["prompt_tokens_details"]["cached_tokens"] == 8
    assert last["usage"]["completion_tokens_details"]["reasoning_tokens"] == 3


def test_choices_are_streamed_as_they_come_under_their_index() -> None:
    chunks = streamed(INTERLEAVED, choices=3)
    assert [chunk["choices"][0]["index"] for chunk in chunks] == [
        choice for _, choice in INTERLEAVED
    ]
    assert [len(chunk["choices"]) for chunk in chunks] == [1] * len(INTERLEAVED)


# Both ways


def put_together(chunks: list[dict[str, Any]], choices: int) -> list[dict[str, Any]]:
    """What a client makes of a stream: strings are appended, calls are found by their index."""
    messages: list[dict[str, Any]] = [{} for _ in range(choices)]
    reasons: list[str | None] = [None] * choices
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        assert reasons[choice["index"]] is None
        append(messages[choice["index"]], choice["delta"])
        reasons[choice["index"]] = choice["finish_reason"]
    return [{**message, "finish": end} for message, end in zip(messages, reasons, strict=True)]


def append(so_far: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if isinstance(value, list):
            calls = so_far.setdefault(name, [])
            for piece in value:
                if piece["index"] == len(calls):
                    calls.append({})
                append(calls[piece["index"]], piece)
        elif isinstance(value, dict):
            append(so_far.setdefault(name, {}), value)
        elif isinstance(value, str):
            so_far[name] = so_far.get(name, "") + value


def as_put_together(choice: dict[str, Any]) -> dict[str, Any]:
    """A choice of a whole answer as a stream tells it: without nulls and places of citations."""
    said = {
        name: value
        for name, value in choice["message"].items()
        if value is not None and name != "annotations"
    }
    return {"content": "", **said, "finish": choice["finish_reason"]}


texts = st.text(max_size=3)


@st.composite
def choices_told(draw: st.DrawFn) -> list[Event]:
    """The events of one choice: thoughts and text in any order, and calls after them."""
    saying = st.builds(TextDelta, texts.filter(bool)) | st.builds(
        ReasoningDelta, texts.filter(bool)
    )
    events: list[Event] = [STARTED, *draw(st.lists(saying, max_size=4))]
    for index in range(draw(st.integers(0, 3))):
        name = draw(texts | st.just("patch"))
        events.append(ToolCallStarted(index, f"toolu_{draw(st.uuids())}", name))
        events += [ToolArgumentsDelta(index, text) for text in draw(st.lists(texts, max_size=3))]
    reasons: list[FinishReason] = ["stop", "length", "tool_calls", "content_filter"]
    usage = st.builds(Usage, *[st.integers(0, 99)] * 5)
    return [*events, Finished(draw(st.sampled_from(reasons)), draw(usage))]


@st.composite
def answers_told(draw: st.DrawFn) -> list[list[Told]]:
    """The events of some choices, and the same events in an order in which they may come."""
    lists = draw(st.lists(choices_told(), min_size=1, max_size=3))
    order = draw(st.permutations([i for i, events in enumerate(lists) for _ in events]))
    waiting = [iter(events) for events in lists]
    return [
        [(event, index) for index, events in enumerate(lists) for event in events],
        [(next(waiting[index]), index) for index in order],
    ]


@calm
@given(answers_told(), st.booleans(), st.booleans())
def test_a_stream_put_together_is_the_whole_answer_in_any_order(
    told: list[list[Told]], legacy: bool, with_usage: bool
) -> None:
    in_turn, mixed = told
    choices = 1 + max(choice for _, choice in in_turn)
    body = whole(in_turn, choices=choices, legacy=legacy)
    assert whole(mixed, choices=choices, legacy=legacy) == body
    chunks = streamed(mixed, choices=choices, legacy=legacy, with_usage=with_usage)
    expected = [as_put_together(choice) for choice in body["choices"]]
    assert put_together(chunks, choices) == expected
    if with_usage:
        assert chunks[-1]["usage"] == body["usage"]
