"""What the events of an answer add up to: its parts, in their order."""

from __future__ import annotations

import pytest

from claudeproxy.errors import APIError
from claudeproxy.events import (
    AnswerAccumulator,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    ReasoningSigned,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
    Withdrawn,
)


F = ToolCallStarted(0, "a", "f")
G = ToolCallStarted(1, "b", "g")


def gathered(*events: Event) -> AnswerAccumulator:
    so_far = AnswerAccumulator()
    for event in events:
        so_far.feed(event)
    return so_far


def parts(*events: Event) -> list[tuple[str, str, str]]:
    return [(part.kind, part.text, part.signature) for part in gathered(*events).parts]


def test_of_nothing_there_is_nothing() -> None:
    nothing = gathered()
    assert (nothing.parts, nothing.calls, nothing.finished) == ([], [], None)
    assert (nothing.text, nothing.reasoning) == ("", "")


def test_parts_are_in_the_order_in_which_they_began() -> None:
    assert parts(
        ReasoningDelta("Hm"),
        ReasoningDelta("m."),
        TextDelta("a"),
        TextDelta("b"),
        F,
        TextDelta("c"),
        ReasoningDelta("d"),
        G,
    ) == [
        ("reasoning", "Hmm.", ""),
        ("text", "ab", ""),
        ("call", "", ""),
        ("text", "c", ""),
        ("reasoning", "d", ""),
        ("call", "", ""),
    ]


def test_even_an_empty_piece_begins_a_part() -> None:
    assert parts(TextDelta(""), ReasoningDelta("")) == [("text", "", ""), ("reasoning", "", "")]


def test_what_is_thought_after_a_signature_is_another_thought() -> None:
    assert parts(
        ReasoningDelta("one"),
        ReasoningSigned("s1"),
        ReasoningDelta("two"),
        ReasoningDelta("!"),
        ReasoningSigned("s2"),
    ) == [("reasoning", "one", "s1"), ("reasoning", "two!", "s2")]


@pytest.mark.parametrize("before", [[], [TextDelta("x")], [F]])
def test_a_signature_without_a_thought_is_of_an_empty_one(before: list[Event]) -> None:
    assert parts(*before, ReasoningSigned("s"))[len(before) :] == [("reasoning", "", "s")]


def test_calls_have_the_arguments_of_their_index() -> None:
    answer = gathered(
        TextDelta("x"),
        F,
        ToolArgumentsDelta(0, '{"x"'),
        G,
        ToolArgumentsDelta(1, "{}"),
        ToolArgumentsDelta(0, ": 1}"),
    )
    assert answer.calls == [(F, '{"x": 1}'), (G, "{}")]
    assert [part.call for part in answer.parts] == [None, F, G]


def test_all_text_and_all_thought_are_joined() -> None:
    answer = gathered(ReasoningDelta("1"), TextDelta("a"), F, ReasoningDelta("2"), TextDelta("b"))
    assert (answer.text, answer.reasoning) == ("ab", "12")


def test_nothing_that_was_withdrawn_is_left() -> None:
    told = gathered(ReasoningDelta("a"), TextDelta("b"), F, Withdrawn(), TextDelta("c"))
    assert (told.text, told.reasoning, told.calls) == ("c", "", [])


def test_the_end_is_kept_and_neither_start_nor_failure_is_a_part() -> None:
    end = Finished("length", Usage(output_tokens=1), "max_tokens")
    assert gathered(Started("m"), end).finished is end
    failed = gathered(Started("m"), Failed(APIError(500, "x")))
    assert (failed.parts, failed.finished) == ([], None)


def test_usage_adds_up() -> None:
    assert Usage(1, 2, 3, 4, 5) + Usage(10, 20, 30, 40, 50) == Usage(11, 22, 33, 44, 55)
    assert Usage(1, 2, 3, 4, 5).prompt_tokens == 6


@pytest.mark.parametrize(
    "events",
    [
        [],
        [TextDelta("a"), TextDelta("b"), TextDelta("c")],
        [Started("m"), TextDelta("a"), TextDelta("b")],
        [ReasoningDelta("1"), TextDelta("a"), ReasoningDelta("2"), TextDelta("b"), TextDelta("c")],
        [TextDelta("a"), F, ToolArgumentsDelta(0, "{"), ToolArgumentsDelta(0, "}")],
        [TextDelta("a"), Withdrawn(), TextDelta("b"), Finished("stop", Usage())],
    ],
)
@pytest.mark.parametrize("before", [[], [TextDelta("x")], [ReasoningDelta("y")]])
def test_it_makes_no_difference_whether_events_come_together(
    before: list[Event], events: list[Event]
) -> None:
    together = gathered(*before)
    together.feed_all(events)
    one_by_one = gathered(*before, *events)
    assert [(part.kind, part.text) for part in together.parts] == [
        (part.kind, part.text) for part in one_by_one.parts
    ]
    assert together.finished == one_by_one.finished
