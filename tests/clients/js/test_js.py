"""The JavaScript clients: each test runs a script of this folder with Node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .. import demo
from ..conftest import Went


HERE = Path(__file__).parent
NODE = Path(sys.executable).parent / "node"

Run = Callable[..., Any]


@pytest.fixture
def run(url: str, tmp_path: Path) -> Run:
    """Runs a script; what it prints."""

    def run(script: str, kind: str, text: str, **options: Any) -> Any:
        asked = {"url": url, "model": demo.MODEL, "kind": kind, "text": text, **options}
        done = subprocess.run(
            [NODE, HERE / f"{script}.mjs", json.dumps(asked)],
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


# The official client


@demo.both
def test_openai_has_text_and_usage(run: Run, stream: bool) -> None:
    answer = run("openai", "plain", demo.COUNT, stream=stream)
    assert answer["choices"][0]["message"]["content"] == demo.COUNTED
    assert answer["usage"]["completion_tokens"] == 12


@demo.both
@demo.calling
def test_openai_runs_tools(run: Run, text: str, cities: list[str], stream: bool) -> None:
    answer = run("openai", "tools", text, stream=stream)
    assert answer["called"] == [{"city": city} for city in cities]
    assert demo.told_of(answer["text"], *cities)


@demo.each_way
@demo.both
def test_openai_parses_an_answer(run: Run, stream: bool) -> None:
    answer = run("openai", "parsed", demo.BE_PERSON, stream=stream)
    assert answer["choices"][0]["message"]["parsed"] == demo.PERSON
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_an_image_of_openais_reaches_the_api(run: Run) -> None:
    answer = run("openai", "plain", "SEEN", image=demo.PIXEL_URL)
    assert demo.images(answer["choices"][0]["message"]["content"]) == [demo.PIXEL_SOURCE]


def test_openai_knows_the_error(run: Run) -> None:
    error = run("openai", "error", demo.SAY, model="gpt-nothing")
    assert (error["name"], error["status"]) == ("NotFoundError", 404)
    assert error["code"] == "model_not_found"


@demo.both
def test_openai_speaks_responses(run: Run, stream: bool) -> None:
    answer = run("openai", "responses", demo.COUNT, stream=stream)
    assert answer["text"] == demo.COUNTED
    assert answer.get("last") == ("response.completed" if stream else None)


def test_openais_responses_follow_each_other(run: Run) -> None:
    assert run("openai", "follows", demo.SAY)["text"] == "next"


@demo.each_way
@demo.both
def test_openai_parses_a_response(run: Run, stream: bool) -> None:
    assert run("openai", "parsedResponse", demo.BE_PERSON, stream=stream) == demo.PERSON


MISFIT = f"MISFIT {demo.BE_PERSON}"
MISFITS = f"MISFIT:9 {demo.BE_PERSON}"
openais = pytest.mark.parametrize("form", ["chat", "responses"])


@openais
def test_openai_does_not_see_a_correction(run: Run, went: Went, form: str) -> None:
    assert run("openai", "picky", MISFIT, form=form)["age"] <= 30
    assert went() == {("api", "corrected"): 1}


@demo.each_way
@openais
def test_openai_has_an_error_for_what_never_matches(run: Run, form: str) -> None:
    error = run("openai", "picky", MISFITS, form=form)
    assert (error["name"], error["status"]) == ("InternalServerError", 502)
    assert "does not match the schema" in error["message"]


@openais
def test_openai_has_an_error_for_a_stream_that_does_not_match(run: Run, form: str) -> None:
    # Of its own check; it does not read what the last event says.
    error = run("openai", "picky", MISFIT, form=form, stream=True)
    assert error["name"] == "OpenAIError"
    assert "expected number to be <=30" in error["message"]


@pytest.mark.parametrize("way", ["tool"], indirect=True)
@openais
def test_by_the_tool_openai_has_the_error_of_the_stream(run: Run, form: str) -> None:
    error = run("openai", "picky", MISFIT, form=form, stream=True)
    if form == "responses":
        # It parses nothing in a response that has failed, and says nothing of that.
        assert error is None
    else:
        assert error["name"] == "APIError"
        assert "does not match the schema" in error["message"]


@demo.each_way
def test_openai_has_an_error_for_an_answer_that_is_cut_off(run: Run) -> None:
    error = run("openai", "picky", demo.BE_PERSON, form="cut")
    assert error["name"] == "LengthFinishReasonError"


def cited(text: str, annotations: list[Any]) -> list[tuple[str, str]]:
    """Each part of a text that is cited, with the URL of its page."""
    return [(text[each["start_index"] : each["end_index"]], each["url"]) for each in annotations]


@demo.both
def test_openai_searches_the_web(run: Run, stream: bool) -> None:
    answer = run("openai", "search", f"QUIET {demo.SEARCH}", stream=stream)
    search, message = answer["output"]
    assert (search["status"], search["action"]["query"]) == ("completed", demo.QUERY)
    assert [source["url"] for source in search["action"]["sources"]] == demo.PAGES
    [text] = message["content"]
    assert cited(text["text"], text["annotations"]) == demo.CITED
    if stream:
        of_search = [kind for kind in answer["events"] if ".web_search_call." in kind]
        assert of_search == [
            f"response.web_search_call.{state}"
            for state in ("in_progress", "searching", "completed")
        ]
        assert answer["events"].count("response.output_text.annotation.added") == 2
    blocks = demo.assistants_blocks(answer["seen"])
    assert [page["url"] for page in blocks[1]["content"]] == demo.PAGES


@demo.both
def test_openai_cites_pages_in_a_chat(run: Run, stream: bool) -> None:
    message = run("openai", "searchInChat", demo.SEARCH, stream=stream)
    citations = [annotation["url_citation"] for annotation in message["annotations"]]
    assert cited(message["content"], citations) == demo.CITED


# Anthropic's client


@demo.both
def test_anthropic_has_text_and_usage(run: Run, stream: bool) -> None:
    message = run("anthropic", "plain", demo.COUNT, stream=stream)
    assert message["content"][0]["text"] == demo.COUNTED
    assert (message["usage"]["output_tokens"], message["stop_reason"]) == (12, "end_turn")


@demo.both
@demo.calling
def test_anthropic_runs_tools(run: Run, text: str, cities: list[str], stream: bool) -> None:
    answer = run("anthropic", "tools", text, stream=stream)
    assert answer["called"] == [{"city": city} for city in cities]
    assert demo.told_of(answer["text"], *cities)


@demo.each_way
@demo.both
@pytest.mark.parametrize(("form", "value"), [("object", demo.PERSON), ("array", [1, 2])])
def test_anthropic_parses_an_answer(run: Run, form: str, value: Any, stream: bool) -> None:
    text = f"ECHO:{json.dumps(value)}"
    assert run("anthropic", "parsed", text, form=form, stream=stream) == value


@demo.each_way
@demo.both
def test_anthropic_checks_what_it_does_not_ask_for(run: Run, stream: bool) -> None:
    error = run("anthropic", "parsed", demo.BE_PERSON, form="picky", stream=stream)
    assert error["name"] == "AnthropicError"
    assert "expected number to be <=30" in error["message"]


@demo.both
def test_anthropic_searches_and_fetches(run: Run, stream: bool) -> None:
    text = f"QUIET {demo.SEARCH} SEARCH:b SEARCH:c FETCH:https://example.com/red"
    told = run("anthropic", "web", text, stream=stream)
    [message] = told["answers"]
    results = [
        block["content"] for block in message["content"] if block["type"].endswith("_tool_result")
    ]
    assert [page["url"] for page in results[0]] == demo.PAGES
    assert results[2]["error_code"] == "max_uses_exceeded"
    assert results[3]["url"] == "https://example.com/red"
    found = [
        (block["text"], citation["url"])
        for block in message["content"]
        for citation in block.get("citations") or ()
        if citation["type"] == "web_search_result_location"
    ]
    assert found[:2] == demo.CITED
    counts = {"web_search_requests": 2, "web_fetch_requests": 1}
    assert message["usage"]["server_tool_use"] == counts
    blocks = demo.assistants_blocks(told["seen"])
    assert [block["type"] for block in blocks] == [block["type"] for block in message["content"]]
    assert blocks[1]["content"] == results[0]


@demo.both
def test_anthropic_goes_on_with_a_paused_turn(run: Run, stream: bool) -> None:
    text = "QUIET SEARCH:one SEARCH:two STOP:pause_turn"
    answers = run("anthropic", "web", text, stream=stream)["answers"]
    assert [message["stop_reason"] for message in answers] == [
        *("pause_turn", "pause_turn", "end_turn")
    ]
    uses = [
        block["input"]["query"]
        for message in answers
        for block in message["content"]
        if block["type"] == "server_tool_use"
    ]
    assert uses == ["one", "two"]


# The AI SDK


apis = pytest.mark.parametrize("api", ["chat", "responses"])


@apis
@demo.both
def test_the_ai_sdk_has_text_and_usage(run: Run, stream: bool, api: str) -> None:
    answer = run("ai-sdk", "plain", demo.COUNT, stream=stream, api=api)
    assert answer["text"] == demo.COUNTED
    assert answer["usage"]["outputTokens"] == 12
    if stream:
        assert "".join(answer["pieces"]) == demo.COUNTED
        assert len(answer["pieces"]) > 1


@apis
@demo.both
@demo.calling
def test_the_ai_sdk_runs_tools(
    run: Run, text: str, cities: list[str], stream: bool, api: str
) -> None:
    answer = run("ai-sdk", "tools", text, stream=stream, api=api)
    assert answer["called"] == [{"city": city} for city in cities]
    assert answer["reasons"] == ["tool-calls", "stop"]
    assert demo.told_of(answer["text"], *cities)


outputs = pytest.mark.parametrize("kind", ["parsed", "object"], ids=["text", "object"])


@demo.each_way
@apis
@demo.both
@outputs
@pytest.mark.parametrize(
    ("form", "value", "wrapped"),
    [
        ("object", demo.PERSON, demo.PERSON),
        ("array", [demo.PERSON, demo.PERSON], {"elements": [demo.PERSON, demo.PERSON]}),
        ("enum", "red", {"result": "red"}),
    ],
    ids=["object", "array", "enum"],
)
def test_the_ai_sdk_parses_an_answer(
    run: Run, kind: str, form: str, value: Any, wrapped: Any, stream: bool, api: str
) -> None:
    text = f"ECHO:{json.dumps(wrapped)}"
    assert run("ai-sdk", kind, text, form=form, stream=stream, api=api) == value


@demo.each_setting
@apis
@demo.both
@outputs
def test_the_ai_sdk_parses_any_json(
    run: Run, kind: str, stream: bool, api: str, went: Went
) -> None:
    assert run("ai-sdk", kind, demo.BE_PERSON, form="json", stream=stream, api=api) == demo.PERSON
    assert {by for by, _ in went()} == {"tool"}


@demo.each_way
@apis
def test_the_ai_sdk_has_an_error_for_what_never_matches(run: Run, api: str) -> None:
    error = run("ai-sdk", "picky", MISFITS, api=api)
    assert (error["name"], error["status"]) == ("APICallError", 502)
    assert "does not match the schema" in error["message"]
    # It does not read the header that forbids it.
    assert error["retries"]


@demo.each_way
@apis
def test_the_ai_sdk_has_an_error_for_a_stream_that_does_not_match(
    run: Run, api: str, way: str
) -> None:
    error = run("ai-sdk", "picky", MISFIT, api=api, stream=True)
    # By the tool the stream itself has the error. Otherwise it is of its own check.
    assert (error["name"] == "NoObjectGeneratedError") is (way == "api")
    assert "not match" in error["message"]


@demo.both
def test_the_ai_sdk_has_reasoning_beside_the_text(run: Run, stream: bool) -> None:
    assert run("ai-sdk", "reasoning", demo.THINK, stream=stream) == {
        "text": demo.TEXT,
        "reasoning": demo.THOUGHT,
    }


def test_an_image_of_the_ai_sdks_reaches_the_api(run: Run) -> None:
    answer = run("ai-sdk", "plain", "SEEN", image=demo.PIXEL_URL.partition(",")[2])
    assert demo.images(answer["text"]) == [demo.PIXEL_SOURCE]


@demo.both
@pytest.mark.parametrize("api", ["responses", "messages"])
def test_the_ai_sdk_searches_the_web(run: Run, api: str, stream: bool) -> None:
    call = demo.call_of("get_weather", {"city": demo.CITY})
    answer = run("ai-sdk", "web", f"{demo.SEARCH} {call}", stream=stream, api=api)
    assert [(name, by_provider) for name, _, by_provider in answer["called"]] == [
        ("web_search", True),
        ("get_weather", False),
    ]
    found, told = answer["results"]
    pages = found["sources"] if api == "responses" else found
    assert [page["url"] for page in pages] == demo.PAGES
    assert told == demo.get_weather(demo.CITY)
    assert demo.told_of(answer["text"], demo.CITY)
    assert [*dict.fromkeys(answer["urls"])] == demo.PAGES
    blocks = demo.assistants_blocks(answer["seen"])
    kinds = [block["type"] for block in blocks]
    assert kinds[:4] == ["text", "server_tool_use", "web_search_tool_result", "text"]
    assert kinds[-2:] == ["tool_use", "text"]
    assert [page["url"] for page in blocks[2]["content"]] == demo.PAGES


@demo.both
def test_the_ai_sdk_fetches_a_page(run: Run, stream: bool) -> None:
    page = "https://example.com/red"
    answer = run("ai-sdk", "web", f"FETCH:{page}", stream=stream, api="messages")
    assert answer["called"] == [["web_fetch", {"url": page}, True]]
    [fetched] = answer["results"]
    assert (fetched["type"], fetched["url"]) == ("web_fetch_result", page)
    assert f"I read {page}." in answer["text"]
    blocks = demo.assistants_blocks(answer["seen"])
    assert [block["type"] for block in blocks][:3] == [
        *("text", "server_tool_use", "web_fetch_tool_result"),
    ]
    assert blocks[2]["content"]["url"] == page
