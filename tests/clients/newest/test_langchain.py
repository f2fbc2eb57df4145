"""LangChain: langchain-openai."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from .. import demo
from ..models import Person


get_weather = tool(demo.get_weather)


@pytest.fixture(params=[False, True], ids=["chat", "responses"])
def model(url: str, request: pytest.FixtureRequest) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=url,
        model=demo.MODEL,
        max_retries=0,
        stream_usage=True,
        use_responses_api=request.param,
    )


def test_an_answer_has_text_and_usage(model: ChatOpenAI) -> None:
    answer = model.invoke(demo.COUNT)
    assert answer.text == demo.COUNTED
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 12


def test_a_stream_has_text_and_usage(model: ChatOpenAI) -> None:
    pieces = list(model.stream(demo.COUNT))
    assert "".join(piece.text for piece in pieces) == demo.COUNTED
    assert len([piece for piece in pieces if piece.text]) > 1
    assert [piece.usage_metadata["output_tokens"] for piece in pieces if piece.usage_metadata] == [
        12
    ]


@demo.both
@demo.calling
def test_tools_are_called_and_their_results_answered(
    model: ChatOpenAI, text: str, cities: list[str], stream: bool
) -> None:
    bound = model.bind_tools([get_weather])

    def ask(messages: list[Any]) -> Any:
        if not stream:
            return bound.invoke(messages)
        first, *rest = bound.stream(messages)
        assert isinstance(first, AIMessageChunk)
        return sum(rest, first)

    messages: list[Any] = [HumanMessage(text)]
    first = ask(messages)
    assert [(call["name"], call["args"]) for call in first.tool_calls] == [
        ("get_weather", {"city": city}) for city in cities
    ]
    results = [get_weather.invoke(call) for call in first.tool_calls]
    last = ask([*messages, first, *results])
    assert last.tool_calls == []
    assert demo.told_of(last.text, *cities)


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("json_schema", demo.BE_PERSON),
        ("function_calling", demo.BE_PERSON.replace("StructuredOutput", "Person")),
        # No schema goes with it, and the demo cannot guess one.
        ("json_mode", demo.BE_PERSON),
    ],
)
def test_an_answer_is_parsed(model: ChatOpenAI, method: Any, text: str) -> None:
    assert model.with_structured_output(Person, method=method).invoke(text) == Person(**demo.PERSON)


def test_an_answer_to_a_bare_schema_is_parsed(model: ChatOpenAI) -> None:
    schema = {"title": "person", "description": "Somebody.", **demo.PERSON_SCHEMA}
    assert model.with_structured_output(schema, strict=True).invoke(demo.BE_PERSON) == demo.PERSON


def test_a_parsed_answer_streams(model: ChatOpenAI) -> None:
    *_, last = model.with_structured_output(Person).stream(demo.BE_PERSON)
    assert last == Person(**demo.PERSON)


def test_an_image_reaches_the_api(model: ChatOpenAI) -> None:
    image = {"type": "image_url", "image_url": {"url": demo.PIXEL_URL}}
    answer = model.invoke([HumanMessage([{"type": "text", "text": "SEEN"}, image])])
    assert demo.images(answer.text) == [demo.PIXEL_SOURCE]
