"""Anthropic Messages: what a request says, and what it must not say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claudeproxy.conversation import Profile, Tool, ToolChoice, Turn, text_block
from claudeproxy.dialects import Asked
from claudeproxy.dialects.messages import count_tokens, read
from claudeproxy.dialects.messages_answer import StreamedMessage, WholeMessage, encode_error
from claudeproxy.errors import APIError
from claudeproxy.events import (
    Event,
    Finished,
    ReasoningDelta,
    ReasoningSigned,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
)

from .asking import PDF, PNG, assistant, refused, tool_result, tool_use, user


HELLO = {"role": "user", "content": "Hello"}
SCHEMA = {"type": "object", "properties": {}}
TOOL = {"name": "f", "description": "F", "input_schema": SCHEMA}
CALL = tool_use("toolu_1", "f", a=1)
USAGE = Usage(5, 2, 3, 7, 1)


def ask(*messages: Any, **more: Any) -> Asked:
    body = {"model": "sonnet", "max_tokens": 50, "messages": list(messages) or [HELLO], **more}
    return read(json.dumps(body).encode())


def turns(*messages: Any) -> tuple[Turn, ...]:
    return ask(*messages).conversation.turns


def told(*content: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(content)}


def result(call_id: str = "toolu_1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, **more}


def test_the_least_there_can_be() -> None:
    conversation = ask().conversation
    assert (conversation.profile, conversation.turns) == (Profile(), (user("Hello"),))
    limits = conversation.limits
    assert (limits.model, limits.max_tokens, limits.thinking) == ("sonnet", 50, False)


@pytest.mark.parametrize(
    ("system", "text"),
    [
        (None, ""),
        ("S", "S"),
        (
            [{"type": "text", "text": "S", "cache_control": {}}, {"type": "text", "text": "T"}],
            "S\n\nT",
        ),
    ],
)
def test_the_system_prompt(system: Any, text: str) -> None:
    assert ask(system=system).conversation.profile.system == text


def test_pictures_and_documents() -> None:
    picture = {"type": "base64", "media_type": "image/png", "data": PNG}
    document = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    link = {"type": "url", "url": "https://example.org/a"}
    plain = {"type": "text", "media_type": "text/plain", "data": "T"}
    content = (
        {"type": "image", "source": picture},
        {"type": "image", "source": link},
        {"type": "document", "source": document, "title": "D"},
        {"type": "document", "source": link},
        {"type": "document", "source": plain},
    )
    assert turns(told(*content)) == (Turn("user", content),)


def test_calls_and_results_and_no_thoughts() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": "x"}
    conversation = turns(
        HELLO,
        told(thought, hidden, text_block("I call"), CALL, role="assistant"),
        told(result(content="done", is_error=True), text_block("well?")),
    )
    failed = {**tool_result("toolu_1", text_block("done")), "is_error": True}
    assert conversation == (
        user("Hello"),
        Turn("assistant", (text_block("I call"), CALL)),
        Turn("user", (failed, text_block("well?"))),
    )


def test_an_answer_that_was_all_thought_is_not_replayed() -> None:
    hidden = told({"type": "redacted_thinking", "data": "x"}, role="assistant")
    assert turns(HELLO, hidden, HELLO) == (user("Hello", "Hello"),)
    assert turns(HELLO, told(text_block("A"), role="assistant"), HELLO)[1] == assistant("A")


def test_tools() -> None:
    conversation = ask(tools=[TOOL], tool_choice={"type": "tool", "name": "f"}).conversation
    assert conversation.profile.tools == (Tool("f", "F", SCHEMA),)
    assert conversation.limits.tool_choice == ToolChoice("tool", "f", parallel=False)
    choice = {"type": "any", "disable_parallel_tool_use": True}
    limits = ask(tools=[TOOL], tool_choice=choice).conversation.limits
    assert limits.tool_choice == ToolChoice("any", parallel=False)


def test_limits() -> None:
    limits = ask(
        stop_sequences=["A", "B", "C", "D", "E"],
        temperature=0.5,
        top_p=0.5,
        thinking={"type": "adaptive"},
        output_config={"effort": "high"},
    ).conversation.limits
    assert limits.stop == ("A", "B", "C", "D", "E")
    assert (limits.temperature, limits.top_p) == (0.5, 0.5)
    assert (limits.thinking, limits.effort) == (True, "high")


def test_the_form_of_the_answer() -> None:
    form = {"type": "json_schema", "schema": SCHEMA}
    assert ask(output_config={"format": form}).conversation.profile.output_schema == SCHEMA
    assert ask(output_format=form).conversation.profile.output_schema == SCHEMA
    forced = ask(output_format=form, tools=[TOOL], tool_choice={"type": "any"})
    assert forced.conversation.profile.output_schema is None
    assert forced.ignored == ("output_config.format",)


def test_what_is_ignored_is_told() -> None:
    asked = ask(
        max_tokens=5000, thinking={"type": "enabled", "budget_tokens": 2000}, top_k=3, metadata={}
    )
    assert asked.ignored == ("metadata", "top_k", "thinking.budget_tokens")
    assert asked.conversation.limits.thinking


PREFILL = {"role": "assistant", "content": "I"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": None}, "model"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [PREFILL, HELLO]}, "messages[0].role"),
        ({"messages": [HELLO, PREFILL]}, "messages[1].role"),
        ({"messages": [{"role": "system", "content": "S"}]}, "messages[0].role"),
        ({"messages": [told({"type": "text", "text": " "})]}, "messages[0].content"),
        ({"messages": [told({"type": "audio"})]}, "messages[0].content[0].type"),
        ({"messages": [told(result())]}, "messages[0].content[0].tool_use_id"),
        ({"messages": [HELLO, told(CALL, role="assistant"), HELLO]}, "messages[1]"),
        (
            {"messages": [HELLO, told(CALL, role="assistant"), told(text_block("x"), result())]},
            "messages[2].content[1]",
        ),
        ({"messages": [HELLO, told(CALL, CALL, role="assistant")]}, "messages[1].content[1].id"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [TOOL, TOOL]}, "tools[1].name"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "tool_choice.name"),
        ({"stop_sequences": [""]}, "stop_sequences"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        (
            {"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 2000}},
            "max_tokens",
        ),
        ({"temperature": 1.5}, "temperature"),
        ({"mcp_servers": []}, "mcp_servers"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(body: dict[str, Any], param: str) -> None:
    messages = body.pop("messages", [HELLO])
    _, named, _ = refused(lambda: ask(**{"messages": messages, **body}))
    assert named == param


def test_counting() -> None:
    picture = {"type": "base64", "media_type": "image/png", "data": PNG}
    body = {"model": "sonnet", "messages": [told({"type": "image", "source": picture})]}
    model, counted = count_tokens(json.dumps(body).encode())
    assert model == "sonnet"
    assert 1600 <= json.loads(counted)["input_tokens"] < 1620


EVENTS: list[Event] = [
    Started("claude-x", Usage(5, 2, 3)),
    ReasoningDelta("h"),
    ReasoningDelta("m"),
    ReasoningSigned("sig"),
    TextDelta("a"),
    TextDelta("b"),
    ToolCallStarted(0, "t0", "f"),
    ToolArgumentsDelta(0, '{"a":'),
    ToolArgumentsDelta(0, "1}"),
    ToolCallStarted(1, "t1", "g"),
    ToolArgumentsDelta(1, "{}"),
    Finished("tool_calls", USAGE, "tool_use"),
]
BLOCKS = [
    {"type": "thinking", "thinking": "hm", "signature": "sig"},
    {"type": "text", "text": "ab"},
    {"type": "tool_use", "id": "t0", "name": "f", "input": {"a": 1}},
    {"type": "tool_use", "id": "t1", "name": "g", "input": {}},
]


def whole(*events: Event) -> dict[str, Any]:
    answer = WholeMessage("u", 0)
    *before, last = [answer.feed(event) for event in events]
    assert not any(before)
    message: dict[str, Any] = json.loads(last)
    return message


def test_a_whole_answer() -> None:
    assert whole(*EVENTS) == {
        "id": "msg_u",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": BLOCKS,
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 5,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 2,
            "output_tokens": 7,
        },
    }


@pytest.mark.parametrize(
    ("end", "reason", "sequence"),
    [
        (Finished("stop", USAGE, "end_turn"), "end_turn", None),
        (Finished("stop", USAGE, "tool_use"), "end_turn", None),
        (Finished("stop", USAGE, "stop_sequence", "X"), "stop_sequence", "X"),
        (Finished("length", USAGE, "max_tokens"), "max_tokens", None),
        (Finished("content_filter", USAGE, "refusal"), "refusal", None),
    ],
)
def test_why_it_ended(end: Finished, reason: str, sequence: str | None) -> None:
    message = whole(Started("m"), TextDelta("a"), end)
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)


def test_a_streamed_answer_adds_up_to_the_whole_one() -> None:
    answer = StreamedMessage("u", 0)
    frames = b"".join(answer.feed(event) for event in EVENTS).decode().split("\n\n")[:-1]
    events = [json.loads(frame.partition("data: ")[2]) for frame in frames]
    assert [frame.partition("\n")[0] for frame in frames] == [
        f"event: {event['type']}" for event in events
    ]
    assert events[0]["message"]["usage"]["input_tokens"] == 5
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert events[-2]["usage"]["output_tokens"] == 7
    blocks: list[dict[str, Any]] = []
    open_block = None
    for event in events[1:-2]:
        if event["type"] == "content_block_start":
            assert open_block is None
            open_block = event["index"]
            assert open_block == len(blocks)
            blocks.append({**event["content_block"], "json": ""})
        elif event["type"] == "content_block_delta":
            assert event["index"] == open_block
            delta = event["delta"]
            for name in ("text", "thinking", "signature"):
                if name in delta:
                    blocks[-1][name] += delta[name]
            blocks[-1]["json"] += delta.get("partial_json", "")
        else:
            assert (event["type"], event["index"]) == ("content_block_stop", open_block)
            open_block = None
    for block in blocks:
        text = block.pop("json")
        if block["type"] == "tool_use":
            block["input"] = json.loads(text)
    assert blocks == BLOCKS


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((400, "invalid_request_error"), (401, "authentication_error"), (404, "not_found_error")),
        *((413, "request_too_large"), (429, "rate_limit_error"), (503, "overloaded_error")),
        *((500, "api_error"), (502, "api_error"), (504, "timeout_error")),
    ],
)
def test_errors(status: int, kind: str) -> None:
    error = APIError(status, "why")
    body = {"type": "error", "error": {"type": kind, "message": "why"}}
    assert json.loads(encode_error(error)) == body
    frame = StreamedMessage("u", 0).fail(error)
    assert frame == b"event: error\ndata: " + encode_error(error) + b"\n\n"
