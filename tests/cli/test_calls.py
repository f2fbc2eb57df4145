"""Calls and their results meet, whichever comes first."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.cli.calls import Calls
from claudeproxy.conversation import Block, Tool, Turn

from .talk import calm


def call(number: int) -> tuple[str, dict[str, Any]]:
    params = {"name": "add", "_meta": {"claudecode/toolUseId": f"toolu_{number}"}}
    return f"r{number}", {"method": "tools/call", "id": number, "params": params}


def result(number: int) -> Block:
    return {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": f"={number}"}


def results(*numbers: int) -> Turn:
    return Turn("user", tuple(map(result, numbers)))


def answered(*lines: bytes) -> list[tuple[str, int, str]]:
    """The request, the call and the text of each answer."""
    told = []
    for line in lines:
        response = json.loads(line)["response"]
        reply = response["response"]["mcp_response"]
        (block,) = reply["result"]["content"]
        told.append((response["request_id"], reply["id"], block["text"]))
    return told


def test_what_is_no_call_is_answered_at_once() -> None:
    (line,) = Calls([Tool("add", "Adds.", {})]).receive("r9", {"method": "tools/list", "id": 1})
    response = json.loads(line)["response"]
    assert response["request_id"] == "r9"
    (tool,) = response["response"]["mcp_response"]["result"]["tools"]
    assert tool["name"] == "add"


@pytest.mark.parametrize("early", [True, False])
def test_a_result_may_have_the_id_in_letters_and_digits_alone(early: bool) -> None:
    calls, plain = Calls(), Turn("user", ({**result(1), "tool_use_id": "toolu1"},))
    if early:
        told = [*calls.receive(*call(1)), *calls.answer(plain)]
    else:
        told = [*calls.answer(plain), *calls.receive(*call(1))]
    assert answered(*told) == [("r1", 1, "=1")]


@calm
@given(st.permutations(range(4)), st.integers(0, 4), st.permutations(range(4)))
def test_each_call_gets_its_own_result_once(
    called: list[int], early: int, answers: list[int]
) -> None:
    calls = Calls()
    for number in called[:early]:
        assert list(calls.receive(*call(number))) == []
    told = answered(*calls.answer(results(*answers)))
    assert sorted(told) == [(f"r{n}", n, f"={n}") for n in sorted(called[:early])]
    for number in called[early:]:
        late = answered(*calls.receive(*call(number)))
        assert late == [(f"r{number}", number, f"={number}")]
    assert list(calls.answer(results(*answers))) == []


def test_results_of_an_earlier_answer_are_not_kept() -> None:
    calls = Calls()
    assert list(calls.answer(results(1))) == []
    assert list(calls.answer(results(2))) == []
    assert list(calls.receive(*call(1))) == []


def test_what_is_forgotten_is_never_answered() -> None:
    calls = Calls()
    assert list(calls.receive(*call(1))) == []
    assert list(calls.answer(results(2))) == []
    calls.forget()
    assert list(calls.answer(results(1))) == []
    calls.forget()
    assert list(calls.receive(*call(2))) == []
