"""The official Python client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from .. import demo
from ..models import GetWeather, Person


TOOL = openai.pydantic_function_tool(GetWeather, name="get_weather")


def test_an_answer_has_text_and_usage(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=demo.MODEL, messages=demo.asking(demo.COUNT))
    [choice] = answer.choices
    assert choice.message.content == demo.COUNTED
    assert choice.finish_reason == "stop"
    assert not choice.message.tool_calls
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 12
    assert answer.usage.prompt_tokens > 0


def test_a_stream_has_text_and_usage(client: OpenAI) -> None:
    with client.chat.completions.create(
        model=demo.MODEL,
        messages=demo.asking(demo.COUNT),
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        *chunks, last = stream
    pieces = [chunk.choices[0].delta.content for chunk in chunks]
    assert "".join(piece or "" for piece in pieces) == demo.COUNTED
    assert last.usage is not None
    assert last.usage.completion_tokens == 12


def test_two_answers_are_two_choices(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=demo.MODEL, messages=demo.asking(demo.SAY), n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert [choice.message.content for choice in answer.choices] == [demo.TEXT, demo.TEXT]


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="gpt-nothing", messages=demo.asking(demo.SAY))
    assert raised.value.code == "model_not_found"


def test_the_models_are_listed(client: OpenAI) -> None:
    listed = [model.id for model in client.models.list()]
    assert listed
    assert client.models.retrieve(listed[0]).id == listed[0]


def test_a_limit_says_when_to_come_back(client: OpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(model=demo.MODEL, messages=demo.asking("ERR:429:30"))
    # The CLI adds a little of its own.
    assert 30 <= int(raised.value.response.headers["retry-after"]) <= 60


def test_an_error_in_a_stream_is_raised(client: OpenAI) -> None:
    with (
        pytest.raises(openai.APIError),
        client.chat.completions.create(
            model=demo.MODEL, messages=demo.asking(f"{demo.COUNT} SSEERR:3"), stream=True
        ) as stream,
    ):
        list(stream)


# Tools


def results(calls: Any) -> list[Any]:
    return [
        {
            "role": "tool",
            "tool_call_id": call.id,
            "content": demo.get_weather(json.loads(call.function.arguments)["city"]),
        }
        for call in calls
    ]


@demo.calling
@pytest.mark.parametrize("how", ["create", "parse", "stream"])
def test_tools_are_called_and_their_results_answered(
    client: OpenAI, how: str, text: str, cities: list[str]
) -> None:
    def ask(messages: list[Any]) -> Any:
        asked: Any = {"model": demo.MODEL, "messages": messages, "tools": [TOOL]}
        if how == "stream":
            with client.chat.completions.stream(**asked) as stream:
                answer: Any = stream.get_final_completion()
        else:
            answer = getattr(client.chat.completions, how)(**asked)
        return answer.choices[0]

    messages = demo.asking(text)
    first = ask(messages)
    assert first.finish_reason == "tool_calls"
    calls = first.message.tool_calls
    assert [(call.type, call.function.name) for call in calls] == [
        ("function", "get_weather")
    ] * len(cities)
    assert [json.loads(call.function.arguments) for call in calls] == [
        {"city": city} for city in cities
    ]
    assert len({call.id for call in calls}) == len(cities)
    if how != "create":
        assert [call.function.parsed_arguments for call in calls] == [
            GetWeather(city=city) for city in cities
        ]

    messages += [first.message.model_dump(exclude_none=True), *results(calls)]
    last = ask(messages)
    assert last.finish_reason == "stop"
    assert demo.told_of(last.message.content, *cities)


def test_a_call_that_was_cut_off_can_be_sent_back(client: OpenAI) -> None:
    text = f'QUIET CALL:get_weather:{{"city":"{"Llanfair" * 9}"}}'
    asked: Any = {"model": demo.MODEL, "tools": [TOOL]}
    cut = client.chat.completions.create(messages=demo.asking(text), max_tokens=2, **asked).choices[
        0
    ]
    assert cut.finish_reason == "length"
    [call] = cut.message.tool_calls or []
    assert call.type == "function"
    with pytest.raises(json.JSONDecodeError):
        json.loads(call.function.arguments)
    messages = [
        *demo.asking(text),
        cut.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "These arguments are no JSON."},
        *demo.asking(demo.SAY),
    ]
    last = client.chat.completions.create(messages=messages, **asked)
    assert last.choices[0].message.content == demo.TEXT


def test_a_stream_tells_of_the_calls_as_they_come(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=demo.MODEL, messages=demo.asking(demo.CALL_TWO), tools=[TOOL]
    ) as stream:
        events = list(stream)
    assert "".join(event.delta for event in events if event.type == "content.delta") == (
        "Let me call."
    )
    done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert [(event.index, event.parsed_arguments) for event in done] == [
        (0, GetWeather(city="Paris")),
        (1, GetWeather(city="Rome")),
    ]
    for index in (0, 1):
        deltas = [
            event.arguments_delta
            for event in events
            if event.type == "tool_calls.function.arguments.delta" and event.index == index
        ]
        assert json.loads("".join(deltas)) == {"city": ("Paris", "Rome")[index]}


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("required", ["get_weather"]),
        ({"type": "function", "function": {"name": "get_weather"}}, ["get_weather"]),
        ("none", []),
        ("auto", []),
    ],
    ids=["required", "named", "none", "auto"],
)
def test_a_tool_can_be_forced_and_forbidden(client: OpenAI, choice: Any, called: Any) -> None:
    answer = client.chat.completions.create(
        model=demo.MODEL, messages=demo.asking("hello"), tools=[TOOL], tool_choice=choice
    )
    calls: Any = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == called
    for call in calls:
        assert set(json.loads(call.function.arguments)) == {"city"}


# Images and reasoning


def test_an_image_reaches_the_api(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=demo.MODEL,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "SEEN"},
                    {"type": "image_url", "image_url": {"url": demo.PIXEL_URL}},
                ],
            }
        ],
    )
    assert demo.images(answer.choices[0].message.content) == [demo.PIXEL_SOURCE]


@demo.both
def test_reasoning_comes_beside_the_text(client: OpenAI, stream: bool) -> None:
    answer: Any = client.chat.completions.create(
        model=demo.MODEL,
        messages=demo.asking(demo.THINK),
        reasoning_effort="high",
        stream=stream,
    )
    said = [chunk.choices[0].delta for chunk in answer] if stream else [answer.choices[0].message]
    assert "".join(getattr(part, "reasoning_content", None) or "" for part in said) == demo.THOUGHT
    assert "".join(part.content or "" for part in said) == demo.TEXT


# Without threads


def test_the_asynchronous_client_does_it_all_at_once(url: str) -> None:
    async def run() -> tuple[Any, ...]:
        async with AsyncOpenAI(base_url=url, max_retries=0) as client:

            async def streamed(text: str, **options: Any) -> Any:
                async with client.chat.completions.stream(
                    model=demo.MODEL, messages=demo.asking(text), **options
                ) as stream:
                    return await stream.get_final_completion()

            return await asyncio.gather(
                client.chat.completions.create(model=demo.MODEL, messages=demo.asking(demo.SAY)),
                streamed(demo.SAY),
                streamed(demo.CALL, tools=[TOOL]),
                client.chat.completions.parse(
                    model=demo.MODEL,
                    messages=demo.asking(demo.BE_PERSON),
                    response_format=Person,
                ),
            )

    whole, streamed, calling, parsed = (answer.choices[0].message for answer in asyncio.run(run()))
    assert whole.content == streamed.content == demo.TEXT
    assert calling.tool_calls[0].function.parsed_arguments == GetWeather(city=demo.CITY)
    assert parsed.parsed == Person(**demo.PERSON)
