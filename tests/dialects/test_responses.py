"""OpenAI Responses: what a request says, what is kept of it, and how it is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from claudeproxy.conversation import Profile, Tool, ToolChoice, Turn
from claudeproxy.dialects import Asked
from claudeproxy.dialects.responses import Responses
from claudeproxy.dialects.responses_store import ResponseStore
from claudeproxy.errors import APIError, bad_request, rate_limited
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

from .asking import PDF, PNG_URL, assistant, refused, tool_result, tool_use, user


EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
SCHEMA = {"type": "object", "properties": {}}
TOOL = {"type": "function", "name": "f", "description": "F", "parameters": SCHEMA}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "done"}
HELLO = {"role": "user", "content": "Hello"}
USAGE = Usage(5, 2, 3, 7, 1)
END = Finished("stop", USAGE, "end_turn")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def dialect(most: int = 10, age: float = 60) -> tuple[Responses, Clock]:
    clock = Clock()
    return Responses(ResponseStore(clock, most, age)), clock


def ask(given: Any = "Hello", made: Responses | None = None, **more: Any) -> Asked:
    body = {"model": "sonnet", "input": given, **more}
    return (made or dialect()[0]).read(json.dumps(body).encode())


def turns(*items: Any) -> tuple[Turn, ...]:
    return ask(list(items)).conversation.turns


def answered(asked: Asked, *events: Event, unique: str = "u") -> Any:
    answer = asked.answer(unique, 1)
    *before, last = [answer.feed(event) for event in (Started("claude-x"), *events)]
    assert not any(before)
    return json.loads(last)


def streamed(*events: Event, **more: Any) -> list[Any]:
    answer = ask(stream=True, **more).answer("u", 1)
    frames = b"".join(answer.feed(event) for event in (Started("claude-x"), *events))
    return read_events(frames)


def read_events(frames: bytes) -> list[Any]:
    events = []
    for number, frame in enumerate(frames.decode().split("\n\n")[:-1]):
        kind, data = frame.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert kind == f"event: {events[-1]['type']}"
        assert events[-1]["sequence_number"] == number
        EVENT.validate_python(events[-1])
    return events


def test_a_string_is_what_the_user_says() -> None:
    conversation = ask(instructions="I").conversation
    assert (conversation.profile, conversation.turns) == (Profile("I"), (user("Hello"),))


def test_items_are_turns() -> None:
    shown = [
        {"type": "input_image", "image_url": PNG_URL},
        {"type": "input_file", "file_data": PDF},
    ]
    said = [{"type": "output_text", "text": "A", "annotations": []}]
    conversation = ask(
        [
            {"role": "developer", "content": [{"type": "input_text", "text": "D"}]},
            {"type": "message", "role": "user", "content": shown},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "message", "role": "assistant", "content": said},
            CALL,
            OUTPUT,
            HELLO,
        ],
        instructions="I",
    ).conversation
    assert conversation.profile.system == "I\n\nD"
    first, second, third = conversation.turns
    assert [block["type"] for block in first.blocks] == ["image", "document"]
    assert second.blocks == (*assistant("A").blocks, tool_use("c1", "f", a=1))
    assert third.blocks == (tool_result("c1", *user("done").blocks), *user("Hello").blocks)


def test_tools_are_flat() -> None:
    conversation = ask(tools=[TOOL], tool_choice={"type": "function", "name": "f"}).conversation
    assert conversation.profile.tools == (Tool("f", "F", SCHEMA),)
    assert conversation.limits.tool_choice == ToolChoice("tool", "f", parallel=False)
    allowed = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "f"}],
    }
    other = {**TOOL, "name": "g"}
    conversation = ask(tools=[TOOL, other], tool_choice=allowed).conversation
    assert [tool.name for tool in conversation.profile.tools] == ["f"]
    assert conversation.limits.tool_choice == ToolChoice("any")


def test_limits_and_the_form_of_the_answer() -> None:
    form = {"type": "json_schema", "name": "n", "schema": SCHEMA}
    asked = ask(text={"format": form}, reasoning={"effort": "minimal"}, max_output_tokens=9)
    assert asked.conversation.profile.output_schema == SCHEMA
    assert (asked.conversation.limits.effort, asked.conversation.limits.max_tokens) == ("low", 9)
    assert ask(text={"format": {"type": "text"}}).conversation.profile.output_schema is None
    assert not ask(reasoning={"effort": "none"}).conversation.limits.thinking


def test_what_is_ignored_is_told() -> None:
    asked = ask(
        *([HELLO],),
        tools=[{**TOOL, "strict": True}],
        text={"verbosity": "low"},
        truncation="auto",
        include=["x"],
        user="me",
    )
    assert asked.ignored == ("user", "include", "truncation", "text.verbosity", "tools.strict")
    assert ask(include=[], truncation="disabled").ignored == ()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": " "}]}, "input[0].content"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type"),
        ({"input": [OUTPUT]}, "input[0].call_id"),
        ({"input": [CALL, CALL]}, "input[1].call_id"),
        ({"input": [CALL, HELLO]}, "input"),
        ({"input": [CALL, OUTPUT, OUTPUT]}, "input[2].call_id"),
        ({"input": [CALL]}, "input"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
            "input[0].content[0].file_id",
        ),
        ({"previous_response_id": "resp_x"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"conversation": "c"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"top_logprobs": 1}, "top_logprobs"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"text": {"format": {"type": "json_schema", "schema": SCHEMA}}}, "text.format.name"),
        ({"metadata": {"a": 1}}, "metadata.a"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(body: dict[str, Any], param: str) -> None:
    given = {"model": "sonnet", "input": "Hello", **body}
    _, named, _ = refused(lambda: dialect()[0].read(json.dumps(given).encode()))
    assert named == param


def test_errors_of_the_core_are_called_by_their_names_here() -> None:
    made, _ = dialect()
    for param, name in (("messages", "input"), ("response_format", "text.format"), (None, None)):
        body = json.loads(made.error_body(bad_request("why", param)))
        assert body["error"]["param"] == name


def test_a_response() -> None:
    calls = (ToolCallStarted(0, "t0", "f"), ToolArgumentsDelta(0, '{"a":1}'))
    end = Finished("tool_calls", USAGE, "tool_use")
    response = answered(
        ask(metadata={"a": "b"}, tools=[TOOL], reasoning={"summary": "auto"}),
        *(ReasoningDelta("hm"), TextDelta("a"), TextDelta("b"), *calls, end),
    )
    Response.model_validate(response)
    thought, message, call = response["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert message["content"][0]["text"] == "ab"
    assert (call["call_id"], call["name"], call["arguments"]) == ("t0", "f", '{"a":1}')
    assert (response["id"], response["status"], response["model"]) == (
        *("resp_u", "completed"),
        "claude-x",
    )
    assert (response["metadata"], response["tools"]) == ({"a": "b"}, [TOOL])
    assert response["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 3},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 17,
    }


def test_what_was_thought_is_told_only_when_it_is_asked_for() -> None:
    response = answered(ask(), ReasoningDelta("hm"), TextDelta("a"), END)
    assert [item["type"] for item in response["output"]] == ["message"]


@pytest.mark.parametrize(
    ("reason", "why"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_what_is_not_all_of_it_is_incomplete(reason: Any, why: str) -> None:
    end = Finished(reason, USAGE, "x")
    response = answered(ask(), TextDelta("a"), end)
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": why})
    events = streamed(TextDelta("a"), end)
    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["output"] == response["output"]


def test_a_stream_adds_up_to_the_response() -> None:
    parts = (
        *(ReasoningDelta("h"), ReasoningDelta("m"), TextDelta("a"), TextDelta("b")),
        *(
            ToolCallStarted(0, "t0", "f"),
            ToolArgumentsDelta(0, '{"a":'),
            ToolArgumentsDelta(0, "1}"),
        ),
        Finished("tool_calls", USAGE, "tool_use"),
    )
    events = streamed(*parts, reasoning={"summary": "auto"})
    assert [event["type"].removeprefix("response.") for event in events] == [
        *("created", "in_progress"),
        *("output_item.added", "reasoning_summary_part.added"),
        *("reasoning_summary_text.delta", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.delta"),
        *("function_call_arguments.done", "output_item.done", "completed"),
    ]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert events[-1]["response"]["output"] == done
    whole = answered(ask(reasoning={"summary": "auto"}), *parts)
    assert done == whole["output"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_stream_that_fails(begun: bool) -> None:
    answer = ask(stream=True).answer("u", 1)
    before = answer.feed(Started("m")) + answer.feed(TextDelta("a")) if begun else b""
    events = read_events(before + answer.fail(rate_limited("why", None)))
    assert events[0]["type"] == "response.created"
    assert events[-1]["type"] == "response.failed"
    error = {"code": "rate_limit_exceeded", "message": "why"}
    assert (events[-1]["response"]["status"], events[-1]["response"]["error"]) == ("failed", error)


def keep(made: Responses, unique: str, *events: Event, **more: Any) -> Any:
    return answered(ask(made=made, **more), *(events or (TextDelta("A"), END)), unique=unique)


def test_a_response_is_what_the_next_one_follows() -> None:
    made, _ = dialect()
    keep(made, "1", given="one", instructions="I")
    keep(made, "2", given="two", previous_response_id="resp_1")
    conversation = ask("three", made, previous_response_id="resp_2").conversation
    assert conversation.profile == Profile()
    assert conversation.turns == (
        *(user("one"), assistant("A"), user("two"), assistant("A")),
        user("three"),
    )


def test_a_call_and_its_output_in_the_next_request() -> None:
    made, _ = dialect()
    call = (ToolCallStarted(0, "c1", "f"), ToolArgumentsDelta(0, '{"a": 1}'))
    keep(made, "1", *call, Finished("tool_calls", USAGE, "tool_use"), tools=[TOOL])
    conversation = ask([OUTPUT], made, previous_response_id="resp_1").conversation
    assert conversation.turns[1:] == (
        Turn("assistant", (tool_use("c1", "f", a=1),)),
        Turn("user", (tool_result("c1", *user("done").blocks),)),
    )


def test_an_item_can_be_named_while_it_is_kept() -> None:
    made, clock = dialect()
    response = keep(made, "1")
    named = {"type": "item_reference", "id": response["output"][0]["id"]}
    assert ask([HELLO, named, HELLO], made).conversation.turns[1] == assistant("A")
    clock.now = 61
    with pytest.raises(APIError) as caught:
        ask([HELLO, named, HELLO], made)
    assert (caught.value.status, caught.value.param) == (404, "input[1].id")


def kept(made: Responses, *uniques: str) -> list[str]:
    return [one for one in uniques if made.store.get(f"resp_{one}") is not None]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    made, clock = dialect(most=2, age=60)
    for unique in ("1", "2", "3"):
        keep(made, unique)
        clock.now += 25
    assert kept(made, "1", "2", "3") == ["2", "3"]
    clock.now = 86
    assert kept(made, "2", "3") == ["3"]
    monkeypatch.setattr("claudeproxy.dialects.responses_store.MOST_BYTES", 100)
    keep(made, "4", given="x" * 200)
    assert kept(made, "3", "4") == []
    keep(made, "5", store=False)
    assert kept(made, "5") == []


def test_what_is_kept_can_be_looked_at_and_forgotten() -> None:
    made, _ = dialect()
    first = keep(made, "1", given="one")
    keep(made, "2", given="two", previous_response_id="resp_1")
    assert json.loads(made.fetch("resp_1")) == first
    items = json.loads(made.input_items("resp_2", {"order": "asc"}))
    texts = [item["content"][0]["text"] for item in items["data"]]
    assert (texts, items["has_more"]) == (["one", "A", "two"], False)
    page = json.loads(made.input_items("resp_2", {"limit": "1", "after": items["last_id"]}))
    assert (page["data"], page["has_more"]) == ([items["data"][1]], True)
    for query, param in (
        ({"limit": "0"}, "limit"),
        ({"after": "x"}, "after"),
        ({"order": "x"}, "order"),
    ):
        assert refused(lambda query=query: made.input_items("resp_2", query))[1] == param  # type: ignore[misc]
    assert json.loads(made.delete("resp_1"))["deleted"]
    for look in (made.fetch, made.delete):
        with pytest.raises(APIError) as caught:
            look("resp_1")
        assert caught.value.status == 404
