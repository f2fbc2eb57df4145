"""Turns are merged, blocks are never lost."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claudeproxy.conversation import (
    Block,
    Conversation,
    Limits,
    Profile,
    Role,
    Tool,
    ToolChoice,
    Turn,
    alternate,
    is_results,
    plain_id,
    text_block,
)
from claudeproxy.events import Usage


# A fresh checkout builds Hypothesis' tables first, and a busy machine takes its time.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def user(*texts: str) -> Turn:
    return Turn("user", tuple(text_block(text) for text in texts))


def assistant(*texts: str) -> Turn:
    return Turn("assistant", tuple(text_block(text) for text in texts))


ROLES: tuple[Role, ...] = ("user", "assistant")
turns: st.SearchStrategy[list[Turn]] = st.lists(
    st.builds(
        lambda role, texts: Turn(role, tuple(text_block(text) for text in texts)),
        st.sampled_from(ROLES),
        st.lists(st.text(max_size=3), min_size=1, max_size=3),
    ),
    max_size=8,
)


def test_a_text_block_is_the_messages_apis() -> None:
    assert text_block("hi") == {"type": "text", "text": "hi"}


def test_neighbours_of_one_role_become_one_turn_in_order() -> None:
    merged = alternate([user("a"), user("b", "c"), assistant("d"), assistant("e"), user("f")])
    assert merged == (user("a", "b", "c"), assistant("d", "e"), user("f"))


def test_turns_that_alternate_stay_as_they_are() -> None:
    assert alternate([user("a"), assistant("b"), user("c")]) == (
        user("a"),
        assistant("b"),
        user("c"),
    )


def test_no_turns_stay_no_turns() -> None:
    assert alternate([]) == ()


@calm
@given(turns)
def test_merging_alternates_and_keeps_every_block_in_order(given_turns: list[Turn]) -> None:
    def blocks(of: Any) -> list[Any]:
        return [(turn.role, block) for turn in of for block in turn.blocks]

    merged = alternate(given_turns)
    assert blocks(merged) == blocks(given_turns)
    assert all(first.role != second.role for first, second in pairwise(merged))


def test_merging_again_changes_nothing() -> None:
    once = alternate([user("a"), user("b"), assistant("c")])
    assert alternate(once) == once


def test_nothing_is_limited_and_nothing_is_set_up_by_default() -> None:
    assert Limits("opus") == Limits("opus", max_tokens=None, stop=(), effort=None)
    assert Profile() == Profile(system="", tools=(), output_schema=None)


# Keys

ADD = Tool("add", "Adds.", {"type": "object", "title": "A"})
QUESTION = Conversation(Profile("S", (ADD,)), (user("a"),), Limits("m"))


def used(use_id: str = "toolu_1", **arguments: Any) -> Block:
    return {"type": "tool_use", "id": use_id, "name": "add", "input": arguments}


def result(content: Any, use_id: str = "toolu_1") -> Block:
    return {"type": "tool_result", "tool_use_id": use_id, "content": content}


@pytest.mark.parametrize(
    ("told", "sent_back"),
    [
        (assistant(" a\n"), assistant("a")),
        (assistant("a", "b"), assistant("ab")),
        (Turn("assistant", (used(a=1, b=2),)), Turn("assistant", (used(b=2, a=1),))),
        (
            Turn("assistant", (text_block(" \n"), used(a=1))),
            Turn("assistant", (used(a=1),)),
        ),
    ],
)
def test_an_answer_is_known_again_when_it_is_sent_back(told: Turn, sent_back: Turn) -> None:
    following = Conversation(
        QUESTION.profile, (*QUESTION.turns, sent_back, user("b")), Limits("other")
    )
    assert following.prefix_key == QUESTION.key_with(told)


ANSWER = Turn("assistant", (text_block("a"), used(a=1), used("toolu_2", a=1)))


@pytest.mark.parametrize(
    "edited",
    [
        Turn("assistant", (text_block("b"), *ANSWER.blocks[1:])),
        Turn("assistant", ANSWER.blocks[:2]),
        Turn("assistant", (ANSWER.blocks[0], ANSWER.blocks[2], ANSWER.blocks[1])),
        Turn("assistant", (*ANSWER.blocks[:2], used("toolu_3", a=1))),
        Turn("assistant", (*ANSWER.blocks[:2], used("toolu_2", a=2))),
        Turn("assistant", (*ANSWER.blocks[:2], {**used("toolu_2", a=1), "name": "subtract"})),
        Turn("user", ANSWER.blocks[:1]),
    ],
)
def test_an_answer_that_was_edited_is_another_one(edited: Turn) -> None:
    assert QUESTION.key_with(edited) != QUESTION.key_with(ANSWER)


@pytest.mark.parametrize(
    "profile",
    [
        Profile("T", (ADD,)),
        Profile("S"),
        Profile("S", (ADD, ADD)),
        Profile("S", (Tool("add", "Adds!", ADD.input_schema),)),
        Profile("S", (Tool("add", "Adds.", {}),)),
        Profile("S", (ADD,), {}),
    ],
)
def test_every_part_of_a_profile_counts(profile: Profile) -> None:
    other = Conversation(profile, QUESTION.turns, QUESTION.limits)
    assert other.profile_key != QUESTION.profile_key
    assert other.key_with(ANSWER) != QUESTION.key_with(ANSWER)


def test_the_order_of_a_schemas_names_does_not_count() -> None:
    swapped = Profile("S", (Tool("add", "Adds.", {"title": "A", "type": "object"}),))
    assert Conversation(swapped, (), Limits("m")).profile_key == QUESTION.profile_key


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("toolu_01AbC9", "toolu01AbC9"),
        ("a-b.c:d e", "abcde"),
        ("x" * 40, "x" * 40),
        ("_" + "x" * 40, "x" * 40),
    ],
)
def test_an_id_is_told_in_letters_and_digits(given: str, told: str) -> None:
    assert plain_id(given) == told


@pytest.mark.parametrize("given", ["x" * 41, "", "_", "é", "toolu_é", "\ud83e"])
def test_an_id_that_would_not_do_gets_another(given: str) -> None:
    told = plain_id(given)
    assert re.fullmatch("call[0-9a-f]{28}", told)
    assert plain_id(given) == told != plain_id(given + "x")


@pytest.mark.parametrize("given", ["toolu1", "toolu-1", "toolu_1", "_toolu_1_"])
def test_what_a_client_takes_out_of_an_id_does_not_count(given: str) -> None:
    answer = Turn("assistant", (ANSWER.blocks[0], used(given, a=1), ANSWER.blocks[2]))
    assert QUESTION.key_with(answer) == QUESTION.key_with(ANSWER)


def test_only_results_are_results() -> None:
    assert is_results(Turn("user", (result("a"), result("b", "toolu_2"))))
    assert not is_results(user("a"))
    assert not is_results(Turn("user", (result("a"), text_block("b"))))


@pytest.mark.parametrize(
    ("choice", "forced"),
    [
        (ToolChoice(), False),
        (ToolChoice("none"), False),
        (ToolChoice("any"), True),
        (ToolChoice("tool", "add"), True),
    ],
)
def test_a_choice_that_leaves_none_is_forced(choice: ToolChoice, forced: bool) -> None:
    assert choice.forced is forced


def test_what_two_messages_cost_is_their_sum() -> None:
    assert Usage(1, 2, 3, 4, 5) + Usage(10, 20, 30, 40, 50) == Usage(11, 22, 33, 44, 55)
