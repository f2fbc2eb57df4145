"""Anthropic Messages requests: what is honoured, what is ignored, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.conversation import Conversation, Limits, Profile, Tool, ToolChoice
from claudeproxy.dialects import ParsedRequest
from claudeproxy.dialects.json_schema import ANYTHING
from claudeproxy.dialects.messages.answer import StreamedMessage, WholeMessage, encode_error
from claudeproxy.dialects.messages.request import OPTIONAL, count_tokens, error_body, read
from claudeproxy.dialects.messages.schema import EFFORTS
from claudeproxy.dialects.token_estimate import estimate
from claudeproxy.errors import APIError

from ..asking import HELLO, PDF, PNG, calm, refused, tool_result, tool_use, user


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
F: dict[str, Any] = {"name": "f", "description": "F", "input_schema": SCHEMA}
G: dict[str, Any] = {"name": "g", "input_schema": {"type": "object"}}
FORM = {"type": "json_schema", "schema": SCHEMA}
BASE = {"model": "sonnet", "max_tokens": 50, "messages": [HELLO]}


def body(**changes: Any) -> bytes:
    return json.dumps({**BASE, **changes}).encode()


def ask(*messages: Any, **changes: Any) -> ParsedRequest:
    return read(body(messages=list(messages) or [HELLO], **changes))


def limits(**changes: Any) -> Limits:
    return ask(**changes).conversation.limits


def profile(**changes: Any) -> Profile:
    return ask(**changes).conversation.profile


def faults(**changes: Any) -> tuple[str | None, str | None]:
    """The parameter and the code of what is refused."""
    _, param, code = refused(lambda: ask(**changes))
    return param, code


def without(*names: str, given: Mapping[str, Any]) -> bytes:
    return json.dumps({name: value for name, value in given.items() if name not in names}).encode()


# The whole request


def test_the_least_there_can_be() -> None:
    asked = ask()
    (conversation,) = asked.conversations
    wanted = Limits("sonnet", max_tokens=50, thinking=False)
    assert conversation == Conversation(Profile(), (user("Hello"),), wanted, shows_blocks=True)
    assert (asked.ignored, asked.optional) == ((), OPTIONAL)


@pytest.mark.parametrize(
    ("stream", "kind"), [(None, WholeMessage), (False, WholeMessage), (True, StreamedMessage)]
)
def test_the_answer_is_streamed_if_asked_for(stream: Any, kind: type) -> None:
    assert isinstance(ask(stream=stream).answer("u", 0), kind)
    assert ask(stream=stream).conversation.limits.streamed is (stream is True)


NULLABLE = (
    *("stream", "system", "tools", "tool_choice", "stop_sequences", "temperature", "top_p"),
    *("top_k", "thinking", "output_config", "output_format", "metadata", "service_tier"),
    *("inference_geo", "cache_control", "mcp_servers", "container", "context_management"),
)


@pytest.mark.parametrize("name", NULLABLE)
def test_null_is_absent(name: str) -> None:
    assert ask(**{name: None}) == ask()


def test_what_is_unknown_is_ignored_and_told() -> None:
    asked = ask(whatever=[1, {"a": None}], fallbacks=[], nothing=None)
    assert asked.ignored == ("whatever", "fallbacks")
    assert attrs.evolve(asked, ignored=()) == ask()


def test_what_is_unknown_of_a_tool_is_told_once() -> None:
    tools = [
        {"name": name, "input_schema": {"type": "object"}, "x": True, "cache_control": {}}
        for name in "ab"
    ]
    assert ask(tools=tools).ignored == ("tools[].x", "tools[].cache_control")


@pytest.mark.parametrize(
    "nothing",
    [
        {"mcp_servers": []},
        {"container": {}},
        {"context_management": {"edits": []}},
        # As Claude Code and Kimi Code ask with every request.
        {"context_management": {"edits": None}},
        {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}},
        {
            "context_management": {
                "edits": [{"type": "clear_thinking_20251015", "keep": {"type": "all"}}]
            }
        },
    ],
    ids=lambda value: next(iter(value)),
)
def test_what_asks_for_nothing_is_no_matter(nothing: dict[str, Any]) -> None:
    assert ask(**nothing) == ask()


def test_threads_are_refused_as_the_sdk_knows_it() -> None:
    with pytest.raises(APIError) as raised:
        ask(thread={"type": "create"})
    told = json.loads(encode_error(raised.value))["error"]
    assert (raised.value.status, told["type"]) == (400, "invalid_request_error")
    assert told["details"] == {
        "error_code": "thread_unsupported_request",
        "unsupported": ["thread"],
    }


def test_thoughts_cannot_be_left_out() -> None:
    for kind in ("adaptive", "disabled"):
        for display, ignored in (("omitted", ("thinking.display",)), ("summarized", ())):
            assert ask(thinking={"type": kind, "display": display}).ignored == ignored
    refused(lambda: ask(thinking={"type": "adaptive", "display": "x"}))


@pytest.mark.parametrize("text", [b"", b"nothing", b"[]", b'"x"', b'{"model":', b"\xff", b"{"])
def test_anything_but_an_object_is_refused(text: bytes) -> None:
    refused(lambda: read(text))
    refused(lambda: count_tokens(text))


@calm
@given(st.sampled_from([*BASE, *NULLABLE]), st.sampled_from([1, "x", [1], {"x": 1}, True, 1.5]))
def test_a_field_of_any_type_is_read_or_refused(name: str, value: Any) -> None:
    for reading in (read, count_tokens):
        try:
            reading(body(**{name: value}))
        except APIError as error:
            assert (error.status, (error.param or "").startswith(name)) == (400, True)


# Fields that must be there


@pytest.mark.parametrize("name", ["model", "max_tokens", "messages"])
def test_what_must_be_there_is_named(name: str) -> None:
    codes = ("missing_required_parameter", "empty_array")
    for text in (without(name, given=BASE), body(**{name: None})):
        _, param, code = refused(lambda text=text: read(text))  # type: ignore[misc]
        assert param == name
        assert code in codes


def test_the_models_name_must_say_something() -> None:
    assert faults(model="") == ("model", "missing_required_parameter")


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("model", 5, "invalid_type"),
        ("max_tokens", 0, "integer_below_min_value"),
        ("max_tokens", -1, "integer_below_min_value"),
        ("max_tokens", 1.5, "invalid_type"),
        ("max_tokens", "9", "invalid_type"),
        ("max_tokens", True, "invalid_type"),
        ("stream", "yes", "invalid_type"),
        ("temperature", 1.1, "decimal_above_max_value"),
        ("temperature", -0.1, "decimal_below_min_value"),
        ("top_p", 1.1, "decimal_above_max_value"),
        ("top_p", "x", "invalid_type"),
        ("stop_sequences", "x", "invalid_type"),
        ("stop_sequences", "", "invalid_type"),
        ("tools", {}, "invalid_type"),
        ("tool_choice", "auto", "invalid_type"),
        ("thinking", True, "invalid_type"),
        ("output_config", "low", "invalid_type"),
        ("output_format", "json", "invalid_type"),
    ],
)
def test_a_field_that_cannot_be_is_named(name: str, value: Any, code: str) -> None:
    assert faults(**{name: value}) == (name, code)


def test_a_stop_sequence_that_is_no_text_is_named_by_its_place() -> None:
    assert faults(stop_sequences=["x", 5]) == ("stop_sequences[1]", "invalid_type")
    assert faults(stop_sequences=["x", ""])[0] == "stop_sequences[1]"


# What bounds the answer


def test_limits_are_passed_on() -> None:
    asked = limits(
        max_tokens=5000,
        stop_sequences=["A", "B", "C", "D", "E", " "],
        temperature=0.5,
        top_p=1,
        thinking={"type": "adaptive"},
        output_config={"effort": "high"},
    )
    assert asked == Limits(
        "sonnet",
        max_tokens=5000,
        stop=("A", "B", "C", "D", "E", " "),
        effort="high",
        thinking=True,
        temperature=0.5,
        top_p=1,
    )


@pytest.mark.parametrize("effort", EFFORTS)
def test_every_effort_is_passed_on(effort: str) -> None:
    assert limits(output_config={"effort": effort}).effort == effort


@pytest.mark.parametrize("effort", ["minimal", "none", "", "High"])
def test_no_other_effort_is_known(effort: str) -> None:
    assert faults(output_config={"effort": effort}) == ("output_config.effort", "invalid_value")


def test_what_a_model_leaves_out_has_the_clients_name() -> None:
    asked = ask(temperature=0, top_p=0.5, output_config={"effort": "low"})
    assert asked.ignored_for(Limits("haiku")) == ("output_config.effort", "temperature", "top_p")
    assert asked.ignored_for(asked.conversation.limits) == ()


# Thinking


@pytest.mark.parametrize(
    ("thinking", "thinks", "ignored"),
    [
        ({"type": "disabled"}, False, ()),
        ({"type": "adaptive"}, True, ()),
        ({"type": "adaptive", "display": "summarized"}, True, ()),
        ({"type": "enabled", "budget_tokens": 1024}, True, ("thinking.budget_tokens",)),
        ({"type": "enabled", "budget_tokens": 4999}, True, ("thinking.budget_tokens",)),
    ],
)
def test_thinking(thinking: Any, thinks: bool, ignored: tuple[str, ...]) -> None:
    asked = ask(max_tokens=5000, thinking=thinking)
    assert (asked.conversation.limits.thinking, asked.ignored) == (thinks, ignored)


@pytest.mark.parametrize(
    ("thinking", "param"),
    [
        ({}, "thinking.type"),
        ({"type": "on"}, "thinking.type"),
        ({"type": "enabled"}, "thinking.budget_tokens"),
        ({"type": "enabled", "budget_tokens": "2000"}, "thinking.budget_tokens"),
        ({"type": "enabled", "budget_tokens": 1023}, "thinking.budget_tokens"),
    ],
)
def test_a_wish_to_think_that_cannot_be_is_named(thinking: Any, param: str) -> None:
    assert faults(max_tokens=5000, thinking=thinking)[0] == param


# The form of the answer


@pytest.mark.parametrize("where", [{"output_config": {"format": FORM}}, {"output_format": FORM}])
def test_the_answer_must_fit_a_schema(where: Any) -> None:
    asked = ask(**where)
    assert asked.conversation.output_schema == SCHEMA
    assert asked.ignored == ()


def test_effort_and_form_go_together() -> None:
    asked = ask(output_config={"effort": "low", "format": FORM}).conversation
    assert (asked.output_schema, asked.limits.effort) == (SCHEMA, "low")


def test_beside_tools_the_answer_may_be_either() -> None:
    asked = ask(tools=[F], output_format=FORM)
    assert asked.conversation.output_schema == SCHEMA


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "f"}])
def test_a_forced_call_leaves_no_room_for_a_form(choice: Any) -> None:
    asked = ask(tools=[F], tool_choice=choice, output_config={"format": FORM})
    assert asked.conversation.output_schema is None
    assert asked.ignored == ("output_config.format",)


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({}, "type"),
        ({"type": "json_object"}, "type"),
        ({"type": "json_schema"}, "schema"),
        ({"type": "json_schema", "schema": "x"}, "schema"),
        ({"type": "json_schema", "schema": {"$ref": "#/$defs/A"}}, "schema"),
        ({"type": "json_schema", "schema": {"type": "objekt"}}, "schema"),
    ],
)
def test_a_form_that_cannot_be_is_named(form: Any, param: str) -> None:
    assert faults(output_config={"format": form})[0] == f"output_config.format.{param}"
    assert faults(output_format=form)[0] == f"output_format.{param}"


# Tools


def test_tools_are_offered_as_they_are_described() -> None:
    custom = {**G, "type": "custom", "cache_control": {"type": "ephemeral"}}
    assert profile(tools=[F, custom]).tools == (Tool("f", "F", SCHEMA), Tool("g", "", ANYTHING))
    assert profile(tools=[]).tools == ()


@pytest.mark.parametrize(
    "kind",
    [
        *("bash_20250124", "text_editor_20250728", "computer_20250124", "memory_20250818"),
        *("mcp_toolset", "tool_search_tool_bm25_20251119", "web_search_20991231", "x"),
    ],
)
def test_anthropics_own_tools_are_named(kind: str) -> None:
    message, param, code = refused(lambda: ask(tools=[F, {"type": kind, "name": "x"}]))
    assert kind in message
    assert (param, code) == ("tools[1].type", "unsupported_value")


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        (["f"], "tools[0]"),
        ([{"input_schema": SCHEMA}], "tools[0].name"),
        ([{**F, "name": "no blanks"}], "tools[0].name"),
        ([{**F, "name": "x" * 129}], "tools[0].name"),
        ([{**F, "type": 5}], "tools[0].type"),
        ([{**F, "description": 5}], "tools[0].description"),
        ([{"name": "f"}], "tools[0].input_schema"),
        ([{"name": "f", "input_schema": None}], "tools[0].input_schema"),
        ([{"name": "f", "input_schema": {"type": "string"}}], "tools[0].input_schema"),
        ([F, G, F], "tools[2].name"),
    ],
)
def test_a_tool_that_cannot_be_is_named(tools: Any, param: str) -> None:
    assert faults(tools=tools)[0] == param


@pytest.mark.parametrize(
    ("choice", "means"),
    [
        ({"type": "auto"}, ToolChoice()),
        ({"type": "none"}, ToolChoice("none")),
        ({"type": "any"}, ToolChoice("any")),
        ({"type": "tool", "name": "g"}, ToolChoice("tool", "g", parallel=False)),
        (
            {"type": "auto", "disable_parallel_tool_use": True},
            ToolChoice("auto", parallel=False),
        ),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("any", parallel=False)),
        ({"type": "any", "disable_parallel_tool_use": False}, ToolChoice("any")),
    ],
)
def test_which_tool_is_called(choice: Any, means: ToolChoice) -> None:
    assert limits(tools=[F, G], tool_choice=choice).tool_choice == means


@pytest.mark.parametrize("choice", [{"type": "auto"}, {"type": "none"}])
def test_without_tools_there_is_nothing_to_choose(choice: Any) -> None:
    assert limits(tool_choice=choice).tool_choice == ToolChoice()


@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ({}, "tool_choice.type"),
        ({"type": "required"}, "tool_choice.type"),
        ({"type": "tool"}, "tool_choice.name"),
        ({"type": "tool", "name": "h"}, "tool_choice.name"),
        ({"type": "any", "disable_parallel_tool_use": 1}, "tool_choice.disable_parallel_tool_use"),
    ],
)
def test_a_choice_that_cannot_be_is_named(choice: Any, param: str) -> None:
    assert faults(tools=[F, G], tool_choice=choice)[0] == param


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "f"}])
def test_without_tools_no_call_can_be_forced(choice: Any) -> None:
    assert faults(tool_choice=choice) == ("tool_choice", "invalid_value")


def test_tools_of_the_history_may_not_be_called_again() -> None:
    asked = ask(
        HELLO,
        {"role": "assistant", "content": [tool_use("a", "f"), tool_use("b", "g")]},
        {"role": "user", "content": [tool_result("a"), tool_result("b")]},
    ).conversation
    assert asked.profile.tools == (Tool("f", "", ANYTHING), Tool("g", "", ANYTHING))
    assert asked.limits.tool_choice == ToolChoice("none")


# Ignored, refused


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metadata", {"user_id": "me"}),
        ("service_tier", "auto"),
        ("top_k", 5),
        ("inference_geo", "us"),
        ("cache_control", {"type": "ephemeral"}),
    ],
)
def test_what_changes_nothing_is_told(name: str, value: Any) -> None:
    asked = ask(**{name: value})
    assert asked.conversation == ask().conversation
    assert asked.ignored == (name,)


def test_all_that_is_ignored_is_told() -> None:
    asked = ask(
        max_tokens=5000,
        thinking={"type": "enabled", "budget_tokens": 2000},
        top_k=3,
        metadata={},
        tools=[F],
        tool_choice={"type": "any"},
        output_config={"format": FORM},
    )
    assert asked.ignored == (
        *("thinking.budget_tokens", "top_k", "metadata", "output_config.format"),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mcp_servers", [{"type": "url", "url": "https://example.org", "name": "x"}]),
        ("context_management", {"edits": [{"type": "clear_tool_uses_20250919"}]}),
    ],
)
def test_what_cannot_be_had_is_refused(name: str, value: Any) -> None:
    assert faults(**{name: value}) == (name, "unsupported_parameter")


@pytest.mark.parametrize(
    "given", ["container_1", {"id": "container_1"}, {"id": "container_1", "skills": []}]
)
def test_the_container_is_named(given: Any) -> None:
    asked = ask(container=given)
    assert (asked.conversation.limits.container, asked.ignored) == ("container_1", ())


def test_a_container_with_skills_is_refused() -> None:
    container = {"id": "container_1", "skills": [{"type": "anthropic", "skill_id": "pptx"}]}
    assert faults(container=container) == ("container.skills", "unsupported_parameter")


# Counting


def counted(*messages: Any, **changes: Any) -> int:
    told = {"model": "sonnet", "messages": list(messages) or [HELLO], **changes}
    answer = count_tokens(json.dumps(told).encode())
    assert answer.conversation.limits.model == "sonnet"
    (tokens,) = json.loads(answer.body(estimate(answer.conversation))).values()
    assert isinstance(tokens, int)
    return tokens


def test_counting_answers_with_the_one_number() -> None:
    answer = count_tokens(without("max_tokens", given=BASE))
    assert json.loads(answer.body(5)) == {"input_tokens": 5}
    assert answer.ignored == ()
    asked = json.dumps({"model": "m", "messages": [HELLO], "max_tokens": 1, "zap": 1}).encode()
    assert count_tokens(asked).ignored == ("max_tokens", "zap")
    assert counted() > 0


def text_of(size: int) -> dict[str, Any]:
    return {"role": "user", "content": "x" * size}


@pytest.mark.parametrize(
    "longer",
    [
        lambda size: {"messages": [text_of(size)]},
        lambda size: {"system": "x" * size},
        lambda size: {"tools": [{**F, "description": "x" * size}]},
        lambda size: {"output_format": {**FORM, "schema": {**SCHEMA, "title": "x" * size}}},
    ],
    ids=["message", "system", "tool", "schema"],
)
def test_each_text_counts(longer: Callable[[int], dict[str, Any]]) -> None:
    few, many = (
        counted(*told.pop("messages", [HELLO]), **told) for told in (longer(0x10), longer(0xFF0))
    )
    assert 1000 < many - few < 1300


def test_a_call_and_its_result_count() -> None:
    def history(size: int) -> list[Any]:
        result = tool_result("a", {"type": "text", "text": "x" * size})
        return [
            HELLO,
            {"role": "assistant", "content": [tool_use("a", "f", a="x" * size)]},
            {"role": "user", "content": [result]},
        ]

    assert counted(*history(3501)) - counted(*history(1)) == 2000


def test_an_image_counts_the_same_however_large_it_is() -> None:
    picture = {"type": "base64", "media_type": "image/png", "data": PNG}
    large = {**picture, "data": PNG * 1000}
    plain = counted({"role": "user", "content": "x"})
    for source in (picture, large, {"type": "url", "url": "https://example.org/a.png"}):
        content = [{"type": "image", "source": source}, {"type": "text", "text": "x"}]
        assert counted({"role": "user", "content": content}) == plain + 1600


@pytest.mark.parametrize("size", [1, 30_000])
def test_an_image_or_a_pdf_in_a_result_counts_as_one(size: int) -> None:
    def result(*content: Any) -> int:
        said = [tool_result("a", {"type": "text", "text": "x"}, *content)]
        call = {"role": "assistant", "content": [tool_use("a", "f")]}
        return counted(HELLO, call, {"role": "user", "content": said})

    assert result(media("image", PNG * size, "image/png")) == result() + 1600
    pdf = media("document", PDF * size, "application/pdf")
    pages = -(-len(PDF * size) * 3 // 4 // 50_000)
    assert result(pdf) == result() + 3000 * pages
    document = counted({"role": "user", "content": [pdf, {"type": "text", "text": "x"}]})
    assert document == counted({"role": "user", "content": "x"}) + 3000 * pages


def test_text_that_is_no_text_counts_too() -> None:
    # Half of a character: JSON has it, UTF-8 does not.
    assert counted({"role": "user", "content": "x\ud800"}) > 0


def test_counting_refuses_what_answering_would() -> None:
    for changes, param in (
        ({"model": ""}, "model"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "thinking.budget_tokens"),
    ):
        _, named, _ = refused(lambda changes=changes: counted(**changes))  # type: ignore[misc]
        assert named == param


def test_counting_takes_any_budget() -> None:
    counted(thinking={"type": "enabled", "budget_tokens": 1_000_000})


def test_a_conversation_that_ends_with_the_assistants_message_can_be_counted() -> None:
    answer = {"role": "assistant", "content": "x" * 3500}
    assert counted(HELLO, answer) > counted(HELLO) + 900
    *_, code = refused(lambda: ask(HELLO, answer))
    assert code == "unsupported_value"


def test_a_document_can_be_counted() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    assert counted({"role": "user", "content": [{"type": "document", "source": source}]}) > 0


# Errors


def test_an_error_response_is_anthropics() -> None:
    error = APIError(404, "No.", param="model", code="model_not_found")
    assert error_body(error) == encode_error(error)


def test_what_cannot_be_had_is_refused_in_anthropics_words() -> None:
    edits = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    message, *_ = refused(lambda: ask(context_management=edits))
    assert message.startswith("context_management: Extra inputs are not permitted")
    message, *_ = refused(lambda: ask(HELLO, {"role": "tool", "content": "x"}))
    assert message == "messages.1.role: Input should be 'user', 'assistant' or 'system'"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # By this one Claude Code recognizes that it must not send the field again.
        (
            {"thinking": {"type": "adaptive", "display": "live"}},
            "thinking.adaptive.display: Input should be 'summarized', 'omitted' or 'updates'",
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 5}},
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
        ),
        (
            {"thinking": {"type": "auto"}},
            "thinking: Input tag 'auto' found using 'type' does not match any of the expected "
            "tags: 'adaptive', 'disabled', 'enabled'",
        ),
        ({"thinking": {}}, "thinking.type: Field required"),
        ({"tools": [{"name": "f"}]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": [{**F, "type": "custom", "name": ""}]}, "tools.0.custom.name: String should"),
        (
            {"tools": [{**F, "type": "function"}]},
            "tools.0: Input tag 'function' found using 'type'",
        ),
        # By this one it leaves out its own advisor.
        (
            {"tools": [F, {"type": "advisor_20260301", "name": "advisor", "model": "opus"}]},
            "tools.1: Input tag 'advisor_20260301' found using 'type' does not match any of the "
            "expected tags. Tools of this type are not supported. They need a beta header",
        ),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.tool.name: Field required"),
        ({"system": [{"type": "image"}]}, "system.0.type: Input should be 'text'"),
        ({"system": [{"type": "text"}]}, "system.0.text: Field required"),
    ],
)
def test_what_is_wrong_is_named_as_anthropics_api_names_it(changes: Any, message: str) -> None:
    told, *_ = refused(lambda: ask(**changes))
    assert told.startswith(message)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({}, "type: Field required"),
        ({"type": "text"}, "text.text: Field required"),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png"}},
            "image.source.base64.data: Field required",
        ),
        (
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]},
            "tool_result.content.0.text.text: Field required",
        ),
    ],
)
def test_the_path_to_a_block_has_its_kind(block: Any, message: str) -> None:
    told, *_ = refused(lambda: ask({"role": "user", "content": [block]}))
    assert told == f"messages.0.content.0.{message}"


def media(kind: str, data: str, media_type: str) -> dict[str, Any]:
    return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": data}}


# Claude Code looks for such a path, and leaves that block out in its next request.
@pytest.mark.parametrize(
    ("block", "message"),
    [
        (media("image", "????", "image/png"), "image.source.base64.data: The data is not valid"),
        (media("image", "YWJj", "image/png"), "image.source.base64.data: Unsupported image"),
        (media("document", "/w==", "application/pdf"), "document.source.base64.data: Unsupported"),
        (
            {"type": "document", "source": {"type": "text", "data": " "}},
            "document.source.text.data: The document contains only",
        ),
    ],
)
def test_an_image_or_document_that_cannot_be_used_is_named_with_its_kind(
    block: Any, message: str
) -> None:
    told, *_ = refused(lambda: ask({"role": "user", "content": [block]}))
    assert told.startswith(f"messages.0.content.0.{message}")
    called = {"role": "assistant", "content": [tool_use("a", "f")]}
    result = {"role": "user", "content": [tool_result("a", block)]}
    told, *_ = refused(lambda: ask(HELLO, called, result))
    assert told.startswith(f"messages.2.content.0.tool_result.content.0.{message}")


def test_tools_that_cannot_be_used_are_named_with_their_kind() -> None:
    for tools, message in (
        ([F, F], "tools.1.custom.name: The name 'f' is used more than once."),
        (
            [{**F, "input_schema": {"type": "string"}}],
            "tools.0.custom.input_schema: Invalid schema",
        ),
    ):
        told, *_ = refused(lambda tools=tools: ask(tools=tools))  # type: ignore[misc]
        assert told.startswith(message)
    told, *_ = refused(lambda: ask(tools=[F], tool_choice={"type": "tool", "name": "x"}))
    assert told.startswith("tool_choice.tool.name: The request does not define a tool named 'x'")


def test_calls_and_results_that_do_not_match_are_refused_in_anthropics_words() -> None:
    call, result = tool_use("a", "f"), tool_result("a", {"type": "text", "text": "x"})
    called = {"role": "assistant", "content": [call]}
    for messages, message in (
        (
            (HELLO, called, HELLO, called, HELLO),
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately "
            "after: a. Each",
        ),
        (
            ({"role": "user", "content": [result]},),
            "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: a. Each",
        ),
        (
            (HELLO, {"role": "assistant", "content": [call, call]}, HELLO),
            "messages.1.content.1: `tool_use` ids must be unique",
        ),
    ):
        told, *_ = refused(lambda messages=messages: ask(*messages))  # type: ignore[misc]
        assert told.startswith(message)


# Changes of the tools in the middle of a conversation


def changed(kind: str, **tool: Any) -> dict[str, Any]:
    return {"role": "system", "content": [{"type": kind, "tool": tool}]}


def test_a_tool_that_is_added_or_removed_is_told_as_text() -> None:
    named = {"type": "tool_reference", "name": "f"}
    asked = ask(
        *(HELLO, changed("tool_addition", **named)),
        *({"role": "assistant", "content": "a"}, HELLO, changed("tool_removal", **named)),
        tools=[{**F, "defer_loading": True}],
    )
    told = [[block["text"] for block in turn.blocks] for turn in asked.conversation.turns]
    mark = "<system_message>\nThe tool f can{} be called {}.\n</system_message>"
    assert told[0] == ["Hello", mark.format("", "now")]
    assert told[2] == ["Hello", mark.format("not", "any more")]
    assert [tool.name for tool in asked.conversation.profile.tools] == ["f"]
    assert asked.ignored == ("tools[].defer_loading",)


def test_a_tool_that_a_message_defines_is_offered() -> None:
    def adding(**tool: Any) -> dict[str, Any]:
        return changed("tool_addition", type="tool_definition", definition=tool)

    web = {"type": "web_search_20250305", "name": "web_search"}
    asked = ask(HELLO, adding(**F), adding(**G), adding(**{**F, "description": "New"}), tools=[])
    assert [(tool.name, tool.description) for tool in asked.conversation.profile.tools] == [
        *(("f", "New"), ("g", "")),
    ]
    asked = ask(HELLO, adding(**web), tools=[F])
    assert len(asked.conversation.limits.server_tools) == 1
    choice = {"type": "tool", "name": "g"}
    assert ask(HELLO, adding(**G), tool_choice=choice).conversation.limits.tool_choice.name == "g"
    for messages, message in (
        (
            (HELLO, adding(**F)),
            "messages.1.content.0.tool_addition.tool.tool_definition.definition.",
        ),
        ((HELLO, adding(name="x")), "messages.1.content.0.tool_addition.tool.tool_definition"),
    ):
        told, *_ = refused(lambda messages=messages: ask(*messages, tools=[F]))  # type: ignore[misc]
        assert told.startswith(message)


# Claude Code looks for the type in this message, and does not send such a block again.
@pytest.mark.parametrize("kind", ["image", "tool_listing"])
def test_a_block_that_a_system_message_cannot_have_is_named(kind: str) -> None:
    told, *_ = refused(lambda: ask(HELLO, {"role": "system", "content": [{"type": kind}]}))
    assert told.startswith(f"messages.1.content.0: Input tag '{kind}' found using 'type'")


def test_that_another_model_went_on_is_left_out() -> None:
    went_on = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}
    said = [went_on, {"type": "text", "text": "x"}]
    asked = ask(HELLO, {"role": "assistant", "content": said}, HELLO)
    assert [block["text"] for block in asked.conversation.turns[1].blocks] == ["x"]
    assert asked.ignored == ()


@pytest.mark.parametrize("count", [129, 1000])
def test_there_may_be_many_tools(count: int) -> None:
    tools = [{**F, "name": f"f{number}"} for number in range(count)]
    assert len(profile(tools=tools).tools) == count


def test_thinking_that_is_told_as_updates_is_taken() -> None:
    asked = ask(thinking={"type": "adaptive", "display": "updates"})
    assert (asked.conversation.limits.thinking, asked.ignored) == (True, ("thinking.display",))


def test_a_tool_whose_loading_is_deferred_is_offered() -> None:
    asked = ask(tools=[{**F, "defer_loading": True}])
    assert [tool.name for tool in asked.conversation.profile.tools] == ["f"]
    assert asked.ignored == ("tools[].defer_loading",)
