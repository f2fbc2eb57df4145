"""Pydantic AI: web search and web fetch by the tools of the model's API."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.capabilities import WebFetch, WebSearch
from pydantic_ai.messages import NativeToolCallPart, NativeToolReturnPart
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from .. import demo


URL = "https://example.com/red"


def openai(url: str) -> OpenAIProvider:
    return OpenAIProvider(base_url=url, api_key="not-needed")


def anthropic(url: str) -> Model:
    provider = AnthropicProvider(base_url=url.removesuffix("/v1"), api_key="not-needed")
    return AnthropicModel(demo.MODEL, provider=provider)


@pytest.fixture(params=["responses", "messages"])
def model(request: pytest.FixtureRequest, url: str) -> Model:
    if request.param == "messages":
        return anthropic(url)
    return OpenAIResponsesModel(demo.MODEL, provider=openai(url))


def run(agent: Agent[None, str], text: str, *, stream: bool, after: Any = ()) -> Any:
    """A run, when it has ended."""

    async def streamed() -> Any:
        async with agent.run_stream(text, message_history=[*after]) as run:
            await run.get_output()
            return run

    if stream:
        return asyncio.run(streamed())
    return agent.run_sync(text, message_history=[*after])


def output(ended: Any) -> str:
    text: str = ended.all_messages()[-1].text
    return text


def parts(ended: Any, kind: Any) -> list[Any]:
    return [
        part for message in ended.all_messages() for part in message.parts if isinstance(part, kind)
    ]


@demo.both
def test_it_searches_the_web(model: Model, stream: bool) -> None:
    agent = Agent(model, capabilities=[WebSearch()], tools=[demo.get_weather])
    first = run(agent, f"{demo.SEARCH} {demo.CALL}", stream=stream)
    [call] = parts(first, NativeToolCallPart)
    assert (call.tool_name, call.args_as_dict()["query"]) == ("web_search", demo.QUERY)
    [_] = parts(first, NativeToolReturnPart)
    assert demo.told_of(output(first), demo.CITY)
    # The history that it sends back.
    last = run(agent, "SEEN", stream=stream, after=first.all_messages())
    blocks = demo.assistants_blocks(output(last))
    [found] = [block for block in blocks if block["type"] == "web_search_tool_result"]
    assert [page["url"] for page in found["content"]] == demo.PAGES


@demo.both
def test_it_fetches_a_page(url: str, stream: bool) -> None:
    agent = Agent(anthropic(url), capabilities=[WebFetch(allowed_domains=["example.com"])])
    first = run(agent, f"FETCH:{URL}", stream=stream)
    [call] = parts(first, NativeToolCallPart)
    assert (call.tool_name, call.args_as_dict()) == ("web_fetch", {"url": URL})
    last = run(agent, "SEEN", stream=stream, after=first.all_messages())
    [fetched] = [
        block
        for block in demo.assistants_blocks(output(last))
        if block["type"] == "web_fetch_tool_result"
    ]
    assert fetched["content"]["url"] == URL


def test_a_page_elsewhere_is_not_fetched(url: str) -> None:
    agent = Agent(anthropic(url), capabilities=[WebFetch(allowed_domains=["example.org"])])
    assert "url_not_allowed" in agent.run_sync(f"FETCH:{URL}").output


def test_it_searches_by_chat_completions(url: str) -> None:
    profile: Any = {"openai_chat_supports_web_search": True}
    model = OpenAIChatModel(demo.MODEL, provider=openai(url), profile=profile)
    place: Any = {"city": "Paris", "country": "FR"}
    agent = Agent(model, capabilities=[WebSearch(user_location=place)])
    assert f"{demo.QUERY} near Paris" in agent.run_sync(demo.SEARCH).output
