"""Any history becomes turns as the Messages API wants them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from .asking import calm
from .responses.test_request import ask


SPEECH = st.sampled_from(["user", "assistant", "system"])
SPOKEN = st.lists(st.tuples(SPEECH, st.sampled_from(["", "x", "y"])), max_size=6)
CALLS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4)


def history(spoken: list[tuple[str, str]], calls: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """Messages with calls and their outputs at some places among them."""
    placed: list[tuple[float, dict[str, Any]]] = [
        (place, {"role": role, "content": text}) for place, (role, text) in enumerate(spoken)
    ]
    for number, (called, given_back) in enumerate(calls):
        call = {"type": "function_call", "call_id": f"c{number}", "name": "f", "arguments": "{}"}
        back = {"type": "function_call_output", "call_id": f"c{number}", "output": f"o{number}"}
        placed += [(called - 0.5, call), (given_back - 0.4, back)]
    return [item for _, item in sorted(placed, key=lambda one: one[0])]


@calm
@given(SPOKEN, CALLS)
def test_turns_alternate_and_each_result_follows_its_call(
    spoken: list[tuple[str, str]], calls: list[tuple[int, int]]
) -> None:
    items = history(spoken, calls) or [{"role": "user", "content": ""}]
    turns = ask(*items).conversation.turns
    assert [turn.role for turn in turns] == ["user", "assistant"] * (len(turns) // 2) + ["user"]
    assert all(turn.blocks for turn in turns)
    for before, turn in pairwise(turns):
        called = [block["id"] for block in before.blocks if block["type"] == "tool_use"]
        answered = [
            block["tool_use_id"] for block in turn.blocks[: len(called)] if "tool_use_id" in block
        ]
        assert sorted(called) == sorted(answered)
    results = [
        (block["tool_use_id"], block["content"][0]["text"])
        for turn in turns
        for block in turn.blocks
        if block["type"] == "tool_result"
    ]
    assert sorted(results) == [(f"c{number}", f"o{number}") for number in range(len(calls))]
    # Nothing is lost, and what each of them says stays in its order.
    for role in ("user", "assistant"):
        said = [
            block["text"]
            for turn in turns
            for block in turn.blocks
            if turn.role == role and block["type"] == "text"
        ]
        told = [text for text in said if text in ("x", "y")]
        assert told == [text for spoke, text in spoken if spoke == role and text]
