"""langchain-anthropic: structured output, and web search."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessageChunk, HumanMessage

from .. import demo
from ..conftest import Went
from ..models import Person


@pytest.fixture
def model(url: str) -> ChatAnthropic:
    options: Any = {"model": demo.MODEL, "max_tokens": 1000, "max_retries": 0}
    return ChatAnthropic(base_url=url.removesuffix("/v1"), api_key="not-needed", **options)


def parsed(structured: Any, text: str, *, stream: bool) -> Any:
    if not stream:
        return structured.invoke(text)
    *_, last = structured.stream(text)
    return last


@demo.each_way
@demo.both
@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (Person, Person(**demo.PERSON)),
        ({"title": "Person", "description": "Somebody.", **demo.PERSON_SCHEMA}, demo.PERSON),
    ],
    ids=["model", "schema"],
)
def test_an_answer_is_parsed(
    model: ChatAnthropic, schema: Any, expected: Any, stream: bool
) -> None:
    structured = model.with_structured_output(schema, method="json_schema")
    assert parsed(structured, demo.BE_PERSON, stream=stream) == expected


@demo.each_setting
@demo.both
def test_an_answer_is_parsed_from_a_call(model: ChatAnthropic, stream: bool, went: Went) -> None:
    structured = model.with_structured_output(Person, method="function_calling")
    text = demo.call_of("Person", demo.PERSON)
    assert parsed(structured, text, stream=stream) == Person(**demo.PERSON)
    assert not went()


@demo.both
def test_it_searches_the_web(model: ChatAnthropic, stream: bool) -> None:
    tools = [
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 1},
        {"type": "web_fetch_20250910", "name": "web_fetch", "citations": {"enabled": True}},
    ]
    bound = model.bind_tools(tools)

    def ask(*messages: Any) -> Any:
        if not stream:
            return bound.invoke([*messages])
        first, *rest = bound.stream([*messages])
        assert isinstance(first, AIMessageChunk)
        return sum(rest, first)

    asked = HumanMessage(f"QUIET {demo.SEARCH} SEARCH:more FETCH:https://example.com/red")
    answer = ask(asked)
    calls = [block for block in answer.content_blocks if block["type"] == "server_tool_call"]
    assert [(call["name"], call["args"]) for call in calls] == [
        ("web_search", {"query": demo.QUERY}),
        ("web_search", {"query": "more"}),
        ("web_fetch", {"url": "https://example.com/red"}),
    ]
    results = [block for block in answer.content if block["type"].endswith("_tool_result")]
    assert [page["url"] for page in results[0]["content"]] == demo.PAGES
    assert results[1]["content"]["error_code"] == "max_uses_exceeded"
    assert results[2]["content"]["url"] == "https://example.com/red"
    cited = [
        (block["text"], each["url"])
        for block in answer.content_blocks
        for each in block.get("annotations", ())
        if "url" in each
    ]
    assert cited == demo.CITED
    if not stream:
        used = answer.response_metadata["usage"]["server_tool_use"]
        assert used == {"web_search_requests": 1, "web_fetch_requests": 1}
    blocks = demo.assistants_blocks(ask(asked, answer, HumanMessage("SEEN")).text)
    assert [block["type"] for block in blocks] == [block["type"] for block in answer.content]
    assert blocks[1]["content"] == results[0]["content"]
