"""Which of the API's own tools a request gets."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from claudeproxy.conversation import (
    Conversation,
    Limits,
    Profile,
    ServerTool,
    Tool,
    ToolChoice,
    Turn,
    text_block,
)
from claudeproxy.errors import APIError, bad_request, rate_limited
from claudeproxy.server_tools.refusals import MOST_REMEMBERED, REMEMBERED_FOR, Refusals


def tool(kind: str) -> ServerTool:
    name = kind.rpartition("_")[0]
    return ServerTool({"type": kind, "name": name}, f"tools[0].{kind}", f"tools[].{kind}")


SEARCH, FETCH = tool("web_search_20250305"), tool("web_fetch_20250910")
OWN = Profile(tools=(Tool("f", "", {}),))
DISABLED = APIError(403, "Web search is disabled for this organization.")


def conversation(
    *tools: ServerTool, profile: Profile = OWN, model: str = "m", **limits: Any
) -> Conversation:
    turns = (Turn("user", (text_block("Hi"),)),)
    return Conversation(profile, turns, Limits(model, server_tools=tools, **limits))


def refusals(clock: Clock | None = None, **more: bool) -> Refusals:
    return Refusals((clock or Clock()).seconds, **more)


def test_what_was_not_refused_is_offered() -> None:
    asked = conversation(SEARCH, FETCH)
    assert refusals().choose(asked).conversation is asked
    assert refusals().choose(asked).left_out == ()


def test_a_refused_tool_is_left_out_for_a_while_where_there_are_others() -> None:
    clock = Clock()
    its = refusals(clock)
    asked = conversation(SEARCH, FETCH)
    again = its.after(asked, DISABLED)
    assert again is not None
    assert again.conversation == conversation(FETCH)
    assert again.left_out == (SEARCH,)
    clock.advance(REMEMBERED_FOR - 1)
    assert its.choose(asked) == again
    assert its.choose(conversation(SEARCH, model="other")).left_out == ()
    clock.advance(1)
    assert its.choose(asked).left_out == ()


@pytest.mark.parametrize(
    "asked",
    [
        conversation(SEARCH, profile=Profile()),
        conversation(SEARCH, tool_choice=ToolChoice("tool", "web_search", of_server=True)),
    ],
    ids=["alone", "forced"],
)
def test_the_error_is_told_if_the_request_needs_the_tool(asked: Conversation) -> None:
    its = refusals()
    assert its.after(asked, DISABLED) is None
    with pytest.raises(APIError) as caught:
        its.choose(asked)
    assert caught.value is DISABLED


def test_a_function_with_the_name_of_the_tool_does_not_need_it() -> None:
    asked = conversation(SEARCH, tool_choice=ToolChoice("tool", "web_search"))
    assert refusals().after(asked, DISABLED) is not None


def test_an_error_that_names_no_tool_is_about_all() -> None:
    error = bad_request("'claude-3-opus' does not support tool types: x.")
    again = refusals().after(conversation(SEARCH, FETCH), error)
    assert again is not None
    assert again.left_out == (SEARCH, FETCH)


@pytest.mark.parametrize(
    "error",
    [
        rate_limited("Web search is busy.", None),
        bad_request("tools.0.web_search_20250305.max_uses: Input should be greater than 0"),
        bad_request("messages.1.content.0: Invalid `encrypted_content` in web_search_tool_result"),
        bad_request("max_tokens: Input should be greater than 0"),
        APIError(403, "Your account has no access."),
        APIError(404, "model: web search"),
    ],
)
def test_other_errors_are_told_and_not_remembered(error: APIError) -> None:
    its = refusals()
    asked = conversation(SEARCH)
    assert its.after(asked, error) is None
    assert its.choose(asked).left_out == ()


def test_without_such_tools_no_error_is_about_them() -> None:
    assert refusals().after(conversation(), DISABLED) is None


def test_the_setting_refuses_all() -> None:
    its = refusals(allowed=False)
    assert its.choose(conversation(SEARCH)).left_out == (SEARCH,)
    with pytest.raises(APIError) as caught:
        its.choose(conversation(SEARCH, profile=Profile()))
    assert (caught.value.status, caught.value.param) == (400, SEARCH.param)
    assert "web_tools" in caught.value.message


def test_nothing_is_left_out_if_it_must_not_be() -> None:
    its = refusals(may_leave_out=False)
    assert its.after(conversation(SEARCH), DISABLED) is None
    with pytest.raises(APIError):
        its.choose(conversation(SEARCH))


def test_the_memory_is_bounded() -> None:
    its = refusals()
    for number in range(MOST_REMEMBERED + 1):
        its.after(conversation(SEARCH, model=f"m{number}"), DISABLED)
    assert its.choose(conversation(SEARCH, model="m0")).left_out == ()
    assert its.choose(conversation(SEARCH, model="m1")).left_out == (SEARCH,)
