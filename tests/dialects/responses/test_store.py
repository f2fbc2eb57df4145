"""Responses that are kept: for how long, for what comes after them, for those who ask again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
from openai.types.responses import Response
from openai.types.responses.response_item import ResponseItem
from pydantic import TypeAdapter

from claudeproxy.conversation import Block, Turn, text_block, untold
from claudeproxy.dialects.responses import store as responses_store
from claudeproxy.dialects.responses.request import Responses
from claudeproxy.dialects.responses.store import ResponseStore, Stored
from claudeproxy.errors import APIError
from claudeproxy.events import Event, Finished, Started, ToolArgumentsDelta, ToolCallStarted, Usage

from ..asking import HELLO, PNG_URL, assistant, refused, tool_result, tool_use, user
from .test_request import F, answered, ask, dialect


WRONG_IDS: list[Any] = [["p"], {}, 5, True]
WRONG_PARTS: list[tuple[Any, str]] = [
    *(({}, ""), ("x", "")),
    *((["x"], "[0]"), ([None], "[0]"), ([[]], "[0]")),
]
ITEM: TypeAdapter[Any] = TypeAdapter(ResponseItem)


@attrs.define
class Clock:
    """A clock that someone else moves."""

    time: float = 1000

    def __call__(self) -> float:
        return self.time


def stored(unique: str, size: int = 1) -> Stored:
    response = {"id": f"resp_{unique}", "output": [{"id": f"msg_{unique}0"}]}
    return Stored(response, ({"id": f"msg_{unique}i0"},), (), size)


def keeping(
    *uniques: str, now: Callable[[], float] = lambda: 0, most: int = 10, age: float = 100
) -> ResponseStore:
    store = ResponseStore(now, most, age)
    for unique in uniques:
        store.put(stored(unique))
    return store


def kept(store: ResponseStore, *uniques: str) -> list[str]:
    """Those that are kept, with their items and none but theirs."""
    found = [unique for unique in uniques if store.get(f"resp_{unique}") is not None]
    for unique in uniques:
        items = [store.item(f"msg_{unique}{end}") is not None for end in ("i0", "0")]
        assert items == [unique in found] * 2
    return found


# The store


def test_a_response_is_kept_with_its_items() -> None:
    store = keeping("a")
    assert store.get("resp_a") == stored("a")
    assert store.item("msg_ai0") == {"id": "msg_ai0"}
    assert store.item("msg_a0") == {"id": "msg_a0"}
    assert store.get("resp_b") is None
    assert store.item("resp_a") is None


@pytest.mark.parametrize(("most", "left"), [(0, ""), (1, "c"), (2, "bc"), (3, "abc")])
def test_the_oldest_go_when_there_are_too_many(most: int, left: str) -> None:
    assert kept(keeping(*"abc", most=most), *"abc") == list(left)


def test_they_go_when_they_are_too_old() -> None:
    clock = Clock()
    store = keeping("a", now=clock, age=100)
    clock.time += 60
    store.put(stored("b"))
    clock.time += 40
    assert kept(store, *"ab") == ["a", "b"]
    clock.time += 1
    assert kept(store, *"ab") == ["b"]
    clock.time += 60
    assert kept(store, *"ab") == []


@pytest.mark.parametrize("asks", [lambda store: store.item("msg_a0"), lambda s: s.delete("resp_a")])
def test_nothing_old_is_found_by_any_way(asks: Callable[[ResponseStore], object]) -> None:
    clock = Clock()
    store = keeping("a", now=clock)
    clock.time += 101
    assert not asks(store)


def test_being_asked_for_makes_none_younger() -> None:
    clock = Clock()
    store = keeping("a", now=clock, age=100)
    clock.time += 90
    assert kept(store, "a") == ["a"]
    clock.time += 20
    assert kept(store, "a") == []


def test_the_oldest_go_when_their_requests_were_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses_store, "MOST_BYTES", 10)
    store = keeping()
    for unique, size in (("a", 4), ("b", 6), ("c", 1), ("d", 3)):
        store.put(stored(unique, size))
    assert kept(store, *"abcd") == ["b", "c", "d"]
    store.put(stored("e", 10))
    assert kept(store, *"abcde") == ["e"]
    store.put(stored("f", 11))
    assert kept(store, *"abcdef") == []
    store.put(stored("g", 10))
    assert kept(store, "g") == ["g"]


def test_what_is_deleted_leaves_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses_store, "MOST_BYTES", 10)
    store = keeping()
    store.put(stored("a", 5))
    store.put(stored("b", 5))
    assert store.delete("resp_b") is True
    assert store.delete("resp_b") is False
    store.put(stored("c", 5))
    assert kept(store, *"abc") == ["a", "c"]


def test_a_conversation_is_all_items_in_their_order() -> None:
    whole = attrs.evolve(stored("a"), before=({"id": "one"}, {"id": "two"}))
    ids = [item["id"] for item in whole.conversation]
    assert ids == ["one", "two", "msg_ai0", "msg_a0"]


# What comes after a response


def turns_after(previous: str, *items: Any, to: Responses, **changes: Any) -> tuple[Turn, ...]:
    return ask(*items, to=to, previous_response_id=previous, **changes).conversation.turns


def test_a_response_goes_on() -> None:
    to = dialect()
    answered("a", to=to)
    assert turns_after("resp_a", to=to) == (user("Hello"), assistant("Hi"), user("Hello"))


def test_three_links_are_one_conversation() -> None:
    to = dialect()
    answered("a", {"role": "developer", "content": "D"}, {"role": "user", "content": "1"}, to=to)
    answered("b", {"role": "user", "content": "2"}, to=to, previous_response_id="resp_a")
    told = answered("c", {"role": "user", "content": "3"}, to=to, previous_response_id="resp_b")
    assert told["previous_response_id"] == "resp_b"
    asked = ask({"role": "user", "content": "4"}, to=to, previous_response_id="resp_c")
    hi = assistant("Hi")
    assert asked.conversation.turns == (
        *(user("1"), hi, user("2"), hi, user("3"), hi),
        user("4"),
    )
    assert asked.conversation.profile.system == "D"


def test_a_chain_may_fork_and_outlives_its_links() -> None:
    to = dialect()
    answered("a", to=to)
    answered("b", {"role": "user", "content": "b"}, to=to, previous_response_id="resp_a")
    answered("c", {"role": "user", "content": "c"}, to=to, previous_response_id="resp_a")
    to.delete("resp_a")
    for unique in ("b", "c"):
        assert turns_after(f"resp_{unique}", to=to)[:3] == (
            user("Hello"),
            assistant("Hi"),
            user(unique),
        )


def test_a_link_counts_with_all_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # What a link needs stays in memory, even when nobody can ask for it by its own id any more.
    monkeypatch.setattr(responses_store, "MOST_BYTES", 10_000)
    to = dialect()
    answered("a", {"role": "user", "content": "x" * 6_000}, to=to)
    answered("b", {"role": "user", "content": "b"}, to=to, previous_response_id="resp_a")
    assert to.store.get("resp_a") is None
    assert to.store.get("resp_b") is not None
    more = {"role": "user", "content": "x" * 4_000}
    answered("c", more, to=to, previous_response_id="resp_b")
    assert to.store.get("resp_b") is None
    assert to.store.get("resp_c") is None


def test_instructions_are_not_handed_on() -> None:
    to = dialect()
    answered("a", to=to, instructions="Be brief.")
    assert ask(to=to, previous_response_id="resp_a").conversation.profile.system == ""


CALLED: tuple[Event, ...] = (
    Started("claude"),
    ToolCallStarted(0, "call_1", "f"),
    ToolArgumentsDelta(0, '{"x": 1}'),
    Finished("tool_calls", Usage()),
)
OUTPUT = {"type": "function_call_output", "call_id": "call1", "output": "42"}


def test_a_call_gets_its_output_in_the_next_request() -> None:
    to = dialect()
    answered("a", to=to, events=CALLED, tools=[F])
    assert turns_after("resp_a", OUTPUT, to=to, tools=[F]) == (
        user("Hello"),
        Turn("assistant", (tool_use("call1", "f", x=1),)),
        Turn("user", (tool_result("call1", text_block("42")),)),
    )


def test_a_call_of_the_response_before_needs_its_output() -> None:
    to = dialect()
    answered("a", to=to, events=CALLED, tools=[F])
    assert refused(lambda: turns_after("resp_a", to=to)) == (
        "No tool output found for function call call1.",
        "input",
        None,
    )


def test_a_call_that_was_cut_off_may_be_answered_or_left() -> None:
    to = dialect()
    events = (*CALLED[:2], ToolArgumentsDelta(0, '{"x"'), Finished("length", Usage()))
    told = answered("a", to=to, events=events, tools=[F])
    assert told["output"][0]["status"] == "incomplete"
    left = turns_after("resp_a", {"role": "user", "content": "Well?"}, to=to)
    assert left == (Turn("user", (text_block("Hello"), text_block("Well?"))),)
    answer = turns_after("resp_a", OUTPUT, to=to, tools=[F])
    assert [turn.role for turn in answer] == ["user", "assistant", "user"]


def test_thoughts_and_refusals_may_come_before() -> None:
    to = dialect()
    events = (Started("claude"), Finished("content_filter", Usage()))
    told = answered("a", to=to, events=events, reasoning={"summary": "auto"})
    refusal = told["output"][0]["content"][0]["refusal"]
    assert turns_after("resp_a", to=to) == (user("Hello"), assistant(refusal), user("Hello"))


def test_a_streamed_response_is_kept_as_well() -> None:
    to = dialect()
    writer = ask(to=to, stream=True).answer("a", 0)
    *events, finished = CALLED
    for event in events:
        writer.feed(event)
    # Nobody can go on from an answer that is not complete.
    assert to.store.get("resp_a") is None
    writer.feed(finished)
    assert turns_after("resp_a", OUTPUT, to=to)[1].role == "assistant"


def test_a_response_that_failed_is_not_kept() -> None:
    to = dialect()
    writer = ask(to=to, stream=True).answer("a", 0)
    writer.fail(APIError(502, "Down."))
    assert to.store.get("resp_a") is None


@pytest.mark.parametrize("stream", [False, True])
def test_what_shall_not_be_kept_is_not(stream: bool) -> None:
    to = dialect()
    writer = ask(to=to, store=False, stream=stream).answer("a", 0)
    for event in CALLED:
        writer.feed(event)
    assert to.store.get("resp_a") is None
    assert to.store.item("msg_ai0") is None


def test_what_came_before_must_be_there() -> None:
    message, *told = refused(lambda: turns_after("resp_x", to=dialect()))
    assert message.startswith("Previous response with id 'resp_x' not found. ")
    assert told == ["previous_response_id", "previous_response_not_found"]


# Asked for again


def test_a_response_is_fetched_as_it_was_told() -> None:
    to = dialect()
    told = answered("a", to=to, metadata={"a": "b"})
    fetched = json.loads(to.fetch("resp_a", {"stream": "false"}))
    assert fetched == told
    assert Response.model_validate(fetched, strict=True).output_text == "Hi"


def test_what_is_kept_is_not_streamed() -> None:
    to = dialect()
    answered("a", to=to)
    message, *told = refused(lambda: to.fetch("resp_a", {"stream": "true"}))
    assert message.startswith("Unsupported parameter: 'stream'.")
    assert told == ["stream", "unsupported_parameter"]


def test_a_response_is_deleted() -> None:
    to = dialect()
    answered("a", to=to)
    assert json.loads(to.delete("resp_a")) == {
        "id": "resp_a",
        "object": "response",
        "deleted": True,
    }
    assert to.store.get("resp_a") is None


@pytest.mark.parametrize(
    "asks",
    [
        lambda to: to.fetch("resp_x", {}),
        lambda to: to.delete("resp_x"),
        lambda to: to.input_items("resp_x", {}),
    ],
)
def test_what_is_not_kept_is_not_found(asks: Callable[[Responses], bytes]) -> None:
    with pytest.raises(APIError) as caught:
        asks(dialect())
    assert caught.value.status == 404
    assert caught.value.message == "Response with id 'resp_x' not found."


# Its input


def listed(query: dict[str, str], *items: Any) -> dict[str, Any]:
    """The input's items of the second of two responses."""
    to = dialect()
    answered("a", {"role": "user", "content": "1"}, to=to)
    answered("b", *(items or TWO), to=to, previous_response_id="resp_a")
    told: dict[str, Any] = json.loads(to.input_items("resp_b", query))
    return told


TWO = [{"role": "assistant", "content": "2"}, {"role": "user", "content": "3"}]
IDS = ["msg_ai0", "msg_a0", "msg_bi0", "msg_bi1"]


def test_items_are_listed_in_full() -> None:
    shown = listed(
        {"order": "asc"}, *TWO, {"id": "mine", "role": "assistant", "content": []}, *TWO[1:]
    )
    first, said, *more = shown["data"]
    assert first == {
        "type": "message",
        "id": "msg_ai0",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "1"}],
    }
    assert said["content"][0]["text"] == "Hi"
    kinds = [[part["type"] for part in item["content"]] for item in more]
    assert kinds == [["output_text"], ["input_text"], [], ["input_text"]]
    assert [item["id"] for item in more] == ["msg_bi0", "msg_bi1", "msg_bi2", "msg_bi3"]


def test_nobody_finds_an_item_by_an_id_that_its_client_gave_it() -> None:
    to = dialect()
    secret = {"id": "msg_1", "role": "user", "content": "BLUE"}
    answered("a", secret, {**secret, "content": "RED"}, to=to)
    assert to.store.item("msg_1") is None
    told = json.loads(to.input_items("resp_a", {"order": "asc"}))["data"]
    assert [item["id"] for item in told] == ["msg_ai0", "msg_ai1"]


def test_a_history_that_is_sent_again_takes_nothing_with_it_when_it_goes() -> None:
    to = dialect()
    first = answered("a", to=to)
    answered("b", {"role": "user", "content": "1"}, *first["output"], HELLO, to=to)
    to.delete("resp_b")
    assert to.store.item(first["output"][0]["id"]) is not None


SEARCHED: tuple[Block, ...] = (
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
)
SEARCH = {"type": "web_search_call", "id": "ws_s0", "action": {"type": "search", "query": "a"}}


@pytest.mark.parametrize("sent", [SEARCH, {"type": "item_reference", "id": "ws_s0"}])
def test_what_a_search_found_is_kept_for_a_history_that_is_sent_again(sent: Any) -> None:
    to = dialect()
    response = {"id": "resp_s", "output": [SEARCH]}
    to.store.put(Stored(response, (), (), 1, blocks={"ws_s0": SEARCHED}))
    answered("a", HELLO, sent, HELLO, to=to)
    # It has a new id there, and stays when the first one goes.
    to.delete("resp_s")
    listed = json.loads(to.input_items("resp_a", {"order": "asc"}))["data"][1]
    assert (listed["id"], listed["status"]) == ("ws_ai1", "completed")
    ITEM.validate_python(listed)
    _, searched, *_ = turns_after("resp_a", to=to)
    assert searched.blocks == tuple(map(untold, SEARCHED))
    to.delete("resp_a")
    assert to.store.blocks("ws_ai1") == ()


HALF = {
    "type": "function_call",
    "call_id": "c",
    "name": "f",
    "arguments": "{",
    "status": "incomplete",
}


@pytest.mark.parametrize(
    ("item", "where"),
    [
        *(({**HELLO, "id": wrong}, "input[0].id") for wrong in WRONG_IDS),
        ({**HELLO, "status": [3]}, "input[0].status"),
        ({"type": "reasoning", "id": {}, "summary": []}, "input[0].id"),
        *(
            ({"type": "reasoning", "summary": [], name: value}, f"input[0].{name}{at}")
            for name in ("content", "summary")
            for value, at in WRONG_PARTS
        ),
        (
            {**HALF, "id": []},
            "input[0].id",
        ),
    ],
)
def test_what_could_not_be_kept_is_refused_before_it_costs_anything(item: Any, where: str) -> None:
    assert refused(lambda: ask(item, HELLO))[1:] == (where, "invalid_type")


def test_half_a_call_may_hold_anything_else() -> None:
    to = dialect()
    half = {
        "type": "function_call",
        "call_id": "c",
        "name": "f",
        "arguments": "{",
        "status": "incomplete",
        "content": ["x"],
        "output": [[]],
    }
    answered("a", half, HELLO, to=to)
    assert json.loads(to.input_items("resp_a", {}))["data"][1]["content"] == ["x"]


def test_what_a_client_may_leave_out_of_an_item_is_filled_in() -> None:
    to = dialect()
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "id": None}
    image = {"type": "input_image", "image_url": PNG_URL}
    items: list[dict[str, Any]] = [
        {"role": "user", "content": "1"},
        {"role": "assistant", "content": "2"},
        call,
        {"type": "function_call_output", "call_id": "c", "output": [image]},
        {"role": "user", "content": [image, {"type": "input_text", "text": "3"}]},
    ]
    answered("a", *items, to=to)
    told = json.loads(to.input_items("resp_a", {"order": "asc"}))
    assert [item["id"] for item in told["data"]] == [
        *("msg_ai0", "msg_ai1", "fc_ai2", "fco_ai3", "msg_ai4"),
    ]
    for item in told["data"]:
        ITEM.validate_python(item, strict=True)
        assert item["status"] == "completed"
    assert told["data"][3]["output"][0]["detail"] == "auto"
    # And they are read again as they were.
    assert turns_after("resp_a", to=to)[:-2] == ask(*items).conversation.turns


@pytest.mark.parametrize(
    ("query", "ids", "has_more"),
    [
        ({}, IDS[::-1], False),
        ({"order": "desc"}, IDS[::-1], False),
        ({"order": "asc"}, IDS, False),
        ({"limit": "3"}, IDS[:0:-1], True),
        ({"limit": "4"}, IDS[::-1], False),
        ({"limit": "100"}, IDS[::-1], False),
        ({"order": "asc", "limit": "1"}, IDS[:1], True),
        ({"order": "asc", "after": IDS[1]}, IDS[2:], False),
        ({"order": "asc", "after": IDS[1], "limit": "1"}, IDS[2:3], True),
        ({"after": IDS[1]}, IDS[:1], False),
        ({"after": IDS[0]}, [], False),
        ({"after": IDS[3], "limit": "2"}, [IDS[2], IDS[1]], True),
        ({"include[]": "x"}, IDS[::-1], False),
    ],
)
def test_items_are_listed_page_by_page(
    query: dict[str, str], ids: Sequence[str], has_more: bool
) -> None:
    page = listed(query)
    assert [item["id"] for item in page.pop("data")] == ids
    assert page == {
        "object": "list",
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
        "has_more": has_more,
    }


@pytest.mark.parametrize(
    ("query", "param"),
    [
        *(({"limit": value}, "limit") for value in ("0", "101", "-1", "1.5", "x", "²", "1000")),
        ({"order": "up"}, "order"),
        ({"after": "msg_x"}, "after"),
        ({"after": ""}, "after"),
    ],
)
def test_a_page_that_cannot_be_is_refused(query: dict[str, str], param: str) -> None:
    told = refused(lambda: listed(query))[1:]
    assert told == (param, "invalid_value")


# Whose they are


def test_an_owner_gets_neither_the_responses_nor_the_items_of_others() -> None:
    store = keeping("a")
    theirs = attrs.evolve(stored("b"), owner="phone")
    store.put(theirs)
    assert store.get("resp_b", "phone") == theirs
    for owner in ("", "laptop"):
        assert store.get("resp_b", owner) is None
        assert store.item("msg_b0", owner) is None
        assert not store.delete("resp_b", owner)
    assert store.get("resp_a", "phone") is None
    assert store.delete("resp_b", "phone")
    assert store.get("resp_a") is not None


def test_items_of_two_owners_can_have_the_same_id() -> None:
    store = ResponseStore(lambda: 0, 10, 100)
    for owner in ("phone", "laptop"):
        response = {"id": f"resp_{owner}", "output": []}
        store.put(Stored(response, ({"id": "mine", "of": owner},), (), 1, owner))
    assert store.item("mine", "phone") == {"id": "mine", "of": "phone"}
    assert store.delete("resp_laptop", "laptop")
    assert store.item("mine", "laptop") is None
    assert store.item("mine", "phone") is not None
