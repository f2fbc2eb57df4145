"""The tools that Anthropic's API itself defines."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.conversation import ToolChoice, Turn, text_block
from claudeproxy.demo import server_tools as demo
from claudeproxy.dialects.messages.server_tools import REFUSED, TOOLS

from ..asking import refused
from .test_request import F, ask, faults


SEARCH: dict[str, Any] = {"type": "web_search_20250305", "name": "web_search"}
FETCH: dict[str, Any] = {"type": "web_fetch_20250910", "name": "web_fetch"}
FULL: dict[str, Any] = {
    **SEARCH,
    "max_uses": 3,
    "allowed_domains": ["example.com"],
    "user_location": {"type": "approximate", "city": "Bonn"},
    "strict": True,
    "allowed_callers": ["direct"],
}
USE = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}


def given(*tools: Any, **more: Any) -> Any:
    return ask(tools=list(tools), **more).conversation.limits


def test_a_definition_reaches_the_api_as_it_is() -> None:
    limits = given(F, FULL, {**FETCH, "citations": {"enabled": True}, "max_content_tokens": 5})
    assert [tool.definition for tool in limits.server_tools] == [
        FULL,
        {**FETCH, "citations": {"enabled": True}, "max_content_tokens": 5},
    ]
    assert limits.server_tools[0].param == "tools[1].type"


def test_what_is_null_or_not_known_is_left_out() -> None:
    asked = ask(tools=[{**SEARCH, "max_uses": None, "cache_control": {}, "x": 1}])
    (tool,) = asked.conversation.limits.server_tools
    assert tool.definition == SEARCH
    assert asked.ignored == ("tools[].cache_control", "tools[].x")


@pytest.mark.parametrize("kind", TOOLS)
def test_each_type_is_one_that_the_stand_in_knows(kind: str) -> None:
    name = kind.rpartition("_")[0]
    (tool,) = given({"type": kind, "name": name}).server_tools
    assert not list(demo.typed_problems(tool.definition, "tools.0", ()))


@pytest.mark.parametrize("kind", REFUSED)
def test_the_others_are_refused_with_a_reason(kind: str) -> None:
    message, param, code = refused(lambda: ask(tools=[{"type": kind, "name": "x"}]))
    assert (param, code) == ("tools[0].type", "unsupported_value")
    assert message.endswith(REFUSED[kind])


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([{"type": SEARCH["type"]}], "tools[0].name"),
        ([{**SEARCH, "name": "search"}], "tools[0].name"),
        ([{**SEARCH, "max_uses": 0}], "tools[0].max_uses"),
        ([{**SEARCH, "allowed_domains": []}], "tools[0].allowed_domains"),
        ([{**SEARCH, "allowed_domains": [""]}], "tools[0].allowed_domains[0]"),
        ([{**FETCH, "blocked_domains": ["HTTPS://a.b"]}], "tools[0].blocked_domains[0]"),
        (
            [{**SEARCH, "allowed_domains": ["a"], "blocked_domains": ["b"]}],
            "tools[0].blocked_domains",
        ),
        ([{**SEARCH, "user_location": {"city": "Bonn"}}], "tools[0].user_location.type"),
        ([SEARCH, {**SEARCH, "type": "web_search_20260209"}], "tools[1].name"),
        ([{**F, "name": "web_search"}, SEARCH], "tools[1].name"),
    ],
)
def test_what_is_wrong_is_named(tools: Any, param: str) -> None:
    assert faults(tools=tools)[0] == param


def test_they_can_be_chosen() -> None:
    choice = {"type": "tool", "name": "web_search"}
    wanted = ToolChoice("tool", "web_search", parallel=False, of_server=True)
    assert given(F, SEARCH, tool_choice=choice).tool_choice == wanted
    assert given(SEARCH, tool_choice={"type": "any"}).tool_choice == ToolChoice("any")
    assert given(SEARCH, tool_choice={"type": "none"}).tool_choice == ToolChoice("none")


def test_a_message_that_may_be_paused_is_continued() -> None:
    said = {"role": "assistant", "content": [USE, RESULT]}
    asked = ask({"role": "user", "content": "a"}, said).conversation
    assert asked.turns[1:] == (
        Turn("assistant", (USE, RESULT)),
        Turn("user", (text_block("Continue."),)),
    )


def test_citations_of_the_assistant_are_kept() -> None:
    cites = [{"type": "web_search_result_location", "url": "u"}]
    said = {"type": "text", "text": "a", "citations": cites}
    messages = [
        {"role": "user", "content": [said]},
        {"role": "assistant", "content": [said, {**USE, "cache_control": {}}, RESULT]},
        {"role": "user", "content": "b"},
    ]
    first, second, _ = ask(*messages).conversation.turns
    assert first.blocks == (text_block("a"),)
    assert second.blocks == (said, USE, RESULT)
