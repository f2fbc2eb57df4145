"""What the demo API refuses, and what it must let pass."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claudeproxy.demo.blocks import sign
from claudeproxy.demo.rules import NotJSONError, parse, refusal, unknown_model


def body(*messages: Any, **changes: Any) -> dict[str, Any]:
    return {
        "model": "claude-opus",
        "max_tokens": 100,
        "messages": list(messages) or [user("Hello")],
        **changes,
    }


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def text(value: Any) -> dict[str, Any]:
    return {"type": "text", "text": value}


def use(use_id: str = "t1", name: str = "add") -> dict[str, Any]:
    return {"type": "tool_use", "id": use_id, "name": name, "input": {}}


def result(use_id: str = "t1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": use_id, "content": "3", **more}


def image(media_type: str = "image/png", data: str = "aGk=") -> dict[str, Any]:
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": media_type, "data": data},
    }


def document(**source: Any) -> dict[str, Any]:
    return {"type": "document", "source": source}


def tool(name: str = "add", **schema: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": {"type": "object", **schema}}


def thought(value: str, signature: str | None = None) -> dict[str, Any]:
    return {"type": "thinking", "thinking": value, "signature": signature or sign(value)}


THINKING = {"type": "enabled", "budget_tokens": 1024}
PDF = base64.b64encode(b"%PDF").decode()

LEGAL = [
    body(),
    body(user("a"), user("b")),
    body(user("a"), assistant("")),
    body(user("a"), assistant([])),
    body(user("a"), assistant("Sure:")),
    body(user("a"), {"role": "system", "content": "from the CLI"}, assistant("b"), user("c")),
    body({"role": "system", "content": [text("first")]}, user("a")),
    body(system="sys"),
    body(system=[text("sys")]),
    body(system=""),
    body(user([text("a"), image()])),
    body(user([{"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}])),
    body(user([{"type": "image", "source": {"type": "file", "file_id": "f1"}}])),
    body(user([document(type="base64", media_type="application/pdf", data=PDF)])),
    body(user([document(type="text", media_type="text/plain", data="x")])),
    body(user([document(type="url", url="https://x/y.pdf")])),
    body(user("a"), assistant([text("b"), use()]), user([result()])),
    body(user("a"), assistant([use()]), user([result(content=[text("x"), image()])])),
    body(user("a"), assistant([use()]), user([result(content=None)]), user("and")),
    body(user("a"), assistant([use("t1"), use("t2")]), user([result("t2")]), user([result("t1")])),
    body(user("a"), assistant([use()]), {"role": "system", "content": "s"}, user([result()])),
    body(user("a"), assistant([thought("hm"), text("b")]), user("c")),
    body(tools=[tool("a"), tool("b")], tool_choice={"type": "tool", "name": "b"}),
    body(tools=[tool("a" * 128, properties={"a.b-c_D": {"properties": {"$a": {}}}, "p" * 64: {}})]),
    body(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
    body(thinking={"type": "adaptive"}, temperature=1),
    body(thinking=THINKING, max_tokens=2000, tools=[tool()], tool_choice={"type": "auto"}),
    body(
        thinking={"type": "disabled"}, temperature=0.5, tools=[tool()], tool_choice={"type": "any"}
    ),
    body(stop_sequences=["END", " x"]),
    body(metadata={"user_id": "x"}, context_management={"edits": []}, stream=True),
    body(user("a"), {"role": "system", "content": [], "output_config": {"effort": "low"}}),
]


@pytest.mark.parametrize("value", LEGAL)
def test_lets_pass(value: dict[str, Any]) -> None:
    assert refusal(parse(json.dumps(value).encode())) is None


TEXT = "text content blocks must be non-empty"
BLANK = "text content blocks must contain non-whitespace text"
EMPTY = "all messages must have non-empty content except for the optional final assistant message"
UNPAIRED = "`tool_use` ids were found without `tool_result` blocks immediately after: "
STRAY = "unexpected `tool_use_id` found in `tool_result` blocks: "

REFUSED: list[tuple[Any, str]] = [
    ([], "Input should be a valid dictionary"),
    (None, "Input should be a valid dictionary"),
    ({"max_tokens": 1, "messages": []}, "model: Field required"),
    (body(model=3), "model: Input should be a valid string"),
    (body(model=""), "model: String should have at least 1 character"),
    ({"model": "claude", "messages": [user("a")]}, "max_tokens: Field required"),
    (body(max_tokens="5"), "max_tokens: Input should be a valid integer"),
    (body(max_tokens=1.0), "max_tokens: Input should be a valid integer"),
    (body(max_tokens=True), "max_tokens: Input should be a valid integer"),
    (body(max_tokens=0), "max_tokens: Input should be greater than or equal to 1"),
    ({"model": "claude", "max_tokens": 1}, "messages: Field required"),
    (body(messages={}), "messages: Input should be a valid list"),
    (body(messages=[]), "messages: at least one message is required"),
    (body(stream="yes"), "stream: Input should be a valid boolean"),
    (body("hello"), "messages.0: Input should be a valid dictionary"),
    (body({"role": "tool", "content": "a"}), "messages.0.role: Input should be 'user'"),
    (body({"role": "user"}), "messages.0.content: Field required"),
    (body(user(None)), "messages.0.content: Input should be a valid string or list"),
    (body(user("")), f"messages.0: {EMPTY}"),
    (body(user([])), f"messages.0: {EMPTY}"),
    (body(user(" \n")), f"messages.0: {BLANK}"),
    (body(user("a"), assistant(""), user("b")), f"messages.1: {EMPTY}"),
    (body(user("a"), {"role": "system", "content": ""}), f"messages.1: {EMPTY}"),
    (body(user("a"), {"role": "system", "content": []}), f"messages.1: {EMPTY}"),
    (body(user([text("a"), text("")])), f"messages.0.content.1: {TEXT}"),
    (body(user([text("\t ")])), f"messages.0.content.0: {BLANK}"),
    (body(user([text(None)])), "messages.0.content.0.text: Field required"),
    (body(user(["a"])), "messages.0.content.0: Input should be a valid dictionary"),
    (body(user([{"type": "audio"}])), "messages.0.content.0: Input tag 'audio' does not match"),
    (body(user([use()])), "messages.0.content.0: Input tag 'tool_use' does not match"),
    (body(user("a"), assistant([image()])), "messages.1.content.0: Input tag 'image' does not"),
    (body(user("a"), assistant("b ")), "messages: final assistant content cannot end with trail"),
    (body(assistant("a")), 'messages: first message must use the "user" role'),
    (
        body({"role": "system", "content": "s"}),
        'messages: first message must use the "user" role',
    ),
    (body(system=[text("")]), f"system.0: {TEXT}"),
    (body(system=3), "system: Input should be a valid string or list"),
    (body(user([image("image/bmp")])), "messages.0.content.0.image.source.base64.media_type"),
    (body(user([image(data="a")])), "messages.0.content.0.image.source.base64.data: invalid"),
    (body(user([image(data="aGk=\n")])), "messages.0.content.0.image.source.base64.data"),
    (body(user([image(data="")])), "messages.0.content.0.image.source.base64.data: invalid"),
    (
        body(user([{"type": "image", "source": {"type": "path"}}])),
        "messages.0.content.0.image.source: Input tag 'path'",
    ),
    (body(user([{"type": "image"}])), "messages.0.content.0.image.source: Field required"),
    (body(user([document(type="url")])), "messages.0.content.0.document.source.url.url: Field"),
    (
        body(user([document(type="base64", media_type="text/plain", data=PDF)])),
        "messages.0.content.0.document.source.base64.media_type: Input should be 'application/pdf'",
    ),
    (
        body(user([document(type="text", media_type="text/html", data="x")])),
        "messages.0.content.0.document.source.text.media_type: Input should be 'text/plain'",
    ),
    (body(user("a"), assistant([use()])), f"messages.1: {UNPAIRED}t1."),
    (body(user("a"), assistant([use()]), user("b")), f"messages.2: {UNPAIRED}t1."),
    (
        body(user("a"), assistant([use("t1"), use("t2")]), user([result("t1")])),
        f"messages.2: {UNPAIRED}t2.",
    ),
    (
        body(user("a"), assistant([use()]), user([text("first"), result()])),
        f"messages.2: {UNPAIRED}t1.",
    ),
    (body(user([result()])), f"messages.0: {STRAY}t1."),
    (
        body(user("a"), assistant([use()]), user([result()]), assistant("b"), user([result()])),
        f"messages.4: {STRAY}t1.",
    ),
    (
        body(user("a"), assistant([use()]), user([result(), result()])),
        "messages.2: each tool_use must have a single result",
    ),
    (
        body(user("a"), assistant([use(), use()]), user([result()])),
        "messages.1: `tool_use` ids must be unique",
    ),
    (
        body(user("a"), assistant([use("a b")])),
        "messages.1.content.0.tool_use.id: String should match pattern",
    ),
    (
        body(user("a"), assistant([use()]), user([result(content=[text("")])])),
        f"messages.2.content.0.tool_result.content.0: {TEXT}",
    ),
    (
        body(user("a"), assistant([use()]), user([result(content=[image()], is_error=True)])),
        "messages.2.content.0.tool_result: all content must be type `text` if `is_error` is true",
    ),
    (
        body(user("a"), assistant([thought("hm", "forged")]), user("c")),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    (body(tools={}), "tools: Input should be a valid list"),
    (body(tools=[tool(), tool()]), "tools: Tool names must be unique."),
    (body(tools=[tool("a.b")]), "tools.0.custom.name: String should match pattern"),
    (body(tools=[tool("a" * 129)]), "tools.0.custom.name: String should match pattern"),
    (body(tools=[tool("")]), "tools.0.custom.name: String should match pattern"),
    (body(tools=[{"name": "a"}]), "tools.0.custom.input_schema: Field required"),
    (
        body(tools=[{"name": "a", "input_schema": {"type": "string"}}]),
        "tools.0.custom.input_schema.type: Input should be 'object'",
    ),
    (
        body(tools=[{"name": "a", "input_schema": {}}]),
        "tools.0.custom.input_schema.type: Input should be 'object'",
    ),
    *(
        (
            body(tools=[tool("a", **{word: [{}]})]),
            "tools.0.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf",
        )
        for word in ("anyOf", "oneOf", "allOf")
    ),
    *(
        (
            body(tools=[tool(), tool("a", properties={"fine": {}, name: {}})]),
            "tools.1.custom.input_schema.properties: Property keys should match pattern "
            "'^[a-zA-Z0-9_.-]{1,64}$'",
        )
        for name in ("$filter", "filter[id]", "größe", "Account Number", "@type", "", "p" * 65)
    ),
    (
        body(tool_choice={"type": "auto"}),
        "tool_choice may only be specified while providing tools",
    ),
    (
        body(tools=[], tool_choice={"type": "none"}),
        "tool_choice may only be specified while providing tools",
    ),
    (body(tools=[tool()], tool_choice={"type": "must"}), "tool_choice.type: Input should be"),
    (
        body(tools=[tool()], tool_choice={"type": "tool", "name": "sub"}),
        "Tool 'sub' not found in provided tools",
    ),
    *(
        (
            body(thinking=thinking, max_tokens=2000, tools=[tool()], tool_choice={"type": forced}),
            "Thinking may not be enabled when tool_choice forces tool use.",
        )
        for thinking in (THINKING, {"type": "adaptive"})
        for forced in ("any", "tool")
    ),
    (body(thinking={"type": "on"}), "thinking.type: Input should be one of"),
    (body(thinking={"type": "enabled"}), "thinking.enabled.budget_tokens: Field required"),
    (
        body(thinking={"type": "enabled", "budget_tokens": 1023}),
        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    ),
    (
        body(thinking=THINKING, max_tokens=1024),
        "`max_tokens` must be greater than `thinking.budget_tokens`",
    ),
    (
        body(thinking={"type": "adaptive"}, temperature=0.9),
        "`temperature` may only be set to 1 when thinking is enabled",
    ),
    (body(thinking={"type": "adaptive"}, top_k=3), "`top_k` must be unset when thinking"),
    (body(temperature=1.1), "temperature: range: 0..1"),
    (body(temperature=-0.1), "temperature: range: 0..1"),
    (body(temperature="hot"), "temperature: Input should be a valid number"),
    (body(stop_sequences=["a", " \n"]), "stop_sequences.1: each stop sequence must contain"),
    (body(stop_sequences=[""]), "stop_sequences.0: each stop sequence must contain non-white"),
    (body(stop_sequences="a"), "stop_sequences: Input should be a valid list"),
    (body(stop_sequences=[3]), "stop_sequences.0: Input should be a valid string"),
    (
        body(user([{**text("a"), "cache_control": {"type": "ephemeral"}}] * 5)),
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
]


@pytest.mark.parametrize(("value", "start"), REFUSED)
def test_refuses(value: Any, start: str) -> None:
    problem = refusal(value)
    assert problem is not None
    assert problem.startswith(start), problem


def test_counting_takes_no_max_tokens() -> None:
    assert refusal({"model": "claude-x", "messages": [user("a")]}, counting=True) is None
    assert refusal({"model": "claude-x", "messages": []}, counting=True) is not None


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff{}", b'{"a": NaN}', b'"\\ud800"', b"[" * 100_000])
def test_not_json(raw: bytes) -> None:
    with pytest.raises(NotJSONError, match=r"^The request body is not valid JSON: "):
        parse(raw)


def test_unknown_model() -> None:
    for model in ("gpt-4", "claude-gpt", "claude-nonexistent-9", "claude-opus-5-5[1m]", "claude-"):
        assert unknown_model(body(model=model)) == f"model: {model}"


@pytest.mark.parametrize(
    "model",
    [
        *("claude-opus-5-5", "claude-fable-5-2", "claude-haiku-4-5-20251001", "claude-sonnet-5"),
        *("claude-3-5-sonnet-latest", "claude-3-opus-20240229", "claude-sonnet-4-20250514"),
        "claude-demo-tools",
    ],
)
def test_known_model(model: str) -> None:
    assert unknown_model(body(model=model)) is None


_ATOMS = st.sampled_from(
    [None, True, 0, -1, 0.5, "", " ", "a", "text", "image", "tool_use", "tool_result", "user"]
)
_KEYS = ("type", "role", "content", "text", "source", "data", "id", "name", "input", "tool_use_id")
_SHAPES: st.SearchStrategy[Any] = st.recursive(
    _ATOMS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"model": st.just("claude-x"), "max_tokens": st.just(9)},
        optional={
            "messages": st.lists(_SHAPES | _SHAPES.map(user) | _SHAPES.map(assistant), max_size=3),
            "system": _SHAPES,
            "tools": _SHAPES,
            "tool_choice": _SHAPES,
            "thinking": _SHAPES,
            "stop_sequences": _SHAPES,
            "temperature": _ATOMS,
        },
    )
)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_whatever_comes_is_answered(value: dict[str, Any]) -> None:
    problem = refusal(value)
    assert problem is None or problem
