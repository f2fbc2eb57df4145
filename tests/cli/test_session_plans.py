"""How a session gets from what its process remembers to what a plan says, and the guard."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from claudeproxy.cli.failures import BROKE_OFF, DOES_NOT_FIT, NOT_REWOUND
from claudeproxy.cli.notices import (
    Counted,
    ProtocolViolation,
    RewindRefused,
    Rewound,
    TurnEnded,
)
from claudeproxy.cli.plan import Plan
from claudeproxy.cli.session import Session
from claudeproxy.cli.state import State
from claudeproxy.conversation import Limits, Profile, Tool, Turn
from claudeproxy.events import Failed, Finished, Started, TextDelta, Usage, Withdrawn

from .talk import (
    BLOCK_START,
    BLOCK_STOP,
    NO_PROFILE,
    OPUS,
    REPLAYED,
    RESULT,
    START,
    arguments,
    assistant,
    call_start,
    control_answer,
    encoded,
    failed,
    idle,
    in_short,
    plain,
    plan,
    say,
    sent,
    state_of,
    stop,
    text,
    user,
    written,
)


CLEARED = {"type": "result", "is_error": False, "num_turns": 0, "local_command": "clear"}
REFUSED = {"rewound": False, "error": "stale target"}


def answered(session: Session, *lines: Turn) -> None:
    """Ask a conversation, and let it be answered."""
    session.ask(plan(*lines), OPUS)
    users = [line for line in lines if line.role == "user"]
    say(session, *[REPLAYED] * (len(users) - 1), START, text("b"), stop(), RESULT)
    assert state_of(session) is State.IDLE


def remembering(*lines: Turn) -> tuple[Session, list[str]]:
    """A session whose process has answered a conversation, and the uuids of its user lines."""
    session = idle()
    answered(session, *lines)
    uuids = [line["uuid"] for line in sent(session) if line["type"] == "user"]
    return session, uuids


def kinds(session: Session) -> list[str]:
    return [in_short(line) for line in written(session)]


def the_request(session: Session) -> dict[str, Any]:
    """The only line that is written: a control request."""
    (line,) = sent(session)
    assert line["type"] == "control_request"
    return line


def gone_back(request: dict[str, Any]) -> dict[str, Any]:
    """What a CLI responds that does what was asked for."""
    target = request["request"]["target_message_uuid"]
    told = {"rewound": True, "targetMessageUuid": target, "prefillText": "", "x": None}
    return control_answer(request["request_id"], response=told)


def refusing(request: dict[str, Any], **response: Any) -> dict[str, Any]:
    return control_answer(request["request_id"], **(response or {"response": REFUSED}))


THREE = (user("1"), assistant("2"), user("3"))


# Going back


def test_going_back_comes_first_then_history_then_the_question() -> None:
    session, uuids = remembering(*THREE)
    session.ask(plan(user("1"), assistant("2"), user("4"), user("5"), held=2, back_to=1), OPUS)
    request = the_request(session)
    assert request["request"] == {
        "subtype": "rewind_conversation",
        "target_message_uuid": uuids[1],
        "last_seen_user_message_uuid": uuids[1],
    }
    assert state_of(session) is State.REWINDING
    assert say(session, {"type": "system", "subtype": "command_lifecycle"}) == []
    assert kinds(session) == []
    assert say(session, gone_back(request)) == [Rewound()]
    assert kinds(session) == ["history"]
    assert state_of(session) is State.REPLAYING
    assert say(session, REPLAYED) == []
    assert kinds(session) == ["apply_flag_settings", "question"]
    assert say(session, START, text("b"), stop(), RESULT)[-1] == TurnEnded(clean=True, marks=3)


def test_answers_of_the_history_are_sent_with_what_follows_them() -> None:
    session, _ = remembering(user("1"))
    session.ask(plan(user("1"), assistant("2"), user("3"), back_to=0), OPUS)
    say(session, gone_back(the_request(session)))
    assert kinds(session) == ["history"]
    say(session, REPLAYED)
    assert kinds(session) == ["assistant", "apply_flag_settings", "question"]


def test_a_process_that_went_back_can_go_back_again() -> None:
    session, uuids = remembering(*THREE)
    session.ask(plan(*THREE[:2], user("4"), held=2, back_to=1), OPUS)
    say(session, gone_back(the_request(session)))
    newest = sent(session)[-1]["uuid"]
    assert newest not in uuids
    say(session, START, text("b"), stop(), RESULT)
    session.data_to_send()
    session.ask(plan(user("6"), back_to=0), OPUS)
    request = the_request(session)["request"]
    assert request["target_message_uuid"] == uuids[0]
    assert request["last_seen_user_message_uuid"] == newest


def test_an_unlisted_model_is_tried_before_going_back() -> None:
    session, _ = remembering(user("1"))
    session.ask(plan(user("2"), back_to=0), Limits("claude-x", unlisted=True))
    request = the_request(session)
    assert request["request"]["subtype"] == "set_model"
    say(session, control_answer(request["request_id"]))
    assert the_request(session)["request"]["subtype"] == "rewind_conversation"


@pytest.mark.parametrize("how", ["refused", "interrupted"])
@pytest.mark.parametrize(("clear", "marks"), [(False, 1), (True, 0)])
def test_marks_of_a_plan_that_was_not_carried_out_do_not_count(
    how: str, clear: bool, marks: int
) -> None:
    # The owner would take the second mark of the old conversation for that of the new one.
    session, uuids = remembering(*THREE)
    changed = (user("1"), assistant("2"), user("4"), assistant("5"), user("6"))
    asked = Plan(changed, clear=True) if clear else Plan(changed, held=2, back_to=1)
    session.ask(asked, Limits("claude-x", unlisted=True))
    answer = {"subtype": "error", "error": "Model 'claude-x' not found"}
    if how == "interrupted":
        session.interrupt()
        answer = {}
    told = say(session, control_answer(the_request(session)["request_id"], **answer))
    assert told[-1] == TurnEnded(clean=False, marks=marks)
    assert kinds(session) == []
    if marks:
        session.ask(plan(user("7"), back_to=0), OPUS)
        request = the_request(session)["request"]
        assert request["target_message_uuid"] == uuids[0]
        assert request["last_seen_user_message_uuid"] == uuids[1]


# A refusal


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({"response": REFUSED}, "stale target"),
        ({"subtype": "error", "error": "Unsupported control request"}, "unsupported"),
        ({"response": {"rewound": True, "targetMessageUuid": "other"}}, "another target"),
        ({}, "stale target"),
    ],
)
def test_a_process_that_does_not_go_back_is_cleared_and_told_everything(
    response: dict[str, Any], reason: str
) -> None:
    session, _ = remembering(*THREE)
    session.ask(plan(*THREE[:2], user("4"), held=2, back_to=1), OPUS)
    assert say(session, refusing(the_request(session), **response)) == [RewindRefused(reason)]
    assert kinds(session) == ["clear"]
    assert state_of(session) is State.CLEARING
    assert say(session, CLEARED) == []
    assert kinds(session) == ["history"]
    assert say(session, REPLAYED) == []
    assert kinds(session) == ["assistant", "apply_flag_settings", "question"]
    assert say(session, START, text("b"), stop(), RESULT) == [
        Started("m"),
        TextDelta("b"),
        Finished("stop", Usage(input_tokens=1), "end_turn"),
        TurnEnded(clean=True, marks=2),
    ]


def test_a_process_is_given_up_if_the_plan_is_not_the_whole_conversation() -> None:
    session, _ = remembering(*THREE)
    session.ask(plan(user("4"), back_to=1, whole=False), OPUS)
    line = encoded(refusing(the_request(session)))
    refused, lost, over = session.receive_data(line)
    assert refused == RewindRefused("stale target")
    assert isinstance(lost, Failed)
    assert lost.worker_lost
    assert plain([lost]) == plain([Failed(NOT_REWOUND)])
    # What it remembers is not known.
    assert over == TurnEnded(clean=False, marks=0)
    assert kinds(session) == []
    assert session.state is State.IDLE


def test_a_preparation_that_is_refused_fails_nobodys_request() -> None:
    session, _ = remembering(*THREE)
    session.prepare(plan(user("4"), back_to=1, whole=False))
    told = say(session, refusing(the_request(session)))
    assert told == [RewindRefused("stale target"), TurnEnded(clean=False, marks=0)]


def test_a_response_of_unknown_shape_breaks_the_session() -> None:
    session, _ = remembering(user("1"))
    session.ask(plan(user("2"), back_to=0), OPUS)
    lost, notice = say(session, refusing(the_request(session), response=[1]))
    assert lost[0] == "Failed"  # type: ignore[index]
    assert isinstance(notice, ProtocolViolation)


# Preparing


def test_a_process_is_prepared_without_a_question() -> None:
    session, _ = remembering(user("1"))
    calls = Turn("assistant", ({"type": "tool_use", "id": "t", "name": "add", "input": {}},))
    session.prepare(plan(user("2"), calls, back_to=0, whole=False))
    assert say(session, gone_back(the_request(session))) == [Rewound()]
    assert kinds(session) == ["history"]
    assert say(session, REPLAYED) == [TurnEnded(clean=True, marks=1)]
    # The guard is taken back now, not when a client waits.
    assert kinds(session) == ["assistant", "apply_flag_settings"]
    session.ask(plan(user("3"), whole=False), OPUS)
    assert kinds(session) == ["question"]


@pytest.mark.parametrize("how", ["clear", "rewind", "refused"])
def test_a_process_is_emptied(how: str) -> None:
    session, _ = remembering(*THREE)
    session.prepare(Plan(clear=True) if how == "clear" else Plan(back_to=0))
    if how == "rewind":
        told = say(session, gone_back(the_request(session)))
        assert told == [Rewound(), TurnEnded(clean=True, marks=0)]
    else:
        if how == "refused":
            told = say(session, refusing(the_request(session)))
            assert told == [RewindRefused("stale target")]
        assert kinds(session) == ["clear"]
        assert say(session, CLEARED) == [TurnEnded(clean=True, marks=0)]
    assert session.state is State.IDLE


def test_a_plan_without_steps_ends_at_once() -> None:
    session = idle()
    session.prepare(Plan())
    assert session.receive_data(b"") == [TurnEnded(clean=True)]


def test_clearing_that_fails_breaks_the_session() -> None:
    session = idle()
    session.prepare(Plan(clear=True))
    (notice,) = say(session, {**CLEARED, "is_error": True})
    assert notice == ProtocolViolation("a turn of the history was rejected")


@pytest.mark.parametrize("state", ["idle", "rewinding", "counting"])
def test_a_result_that_nothing_asked_for_breaks_the_session(state: str) -> None:
    session, _ = remembering(user("1"))
    if state == "rewinding":
        session.prepare(Plan(back_to=0))
    elif state == "counting":
        session.count(plan(user("1"), held=1))
    (notice,) = say(session, RESULT)
    assert notice == ProtocolViolation(f"RESULT in the state {state.upper()}")
    assert session.state is State.BROKEN


# Counting

USED = {"totalTokens": 5, "apiUsage": None}


def counting() -> tuple[Session, dict[str, Any]]:
    """A session that counts the tokens of what it remembers and one more line, and the request."""
    session, _ = remembering(user("1"))
    session.count(plan(user("1"), assistant("2"), user("3"), held=2))
    assert kinds(session) == ["history"]
    assert say(session, REPLAYED) == []
    request = the_request(session)
    assert request["request"] == {"subtype": "get_context_usage"}
    assert state_of(session) is State.COUNTING
    return session, request


@pytest.mark.parametrize(
    ("response", "tokens"),
    [
        ({"response": USED}, 5),
        ({"response": {"totalTokens": 5}}, 5),
        # The CLI has estimated what followed its last answer.
        ({"response": {"totalTokens": 5, "apiUsage": {"input_tokens": 5}}}, None),
        ({"response": {"apiUsage": None}}, None),
        ({"response": {"totalTokens": "5", "apiUsage": None}}, None),
        ({"response": None}, None),
        ({}, None),
        ({"subtype": "error", "error": "Unsupported control request"}, None),
    ],
)
def test_what_was_counted_is_told_and_then_forgotten(response: Any, tokens: int | None) -> None:
    session, request = counting()
    assert say(session, control_answer(request["request_id"], **response)) == [Counted(tokens)]
    back = the_request(session)
    assert back["request"]["target_message_uuid"] == back["request"]["last_seen_user_message_uuid"]
    assert say(session, gone_back(back)) == [Rewound(), TurnEnded(clean=True, marks=1)]
    assert session.state is State.IDLE


@pytest.mark.parametrize("whole", [True, False])
def test_what_was_counted_and_cannot_be_forgotten_is_not_the_clients(whole: bool) -> None:
    session, _ = remembering(user("1"))
    session.count(plan(user("1"), assistant("2"), user("3"), held=2, whole=whole))
    say(session, REPLAYED)
    session.data_to_send()
    say(session, control_answer("claudeproxy-4", response=USED))
    told = say(session, refusing(the_request(session)))
    assert told == [RewindRefused("stale target"), TurnEnded(clean=False, marks=0)]
    assert kinds(session) == []


def test_a_conversation_that_is_counted_is_not_asked() -> None:
    session, request = counting()
    assert say(session, START, text("a"), stop()) == []
    assert kinds(session) == []
    assert request["request"]["subtype"] == "get_context_usage"


def test_a_question_can_follow_what_was_counted() -> None:
    session, request = counting()
    say(session, control_answer(request["request_id"], response=USED))
    say(session, gone_back(the_request(session)))
    session.ask(plan(user("1"), assistant("2"), user("4"), held=2), OPUS)
    assert kinds(session) == ["apply_flag_settings", "question"]
    assert say(session, START, text("b"), stop(), RESULT)[-1] == TurnEnded(clean=True, marks=2)


# Interrupts


def test_an_interrupt_while_going_back_drops_the_rest() -> None:
    session, uuids = remembering(*THREE)
    session.ask(plan(*THREE[:2], user("4"), held=2, back_to=1), OPUS)
    request = the_request(session)
    session.interrupt()
    assert kinds(session) == []
    assert say(session, gone_back(request)) == [Rewound(), TurnEnded(clean=False, marks=1)]
    assert kinds(session) == []
    # It remembers what is before the mark, and can still go back.
    session.ask(plan(user("5"), back_to=0), OPUS)
    assert the_request(session)["request"]["target_message_uuid"] == uuids[0]


def test_after_an_interrupt_a_refusal_clears_nothing() -> None:
    session, _ = remembering(*THREE)
    session.ask(plan(*THREE[:2], user("4"), held=2, back_to=1), OPUS)
    request = the_request(session)
    session.interrupt()
    told = say(session, refusing(request))
    assert told == [RewindRefused("stale target"), TurnEnded(clean=False, marks=0)]
    assert kinds(session) == []


def test_an_interrupt_while_clearing_after_a_refusal_drops_the_rest() -> None:
    session, _ = remembering(*THREE)
    session.ask(plan(*THREE[:2], user("4"), held=2, back_to=1), OPUS)
    say(session, refusing(the_request(session)))
    session.data_to_send()
    session.interrupt()
    assert say(session, CLEARED) == [TurnEnded(clean=False, marks=0)]
    assert kinds(session) == []


def test_history_that_was_sent_before_an_interrupt_can_be_gone_back_to() -> None:
    session = idle()
    session.ask(plan(*THREE), OPUS)
    (line,) = sent(session)
    session.interrupt()
    assert say(session, REPLAYED) == [TurnEnded(clean=False, marks=1)]
    session.ask(plan(user("4"), back_to=0), OPUS)
    assert the_request(session)["request"]["target_message_uuid"] == line["uuid"]


def test_an_interrupt_while_counting_leaves_what_was_counted() -> None:
    session, request = counting()
    session.interrupt()
    told = say(session, control_answer(request["request_id"], response=USED))
    # The line that was counted is no mark of the owner's.
    assert told == [Counted(5), TurnEnded(clean=False, marks=1)]
    assert kinds(session) == []


def test_a_turn_that_was_cut_off_can_be_gone_back_from() -> None:
    session, uuids = remembering(user("1"))
    session.ask(plan(user("1"), assistant("2"), user("3"), held=2), OPUS)
    say(session, START, text("a"))
    session.interrupt()
    assert say(session, {**RESULT, "is_error": True}) == [TurnEnded(clean=False, marks=2)]
    session.data_to_send()
    session.ask(plan(user("1"), assistant("2"), user("4"), held=2, back_to=1), OPUS)
    request = the_request(session)
    assert request["request"]["target_message_uuid"] not in uuids
    say(session, gone_back(request))
    assert kinds(session) == ["apply_flag_settings", "question"]


# The guard

TOOLS = Profile(tools=(Tool("add", "Adds.", {"type": "object"}),))
SCHEMA = Profile(output_schema={"type": "object"})
BOTH = attrs.evolve(TOOLS, output_schema={"type": "object"})
STREAMED = attrs.evolve(OPUS, streamed=True)
CALL = (call_start("toolu_1", "mcp__client__add"), arguments("{}"), BLOCK_STOP)
OBJECT = (call_start("toolu_2", "StructuredOutput"), arguments('{"n":1}'), BLOCK_STOP)
THINKING = {"type": "content_block_start", "content_block": {"type": "thinking"}}
HMM = {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hmm"}}
MISS = {"type": "user", "message": {"content": [{"type": "tool_result", "is_error": True}]}}
REFUSED_BY_API = {**RESULT, "is_error": True, "api_error_status": 400, "result": "API Error: 400"}


def answering(profile: Profile = NO_PROFILE, limits: Limits = OPUS) -> Session:
    session = idle(profile)
    session.ask(plan(user("Hello")), limits)
    session.data_to_send()
    return session


@pytest.mark.parametrize("first", [text("a"), stop("max_tokens"), stop("refusal"), CALL[0], HMM])
def test_the_guard_is_written_with_the_first_of_the_answer(first: dict[str, Any]) -> None:
    session = answering(TOOLS)
    say(session, START, THINKING if first is HMM else BLOCK_START)
    assert kinds(session) == []
    say(session, first)
    assert kinds(session)[0] == "guard"
    say(session, text("b"), BLOCK_STOP)
    assert "guard" not in kinds(session)


@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "model_context_window_exceeded"])
def test_what_is_cut_off_without_any_text_is_guarded_first(reason: str) -> None:
    session = answering()
    say(session, START, stop(reason))
    assert kinds(session) == ["guard", "interrupt"]


@pytest.mark.parametrize("limits", [OPUS, STREAMED], ids=["whole", "streamed"])
def test_an_object_is_guarded_once_it_cannot_be_corrected(limits: Limits) -> None:
    session = answering(SCHEMA, limits)
    say(session, START, OBJECT[0])
    assert kinds(session) == (["guard"] if limits is STREAMED else [])


def test_only_the_last_attempt_is_guarded() -> None:
    session = answering(SCHEMA)
    for expected in ([], [], ["guard"]):
        say(session, START, *OBJECT, stop("tool_use"), MISS)
        assert kinds(session) == expected
    assert say(session, REFUSED_BY_API) == [
        *plain([Failed(DOES_NOT_FIT)]),
        TurnEnded(clean=False, marks=1),
    ]


def test_a_corrected_object_is_told() -> None:
    session = answering(SCHEMA)
    assert say(session, START, *OBJECT, stop("tool_use"), MISS, START)[-1] == Withdrawn()
    assert say(session, *OBJECT, stop("tool_use"), RESULT) == [
        TextDelta('{"n":1}'),
        Finished("stop", Usage(input_tokens=2), "tool_use"),
        TurnEnded(clean=False, marks=1),
    ]
    assert kinds(session) == []


def test_text_beside_the_object_is_not_guarded() -> None:
    session = answering(SCHEMA, STREAMED)
    say(session, START, BLOCK_START, text("Bob."), BLOCK_STOP, stop())
    # The CLI asks again, for the object.
    assert kinds(session) == []
    say(session, START, *OBJECT)
    assert kinds(session) == ["guard"]


def test_calls_beside_a_schema_wait_for_their_results_without_a_guard() -> None:
    session = answering(BOTH)
    say(session, START, *CALL, stop("tool_use"))
    assert state_of(session) is State.PARKED
    assert kinds(session) == []


@pytest.mark.parametrize(
    ("profile", "begun"),
    [(NO_PROFILE, (BLOCK_START, text("a"))), (SCHEMA, OBJECT[:2])],
    ids=["text", "object"],
)
def test_a_connection_that_breaks_after_the_guard_is_told_as_such(
    profile: Profile, begun: tuple[dict[str, Any], ...]
) -> None:
    session = answering(profile, STREAMED)
    say(session, START, *begun)
    assert kinds(session) == ["guard"]
    assert say(session, REFUSED_BY_API) == [
        *plain([Failed(BROKE_OFF)]),
        TurnEnded(clean=False, marks=1),
    ]


def test_what_the_api_refuses_of_the_client_is_told_in_its_words() -> None:
    told = say(answering(), {**REFUSED_BY_API, "result": "API Error: 400 No such thing"})
    assert told[0] == failed(status=400, message="No such thing")


def test_other_errors_after_the_guard_are_told_in_their_words() -> None:
    session = answering()
    say(session, START, text("a"))
    line = {**RESULT, "is_error": True, "api_error_status": 529, "result": "Overloaded"}
    assert say(session, line)[0] == failed(
        status=503,
        message="Overloaded",
        type="server_error",
        code="server_is_overloaded",
        should_retry=False,
    )


def test_a_second_message_after_the_guard_is_not_told() -> None:
    session = answering()
    say(session, START, text("a"), stop("max_tokens"))
    assert kinds(session) == ["guard", "interrupt"]
    assert say(session, START, text("b"), stop()) == []
    # One guard is enough, but the CLI must be interrupted again.
    assert kinds(session) == ["interrupt"]
    assert say(session, RESULT) == [TurnEnded(clean=False, marks=1)]


def test_a_second_message_that_comes_before_the_guard_fails_the_answer() -> None:
    session = answering()
    told = say(session, START, text("a"), START, text("b"))
    assert told[-1:] == plain([Failed(BROKE_OFF)])
    assert kinds(session) == ["guard", "interrupt"]


def test_each_answer_of_a_turn_with_calls_has_its_guard() -> None:
    session = answering(TOOLS)
    say(session, START, *CALL, stop("tool_use"))
    assert kinds(session) == ["guard"]
    results = ({"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"},)
    session.resume(Turn("user", results), OPUS)
    assert kinds(session) == ["apply_flag_settings"]
    say(session, START, text("b"))
    assert kinds(session) == ["guard"]


def test_a_turn_that_was_interrupted_before_its_answer_is_not_guarded() -> None:
    session = answering()
    session.interrupt()
    assert say(session, START, text("a"), stop()) == []
    assert "guard" not in kinds(session)
