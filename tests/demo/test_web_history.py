"""What the demo API refuses of Anthropic's own tools in a history, and what it takes back."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.demo.prompt_cache import PromptCache, input_tokens
from claudeproxy.demo.rules import refusal
from claudeproxy.demo.web_results import covers, page, seal, search, unseal


SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FETCH = {"type": "web_fetch_20250910", "name": "web_fetch"}
GET = {"name": "get", "input_schema": {"type": "object"}}
URL = "https://a.example.com/x"
FOUND = search("a", SEARCH)[0]
BLOCK = FOUND.as_block()
CITATION = FOUND.as_citation()
PAGE = page(URL, FETCH)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


def body(*messages: Any, tools: Any = (SEARCH, FETCH, GET)) -> dict[str, Any]:
    made = {"model": "claude-opus", "max_tokens": 100, "messages": list(messages)}
    return {**made, "tools": list(tools)} if tools else made


def use(use_id: str = "srvtoolu_1", name: str = "web_search", **more: Any) -> dict[str, Any]:
    return {"type": "server_tool_use", "id": use_id, "name": name, "input": {}, **more}


def result(
    content: Any, use_id: Any = "srvtoolu_1", kind: str = "web_search", **more: Any
) -> dict[str, Any]:
    return {"type": f"{kind}_tool_result", "tool_use_id": use_id, "content": content, **more}


def failed(code: str, kind: str = "web_search") -> dict[str, Any]:
    return {"type": f"{kind}_tool_result_error", "error_code": code}


def text(value: str, *citations: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, "citations": list(citations)}


CALL = {"type": "tool_use", "id": "toolu_1", "name": "get", "input": {}}
ANSWERED = user([{"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"}])
MARK: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize(
    "content",
    [
        [use(), result([BLOCK])],
        [use(), result([])],
        [use(), result([BLOCK, {**BLOCK, "page_age": None}], **MARK), text("yes", CITATION)],
        [use(), result(failed("unavailable"))],
        [use(), use("srvtoolu_2"), result([BLOCK], "srvtoolu_2"), result([BLOCK])],
        [use(caller={"type": "direct"}), result([BLOCK], caller={"type": "direct"})],
        [use(name="web_fetch"), result(PAGE, kind="web_fetch")],
        [use(name="web_fetch"), result(failed("url_too_long", "web_fetch"), kind="web_fetch")],
        [use(name="code_execution"), result({"type": "x"}, kind="code_execution")],
        [text("yes")],
        [{"type": "text", "text": "yes", "citations": None}],
    ],
)
@pytest.mark.parametrize("tools", [(SEARCH, FETCH), ()])
def test_what_the_api_gave_is_taken_back_also_without_its_tools(content: Any, tools: Any) -> None:
    assert refusal(body(user("x"), assistant(*content), user("y"), tools=tools)) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            [use("toolu_1"), result([BLOCK], "toolu_1")],
            "messages.1.content.0.server_tool_use.id: String should match pattern "
            "'^srvtoolu_[a-zA-Z0-9_]+$'",
        ),
        ([use("srvtoolu_a-b")], "messages.1.content.0.server_tool_use.id: String should match"),
        ([use(name="get")], "messages.1.content.0.server_tool_use.name: Input should be 'web_se"),
        ([use(input="a")], "messages.1.content.0.server_tool_use.input: Input should be a valid"),
        ([use(), result([BLOCK], None)], "content.1.web_search_tool_result.tool_use_id: Field"),
        ([use(), result(None)], "content.1.web_search_tool_result.content: Field required"),
        ([use(), result("a")], "content.1.web_search_tool_result.content: Input should be"),
        ([use(), result(["a"])], "web_search_tool_result.content.0: Input should be a valid dict"),
        ([use(), result([{**BLOCK, "type": "x"}])], "content.0.type: Input should be 'web_sear"),
        ([use(), result([{**BLOCK, "url": None}])], "web_search_tool_result.content.0.url: Field"),
        (
            [use(), result([BLOCK, {**BLOCK, "encrypted_content": "abc"}])],
            "messages.1.content.1: Invalid `encrypted_content` in `search_result` block",
        ),
        ([use(), result({"type": "x"})], "content.type: Input should be 'web_search_tool_result_e"),
        ([use(), result({"type": "web_search_tool_result_error"})], "error_code: Field required"),
        ([use(name="web_fetch"), result([], kind="web_fetch")], "Input should be a valid diction"),
        (
            [use(name="web_fetch"), result({**PAGE, "content": "a"}, kind="web_fetch")],
            "web_fetch_result.content.type: Input should be 'document'",
        ),
        (
            [use(name="web_fetch"), result({**PAGE, "url": 5}, kind="web_fetch")],
            "web_fetch_result.url: Field required",
        ),
        (
            [result([BLOCK], "srvtoolu_9")],
            "messages.1.content.0: unexpected `tool_use_id` found in `web_search_tool_result` "
            "blocks: srvtoolu_9. Each `web_search_tool_result` block must have a corresponding "
            "`server_tool_use` block before it.",
        ),
        ([result([BLOCK]), use()], "messages.1.content.0: unexpected `tool_use_id` found in"),
        ([use(), result(PAGE, kind="web_fetch")], "found in `web_fetch_tool_result` blocks: srv"),
        ([use(), result([]), result([])], "messages.1.content.2: unexpected `tool_use_id` found"),
        (
            [use(), text("x")],
            "messages.1: `web_search` tool use with id `srvtoolu_1` was found without a "
            "corresponding `web_search_tool_result` block",
        ),
        ([text("x", {**CITATION, "type": "y"})], "content.0.text.citations.0: Input tag 'y' found"),
        ([text("x", "a")], "messages.1.content.0.text.citations.0: Input should be a valid dict"),
        ([{**text("x"), "citations": "a"}], "text.citations: Input should be a valid list"),
        ([text("x", {**CITATION, "cited_text": None})], "cited_text: Field required"),
        ([text("x", {**CITATION, "url": None})], "web_search_result_location.url: Field required"),
        ([text("x", {**CITATION, "encrypted_index": "abc"})], "Invalid `encrypted_index` in"),
    ],
)
def test_what_the_api_did_not_give_is_refused(content: Any, message: str) -> None:
    problem = refusal(body(user("x"), assistant(*content), user("y")))
    assert problem is not None
    assert message in problem


def test_a_users_message_has_no_server_tools_in_it() -> None:
    problem = refusal(body(user([use()])))
    assert problem is not None
    assert "Input tag 'server_tool_use' does not match" in problem


def test_a_call_at_the_end_may_wait_for_its_result() -> None:
    assert refusal(body(user("x"), assistant(use()))) is None
    assert refusal(body(user("x"), assistant(use(), CALL), ANSWERED)) is None
    answered = assistant(result([BLOCK]), text("yes"))
    history = [user("x"), assistant(use(), CALL), ANSWERED, answered]
    assert refusal(body(*history, user("y"))) is None


@pytest.mark.parametrize(
    "messages",
    [
        [assistant(use()), user("y")],
        [assistant(use(), CALL), user([*ANSWERED["content"], text("and this")])],
        [assistant(use(), CALL), ANSWERED, assistant(text("yes"))],
        [assistant(use(), CALL), ANSWERED, assistant(text("yes")), user("y")],
    ],
)
def test_a_call_whose_turn_has_ended_needs_its_result(messages: list[Any]) -> None:
    assert refusal(body(user("x"), *messages)) == (
        "messages.1: `web_search` tool use with id `srvtoolu_1` was found without a "
        "corresponding `web_search_tool_result` block"
    )


@pytest.mark.parametrize("name", ["web_search", "web_fetch"])
def test_a_call_that_waits_needs_its_tool(name: str) -> None:
    problem = refusal(body(user("x"), assistant(use(name=name)), tools=[GET]))
    assert problem is not None
    assert problem.endswith(f"but no `{name}` tool was provided")


@given(st.text())
def test_what_was_sealed_can_be_read_and_not_changed(value: str) -> None:
    sealed = seal(value)
    assert unseal(sealed) == value
    raw = bytearray(base64.b64decode(sealed))
    raw[-1] ^= 1
    assert unseal(base64.b64encode(raw).decode()) is None
    assert unseal(sealed[:-4]) is None


@pytest.mark.parametrize("sealed", ["", "a", "ä", None, 5, "AAAA"])
def test_what_was_not_sealed_cannot_be_read(sealed: Any) -> None:
    assert unseal(sealed) is None


@pytest.mark.parametrize(
    ("domain", "url", "covered"),
    [
        ("example.com", "https://example.com/", True),
        ("example.com", "https://docs.example.com/a", True),
        ("docs.example.com", "https://example.com/", False),
        ("example.com", "https://notexample.com/", False),
        ("example.com/blog", "https://example.com/blog/a", True),
        ("example.com/blog", "https://example.com/blog", True),
        ("example.com/blog/", "https://example.com/blogs", False),
        ("Example.com", "https://EXAMPLE.com:8080/", True),
        ("example.com/*/news", "https://example.com/a/news/1", True),
        ("example.com/*/news", "https://example.com/a/b", False),
    ],
)
def test_a_domain_covers_its_subdomains_and_the_pages_below_its_path(
    domain: str, url: str, covered: bool
) -> None:
    assert covers(domain, url) is covered


def test_blocks_of_the_web_count_as_content_in_the_prompt_cache() -> None:
    history = [user("x"), assistant(use(), result([BLOCK]), text("yes", CITATION))]
    without = body(user("x"), assistant(text("yes", CITATION)), user("y"))
    grown = body(*history, user("y"))
    assert input_tokens(grown) > input_tokens(without) + 50
    long = [result([BLOCK] * 40, **MARK)]
    first = body(user("x"), assistant(use(), *long), user("y"))
    cache = PromptCache()
    cache.remember(cache.look_up(first, 0.0))
    again = cache.look_up(body(user("x"), assistant(use(), *long), user("z")), 1.0)
    assert again.read > 1024
    changed = [result([{**BLOCK, "page_age": "now"}] * 40, **MARK)]
    other = cache.look_up(body(user("x"), assistant(use(), *changed), user("y")), 1.0)
    assert other.read == 0
