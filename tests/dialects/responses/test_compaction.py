"""Compaction: a summary by the model, as an item that takes the place of what came before."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import attrs
import pytest
from openai.types.responses import CompactedResponse, ResponseCompactionItem

from claudeproxy.conversation import ToolChoice, Turn, text_block
from claudeproxy.dialects.responses.compaction import REQUEST, sealed, summary_in
from claudeproxy.dialects.responses.compaction import summary_blocks as blocks
from claudeproxy.errors import APIError
from claudeproxy.events import Finished, ReasoningDelta, Started, TextDelta, Usage

from ..asking import refused, user
from .test_content import HELLO, call, message, output, shown
from .test_request import F, answered, ask, dialect
from .test_stream import frames


TRIGGER = {"type": "compaction_trigger"}
SUMMARY = "Päris is\nwarm. \U0001f600"
ITEM = {"id": "cmp_a0", "type": "compaction", "encrypted_content": sealed(SUMMARY)}
SAID = {"role": "assistant", "content": "Hm"}
RULE = {"role": "developer", "content": "Be brief."}
EVENTS = (
    Started("m"),
    ReasoningDelta("Hm"),
    TextDelta("Päris is\n"),
    TextDelta("warm. \U0001f600"),
    Finished("stop", Usage()),
)


# What the model is asked


def test_the_model_is_asked_for_a_summary_and_keeps_its_tools() -> None:
    schema = {"format": {"type": "json_object"}}
    web = {"type": "web_search"}
    items = [RULE, HELLO, call("a"), output("a"), TRIGGER]
    asked = ask(*items, tools=[F, web], tool_choice="required", text=schema)
    conversation = asked.conversation
    assert conversation.profile.system == "Be brief."
    assert [tool.name for tool in conversation.profile.tools] == ["f"]
    assert conversation.turns[-1].blocks[-1] == REQUEST
    assert conversation.limits.tool_choice == ToolChoice("none")
    assert conversation.limits.server_tools == ()
    assert conversation.output_schema is None
    assert asked.ignored == ()


def test_the_conversation_may_be_in_a_stored_response() -> None:
    to = dialect()
    answered("a", HELLO, to=to)
    asked = ask(TRIGGER, to=to, previous_response_id="resp_a").conversation
    assert asked.turns[0] == user("Hello")
    assert asked.turns[-1] == Turn("user", (REQUEST,))
    assert asked.limits.tool_choice == ToolChoice()


def test_only_the_last_item_asks_for_it() -> None:
    asked = ask(HELLO, TRIGGER, HELLO)
    assert asked.conversation.turns == (user("Hello", "Hello"),)
    assert asked.ignored == ("input[].compaction_trigger",)


# What the client gets


def test_the_answer_is_one_item() -> None:
    response = answered("a", HELLO, TRIGGER, events=EVENTS, reasoning={"summary": "auto"})
    assert response["output"] == [ITEM]
    assert response["status"] == "completed"
    assert ResponseCompactionItem.model_validate(ITEM).created_by is None


def test_a_stream_has_the_item_without_pieces_of_it() -> None:
    asked = ask(HELLO, TRIGGER, stream=True)
    to = asked.answer("a", 1)
    events = frames(b"".join(to.feed(event) for event in EVENTS))
    assert [event["sequence_number"] for event in events] == list(range(5))
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds == ["created", "in_progress", "output_item.added", "output_item.done", "completed"]
    assert events[2]["item"] == {**ITEM, "encrypted_content": ""}
    assert events[3]["item"] == ITEM
    assert events[4]["response"]["output"] == [ITEM]


# What becomes of the item


@pytest.mark.parametrize(
    "before",
    [
        [],
        [call("a"), output("a"), SAID],
        [{"type": "reasoning", "summary": []}, {"type": "mcp_call", "name": "x"}, TRIGGER],
        [{**ITEM, "encrypted_content": sealed("An older one.")}, SAID],
    ],
)
def test_an_item_takes_the_place_of_all_but_messages_of_the_user(before: list[Any]) -> None:
    asked = ask(RULE, HELLO, *before, ITEM, HELLO)
    expected = (text_block("Hello"), *blocks(SUMMARY), text_block("Hello"))
    assert asked.conversation.turns == (Turn("user", expected),)
    assert asked.conversation.profile.system == "Be brief."
    assert SUMMARY in expected[1]["text"]
    assert asked.ignored == ()


def test_what_comes_after_an_item_stays() -> None:
    asked = ask(ITEM, HELLO, call("a"), output("a"), SAID, HELLO)
    assert [turn.role for turn in asked.conversation.turns] == ["user", "assistant"] * 2 + ["user"]


def test_tools_that_were_defined_before_an_item_stay() -> None:
    more = {"type": "additional_tools", "role": "developer", "tools": [F]}
    asked = ask(more, HELLO, ITEM).conversation
    assert [tool.name for tool in asked.profile.tools] == ["f"]


def test_a_stored_response_with_an_item_goes_on_from_it() -> None:
    to = dialect()
    answered("a", HELLO, call("a"), output("a"), TRIGGER, to=to, events=EVENTS)
    asked = ask(HELLO, to=to, previous_response_id="resp_a")
    expected = (text_block("Hello"), *blocks(SUMMARY), text_block("Hello"))
    assert asked.conversation.turns == (Turn("user", expected),)
    assert asked.ignored == ()


@pytest.mark.parametrize(
    "content",
    [
        "gAAAAAB",
        "claudeproxy:%",
        "claudeproxy:YQ",
        "claudeproxy:" + b64encode(b"\xff").decode(),
    ],
)
def test_an_item_of_another_server_replaces_nothing(content: str) -> None:
    foreign = {"type": "compaction", "encrypted_content": content}
    assert summary_in(foreign) is None
    asked = ask(HELLO, SAID, foreign, foreign, HELLO)
    assert [turn.role for turn in asked.conversation.turns] == ["user", "assistant", "user"]
    assert asked.ignored == ("input[].compaction",)


def test_an_item_has_its_content() -> None:
    told = refused(lambda: ask(HELLO, {"type": "compaction"}))
    assert told[1:] == ("input[1].encrypted_content", "missing_required_parameter")


# POST /v1/responses/compact


def compacted(**given: Any) -> dict[str, Any]:
    asked = attrs.evolve(dialect(), compacts=True).read(
        json.dumps({"model": "m", **given}).encode()
    )
    assert asked.conversation.turns[-1].blocks[-1] == REQUEST
    to = asked.answer("a", 1)
    body = b"".join(to.feed(event) for event in EVENTS)
    told: dict[str, Any] = json.loads(body)
    return told


def test_the_whole_conversation_can_be_compacted() -> None:
    told = compacted(input=[RULE, HELLO, call("a"), output("a"), SAID], stream=True)
    assert {**told, "output": [], "usage": {}} == {
        "id": "resp_a",
        "object": "response.compaction",
        "created_at": 1,
        "output": [],
        "usage": {},
    }
    assert CompactedResponse.model_validate({**told, "output": told["output"][2:]}).usage
    assert told["output"] == [
        {**message("developer", shown("Be brief.")), "id": "msg_ai0", "status": "completed"},
        {**message("user", shown("Hello")), "id": "msg_ai1", "status": "completed"},
        ITEM,
    ]


def test_a_text_can_be_compacted() -> None:
    first, last = compacted(input="Hello")["output"]
    assert first["content"] == [shown("Hello")]
    assert last == ITEM


def test_a_compacted_conversation_is_not_stored() -> None:
    to = attrs.evolve(dialect(), compacts=True)
    asked = to.read(b'{"model": "m", "input": "x", "store": true}').answer("a", 1)
    for event in EVENTS:
        asked.feed(event)
    assert to.store.get("resp_a") is None


@pytest.mark.parametrize(
    ("reason", "why"), [("length", "was cut off"), ("content_filter", "declined")]
)
def test_nothing_is_lost_with_a_summary_that_is_none(reason: Any, why: str) -> None:
    to = attrs.evolve(dialect(), compacts=True)
    asked = to.read(b'{"model": "m", "input": "x"}').answer("a", 1)
    for event in EVENTS[:-1]:
        assert asked.feed(event) == b""
    with pytest.raises(APIError, match=why) as caught:
        asked.feed(Finished(reason, Usage()))
    assert (caught.value.status, caught.value.should_retry) == (502, False)


def test_an_empty_conversation_cannot_be_compacted() -> None:
    message, param, _ = refused(lambda: ask(TRIGGER))
    assert (message, param) == ("There is nothing to compact.", "input")


def test_a_stored_response_can_be_compacted() -> None:
    to = dialect()
    answered("a", HELLO, to=to)
    body = b'{"model": "m", "previous_response_id": "resp_a"}'
    asked = attrs.evolve(to, compacts=True).read(body).conversation
    assert asked.turns[0] == user("Hello")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "m", "input": 5}, "input"),
        ({"model": "m", "input": ["x"]}, "input[0]"),
        ({"model": "m"}, "input"),
        ({"input": "x"}, "model"),
        ({"model": "m", "input": ""}, "input"),
        ({"model": "m", "input": []}, "input"),
    ],
)
def test_a_wrong_field_is_told(body: Any, param: str) -> None:
    to = attrs.evolve(dialect(), compacts=True)
    assert refused(lambda: to.read(json.dumps(body).encode()))[1] == param
