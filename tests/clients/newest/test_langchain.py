"""LangChain: langchain-openai."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from .. import demo
from ..conftest import Went
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


def parsed(structured: Any, text: str, *, stream: bool) -> Any:
    if not stream:
        return structured.invoke(text)
    *_, last = structured.stream(text)
    return last


@demo.each_way
@demo.both
def test_an_answer_is_parsed(model: ChatOpenAI, stream: bool) -> None:
    structured = model.with_structured_output(Person, method="json_schema")
    assert parsed(structured, demo.BE_PERSON, stream=stream) == Person(**demo.PERSON)


@demo.both
@demo.each_setting
@pytest.mark.parametrize(
    ("method", "text", "by"),
    [
        # A call of the client's own.
        ("function_calling", demo.call_of("Person", demo.PERSON), set()),
        # No schema goes with it, so the API cannot be told one.
        ("json_mode", demo.BE_PERSON, {"tool"}),
    ],
    ids=["function_calling", "json_mode"],
)
def test_an_answer_is_parsed_by_another_method(
    model: ChatOpenAI, method: Any, text: str, by: set[str], stream: bool, went: Went
) -> None:
    structured = model.with_structured_output(Person, method=method)
    assert parsed(structured, text, stream=stream) == Person(**demo.PERSON)
    assert {kind for kind, _ in went()} == by


@demo.each_way
@demo.both
def test_an_answer_to_a_bare_schema_is_parsed(model: ChatOpenAI, stream: bool) -> None:
    schema = {"title": "person", "description": "Somebody.", **demo.PERSON_SCHEMA}
    structured = model.with_structured_output(schema, strict=True)
    assert parsed(structured, demo.BE_PERSON, stream=stream) == demo.PERSON


@demo.each_way
def test_the_message_comes_with_what_was_parsed(model: ChatOpenAI) -> None:
    structured: Any = model.with_structured_output(Person, include_raw=True)
    answer = structured.invoke(demo.BE_PERSON)
    assert answer["parsed"] == Person(**demo.PERSON)
    assert answer["parsing_error"] is None
    assert json.loads(answer["raw"].text) == demo.PERSON


def test_an_image_reaches_the_api(model: ChatOpenAI) -> None:
    image = {"type": "image_url", "image_url": {"url": demo.PIXEL_URL}}
    answer = model.invoke([HumanMessage([{"type": "text", "text": "SEEN"}, image])])
    assert demo.images(answer.text) == [demo.PIXEL_SOURCE]


@demo.both
def test_it_searches_the_web(url: str, stream: bool) -> None:
    # With such a tool it goes to Responses by itself.
    model = ChatOpenAI(base_url=url, model=demo.MODEL, max_retries=0)
    bound = model.bind_tools([{"type": "web_search"}, get_weather])

    def ask(*messages: Any) -> Any:
        if not stream:
            return bound.invoke([*messages])
        first, *rest = bound.stream([*messages])
        assert isinstance(first, AIMessageChunk)
        return sum(rest, first)

    asked = HumanMessage(demo.SEARCH)
    answer = ask(asked)
    call, result, text = answer.content_blocks[1:]
    assert (call["type"], call["name"], call["args"]["query"]) == (
        "server_tool_call",
        "web_search",
        demo.QUERY,
    )
    assert (result["type"], result["status"]) == ("server_tool_result", "success")
    cited = [
        (text["text"][each["start_index"] : each["end_index"]], each["url"])
        for each in text["annotations"]
    ]
    assert cited == demo.CITED
    assert answer.tool_calls == []
    blocks = demo.assistants_blocks(ask(asked, answer, HumanMessage("SEEN")).text)
    assert [page["url"] for page in blocks[2]["content"]] == demo.PAGES
