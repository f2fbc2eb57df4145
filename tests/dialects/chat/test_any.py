"""Any body at all: a conversation, or a 400."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.conversation import Block
from claudeproxy.dialects.chat.request import error_body, read
from claudeproxy.errors import APIError

from ..asking import HELLO, PNG_URL, call, calling, calm, function, refused, result


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
messages_like = (
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "developer", "user", "assistant"]) | anything,
            "content": texts | st.none() | st.lists(parts, max_size=3) | anything,
        },
        optional={"tool_calls": anything, "function_call": anything, "name": anything},
    )
    | st.builds(calling, st.sampled_from([call("a"), call("b", "g")]), content=texts | parts)
    | st.builds(result, st.sampled_from(["a", "b"]), texts | st.lists(parts, max_size=2))
)
SCHEMA: dict[str, Any] = {
    "$defs": {"A": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}},
    "$ref": "#/$defs/A",
    "required": ["a"],
}
RICH: dict[str, Any] = {
    "model": "sonnet",
    "messages": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG_URL}}]},
        calling(call("a", "f", '{"a": [1]}'), call("b", "g", "")),
        result("b", [{"type": "file", "file": {"file_data": "eA==", "filename": "x"}}]),
        result("a"),
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "x"},
        HELLO,
    ],
    "tools": [function("f", parameters=SCHEMA, strict=True), function("g", description="G")],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [function("f")]},
    },
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "j", "schema": SCHEMA, "strict": True},
    },
    "n": 2,
    "reasoning_effort": "low",
    "stop": ["a"],
    "stream": True,
    "stream_options": {"include_usage": True},
}
OTHERS = [
    *("max_tokens", "max_completion_tokens", "logprobs", "top_logprobs", "audio", "modalities"),
    *("web_search_options", "parallel_tool_calls", "functions", "function_call", "temperature"),
    *("top_p", "seed", "metadata", "user"),
]


@st.composite
def nearly_right(draw: st.DrawFn) -> dict[str, Any]:
    """A request with something else, or nothing, in one of its places."""
    request: dict[str, Any] = json.loads(json.dumps(RICH))
    inner: Any = request
    while True:
        step = draw(
            st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner)))
        )
        if not isinstance(inner[step], (dict, list)) or not inner[step] or draw(st.booleans()):
            break
        inner = inner[step]
    if draw(st.booleans()):
        inner[step] = draw(anything)
    else:
        del inner[step]
    return request


requests_like = st.builds(
    lambda base, more: {**base, **more},
    nearly_right()
    | st.fixed_dictionaries(
        {"model": st.just("sonnet") | anything, "messages": st.lists(messages_like) | anything}
    ),
    st.dictionaries(st.sampled_from([*RICH, *OTHERS]), anything, max_size=2),
)


def check_blocks(role: str, blocks: tuple[Block, ...]) -> None:
    """What the Messages API takes: no blank text, each call answered first thing."""
    assert blocks
    assert all(block["text"].strip() for block in blocks if block["type"] == "text")
    kinds = [block["type"] for block in blocks]
    if role == "assistant":
        assert set(kinds) <= {"text", "tool_use"}
    else:
        assert "tool_use" not in kinds
        assert kinds == sorted(kinds, key=lambda kind: kind != "tool_result")


def ids(blocks: tuple[Block, ...], kind: str, key: str) -> list[str]:
    return sorted(block[key] for block in blocks if block["type"] == kind)


def test_the_rich_request_is_right() -> None:
    assert len(read(json.dumps(RICH).encode()).conversation.turns) == 5


@calm
@given(requests_like | nearly_right() | anything)
def test_no_json_raises_anything_but_a_400(value: Any) -> None:
    try:
        asked = read(json.dumps(value).encode())
    except APIError as error:
        assert error.status == 400
        assert json.loads(error_body(error))["error"]["param"] == error.param
        return
    read_turns = asked.conversation.turns
    roles = [turn.role for turn in read_turns]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
    for turn in read_turns:
        check_blocks(turn.role, turn.blocks)
    for turn, following in pairwise(read_turns):
        called = ids(turn.blocks, "tool_use", "id")
        assert called == ids(following.blocks, "tool_result", "tool_use_id")
    asked.answer("abc", 0)


@calm
@given(st.binary(max_size=30))
def test_no_bytes_raise_anything_but_a_400(value: bytes) -> None:
    with pytest.raises(APIError) as caught:
        read(value)
    assert caught.value.status == 400
