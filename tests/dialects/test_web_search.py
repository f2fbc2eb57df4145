"""Web search in OpenAI's dialects: what is asked of the API, and what is cited."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.conversation import ServerTool, ToolChoice
from claudeproxy.dialects.chat.cited import CitedText
from claudeproxy.dialects.openai_web_search import Annotation, Citations
from claudeproxy.events import (
    Cited,
    Event,
    Finished,
    ServerBlockStarted,
    TextDelta,
    TextStarted,
    Usage,
    Withdrawn,
)

from .asking import HELLO, refused
from .asking import ask as ask_chat
from .responses.test_request import F
from .responses.test_request import ask as ask_responses


BASE = {"type": "web_search_20250305", "name": "web_search"}
WEB = ToolChoice("tool", "web_search", of_server=True)
END = Finished("stop", Usage())


def in_responses(*tools: Any, **more: Any) -> tuple[ServerTool, ...]:
    return ask_responses(tools=list(tools), **more).conversation.limits.server_tools


def in_chat(options: Any, **more: Any) -> tuple[ServerTool, ...]:
    asked = ask_chat(HELLO, web_search_options=options, **more)
    return asked.conversation.limits.server_tools


def definition(**options: Any) -> Any:
    (tool,) = in_responses({"type": "web_search", **options})
    return tool.definition


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({}, {}),
        ({"external_web_access": False}, {}),
        ({"filters": None, "user_location": None}, {}),
        ({"filters": {"allowed_domains": ["a.b"]}}, {"allowed_domains": ["a.b"]}),
        ({"filters": {"blocked_domains": ["a.b"]}}, {"blocked_domains": ["a.b"]}),
        ({"filters": {"allowed_domains": []}}, {}),
        ({"search_context_size": "low"}, {"max_uses": 2}),
        ({"search_context_size": "medium"}, {}),
        ({"search_context_size": "high"}, {}),
        (
            {"user_location": {"type": "approximate", "country": "de", "city": "", "region": None}},
            {"user_location": {"type": "approximate", "country": "de"}},
        ),
        ({"user_location": {"type": "approximate"}}, {}),
    ],
)
def test_the_options_are_those_of_anthropics_tool(options: Any, more: Any) -> None:
    assert definition(**options) == {**BASE, **more}


@pytest.mark.parametrize(
    "kind",
    [
        *("web_search", "web_search_2025_08_26"),
        *("web_search_preview", "web_search_preview_2025_03_11"),
    ],
)
def test_each_of_openais_types_is_the_same_tool(kind: str) -> None:
    (tool,) = in_responses(F, {"type": kind}, {"type": kind})
    assert (tool.definition, tool.param, tool.listed) == (BASE, "tools[1].type", f"tools[].{kind}")


def test_a_second_web_search_is_ignored() -> None:
    tools = [{"type": "web_search"}, {"type": "web_search_preview"}, F]
    asked = ask_responses(tools=tools)
    assert [tool.type for tool in asked.conversation.limits.server_tools] == [BASE["type"]]
    assert asked.ignored == ("tools[].web_search_preview",)
    assert ask_responses(tools=tools[1:]).ignored == ()


def test_the_number_of_searches_is_bounded() -> None:
    web = {"type": "web_search"}
    (tool,) = in_responses(web, max_tool_calls=4)
    assert tool.definition["max_uses"] == 4
    (tool,) = in_responses({**web, "search_context_size": "low"}, max_tool_calls=1)
    assert tool.definition["max_uses"] == 1
    assert in_responses(web, F, max_tool_calls=0) == ()
    assert ask_responses(tools=[web], max_tool_calls=3).ignored == ()
    assert ask_responses(tools=[F], max_tool_calls=3).ignored == ("max_tool_calls",)


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"search_context_size": "huge"}, "search_context_size"),
        ({"user_location": {"type": "exact"}}, "user_location.type"),
        ({"user_location": {"country": "Germany"}}, "user_location.country"),
        ({"filters": {"allowed_domains": "a.b"}}, "filters.allowed_domains"),
        ({"filters": {"allowed_domains": ["a.b", ""]}}, "filters.allowed_domains[1]"),
        ({"filters": {"blocked_domains": ["https://a.b"]}}, "filters.blocked_domains[0]"),
        ({"filters": {"blocked_domains": ["a b"]}}, "filters.blocked_domains[0]"),
        (
            {"filters": {"allowed_domains": ["a"], "blocked_domains": ["b"]}},
            "filters.blocked_domains",
        ),
    ],
)
def test_what_is_wrong_is_named(options: Any, param: str) -> None:
    _, told, _ = refused(lambda: definition(**options))
    assert told == f"tools[0].{param}"


def test_unknown_options_are_told() -> None:
    asked = ask_responses(tools=[{"type": "web_search", "image_settings": {}}])
    assert asked.ignored == ("tools[].image_settings",)


def test_what_a_response_includes() -> None:
    web = {"type": "web_search"}
    known = ["web_search_call.action.sources"]
    assert ask_responses(tools=[web], include=known).ignored == ()
    assert ask_responses(tools=[web], include=[*known, "x"]).ignored == ("include",)


@pytest.mark.parametrize(
    ("choice", "wanted", "offered"),
    [
        ("auto", ToolChoice(), True),
        ("required", ToolChoice("any"), True),
        ("none", ToolChoice("none"), True),
        ({"type": "web_search"}, ToolChoice("tool", "web_search", False, True), True),
        ({"type": "web_search_preview"}, ToolChoice("tool", "web_search", False, True), True),
        ({"type": "allowed_tools", "mode": "auto", "tools": [F]}, ToolChoice(), False),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]},
            ToolChoice("any"),
            True,
        ),
    ],
)
def test_a_search_can_be_chosen(choice: Any, wanted: ToolChoice, offered: bool) -> None:
    limits = ask_responses(
        tools=[{"type": "web_search"}, F], tool_choice=choice
    ).conversation.limits
    assert (limits.tool_choice, bool(limits.server_tools)) == (wanted, offered)


def test_a_search_that_is_not_offered_cannot_be_chosen() -> None:
    wanted = {"type": "web_search"}
    _, param, _ = refused(lambda: ask_responses(tools=[F], tool_choice=wanted))
    assert param == "tool_choice.type"
    _, param, _ = refused(lambda: ask_responses(tool_choice=wanted))
    assert param == "tool_choice"


def test_a_function_of_the_same_name_is_another_tool() -> None:
    function = {**F, "name": "web_search"}
    asked = ask_responses(
        tools=[{"type": "web_search"}, function],
        tool_choice={"type": "function", "name": "web_search"},
    )
    assert asked.conversation.limits.tool_choice == ToolChoice("tool", "web_search", False)
    assert [tool.name for tool in asked.conversation.profile.tools] == ["web_search"]


def test_chat_completions_have_options_for_it() -> None:
    place = {"type": "approximate", "approximate": {"city": "Bonn"}}
    (tool,) = in_chat({"user_location": place, "search_context_size": "low"})
    assert tool.definition == {
        **BASE,
        "max_uses": 2,
        "user_location": {"type": "approximate", "city": "Bonn"},
    }
    assert tool.listed == "web_search_options"
    assert in_chat(None) == ()
    _, param, _ = refused(lambda: in_chat({"search_context_size": 5}))
    assert param == "web_search_options.search_context_size"
    _, param, _ = refused(lambda: in_chat({"user_location": {"type": "approximate"}}))
    assert param == "web_search_options.user_location.approximate"


@pytest.mark.parametrize("filters", [5, "x", {"allowed_domains": [5]}, {"allowed_domains": ["x"]}])
def test_filters_are_no_option_of_chat(filters: Any) -> None:
    asked = ask_chat(HELLO, web_search_options={"filters": filters})
    (tool,) = asked.conversation.limits.server_tools
    assert tool.definition == {"type": "web_search_20250305", "name": "web_search"}
    assert asked.ignored == ("web_search_options.filters",)


def test_a_search_tool_in_chat_is_refused_with_the_name_of_the_option() -> None:
    message, param, _ = refused(lambda: ask_chat(HELLO, tools=[{"type": "web_search"}]))
    assert param == "tools[0].type"
    assert message.endswith("web search is the field `web_search_options`.")


def page(name: str) -> Cited:
    where = {"type": "web_search_result_location", "title": None, "cited_text": "x"}
    return Cited({**where, "url": f"https://{name}"})


def note(start: int, end: int, name: str) -> Annotation:
    return Annotation(start, end, f"https://{name}", "")


def test_each_citation_belongs_to_the_text_of_its_block() -> None:
    citations = Citations()
    document = Cited({"type": "char_location", "cited_text": "x"})
    told = [
        note
        for event in (
            *(TextDelta("ab"), TextStarted(), page("a"), page("a"), page("b"), document),
            *(TextDelta("c"), TextDelta("é"), TextStarted(), TextDelta("d"), TextStarted()),
            *(TextDelta("e"), page("c"), END),
        )
        for note in citations.feed(event)
    ]
    assert told == [note(2, 4, "a"), note(2, 4, "b"), note(5, 6, "c")]


def searched() -> ServerBlockStarted:
    return ServerBlockStarted({"type": "server_tool_use", "name": "web_search", "id": "s"})


def test_texts_that_a_search_separates_are_apart() -> None:
    text = CitedText()
    events: list[Event] = [searched(), TextDelta("a"), searched(), page("a"), TextDelta("b")]
    told = [
        told for event in (*events, TextStarted(), TextDelta("c"), END) for told in text.feed(event)
    ]
    assert "".join(event.text for event in told if isinstance(event, TextDelta)) == "a\n\nbc"
    assert text.annotations == [note(3, 4, "a")]
    text.feed(Withdrawn())
    assert [text.feed(event) for event in (TextDelta("a"), END)] == [(TextDelta("a"),), (END,)]
    assert text.annotations == []
