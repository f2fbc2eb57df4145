"""Pydantic AI: its agents."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic_ai import Agent, BinaryContent, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.messages import ModelMessage, ThinkingPart, ToolCallPart
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings
from pydantic_ai.providers.openai import OpenAIProvider

from .. import demo
from ..conftest import Went
from ..models import GetWeather, Person


@pytest.fixture
def model(url: str) -> OpenAIChatModel:
    return OpenAIChatModel(demo.MODEL, provider=OpenAIProvider(base_url=url, api_key="not-needed"))


def with_weather(model: OpenAIChatModel, output: Any = str) -> Agent[None, Any]:
    return Agent(model, output_type=output, tools=[demo.get_weather])


def ask(agent: Agent[None, Any], text: str, *, stream: bool) -> tuple[Any, Any]:
    """The output of a run, and the run."""

    async def streamed() -> tuple[Any, Any]:
        async with agent.run_stream(text) as run:
            return await run.get_output(), run

    if stream:
        return asyncio.run(streamed())
    run = agent.run_sync(text)
    return run.output, run


def calls(messages: Sequence[ModelMessage]) -> list[tuple[str, Any]]:
    return [
        (part.tool_name, part.args_as_dict())
        for message in messages
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]


@demo.both
def test_an_answer_has_text_and_usage(model: OpenAIChatModel, stream: bool) -> None:
    output, run = ask(Agent(model), demo.COUNT, stream=stream)
    assert output == demo.COUNTED
    assert run.usage.output_tokens == 12
    assert run.usage.requests == 1


def test_a_stream_comes_in_pieces(model: OpenAIChatModel) -> None:
    async def run() -> list[str]:
        async with Agent(model).run_stream(demo.COUNT) as running:
            return [piece async for piece in running.stream_text(delta=True, debounce_by=None)]

    pieces = asyncio.run(run())
    assert "".join(pieces) == demo.COUNTED
    assert len(pieces) > 1


@demo.both
@demo.calling
def test_tools_are_called_and_their_results_answered(
    model: OpenAIChatModel, text: str, cities: list[str], stream: bool
) -> None:
    # A stream that begins with text ends the run there: that is how its `run_stream` works.
    text = f"QUIET {text}"
    output, run = ask(with_weather(model), text, stream=stream)
    assert demo.told_of(output, *cities)
    assert calls(run.all_messages()) == [("get_weather", {"city": city}) for city in cities]
    assert run.usage.requests == 2


@demo.each_way
@demo.both
def test_an_answer_is_parsed(model: OpenAIChatModel, stream: bool) -> None:
    agent: Agent[None, Any] = Agent(model, output_type=NativeOutput(Person))
    assert ask(agent, demo.BE_PERSON, stream=stream)[0] == Person(**demo.PERSON)


@demo.both
@demo.each_setting
@pytest.mark.parametrize(
    ("output", "text", "by"),
    [
        # A call of the client's own.
        (ToolOutput(Person), demo.call_of("final_result", demo.PERSON), set()),
        # It tells the model the schema itself, and asks for any object.
        (PromptedOutput(Person), demo.BE_PERSON, {"tool"}),
    ],
    ids=["tool", "prompted"],
)
def test_an_answer_is_parsed_by_another_kind_of_output(
    model: OpenAIChatModel, output: Any, text: str, by: set[str], stream: bool, went: Went
) -> None:
    agent: Agent[None, Any] = Agent(model, output_type=output)
    assert ask(agent, text, stream=stream)[0] == Person(**demo.PERSON)
    assert {kind for kind, _ in went()} == by


@demo.each_way
@demo.both
def test_one_of_several_models_is_parsed(model: OpenAIChatModel, stream: bool) -> None:
    agent: Agent[None, Any] = Agent(model, output_type=NativeOutput([Person, GetWeather]))
    chosen = {"result": {"kind": "GetWeather", "data": {"city": demo.CITY}}}
    output, _ = ask(agent, f"ECHO:{json.dumps(chosen)}", stream=stream)
    assert output == GetWeather(city=demo.CITY)


@demo.each_way
@demo.both
def test_tools_go_with_structured_output(model: OpenAIChatModel, stream: bool) -> None:
    output, run = ask(with_weather(model, NativeOutput(Person)), demo.CALL, stream=stream)
    # The demo makes it up.
    assert isinstance(output, Person)
    assert calls(run.all_messages()) == [("get_weather", {"city": demo.CITY})]


def test_an_image_reaches_the_api(model: OpenAIChatModel) -> None:
    run = Agent(model).run_sync(["SEEN", BinaryContent.from_data_uri(demo.PIXEL_URL)])
    assert demo.images(run.output) == [demo.PIXEL_SOURCE]


@demo.both
def test_reasoning_comes_beside_the_text(model: OpenAIChatModel, stream: bool) -> None:
    settings = OpenAIChatModelSettings(openai_reasoning_effort="high")
    output, run = ask(Agent(model, model_settings=settings), demo.THINK, stream=stream)
    assert output == demo.TEXT
    thoughts = [
        part.content
        for message in run.all_messages()
        for part in message.parts
        if isinstance(part, ThinkingPart)
    ]
    assert thoughts == [demo.THOUGHT]
