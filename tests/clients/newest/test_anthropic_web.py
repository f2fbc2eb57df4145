"""Web search and web fetch by Anthropic's own SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic

from .. import demo


SEARCH: Any = {"type": "web_search_20250305", "name": "web_search"}
FETCH: Any = {
    "type": "web_fetch_20250910",
    "name": "web_fetch",
    "citations": {"enabled": True},
}
WEATHER: Any = {"name": "get_weather", "input_schema": demo.WEATHER_SCHEMA}
URL = "https://example.com/red"
# It calls the tools at once.
BOTH = f"QUIET {demo.SEARCH} FETCH:{URL}"


@pytest.fixture
def client(url: str) -> Iterator[Anthropic]:
    base = url.removesuffix("/v1")
    with Anthropic(base_url=base, api_key="not-needed", max_retries=0) as made:
        yield made


@pytest.fixture(params=["create", "stream", "beta"])
def ask(request: pytest.FixtureRequest, client: Anthropic) -> Any:
    """Each way to have a message; one that the client has put together of a stream is the same."""

    def by_stream(**asked: Any) -> Any:
        with client.messages.stream(**asked) as stream:
            return stream.get_final_message()

    def by_beta(**asked: Any) -> Any:
        with client.beta.messages.stream(**asked) as stream:
            return stream.get_final_message()

    ways = {
        "create": client.messages.create,
        "stream": by_stream,
        "beta": by_beta,
    }
    way: Any = ways[request.param]
    return lambda *messages, tools=(SEARCH, FETCH), **more: way(
        model=demo.MODEL, max_tokens=900, messages=[*messages], tools=[*tools], **more
    )


def said(text: Any) -> Any:
    return {"role": "user", "content": text}


def answered(message: Any) -> Any:
    """A message of the model's, sent back as it came."""
    return {"role": "assistant", "content": message.content}


def kinds(message: Any) -> list[str]:
    return [block.type for block in message.content]


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def test_a_search_has_its_blocks(ask: Any) -> None:
    message = ask(said(demo.SEARCH))
    before, use, result, *texts = message.content
    assert before.text == "Let me search."
    assert (use.type, use.name, use.input) == (
        "server_tool_use",
        "web_search",
        {"query": demo.QUERY},
    )
    assert use.id.startswith("srvtoolu_")
    assert (result.type, result.tool_use_id) == ("web_search_tool_result", use.id)
    assert [page.url for page in result.content] == demo.PAGES
    assert all(page.encrypted_content for page in result.content)
    cited = [(block.text, [*block.citations]) for block in texts if block.citations]
    assert [(text, [each.url for each in citations]) for text, citations in cited] == [
        (text, [url]) for text, url in demo.CITED
    ]
    assert {each.type for _, citations in cited for each in citations} == {
        "web_search_result_location"
    }
    assert all(each.encrypted_index for _, citations in cited for each in citations)
    assert message.stop_reason == "end_turn"
    assert message.usage.server_tool_use.web_search_requests == 1


def test_a_fetch_has_its_blocks(ask: Any) -> None:
    message = ask(said(f"QUIET FETCH:{URL}"))
    use, result, *texts = message.content
    assert (use.name, use.input) == ("web_fetch", {"url": URL})
    assert (result.type, result.tool_use_id) == ("web_fetch_tool_result", use.id)
    assert (result.content.type, result.content.url) == ("web_fetch_result", URL)
    page = result.content.content.source.data
    assert page.startswith("This is the page /red of example.com.")
    [(text, [citation])] = [(block.text, block.citations) for block in texts if block.citations]
    assert citation.type == "char_location"
    assert page[citation.start_char_index : citation.end_char_index] == text == citation.cited_text
    assert message.usage.server_tool_use.web_fetch_requests == 1


def test_the_events_are_those_of_the_api(client: Anthropic) -> None:
    asked: Any = {"max_tokens": 900, "messages": [said(BOTH)], "tools": [SEARCH, FETCH]}
    events = [*client.messages.create(model=demo.MODEL, stream=True, **asked)]
    started = [event.content_block for event in events if event.type == "content_block_start"]
    assert [block.type for block in started][:4] == [
        *("server_tool_use", "web_search_tool_result", "server_tool_use", "web_fetch_tool_result")
    ]
    # The input comes in deltas, a result at once.
    assert [getattr(block, "input", None) for block in started[:4]] == [{}, None, {}, None]
    told: dict[str, list[Any]] = {}
    for event in events:
        if event.type == "content_block_delta":
            told.setdefault(event.delta.type, []).append(event.delta)
    typed = "".join(delta.partial_json for delta in told["input_json_delta"])
    assert typed.replace(" ", "") == '{"query":"redpandas"}' + json.dumps({"url": URL}).replace(
        " ", ""
    )
    cited = [delta.citation for delta in told["citations_delta"]]
    assert [citation.type for citation in cited] == [
        *("web_search_result_location", "web_search_result_location", "char_location")
    ]
    [last] = [event for event in events if event.type == "message_delta"]
    assert last.usage.server_tool_use is not None
    assert last.usage.server_tool_use.web_search_requests == 1
    assert last.usage.server_tool_use.web_fetch_requests == 1


def test_the_history_keeps_the_blocks(ask: Any) -> None:
    first = ask(said(BOTH))
    last = ask(said(BOTH), answered(first), said("SEEN"))
    blocks = demo.assistants_blocks(last.content[-1].text)
    assert [block["type"] for block in blocks] == kinds(first)
    sent = [block.model_dump(exclude_none=True) for block in first.content]
    assert [page["encrypted_content"] for page in blocks[1]["content"]] == [
        page["encrypted_content"] for page in sent[1]["content"]
    ]
    assert blocks[3]["content"]["content"]["source"] == sent[3]["content"]["content"]["source"]
    # Claude Code keeps the citations of a search, and not those of a page that was fetched.
    assert [block["citations"] for block in blocks if block.get("citations")] == [
        block["citations"]
        for block in sent
        if "citations" in block and block["citations"][0]["type"] == "web_search_result_location"
    ]


def test_a_paused_turn_goes_on_when_it_is_sent_back(ask: Any) -> None:
    messages = [said("QUIET SEARCH:one SEARCH:two STOP:pause_turn")]
    reasons, found = [], []
    while "end_turn" not in reasons:
        assert len(reasons) < 4
        message = ask(*messages)
        reasons.append(message.stop_reason)
        found += [block.input["query"] for block in message.content if block.type.endswith("_use")]
        messages.append(answered(message))
    assert reasons == ["pause_turn", "pause_turn", "end_turn"]
    assert found == ["one", "two"]
    assert "The search for “one” found 3 pages" in text_of(message)
    assert "The search for “two” found 3 pages" in text_of(message)


def test_errors_are_results(ask: Any) -> None:
    message = ask(said("QUIET SEARCHERR:too_many_requests FETCHERR:url_not_accessible"))
    _, search, _, fetch, _ = message.content
    assert search.type == "web_search_tool_result"
    assert search.content.error_code == "too_many_requests"
    assert fetch.type == "web_fetch_tool_result"
    assert fetch.content.error_code == "url_not_accessible"
    usage = message.usage.server_tool_use
    assert (usage.web_search_requests, usage.web_fetch_requests) == (0, 0)
    last = ask(said("QUIET SEARCHERR:unavailable"), answered(message), said("SEEN"))
    sent_back = demo.assistants_blocks(last.content[-1].text)
    assert sent_back[1]["content"]["error_code"] == "too_many_requests"


def test_there_is_a_most_of_searches(ask: Any) -> None:
    message = ask(said("QUIET SEARCH:a SEARCH:b"), tools=[{**SEARCH, "max_uses": 1}])
    first, second = (block for block in message.content if block.type.endswith("_tool_result"))
    assert len(first.content) == 3
    assert second.content.error_code == "max_uses_exceeded"
    assert message.usage.server_tool_use.web_search_requests == 1


def test_the_fields_of_the_tools_reach_the_api(client: Anthropic) -> None:
    place = {"type": "approximate", "city": "Paris", "country": "FR"}
    search = {**SEARCH, "user_location": place, "blocked_domains": ["example.org"]}
    fetch = {**FETCH, "max_content_tokens": 2, "allowed_domains": ["example.com"]}
    asked = f"{BOTH} FETCH:https://example.net/"
    tools: Any = [search, fetch]
    message = client.messages.create(
        model=demo.MODEL, max_tokens=900, messages=[said(asked)], tools=tools
    )
    results: list[Any] = [block for block in message.content if block.type.endswith("_tool_result")]
    pages, page, refused = (result.content for result in results)
    assert [found.title for found in pages] == [
        f"Guide: {demo.QUERY} near Paris",
        f"Questions: {demo.QUERY} near Paris",
    ]
    assert page.content.source.data == "This is "
    assert refused.error_code == "url_not_allowed"


def test_it_can_be_made_to_search(ask: Any) -> None:
    choice = {"type": "tool", "name": "web_search"}
    message = ask(said('Tell me of "red pandas".'), tool_choice=choice)
    [use] = [block for block in message.content if block.type == "server_tool_use"]
    assert use.input == {"query": demo.QUERY}


def test_a_search_comes_before_a_call(ask: Any) -> None:
    tools = [SEARCH, WEATHER]
    asked = said(f"QUIET {demo.SEARCH} {demo.CALL} THEN SEEN")
    first = ask(asked, tools=tools)
    assert kinds(first) == ["server_tool_use", "web_search_tool_result", "tool_use"]
    assert first.stop_reason == "tool_use"
    result = {"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "18"}
    last = ask(asked, answered(first), said([result]), tools=tools)
    blocks = demo.assistants_blocks(last.content[-1].text)
    assert [block["type"] for block in blocks] == kinds(first)


def test_code_goes_on_in_its_container(ask: Any) -> None:
    tools = [{"type": "web_search_20260209", "name": "web_search"}]
    asked = said(f"CONTAINER {demo.SEARCH}")
    first = ask(asked, tools=tools)
    assert first.container.id == "container_demo"
    [use] = [block for block in first.content if block.type == "server_tool_use"]
    assert use.caller.type == "direct"
    last = ask(asked, answered(first), said("CONTAINER"), tools=tools, container="container_mine")
    assert last.container.id == "container_mine"


def test_what_the_api_refuses_is_its_error(client: Anthropic) -> None:
    with pytest.raises(anthropic.PermissionDeniedError, match="Web search is disabled"):
        client.messages.create(
            model=demo.REFUSED_MODEL, max_tokens=90, messages=[said("NOWEB")], tools=[SEARCH]
        )
    # The server does not ask the API again for a while.
    with pytest.raises(anthropic.PermissionDeniedError, match="Web search is disabled"):
        client.messages.create(
            model=demo.REFUSED_MODEL, max_tokens=90, messages=[said(demo.SAY)], tools=[SEARCH]
        )
    raw = client.messages.with_raw_response.create(
        model=demo.REFUSED_MODEL,
        max_tokens=90,
        messages=[said(demo.SAY)],
        tools=[SEARCH, WEATHER],
    )
    assert "tools[].web_search_20250305" in raw.headers["x-claudeproxy-ignored"]
    [text] = raw.parse().content
    assert text.text == demo.TEXT


def test_a_tool_that_needs_a_beta_header_is_refused(client: Anthropic) -> None:
    tool: Any = {"type": "computer_20250124", "name": "computer"}
    tool |= {"display_width_px": 9, "display_height_px": 9}
    with pytest.raises(anthropic.BadRequestError, match="need a beta header"):
        client.messages.create(
            model=demo.MODEL, max_tokens=90, messages=[said(demo.SAY)], tools=[tool]
        )
