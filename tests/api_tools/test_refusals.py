"""Which of the API's own tools a request gets."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from twisted.internet.task import Clock

from claudeproxy.api_tools.refusals import REMEMBERED_FOR, Refusals
from claudeproxy.api_tools.strict import MOST_STRICT
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
from claudeproxy.remembered import MOST


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
    assert again.left_out == (SEARCH.listed,)
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
    assert again.left_out == (SEARCH.listed, FETCH.listed)


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
    assert its.choose(conversation(SEARCH)).left_out == (SEARCH.listed,)
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
    for number in range(MOST + 1):
        its.after(conversation(SEARCH, model=f"m{number}"), DISABLED)
    assert its.choose(conversation(SEARCH, model="m0")).left_out == ()
    assert its.choose(conversation(SEARCH, model="m1")).left_out == (SEARCH.listed,)


# Strict tools

CLOSED = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
BOUNDED = {**CLOSED, "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
COMPLEX = bad_request("Schema is too complex.")
AS = "tools[].strict"


def strict(*schemas: Any, strict_as: str = AS) -> Conversation:
    tools = tuple(
        Tool(f"f{number}", "", schema, {"strict": True, "x": 1})
        for number, schema in enumerate(schemas)
    )
    return attrs.evolve(conversation(profile=Profile(tools=tools)), strict_as=strict_as)


def which(asked: Conversation) -> list[bool]:
    assert all(tool.more["x"] == 1 for tool in asked.profile.tools)
    return ["strict" in tool.more for tool in asked.profile.tools]


def test_strict_tools_stay_so_if_the_api_takes_their_schema() -> None:
    allowed = refusals().choose(strict(CLOSED, BOUNDED, CLOSED))
    assert which(allowed.conversation) == [True, False, True]
    assert allowed.left_out == (AS,)
    (tool,) = refusals().choose(strict(CLOSED)).conversation.profile.tools
    assert tool.input_schema == {"type": "object", "properties": {}, "additionalProperties": False}


def test_there_is_a_limit_to_their_number() -> None:
    allowed = refusals().choose(strict(*[CLOSED] * (MOST_STRICT + 2)))
    assert which(allowed.conversation) == [True] * MOST_STRICT + [False] * 2


def test_what_the_api_refuses_of_them_is_not_strict_for_a_while() -> None:
    clock = Clock()
    its = refusals(clock)
    again = its.after(strict(CLOSED), COMPLEX)
    assert again is not None
    assert (which(again.conversation), again.left_out) == ([False], (AS,))
    assert its.choose(strict(CLOSED)) == again
    assert its.after(again.conversation, COMPLEX) is None
    # Other tools are not concerned.
    assert its.choose(strict(CLOSED, CLOSED)).left_out == ()
    clock.advance(REMEMBERED_FOR)
    assert its.choose(strict(CLOSED)).left_out == ()


def test_a_client_of_messages_gets_the_apis_errors() -> None:
    its = refusals()
    asked = strict(BOUNDED, strict_as="")
    assert its.choose(asked).conversation is asked
    assert its.after(asked, COMPLEX) is None


def test_nothing_that_is_strict_is_dropped_if_it_must_not_be() -> None:
    with pytest.raises(APIError) as caught:
        refusals(may_leave_out=False).choose(strict(BOUNDED))
    assert (caught.value.status, caught.value.param) == (400, AS)
    assert refusals(may_leave_out=False).after(strict(CLOSED), COMPLEX) is None
