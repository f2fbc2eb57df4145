"""Chat Completions requests: what is honoured, what is ignored, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claudeproxy.conversation import Conversation, Limits, Profile, Turn, text_block
from claudeproxy.dialects import Asked
from claudeproxy.dialects.chat import CONTINUATION, OPENING, error_body, read
from claudeproxy.dialects.chat_answer import StreamedAnswer, WholeAnswer
from claudeproxy.errors import APIError, bad_request


# A fresh checkout builds Hypothesis' tables first, and a busy machine takes its time.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

HELLO = {"role": "user", "content": "Hello"}
BEGIN = Turn("user", (OPENING,))
CONTINUE = Turn("user", (CONTINUATION,))


def user(*texts: str) -> Turn:
    return Turn("user", tuple(text_block(text) for text in texts))


def assistant(*texts: str) -> Turn:
    return Turn("assistant", tuple(text_block(text) for text in texts))


def body(**changes: Any) -> bytes:
    return json.dumps({"model": "sonnet", "messages": [HELLO], **changes}).encode()


def ask(*messages: Any, **changes: Any) -> Asked:
    return read(body(messages=list(messages) or [HELLO], **changes))


def turns(*messages: Any) -> tuple[Turn, ...]:
    return ask(*messages).conversation.turns


def system(*messages: Any) -> str:
    return ask(*messages).conversation.profile.system


def limits(**changes: Any) -> Limits:
    return ask(**changes).conversation.limits


def refused(read_it: Callable[[], object]) -> tuple[str, str | None, str | None]:
    with pytest.raises(APIError) as caught:
        read_it()
    error = caught.value
    assert (error.status, error.type, error.retry_after) == (400, "invalid_request_error", None)
    return error.message, error.param, error.code


# The whole request


def test_a_plain_request_is_one_turn_for_the_model() -> None:
    asked = ask(HELLO)
    assert asked.conversation == Conversation(Profile(), (user("Hello"),), Limits("sonnet"))
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
    answer = ask(**changes).answer("abc", 1700000000)
    assert type(answer) is kind
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


def test_the_last_of_two_fields_with_one_name_counts() -> None:
    both = b'{"model": "opus", "model": "haiku", "messages": [{"role": "user", "content": "x"}]}'
    assert read(both).conversation.limits.model == "haiku"


# Roles and content


def test_every_role_has_its_place() -> None:
    asked = ask(
        {"role": "system", "content": "S"},
        {"role": "developer", "content": "D"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three", "name": "bob"},
    )
    assert asked.conversation.profile == Profile(system="S\n\nD")
    assert asked.conversation.turns == (user("one"), assistant("two"), user("three"))


def test_instructions_are_joined_in_order_wherever_they_stand() -> None:
    messages = [
        {"role": "developer", "content": "one"},
        HELLO,
        {"role": "system", "content": [{"type": "text", "text": "two"}]},
        {"role": "assistant", "content": "Hi"},
        {"role": "developer", "content": "three\n"},
        HELLO,
    ]
    assert system(*messages) == "one\n\ntwo\n\nthree\n"
    assert turns(*messages) == (user("Hello"), assistant("Hi"), user("Hello"))


@pytest.mark.parametrize("content", ["", " \n\t", None, [], [{"type": "text", "text": " "}]])
def test_blank_instructions_are_none(content: Any) -> None:
    assert system({"role": "system", "content": content}, HELLO) == ""


@pytest.mark.parametrize(
    "content",
    [
        "Hi there",
        [{"type": "text", "text": "Hi there"}],
        [{"type": "text", "text": ""}, {"type": "text", "text": "Hi there"}],
    ],
)
def test_content_is_a_string_or_parts(content: Any) -> None:
    assert turns({"role": "user", "content": content}) == (user("Hi there"),)
    assert turns(HELLO, {"role": "assistant", "content": content}, HELLO) == (
        user("Hello"),
        assistant("Hi there"),
        user("Hello"),
    )


def test_parts_stay_blocks_of_their_own_with_their_white_space() -> None:
    parts = [{"type": "text", "text": " one "}, {"type": "text", "text": "two\n"}]
    assert turns({"role": "user", "content": parts}) == (user(" one ", "two\n"),)


def test_an_assistants_refusal_part_is_its_text() -> None:
    parts = [{"type": "text", "text": "Well."}, {"type": "refusal", "refusal": "I cannot."}]
    assert turns(HELLO, {"role": "assistant", "content": parts}, HELLO) == (
        user("Hello"),
        assistant("Well.", "I cannot."),
        user("Hello"),
    )


def test_neighbours_of_one_role_are_merged() -> None:
    assert turns(
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": "c"},
        {"role": "assistant", "content": "d"},
        {"role": "user", "content": "e"},
    ) == (user("a", "b"), assistant("c", "d"), user("e"))


@pytest.mark.parametrize("content", [None, "", "  ", [], [{"type": "text", "text": "\n"}]])
def test_an_answer_without_text_is_left_out_and_its_neighbours_meet(content: Any) -> None:
    assert turns(
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": "b"},
    ) == (user("a", "b"),)


def test_an_assistant_needs_no_content() -> None:
    assert turns(HELLO, {"role": "assistant"}, HELLO) == (user("Hello", "Hello"),)


def test_where_the_assistant_speaks_first_an_opening_is_put_before_it() -> None:
    assert turns({"role": "assistant", "content": "Hi"}, HELLO) == (
        BEGIN,
        assistant("Hi"),
        user("Hello"),
    )


def test_where_the_assistant_speaks_last_a_continuation_is_put_after_it() -> None:
    assert turns(HELLO, {"role": "assistant", "content": "Once"}) == (
        user("Hello"),
        assistant("Once"),
        CONTINUE,
    )


def test_where_only_the_assistant_speaks_both_are_put_around_it() -> None:
    assert turns({"role": "assistant", "content": "Hi"}) == (BEGIN, assistant("Hi"), CONTINUE)


@pytest.mark.parametrize("role", ["system", "developer"])
def test_instructions_alone_are_answered_from_the_opening(role: str) -> None:
    asked = ask({"role": role, "content": "Tell a joke."})
    assert asked.conversation.turns == (BEGIN,)
    assert asked.conversation.profile.system == "Tell a joke."


def test_what_stands_in_for_the_user_is_not_blank() -> None:
    assert [OPENING["text"], CONTINUATION["text"]] == ["Begin.", "Continue."]


@pytest.mark.parametrize(
    "text", ["/clear", "\u2028", "\x00\x1b", '"quoted"', "🦜", "\ud83e", "a\r\nb"]
)
def test_text_comes_through_as_it_is(text: str) -> None:
    assert turns({"role": "user", "content": "x" + text}) == (user("x" + text),)
    assert system({"role": "system", "content": "x" + text}, HELLO) == "x" + text


# Messages that cannot be


@pytest.mark.parametrize(
    ("messages", "message", "param", "code"),
    [
        (
            [],
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
            "messages",
            "empty_array",
        ),
        (
            "Hello",
            "Invalid type for 'messages': expected an array, but got a string instead.",
            "messages",
            "invalid_type",
        ),
        (
            {"role": "user"},
            "Invalid type for 'messages': expected an array, but got an object instead.",
            "messages",
            "invalid_type",
        ),
        (
            [HELLO, "Hello"],
            "Invalid type for 'messages[1]': expected an object, but got a string instead.",
            "messages[1]",
            "invalid_type",
        ),
        (
            [{"content": "Hello"}],
            "Missing required parameter: 'messages[0].role'.",
            "messages[0].role",
            "missing_required_parameter",
        ),
        (
            [{"role": 5, "content": "Hello"}],
            "Invalid type for 'messages[0].role': expected a string, but got an integer instead.",
            "messages[0].role",
            "invalid_type",
        ),
        (
            [{"role": "bot", "content": "Hello"}],
            "Invalid value: 'bot'. Supported values are: 'developer', 'system', 'user', "
            "'assistant', 'tool', 'function'.",
            "messages[0].role",
            "invalid_value",
        ),
        (
            [{"role": "user"}],
            "Missing required parameter: 'messages[0].content'.",
            "messages[0].content",
            "missing_required_parameter",
        ),
        (
            [{"role": "user", "content": None}],
            "Missing required parameter: 'messages[0].content'.",
            "messages[0].content",
            "missing_required_parameter",
        ),
        (
            [{"role": "user", "content": 5}],
            "Invalid type for 'messages[0].content': expected a string or an array of parts, but "
            "got an integer instead.",
            "messages[0].content",
            "invalid_type",
        ),
        (
            [{"role": "system", "content": {"type": "text", "text": "x"}}],
            "Invalid type for 'messages[0].content': expected a string or an array of parts, but "
            "got an object instead.",
            "messages[0].content",
            "invalid_type",
        ),
        (
            [{"role": "user", "content": ["Hello"]}],
            "Invalid type for 'messages[0].content[0]': expected an object, but got a string "
            "instead.",
            "messages[0].content[0]",
            "invalid_type",
        ),
        (
            [{"role": "user", "content": [{"text": "Hello"}]}],
            "Missing required parameter: 'messages[0].content[0].type'.",
            "messages[0].content[0].type",
            "missing_required_parameter",
        ),
        (
            [{"role": "user", "content": [{"type": "text"}]}],
            "Missing required parameter: 'messages[0].content[0].text'.",
            "messages[0].content[0].text",
            "missing_required_parameter",
        ),
        (
            [HELLO, {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": 1}]}],
            "Invalid type for 'messages[1].content[1].type': expected a string, but got an integer "
            "instead.",
            "messages[1].content[1].type",
            "invalid_type",
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": ["x"]}]}],
            "Invalid type for 'messages[0].content[0].text': expected a string, but got an array "
            "instead.",
            "messages[0].content[0].text",
            "invalid_type",
        ),
    ],
)
def test_a_message_that_cannot_be_is_told_by_its_place(
    messages: Any, message: str, param: str, code: str
) -> None:
    assert refused(lambda: read(body(messages=messages))) == (message, param, code)


@pytest.mark.parametrize("content", ["", " ", "\n\t\u00a0", [], [{"type": "text", "text": ""}]])
def test_a_blank_user_message_is_refused(content: Any) -> None:
    message, param, code = refused(lambda: ask(HELLO, {"role": "user", "content": content}))
    assert message.startswith("Invalid 'messages[1].content': ")
    assert (param, code) == ("messages[1].content", "invalid_value")


@pytest.mark.parametrize(
    ("message", "param", "code"),
    [
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            "messages[1].content[0].type",
            "unsupported_value",
        ),
        (
            {"role": "user", "content": [{"type": "refusal", "refusal": "x"}]},
            "messages[1].content[0].type",
            "unsupported_value",
        ),
        (
            {"role": "system", "content": [{"type": "input_audio", "input_audio": {}}]},
            "messages[1].content[0].type",
            "unsupported_value",
        ),
        (
            {"role": "tool", "tool_call_id": "a", "content": "x"},
            "messages[1].role",
            "unsupported_value",
        ),
        (
            {"role": "function", "name": "a", "content": "x"},
            "messages[1].role",
            "unsupported_value",
        ),
        (
            {"role": "assistant", "content": "x", "tool_calls": [{"id": "a"}]},
            "messages[1].tool_calls",
            "unsupported_parameter",
        ),
        (
            {"role": "assistant", "content": None, "function_call": {"name": "a"}},
            "messages[1].function_call",
            "unsupported_parameter",
        ),
    ],
)
def test_what_a_message_cannot_hold_yet_is_refused_by_its_place(
    message: Any, param: str, code: str
) -> None:
    assert refused(lambda: ask(HELLO, message))[1:] == (param, code)


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
        ({"max_tokens": None, "max_completion_tokens": None}, None),
    ],
)
def test_the_lower_limit_counts_and_zero_is_none(
    given_limits: dict[str, Any], max_tokens: int | None
) -> None:
    assert limits(**given_limits) == Limits("sonnet", max_tokens=max_tokens)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (-1, "integer_below_min_value"),
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
    ],
)
def test_stop_sequences_are_one_or_up_to_four(stop: Any, stops: tuple[str, ...]) -> None:
    assert limits(stop=stop).stop == stops


@pytest.mark.parametrize(
    ("stop", "param", "code"),
    [
        (["a", "b", "c", "d", "e"], "stop", "array_above_max_length"),
        ("", "stop", "unsupported_value"),
        ("\n", "stop", "unsupported_value"),
        (["a", " "], "stop", "unsupported_value"),
        (5, "stop", "invalid_type"),
        ({}, "stop", "invalid_type"),
        (["a", 5], "stop[1]", "invalid_type"),
        (["a", None], "stop[1]", "invalid_type"),
    ],
)
def test_stop_sequences_that_cannot_be_are_refused(stop: Any, param: str, code: str) -> None:
    assert refused(lambda: ask(stop=stop))[1:] == (param, code)


# What changes the answer and cannot be had


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 3}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"modalities": ["text", "audio"], "audio": {}}, "audio"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        ({"function_call": {"name": "f"}}, "function_call"),
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
        {"modalities": ["text"]},
        {"modalities": []},
        {"audio": None},
        {"web_search_options": None},
        {"response_format": None},
        {"response_format": {"type": "text"}},
    ],
)
def test_what_asks_for_nothing_special_is_no_matter(changes: dict[str, Any]) -> None:
    assert ask(**changes) == attrs.evolve(ask(), answer=WholeAnswer)


# What changes nothing

IGNORED = {
    "temperature": 0.5,
    "top_p": 1,
    "presence_penalty": -2,
    "frequency_penalty": 2,
    "seed": -5,
    "logit_bias": {"50256": -100},
    "reasoning_effort": "low",
    "verbosity": "high",
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "functions": [],
    "function_call": "none",
    "prediction": {"type": "content", "content": "x"},
    "store": False,
    "metadata": {"a": "b"},
    "service_tier": "auto",
    "user": "me",
    "safety_identifier": "me",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
}


@pytest.mark.parametrize("name", IGNORED)
def test_each_ignored_parameter_is_told_and_changes_nothing(name: str) -> None:
    asked = ask(**{name: IGNORED[name]})
    assert asked.ignored == (name,)
    assert asked.conversation == ask().conversation


@pytest.mark.parametrize("name", IGNORED)
def test_null_is_not_told_as_ignored(name: str) -> None:
    assert ask(**{name: None}).ignored == ()


def test_all_that_is_ignored_is_told_in_one_order() -> None:
    backwards = dict(reversed(IGNORED.items()))
    assert ask(**backwards).ignored == tuple(IGNORED)


def test_a_parameter_that_nobody_knows_is_no_matter() -> None:
    assert ask(top_k=5, enable_thinking=True) == ask()


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
        ("n", 0, "integer_below_min_value"),
        ("n", 129, "integer_above_max_value"),
        ("n", 10**400, "integer_above_max_value"),
        ("top_logprobs", 21, "integer_above_max_value"),
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


# Any body


@pytest.mark.parametrize(
    "bad", [b"", b"[]", b"null", b"{", b'{"model": NaN}', b"[" * 100_000, b"\xff"]
)
def test_a_body_that_is_no_json_object_names_no_parameter(bad: bytes) -> None:
    assert refused(lambda: read(bad))[1:] == (None, None)


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["text", "user", "refusal", "audio", "auto"])
)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from(["type", "text"]), inner)
    ),
    max_leaves=6,
)
texts = st.text(max_size=4)
parts = st.fixed_dictionaries({"type": st.just("text"), "text": texts}) | anything
messages_like = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "developer", "user", "assistant"]) | anything,
        "content": texts | st.none() | st.lists(parts, max_size=3) | anything,
    },
    optional={"tool_calls": anything, "name": anything},
)
PARAMETERS = [
    *("stream", "stream_options", "max_tokens", "max_completion_tokens", "stop", "n", "logprobs"),
    *("top_logprobs", "audio", "modalities", "web_search_options", "response_format", *IGNORED),
]
requests_like = st.builds(
    lambda base, more: {**base, **more},
    st.just({"model": "sonnet", "messages": [HELLO]})
    | st.fixed_dictionaries(
        {"model": st.just("sonnet") | anything, "messages": st.lists(messages_like) | anything}
    ),
    st.dictionaries(st.sampled_from(PARAMETERS), anything, max_size=2),
)


@calm
@given(requests_like | anything)
def test_no_json_raises_anything_but_a_400(value: Any) -> None:
    try:
        asked = read(json.dumps(value).encode())
    except APIError as error:
        assert error.status == 400
        assert json.loads(error_body(error))["error"]["param"] == error.param
        return
    roles = [turn.role for turn in asked.conversation.turns]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
    for turn in asked.conversation.turns:
        assert turn.blocks
        assert all(block["text"].strip() for block in turn.blocks)


@calm
@given(st.binary(max_size=30))
def test_no_bytes_raise_anything_but_a_400(value: bytes) -> None:
    with pytest.raises(APIError) as caught:
        read(value)
    assert caught.value.status == 400


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


def test_the_answers_maker_is_what_the_request_asked_for() -> None:
    made = ask(stream=True, stream_options={"include_usage": True}).answer
    assert isinstance(made, partial)
    assert made("a", 1) == StreamedAnswer("a", 1, with_usage=True)
