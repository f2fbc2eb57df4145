"""What the demo API does with web search and web fetch, and that it takes back what it gave."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.demo.answer import Answer, Refusal, message, steps
from claudeproxy.demo.guess import MODEL
from claudeproxy.demo.prompt_cache import input_tokens
from claudeproxy.demo.rules import refusal
from claudeproxy.demo.script import plan


SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FETCH = {"type": "web_fetch_20250910", "name": "web_fetch"}
CITING = {**FETCH, "citations": {"enabled": True}}
GET = {"name": "get", "input_schema": {"type": "object"}}
OTHER = {
    "name": "search_files",
    "description": "Finds files in the folder of the project.",
    "input_schema": {"type": "object"},
}
URL = "https://a.example.com/x"
BOTH = [SEARCH, FETCH]
COUNT = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def body(*messages: Any, tools: Any = (SEARCH,), **changes: Any) -> dict[str, Any]:
    made = {
        "model": "claude-opus-4-8",
        "max_tokens": 500,
        "messages": list(messages),
        "tools": list(tools),
        **changes,
    }
    return made if made["tools"] else {k: v for k, v in made.items() if k != "tools"}


def ids() -> Any:
    numbers = itertools.count(1)
    return lambda prefix: f"{prefix}{next(numbers)}"


def outcome(request: dict[str, Any]) -> Answer:
    """The answer to a request that the rules let pass."""
    assert refusal(request) is None
    made = plan(request, now=0.0).outcome
    assert isinstance(made, Answer)
    return made


def ask(*messages: Any, **changes: Any) -> dict[str, Any]:
    """The whole message that answers a request; a prompt may stand for its message."""
    request = body(*(user(m) if isinstance(m, str) else m for m in messages), **changes)
    return message(outcome(request), request["model"], ids())


def kinds(answer: dict[str, Any]) -> list[str]:
    return [block["type"] for block in answer["content"]]


def blocks(answer: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [block for block in answer["content"] if block["type"] == kind]


def text(answer: dict[str, Any]) -> str:
    return "".join(block["text"] for block in blocks(answer, "text"))


def searched(answer: dict[str, Any]) -> list[Any]:
    return [block["content"] for block in blocks(answer, "web_search_tool_result")]


def assembled(events: Iterator[Any]) -> dict[str, Any]:
    """The message that a client puts together out of the events of a stream."""
    made: dict[str, Any] = {}
    jsons: dict[int, str] = {}
    for event in events:
        kind, index = event["type"], event.get("index")
        if kind == "message_start":
            made = json.loads(json.dumps(event["message"]))
        elif kind == "content_block_start":
            assert index == len(made["content"])
            made["content"].append(json.loads(json.dumps(event["content_block"])))
        elif kind == "content_block_delta":
            block, delta = made["content"][index], event["delta"]
            if delta["type"] == "text_delta":
                block["text"] += delta["text"]
            elif delta["type"] == "citations_delta":
                block["citations"].append(delta["citation"])
            else:
                assert delta["type"] == "input_json_delta"
                jsons[index] = jsons.get(index, "") + delta["partial_json"]
        elif kind == "content_block_stop" and index in jsons:
            made["content"][index]["input"] = json.loads(jsons[index])
        elif kind == "message_delta":
            made |= event["delta"]
            made["usage"] |= event["usage"]
    return made


def test_a_search_is_a_call_a_result_and_a_text_that_cites() -> None:
    answer = ask("SEARCH:red_pandas")
    assert kinds(answer) == [
        *("text", "server_tool_use", "web_search_tool_result"),
        *("text", "text", "text", "text"),
    ]
    assert answer["stop_reason"] == "end_turn"
    call, result = answer["content"][1:3]
    assert call["id"].startswith("srvtoolu_")
    assert (call["name"], call["input"]) == ("web_search", {"query": "red pandas"})
    assert result["tool_use_id"] == call["id"]
    first = result["content"][0]
    assert set(first) == {"type", "title", "url", "encrypted_content", "page_age"}
    assert "red pandas" in first["title"]
    cited = [block for block in blocks(answer, "text") if "citations" in block]
    assert [block["citations"][0]["url"] for block in cited] == [
        found["url"] for found in result["content"][:2]
    ]
    for block in cited:
        (citation,) = block["citations"]
        assert set(citation) == {"type", "cited_text", "url", "title", "encrypted_index"}
        assert citation["type"] == "web_search_result_location"
        assert block["text"] == citation["cited_text"]


def test_the_same_search_finds_the_same() -> None:
    assert searched(ask("SEARCH:a")) == searched(ask("SEARCH:a"))
    assert searched(ask("SEARCH:a")) != searched(ask("SEARCH:b"))


def test_the_events_of_a_search_come_in_the_order_of_the_api() -> None:
    request = body(user("QUIET SEARCH:red_pandas"))
    events = [dict(step.event) for step in steps(outcome(request), "claude-opus", ids())]
    inner = [event.get("content_block") or event.get("delta") or {} for event in events]
    told = [
        " ".join(filter(None, (event["type"], part.get("type"))))
        for event, part in zip(events, inner, strict=True)
    ]
    assert [event for event, _ in itertools.groupby(told)] == [
        "message_start",
        "ping",
        "content_block_start server_tool_use",
        "content_block_delta input_json_delta",
        "content_block_stop",
        "content_block_start web_search_tool_result",
        "content_block_stop",
        "content_block_start text",
        "content_block_delta text_delta",
        "content_block_stop",
        "content_block_start text",
        "content_block_delta citations_delta",
        "content_block_delta text_delta",
        "content_block_stop",
        "content_block_start text",
        "content_block_delta text_delta",
        "content_block_stop",
        "content_block_start text",
        "content_block_delta citations_delta",
        "content_block_delta text_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    starts = [e["content_block"] for e in events if e["type"] == "content_block_start"]
    assert starts[0]["input"] == {}
    assert starts[2] == {"type": "text", "text": ""}
    assert starts[3] == {"type": "text", "text": "", "citations": []}
    jsons = [e["delta"]["partial_json"] for e in events if "partial_json" in e.get("delta", {})]
    assert jsons[0] == ""
    assert json.loads("".join(jsons)) == {"query": "red pandas"}


WEB_WORDS = [
    *("SEARCH:a", "SEARCH:b_c", f"FETCH:{URL}", "CALL:get:{}", "QUIET", "PENDING", "LONG:3"),
    *("SEARCHERR:unavailable", "FETCHERR:url_too_long", "STOP:pause_turn", "ECHO:one two"),
]


def without_ids(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in b.items() if k not in ("id", "tool_use_id")} for b in content]


@given(st.lists(st.sampled_from(WEB_WORDS), min_size=1, max_size=6), st.booleans())
def test_an_answer_is_the_same_streamed_and_whole(words: list[str], citing: bool) -> None:
    tools = [SEARCH, CITING if citing else FETCH, GET]
    request = body(user(" ".join(words)), tools=tools)
    made = outcome(request)
    whole = message(made, "claude-opus", ids())
    streamed = assembled(step.event for step in steps(made, "claude-opus", ids()))
    for one in (whole, streamed):
        one["content"] = without_ids(one["content"])
        del one["id"]
    assert streamed == whole


@given(st.lists(st.sampled_from(WEB_WORDS), min_size=1, max_size=6), st.booleans())
def test_an_answer_is_taken_back(words: list[str], citing: bool) -> None:
    tools = [SEARCH, CITING if citing else FETCH, GET]
    request = body(user(" ".join(words)), tools=tools)
    whole = message(outcome(request), "claude-opus", ids())
    calls = blocks(whole, "tool_use")
    results = [{"type": "tool_result", "tool_use_id": c["id"], "content": "3"} for c in calls]
    after = [user(results)] if results else []
    if whole["stop_reason"] == "pause_turn" or results:
        again = body(*request["messages"], assistant(whole["content"]), *after, tools=tools)
        assert outcome(again).blocks
    else:
        assert refusal(body(user("x"), assistant(whole["content"]), user("y"))) is None


def test_the_usage_counts_the_searches_and_their_results() -> None:
    request = body(user(f"SEARCH:a SEARCH:b FETCH:{URL}"), tools=BOTH)
    made = outcome(request)
    first, *_, last, _ = (dict(step.event) for step in steps(made, "claude-opus", ids()))
    asked = input_tokens(request)
    assert first["message"]["usage"]["input_tokens"] == asked
    assert "server_tool_use" not in first["message"]["usage"]
    assert last["usage"]["server_tool_use"] == {"web_search_requests": 2, "web_fetch_requests": 1}
    whole = message(made, "claude-opus", ids())
    assert whole["usage"]["input_tokens"] == last["usage"]["input_tokens"]
    results = [b for b in whole["content"] if b["type"].endswith("_tool_result")]
    again = body(*request["messages"], assistant(results), tools=BOTH)
    assert abs(last["usage"]["input_tokens"] - input_tokens(again)) <= 30


def test_an_answer_without_a_search_has_no_count_of_them() -> None:
    answer = ask("ECHO:hello")
    assert "server_tool_use" not in answer["usage"]


def test_text_words_give_the_text_behind_the_search() -> None:
    answer = ask("SEARCH:a ECHO:just this")
    assert blocks(answer, "text")[-1]["text"] == "just this"
    assert len(blocks(answer, "text")[-1]["citations"]) == 2
    assert text(ask("QUIET SEARCH:a LONG:2")) == "tok0 tok1"
    seen = json.loads(text(ask("QUIET SEARCH:a SEEN")))
    assert seen["tools"] == ["web_search"]


def test_a_format_is_kept_to_behind_a_search() -> None:
    form = {"format": {"type": "json_schema", "schema": COUNT}}
    answer = ask("QUIET SEARCH:a", output_config=form)
    assert kinds(answer) == ["server_tool_use", "web_search_tool_result", "text"]
    assert json.loads(text(answer)) == {"n": 0}
    assert "citations" not in answer["content"][-1]


def test_a_stop_sequence_ends_the_answer_in_any_of_its_texts() -> None:
    answer = ask("SEARCH:a CALL:get:{}", stop_sequences=["guide"], tools=[SEARCH, GET])
    assert answer["stop_reason"] == "stop_sequence"
    assert kinds(answer)[-1] == "text"
    assert text(answer).endswith("The ")


@pytest.mark.parametrize("tokens", range(1, 30))
def test_max_tokens_cut_anywhere(tokens: int) -> None:
    whole = ask("SEARCH:a")
    answer = ask("SEARCH:a", max_tokens=tokens)
    assert answer["stop_reason"] == "max_tokens"
    assert answer["usage"]["output_tokens"] == tokens
    assert kinds(answer) == kinds(whole)[: len(kinds(answer))]
    found = len(blocks(answer, "web_search_tool_result"))
    assert answer["usage"]["server_tool_use"]["web_search_requests"] == found


def test_more_searches_than_the_tool_allows_fail() -> None:
    answer = ask("SEARCH:a SEARCH:b SEARCH:c", tools=[{**SEARCH, "max_uses": 2}])
    first, second, third = searched(answer)
    assert first
    assert second
    assert third == {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    assert answer["usage"]["server_tool_use"]["web_search_requests"] == 2
    assert "“c” failed: max_uses_exceeded" in text(answer)


@pytest.mark.parametrize(
    "code",
    ["max_uses_exceeded", "too_many_requests", "invalid_input", "query_too_long", "unavailable"],
)
def test_a_search_fails_as_it_is_told(code: str) -> None:
    for prompt in (f"SEARCHERR:{code}", f"SEARCH:a SEARCHERR:{code}"):
        answer = ask(prompt)
        assert searched(answer) == [{"type": "web_search_tool_result_error", "error_code": code}]
        assert answer["usage"]["server_tool_use"]["web_search_requests"] == 0
        assert answer["stop_reason"] == "end_turn"


def test_an_unknown_error_code_is_plain_text() -> None:
    assert kinds(ask("SEARCHERR:tired")) == ["text"]


@pytest.mark.parametrize(
    ("fields", "hosts"),
    [
        ({}, ["en.example.com", "news.example.org", "www.example.net"]),
        ({"allowed_domains": ["docs.test", "b.test/blog"]}, ["docs.test", "b.test"]),
        ({"allowed_domains": ["docs.test/*"]}, ["docs.test"]),
        ({"blocked_domains": ["example.com"]}, ["news.example.org", "www.example.net"]),
        (
            {"blocked_domains": ["www.example.com", "example.org/other"]},
            ["en.example.com", "news.example.org", "www.example.net"],
        ),
        ({"blocked_domains": ["example.com", "example.org", "EXAMPLE.net"]}, []),
    ],
)
def test_results_come_only_from_domains_that_the_tool_allows(
    fields: dict[str, Any], hosts: list[str]
) -> None:
    (found,) = searched(ask("SEARCH:a", tools=[{**SEARCH, **fields}]))
    assert [result["url"].split("/")[2] for result in found] == hosts


def test_no_result_is_said_so() -> None:
    blocked = ["example.com", "example.org", "example.net"]
    answer = ask("QUIET SEARCH:a", tools=[{**SEARCH, "blocked_domains": blocked}])
    assert text(answer) == "The search for “a” found nothing."
    assert answer["usage"]["server_tool_use"]["web_search_requests"] == 1


def test_results_name_the_city_of_the_user() -> None:
    place = {"type": "approximate", "city": "Paris"}
    (found,) = searched(ask("SEARCH:a", tools=[{**SEARCH, "user_location": place}]))
    assert all(result["title"].endswith("near Paris") for result in found)


def test_a_fetch_gives_a_document_that_may_be_cited() -> None:
    answer = ask(f"QUIET FETCH:{URL}", tools=[CITING])
    assert kinds(answer) == ["server_tool_use", "web_fetch_tool_result", "text", "text"]
    call, result, _, cited = answer["content"]
    assert (call["name"], call["input"]) == ("web_fetch", {"url": URL})
    page = result["content"]
    assert (page["type"], page["url"]) == ("web_fetch_result", URL)
    document = page["content"]
    assert document["citations"] == {"enabled": True}
    (citation,) = cited["citations"]
    data = document["source"]["data"]
    assert citation["type"] == "char_location"
    assert data[citation["start_char_index"] : citation["end_char_index"]] == cited["text"]
    assert citation["cited_text"] == cited["text"]
    assert citation["document_title"] == document["title"]


def test_a_fetch_is_not_cited_unless_the_tool_says_so() -> None:
    answer = ask(f"QUIET FETCH:{URL}", tools=[FETCH])
    assert kinds(answer) == ["server_tool_use", "web_fetch_tool_result", "text"]
    assert "citations" not in answer["content"][1]["content"]["content"]
    assert "citations" not in answer["content"][2]


def test_documents_are_counted_over_the_whole_conversation() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "A text."}
    first = user([{"type": "document", "source": source}, {"type": "text", "text": f"FETCH:{URL}"}])
    answer = ask(first, tools=[CITING])
    assert answer["content"][-1]["citations"][0]["document_index"] == 1
    later = ask(first, assistant(answer["content"]), user(f"FETCH:{URL}"), tools=[CITING])
    assert later["content"][-1]["citations"][0]["document_index"] == 2


@pytest.mark.parametrize(
    ("url", "fields", "code"),
    [
        ("ftp://a.example.com/", {}, "invalid_tool_input"),
        ("nonsense", {}, "invalid_tool_input"),
        (f"https://a.example.com/{'x' * 250}", {}, "url_too_long"),
        (URL, {"allowed_domains": ["b.example.com"]}, "url_not_allowed"),
        (URL, {"blocked_domains": ["example.com"]}, "url_not_allowed"),
        (URL, {"allowed_domains": ["example.com/y"]}, "url_not_allowed"),
        (URL, {"allowed_domains": ["example.com/x"]}, None),
        (URL, {"allowed_domains": ["example.com/*"]}, None),
        (URL, {"blocked_domains": ["example.com/*"]}, "url_not_allowed"),
        (URL, {"allowed_domains": ["*.example.com"]}, "invalid_tool_input"),
        (URL, {"blocked_domains": ["example.org/*/*"]}, "invalid_tool_input"),
    ],
)
def test_a_page_that_cannot_be_fetched_is_an_error_block(
    url: str, fields: dict[str, Any], code: str | None
) -> None:
    answer = ask(f"FETCH:{url}", tools=[{**FETCH, **fields}])
    content = blocks(answer, "web_fetch_tool_result")[0]["content"]
    assert content.get("error_code") == code
    assert answer["usage"]["server_tool_use"]["web_fetch_requests"] == (code is None)


def test_a_page_is_cut_to_the_tokens_that_the_tool_allows() -> None:
    answer = ask(f"FETCH:{URL}", tools=[{**CITING, "max_content_tokens": 5}])
    data = answer["content"][2]["content"]["content"]["source"]["data"]
    assert len(data) == 20
    assert answer["content"][-1]["citations"][0]["end_char_index"] == 20


@pytest.mark.parametrize(
    "changes",
    [
        {"tools": []},
        {"tools": [FETCH]},
        {"tools": [{**GET, "name": "web_search"}]},
        {"tool_choice": {"type": "none"}},
    ],
)
def test_a_search_that_may_not_be_made_is_said_so(changes: dict[str, Any]) -> None:
    answer = ask("SEARCH:a", **changes)
    assert kinds(answer) == ["text"]
    assert text(answer) == "There is no tool named web_search that I may call."


def test_a_search_comes_before_the_call_of_a_clients_tool() -> None:
    answer = ask("SEARCH:a CALL:get:{}", tools=[SEARCH, GET])
    assert kinds(answer)[:3] == ["text", "server_tool_use", "web_search_tool_result"]
    assert kinds(answer)[-1] == "tool_use"
    assert answer["stop_reason"] == "tool_use"
    quiet = ask("QUIET SEARCH:a CALL:get:{}", tools=[SEARCH, GET])
    assert kinds(quiet) == ["server_tool_use", "web_search_tool_result", "tool_use"]


def test_a_search_left_open_beside_a_call_is_made_in_the_next_answer() -> None:
    question = user("QUIET SEARCH:a SEARCH:b CALL:get:{} PENDING THEN ECHO:done")
    answer = ask(question, tools=[SEARCH, GET])
    assert kinds(answer) == [
        *("server_tool_use", "web_search_tool_result", "server_tool_use", "tool_use"),
    ]
    assert answer["stop_reason"] == "tool_use"
    result = {"type": "tool_result", "tool_use_id": answer["content"][-1]["id"], "content": "3"}
    history = [question, assistant(answer["content"]), user([result])]
    after = ask(*history, tools=[SEARCH, GET])
    assert kinds(after) == ["web_search_tool_result", "text"]
    assert after["content"][0]["tool_use_id"] == answer["content"][-2]["id"]
    assert "guide/b" in after["content"][0]["content"][0]["url"]
    assert text(after) == "done"
    ask(*history, assistant(after["content"]), "Go on", tools=[SEARCH, GET])


def test_results_without_words_are_told_behind_the_search_that_was_left_open() -> None:
    question = user("SEARCH:a CALL:get:{} PENDING")
    answer = ask(question, tools=[SEARCH, GET])
    result = {"type": "tool_result", "tool_use_id": answer["content"][-1]["id"], "content": "3"}
    after = ask(question, assistant(answer["content"]), user([result]), tools=[SEARCH, GET])
    assert "found 3 pages" in text(after)
    assert text(after).endswith('TOOL_RESULT:["3"]')


def test_nothing_is_left_open_in_an_answer_that_ends() -> None:
    assert "web_search_tool_result" in kinds(ask("SEARCH:a PENDING"))


@pytest.mark.parametrize("pending", ["", " PENDING"])
def test_a_paused_turn_goes_on_until_it_has_made_each_search(pending: str) -> None:
    question = user(f"QUIET SEARCH:a SEARCH:b STOP:pause_turn{pending}")
    content: list[Any] = []
    reasons: list[str] = []
    while len(reasons) < 5 and "end_turn" not in reasons:
        turn = [assistant(content)] if content else []
        answer = ask(question, *turn)
        reasons.append(answer["stop_reason"])
        for block in answer["content"]:
            # The ids of these tests are unique in one answer alone.
            fresh = f"{len(reasons)}"
            if block["type"] == "server_tool_use":
                block["id"] += fresh
            elif "tool_use_id" in block and not pending:
                block["tool_use_id"] += fresh
        content = content + answer["content"]
    assert reasons == ["pause_turn", "pause_turn", "end_turn"]
    queries = [b["input"]["query"] for b in content if b["type"] == "server_tool_use"]
    assert queries == ["a", "b"]
    assert sum(b["type"] == "web_search_tool_result" for b in content) == 2
    said = "".join(b["text"] for b in content if b["type"] == "text")
    assert "“a” found 3 pages" in said
    assert "“b” found 3 pages" in said


def test_a_paused_turn_without_a_search_ends_when_it_is_sent_back() -> None:
    first = ask("STOP:pause_turn ECHO:one")
    assert first["stop_reason"] == "pause_turn"
    second = ask("STOP:pause_turn ECHO:one", assistant(first["content"]))
    assert second["stop_reason"] == "end_turn"


@pytest.mark.parametrize(("word", "status"), [("NOWEB", 403), ("NOWEB:400", 400)])
def test_an_organisation_may_have_no_web_tools(word: str, status: int) -> None:
    for tools in ([SEARCH], [GET, FETCH]):
        refused = plan(body(user(word), tools=tools), now=0.0).outcome
        assert isinstance(refused, Refusal)
        assert refused.status == status
        assert refused.message == "Web search is disabled for this organization."
    assert kinds(ask(word, tools=[GET])) == ["text"]


def test_the_tool_choice_may_force_a_search() -> None:
    forced = {"type": "tool", "name": "web_search"}
    answer = ask("What is new?", tool_choice=forced, tools=[GET, SEARCH])
    assert blocks(answer, "server_tool_use")[0]["input"] == {"query": "What is new?"}
    assert ask("SEARCH:a", tool_choice=forced)["content"][1]["input"] == {"query": "a"}
    assert searched(ask("Tell me of 'red pandas'", tool_choice={"type": "any"}))
    fetched = ask("Read https://b.test/y.", tool_choice={"type": "any"}, tools=[FETCH])
    assert blocks(fetched, "server_tool_use")[0]["input"] == {"url": "https://b.test/y"}


def test_a_search_is_the_call_that_the_tool_choice_asks_for() -> None:
    choice = {"type": "any"}
    answer = ask("SEARCH:a", tool_choice=choice, tools=[GET, SEARCH])
    assert answer["stop_reason"] == "end_turn"
    assert ask("Hello", tool_choice=choice, tools=[GET, SEARCH])["stop_reason"] == "tool_use"


def test_a_choice_of_a_clients_tool_forbids_a_search() -> None:
    choice = {"type": "tool", "name": "get"}
    answer = ask("SEARCH:a", tool_choice=choice, tools=[GET, SEARCH])
    assert not blocks(answer, "server_tool_use")
    assert answer["stop_reason"] == "tool_use"


def test_tools_that_the_api_carries_out_are_not_called_for_the_client() -> None:
    code = {"type": "code_execution_20250825", "name": "code_execution"}
    answer = ask("CALL:web_search CALL:code_execution CALL:get", tools=[SEARCH, code, GET])
    assert [block["name"] for block in blocks(answer, "tool_use")] == ["get"]
    bash = {"type": "bash_20250124", "name": "bash"}
    assert blocks(ask("CALL:bash", tools=[bash]), "tool_use")


@pytest.mark.parametrize("model", ["claude-haiku-4-5", MODEL])
def test_every_model_makes_the_search_of_the_clis_web_search(model: str) -> None:
    prompt = "Perform a web search for the query: red 'pandas' 2026"
    answer = ask(prompt, model=model)
    assert blocks(answer, "server_tool_use")[0]["input"] == {"query": "red 'pandas' 2026"}
    assert not blocks(ask(prompt, model=model, tools=[]), "server_tool_use")


@pytest.mark.parametrize(
    ("prompt", "tools", "asked"),
    [
        ("Search the web for news", BOTH, {"query": "Search the web for news"}),
        ("Please look up 'red pandas'.", BOTH, {"query": "red pandas"}),
        ("Use web_search.", BOTH, {"query": "Use web_search."}),
        ("Fetch https://b.test/y, please", BOTH, {"url": "https://b.test/y"}),
        ("Search for https://b.test/y", [SEARCH], {"query": "Search for https://b.test/y"}),
        ("Search the files of the project", [SEARCH, OTHER], None),
        ("Search for news", [GET], None),
        ("Hello", BOTH, None),
        ("I researched it", BOTH, None),
    ],
)
def test_the_model_that_chooses_tools_searches_if_the_user_speaks_of_it(
    prompt: str, tools: list[Any], asked: Any
) -> None:
    answer = ask(prompt, model=MODEL, tools=tools)
    found = [block["input"] for block in blocks(answer, "server_tool_use")]
    assert found == ([asked] if asked else [])
    assert not blocks(ask(prompt, tools=tools), "server_tool_use")


def test_newer_versions_say_who_called() -> None:
    answer = ask("QUIET SEARCH:a", tools=[{**SEARCH, "type": "web_search_20260209"}])
    assert [block.get("caller") for block in answer["content"][:2]] == [{"type": "direct"}] * 2
    assert "caller" not in ask("QUIET SEARCH:a")["content"][0]
    ask("x", assistant(answer["content"]), "y")


@pytest.mark.parametrize(
    ("tool", "given", "named"),
    [
        ({"type": "code_execution_20250825", "name": "code_execution"}, None, "container_demo"),
        ({"type": "web_search_20260209", "name": "web_search"}, "container_1", "container_1"),
        ({**SEARCH, "allowed_callers": ["code_execution_20250825"]}, {"id": "c"}, "c"),
        (SEARCH, "container_1", None),
    ],
)
def test_an_answer_names_the_container_of_its_code(tool: Any, given: Any, named: Any) -> None:
    answer = outcome(body(user("CONTAINER"), tools=[tool], container=given))
    told = message(answer, "m", str).get("container")
    assert (told and told["id"]) == named
    [last] = [
        step.event for step in steps(answer, "m", str) if step.event["type"] == "message_delta"
    ]
    assert last["delta"].get("container") == told
