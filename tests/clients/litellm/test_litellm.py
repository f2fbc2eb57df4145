"""LiteLLM: its `openai/` provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import litellm
import pytest

from ..person import Person
from ..scripted import (
    BE_PERSON,
    CALL,
    CALL_TWO,
    CITY,
    COUNT,
    COUNTED,
    MODEL,
    PERSON,
    PIXEL_SOURCE,
    PIXEL_URL,
    SAY,
    TEXT,
    THINK,
    THOUGHT,
    images,
    told_of,
    weather,
)


litellm.telemetry = False
# Advice, on stdout.
litellm.suppress_debug_info = True

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "How warm it is.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}

Ask = Callable[..., Any]


def asking(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


@pytest.fixture(params=["whole", "streamed"])
def ask(request: pytest.FixtureRequest, url: str) -> Ask:
    """Asks; the answer, which LiteLLM has put together if it was a stream."""

    def ask(messages: list[Any], **options: Any) -> Any:
        options |= {"model": f"openai/{MODEL}", "api_base": url, "api_key": "not-needed"}
        options |= {"messages": messages, "max_retries": 0}
        if request.param == "whole":
            return litellm.completion(**options)
        chunks = list(
            litellm.completion(**options, stream=True, stream_options={"include_usage": True})
        )
        return litellm.stream_chunk_builder(chunks, messages=messages)

    return ask


def test_an_answer_has_text_and_usage(ask: Ask) -> None:
    answer = ask(asking(COUNT))
    assert answer.choices[0].message.content == COUNTED
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 12


@pytest.mark.parametrize(
    ("text", "cities"), [(CALL, [CITY]), (CALL_TWO, [CITY, "Rome"])], ids=["one", "two"]
)
def test_tools_are_called_and_their_results_answered(
    ask: Ask, text: str, cities: list[str]
) -> None:
    messages = asking(text)
    first = ask(messages, tools=[TOOL]).choices[0]
    assert first.finish_reason == "tool_calls"
    calls = [
        (call.id, call.function.name, json.loads(call.function.arguments))
        for call in first.message.tool_calls
    ]
    assert [(name, given) for _, name, given in calls] == [
        ("get_weather", {"city": city}) for city in cities
    ]
    messages += [
        first.message.model_dump(),
        *(
            {"role": "tool", "tool_call_id": number, "content": weather(given["city"])}
            for number, _, given in calls
        ),
    ]
    last = ask(messages, tools=[TOOL]).choices[0]
    assert last.finish_reason == "stop"
    assert told_of(last.message.content, *cities)


def test_an_answer_fits_a_schema(ask: Ask) -> None:
    answer = ask(asking(BE_PERSON), response_format=Person)
    assert json.loads(answer.choices[0].message.content) == PERSON


def test_an_image_reaches_the_api(ask: Ask) -> None:
    content = [
        {"type": "text", "text": "SEEN"},
        {"type": "image_url", "image_url": {"url": PIXEL_URL}},
    ]
    answer = ask(asking(content))
    assert images(answer.choices[0].message.content) == [PIXEL_SOURCE]


def test_reasoning_comes_beside_the_text(ask: Ask) -> None:
    # It knows the model by no name of its own, and would not send what it does not know of.
    answer = ask(asking(THINK), reasoning_effort="high", allowed_openai_params=["reasoning_effort"])
    assert answer.choices[0].message.reasoning_content == THOUGHT
    assert answer.choices[0].message.content == TEXT


def test_it_answers_without_threads(url: str) -> None:
    answer: Any = asyncio.run(
        litellm.acompletion(
            model=f"openai/{MODEL}", api_base=url, api_key="not-needed", messages=asking(SAY)
        )
    )
    assert answer.choices[0].message.content == TEXT


def test_an_unknown_model_is_not_found(url: str) -> None:
    with pytest.raises(litellm.exceptions.NotFoundError):
        litellm.completion(
            model="openai/gpt-nothing",
            api_base=url,
            api_key="not-needed",
            messages=asking(SAY),
            max_retries=0,
        )
