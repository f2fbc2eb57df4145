"""Calls of tools in a message, and answers that must fit a schema."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.cli.answer import MessageReader
from claudeproxy.cli.naming import Names
from claudeproxy.cli.output_tool.message import OutputReader
from claudeproxy.conversation import Tool
from claudeproxy.events import (
    Event,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
)

from .talk import BLOCK_START, BLOCK_STOP, START, arguments, call_start, stop, text


THINKING_START = {"type": "content_block_start", "content_block": {"type": "thinking"}}
Said = dict[str, Any]


def thinking(piece: str) -> Said:
    return {
        "type": "content_block_delta",
        "delta": {"type": "thinking_delta", "thinking": piece},
    }


def call(use_id: str, name: str, *pieces: str) -> list[Said]:
    return [call_start(use_id, name), *map(arguments, pieces), BLOCK_STOP]


def prose(*pieces: str) -> list[Said]:
    return [BLOCK_START, *map(text, pieces), BLOCK_STOP]


def read(*events: Said, structured: bool = False) -> list[Event]:
    reader = OutputReader(Names(), unwrap=False) if structured else MessageReader()
    return [told for event in events for told in reader.feed(event)]


ADD = "mcp__client__add"
OUTPUT = "StructuredOutput"


def test_calls_are_counted_and_told_by_the_clients_names() -> None:
    assert read(
        *prose("Let me ", "see."),
        *call("toolu_1", ADD, '{"a":', "1}"),
        *call("toolu_2", "mcp__client__mcp__client__x", "{}"),
        stop("tool_use"),
    ) == [
        TextDelta("Let me "),
        TextDelta("see."),
        ToolCallStarted(0, "toolu_1", "add"),
        ToolArgumentsDelta(0, '{"a":'),
        ToolArgumentsDelta(0, "1}"),
        ToolCallStarted(1, "toolu_2", "mcp__client__x"),
        ToolArgumentsDelta(1, "{}"),
        Finished("tool_calls", Usage(), "tool_use"),
    ]


@pytest.mark.parametrize("pieces", [[], [""], ["", ""]])
def test_a_call_without_arguments_has_an_empty_object(pieces: list[str]) -> None:
    assert read(*call("toolu_1", ADD, *pieces), *prose("a"), *call("toolu_2", ADD, "{}")) == [
        ToolCallStarted(0, "toolu_1", "add"),
        ToolArgumentsDelta(0, "{}"),
        TextDelta("a"),
        ToolCallStarted(1, "toolu_2", "add"),
        ToolArgumentsDelta(1, "{}"),
    ]


def test_a_pair_that_is_cut_in_two_is_whole_in_the_arguments() -> None:
    assert read(*call("toolu_1", ADD, '{"a":"\ud83e', '\udd9c"}'))[1:] == [
        ToolArgumentsDelta(0, '{"a":"'),
        ToolArgumentsDelta(0, '🦜"}'),
    ]


def test_half_a_pair_alone_is_no_call_without_arguments() -> None:
    assert read(*call("toolu_1", ADD, "\ud83e"))[1:] == [ToolArgumentsDelta(0, "\ufffd")]


def test_without_a_schema_a_tool_may_be_called_like_the_clis_own() -> None:
    assert read(*call("toolu_1", OUTPUT, "{}"))[0] == ToolCallStarted(0, "toolu_1", OUTPUT)


# Names that the API does not take

LONG = "n" * 128
NAMED = Names(
    [Tool("add", "", {"properties": {"$a": {}}}), Tool(LONG, "", {"properties": {"@b": {}}})]
)
INNER = f"mcp__client__{NAMED.tools[1].name}"


def read_named(*events: Said) -> list[Event]:
    reader = MessageReader(NAMED)
    return [told for event in events for told in reader.feed(event)]


def test_tools_and_parameters_are_told_by_the_clients_names() -> None:
    pieces = ['{"_', 'a": {"_a"', ': "_a"}}']
    assert read_named(*call("toolu_1", ADD, *pieces), *call("toolu_2", INNER, '{"_b":1}')) == [
        ToolCallStarted(0, "toolu_1", "add"),
        ToolArgumentsDelta(0, "{"),
        ToolArgumentsDelta(0, '"$a": {"_a"'),
        ToolArgumentsDelta(0, ': "_a"}}'),
        ToolCallStarted(1, "toolu_2", LONG),
        ToolArgumentsDelta(1, '{"@b":1}'),
    ]


def test_what_is_held_of_a_name_is_told_at_the_end_of_a_call_that_is_cut_off() -> None:
    assert read_named(*call("toolu_1", ADD, '{"_'), *call("toolu_2", ADD))[1:] == [
        ToolArgumentsDelta(0, "{"),
        ToolArgumentsDelta(0, '"_'),
        ToolCallStarted(1, "toolu_2", "add"),
        ToolArgumentsDelta(1, "{}"),
    ]


def test_a_text_after_a_call_is_not_taken_for_arguments() -> None:
    told = read_named(*call("toolu_1", ADD, "{"), *prose('"_a"'))
    assert told[-1] == TextDelta('"_a"')


# Structured


def test_the_output_is_the_text_and_what_is_said_beside_it_is_not_told() -> None:
    assert read(
        START,
        *prose("Here you are:"),
        *call("toolu_1", OUTPUT, '{"n":', "3}"),
        *prose("Anything else?"),
        stop("tool_use"),
        structured=True,
    ) == [
        Started("m"),
        TextDelta('{"n":'),
        TextDelta("3}"),
        Finished("stop", Usage(input_tokens=1), "tool_use"),
    ]


def test_what_the_model_thinks_of_its_object_is_told() -> None:
    told = read(THINKING_START, thinking("hmm"), BLOCK_STOP, structured=True)
    assert told == [ReasoningDelta("hmm")]


def test_an_object_without_members_is_one() -> None:
    assert read(*call("toolu_1", OUTPUT), structured=True) == [TextDelta("{}")]


def test_a_wrapped_output_is_told_without_its_wrapper() -> None:
    reader = OutputReader(Names(), unwrap=True)
    said = call("toolu_1", OUTPUT, '{"value', '":["\ud83e', '\udd9c"', " ]} ")
    told = [event for one in said for event in reader.feed(one)]
    assert told == [TextDelta('["'), TextDelta('🦜"'), TextDelta(" ]")]
    assert reader.has_content


def test_a_second_output_is_not_told() -> None:
    output = call("toolu_1", OUTPUT, "{}")
    assert read(*output, *call("toolu_2", OUTPUT, '{"n":1}'), *call("toolu_3", OUTPUT),
                structured=True) == [TextDelta("{}")]  # fmt: skip


def test_a_message_without_an_object_is_gone_on_from_at_the_cost_of_both() -> None:
    def start(tokens: int) -> Said:
        usage = {"input_tokens": tokens, "cache_read_input_tokens": 1, "output_tokens": 0}
        return {"type": "message_start", "message": {"model": "m", "usage": usage}}

    def over(reason: str, tokens: int) -> Said:
        usage = {"output_tokens": tokens}
        return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}

    reader = OutputReader(Names(), unwrap=False)
    told = [
        event
        for said in (
            *(start(10), *prose("Bob is three."), over("end_turn", 5)),
            *(start(20), *call("toolu_1", OUTPUT, "{}"), over("tool_use", 7)),
        )
        for event in reader.feed(said)
    ]
    assert told == [
        Started("m"),
        TextDelta("{}"),
        Finished("stop", Usage(30, 2, 0, 12), "tool_use"),
    ]


@pytest.mark.parametrize(
    ("reason", "finish"), [("max_tokens", "length"), ("refusal", "content_filter")]
)
def test_a_message_that_was_cut_off_is_not_gone_on_from(reason: str, finish: str) -> None:
    (end,) = read(*prose("Bob is"), stop(reason), structured=True)
    assert isinstance(end, Finished)
    assert end.reason == finish


@pytest.mark.parametrize(
    ("said", "finish"), [('{"n":', "length"), ("", None), ('{"n":1}', None), ("[1]", None)]
)
def test_an_object_that_ends_without_a_reason_is_cut_off_if_it_is_incomplete(
    said: str, finish: str | None
) -> None:
    # What 2.1.332 says if the object does not match, and it may not ask again.
    end = {"type": "message_delta", "delta": {"stop_reason": None, "stop_sequence": None}}
    start = [call_start("toolu_1", OUTPUT), *([arguments(said)] if said else []), BLOCK_STOP]
    reasons = [
        event.reason for event in read(*start, end, structured=True) if isinstance(event, Finished)
    ]
    assert reasons == ([finish] if finish else [])


@pytest.mark.parametrize("first", [True, False])
def test_a_tools_call_beside_the_object_makes_calls_of_it(first: bool) -> None:
    output, other = call("toolu_1", OUTPUT, "{}"), call("toolu_2", ADD, "{}")
    said = (*output, *other) if first else (*other, *output)
    told = read(*said, stop("tool_use"), structured=True)
    assert TextDelta("{}") in told
    assert ToolCallStarted(0, "toolu_2", "add") in told
    assert ToolArgumentsDelta(0, "{}") in told
    assert told[-1] == Finished("tool_calls", Usage(), "tool_use")


def test_a_tools_call_without_an_object_is_a_call() -> None:
    told = read(*call("toolu_1", ADD, "{}"), stop("tool_use"), structured=True)
    assert told[-1] == Finished("tool_calls", Usage(), "tool_use")
