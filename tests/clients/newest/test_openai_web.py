"""Web search by the official Python client, on Responses and on Chat Completions."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

import openai
import pytest
from openai import OpenAI

from .. import demo
from ..models import GetWeather


TOOLS: Any = [{"type": "web_search"}]
SOURCES = ["web_search_call.action.sources"]
WEATHER: Any = {
    "type": "function",
    **openai.pydantic_function_tool(GetWeather, name="get_weather")["function"],
}


def searches(answer: Any) -> list[Any]:
    return [item for item in answer.output if item.type == "web_search_call"]


def cited(text: str, annotations: Any) -> list[tuple[str, str]]:
    """Each part of a text that is cited, with the URL of its page."""
    return [(text[each.start_index : each.end_index], each.url) for each in annotations]


# Responses


def test_a_search_is_an_item_and_its_pages_are_cited(ask: Any) -> None:
    answer = ask(demo.SEARCH, tools=TOOLS, include=SOURCES)
    before, search, message = answer.output
    assert before.content[0].text == "Let me search."
    assert (search.type, search.status) == ("web_search_call", "completed")
    assert (search.action.type, search.action.query) == ("search", demo.QUERY)
    assert [source.url for source in search.action.sources] == demo.PAGES
    [text] = message.content
    assert cited(text.text, text.annotations) == demo.CITED
    assert {annotation.type for annotation in text.annotations} == {"url_citation"}
    assert [annotation.title for annotation in text.annotations] == [
        f"Guide: {demo.QUERY}",
        f"News: {demo.QUERY}",
    ]


def test_sources_are_listed_only_if_they_are_asked_for(ask: Any) -> None:
    [search] = searches(ask(demo.SEARCH, tools=TOOLS))
    assert search.action.sources is None


@pytest.mark.parametrize("helper", [False, True])
def test_the_events_of_a_search_come_in_order(client: OpenAI, helper: bool) -> None:
    asked: Any = {"model": demo.MODEL, "input": f"QUIET {demo.SEARCH}", "tools": TOOLS}
    if helper:
        with client.responses.stream(**asked) as stream:
            events: list[Any] = [*stream]
    else:
        events = [*client.responses.create(**asked, stream=True)]
    kinds = [kind.removeprefix("response.") for kind, _ in groupby(event.type for event in events)]
    assert kinds == [
        *("created", "in_progress"),
        *("output_item.added", "web_search_call.in_progress", "web_search_call.searching"),
        *("web_search_call.completed", "output_item.done"),
        *("output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.annotation.added") * 2,
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    added = [event.item for event in events if event.type == "response.output_item.added"]
    assert {item.status for item in added} == {"in_progress"}
    search, message = events[-1].response.output
    assert {event.item_id for event in events if ".web_search_call." in event.type} == {search.id}
    [text] = message.content
    annotations = [event.annotation for event in events if event.type.endswith(".annotation.added")]
    # The client does not know their type. In the end they are in the text.
    assert [dict(told) for told in annotations] == [
        annotation.model_dump() for annotation in text.annotations
    ]
    assert cited(text.text, text.annotations) == demo.CITED


def test_it_can_be_made_to_search(ask: Any) -> None:
    answer = ask('Tell me of "red pandas".', tools=TOOLS, tool_choice={"type": "web_search"})
    assert [search.action.query for search in searches(answer)] == [demo.QUERY]
    assert dict(answer.tool_choice) == {"type": "web_search"}


def test_it_can_be_forbidden_to_search(ask: Any) -> None:
    assert searches(ask(demo.SEARCH, tools=TOOLS, tool_choice="none")) == []


@pytest.mark.parametrize("kind", ["web_search", "web_search_preview", "web_search_2025_08_26"])
def test_the_place_of_the_user_reaches_the_api(client: OpenAI, kind: str) -> None:
    place = {"type": "approximate", "city": "Paris", "country": "FR", "region": None}
    tools: Any = [{"type": kind, "user_location": place}]
    answer = client.responses.create(model=demo.MODEL, input=demo.SEARCH, tools=tools)
    message: Any = answer.output[-1]
    assert message.content[0].annotations[0].title == f"Guide: {demo.QUERY} near Paris"


def test_the_domains_reach_the_api(client: OpenAI) -> None:
    tools: Any = [{"type": "web_search", "filters": {"allowed_domains": ["docs.example.com"]}}]
    include: Any = SOURCES
    answer = client.responses.create(
        model=demo.MODEL, input=demo.SEARCH, tools=tools, include=include
    )
    [search] = searches(answer)
    urls = [source.url for source in search.action.sources]
    assert urls == ["https://docs.example.com/guide/red-pandas"]


@pytest.mark.parametrize(
    ("more", "ended"),
    [
        ({"max_tool_calls": 1}, ["completed", "failed", "failed"]),
        (
            {"tools": [{"type": "web_search", "search_context_size": "low"}]},
            ["completed", "completed", "failed"],
        ),
        ({}, ["completed"] * 3),
    ],
)
def test_a_search_too_many_fails(client: OpenAI, more: Any, ended: list[str]) -> None:
    asked: Any = {"tools": TOOLS, **more}
    answer = client.responses.create(model=demo.MODEL, input="SEARCH:a SEARCH:b SEARCH:c", **asked)
    assert [search.status for search in searches(answer)] == ended
    assert answer.status == "completed"


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "sent again"])
def test_a_conversation_goes_on_after_a_search(ask: Any, kept: bool) -> None:
    first = ask(demo.SEARCH, tools=TOOLS)
    if kept:
        last = ask("SEEN", tools=TOOLS, previous_response_id=first.id)
    else:
        before = {"role": "user", "content": demo.SEARCH}
        last = ask([before, *first.output, {"role": "user", "content": "SEEN"}], tools=TOOLS)
    blocks = demo.assistants_blocks(last.output_text)
    assert [block["type"] for block in blocks][:4] == [
        *("text", "server_tool_use", "web_search_tool_result", "text")
    ]
    assert [page["url"] for page in blocks[2]["content"]] == demo.PAGES
    assert all(page["encrypted_content"] for page in blocks[2]["content"])
    assert "".join(block["text"] for block in blocks[3:]) == first.output[-1].content[0].text


def test_a_search_that_nobody_has_any_more_is_told_as_text(client: OpenAI) -> None:
    tools = TOOLS
    first = client.responses.create(model=demo.MODEL, input=demo.SEARCH, tools=tools, store=False)
    sent: Any = [
        {"role": "user", "content": "Another beginning."},
        *first.output,
        {"role": "user", "content": "SEEN"},
    ]
    last = client.responses.create(model=demo.MODEL, input=sent, tools=tools, store=False)
    blocks = demo.assistants_blocks(last.output_text)
    assert {block["type"] for block in blocks} == {"text"}
    assert demo.QUERY in blocks[1]["text"]


def test_a_search_comes_before_a_call(ask: Any) -> None:
    tools = [*TOOLS, WEATHER]
    first = ask(f"QUIET {demo.SEARCH} {demo.CALL}", tools=tools)
    [call] = [item for item in first.output if item.type == "function_call"]
    assert json.loads(call.arguments) == {"city": demo.CITY}
    assert [item.type for item in first.output] == ["web_search_call", "function_call"]
    output = {
        "type": "function_call_output",
        "call_id": call.call_id,
        "output": demo.get_weather(demo.CITY),
    }
    last = ask([output], tools=tools, previous_response_id=first.id)
    assert demo.told_of(last.output_text, demo.CITY)


@demo.both
def test_what_the_api_refuses_is_left_out_beside_others(client: OpenAI, stream: bool) -> None:
    asked: Any = {
        "model": demo.REFUSED_MODEL,
        "input": f"NOWEB {demo.SAY}",
        "tools": [*TOOLS, WEATHER],
        "stream": stream,
    }
    raw = client.responses.with_raw_response.create(**asked)
    assert "tools[].web_search" in raw.headers["x-claudeproxy-ignored"]
    answer: Any = raw.parse()
    if stream:
        *_, last = answer
        answer = last.response
    assert answer.output_text == demo.TEXT


def test_what_the_api_refuses_is_its_error(client: OpenAI) -> None:
    with pytest.raises(openai.PermissionDeniedError, match="Web search is disabled"):
        client.responses.create(model=demo.REFUSED_MODEL, input=f"NOWEB {demo.SAY}", tools=TOOLS)


# Chat Completions


@pytest.fixture(params=["create", "create streamed", "stream"])
def chat(request: pytest.FixtureRequest, client: OpenAI) -> Any:
    """Each way to have an answer: its message."""
    completions: Any = client.chat.completions

    def whole(**asked: Any) -> Any:
        return completions.create(**asked).choices[0].message

    def by_chunks(**asked: Any) -> Any:
        deltas = [chunk.choices[0].delta for chunk in completions.create(stream=True, **asked)]
        [told] = [found for delta in deltas if (found := getattr(delta, "annotations", None))] or [
            []
        ]
        content = "".join(delta.content or "" for delta in deltas)
        message = {"role": "assistant", "content": content, "annotations": told}
        return openai.types.chat.ChatCompletionMessage.model_validate(message)

    def by_stream(**asked: Any) -> Any:
        with completions.stream(**asked) as stream:
            return stream.get_final_completion().choices[0].message

    way = {"create": whole, "create streamed": by_chunks, "stream": by_stream}[request.param]
    return lambda messages, **more: way(model=demo.MODEL, messages=messages, **more)


def test_a_chat_cites_what_it_found(chat: Any) -> None:
    message = chat(demo.asking(demo.SEARCH), web_search_options={})
    assert message.content.startswith("Let me search.")
    citations = [annotation.url_citation for annotation in message.annotations]
    assert cited(message.content, citations) == demo.CITED
    assert {annotation.type for annotation in message.annotations} == {"url_citation"}


def test_a_chat_searches_near_the_user(chat: Any) -> None:
    place = {"type": "approximate", "approximate": {"city": "Paris", "country": "FR"}}
    options = {"search_context_size": "low", "user_location": place}
    message = chat(demo.asking("SEARCH:a SEARCH:b SEARCH:c"), web_search_options=options)
    assert message.annotations[0].url_citation.title == "Guide: a near Paris"
    assert "“c” failed: max_uses_exceeded" in message.content


def test_a_chat_goes_on_after_a_search(chat: Any, request: pytest.FixtureRequest) -> None:
    # Instructions of its own keep the process from what it has learned of other clients.
    asked = [{"role": "system", "content": request.node.name}, *demo.asking(demo.SEARCH)]
    first = chat(asked, web_search_options={})
    sent = [*asked, first.model_dump(exclude_none=True), *demo.asking("SEEN")]
    blocks = demo.assistants_blocks(chat(sent, web_search_options={}).content)
    # The process that has the conversation has the results too.
    assert "web_search_tool_result" in {block["type"] for block in blocks}


def test_a_chat_without_the_options_does_not_search(chat: Any) -> None:
    message = chat(demo.asking(demo.SEARCH))
    assert not message.annotations
    assert "no tool named web_search" in message.content
