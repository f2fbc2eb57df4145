"""A session whose client has tools: their calls, the wait for results, and the way on."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from claudeproxy.cli.failures import BROKE_OFF
from claudeproxy.cli.notices import ProtocolViolation, TurnEnded
from claudeproxy.cli.session import Session
from claudeproxy.cli.state import ProtocolError, State
from claudeproxy.conversation import Block, Limits, Profile, Tool, ToolChoice, Turn
from claudeproxy.errors import upstream_failed
from claudeproxy.events import (
    Failed,
    Finished,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
)

from .talk import (
    BLOCK_START,
    BLOCK_STOP,
    OPUS,
    REPLAYED,
    RESULT,
    START,
    arguments,
    assistant,
    blank,
    call_start,
    control_answer,
    idle,
    in_short,
    plain,
    plan,
    say,
    state_of,
    stop,
    text,
    user,
    written,
)


TOOLS = Profile(tools=(Tool("add", "Adds.", {"type": "object"}),))
CALLED = (call_start("toolu_1", "mcp__client__add"), arguments("{}"), BLOCK_STOP)
CALLED_TOO = (call_start("toolu_2", "mcp__client__add"), arguments("{}"), BLOCK_STOP)


def mcp(request_id: str, message: dict[str, Any], server: str = "client") -> dict[str, Any]:
    request = {"subtype": "mcp_message", "server_name": server, "message": message}
    return {"type": "control_request", "request_id": request_id, "request": request}


def call(number: int) -> dict[str, Any]:
    params = {"name": "add", "_meta": {"claudecode/toolUseId": f"toolu_{number}"}}
    return mcp(f"r{number}", {"method": "tools/call", "id": number, "params": params})


def results(*numbers: int) -> Turn:
    return Turn("user", tuple(result(number) for number in numbers))


def result(number: int) -> Block:
    return {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": f"={number}"}


def answers(session: Session) -> list[tuple[str, Any]]:
    """The MCP answers among what was written, and to which requests."""
    return [
        (message["response"]["request_id"], message["response"]["response"]["mcp_response"])
        for message in written(session)
        if message["type"] == "control_response"
    ]


def texts_of(session: Session) -> list[tuple[str, str]]:
    return [(name, reply["result"]["content"][0]["text"]) for name, reply in answers(session)]


def parked(*calls: dict[str, Any]) -> Session:
    """A session that waits for the results of two calls; `calls` are the lines that came by now."""
    session = idle(TOOLS)
    session.ask(plan(user("Hello")), OPUS)
    say(session, START, *CALLED, *CALLED_TOO, *calls, stop("tool_use"))
    session.data_to_send()
    assert session.state is State.PARKED
    return session


def test_initialize_names_the_server_where_there_are_tools() -> None:
    session = blank()
    session.initialize(TOOLS)
    assert written(session)[0]["request"] == {
        "subtype": "initialize",
        "systemPrompt": [""],
        "sdkMcpServers": ["client"],
    }


@pytest.mark.parametrize("calls", [(), (call(1),)], ids=["before", "after"])
def test_a_message_that_breaks_off_after_a_call_is_not_waited_for(calls: Any) -> None:
    session = idle(TOOLS)
    session.ask(plan(user("Hello")), OPUS)
    say(session, START, *CALLED, *calls)
    session.data_to_send()
    own = {"type": "assistant", "message": {"model": "<synthetic>", "content": []}}
    assert say(session, own) == plain([Failed(BROKE_OFF)])
    assert state_of(session) is State.ENDING
    assert [in_short(line) for line in written(session)] == ["interrupt"]
    assert say(session, RESULT) == [TurnEnded(clean=False, marks=1)]


def test_what_the_cli_itself_says_is_else_left_to_its_result() -> None:
    session = idle(TOOLS)
    session.ask(plan(user("Hello")), OPUS)
    own = {"type": "assistant", "message": {"model": "<synthetic>", "content": []}}
    theirs = {"type": "assistant", "message": {"model": "claude", "content": []}}
    for lines in ((own,), (START, BLOCK_START, text("a"), own), (BLOCK_STOP, *CALLED, theirs)):
        say(session, *lines)
        assert state_of(session) is State.ANSWERING


def test_mcp_messages_are_answered_in_any_state() -> None:
    session = blank()
    session.initialize(TOOLS)
    session.data_to_send()
    hello = {"method": "initialize", "id": 0, "params": {"protocolVersion": "2025-11-25"}}
    assert say(session, mcp("a", hello)) == []
    assert state_of(session) is State.INITIALIZING
    ((request_id, reply),) = answers(session)
    assert (request_id, reply["id"]) == ("a", 0)
    assert reply["result"]["protocolVersion"] == "2025-11-25"
    assert say(session, mcp("b", {"method": "notifications/initialized"})) == []
    assert say(session, mcp("c", {"method": "tools/list", "id": 1})) == []
    (_, acknowledged), (_, listed) = answers(session)
    assert acknowledged["result"] == {}
    assert [tool["name"] for tool in listed["result"]["tools"]] == ["add"]


def test_messages_to_another_server_are_refused() -> None:
    session = idle(TOOLS)
    assert say(session, mcp("a", {"method": "tools/list", "id": 1}, server="other")) == []
    (message,) = written(session)
    assert message["response"]["subtype"] == "error"


def test_a_call_that_says_nothing_of_its_block_breaks_the_session() -> None:
    session = idle(TOOLS)
    (told,) = say(session, mcp("a", {"method": "tools/call", "id": 1, "params": {}}))
    assert isinstance(told, ProtocolViolation)


def test_after_calls_the_session_waits_for_their_results() -> None:
    session = idle(TOOLS)
    session.ask(plan(user("Hello")), OPUS)
    session.data_to_send()
    assert say(session, START, BLOCK_START, text("a"), BLOCK_STOP, *CALLED) == [
        Started("m"),
        TextDelta("a"),
        ToolCallStarted(0, "toolu_1", "add"),
        ToolArgumentsDelta(0, "{}"),
    ]
    assert say(session, call(1)) == []
    assert say(session, stop("tool_use")) == [
        Finished("tool_calls", Usage(input_tokens=1), "tool_use")
    ]
    assert say(session, {"type": "message_stop"}) == []
    assert [in_short(message) for message in written(session)] == ["guard"]
    assert session.state is State.PARKED


def test_results_answer_their_calls_and_the_turn_goes_on() -> None:
    session = parked(call(1), call(2))
    session.resume(results(2, 1), OPUS)
    assert sorted(texts_of(session)) == [("r1", "=1"), ("r2", "=2")]
    assert state_of(session) is State.ANSWERING
    assert say(session, START, BLOCK_START, text("b"), BLOCK_STOP, stop(), RESULT) == [
        Started("m"),
        TextDelta("b"),
        Finished("stop", Usage(input_tokens=1), "end_turn"),
        TurnEnded(clean=True, marks=1),
    ]


def test_calls_that_come_after_their_results_are_answered_at_once() -> None:
    session = parked(call(2))
    session.resume(results(1, 2), OPUS)
    assert texts_of(session) == [("r2", "=2")]
    assert say(session, call(1)) == []
    assert texts_of(session) == [("r1", "=1")]


def test_a_turn_can_wait_again() -> None:
    session = parked(call(1), call(2))
    session.resume(results(1, 2), OPUS)
    told = say(session, START, call_start("toolu_3", "mcp__client__add"), BLOCK_STOP)
    assert told[1:] == [ToolCallStarted(0, "toolu_3", "add"), ToolArgumentsDelta(0, "{}")]
    say(session, call(3), stop("tool_use"))
    assert state_of(session) is State.PARKED
    session.data_to_send()
    session.resume(results(3), OPUS)
    assert texts_of(session) == [("r3", "=3")]


def test_limits_that_changed_are_set_before_the_results() -> None:
    session = parked(call(1), call(2))
    session.resume(results(1, 2), attrs.evolve(OPUS, max_tokens=5))
    assert [in_short(message) for message in written(session)] == [
        "apply_flag_settings",
        "control_response",
        "control_response",
    ]


def test_only_a_parked_session_can_be_resumed() -> None:
    session = idle(TOOLS)
    with pytest.raises(ProtocolError, match="PARKED"):
        session.resume(results(1), OPUS)
    assert session.connection_lost(upstream_failed("Gone.")) == []


def test_an_interrupt_ends_the_wait() -> None:
    session = parked(call(1), call(2))
    session.interrupt()
    assert [in_short(message) for message in written(session)] == ["interrupt"]
    assert say(session, {**RESULT, "is_error": True}) == [TurnEnded(clean=False, marks=1)]
    assert session.state is State.IDLE


def test_calls_of_a_turn_that_is_over_are_never_answered() -> None:
    session = parked(call(1), call(2))
    session.interrupt()
    say(session, RESULT)
    session.ask(plan(user("Hello")), OPUS)
    say(session, START, *CALLED, stop("tool_use"))
    session.data_to_send()
    session.resume(results(1, 2), OPUS)
    assert answers(session) == []


def test_a_cli_that_does_not_wait_is_interrupted() -> None:
    session = parked(call(1), call(2))
    assert say(session, START, BLOCK_START, text("b"), stop()) == []
    assert [in_short(message) for message in written(session)] == ["interrupt"]
    assert say(session, RESULT) == [TurnEnded(clean=False, marks=1)]


def test_a_cli_that_gives_up_waiting_is_not_clean() -> None:
    session = parked(call(1))
    assert say(session, RESULT) == [TurnEnded(clean=False, marks=1)]
    assert session.data_to_send() == b""


def test_nobody_waits_for_a_parked_cli_that_is_gone() -> None:
    assert parked(call(1)).connection_lost(upstream_failed("Gone.")) == []


def test_who_waits_after_results_is_told_that_the_cli_is_gone() -> None:
    session = parked(call(1))
    session.resume(results(1, 2), OPUS)
    assert len(session.connection_lost(upstream_failed("Gone."))) == 1


# Thinking

BUDGETED = Limits("opus", budgeted=True)
THOUGHT = {
    "type": "assistant",
    "message": {
        "id": "msg_1",
        "model": "claude-opus",
        "content": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}],
    },
}


def thinks(session: Session) -> list[bool]:
    """What each setting among what was written says of thinking."""
    return [
        message["request"]["settings"]["env"]["CLAUDE_CODE_DISABLE_THINKING"] == ""
        for message in written(session)
        if in_short(message) == "apply_flag_settings"
    ]


def thinks_on(session: Session, done: Turn) -> bool:
    """Whether it thinks about the results of its calls."""
    session.data_to_send()
    session.resume(done, BUDGETED)
    (told,) = thinks(session)
    return told


def asked_with_results(limits: Limits) -> Session:
    """A session that is asked with calls and results in the history, and what it wrote then."""
    session = idle(TOOLS)
    used = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}
    session.ask(plan(user("a"), Turn("assistant", (used,)), results(1)), limits)
    say(session, REPLAYED)
    return session


def test_a_budgeted_model_does_not_think_about_replayed_calls() -> None:
    assert thinks(asked_with_results(BUDGETED)) == [False]
    assert thinks(asked_with_results(OPUS)) == [True]


def test_it_thinks_again_about_the_next_question() -> None:
    session = asked_with_results(BUDGETED)
    say(session, START, stop(), RESULT)
    session.data_to_send()
    session.ask(plan(user("b")), BUDGETED)
    assert thinks(session) == [True]


def test_it_thinks_where_what_it_thought_before_is_at_hand() -> None:
    session = idle(TOOLS)
    session.ask(plan(user("a"), assistant("b"), user("c")), BUDGETED)
    say(session, REPLAYED, START, THOUGHT, *CALLED, call(1), stop("tool_use"))
    assert thinks_on(session, results(1))


def test_it_does_not_think_after_calls_that_it_made_without_thinking() -> None:
    session = idle(TOOLS)
    session.ask(plan(user("a"), assistant("b"), user("c")), BUDGETED)
    say(session, REPLAYED, START, *CALLED, call(1), stop("tool_use"))
    # The API would refuse it, although the model could have thought.
    assert not thinks_on(session, results(1))


def test_it_does_not_begin_to_think_within_a_turn_that_replayed_calls() -> None:
    session = asked_with_results(BUDGETED)
    say(session, START, *CALLED_TOO, call(2), stop("tool_use"))
    assert not thinks_on(session, results(2))


def test_it_does_not_begin_to_think_within_a_turn_whose_call_was_forced() -> None:
    session = idle(TOOLS)
    session.ask(plan(user("a")), attrs.evolve(BUDGETED, tool_choice=ToolChoice("any")))
    say(session, START, *CALLED, call(1), stop("tool_use"))
    assert not thinks_on(session, results(1))


def test_names_that_the_api_does_not_take_stay_on_the_clients_side() -> None:
    named = Tool("n" * 128, "", {"type": "object", "properties": {"$a": {}}})
    session = blank()
    session.initialize(Profile(tools=(named,)))
    session.data_to_send()
    say(session, mcp("a", {"method": "tools/list", "id": 1}))
    ((_, listed),) = answers(session)
    (told,) = listed["result"]["tools"]
    assert list(told["inputSchema"]["properties"]) == ["_a"]
    inner = f"mcp__client__{told['name']}"
    assert len(inner) == 128
    say(session, control_answer("claudeproxy-1", response={}), control_answer("claudeproxy-2"))

    used = {"type": "tool_use", "id": "toolu_0", "name": named.name, "input": {"$a": 1}}
    past = Turn("assistant", (used,))
    done = Turn("user", ({**result(0), "tool_use_id": "toolu_0"},))
    forced = attrs.evolve(OPUS, tool_choice=ToolChoice("tool", named.name))
    session.ask(plan(user("Hello"), past, done), forced)
    say(session, REPLAYED)
    lines = written(session)
    (replayed,) = [line["message"]["content"] for line in lines if line["type"] == "assistant"]
    assert replayed == [{**used, "name": inner, "input": {"_a": 1}}]
    settings = [line["request"]["settings"] for line in lines if "request" in line]
    extra = json.loads(settings[-1]["env"]["CLAUDE_CODE_EXTRA_BODY"])
    assert extra["tool_choice"] == {"type": "tool", "name": inner}
    assert say(session, START, call_start("toolu_1", inner), arguments('{"_a":2}')) == [
        Started("m"),
        ToolCallStarted(0, "toolu_1", named.name),
        ToolArgumentsDelta(0, '{"$a":2}'),
    ]
