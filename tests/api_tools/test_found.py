"""What searches found, for clients that cannot send it back."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.task import Clock

from claudeproxy.api_tools.found import REMEMBERED_FOR, Found
from claudeproxy.conversation import Block, Conversation, Limits, Profile, Turn, text_block, untold


CALL: Block = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
RESULT: Block = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
QUESTION = Turn("user", (text_block("Search."),))
MORE = Turn("user", (text_block("More."),))
ANSWER = Turn("assistant", (text_block("A "), untold(CALL), untold(RESULT), text_block("page.")))
# The same as a client has it.
SAID = Turn("assistant", (text_block("A page."),))


def asked(*turns: Turn, system: str = "", **more: Any) -> Conversation:
    return Conversation(Profile(system), turns, Limits("m"), **more)


def found(*answers: Turn, clock: Clock | None = None, most: int = 10_000) -> Found:
    its = Found((clock or Clock()).seconds, most)
    for answer in answers or (ANSWER,):
        its.keep(asked(QUESTION), answer)
    return its


def test_an_answer_gets_its_searches_back() -> None:
    goes_on = asked(QUESTION, SAID, MORE)
    restored = found().restored(goes_on)
    assert restored == attrs.evolve(goes_on, turns=(QUESTION, ANSWER, MORE))
    # It still is the same conversation.
    assert restored.keys == goes_on.keys


def test_another_conversation_gets_nothing() -> None:
    other = Turn("assistant", (text_block("Another page."),))
    for conversation in (
        asked(QUESTION, other, MORE),
        asked(MORE, SAID, MORE),
        asked(QUESTION, SAID, MORE, system="Be brief."),
        asked(QUESTION, SAID, MORE, shows_blocks=True),
        asked(QUESTION),
    ):
        assert found().restored(conversation) is conversation


def test_calls_keep_the_ids_of_the_client() -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    result = Turn("user", ({"type": "tool_result", "tool_use_id": "toolu1", "content": "1"},))
    answer = Turn("assistant", (*ANSWER.blocks, use))
    said = Turn("assistant", (*SAID.blocks, {**use, "id": "toolu1"}))
    restored = found(answer).restored(asked(QUESTION, said, result))
    assert restored.turns[1].blocks == (*ANSWER.blocks, {**use, "id": "toolu1"})


def test_results_and_what_the_user_says_with_them_stay_one_turn() -> None:
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "1"}
    both = Turn("user", (result, text_block("Go on.")))
    answer, said = (Turn("assistant", (*turn.blocks, use)) for turn in (ANSWER, SAID))
    restored = found(answer).restored(asked(QUESTION, said, both))
    assert restored.turns == (QUESTION, answer, both)


def test_an_answer_that_the_client_sends_back_whole_is_not_kept() -> None:
    told = Turn("assistant", (CALL, RESULT, text_block("A page.")))
    its = Found(Clock().seconds)
    its.keep(asked(QUESTION, shows_blocks=True), told)
    its.keep(asked(QUESTION), SAID)
    goes_on = asked(QUESTION, SAID, MORE)
    assert its.restored(goes_on) is goes_on


def test_it_is_forgotten_after_a_while() -> None:
    clock = Clock()
    its, goes_on = found(clock=clock), asked(QUESTION, SAID, MORE)
    clock.advance(REMEMBERED_FOR - 1)
    assert its.restored(goes_on) is not goes_on
    clock.advance(1)
    assert its.restored(goes_on) is goes_on


def test_the_oldest_is_forgotten_when_there_is_too_much() -> None:
    other = Turn("assistant", (untold(CALL), untold(RESULT), text_block("Another page.")))
    goes_on, other_goes_on = asked(QUESTION, SAID, MORE), asked(QUESTION, _said(other), MORE)
    for answers, most, kept in (
        ((ANSWER, other), 1000, (True, True)),
        ((ANSWER, other), 400, (False, True)),
        ((other, ANSWER), 400, (True, False)),
        # The same answer again does not count twice, but is the newest one.
        ((ANSWER, other, ANSWER), 700, (True, True)),
        ((ANSWER, other, ANSWER), 400, (True, False)),
        ((ANSWER,), 10, (False, False)),
    ):
        its = found(*answers, most=most)
        restored = its.restored(goes_on), its.restored(other_goes_on)
        assert (restored[0] is not goes_on, restored[1] is not other_goes_on) == kept


def test_a_search_that_is_not_known_is_text_that_counts() -> None:
    def with_search(text: str) -> Conversation:
        answer = Turn("assistant", (untold(text_block(text)), *SAID.blocks))
        return asked(QUESTION, answer, MORE)

    one, other = with_search("one"), with_search("other")
    assert one.keys == other.keys
    its = Found(Clock().seconds)
    one, other = its.restored(one), its.restored(other)
    assert one.turns[1].blocks == (text_block("one"), *SAID.blocks)
    assert one.keys[1] == other.keys[1]
    assert one.keys[2] != other.keys[2]
    # A search that is known stands there itself.
    assert found().restored(with_search("one")).turns[1] == ANSWER


def _said(turn: Turn) -> Turn:
    """An answer as its client has it."""
    return Turn("assistant", tuple(block for block in turn.blocks if block["type"] == "text"))
