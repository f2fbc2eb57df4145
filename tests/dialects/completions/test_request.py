"""Completions: what a request says, and its answer as the official package's own types read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from openai.types import Completion

from claudeproxy.conversation import Conversation, Limits, Profile
from claudeproxy.dialects import ParsedRequest
from claudeproxy.dialects.completions.answer import StreamedCompletion, WholeCompletion, error_body
from claudeproxy.dialects.completions.request import read
from claudeproxy.errors import APIError, bad_request
from claudeproxy.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    Started,
    TextDelta,
    Usage,
)

from ..asking import refused, user


USAGE = Usage(input_tokens=4, cache_read_tokens=1, output_tokens=3, reasoning_tokens=2)


def ask(prompt: Any = "Hello", **changes: Any) -> ParsedRequest:
    return read(json.dumps({"model": "sonnet", "prompt": prompt, **changes}).encode())


def limits(**changes: Any) -> Limits:
    return ask(**changes).conversation.limits


def said(asked: ParsedRequest) -> list[str]:
    """What the user says in each conversation."""
    return [its.turns[0].blocks[0]["text"] for its in asked.conversations]


def answer(*texts: str, reason: FinishReason = "stop") -> list[Event]:
    return [Started("claude"), *map(TextDelta, texts), Finished(reason, USAGE)]


# The request


@pytest.mark.parametrize(
    ("stream", "kind"), [(None, WholeCompletion), (False, WholeCompletion), (True, None)]
)
def test_a_prompt_is_what_the_user_says(stream: Any, kind: type | None) -> None:
    asked = ask(stream=stream)
    limits = Limits("sonnet", streamed=stream is True)
    assert asked.conversations == (Conversation(Profile(), (user("Hello"),), limits),)
    assert asked.ignored == ()
    assert type(asked.answer("abc", 0)) is (kind or StreamedCompletion)


@pytest.mark.parametrize(
    ("changes", "prompts"),
    [
        ({"prompt": ["a"]}, ["a"]),
        ({"prompt": ["a", "b"]}, ["a", "b"]),
        ({"n": 3}, ["Hello"] * 3),
        ({"prompt": ["a", "b"], "n": 2}, ["a", "a", "b", "b"]),
        ({"prompt": ["a"] * 8}, ["a"] * 8),
        ({"n": 8, "best_of": 8}, ["Hello"] * 8),
        ({"prompt": " a\n"}, [" a\n"]),
    ],
)
def test_each_prompt_is_answered_n_times(changes: dict[str, Any], prompts: list[str]) -> None:
    assert said(ask(**changes)) == prompts


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"max_tokens": 5}, Limits("sonnet", max_tokens=5)),
        ({"max_tokens": 0}, Limits("sonnet")),
        ({"max_tokens": -1}, Limits("sonnet")),
        ({"max_tokens": -1, "echo": True}, Limits("sonnet")),
        ({"stop": ""}, Limits("sonnet")),
        ({"max_tokens": None, "stop": None}, Limits("sonnet")),
        ({"stop": "\n"}, Limits("sonnet", stop=("\n",))),
        ({"stop": ["a", "b"]}, Limits("sonnet", stop=("a", "b"))),
        ({"temperature": 2, "top_p": 0}, Limits("sonnet", temperature=2, top_p=0)),
    ],
)
def test_what_bounds_the_answer_is_a_limit(changes: dict[str, Any], expected: Limits) -> None:
    assert limits(**changes) == expected


def test_what_a_model_left_out_is_ignored() -> None:
    asked = ask(temperature=1, top_p=1, user="me")
    assert asked.ignored_for(Limits("x")) == ("user", "temperature", "top_p")


IGNORED = {
    "presence_penalty": -2,
    "frequency_penalty": 2,
    "seed": -5,
    "logit_bias": {"50256": -100},
    "user": "me",
    "logprobs": 5,
}


@pytest.mark.parametrize("name", IGNORED)
def test_each_ignored_parameter_is_told_and_changes_nothing(name: str) -> None:
    asked = ask(**{name: IGNORED[name]})
    assert (asked.conversations, asked.ignored) == (ask().conversations, (name,))
    assert ask(**{name: None}).ignored == ()


def test_no_logprobs_beside_the_likeliest_are_ignored_as_well() -> None:
    assert ask(logprobs=0).ignored == ("logprobs",)


@pytest.mark.parametrize(
    "changes",
    [
        {"suffix": None},
        {"suffix": ""},
        {"logprobs": None},
        {"best_of": 0},
        {"best_of": 1, "n": 1},
        {"echo": False},
        {"stream_options": None},
    ],
)
def test_what_asks_for_nothing_special_is_no_matter(changes: dict[str, Any]) -> None:
    asked = ask(**changes)
    assert (asked.conversations, asked.ignored) == (ask().conversations, ())


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"prompt": ["a"] * 3, "n": 3}, "n"),
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 2}, "best_of"),
        ({"best_of": 3, "n": 2}, "best_of"),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(
    changes: dict[str, Any], param: str
) -> None:
    message, *told = refused(lambda: ask(**changes))
    assert message.startswith(f"Unsupported parameter: '{param}'. ")
    assert told == [param, "unsupported_parameter"]


@pytest.mark.parametrize("prompt", [[1, 2], [[1, 2]], [[1], [2]]])
def test_a_prompt_of_tokens_is_refused(prompt: Any) -> None:
    message, *told = refused(lambda: ask(prompt))
    assert "arrays of tokens" in message
    assert told == ["prompt", "unsupported_value"]


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": ""}, "model", "missing_required_parameter"),
        ({"prompt": None}, "prompt", "missing_required_parameter"),
        ({"prompt": 5}, "prompt", "invalid_type"),
        ({"prompt": {}}, "prompt", "invalid_type"),
        ({"prompt": ["a", 5]}, "prompt[1]", "invalid_type"),
        *(({"prompt": blank}, "prompt", "invalid_value") for blank in ("", " \n", ["a", " "])),
        ({"prompt": []}, "prompt", "empty_array"),
        ({"prompt": ["a"] * 9}, "prompt", "array_above_max_length"),
        ({"n": 9}, "n", "integer_above_max_value"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"best_of": 21}, "best_of", "integer_above_max_value"),
        ({"logprobs": 6}, "logprobs", "integer_above_max_value"),
        ({"logprobs": -1}, "logprobs", "integer_below_min_value"),
        ({"logprobs": True}, "logprobs", "invalid_type"),
        ({"max_tokens": -2}, "max_tokens", "integer_below_min_value"),
        ({"stop": ["a"] * 5}, "stop", "array_above_max_length"),
        ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
        ({"top_p": 1.1}, "top_p", "decimal_above_max_value"),
        ({"suffix": 5}, "suffix", "invalid_type"),
        ({"echo": "yes"}, "echo", "invalid_type"),
        ({"echo": True, "max_tokens": 0}, "max_tokens", "unsupported_parameter"),
        ({"stream": 1}, "stream", "invalid_type"),
        ({"stream_options": {}}, "stream_options", None),
        ({"presence_penalty": 2.5}, "presence_penalty", "decimal_above_max_value"),
        ({"frequency_penalty": "x"}, "frequency_penalty", "invalid_type"),
        ({"seed": 1.5}, "seed", "invalid_type"),
        ({"logit_bias": []}, "logit_bias", "invalid_type"),
        ({"user": 5}, "user", "invalid_type"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused(
    changes: dict[str, Any], param: str, code: str | None
) -> None:
    assert refused(lambda: ask(**changes))[1:] == (param, code)


@pytest.mark.parametrize(("param", "told"), [("messages", "prompt"), ("model", "model")])
def test_an_error_of_the_core_has_this_dialects_names(param: str, told: str) -> None:
    body = json.loads(error_body(bad_request("No.", param)))
    assert body["error"] == {
        "message": "No.",
        "type": "invalid_request_error",
        "param": told,
        "code": None,
    }


# Whole

USAGE_DETAILS = {
    "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 2,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}


def feed(asked: ParsedRequest, events: Iterable[tuple[int, Event]]) -> list[bytes]:
    writer = asked.answer("abc", 1700000000)
    return [writer.feed(event, choice) for choice, event in events]


def in_turn(*choices: Sequence[Event]) -> list[tuple[int, Event]]:
    return [(choice, event) for choice, events in enumerate(choices) for event in events]


def whole(asked: ParsedRequest, events: Iterable[tuple[int, Event]]) -> dict[str, Any]:
    *before, body = feed(asked, events)
    assert not any(before)
    told: dict[str, Any] = json.loads(body)
    Completion.model_validate(told, strict=True)
    return told


def test_a_whole_answer_is_a_completion() -> None:
    events = in_turn([Started("claude"), ReasoningDelta("Hm"), *answer("Hi ", "there")[1:]])
    assert whole(ask(), events) == {
        "id": "cmpl-abc",
        "object": "text_completion",
        "created": 1700000000,
        "model": "claude",
        "choices": [{"text": "Hi there", "index": 0, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 3,
            "total_tokens": 8,
            **USAGE_DETAILS,
        },
    }


@pytest.mark.parametrize("echo", [False, True])
def test_choices_are_in_order_whichever_ends_first_and_may_echo_their_prompts(echo: bool) -> None:
    asked = ask(["a ", "b "], n=2, echo=echo)
    ends = in_turn(*(answer(str(number)) for number in range(4)))
    choices = whole(asked, reversed_by_choice(ends))["choices"]
    before = ["a ", "a ", "b ", "b "] if echo else [""] * 4
    assert [choice["text"] for choice in choices] == [
        f"{prompt}{number}" for number, prompt in enumerate(before)
    ]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]


def reversed_by_choice(events: list[tuple[int, Event]]) -> list[tuple[int, Event]]:
    return sorted(events, key=lambda told: -told[0])


def test_the_usage_of_all_choices_adds_up() -> None:
    usage = whole(ask(n=3), in_turn(*[answer("x")] * 3))["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (15, 9)


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
def test_an_answer_tells_why_it_ended(reason: FinishReason) -> None:
    events = in_turn(answer("x", reason=reason))
    assert whole(ask(), events)["choices"][0]["finish_reason"] == reason


def test_a_whole_answer_leaves_no_room_for_an_error_or_a_keepalive() -> None:
    writer = ask().answer("abc", 0)
    assert (writer.content_type, writer.keepalive) == ("application/json", b"")
    with pytest.raises(AssertionError):
        writer.fail(APIError(500, "x"))


# Streamed


def frames(pieces: Iterable[bytes]) -> list[str]:
    told = b"".join(pieces).decode("ascii").split("\n\n")
    assert told.pop() == ""
    return [frame.removeprefix("data: ") for frame in told]


def streamed(asked: ParsedRequest, events: Iterable[tuple[int, Event]]) -> list[dict[str, Any]]:
    *chunks, done = frames(feed(asked, events))
    assert done == "[DONE]"
    told = [json.loads(chunk) for chunk in chunks]
    for chunk in told:
        # Only its last chunk has a reason, which the package's type does not say.
        ended = [
            {**its, "finish_reason": its["finish_reason"] or "stop"} for its in chunk["choices"]
        ]
        Completion.model_validate({**chunk, "choices": ended}, strict=True)
    return told


def test_a_stream_word_by_word() -> None:
    def chunk(text: str, reason: str | None = None) -> dict[str, Any]:
        return {
            "id": "cmpl-abc",
            "object": "text_completion",
            "created": 1700000000,
            "model": "claude",
            "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": reason}],
        }

    events = in_turn([Started("claude"), ReasoningDelta("Hm"), *answer("Hi ", "there")[1:]])
    expected = [chunk("Hi "), chunk("there"), chunk("", "stop")]
    assert streamed(ask(stream=True), events) == expected
    assert streamed(ask(stream=True, echo=True), events) == [chunk("Hello"), *expected]


def test_choices_are_told_as_they_come_and_the_stream_ends_with_the_last() -> None:
    first, second = answer("a"), answer("b", reason="length")
    events = [pair for both in zip(first, second, strict=True) for pair in enumerate(both)]
    chunks = streamed(ask(n=2, stream=True), events)
    (told,) = zip(*(chunk["choices"] for chunk in chunks), strict=True)
    assert [(its["index"], its["text"], its["finish_reason"]) for its in told] == [
        (0, "a", None),
        (1, "b", None),
        (0, "", "stop"),
        (1, "", "length"),
    ]


def test_a_stream_tells_its_usage_if_asked_for() -> None:
    asked = ask(n=2, stream=True, stream_options={"include_usage": True})
    chunks = streamed(asked, in_turn(answer("a"), answer("b")))
    *before, last = [chunk["usage"] for chunk in chunks]
    assert before == [None] * 4
    assert (last["prompt_tokens"], last["total_tokens"]) == (10, 16)
    assert chunks[-1]["choices"] == []


def test_an_error_in_a_stream_is_one_frame() -> None:
    writer = ask(stream=True).answer("abc", 0)
    writer.feed(Started("claude"))
    (frame,) = frames([writer.fail(APIError(504, "Too\n\nslow.", "server_error"))])
    assert json.loads(frame)["error"]["message"] == "Too\n\nslow."


def test_a_keepalive_is_a_comment() -> None:
    writer = ask(stream=True).answer("abc", 0)
    assert writer.keepalive == b": keep-alive\n\n"
    assert writer.content_type == "text/event-stream; charset=utf-8"
