"""LiteLLM: its `openai/` provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import litellm
import pytest

from .. import demo
from ..conftest import Went
from ..models import Person


litellm.telemetry = False
# Advice, on stdout.
litellm.suppress_debug_info = True

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "How warm it is.",
        "parameters": demo.WEATHER_SCHEMA,
    },
}

Ask = Callable[..., Any]


@pytest.fixture(params=["whole", "streamed"])
def ask(request: pytest.FixtureRequest, url: str) -> Ask:
    """Asks; the answer, which LiteLLM has put together if it was a stream."""

    def ask(messages: list[Any], **options: Any) -> Any:
        options |= {"model": f"openai/{demo.MODEL}", "api_base": url, "api_key": "not-needed"}
        options |= {"messages": messages, "max_retries": 0}
        if request.param == "whole":
            return litellm.completion(**options)
        chunks = list(
            litellm.completion(**options, stream=True, stream_options={"include_usage": True})
        )
        return litellm.stream_chunk_builder(chunks, messages=messages)

    return ask


def test_an_answer_has_text_and_usage(ask: Ask) -> None:
    answer = ask(demo.asking(demo.COUNT))
    assert answer.choices[0].message.content == demo.COUNTED
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 12


@demo.calling
def test_tools_are_called_and_their_results_answered(
    ask: Ask, text: str, cities: list[str]
) -> None:
    messages = demo.asking(text)
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
            {"role": "tool", "tool_call_id": number, "content": demo.get_weather(given["city"])}
            for number, _, given in calls
        ),
    ]
    last = ask(messages, tools=[TOOL]).choices[0]
    assert last.finish_reason == "stop"
    assert demo.told_of(last.message.content, *cities)


@demo.each_way
def test_an_answer_fits_a_schema(ask: Ask) -> None:
    answer = ask(demo.asking(demo.BE_PERSON), response_format=Person)
    assert json.loads(answer.choices[0].message.content) == demo.PERSON


@demo.each_setting
def test_an_answer_is_any_object(ask: Ask, went: Went) -> None:
    answer = ask(demo.asking(demo.BE_PERSON), response_format={"type": "json_object"})
    assert json.loads(answer.choices[0].message.content) == demo.PERSON
    assert {way for way, _ in went()} == {"tool"}


def test_an_image_reaches_the_api(ask: Ask) -> None:
    content = [
        {"type": "text", "text": "SEEN"},
        {"type": "image_url", "image_url": {"url": demo.PIXEL_URL}},
    ]
    answer = ask(demo.asking(content))
    assert demo.images(answer.choices[0].message.content) == [demo.PIXEL_SOURCE]


def test_reasoning_comes_beside_the_text(ask: Ask) -> None:
    # It knows the model by no name of its own, and would not send what it does not know of.
    answer = ask(
        demo.asking(demo.THINK), reasoning_effort="high", allowed_openai_params=["reasoning_effort"]
    )
    assert answer.choices[0].message.reasoning_content == demo.THOUGHT
    assert answer.choices[0].message.content == demo.TEXT


def test_it_answers_without_threads(url: str) -> None:
    answer: Any = asyncio.run(
        litellm.acompletion(
            model=f"openai/{demo.MODEL}",
            api_base=url,
            api_key="not-needed",
            messages=demo.asking(demo.SAY),
        )
    )
    assert answer.choices[0].message.content == demo.TEXT


def test_an_unknown_model_is_not_found(url: str) -> None:
    with pytest.raises(litellm.exceptions.NotFoundError):
        litellm.completion(
            model="openai/gpt-nothing",
            api_base=url,
            api_key="not-needed",
            messages=demo.asking(demo.SAY),
            max_retries=0,
        )


def test_it_cites_pages_that_it_found(ask: Ask) -> None:
    options = {"search_context_size": "medium"}
    answer = ask(demo.asking(demo.SEARCH), web_search_options=options)
    message = answer.choices[0].message
    cited = [each["url_citation"] for each in message.annotations]
    found = [
        (message.content[each["start_index"] : each["end_index"]], each["url"]) for each in cited
    ]
    assert found == demo.CITED


@demo.both
def test_its_anthropic_provider_searches_and_fetches(url: str, stream: bool) -> None:
    # It sends the fields of a tool as they are.
    fetch = {"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": 1}
    options: dict[str, Any] = {
        "model": f"anthropic/{demo.MODEL}",
        "api_base": url.removesuffix("/v1"),
        "api_key": "not-needed",
        "max_retries": 0,
        "web_search_options": {"search_context_size": "low"},
        "tools": [fetch],
    }
    messages = demo.asking(f"{demo.SEARCH} FETCH:https://example.com/red")
    answer: Any = litellm.completion(messages=messages, stream=stream, **options)
    if stream:
        answer = litellm.stream_chunk_builder(list(answer), messages=messages)
    assert all(text in answer.choices[0].message.content for text, _ in demo.CITED)
    assert "I read https://example.com/red." in answer.choices[0].message.content
