"""What the demo API refuses in Anthropic's own tools, and what it must let pass."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.demo.rules import refusal


SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FETCH = {"type": "web_fetch_20250910", "name": "web_fetch"}
NEWER = {"type": "web_search_20260209", "name": "web_search"}
NEWEST = {"type": "web_search_20260318", "name": "web_search"}
COMPUTER = {
    "type": "computer_20250124",
    "name": "computer",
    "display_width_px": 800,
    "display_height_px": 600,
}
CUSTOM = {"name": "get", "input_schema": {"type": "object"}}
PARIS = {"type": "approximate", "city": "Paris", "country": "FR", "timezone": "Europe/Paris"}


def body(*tools: Any, **changes: Any) -> dict[str, Any]:
    return {
        "model": "claude-opus-4-8",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": list(tools),
        **changes,
    }


@pytest.mark.parametrize(
    "tool",
    [
        SEARCH,
        NEWER,
        {**NEWEST, "response_inclusion": "excluded", "allowed_callers": ["direct"]},
        {**SEARCH, "max_uses": 3, "allowed_domains": ["example.com", "example.org/blog"]},
        {**SEARCH, "blocked_domains": ["example.com"], "allowed_domains": None},
        {**SEARCH, "user_location": PARIS, "cache_control": {"type": "ephemeral"}},
        {**SEARCH, "user_location": None, "max_uses": None, "strict": True},
        FETCH,
        {**FETCH, "citations": {"enabled": True}, "max_content_tokens": 500, "max_uses": 1},
        {**FETCH, "type": "web_fetch_20260309", "use_cache": False},
        {**FETCH, "type": "web_fetch_20260318", "url_sources": {"user_input": {"type": "all"}}},
        {"type": "code_execution_20250825", "name": "code_execution"},
        {"type": "memory_20250818", "name": "memory"},
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
        {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"},
        {"type": "computer_toolset_20260801"},
        {"type": "custom", **CUSTOM, "name": "other"},
    ],
)
def test_a_documented_tool_is_taken(tool: dict[str, Any]) -> None:
    assert refusal(body(tool, CUSTOM)) is None


@pytest.mark.parametrize(
    ("tool", "message"),
    [
        ({**SEARCH, "name": "search"}, "web_search_20250305.name: Input should be 'web_search'"),
        ({"type": "web_search_20250305"}, "web_search_20250305.name: Field required"),
        ({**SEARCH, "max_uses": 0}, "web_search_20250305.max_uses: Input should be greater"),
        ({**SEARCH, "max_uses": True}, "web_search_20250305.max_uses: Input should be greater"),
        ({**SEARCH, "colour": "red"}, "web_search_20250305.colour: Extra inputs are not"),
        ({**SEARCH, "citations": {}}, "web_search_20250305.citations: Extra inputs are not"),
        ({**SEARCH, "response_inclusion": "full"}, "response_inclusion: Extra inputs are not"),
        ({**NEWEST, "response_inclusion": "some"}, "response_inclusion: Input should be 'full'"),
        ({**SEARCH, "allowed_domains": []}, "allowed_domains: Empty list of domains is ambig"),
        ({**SEARCH, "allowed_domains": "example.com"}, "allowed_domains: Input should be a valid"),
        (
            {**SEARCH, "allowed_domains": ["a.example"], "blocked_domains": ["b.example"]},
            "web_search_20250305: Only one of allowed_domains or blocked_domains may be set.",
        ),
        ({**SEARCH, "blocked_domains": ["https://a.example"]}, "blocked_domains.0: provide a"),
        ({**SEARCH, "user_location": {}}, "user_location.type: Input should be 'approximate'"),
        ({**SEARCH, "user_location": {**PARIS, "country": "France"}}, "country: String should"),
        ({**SEARCH, "user_location": {**PARIS, "street": "x"}}, "street: Extra inputs are not"),
        ({**SEARCH, "user_location": "Paris"}, "user_location: Input should be a valid dict"),
        ({**SEARCH, "allowed_callers": ["me"]}, "allowed_callers: Input should be 'direct'"),
        ({**FETCH, "user_location": PARIS}, "web_fetch_20250910.user_location: Extra inputs"),
        ({**FETCH, "citations": {"enabled": "yes"}}, "citations.enabled: Input should be a valid"),
        ({**FETCH, "use_cache": True}, "web_fetch_20250910.use_cache: Extra inputs are not"),
        ({**FETCH, "max_content_tokens": -1}, "max_content_tokens: Input should be greater"),
        ({"type": "memory_20250818", "name": "m"}, "memory_20250818.name: Input should be 'mem"),
        ({**SEARCH, "cache_control": {"type": "x"}}, "cache_control.type: Input should be"),
    ],
)
def test_a_field_of_a_tool_that_is_wrong_is_refused(tool: dict[str, Any], message: str) -> None:
    problem = refusal(body(tool))
    assert problem is not None
    assert problem.startswith("tools.0.")
    assert message in problem


@pytest.mark.parametrize("kind", ["web_search", "web_search_20990101", "retrieval", 5])
def test_an_unknown_type_is_refused_with_a_list_of_the_known_ones(kind: Any) -> None:
    problem = refusal(body({"type": kind, "name": "web_search"}))
    assert problem is not None
    assert problem.startswith(f"tools.0: Input tag '{kind}' found using 'type' does not match any")
    assert "'custom'" in problem
    assert "'web_search_20250305'" in problem


def test_a_type_that_needs_a_beta_is_unknown_without_its_header() -> None:
    problem = refusal(body(COMPUTER))
    assert problem is not None
    assert "Input tag 'computer_20250124' found using 'type'" in problem
    assert refusal(body(COMPUTER), betas=["computer-use-2025-01-24"]) is None


@pytest.mark.parametrize("other", [{**CUSTOM, "name": "web_search"}, SEARCH, NEWER])
def test_the_name_of_a_web_tool_is_taken_once(other: dict[str, Any]) -> None:
    assert refusal(body(SEARCH, other)) == "tools: Tool names must be unique."


def test_a_client_may_have_a_tool_of_that_name_alone() -> None:
    assert refusal(body({**CUSTOM, "name": "web_search"})) is None


@pytest.mark.parametrize("model", ["claude-3-opus-20240229", "claude-3-haiku-20240307"])
def test_a_model_without_web_tools_refuses_them(model: str) -> None:
    problem = refusal(body(SEARCH, FETCH, model=model))
    assert problem is not None
    start = f"'{model}' does not support tool types: web_search_20250305, web_fetch_20250910."
    assert problem.startswith(start)
    assert refusal(body(SEARCH, model="claude-3-5-haiku-latest")) is None


@pytest.mark.parametrize(
    ("model", "taken"),
    [
        ("claude-haiku-4-5-20251001", False),
        ("claude-sonnet-4-20250514", False),
        ("claude-opus-4-1", False),
        ("claude-3-7-sonnet-latest", False),
        ("claude-opus-4-5", True),
        ("claude-sonnet-4-6", True),
        ("claude-opus-5-5", True),
    ],
)
def test_newer_web_tools_need_a_model_that_calls_tools_from_code(model: str, taken: bool) -> None:
    problem = refusal(body(NEWER, model=model))
    if taken:
        assert problem is None
    else:
        assert problem is not None
        assert problem.startswith(f"'{model}' does not support programmatic tool calling.")
    assert refusal(body({**NEWER, "allowed_callers": ["direct"]}, model=model)) is None
    assert refusal(body(SEARCH, model=model)) is None


@pytest.mark.parametrize("container", [None, "container_1", {"id": "container_1"}, {}])
def test_a_container_has_an_id(container: Any) -> None:
    assert refusal(body(NEWER, container=container)) is None


@pytest.mark.parametrize("container", [5, {"id": 5}, ["container_1"]])
def test_anything_else_is_no_container(container: Any) -> None:
    assert refusal(body(container=container)) == "container: Input should be a valid string"


def test_skills_need_a_beta() -> None:
    asked = body(container={"skills": []})
    assert refusal(asked) == "container.skills: Extra inputs are not permitted"
    assert refusal(asked, betas=["skills-2025-10-02"]) is None


def test_the_tool_choice_may_name_a_web_tool() -> None:
    choice = {"type": "tool", "name": "web_search"}
    assert refusal(body(SEARCH, tool_choice=choice)) is None
    assert refusal(body(FETCH, {"type": "computer_toolset_20260801"}, tool_choice=choice)) == (
        "Tool 'web_search' not found in provided tools"
    )
