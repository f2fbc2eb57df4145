"""Any items at all: a conversation, or an error that the client is told; never a fault of ours."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.conversation import Block, Turn
from claudeproxy.dialects.history import CONTINUATION, OPENING
from claudeproxy.errors import APIError

from ..asking import calm
from .test_request import HI, dialect


KINDS = (
    *("message", "function_call", "function_call_output", "custom_tool_call"),
    *("custom_tool_call_output", "tool_search_call", "tool_search_output", "additional_tools"),
    *("reasoning", "web_search_call", "compaction", "brand_new", "brand_new_call"),
)
leaves = (
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a", "b", "{}", "x y"])
)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "text", "name", "tools"]), inner, max_size=3)
    ),
    max_leaves=4,
)
texts = st.sampled_from(["", " ", "x"])
tools = st.fixed_dictionaries(
    {"type": st.sampled_from(["function", "custom", "namespace", "tool_search", "web_search"])},
    optional={"name": st.sampled_from(["f", "g"]), "tools": st.just([]), "parameters": anything},
)
items = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | anything},
    optional={
        "role": st.sampled_from(["user", "assistant", "system"]),
        "content": texts | anything,
        "call_id": st.sampled_from(["a", "b"]) | anything,
        "name": st.sampled_from(["f", "g"]) | anything,
        "namespace": texts | anything,
        "arguments": st.just("{}") | anything,
        "input": texts | anything,
        "output": texts | anything,
        "tools": st.lists(tools, max_size=2) | anything,
        "status": st.sampled_from(["completed", "incomplete"]) | anything,
        "summary": anything,
        "id": texts | anything,
    },
)
bodies = st.fixed_dictionaries(
    {"input": st.lists(items, min_size=1, max_size=5)},
    optional={"tools": st.lists(tools, max_size=3), "tool_choice": tools | anything},
)


@calm
@given(bodies)
def test_any_items_are_a_conversation_or_an_error_that_is_told(given_body: dict[str, Any]) -> None:
    to = dialect()
    body = json.dumps({"model": "m", **given_body}).encode()
    try:
        asked = to.read(body)
    except APIError as error:
        assert error.status == 400
        json.loads(to.error_body(error))
        return
    turns = asked.conversation.turns
    assert [turn.role for turn in turns] == ["user", "assistant"] * (len(turns) // 2) + ["user"]
    assert asked.conversation.prefix_key != asked.conversation.profile_key or len(turns) == 1
    # What is kept can be listed, and is read again as it was.
    writer = asked.answer("a", 0)
    for event in HI:
        writer.feed(event)
    listed = json.loads(to.input_items("resp_a", {}))["data"]
    assert len(listed) == len(given_body["input"])
    assert to.count_tokens(body).conversation.limits.model == "m"
    more = {"model": "m", "input": "More", "previous_response_id": "resp_a"}
    again = to.read(json.dumps(more).encode()).conversation.turns
    assert said(again)[: len(said(turns))] == said(turns)


def said(turns: tuple[Turn, ...]) -> list[tuple[str, Block]]:
    """All blocks, but for those that stand in for a user."""
    blocks = [(turn.role, block) for turn in turns for block in turn.blocks]
    return [one for one in blocks if one[1] not in (OPENING, CONTINUATION)]
