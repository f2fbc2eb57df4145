"""Chat Completions answers, read by the official package's own types."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from claudeproxy.dialects.chat.answer import StreamedAnswer, WholeAnswer
from claudeproxy.dialects.openai_answer import DONE, encode_error, usage_object
from claudeproxy.errors import APIError, rate_limited
from claudeproxy.events import (
    Event,
    Finished,
    FinishReason,
    Started,
    TextDelta,
    Usage,
)


# A fresh checkout builds Hypothesis' tables first, and a busy machine takes its time.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

USAGE = Usage(
    input_tokens=11,
    cache_read_tokens=5,
    cache_creation_tokens=3,
    output_tokens=7,
    reasoning_tokens=2,
)
USAGE_OBJECT = {
    "prompt_tokens": 19,
    "completion_tokens": 7,
    "total_tokens": 26,
    "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 3, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 2,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
AWKWARD = [
    "",
    "plain",
    '"quoted" and \\back\\slashed',
    "\x00\x01\x1b\x7f\x85",
    "one\ntwo\r\nthree\r\n\r\nfour",
    "\u2028\u2029",
    "🦜漢字é",
    "data: [DONE]\n\n",
    "</script>%s{}",
]
REASONS: list[FinishReason] = ["stop", "length", "tool_calls", "content_filter"]


def answer(*texts: str, reason: FinishReason = "stop") -> list[Event]:
    return [Started("claude-opus-5-5"), *map(TextDelta, texts), Finished(reason, USAGE)]


def whole(events: Iterable[Event]) -> ChatCompletion:
    writer = WholeAnswer("abc", 1700000000)
    pieces = [writer.feed(event) for event in events]
    assert not any(pieces[:-1])
    return ChatCompletion.model_validate(json.loads(pieces[-1]), strict=True)


def frames(data: bytes) -> list[str]:
    """What a client of server-sent events gets: every frame is one data line."""
    text = data.decode("ascii")
    assert text.endswith("\n\n")
    lines = [frame.split("\n") for frame in text.removesuffix("\n\n").split("\n\n")]
    assert all(len(frame) == 1 and frame[0].startswith("data: ") for frame in lines)
    return [frame[0].removeprefix("data: ") for frame in lines]


def streamed(events: Iterable[Event], *, with_usage: bool = False) -> list[dict[str, Any]]:
    """The chunks of a stream, which must end with [DONE]."""
    writer = StreamedAnswer("abc", 1700000000, with_usage=with_usage)
    *chunks, done = frames(b"".join(writer.feed(event) for event in events))
    assert done == "[DONE]"
    return [json.loads(chunk) for chunk in chunks]


def parsed(chunks: list[dict[str, Any]]) -> list[ChatCompletionChunk]:
    return [ChatCompletionChunk.model_validate(chunk, strict=True) for chunk in chunks]


# Whole


def test_a_whole_answer_is_a_chat_completion() -> None:
    writer = WholeAnswer("abc", 1700000000)
    *_, body = [writer.feed(event) for event in answer("Hello ", "there")]
    assert json.loads(body) == {
        "id": "chatcmpl-abc",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "claude-opus-5-5",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hello there",
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE_OBJECT,
        "service_tier": "default",
    }


def test_the_official_type_reads_a_whole_answer() -> None:
    completion = whole(answer("Hello"))
    assert completion.choices[0].message.content == "Hello"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens_details is not None
    assert completion.usage.prompt_tokens_details.cached_tokens == 5
    assert completion.usage.completion_tokens_details is not None
    assert completion.usage.completion_tokens_details.reasoning_tokens == 2


@pytest.mark.parametrize("reason", REASONS)
def test_a_whole_answer_tells_why_it_ended(reason: FinishReason) -> None:
    assert whole(answer("x", reason=reason)).choices[0].finish_reason == reason


@pytest.mark.parametrize("text", AWKWARD)
def test_text_survives_a_whole_answer(text: str) -> None:
    assert whole(answer("<", text, ">")).choices[0].message.content == f"<{text}>"


def test_an_answer_without_text_has_empty_content() -> None:
    assert whole(answer()).choices[0].message.content == ""


def test_a_whole_answer_leaves_no_room_for_an_error_or_a_keepalive() -> None:
    writer = WholeAnswer("abc", 0)
    assert (writer.content_type, writer.keepalive) == ("application/json", b"")
    with pytest.raises(AssertionError):
        writer.fail(APIError(500, "x"))


# Streamed


def test_a_stream_word_by_word() -> None:
    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        return {
            "id": "chatcmpl-abc",
            "object": "chat.completion.chunk",
            "created": 1700000000,
            "model": "claude-opus-5-5",
            "service_tier": "default",
            "choices": [
                {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
            ],
        }

    assert streamed(answer("Hello ", "there")) == [
        chunk({"role": "assistant", "content": "", "refusal": None}),
        chunk({"content": "Hello "}),
        chunk({"content": "there"}),
        chunk({}, "stop"),
    ]


@pytest.mark.parametrize("with_usage", [False, True])
def test_the_official_type_reads_every_chunk(with_usage: bool) -> None:
    chunks = parsed(streamed(answer("Hello ", "there"), with_usage=with_usage))
    assert {chunk.id for chunk in chunks} == {"chatcmpl-abc"}
    assert {chunk.model for chunk in chunks} == {"claude-opus-5-5"}
    texts = [choice.delta.content for chunk in chunks for choice in chunk.choices]
    assert texts == ["", "Hello ", "there", None]


@pytest.mark.parametrize("with_usage", [False, True])
@pytest.mark.parametrize("reason", REASONS)
def test_the_role_comes_first_and_the_reason_last(reason: FinishReason, with_usage: bool) -> None:
    chunks = streamed(answer("a", "b", reason=reason), with_usage=with_usage)
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    before = len(choices) - 1
    assert ["role" in choice["delta"] for choice in choices] == [True, *[False] * before]
    assert [choice["finish_reason"] for choice in choices] == [*[None] * before, reason]


def test_without_include_usage_there_is_no_usage_and_always_a_choice() -> None:
    chunks = streamed(answer("a", "b"))
    assert not any("usage" in chunk for chunk in chunks)
    assert [len(chunk["choices"]) for chunk in chunks] == [1, 1, 1, 1]


def test_with_include_usage_one_more_chunk_has_it_and_all_others_null() -> None:
    chunks = streamed(answer("a", "b"), with_usage=True)
    assert [chunk["usage"] for chunk in chunks] == [None, None, None, None, USAGE_OBJECT]
    assert [len(chunk["choices"]) for chunk in chunks] == [1, 1, 1, 1, 0]
    assert set(chunks[-1]) == set(chunks[0])
    last = parsed(chunks)[-1].usage
    assert last is not None
    assert last.total_tokens == 26


@pytest.mark.parametrize("text", AWKWARD)
def test_text_survives_a_stream(text: str) -> None:
    chunks = parsed(streamed(answer("<", text, ">")))
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "<", text, ">", None]


@calm
@given(st.lists(st.text(), max_size=5), st.booleans())
def test_any_text_survives_both_ways(texts: list[str], with_usage: bool) -> None:
    chunks = streamed(answer(*texts), with_usage=with_usage)
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert [delta["content"] for delta in deltas[1:-1]] == texts
    assert whole(answer(*texts)).choices[0].message.content == "".join(texts)


@pytest.mark.parametrize("model", ['a"b', "é\n", "{}", "%s"])
def test_any_name_of_a_model_survives(model: str) -> None:
    events: list[Event] = [Started(model), Finished("stop", USAGE)]
    assert {chunk["model"] for chunk in streamed(events, with_usage=True)} == {model}
    assert whole(events).model == model


def test_each_event_is_told_at_once() -> None:
    writer = StreamedAnswer("abc", 0, with_usage=True)
    counts = [len(frames(writer.feed(event))) for event in answer("a", "b")]
    assert counts == [1, 1, 1, 3]


def test_an_error_in_a_stream_is_one_frame_of_openais_error_object() -> None:
    writer = StreamedAnswer("abc", 0)
    writer.feed(Started("m"))
    (frame,) = frames(writer.fail(rate_limited('Too "much"\n\nat once.', 5)))
    assert json.loads(frame) == {
        "error": {
            "message": 'Too "much"\n\nat once.',
            "type": "rate_limit_error",
            "param": None,
            "code": "rate_limit_exceeded",
        }
    }


def test_an_error_can_be_told_before_anything_else() -> None:
    (frame,) = frames(StreamedAnswer("abc", 0).fail(APIError(504, "Too slow.", "server_error")))
    assert json.loads(frame)["error"]["message"] == "Too slow."


def test_a_keepalive_is_a_comment() -> None:
    assert StreamedAnswer("abc", 0).keepalive == b": keep-alive\n\n"
    assert StreamedAnswer("abc", 0).content_type == "text/event-stream; charset=utf-8"


def test_done_is_a_frame_of_its_own() -> None:
    assert DONE == b"data: [DONE]\n\n"


def test_an_error_object_has_all_four_keys() -> None:
    assert json.loads(
        encode_error(APIError(404, "No.", param="model", code="model_not_found"))
    ) == {
        "error": {
            "message": "No.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


def test_usage_of_nothing_is_all_zeros() -> None:
    usage = usage_object(Usage())
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (0, 0, 0)
