"""A session whose answers must fit a schema, and the stop sequences that it sees to itself."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from claudeproxy.cli.answer import FINISH_REASONS
from claudeproxy.cli.notices import TurnEnded
from claudeproxy.cli.session import Session
from claudeproxy.cli.state import State
from claudeproxy.conversation import Limits, Profile, Tool
from claudeproxy.errors import upstream_failed
from claudeproxy.events import (
    Failed,
    Finished,
    Started,
    TextDelta,
    ToolCallStarted,
    Usage,
    Withdrawn,
)

from .talk import (
    BLOCK_START,
    BLOCK_STOP,
    OPUS,
    RESULT,
    START,
    arguments,
    blank,
    call_start,
    failed,
    idle,
    in_short,
    plan,
    say,
    state_of,
    stop,
    text,
    user,
    written,
)


SCHEMA = {"type": "object"}
STRUCTURED = Profile(output_schema=SCHEMA)
END = Finished("stop", Usage(input_tokens=1), "tool_use")
MISS = {"type": "user", "message": {"content": [{"type": "tool_result", "is_error": True}]}}
OUTPUT = (call_start("toolu_1", "StructuredOutput"), arguments('{"n":1}'), BLOCK_STOP)


def answering(profile: Profile = STRUCTURED, limits: Limits = OPUS) -> Session:
    session = idle(profile)
    session.ask(plan(user("Hello")), limits)
    session.data_to_send()
    return session


def held(limits: Limits = OPUS) -> Session:
    """A session with an object that the CLI now holds against the schema."""
    session = answering(limits=limits)
    assert say(session, START, *OUTPUT, stop("tool_use")) == [Started("m"), TextDelta('{"n":1}')]
    return session


def test_initialize_has_the_schema() -> None:
    session = blank()
    session.initialize(STRUCTURED)
    assert written(session)[0]["request"] == {
        "subtype": "initialize",
        "systemPrompt": [""],
        "jsonSchema": SCHEMA,
    }


def test_an_answer_that_is_no_object_is_asked_for_inside_one() -> None:
    session = blank()
    session.initialize(Profile(output_schema={"type": "array"}))
    assert written(session)[0]["request"]["jsonSchema"]["properties"] == {
        "value": {"type": "array"}
    }


def test_each_attempt_is_told_without_its_wrapper() -> None:
    session = answering(Profile(output_schema={"type": "array"}))
    for number in (1, 2):
        output = (call_start("toolu_1", "StructuredOutput"), arguments(f'{{"value":[{number}]}}'))
        told = say(session, START, *output, BLOCK_STOP, stop("tool_use"))
        assert told[-1] == TextDelta(f"[{number}]")


def test_the_answer_is_finished_when_the_cli_has_found_that_it_fits() -> None:
    session = held()
    assert session.state is State.ANSWERING
    # What is remembered is a call, not the text that the client has.
    assert say(session, {"type": "message_stop"}, RESULT) == [END, TurnEnded(clean=False, marks=1)]
    assert state_of(session) is State.IDLE
    assert session.data_to_send() == b""


def test_an_object_that_does_not_fit_is_taken_back_and_the_next_one_is_the_answer() -> None:
    session = held()
    corrected = (call_start("toolu_2", "StructuredOutput"), arguments('{"n":2}'), BLOCK_STOP)
    assert say(session, MISS, START) == [Withdrawn()]
    assert say(session, *corrected, stop("tool_use")) == [TextDelta('{"n":2}')]
    assert say(session, RESULT) == [
        Finished("stop", Usage(input_tokens=2), "tool_use"),
        TurnEnded(clean=False, marks=1),
    ]
    assert session.data_to_send() == b""


def test_the_model_may_say_something_before_it_corrects() -> None:
    session = held()
    say(session, MISS, START, BLOCK_START, text("Sorry."), BLOCK_STOP, stop())
    assert say(session, START, *OUTPUT, stop("tool_use"), RESULT) == [
        TextDelta('{"n":1}'),
        Finished("stop", Usage(input_tokens=3), "tool_use"),
        TurnEnded(clean=False, marks=1),
    ]


DOES_NOT_FIT = failed(
    status=502,
    message="The model's response does not match the schema.",
    type="server_error",
    code="schema_mismatch",
    should_retry=False,
)


def test_two_corrections_are_waited_for_and_no_third() -> None:
    session = held()
    for _ in range(2):
        assert say(session, MISS, START, *OUTPUT, stop("tool_use"))[0] == Withdrawn()
    assert say(session, MISS, START, *OUTPUT, stop("tool_use")) == [DOES_NOT_FIT]
    assert [in_short(message) for message in written(session)] == ["guard", "interrupt"]
    assert say(session, RESULT) == [TurnEnded(clean=False, marks=1)]


def test_nothing_of_a_stream_can_be_corrected() -> None:
    session = held(attrs.evolve(OPUS, streamed=True))
    assert say(session, MISS, START, *OUTPUT, stop("tool_use")) == [DOES_NOT_FIT]
    assert [in_short(message) for message in written(session)] == ["guard", "interrupt"]
    assert say(session, RESULT) == [TurnEnded(clean=False, marks=1)]


@pytest.mark.parametrize(("streamed", "attempts"), [(False, "3"), (True, "1")])
def test_the_cli_is_told_how_often_the_model_may_try(streamed: bool, attempts: str) -> None:
    session = idle(STRUCTURED)
    session.ask(plan(user("Hello")), attrs.evolve(OPUS, streamed=streamed))
    (settings,) = [
        message["request"]["settings"]
        for message in written(session)
        if message["type"] == "control_request"
    ]
    assert settings["env"]["MAX_STRUCTURED_OUTPUT_RETRIES"] == attempts


@pytest.mark.parametrize("ended", [True, False])
def test_when_the_model_may_not_try_again_the_answer_fails(ended: bool) -> None:
    # 2.1.197 says so before it has passed on the message's end.
    session = answering()
    say(session, START, *OUTPUT, *([stop("tool_use")] if ended else []))
    line = {**RESULT, "subtype": "error_max_structured_output_retries", "is_error": True}
    assert say(session, MISS, line) == [DOES_NOT_FIT, TurnEnded(clean=False, marks=1)]
    assert session.data_to_send() == b""


def test_a_stop_sequence_does_not_cut_an_object() -> None:
    session = answering(limits=Limits("opus", stop=("\n",)))
    said = (call_start("toolu_1", "StructuredOutput"), arguments('{\n"n":1}'), BLOCK_STOP)
    assert say(session, START, *said)[1:] == [TextDelta('{\n"n":1}')]


def test_a_failed_result_fails_the_answer() -> None:
    line = {**RESULT, "is_error": True, "errors": ["Too many attempts."]}
    assert say(held(), line) == [
        failed(status=502, message="Too many attempts.", type="server_error", should_retry=False),
        TurnEnded(clean=False, marks=1),
    ]


def test_a_result_without_any_object_fails_the_answer() -> None:
    session = answering()
    prose = (START, BLOCK_START, text("Bob."), BLOCK_STOP, stop())
    first, error, over = say(session, *prose, RESULT)
    assert (first, over) == (Started("m"), TurnEnded(clean=False, marks=1))
    assert isinstance(error, tuple)
    assert error[0] == "Failed"


def test_prose_alone_is_not_told_and_the_next_message_is_the_answer() -> None:
    session = answering()
    prose = (START, BLOCK_START, text("Bob."), BLOCK_STOP, stop())
    assert say(session, *prose, START, *OUTPUT, stop("tool_use"), RESULT) == [
        Started("m"),
        TextDelta('{"n":1}'),
        Finished("stop", Usage(input_tokens=2), "tool_use"),
        TurnEnded(clean=False, marks=1),
    ]
    assert session.data_to_send() == b""


def test_a_call_beside_the_object_is_waited_with() -> None:
    session = answering(Profile(tools=(Tool("add", "", {}),), output_schema=SCHEMA))
    other = (call_start("toolu_2", "mcp__client__add"), arguments("{}"), BLOCK_STOP)
    told = say(session, START, *OUTPUT, *other, stop("tool_use"))
    assert ToolCallStarted(0, "toolu_2", "add") in told
    assert told[-1] == Finished("tool_calls", Usage(input_tokens=1), "tool_use")
    assert session.state is State.PARKED


@pytest.mark.parametrize("reason", ["max_tokens", "refusal"])
def test_an_object_that_is_cut_off_is_not_corrected(reason: str) -> None:
    session = answering()
    told = say(session, START, *OUTPUT[:2])
    assert session.data_to_send() == b""
    told = say(session, stop(reason))
    assert told == [Finished(FINISH_REASONS[reason], Usage(input_tokens=1), reason)]
    assert [in_short(message) for message in written(session)] == ["guard", "interrupt"]
    assert say(session, RESULT) == [TurnEnded(clean=False, marks=1)]


def test_an_object_that_is_held_can_be_interrupted() -> None:
    session = held()
    session.interrupt()
    assert say(session, RESULT) == [TurnEnded(clean=False, marks=1)]


def test_an_object_that_is_held_is_not_finished_if_the_cli_is_gone() -> None:
    (told,) = held().connection_lost(upstream_failed("Gone."))
    assert isinstance(told, Failed)


# Stop sequences of white space


def stopping(*stops: str) -> Session:
    session = answering(Profile(), Limits("opus", stop=stops))
    say(session, START, BLOCK_START)
    return session


def test_a_blank_stop_sequence_ends_the_answer_and_the_turn() -> None:
    session = stopping("\n\n")
    assert say(session, text("a\n")) == [TextDelta("a")]
    assert say(session, text("b\n")) == [TextDelta("\nb")]
    assert say(session, text("\nc"), text("d"), stop()) == [
        Finished("stop", Usage(input_tokens=1), "stop_sequence", "\n\n")
    ]
    assert [in_short(message) for message in written(session)] == ["guard", "interrupt"]
    assert say(session, RESULT) == [TurnEnded(clean=False, marks=1)]


@pytest.mark.parametrize(
    "event",
    [stop(), call_start("toolu_1", "mcp__client__add"), call_start("toolu_2", "mcp__client__b")],
)
def test_what_was_held_back_for_it_is_told_before_what_follows(event: dict[str, Any]) -> None:
    session = stopping("\n\n")
    assert say(session, text("a\n"), BLOCK_STOP, event)[:2] == [TextDelta("a"), TextDelta("\n")]
    assert [in_short(message) for message in written(session)] == ["guard"]


def test_one_answers_beginning_of_a_stop_is_none_of_the_next() -> None:
    session = stopping("\n\n")
    assert say(session, text("a\n")) == [TextDelta("a")]
    session.interrupt()
    say(session, RESULT)
    session.ask(plan(user("Hello")), Limits("opus", stop=("\n\n",)))
    assert say(session, START, BLOCK_START, text("\nb"))[1:] == [TextDelta("\nb")]
