"""An answer as the turn that the client sends back."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.answer_turn import turn_of
from claudeproxy.conversation import (
    Block,
    Conversation,
    Limits,
    Profile,
    Turn,
    next_key,
    text_block,
    untold,
)
from claudeproxy.events import (
    AnswerAccumulator,
    Cited,
    Event,
    Finished,
    ServerBlockStarted,
    ServerInputDelta,
    TextDelta,
    TextStarted,
    Usage,
)


CALL: dict[str, Any] = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
WHOLE = {**CALL, "input": {"query": "a"}}
SEARCHED = (ServerBlockStarted(CALL), ServerInputDelta('{"query":"a"}'), ServerBlockStarted(RESULT))
PAGE = {"type": "web_search_result_location", "url": "u", "title": "t"}


def turn(*events: Event, **more: Any) -> tuple[Block, ...]:
    answer = AnswerAccumulator()
    answer.feed_all([*events, Finished("stop", Usage())])
    question = (Turn("user", (text_block("Hi"),)),)
    said = turn_of(answer, Conversation(Profile(), question, Limits("m"), **more))
    return () if said is None else said.blocks


def test_a_client_of_messages_sends_all_blocks_back() -> None:
    cited = {**text_block("b"), "citations": [PAGE]}
    events = (TextDelta("a"), *SEARCHED, TextDelta("x"), TextStarted(), Cited(PAGE), TextDelta("b"))
    told = turn(*events, shows_blocks=True)
    assert told == (text_block("a"), WHOLE, RESULT, text_block("x"), cited)


def test_others_send_none_of_them_back() -> None:
    told = turn(TextDelta("a"), *SEARCHED, TextDelta("b"))
    assert told == (text_block("a"), untold(WHOLE), untold(RESULT), text_block("b"))


def test_the_separator_is_part_of_the_text() -> None:
    told = turn(TextDelta("a"), *SEARCHED, *SEARCHED, TextDelta("b"), separator="\n\n")
    assert [block["text"] for block in told if block["type"] == "text"] == ["a", "\n\nb"]
    assert turn(*SEARCHED, TextDelta("b"), separator="\n\n")[-1] == text_block("b")


@pytest.mark.parametrize("shows_blocks", [True, False])
def test_no_block_is_nothing_but_white_space(shows_blocks: bool) -> None:
    events = (TextDelta("a"), TextStarted(), TextDelta(" "), TextStarted(), TextDelta("b"))
    texts = [block["text"] for block in turn(*events, shows_blocks=shows_blocks)]
    # A client of Messages gets three blocks, and the one of white space is not read.
    assert texts == (["a", "b"] if shows_blocks else ["a", " b"])


def test_what_is_cut_off_has_no_input() -> None:
    told = turn(TextDelta("a"), ServerBlockStarted(CALL), ServerInputDelta('{"que'))
    assert told == (text_block("a"), untold(CALL))


def key(*blocks: Block) -> bytes:
    return next_key(b"", Turn("assistant", blocks))


def test_blocks_that_a_client_sends_back_count_and_others_do_not() -> None:
    text = text_block("a")
    assert key(text, untold(CALL), untold(RESULT)) == key(text)
    assert key(text, WHOLE, RESULT) != key(text)
    assert key(text, WHOLE, RESULT) != key(text, WHOLE, {**RESULT, "content": [{"url": "u"}]})
    renamed = ({**WHOLE, "id": "t"}, {**RESULT, "tool_use_id": "t", "cache_control": {}})
    assert key(text, WHOLE, RESULT) == key(text, *renamed)
    assert key({**text, "citations": [PAGE]}) == key(text)
