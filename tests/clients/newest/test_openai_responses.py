"""The official Python client on Responses."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from .. import demo
from ..models import GetWeather, Person


TOOL: Any = openai.pydantic_function_tool(GetWeather, name="get_weather")["function"]
TOOL = {"type": "function", **TOOL}


def test_an_answer_has_text_and_usage(ask: Any) -> None:
    answer = ask(demo.COUNT)
    assert (answer.status, answer.output_text) == ("completed", demo.COUNTED)
    assert answer.usage.output_tokens == 12
    assert answer.usage.input_tokens > 0


def test_an_answer_that_is_cut_off_is_incomplete(ask: Any) -> None:
    answer = ask(demo.COUNT, max_output_tokens=3)
    assert answer.status == "incomplete"
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.output_text == "tok0 tok1 tok2 "


def test_a_response_goes_on(ask: Any) -> None:
    first = ask(demo.SAY)
    second = ask("SEEN", previous_response_id=first.id, instructions="Be brief.")
    seen = json.loads(second.output_text)["messages"]
    assert [message["role"] for message in seen if message["role"] != "system"] == [
        "user",
        "assistant",
        "user",
    ]


@demo.calling
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "sent again"])
def test_tools_are_called_and_their_outputs_answered(
    ask: Any, kept: bool, text: str, cities: list[str]
) -> None:
    first = ask(text, tools=[TOOL], store=kept)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == [{"city": city} for city in cities]
    outputs = [
        {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": demo.get_weather(json.loads(call.arguments)["city"]),
        }
        for call in calls
    ]
    if kept:
        last = ask(outputs, tools=[TOOL], previous_response_id=first.id)
    else:
        before = [{"role": "user", "content": text}, *first.output]
        last = ask([*before, *outputs], tools=[TOOL], store=False)
    assert demo.told_of(last.output_text, *cities)


def test_a_stream_tells_of_the_calls_as_they_come(client: OpenAI) -> None:
    with client.responses.stream(model=demo.MODEL, input=demo.CALL_TWO, tools=[TOOL]) as stream:
        events = list(stream)
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    for event, city in zip(done, ("Paris", "Rome"), strict=True):
        deltas = [
            delta.delta
            for delta in events
            if delta.type == "response.function_call_arguments.delta"
            and delta.item_id == event.item_id
        ]
        assert json.loads("".join(deltas)) == json.loads(event.arguments) == {"city": city}


def test_what_was_thought_is_summed_up(ask: Any) -> None:
    answer = ask(demo.THINK, reasoning={"effort": "high", "summary": "auto"})
    thought, message = answer.output
    assert [part.text for part in thought.summary] == [demo.THOUGHT]
    assert message.content[0].text == demo.TEXT


def test_an_image_reaches_the_api(client: OpenAI) -> None:
    parts: Any = [
        {"type": "input_text", "text": "SEEN"},
        {"type": "input_image", "image_url": demo.PIXEL_URL, "detail": "auto"},
    ]
    answer = client.responses.create(model=demo.MODEL, input=[{"role": "user", "content": parts}])
    assert demo.images(answer.output_text) == [demo.PIXEL_SOURCE]


def test_what_is_kept_can_be_had_again(client: OpenAI) -> None:
    first = client.responses.create(model=demo.MODEL, input=demo.SAY)
    assert client.responses.retrieve(first.id) == first
    [item] = client.responses.input_items.list(first.id)
    assert (item.type, item.role) == ("message", "user")
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model=demo.MODEL, input=demo.SAY, previous_response_id=first.id)
    assert raised.value.code == "previous_response_not_found"


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "tools[0].type"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_had_is_said(client: OpenAI, more: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model=demo.MODEL, input=demo.SAY, **more)
    assert raised.value.param == param


def test_a_hosted_tool_beside_others_is_left_out_and_listed(client: OpenAI) -> None:
    tools: Any = [TOOL, {"type": "code_interpreter", "container": "auto"}]
    answer = client.responses.with_raw_response.create(
        model=demo.MODEL, input=demo.SAY, tools=tools
    )
    assert "tools[].code_interpreter" in answer.headers["x-claudeproxy-ignored"]
    assert answer.parse().output_text == demo.TEXT


def test_a_stream_that_breaks_off_has_failed(client: OpenAI) -> None:
    *_, last = client.responses.create(
        model=demo.MODEL, input=f"{demo.COUNT} SSEERR:3", stream=True
    )
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.message


def test_the_asynchronous_client_does_it_all_at_once(url: str) -> None:
    async def run() -> tuple[Any, ...]:
        async with AsyncOpenAI(base_url=url, max_retries=0) as client:

            async def streamed() -> Any:
                async with client.responses.stream(model=demo.MODEL, input=demo.SAY) as stream:
                    return await stream.get_final_response()

            return await asyncio.gather(
                client.responses.create(model=demo.MODEL, input=demo.SAY),
                streamed(),
                client.responses.parse(model=demo.MODEL, input=demo.BE_PERSON, text_format=Person),
            )

    whole, streamed, parsed = asyncio.run(run())
    assert whole.output_text == streamed.output_text == demo.TEXT
    assert parsed.output_parsed == Person(**demo.PERSON)
