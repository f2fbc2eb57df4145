"""Turns are merged, blocks are never lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claudeproxy import conversation as conversation_module
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


ANSWER = Turn("assistant", (text_block("a"), used(a=1), used("toolu_2", b=1)))


@pytest.mark.parametrize(
    "edited",
    [
        Turn("assistant", (text_block("b"), *ANSWER.blocks[1:])),
        Turn("assistant", ANSWER.blocks[:2]),
        Turn("assistant", (ANSWER.blocks[0], ANSWER.blocks[2], ANSWER.blocks[1])),
        Turn("assistant", (*ANSWER.blocks[:2], used("toolu_2", b=2))),
        Turn("assistant", (*ANSWER.blocks[:2], {**used("toolu_2", b=1), "name": "subtract"})),
        Turn("user", ANSWER.blocks[:1]),
    ],
)
def test_an_answer_that_was_edited_is_another_one(edited: Turn) -> None:
    assert QUESTION.key_with(edited) != QUESTION.key_with(ANSWER)


def test_of_an_id_only_counts_what_it_belongs_to() -> None:
    # OpenClaw, for one, takes `_` out of them.
    spelled = Turn("assistant", (text_block("a"), used("x", a=1), used("y", b=1)))

    def asked(called: Turn, *answered: str) -> bytes:
        results = Turn("user", tuple(map(result, ("1", "2"), answered)))
        said = (*QUESTION.turns, called, results)
        return Conversation(
            QUESTION.profile, (*said, assistant("b"), user("c")), QUESTION.limits
        ).prefix_key

    ids = [block["id"] for block in ANSWER.blocks[1:]]
    assert asked(ANSWER, *ids) == asked(spelled, "x", "y")
    assert asked(ANSWER, *ids) != asked(spelled, "y", "x")


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


# Few different values, so that equal conversations come up often.
words = st.sampled_from(["", " ", "a", "b", "a ", "ab", "\ud800"])
inputs = st.dictionaries(st.sampled_from("xy"), st.sampled_from([0, False, 0.0, "0", None]))
user_blocks = words.map(text_block) | st.builds(result, words, st.sampled_from("pq"))
assistant_blocks = words.map(text_block) | st.builds(
    lambda use_id, arguments: used(use_id, **arguments), st.sampled_from("pq"), inputs
)
user_turns = st.lists(user_blocks, min_size=1, max_size=2).map(lambda b: Turn("user", tuple(b)))
assistant_turns = st.lists(assistant_blocks, min_size=1, max_size=3).map(
    lambda blocks: Turn("assistant", tuple(blocks))
)
profiles = st.sampled_from([Profile(), Profile("S"), Profile("S", (ADD,))])


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    said = [draw(user_turns)]
    for _ in range(draw(st.integers(0, 3))):
        said += [draw(assistant_turns), draw(user_turns)]
    return Conversation(draw(profiles), tuple(said), Limits("m"))


def known_as(profile: Profile, lines: Sequence[Turn]) -> str:
    """All that tells some lines of a conversation from others, as one text."""
    said: list[Any] = [repr(profile)]
    ids: list[str] = []
    for turn in lines:
        if turn.role == "user":
            # Of a result's id counts which call of the turn before it belongs to.
            blocks = json.dumps(turn.blocks)
            for place, call_id in enumerate(ids):
                blocks = blocks.replace(f'"tool_use_id": "{call_id}"', f'"tool_use_id": {place}')
            said.append(blocks)
        else:
            text = "".join(block["text"] for block in turn.blocks if block["type"] == "text")
            calls = [block for block in turn.blocks if block["type"] == "tool_use"]
            ids = [call["id"] for call in calls]
            said.append([text.strip(), [(call["name"], call["input"]) for call in calls]])
    return json.dumps(said, sort_keys=True)


def lines_of(turns: Sequence[Turn]) -> list[Turn]:
    """The turns, with tool results apart from what follows them."""
    lines = []
    for turn in turns:
        results = [block for block in turn.blocks if block["type"] == "tool_result"]
        others = [block for block in turn.blocks if block["type"] != "tool_result"]
        lines += [Turn(turn.role, tuple(part)) for part in (results, others) if part]
    return lines


@calm
@given(conversations())
def test_tool_results_are_a_line_of_their_own(whole: Conversation) -> None:
    results_first = [
        Turn(turn.role, tuple(sorted(turn.blocks, key=lambda b: b["type"] != "tool_result")))
        for turn in whole.turns
    ]
    whole = attrs.evolve(whole, turns=tuple(results_first))
    assert list(whole.lines) == lines_of(whole.turns)
    assert list(whole.lines[whole.newest :]) == lines_of(whole.turns[-1:])


@calm
@given(conversations(), conversations())
def test_keys_are_equal_for_equal_conversations_only(a: Conversation, b: Conversation) -> None:
    for first, one in enumerate(a.keys):
        for second, other in enumerate(b.keys):
            same = known_as(a.profile, a.lines[:first]) == known_as(b.profile, b.lines[:second])
            assert (one == other) == same


@calm
@given(conversations())
def test_each_key_is_that_of_the_conversation_up_to_there(whole: Conversation) -> None:
    assert len(whole.keys) == len(whole.lines) + 1
    assert whole.keys[0] == whole.profile_key
    assert whole.keys[whole.newest] == whole.prefix_key
    assert whole.places == {key: place for place, key in enumerate(whole.keys)}
    for count in range(1, len(whole.turns) + 1, 2):
        until = Conversation(whole.profile, whole.turns[:count], Limits("m"))
        assert until.keys == whole.keys[: len(until.keys)]


@calm
@given(conversations(), assistant_turns, user_turns)
def test_the_key_with_an_answer_is_the_next_requests(
    asked: Conversation, answer: Turn, newest: Turn
) -> None:
    following = Conversation(asked.profile, (*asked.turns, answer, newest), Limits("other"))
    assert following.prefix_key == asked.key_with(answer)
    assert following.keys[: len(asked.keys)] == asked.keys


def test_each_line_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Turn] = []
    real = conversation_module.next_key

    def counted(before: bytes, turn: Turn, called: tuple[str, ...] = ()) -> bytes:
        read.append(turn)
        return real(before, turn, called)

    monkeypatch.setattr(conversation_module, "next_key", counted)
    said = (user("a"), assistant("b"), user("c"))
    asked = Conversation(Profile(), said, Limits("m"))
    for _ in range(2):
        assert asked.profile_key
        assert asked.keys[asked.newest] == asked.prefix_key
    asked.key_with(assistant("d"))
    assert read == [*said, assistant("d")]


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
