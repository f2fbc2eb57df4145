"""Responses requests: what is honoured, what is ignored, what is refused, what is said again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from openai.types.responses import Response

from claudeproxy.conversation import Conversation, Limits, Profile
from claudeproxy.dialects import ParsedRequest
from claudeproxy.dialects.responses.answer import StreamedResponse, WholeResponse
from claudeproxy.dialects.responses.request import Responses
from claudeproxy.dialects.responses.store import ResponseStore
from claudeproxy.errors import APIError, bad_request
from claudeproxy.events import Event, Finished, Started, TextDelta, Usage

from ..asking import refused, user


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
F = {"type": "function", "name": "f"}
FORM = {"type": "json_schema", "name": "j", "schema": SCHEMA}
HI: tuple[Event, ...] = (Started("claude"), TextDelta("Hi"), Finished("stop", Usage()))


def dialect(now: Callable[[], float] = lambda: 0.0, most: int = 10, age: float = 100) -> Responses:
    return Responses(ResponseStore(now, most, age))


def ask(*items: Any, to: Responses | None = None, **changes: Any) -> ParsedRequest:
    body = {"model": "sonnet", "input": list(items) or "Hello", **changes}
    return (to or dialect()).read(json.dumps(body).encode())


def answered(
    unique: str,
    *items: Any,
    to: Responses | None = None,
    events: Iterable[Event] = HI,
    **changes: Any,
) -> dict[str, Any]:
    """The response to a request without `stream`."""
    writer = ask(*items, to=to, **changes).answer(unique, 1700000000)
    told: dict[str, Any] = json.loads(b"".join(map(writer.feed, events)))
    return told


def limits(**changes: Any) -> Limits:
    return ask(**changes).conversation.limits


# The whole request


def test_a_plain_request_is_one_turn_for_the_model() -> None:
    asked = ask()
    turns = (user("Hello"),)
    wanted = Conversation(Profile(), turns, Limits("sonnet"), strict_as="tools[].strict")
    assert asked.conversations == (wanted,)
    assert asked.ignored == ()


@pytest.mark.parametrize(
    ("stream", "kind"),
    [(None, WholeResponse), (False, WholeResponse), (True, StreamedResponse)],
)
def test_the_answer_is_streamed_if_asked_for(stream: Any, kind: type) -> None:
    asked = ask(stream=stream, stream_options={"include_obfuscation": False})
    assert asked.conversation.limits.streamed is (stream is True)
    answer = asked.answer("abc", 5)
    assert type(answer) is kind
    assert isinstance(answer, (WholeResponse, StreamedResponse))
    assert (answer.unique, answer.created) == ("abc", 5)


@pytest.mark.parametrize("name", ["model", "input"])
@pytest.mark.parametrize("value", [None, ...], ids=["null", "absent"])
def test_a_required_parameter_that_is_missing_is_told(name: str, value: Any) -> None:
    request = {"model": "sonnet", "input": "Hello", name: value}
    if value is ...:
        del request[name]
    assert refused(lambda: dialect().read(json.dumps(request).encode())) == (
        f"Missing required parameter: '{name}'.",
        name,
        "missing_required_parameter",
    )


def test_an_empty_model_is_a_missing_one() -> None:
    assert refused(lambda: ask(model=""))[1:] == ("model", "missing_required_parameter")


@pytest.mark.parametrize("bad", [b"", b"[]", b"{", b"\xff", b'{"model": NaN}'])
def test_a_body_that_is_no_json_object_names_no_parameter(bad: bytes) -> None:
    assert refused(lambda: dialect().read(bad))[1:] == (None, None)


def test_a_parameter_that_nobody_knows_is_no_matter_but_told() -> None:
    # Those of Chat Completions among them: they would mean something there.
    asked = ask(top_k=5, max_tokens=1, response_format={"type": "json_object"}, stop=None)
    assert asked.conversation == ask().conversation
    assert asked.ignored == ("top_k", "max_tokens", "response_format")


# Limits


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"max_output_tokens": 1}, Limits("sonnet", max_tokens=1)),
        ({"max_output_tokens": 0}, Limits("sonnet")),
        ({"max_output_tokens": -1}, Limits("sonnet")),
        ({"max_output_tokens": None}, Limits("sonnet")),
        ({"temperature": 0, "top_p": 0.5}, Limits("sonnet", temperature=0, top_p=0.5)),
        ({"model": "openai/Any Thing"}, Limits("openai/Any Thing")),
    ],
)
def test_what_bounds_the_answer_is_a_limit(changes: dict[str, Any], expected: Limits) -> None:
    assert limits(**changes) == expected


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
    asked = limits(reasoning={"effort": wanted})
    assert (asked.effort, asked.thinking) == (effort, thinking)


@pytest.mark.parametrize("name", ["summary", "generate_summary"])
@pytest.mark.parametrize("wanted", ["auto", "concise", "detailed", None])
@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_are_told_if_asked_for(name: str, wanted: str | None, stream: bool) -> None:
    answer = ask(reasoning={name: wanted}, stream=stream).answer("abc", 0)
    assert isinstance(answer, (WholeResponse, StreamedResponse))
    assert answer.context.summary is (wanted is not None)


def test_what_a_model_left_out_is_ignored_by_the_names_of_the_request() -> None:
    asked = ask(reasoning={"effort": "max"}, temperature=1, top_p=1, user="me")
    assert asked.ignored_for(Limits("x")) == ("user", "reasoning.effort", "temperature", "top_p")
    assert asked.ignored_for(Limits("x", effort="high", temperature=1, top_p=1)) == ("user",)


# What changes the answer and cannot be had


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("background", True),
        ("conversation", "conv_1"),
        ("conversation", {"id": "conv_1"}),
        ("prompt", {"id": "pmpt_1"}),
        ("context_management", [{"type": "compaction"}]),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(name: str, value: Any) -> None:
    message, *told = refused(lambda: ask(**{name: value}))
    assert message.startswith(f"Unsupported parameter: '{name}'. ")
    assert told == [name, "unsupported_parameter"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("background", value) for value in (None, False)),
        *(("top_logprobs", value) for value in (None, 0)),
        *((name, None) for name in ("conversation", "prompt", "context_management")),
        ("include", None),
        ("include", []),
        *(("truncation", value) for value in (None, "disabled")),
        *(("text", value) for value in (None, {"verbosity": None})),
        *(("store", value) for value in (None, True, False)),
        *(("metadata", value) for value in (None, {"a": "b"})),
        ("tools", None),
        ("tools", []),
        ("reasoning", {}),
        ("previous_response_id", None),
    ],
)
def test_what_asks_for_nothing_special_is_no_matter(name: str, value: Any) -> None:
    asked = ask(**{name: value})
    assert (asked.conversation, asked.ignored) == (ask().conversation, ())


# What changes nothing

IGNORED: dict[str, Any] = {
    "top_logprobs": 1,
    "max_tool_calls": 0,
    "service_tier": "auto",
    "user": "me",
    "safety_identifier": "me",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "prompt_cache_options": {},
    "moderation": {},
    "presence_penalty": -2,
    "frequency_penalty": 2,
    "include": ["reasoning.encrypted_content"],
    "truncation": "auto",
}


@pytest.mark.parametrize("name", IGNORED)
def test_each_ignored_parameter_is_told_and_changes_nothing(name: str) -> None:
    asked = ask(**{name: IGNORED[name]})
    assert (asked.conversation, asked.ignored) == (ask().conversation, (name,))
    assert ask(**{name: None}).ignored == ()


def test_all_that_is_ignored_is_told() -> None:
    asked = ask(
        **IGNORED,
        text={"verbosity": "low", "format": FORM},
        tools=[{**F, "strict": True}],
        tool_choice="required",
    )
    assert sorted(asked.ignored) == sorted((*IGNORED, "text.verbosity", "text.format"))


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"model": 5}, "model", "invalid_type"),
        ({"input": 5}, "input", "invalid_type"),
        ({"input": {}}, "input", "invalid_type"),
        ({"input": []}, "input", "empty_array"),
        ({"input": ["x"]}, "input[0]", "invalid_type"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"stream_options": 5}, "stream_options", "invalid_type"),
        (
            {"stream_options": {"include_obfuscation": 5}},
            "stream_options.include_obfuscation",
            "invalid_type",
        ),
        ({"background": 1}, "background", "invalid_type"),
        ({"top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
        ({"top_logprobs": -1}, "top_logprobs", "integer_below_min_value"),
        ({"top_logprobs": True}, "top_logprobs", "invalid_type"),
        ({"instructions": []}, "instructions", "invalid_type"),
        ({"store": "no"}, "store", "invalid_type"),
        ({"previous_response_id": 5}, "previous_response_id", "invalid_type"),
        ({"max_output_tokens": -2}, "max_output_tokens", "integer_below_min_value"),
        ({"max_output_tokens": 1.5}, "max_output_tokens", "invalid_type"),
        ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
        ({"top_p": -0.1}, "top_p", "decimal_below_min_value"),
        ({"reasoning": "low"}, "reasoning", "invalid_type"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort", "invalid_value"),
        ({"reasoning": {"summary": "long"}}, "reasoning.summary", "invalid_value"),
        ({"reasoning": {"generate_summary": 1}}, "reasoning.generate_summary", "invalid_type"),
        ({"text": "json"}, "text", "invalid_type"),
        ({"text": {"verbosity": "loud"}}, "text.verbosity", "invalid_value"),
        ({"truncation": "always"}, "truncation", "invalid_value"),
        ({"include": [1]}, "include[0]", "invalid_type"),
        ({"metadata": []}, "metadata", "invalid_type"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls", "invalid_type"),
        ({"max_tool_calls": -1}, "max_tool_calls", "integer_below_min_value"),
        ({"service_tier": 1}, "service_tier", "invalid_type"),
        ({"user": 5}, "user", "invalid_type"),
        ({"safety_identifier": 5}, "safety_identifier", "invalid_type"),
        ({"prompt_cache_key": 5}, "prompt_cache_key", "invalid_type"),
        ({"prompt_cache_retention": 5}, "prompt_cache_retention", "invalid_type"),
        ({"prompt_cache_options": []}, "prompt_cache_options", "invalid_type"),
        ({"moderation": True}, "moderation", "invalid_type"),
        ({"presence_penalty": -2.5}, "presence_penalty", "decimal_below_min_value"),
        ({"frequency_penalty": 2.5}, "frequency_penalty", "decimal_above_max_value"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused_even_where_it_would_be_ignored(
    changes: dict[str, Any], param: str, code: str
) -> None:
    assert refused(lambda: ask(**changes))[1:] == (param, code)


# What is said again

DEFAULTS: Mapping[str, Any] = {
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
    "truncation": "disabled",
    "user": None,
    "store": True,
}
# Nothing changes these, as nothing comes of them.
FIXED: Mapping[str, Any] = {"presence_penalty": 0, "frequency_penalty": 0, "top_logprobs": 0}
GIVEN: Mapping[str, Any] = {
    "instructions": "Be brief.",
    "max_output_tokens": 9,
    "max_tool_calls": 3,
    "metadata": {"a": "b"},
    "parallel_tool_calls": False,
    "prompt_cache_key": "k",
    "reasoning": {"effort": "low", "summary": "auto"},
    "safety_identifier": "s",
    "temperature": 0.5,
    "text": {"format": {**FORM, "description": "J", "strict": True}, "verbosity": "low"},
    "tool_choice": F,
    "tools": [{**F, "description": "F", "parameters": SCHEMA, "strict": True}],
    "top_p": 0.5,
    "truncation": "auto",
    "user": "me",
    "store": False,
}


@pytest.mark.parametrize("given", [{}, dict.fromkeys(DEFAULTS)], ids=["absent", "null"])
def test_a_response_says_what_it_went_by(given: dict[str, Any]) -> None:
    told = answered("abc", **given)
    assert {name: told[name] for name in DEFAULTS} == DEFAULTS
    assert type(told["temperature"]) is type(told["top_p"]) is float


def test_a_response_says_its_request_again() -> None:
    told = answered("abc", **GIVEN)
    assert {name: told[name] for name in GIVEN} == GIVEN
    Response.model_validate(told, strict=True)


@pytest.mark.parametrize("asked_for", [{}, dict.fromkeys(FIXED), dict.fromkeys(FIXED, 1)])
def test_a_response_says_that_some_parameters_have_no_effect(asked_for: dict[str, Any]) -> None:
    told = answered("abc", **asked_for)
    assert {name: told[name] for name in FIXED} == FIXED


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, {"description": None, "parameters": None, "strict": False}),
        ({"strict": True}, {"description": None, "parameters": None, "strict": True}),
        (
            {"description": "F", "parameters": SCHEMA},
            {"description": "F", "parameters": SCHEMA, "strict": False},
        ),
    ],
)
def test_a_function_that_is_told_again_is_complete(given: Any, told: Any) -> None:
    custom = {"type": "custom", "name": "c"}
    tools = answered("abc", tools=[{**F, **given}, custom, {"type": "web_search"}])["tools"]
    assert tools == [{**F, **told}, custom, {"type": "web_search"}]


def test_a_schema_that_is_told_again_is_complete() -> None:
    form = {"type": "json_schema", "name": "j", "schema": SCHEMA}
    told = answered("abc", text={"format": form})["text"]["format"]
    assert told == {**form, "description": None, "strict": False}
    given = {**form, "description": "J", "strict": True}
    assert answered("abc", text={"format": given})["text"]["format"] == given


# Errors


@pytest.mark.parametrize(
    ("param", "told"),
    [("messages", "input"), ("response_format", "text.format"), ("model", "model"), (None, None)],
)
def test_an_error_of_the_core_has_this_dialects_names(param: str | None, told: Any) -> None:
    assert json.loads(dialect().error_body(bad_request("No.", param, "c"))) == {
        "error": {"message": "No.", "type": "invalid_request_error", "param": told, "code": "c"}
    }


def test_an_error_of_another_status_is_worded_the_same() -> None:
    body = json.loads(dialect().error_body(APIError(502, "Down.", "server_error")))
    assert body["error"]["type"] == "server_error"
