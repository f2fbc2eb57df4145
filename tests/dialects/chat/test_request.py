"""Chat Completions requests: what is honoured, what is ignored, what is refused."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from claudeproxy.conversation import Conversation, Limits, Profile
from claudeproxy.dialects import Answer, ParsedRequest
from claudeproxy.dialects.chat.answer import StreamedAnswer, WholeAnswer
from claudeproxy.dialects.chat.request import error_body, read
from claudeproxy.dialects.parameters import MOST_IGNORED
from claudeproxy.errors import bad_request

from ..asking import HELLO, ask, limits, refused, user


def comparable(asked: ParsedRequest) -> tuple[ParsedRequest, Answer]:
    return attrs.evolve(asked, answer=WholeAnswer), asked.answer("abc", 0)


# The whole request


def test_a_plain_request_is_one_turn_for_the_model() -> None:
    asked = ask(HELLO)
    wanted = Conversation(
        Profile(),
        (user("Hello"),),
        Limits("sonnet"),
        separator="\n\n",
        strict_as="tools[].function.strict",
    )
    assert asked.conversation == wanted
    assert asked.ignored == ()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, WholeAnswer),
        ({"stream": None}, WholeAnswer),
        ({"stream": False}, WholeAnswer),
        ({"stream": True}, StreamedAnswer),
    ],
)
def test_the_answer_is_streamed_if_asked_for(changes: dict[str, Any], kind: type) -> None:
    asked = ask(**changes)
    answer = asked.answer("abc", 1700000000)
    assert type(answer) is kind
    assert asked.conversation.limits.streamed is (kind is StreamedAnswer)
    assert isinstance(answer, (WholeAnswer, StreamedAnswer))
    assert (answer.unique, answer.created) == ("abc", 1700000000)


@pytest.mark.parametrize(
    ("options", "with_usage"),
    [
        (None, False),
        ({}, False),
        ({"include_usage": None}, False),
        ({"include_usage": False}, False),
        ({"include_usage": True}, True),
        ({"include_usage": True, "include_obfuscation": False}, True),
    ],
)
def test_a_stream_tells_its_usage_if_asked_for(options: Any, with_usage: bool) -> None:
    answer = ask(stream=True, stream_options=options).answer("abc", 0)
    assert isinstance(answer, StreamedAnswer)
    assert answer.with_usage is with_usage


@pytest.mark.parametrize("stream", [None, False])
def test_stream_options_without_a_stream_are_refused(stream: Any) -> None:
    assert refused(lambda: ask(stream=stream, stream_options={"include_usage": True})) == (
        "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        "stream_options",
        None,
    )


def test_the_models_name_is_left_as_the_client_gave_it() -> None:
    assert limits(model="openai/Any Thing").model == "openai/Any Thing"


@pytest.mark.parametrize("name", ["model", "messages"])
@pytest.mark.parametrize("value", [None, ...], ids=["null", "absent"])
def test_a_required_parameter_that_is_missing_is_told(name: str, value: Any) -> None:
    request = {"model": "sonnet", "messages": [HELLO], name: value}
    if value is ...:
        del request[name]
    assert refused(lambda: read(json.dumps(request).encode())) == (
        f"Missing required parameter: '{name}'.",
        name,
        "missing_required_parameter",
    )


def test_an_empty_model_is_a_missing_one() -> None:
    assert refused(lambda: ask(model=""))[1:] == ("model", "missing_required_parameter")


# Limits


@pytest.mark.parametrize(
    ("given_limits", "max_tokens"),
    [
        ({}, None),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 7}, 7),
        ({"max_tokens": 5, "max_completion_tokens": 7}, 5),
        ({"max_tokens": 7, "max_completion_tokens": 5}, 5),
        ({"max_tokens": 0}, None),
        ({"max_tokens": 0, "max_completion_tokens": 5}, 5),
        ({"max_tokens": -1}, None),
        ({"max_completion_tokens": 0}, None),
        ({"max_completion_tokens": -1}, None),
        ({"max_tokens": 5, "max_completion_tokens": -1}, 5),
        ({"max_tokens": None, "max_completion_tokens": None}, None),
    ],
)
def test_the_lower_limit_counts_and_zero_or_minus_one_is_none(
    given_limits: dict[str, Any], max_tokens: int | None
) -> None:
    assert limits(**given_limits) == Limits("sonnet", max_tokens=max_tokens)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (-2, "integer_below_min_value"),
        (1.5, "invalid_type"),
        ("5", "invalid_type"),
        (True, "invalid_type"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(name: str, value: Any, code: str) -> None:
    assert refused(lambda: ask(**{name: value}))[1:] == (name, code)


@pytest.mark.parametrize(
    ("stop", "stops"),
    [
        (None, ()),
        ([], ()),
        ("END", ("END",)),
        (["END"], ("END",)),
        (["a", "b", "c", "d"], ("a", "b", "c", "d")),
        (["\nUser:"], ("\nUser:",)),
        ("\n\n", ("\n\n",)),
        (["a", " "], ("a", " ")),
    ],
)
def test_stop_sequences_are_one_or_up_to_four(stop: Any, stops: tuple[str, ...]) -> None:
    assert limits(stop=stop).stop == stops


@pytest.mark.parametrize(
    ("stop", "param", "code"),
    [
        (["a", "b", "c", "d", "e"], "stop", "array_above_max_length"),
        (5, "stop", "invalid_type"),
        ({}, "stop", "invalid_type"),
        (["a", 5], "stop[1]", "invalid_type"),
        (["a", None], "stop[1]", "invalid_type"),
    ],
)
def test_stop_sequences_that_cannot_be_are_refused(stop: Any, param: str, code: str) -> None:
    assert refused(lambda: ask(stop=stop))[1:] == (param, code)


@pytest.mark.parametrize(
    ("wanted", "effort", "thinking"),
    [
        (None, None, True),
        ("none", None, False),
        ("minimal", "low", True),
        *((level, level, True) for level in ("low", "medium", "high", "xhigh", "max")),
    ],
)
def test_how_much_to_think_is_a_level_or_not_at_all(
    wanted: str | None, effort: str | None, thinking: bool
) -> None:
    asked = limits(reasoning_effort=wanted)
    assert (asked.effort, asked.thinking) == (effort, thinking)


@pytest.mark.parametrize("name", ["temperature", "top_p"])
@pytest.mark.parametrize("value", [0, 0.5, 1, None])
def test_how_words_are_drawn_is_a_limit(name: str, value: float | None) -> None:
    changed: dict[str, Any] = {name: value}
    assert limits(**changed) == Limits("sonnet", **changed)


@pytest.mark.parametrize(
    ("changes", "fitted", "left_out"),
    [
        ({}, Limits("x"), ()),
        ({}, Limits("x", effort="low"), ()),
        ({"temperature": 0}, Limits("x", temperature=0), ()),
        ({"temperature": 0}, Limits("x"), ("temperature",)),
        ({"top_p": 1}, Limits("x"), ("top_p",)),
        ({"reasoning_effort": "max"}, Limits("x", effort="high"), ()),
        ({"reasoning_effort": "max"}, Limits("x"), ("reasoning_effort",)),
        ({"reasoning_effort": "none"}, Limits("x"), ()),
        (
            {"top_p": 1, "user": "me", "temperature": 1, "reasoning_effort": "low"},
            Limits("x"),
            ("user", "reasoning_effort", "temperature", "top_p"),
        ),
    ],
)
def test_what_a_model_left_out_is_ignored_by_the_names_of_the_request(
    changes: dict[str, Any], fitted: Limits, left_out: tuple[str, ...]
) -> None:
    assert ask(**changes).ignored_for(fitted) == left_out


@pytest.mark.parametrize(("n", "choices"), [(None, 1), (1, 1), (2, 2), (8, 8)])
@pytest.mark.parametrize("stream", [False, True])
def test_the_answer_has_as_many_choices_as_asked_for(
    stream: bool, n: int | None, choices: int
) -> None:
    asked = ask(n=n, stream=stream)
    answer = asked.answer("abc", 0)
    assert isinstance(answer, (WholeAnswer, StreamedAnswer))
    assert (len(asked.conversations), answer.choices) == (choices, choices)


# What changes the answer and cannot be had


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities[1]"),
        ({"audio": {}, "modalities": ["text", "audio"]}, "audio"),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(
    changes: dict[str, Any], param: str
) -> None:
    message, told, code = refused(lambda: ask(**changes))
    assert message.startswith(f"Unsupported parameter: '{param}'. ")
    assert (told, code) == (param, "unsupported_parameter")


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 1},
        {"n": None},
        {"logprobs": False},
        {"logprobs": None, "top_logprobs": None},
        {"top_logprobs": 0},
        {"presence_penalty": 0, "frequency_penalty": 0.0},
        {"logit_bias": {}, "metadata": {}},
        {"store": False},
        {"modalities": ["text"]},
        {"modalities": []},
        {"audio": None},
        {"web_search_options": None},
        {"response_format": None},
        {"response_format": {"type": "text"}},
        {"tools": None, "tool_choice": None, "parallel_tool_calls": None},
        {"tools": [], "tool_choice": "auto", "parallel_tool_calls": False},
        {"tools": [], "tool_choice": "none"},
        {"functions": [], "function_call": "none"},
    ],
)
def test_what_asks_for_nothing_special_is_no_matter(changes: dict[str, Any]) -> None:
    assert comparable(ask(**changes)) == comparable(ask())


# What changes nothing

IGNORED = {
    "presence_penalty": -2,
    "frequency_penalty": 2,
    "seed": -5,
    "logit_bias": {"50256": -100},
    "verbosity": "high",
    "prediction": {"type": "content", "content": "x"},
    "store": True,
    "metadata": {"a": "b"},
    "service_tier": "auto",
    "user": "me",
    "safety_identifier": "me",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "prompt_cache_options": {},
    "moderation": {},
    "logprobs": True,
    "top_logprobs": 3,
}


@pytest.mark.parametrize("name", IGNORED)
def test_each_ignored_parameter_is_told_and_changes_nothing(name: str) -> None:
    asked = ask(**{name: IGNORED[name]})
    assert asked.ignored == (name,)
    assert asked.conversation == ask().conversation


@pytest.mark.parametrize("name", IGNORED)
def test_null_is_not_told_as_ignored(name: str) -> None:
    assert ask(**{name: None}).ignored == ()


def test_all_that_is_ignored_is_told() -> None:
    assert ask(**IGNORED).ignored == tuple(IGNORED)


@pytest.mark.parametrize("stop", ["", [""], ["", ""]])
def test_an_empty_stop_sequence_is_none(stop: Any) -> None:
    assert limits(stop=stop).stop == ()


def test_a_parameter_that_nobody_knows_is_no_matter_but_told() -> None:
    unknown = {"top_k": 5, "enable_thinking": True, "x y": 1, "a\nb": 1, "é": 1, "nothing": None}
    asked = ask(**unknown)
    assert asked.ignored == ("top_k", "enable_thinking", "x%20y", "a%0Ab", "%C3%A9")
    assert comparable(attrs.evolve(asked, ignored=())) == comparable(ask())
    many = ask(**{f"unknown_{number}": 1 for number in range(1000)}).ignored
    assert len(many) == MOST_IGNORED + 1
    assert many[-1] == "..."


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("temperature", 2.1, "decimal_above_max_value"),
        ("temperature", -0.1, "decimal_below_min_value"),
        ("temperature", "hot", "invalid_type"),
        ("temperature", True, "invalid_type"),
        ("top_p", 1.1, "decimal_above_max_value"),
        ("presence_penalty", -2.5, "decimal_below_min_value"),
        ("frequency_penalty", 2.5, "decimal_above_max_value"),
        ("seed", 1.5, "invalid_type"),
        ("n", 9, "integer_above_max_value"),
        ("n", 0, "integer_below_min_value"),
        ("n", 129, "integer_above_max_value"),
        ("n", 10**400, "integer_above_max_value"),
        ("top_logprobs", 21, "integer_above_max_value"),
        ("top_logprobs", -1, "integer_below_min_value"),
        ("logprobs", 1, "invalid_type"),
        ("logit_bias", [], "invalid_type"),
        ("reasoning_effort", "huge", "invalid_value"),
        ("verbosity", "loud", "invalid_value"),
        ("tools", {}, "invalid_type"),
        ("functions", "f", "invalid_type"),
        ("parallel_tool_calls", "no", "invalid_type"),
        ("prediction", "x", "invalid_type"),
        ("store", 1, "invalid_type"),
        ("metadata", [], "invalid_type"),
        ("service_tier", 1, "invalid_type"),
        ("user", 5, "invalid_type"),
        ("safety_identifier", 5, "invalid_type"),
        ("prompt_cache_key", 5, "invalid_type"),
        ("prompt_cache_retention", 5, "invalid_type"),
        ("prompt_cache_options", [], "invalid_type"),
        ("moderation", True, "invalid_type"),
        ("model", 5, "invalid_type"),
        ("stream", "yes", "invalid_type"),
        ("response_format", "text", "invalid_type"),
        ("modalities", "text", "invalid_type"),
        ("stream_options", True, "invalid_type"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_value_that_cannot_be_is_refused_even_where_it_would_be_ignored(
    name: str, value: Any, code: str
) -> None:
    assert refused(lambda: ask(**{name: value}))[1:] == (name, code)


@pytest.mark.parametrize("name", ["include_usage", "include_obfuscation"])
def test_a_stream_option_of_the_wrong_type_is_told_by_its_place(name: str) -> None:
    assert refused(lambda: ask(stream=True, stream_options={name: "yes"}))[1:] == (
        f"stream_options.{name}",
        "invalid_type",
    )


# Errors


def test_an_error_body_has_openais_four_keys() -> None:
    error = bad_request("Bad \u2028 \U0001f99c.", "messages[0].role", "invalid_value")
    assert json.loads(error_body(error)) == {
        "error": {
            "message": "Bad \u2028 \U0001f99c.",
            "type": "invalid_request_error",
            "param": "messages[0].role",
            "code": "invalid_value",
        }
    }
