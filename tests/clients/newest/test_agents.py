"""OpenAI's agents SDK, on Responses (its default) and on Chat Completions."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    WebSearchTool,
    function_tool,
)
from agents.items import ToolCallItem
from agents.models.interface import Model
from openai import AsyncOpenAI
from openai.types.responses import ResponseTextDeltaEvent

from .. import demo
from ..models import Person


get_weather = function_tool(demo.get_weather)


@pytest.fixture(params=[OpenAIResponsesModel, OpenAIChatCompletionsModel])
def model(url: str, request: pytest.FixtureRequest) -> Model:
    made: Model = request.param(demo.MODEL, AsyncOpenAI(base_url=url, max_retries=0))
    return made


async def take_turn(agent: Agent[Any], text: str, *, stream: bool, **more: Any) -> tuple[Any, str]:
    """What came of a run, and the text that streamed meanwhile."""
    if not stream:
        return await Runner.run(agent, text, **more), ""
    result = Runner.run_streamed(agent, text, **more)
    deltas = [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent)
    ]
    return result, "".join(deltas)


def run(agent: Agent[Any], text: str, *, stream: bool) -> tuple[Any, str]:
    return asyncio.run(take_turn(agent, text, stream=stream))


@demo.both
def test_an_answer_has_text_and_usage(model: Model, stream: bool) -> None:
    settings = ModelSettings(include_usage=True)
    agent = Agent("Bob", model=model, instructions="Be brief.", model_settings=settings)
    result, streamed = run(agent, demo.COUNT, stream=stream)
    assert result.final_output == demo.COUNTED
    assert streamed == (demo.COUNTED if stream else "")
    assert result.context_wrapper.usage.output_tokens == 12


@demo.both
@demo.calling
def test_tools_are_called_and_their_results_answered(
    model: Model, text: str, cities: list[str], stream: bool
) -> None:
    result, _ = run(Agent("Bob", model=model, tools=[get_weather]), text, stream=stream)
    assert demo.told_of(result.final_output, *cities)
    calls: list[Any] = [
        item.raw_item for item in result.new_items if isinstance(item, ToolCallItem)
    ]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        ("get_weather", {"city": city}) for city in cities
    ]


@demo.each_way
@demo.both
def test_an_answer_is_parsed(model: Model, stream: bool) -> None:
    result, _ = run(Agent("Bob", model=model, output_type=Person), demo.BE_PERSON, stream=stream)
    assert result.final_output == Person(**demo.PERSON)


def test_an_agent_hands_over_to_another(model: Model) -> None:
    other = Agent("Alice", model=model)
    agent = Agent("Bob", model=model, handoffs=[other])
    result, _ = run(agent, "CALL:transfer_to_alice", stream=False)
    assert result.last_agent is other
    assert result.final_output.startswith("TOOL_RESULT:")


@pytest.fixture
def responses(url: str) -> Model:
    return OpenAIResponsesModel(demo.MODEL, AsyncOpenAI(base_url=url, max_retries=0))


@demo.both
def test_its_web_search_tool_searches(responses: Model, stream: bool) -> None:
    place: Any = {"type": "approximate", "city": "Paris"}
    tool = WebSearchTool(user_location=place, search_context_size="low")
    settings = ModelSettings(response_include=["web_search_call.action.sources"])
    agent = Agent("Bob", model=responses, tools=[tool], model_settings=settings)
    result, streamed = run(agent, f"QUIET {demo.SEARCH}", stream=stream)
    search, message = (item.raw_item for item in result.new_items)
    assert (search.type, search.status) == ("web_search_call", "completed")
    assert search.action.query == demo.QUERY
    assert [source.url for source in search.action.sources] == demo.PAGES
    [text] = message.content
    assert [annotation.url for annotation in text.annotations] == demo.PAGES[:2]
    assert text.annotations[0].title == f"Guide: {demo.QUERY} near Paris"
    assert text.text == result.final_output
    assert streamed == (result.final_output if stream else "")


@demo.both
def test_its_web_search_tool_is_beside_a_function(responses: Model, stream: bool) -> None:
    agent = Agent("Bob", model=responses, tools=[WebSearchTool(), get_weather])
    session = SQLiteSession("web")

    async def running() -> list[Any]:
        texts = (f"{demo.SEARCH} {demo.CALL}", "SEEN")
        turns = [await take_turn(agent, text, stream=stream, session=session) for text in texts]
        return [result for result, _ in turns]

    first, second = asyncio.run(running())
    calls: list[Any] = [item.raw_item for item in first.new_items if isinstance(item, ToolCallItem)]
    assert [call.type for call in calls] == ["web_search_call", "function_call"]
    assert demo.told_of(first.final_output, demo.CITY)
    # The items of the first turn were sent again.
    blocks = demo.assistants_blocks(second.final_output)
    assert [block["type"] for block in blocks] == [
        *("server_tool_use", "web_search_tool_result", "tool_use", "text")
    ]
    assert [page["url"] for page in blocks[1]["content"]] == demo.PAGES
