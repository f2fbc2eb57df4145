"""The protocol's state machine, line by line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claudeproxy.cli import incoming as incoming_module
from claudeproxy.cli.notices import ProtocolViolation, RateLimitEvent, Ready, TurnEnded
from claudeproxy.cli.session import Session
from claudeproxy.cli.state import ProtocolError, State
from claudeproxy.conversation import Limits, Profile
from claudeproxy.errors import APIError, upstream_failed
from claudeproxy.events import Failed, Finished, Started, TextDelta, Usage

from .talk import (
    BLOCK_START,
    BLOCK_STOP,
    NOW,
    OPUS,
    QUESTION,
    REPLAYED,
    RESULT,
    START,
    assistant,
    blank,
    calm,
    control_answer,
    encoded,
    failed,
    idle,
    in_short,
    initializing,
    new_session,
    plain,
    plan,
    retry,
    say,
    state_of,
    stop,
    stream,
    text,
    user,
    written,
)


UNLISTED = Limits("claude-x", max_tokens=5, unlisted=True)


def replaying() -> Session:
    session = idle()
    session.ask(plan(user("one"), assistant("two"), user("Hello")), OPUS)
    session.data_to_send()
    assert session.state is State.REPLAYING
    return session


def answering() -> Session:
    session = idle()
    session.ask(plan(user("Hello")), OPUS)
    session.data_to_send()
    assert session.state is State.ANSWERING
    return session


def in_the_middle() -> Session:
    session = answering()
    assert say(session, START, text("a")) == [Started("m"), TextDelta("a")]
    session.data_to_send()
    return session


def ending() -> Session:
    session = in_the_middle()
    say(session, stop())
    assert session.state is State.ENDING
    return session


def parked() -> Session:
    session = in_the_middle()
    say(session, stop("tool_use"))
    assert session.state is State.PARKED
    return session


def setting_model() -> Session:
    session = idle()
    session.ask(plan(user("Hello")), UNLISTED)
    session.data_to_send()
    assert session.state is State.SETTING_MODEL
    return session


def clearing() -> Session:
    session = idle()
    session.ask(plan(user("Hello"), clear=True), OPUS)
    session.data_to_send()
    assert session.state is State.CLEARING
    return session


def rewinding() -> Session:
    session = ending()
    say(session, RESULT)
    session.ask(plan(user("Hello"), back_to=0), OPUS)
    session.data_to_send()
    assert session.state is State.REWINDING
    return session


def counting() -> Session:
    session = idle()
    session.count(plan(user("Hello")))
    say(session, REPLAYED)
    session.data_to_send()
    assert session.state is State.COUNTING
    return session


def broken() -> Session:
    session = idle()
    session.receive_data(b"not JSON\n")
    assert session.state is State.BROKEN
    return session


PREPARING = (setting_model, rewinding, clearing, replaying)
WAITING = (*PREPARING, answering, in_the_middle)
EVERY_STATE = (*WAITING, blank, initializing, idle, parked, ending, counting, broken)
BROKE = failed(status=502, message="The CLI broke the protocol; see the log.", type="server_error")
in_every_state = pytest.mark.parametrize("make", EVERY_STATE, ids=lambda make: make.__name__)


# Starting

SUMMARIES = {
    "type": "control_request",
    "request_id": "claudeproxy-2",
    "request": {
        "subtype": "apply_flag_settings",
        "settings": {"showThinkingSummaries": True},
    },
}


def test_nothing_is_written_before_anything_is_asked() -> None:
    assert blank().data_to_send() == b""
    assert blank().state is State.BLANK


@pytest.mark.parametrize("system", ["", "You are Bob."])
def test_initialize_fixes_the_system_prompt_even_an_empty_one(system: str) -> None:
    session = blank()
    session.initialize(Profile(system=system))
    assert written(session) == [
        {
            "type": "control_request",
            "request_id": "claudeproxy-1",
            "request": {"subtype": "initialize", "systemPrompt": [system]},
        },
        SUMMARIES,
    ]
    assert session.state is State.INITIALIZING


def test_without_reasoning_the_cli_is_not_asked_for_thinking() -> None:
    session = new_session(reasoning=False)
    session.initialize(Profile())
    assert [in_short(message) for message in written(session)] == ["initialize"]
    say(session, control_answer("claudeproxy-1", response={}))
    session.ask(plan(user("Hello")), Limits(""))
    thought = {"type": "content_block_start", "content_block": {"type": "thinking"}}
    hmm = {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hmm"}}
    told = say(session, START, thought, hmm, BLOCK_STOP, BLOCK_START, text("a"), stop())
    assert told == [
        Started("m"),
        TextDelta("a"),
        Finished("stop", Usage(input_tokens=1), "end_turn"),
    ]


def test_data_to_send_is_returned_once() -> None:
    session = blank()
    session.initialize(Profile())
    assert session.data_to_send() != b""
    assert session.data_to_send() == b""


def test_ready_follows_its_own_response_only() -> None:
    session = initializing()
    assert say(session, control_answer("of-someone-else", response={})) == []
    assert state_of(session) is State.INITIALIZING
    told = {"models": [{"value": "opus"}], "account": {"email": "a@b"}}
    assert say(session, control_answer("claudeproxy-1", response=told)) == [
        Ready([{"value": "opus"}], {"email": "a@b"})
    ]
    assert session.state is State.IDLE


def test_a_response_is_taken_once() -> None:
    session = answering()
    assert say(session, control_answer("claudeproxy-1", response={})) == []
    assert session.state is State.ANSWERING


def test_a_refused_initialize_breaks_the_session() -> None:
    session = initializing()
    response = control_answer("claudeproxy-1", subtype="error", error="why not")
    assert say(session, response) == [ProtocolViolation("initialize was rejected: why not")]


@pytest.mark.parametrize(
    ("account", "logged_in"),
    [
        ({}, False),
        ({"tokenSource": "none", "apiKeySource": "none"}, False),
        ({"tokenSource": "none"}, False),
        ({"tokenSource": None, "apiKeySource": None}, False),
        ({"tokenSource": "CLAUDE_CODE_OAUTH_TOKEN"}, True),
        ({"tokenSource": "none", "apiKeySource": "ANTHROPIC_API_KEY"}, True),
        ({"email": "a@b", "subscriptionType": "max"}, True),
    ],
)
def test_who_has_a_login_or_a_key_is_logged_in(account: dict[str, Any], logged_in: bool) -> None:
    assert Ready((), account).logged_in is logged_in


# Asking


def test_a_question_alone_is_one_line() -> None:
    session = idle()
    session.ask(plan(user("Hello")), OPUS)
    assert written(session) == [QUESTION]
    assert session.state is State.ANSWERING


def test_history_is_never_sent_ahead_of_its_confirmation() -> None:
    session = idle()
    session.ask(plan(user("1"), assistant("2"), user("3"), assistant("4"), user("Hello")), OPUS)
    steps = []
    for _ in range(2):
        steps.append([in_short(message) for message in written(session)])
        assert session.state is State.REPLAYING
        assert say(session, {"type": "system", "subtype": "init"}) == []
        assert written(session) == []
        assert say(session, REPLAYED) == []
    steps.append([in_short(message) for message in written(session)])
    assert steps == [["history"], ["assistant", "history"], ["assistant", "question"]]
    assert session.state is State.ANSWERING


def test_history_is_replayed_with_its_blocks() -> None:
    session = idle()
    session.ask(plan(user("/one"), assistant("two"), user("Hello")), OPUS)
    (history,) = written(session)
    assert history == {
        "type": "user",
        "message": {"role": "user", "content": [{"type": "text", "text": "\n/one"}]},
        "parent_tool_use_id": None,
        "shouldQuery": False,
    }
    say(session, REPLAYED)
    answer, question = written(session)
    assert answer["message"]["content"] == [{"type": "text", "text": "two"}]
    assert question == QUESTION


def test_past_answers_have_ids_that_are_never_used_again() -> None:
    session = idle()
    ids = []
    for _ in range(2):
        session.ask(plan(user("1"), assistant("2"), user("3"), assistant("4"), user("5")), OPUS)
        say(session, REPLAYED, REPLAYED, START, stop(), RESULT)
        ids += [m["message"]["id"] for m in written(session) if m["type"] == "assistant"]
    assert len(ids) == len(set(ids)) == 4


def test_a_refused_history_breaks_the_session_and_fails_the_answer() -> None:
    session = replaying()
    assert say(session, {**REPLAYED, "is_error": True}) == [
        BROKE,
        ProtocolViolation("a turn of the history was rejected"),
    ]


@pytest.mark.parametrize(
    ("started_with", "asked_for", "models"),
    [("opus", "opus", []), ("", "opus", ["opus"]), ("opus", "haiku", ["haiku"])],
)
def test_the_model_is_set_if_it_differs(
    started_with: str, asked_for: str, models: list[str]
) -> None:
    session = new_session(started_with)
    session.initialize(Profile())
    say(session, control_answer("claudeproxy-1", response={}))
    session.data_to_send()
    session.ask(plan(user("Hello")), Limits(asked_for))
    *controls, question = written(session)
    assert question == QUESTION
    assert [control["request"] for control in controls] == [
        {"subtype": "set_model", "model": model} for model in models
    ]


def requests_of_next_turn(session: Session, limits: Limits) -> list[dict[str, Any]]:
    """What is asked of the CLI beside the question; the turn is then over."""
    session.data_to_send()
    session.ask(plan(user("Hello")), limits)
    controls = [m["request"] for m in written(session) if m["type"] == "control_request"]
    say(session, START, stop(), RESULT)
    assert session.state is State.IDLE
    return controls


def applied(max_tokens: str, body: str) -> dict[str, Any]:
    env = {
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": max_tokens,
        "CLAUDE_CODE_DISABLE_THINKING": "",
        "CLAUDE_CODE_EXTRA_BODY": body,
    }
    return {"subtype": "apply_flag_settings", "settings": {"effortLevel": None, "env": env}}


def test_the_limits_of_each_turn_replace_those_before_and_the_guard() -> None:
    session = idle()
    limited = Limits("opus", max_tokens=5)
    stopping = Limits("opus", stop=("END",))
    # The first turn has nothing to take back.
    assert requests_of_next_turn(session, OPUS) == []
    assert requests_of_next_turn(session, limited) == [applied("5", "")]
    assert requests_of_next_turn(session, limited) == [applied("5", "")]
    assert requests_of_next_turn(session, OPUS) == [applied("", "")]
    assert requests_of_next_turn(session, stopping) == [applied("", '{"stop_sequences": ["END"]}')]
    assert requests_of_next_turn(session, OPUS) == [applied("", "")]


def test_limits_that_are_set_already_are_not_set_again() -> None:
    session = idle()
    limited = Limits("opus", max_tokens=5)
    for expected in (["apply_flag_settings", "question"], ["question"]):
        session.ask(plan(user("Hello")), limited)
        assert [in_short(message) for message in written(session)] == expected
        # It ends without an answer, so there was no guard.
        say(session, {**RESULT, "is_error": True})


def test_a_model_is_set_once_and_set_back() -> None:
    session = idle()
    haiku = Limits("haiku")
    same = [applied("", "")]
    assert requests_of_next_turn(session, haiku) == [{"subtype": "set_model", "model": "haiku"}]
    assert requests_of_next_turn(session, haiku) == same
    back = [{"subtype": "set_model", "model": "opus"}, *same]
    assert requests_of_next_turn(session, OPUS) == back


def test_limits_are_set_right_before_the_question_and_the_model_before_history() -> None:
    session = idle()
    session.ask(plan(user("1"), assistant("2"), user("Hello")), Limits("haiku", max_tokens=5))
    # 2.1.332 would note a change of the model in the history.
    assert [in_short(message) for message in written(session)] == ["set_model", "history"]
    say(session, REPLAYED)
    assert [in_short(message) for message in written(session)] == [
        "assistant",
        "apply_flag_settings",
        "question",
    ]


def test_limits_of_a_question_that_was_never_sent_do_not_count_as_set() -> None:
    session = idle()
    session.ask(plan(user("1"), assistant("2"), user("Hello")), Limits("opus", max_tokens=5))
    session.interrupt()
    say(session, REPLAYED)
    session.data_to_send()
    assert requests_of_next_turn(session, OPUS) == []


def test_requests_have_ids_that_are_never_used_again() -> None:
    session = idle()
    ids = []
    for model in ("haiku", "opus", "haiku"):
        session.ask(plan(user("Hello")), Limits(model, max_tokens=len(model)))
        session.interrupt()
        ids += [m["request_id"] for m in written(session) if m["type"] == "control_request"]
        say(session, RESULT)
    assert len(ids) == len(set(ids)) == 9


def test_a_refused_setting_breaks_the_session_and_fails_the_answer() -> None:
    session = idle()
    session.ask(plan(user("Hello")), Limits("haiku"))
    (request, _) = written(session)
    response = control_answer(request["request_id"], subtype="error", error="no such model")
    assert say(session, response) == [
        BROKE,
        ProtocolViolation("set_model was rejected: no such model"),
    ]


# A model that the CLI does not list

NOT_FOUND = {"subtype": "error", "error": "Model 'claude-x' not found"}


def asked_for_unlisted(*, clear: bool = False) -> tuple[Session, str]:
    """A session that waits for the CLI to try the model, and the id of its request."""
    session = idle()
    session.ask(plan(user("1"), assistant("2"), user("Hello"), clear=clear), UNLISTED)
    (request,) = written(session)
    assert request["request"] == {"subtype": "set_model", "model": "claude-x"}
    assert session.state is State.SETTING_MODEL
    return session, request["request_id"]


def test_nothing_is_written_before_the_cli_has_taken_an_unlisted_model() -> None:
    session, request = asked_for_unlisted()
    assert say(session, control_answer(request)) == []
    assert [in_short(message) for message in written(session)] == ["history"]
    say(session, REPLAYED)
    kinds = [in_short(message) for message in written(session)]
    assert kinds == ["assistant", "apply_flag_settings", "question"]
    assert say(session, START, stop(), RESULT)[-1] == TurnEnded(clean=True, marks=2)
    # The CLI is not asked again whether it knows the model.
    assert requests_of_next_turn(session, UNLISTED) == [applied("5", "")]


def test_what_is_to_be_forgotten_first_is_forgotten_after_the_model_is_set() -> None:
    session, request = asked_for_unlisted(clear=True)
    say(session, control_answer(request))
    assert b"/clear" in session.data_to_send()
    assert state_of(session) is State.CLEARING


def test_an_unlisted_model_that_does_not_exist_fails_the_answer_not_the_process() -> None:
    session, request = asked_for_unlisted()
    told = session.receive_data(encoded(control_answer(request, **NOT_FOUND)))
    assert [type(item) for item in told] == [Failed, TurnEnded]
    assert isinstance(told[0], Failed)
    assert (told[0].error.status, told[0].error.code) == (404, "model_not_found")
    assert not told[0].worker_lost
    assert written(session) == []
    assert requests_of_next_turn(session, OPUS) == []


@pytest.mark.parametrize("answer", [{}, NOT_FOUND], ids=["taken", "refused"])
def test_who_leaves_while_the_model_is_tried_waits_for_nothing(answer: dict[str, Any]) -> None:
    session, request = asked_for_unlisted()
    session.interrupt()
    assert written(session) == []
    assert say(session, control_answer(request, **answer)) == [TurnEnded(clean=False)]
    assert written(session) == []
    expected = "claude-x" if not answer else "opus"
    assert requests_of_next_turn(session, Limits(expected)) == []


def test_the_end_of_the_process_is_told_to_who_waits_for_the_model() -> None:
    session, _ = asked_for_unlisted()
    error = upstream_failed("Gone.")
    assert session.connection_lost(error) == [Failed(error, worker_lost=True)]


def test_a_process_that_began_with_the_model_is_asked_at_once() -> None:
    session = new_session("claude-x")
    session.initialize(Profile())
    say(session, control_answer("claudeproxy-1", response={}))
    session.data_to_send()
    session.ask(plan(user("Hello")), Limits("claude-x", unlisted=True))
    assert written(session) == [QUESTION]


def test_the_sizes_of_models_are_told_with_the_end_of_a_turn() -> None:
    session = in_the_middle()
    usage = {"claude-opus-5-5": {"contextWindow": 5}}
    told = session.receive_data(encoded(stream(stop()), {**RESULT, "modelUsage": usage}))
    assert isinstance(told[-1], TurnEnded)
    assert told[-1].model_usage == usage


@pytest.mark.parametrize(
    "make", [m for m in EVERY_STATE if m is not idle], ids=lambda m: m.__name__
)
def test_only_an_idle_session_takes_a_plan(make: Callable[[], Session]) -> None:
    session = make()
    before = session.state
    for begin in (
        lambda: session.ask(plan(user("Hello")), OPUS),
        lambda: session.prepare(plan(user("Hello"))),
        lambda: session.count(plan(user("Hello"))),
    ):
        with pytest.raises(ProtocolError, match="IDLE"):
            begin()
    assert session.state is before
    assert written(session) == []


def test_a_session_that_cannot_be_asked_has_nobody_who_waits() -> None:
    session = parked()
    with pytest.raises(ProtocolError):
        session.ask(plan(user("Hello")), OPUS)
    assert session.connection_lost(upstream_failed("Gone.")) == []


# Answers


def test_the_turn_is_over_with_the_result_not_before() -> None:
    session = answering()
    usage = Usage(input_tokens=1)
    assert say(session, START, text("a"), stop()) == [
        Started("m"),
        TextDelta("a"),
        Finished("stop", usage, "end_turn"),
    ]
    assert state_of(session) is State.ENDING
    assert say(session, {"type": "message_stop"}) == []
    assert say(session, RESULT) == [TurnEnded(clean=True, marks=1)]
    assert session.state is State.IDLE
    assert [in_short(message) for message in written(session)] == ["guard"]


@pytest.mark.parametrize(
    ("reason", "clean"), [("end_turn", True), ("stop_sequence", True), ("refusal", False)]
)
def test_a_session_is_clean_after_an_answer_that_was_complete(reason: str, clean: bool) -> None:
    session = in_the_middle()
    say(session, stop(reason))
    assert [in_short(m) for m in written(session)] == ([] if clean else ["interrupt"])
    assert say(session, RESULT) == [TurnEnded(clean, marks=1)]


def test_an_answer_that_reached_max_tokens_is_not_continued() -> None:
    session = in_the_middle()
    assert say(session, stop("max_tokens")) == [
        Finished("length", Usage(input_tokens=1), "max_tokens")
    ]
    assert [in_short(message) for message in written(session)] == ["interrupt"]
    assert state_of(session) is State.ENDING
    session.interrupt()
    # The interrupt may come too late, and so may the guard.
    assert say(session, START, text("b")) == []
    assert [in_short(message) for message in written(session)] == ["interrupt"]
    assert say(session, stop(), RESULT) == [TurnEnded(clean=False, marks=1)]
    assert session.state is State.IDLE


def test_what_the_api_refuses_after_an_answer_that_reached_max_tokens_is_not_told() -> None:
    session = in_the_middle()
    say(session, stop("max_tokens"))
    line = {**RESULT, "is_error": True, "api_error_status": 400, "result": "API Error: 400"}
    assert say(session, line) == [TurnEnded(clean=False, marks=1)]


def test_a_session_is_clean_again_after_the_next_complete_answer() -> None:
    session = in_the_middle()
    session.interrupt()
    assert say(session, RESULT) == [TurnEnded(clean=False, marks=1)]
    session.ask(plan(user("Hello")), OPUS)
    assert say(session, START, stop(), RESULT)[-1] == TurnEnded(clean=True, marks=2)


def test_a_session_is_not_clean_if_the_cli_says_more_than_the_answer() -> None:
    session = ending()
    say(session, START, text("and another thing"), stop())
    assert say(session, RESULT) == [TurnEnded(clean=False, marks=1)]


def test_a_session_is_not_clean_if_the_turn_failed_after_the_answer() -> None:
    session = ending()
    assert say(session, {**RESULT, "is_error": True, "result": "API Error"}) == [
        TurnEnded(clean=False, marks=1)
    ]


def test_a_result_without_an_answer_fails() -> None:
    assert say(answering(), RESULT) == [
        failed(
            status=502, message="The CLI ended the turn without an answer.", type="server_error"
        ),
        TurnEnded(clean=False, marks=1),
    ]


def test_a_failed_result_in_the_middle_of_an_answer_fails_it() -> None:
    line = {**RESULT, "is_error": True, "api_error_status": 529, "result": "Overloaded"}
    assert say(in_the_middle(), line) == [
        failed(
            status=503,
            message="Overloaded",
            type="server_error",
            code="server_is_overloaded",
            should_retry=False,
        ),
        TurnEnded(clean=False, marks=1),
    ]


def test_a_second_start_before_any_content_is_a_silent_retry() -> None:
    session = answering()
    again = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 9}}}
    assert say(session, START, BLOCK_START) == [Started("m")]
    # The guard would make the API refuse the retry.
    assert session.data_to_send() == b""
    assert say(session, again, BLOCK_START, text("a"), stop(), RESULT) == [
        TextDelta("a"),
        Finished("stop", Usage(input_tokens=9), "end_turn"),
        TurnEnded(clean=True, marks=1),
    ]
    assert [in_short(message) for message in written(session)] == ["guard"]


def test_a_second_start_after_content_fails_the_answer() -> None:
    session = in_the_middle()
    error = failed(
        status=502,
        message="The connection to Anthropic's API was lost in the middle of the response.",
        type="server_error",
    )
    assert say(session, START, text("a"), text("b"), stop()) == [error]
    assert [in_short(message) for message in written(session)] == ["interrupt"]
    assert say(session, RESULT) == [TurnEnded(clean=False, marks=1)]


def test_what_a_subagent_streams_is_not_the_answer() -> None:
    session = in_the_middle()
    line = {**stream(text("inner")), "parent_tool_use_id": "toolu_1"}
    assert say(session, line) == []


def test_half_a_character_of_one_answer_is_none_of_the_next() -> None:
    session = answering()
    say(session, START, text("\ud83e"))
    session.interrupt()
    say(session, RESULT)
    session.ask(plan(user("Hello")), OPUS)
    assert say(session, START, text("b")) == [Started("m"), TextDelta("b")]


@pytest.mark.parametrize("delay_ms", [0, 500, 5000])
def test_a_short_retry_is_waited_for(delay_ms: float) -> None:
    session = answering()
    assert say(session, retry(delay_ms)) == []
    assert session.data_to_send() == b""
    assert say(session, START, text("a")) == [Started("m"), TextDelta("a")]


def test_a_retry_longer_than_the_longest_fails_at_once() -> None:
    session = answering()
    (error,) = session.receive_data(encoded(retry(5001)))
    assert isinstance(error, Failed)
    assert (error.error.status, error.error.retry_after) == (503, 6)
    assert [in_short(message) for message in written(session)] == ["interrupt"]


@pytest.mark.parametrize("make", [idle, ending], ids=lambda make: make.__name__)
def test_a_retry_without_a_waiting_client_is_ignored(make: Callable[[], Session]) -> None:
    session = make()
    assert say(session, retry(60000)) == []
    assert session.data_to_send() == b""


def test_a_plans_limit_holds_until_the_cli_says_something_else() -> None:
    limit = {"status": "rejected", "resetsAt": NOW + 60}
    line = {**RESULT, "is_error": True, "api_error_status": 429, "result": "Limit"}
    session = answering()

    def failure(*lines: dict[str, Any]) -> APIError:
        *_, failed, _ = session.receive_data(b"".join(map(encoded, (*lines, line))))
        assert isinstance(failed, Failed)
        session.ask(plan(user("Hello")), OPUS)
        return failed.error

    first = failure({"type": "rate_limit_event", "rate_limit_info": limit})
    assert (first.resets_at, first.retry_after) == (NOW + 60, 60)
    assert attrs.asdict(failure()) == attrs.asdict(first)
    allowed = {"status": "allowed", "resetsAt": NOW + 60}
    last = failure({"type": "rate_limit_event", "rate_limit_info": allowed})
    assert (last.resets_at, last.retry_after) == (None, None)


@in_every_state
def test_the_plans_limits_are_told_in_every_state(make: Callable[[], Session]) -> None:
    session = make()
    before = session.state
    line = {"type": "rate_limit_event", "rate_limit_info": {"status": "allowed"}}
    assert say(session, line) == [RateLimitEvent({"status": "allowed"})]
    assert (session.data_to_send(), session.state) == (b"", before)


def test_a_control_request_of_the_cli_is_refused() -> None:
    session = answering()
    request = {"type": "control_request", "request_id": "r7", "request": {"subtype": "can_use"}}
    assert say(session, request) == []
    assert written(session) == [
        {
            "type": "control_response",
            "response": {"subtype": "error", "request_id": "r7", "error": "not available here"},
        }
    ]
    assert session.state is State.ANSWERING


# Interrupting


@in_every_state
def test_an_interrupt_is_written_where_there_is_a_turn(make: Callable[[], Session]) -> None:
    session = make()
    session.interrupt()
    expected = ["interrupt"] if make in (answering, in_the_middle, parked) else []
    assert [in_short(message) for message in written(session)] == expected


@pytest.mark.parametrize("make", [answering, in_the_middle], ids=lambda make: make.__name__)
def test_after_an_interrupt_nothing_comes_but_the_end_of_the_turn(
    make: Callable[[], Session],
) -> None:
    session = make()
    session.interrupt()
    session.interrupt()
    (interrupt,) = written(session)
    assert say(session, text("b"), stop(), retry(60000)) == []
    assert say(session, control_answer(interrupt["request_id"])) == []
    assert session.data_to_send() == b""
    assert say(session, {**RESULT, "is_error": True}) == [TurnEnded(clean=False, marks=1)]
    assert session.state is State.IDLE


def test_a_turn_that_starts_after_its_interrupt_is_interrupted_again() -> None:
    session = answering()
    session.interrupt()
    session.data_to_send()
    assert say(session, START, text("a")) == []
    assert [in_short(message) for message in written(session)] == ["interrupt"]
    assert say(session, RESULT) == [TurnEnded(clean=False, marks=1)]


def test_after_an_interrupt_no_more_history_is_replayed() -> None:
    session = replaying()
    session.interrupt()
    session.data_to_send()
    assert say(session, REPLAYED) == [TurnEnded(clean=False, marks=1)]
    assert session.data_to_send() == b""
    session.ask(plan(user("Hello")), OPUS)
    assert written(session) == [QUESTION]


# Losing the CLI


@in_every_state
def test_a_waiting_client_gets_an_error_when_the_process_ends(make: Callable[[], Session]) -> None:
    session = make()
    error = upstream_failed("Gone.")
    told = session.connection_lost(error)
    assert plain(told) == plain([Failed(error)] if make in WAITING else [])
    assert session.state is State.BROKEN


@in_every_state
def test_there_are_no_events_after_the_process_ended(make: Callable[[], Session]) -> None:
    session = make()
    session.connection_lost(upstream_failed("Gone."))
    assert session.connection_lost(upstream_failed("Gone again.")) == []
    assert say(session, START, text("a"), stop(), RESULT) == []
    assert session.receive_data(b"not JSON\n") == []


# What makes no sense


@in_every_state
def test_a_line_that_is_not_json_breaks_any_session(make: Callable[[], Session]) -> None:
    session = make()
    expected: list[object] = [BROKE] if make in WAITING else []
    if make is not broken:
        expected.append(ProtocolViolation("a line that is not JSON"))
    assert plain(session.receive_data(b"{oops\n")) == expected
    assert session.state is State.BROKEN


@pytest.mark.parametrize("line", [b"\xff\xfe", b'"half', b"undefined", b"[1,]"])
def test_no_such_line_is_json(line: bytes) -> None:
    told = idle().receive_data(line + b"\n")
    assert told == [ProtocolViolation("a line that is not JSON")]


def test_a_line_that_is_too_deep_breaks_the_session() -> None:
    (told,) = idle().receive_data(b"[" * 100_000 + b"\n")
    assert isinstance(told, ProtocolViolation)


UNKNOWN_SHAPES: list[dict[str, Any]] = [
    {"type": "stream_event"},
    {"type": "stream_event", "event": None},
    {"type": "stream_event", "event": []},
    {"type": "stream_event", "event": {}},
    {"type": "stream_event", "event": {"type": "message_start"}},
    {"type": "stream_event", "event": {"type": "message_start", "message": {}}},
    {"type": "stream_event", "event": {"type": "content_block_delta"}},
    {"type": "stream_event", "event": {"type": "content_block_delta", "delta": {}}},
    {"type": "stream_event", "event": text("x") | {"delta": {"type": "text_delta"}}},
    {"type": "stream_event", "event": text("x") | {"delta": {"type": "text_delta", "text": 5}}},
    {"type": "stream_event", "event": {"type": "message_delta"}},
    {"type": "stream_event", "event": {"type": "message_delta", "delta": None}},
    {"type": "stream_event", "event": {**stop(), "usage": 5}},
    {"type": "control_response"},
    {"type": "control_response", "response": "no"},
    {"type": "control_request"},
    {"type": "rate_limit_event"},
    {"type": "rate_limit_event", "rate_limit_info": "no"},
    {"type": "system", "subtype": "api_retry", "retry_delay_ms": "soon"},
]


@pytest.mark.parametrize("line", UNKNOWN_SHAPES, ids=json.dumps)
def test_a_known_line_of_unknown_shape_breaks_the_session_and_fails_the_answer(
    line: dict[str, Any],
) -> None:
    session = answering()
    error, notice = plain(session.receive_data(encoded(line)))
    assert error == BROKE
    assert isinstance(notice, ProtocolViolation)
    assert notice.reason.startswith(f"a {line['type']} line of unknown shape: ")
    assert session.state is State.BROKEN


def test_what_came_before_a_broken_line_is_told_first() -> None:
    data = encoded(stream(START), stream(text("a"))) + b"oops\n" + encoded(stream(text("b")))
    assert plain(answering().receive_data(data)) == [
        Started("m"),
        TextDelta("a"),
        BROKE,
        ProtocolViolation("a line that is not JSON"),
    ]


@in_every_state
@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "something_new", "event": 5}',
        b'{"type": "assistant"}',
        b'{"type": "user"}',
        b'{"type": "conversation_reset"}',
        b'{"type": "system", "subtype": "something_new"}',
        b'{"type": null}',
        b'{"type": 5}',
        b'{"type": []}',
        b'{"type": {}}',
        b'{"no": "type"}',
        b"[]",
        b"5",
        b"null",
        b"",
        b"  \r",
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else value.__name__,
)
def test_a_line_of_an_unknown_kind_is_ignored(make: Callable[[], Session], line: bytes) -> None:
    session = make()
    before = session.state
    assert session.receive_data(line + b"\n") == []
    assert session.data_to_send() == b""
    assert session.state is before


def test_a_line_that_is_too_long_breaks_the_session_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming_module, "LONGEST_LINE", 1000)
    session = answering()
    assert plain(session.receive_data(b"x" * 1001)) == [
        BROKE,
        ProtocolViolation("a line of more than 1000 bytes"),
    ]
    assert session.receive_data(b"x") == []
    assert session.receive_data(b"\n") == []


def test_what_came_before_a_line_that_is_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming_module, "LONGEST_LINE", 1000)
    session = answering()
    told = session.receive_data(encoded(stream(START)) + b"x" * 1001)
    assert plain(told) == [Started("m"), BROKE, ProtocolViolation("a line of more than 1000 bytes")]


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "event", "delta", "message", "usage", "model", "text"])
            | st.text(max_size=2),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
lines_like = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["stream_event", "result", "system", "control_response", "control_request"]
        )
        | json_like
    },
    optional={
        "event": json_like
        | st.fixed_dictionaries(
            {"type": st.sampled_from([START["type"], "content_block_delta", "message_delta"])},
            optional={"delta": json_like, "message": json_like, "usage": json_like},
        ),
        "response": json_like,
        "request_id": json_like,
        "is_error": json_like,
        "result": json_like,
        "errors": json_like,
        "api_error_status": json_like,
    },
)


@settings(calm, max_examples=200)
@given(st.sampled_from(WAITING), st.lists(lines_like, max_size=4))
def test_no_line_whatsoever_raises_and_an_answer_ends_once(
    make: Callable[[], Session], lines: list[dict[str, Any]]
) -> None:
    session = make()
    told = session.receive_data(encoded(*lines))
    told += session.connection_lost(upstream_failed("Gone."))
    ends = [item for item in told if isinstance(item, (Failed, Finished))]
    assert len(ends) == 1
    assert session.receive_data(encoded(*lines)) == []


CLEARED = {"type": "result", "is_error": False, "num_turns": 0, "local_command": "clear"}


def test_clearing_comes_before_everything_else() -> None:
    session = idle()
    session.ask(plan(user("a"), clear=True), Limits("sonnet"))
    (line,) = written(session)
    assert line["message"]["content"] == "/clear"
    assert "client_composed" not in line
    assert say(session, CLEARED) == []
    assert [m["message"]["content"][0]["text"] for m in written(session) if "message" in m] == ["a"]


def test_an_interrupt_while_clearing_leaves_nothing_to_ask() -> None:
    session = idle()
    session.ask(plan(user("a"), clear=True), Limits("sonnet"))
    written(session)
    session.interrupt()
    assert written(session) == []
    assert say(session, CLEARED) == [TurnEnded(clean=False)]
    assert written(session) == []
