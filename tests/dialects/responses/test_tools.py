"""Responses requests: flat tools, which of them may be called, and the form of the answer."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.conversation import Profile, Tool, ToolChoice

from ..asking import refused
from .test_request import FORM, SCHEMA, F, ask


EMPTY = {"type": "object", "properties": {}}
G = {"type": "function", "name": "g"}
CALLED = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
GIVEN = {"type": "function_call_output", "call_id": "a", "output": "x"}


def profile(**changes: Any) -> Profile:
    return ask(**changes).conversation.profile


# Tools


def test_tools_are_flat() -> None:
    given = [{**F, "description": "F", "parameters": SCHEMA, "strict": False}, G]
    assert profile(tools=given).tools == (Tool("f", "F", SCHEMA), Tool("g", "", EMPTY))


def allowed(*tools: Any, mode: Any = "auto") -> dict[str, Any]:
    return {"type": "allowed_tools", "mode": mode, "tools": list(tools)}


@pytest.mark.parametrize(
    ("changes", "names", "choice"),
    [
        ({}, ["f", "g"], ToolChoice()),
        ({"tool_choice": "auto"}, ["f", "g"], ToolChoice()),
        ({"tool_choice": "none"}, ["f", "g"], ToolChoice("none")),
        ({"tool_choice": "required"}, ["f", "g"], ToolChoice("any")),
        ({"tool_choice": F}, ["f", "g"], ToolChoice("tool", "f", parallel=False)),
        ({"tool_choice": allowed(G)}, ["g"], ToolChoice()),
        ({"tool_choice": allowed(G, F, mode="required")}, ["f", "g"], ToolChoice("any")),
        ({"parallel_tool_calls": False}, ["f", "g"], ToolChoice(parallel=False)),
        ({"tools": []}, [], ToolChoice()),
    ],
)
def test_the_choice_is_free_or_forced(
    changes: dict[str, Any], names: list[str], choice: ToolChoice
) -> None:
    asked = ask(**{"tools": [F, G], **changes}).conversation
    assert [tool.name for tool in asked.profile.tools] == names
    assert asked.limits.tool_choice == choice


SEARCHES = (
    "'web_search', 'web_search_2025_08_26', 'web_search_preview', 'web_search_preview_2025_03_11'"
)
HOSTED = ["file_search", "image_generation", "code_interpreter", "mcp", "local_shell", "x_y"]


@pytest.mark.parametrize("hosted", HOSTED)
def test_a_hosted_tool_beside_others_is_left_out_and_told(hosted: str) -> None:
    asked = ask(tools=[{"type": hosted, "name": 5}, F, {"type": hosted}])
    assert asked.conversation.profile.tools == (Tool("f", "", EMPTY),)
    assert asked.ignored == (f"tools[].{hosted}",)


@pytest.mark.parametrize("choice", ["auto", "required", "none"])
@pytest.mark.parametrize("items", [[], [CALLED, GIVEN]], ids=["new", "after a call"])
@pytest.mark.parametrize("hosted", HOSTED)
def test_hosted_tools_alone_are_refused(hosted: str, items: Any, choice: str) -> None:
    given = [{"type": hosted}, {"type": "computer"}]
    assert refused(lambda: ask(*items, tools=given, tool_choice=choice)) == (
        f"Tools of type '{hosted}' are not supported. Supported types are: 'function', 'custom', "
        f"'tool_search', 'namespace', {SEARCHES}.",
        "tools[0].type",
        "unsupported_value",
    )


@pytest.mark.parametrize("hosted", HOSTED)
def test_a_hosted_tool_cannot_be_forced(hosted: str) -> None:
    wanted = {"type": hosted, "server_label": "x"}
    assert refused(lambda: ask(tools=[F, {"type": hosted}], tool_choice=wanted)) == (
        f"Choices of tools of type '{hosted}' are not supported. Supported types are: 'function', "
        f"'custom', {SEARCHES}, 'allowed_tools'.",
        "tool_choice.type",
        "unsupported_value",
    )


def test_a_hosted_tool_that_is_allowed_is_left_out_and_told() -> None:
    asked = ask(tools=[F, G], tool_choice=allowed({"type": "computer"}, G, mode="required"))
    assert [tool.name for tool in asked.conversation.profile.tools] == ["g"]
    assert asked.conversation.limits.tool_choice == ToolChoice("any")
    assert asked.ignored == ("tool_choice.tools[].computer",)
    nothing = ask(tools=[F, G], tool_choice=allowed({"type": "mcp"})).conversation
    assert (nothing.profile.tools, nothing.limits.tool_choice) == ((), ToolChoice())
    told = refused(lambda: ask(tools=[F], tool_choice=allowed({"type": "mcp"}, mode="required")))
    assert told[1:] == ("tool_choice", "invalid_value")


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"tools": [{"type": "function"}]}, "tools[0].name", "missing_required_parameter"),
        (
            {"tools": [{"type": "function", "function": {"name": "f"}}]},
            "tools[0].name",
            "missing_required_parameter",
        ),
        ({"tools": [F, F]}, "tools[1].name", "invalid_value"),
        ({"tools": [{**F, "parameters": {"type": "array"}}]}, "tools[0].parameters", None),
        ({"tools": [{**F, "strict": "yes"}]}, "tools[0].strict", "invalid_type"),
        ({"tools": {}}, "tools", "invalid_type"),
        ({"tools": [F] * 129}, "tools", "array_above_max_length"),
        ({"tool_choice": "any"}, "tool_choice", "invalid_value"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name", "missing_required_parameter"),
        ({"tool_choice": {"type": "function", "name": "x"}}, "tool_choice.name", "invalid_value"),
        ({"tool_choice": allowed()}, "tool_choice.tools", "empty_array"),
        ({"tool_choice": allowed(F, mode="none")}, "tool_choice.mode", "invalid_value"),
        ({"tool_choice": F, "tools": None}, "tool_choice", "invalid_value"),
        ({"tool_choice": "required", "tools": []}, "tool_choice", "invalid_value"),
    ],
)
def test_a_tool_or_choice_that_cannot_be_is_told_by_its_place(
    changes: dict[str, Any], param: str, code: str | None
) -> None:
    told = refused(lambda: ask(**{"tools": [F], **changes}))
    assert told[1] == param
    assert code is None or told[2] == code


# The form of the answer


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        (None, None),
        ({}, None),
        ({"format": None}, None),
        ({"format": {"type": "text"}}, None),
        ({"format": {"type": "json_object"}}, {"type": "object"}),
        ({"format": FORM}, SCHEMA),
        (
            {"format": {**FORM, "strict": True, "description": "A j."}},
            {**SCHEMA, "description": "A j."},
        ),
    ],
)
def test_the_answer_is_text_or_fits_a_schema(text: Any, schema: Any) -> None:
    asked = ask(text=text)
    assert asked.conversation.output_schema == schema
    assert asked.conversation.profile == Profile()
    assert asked.ignored == ()


@pytest.mark.parametrize("choice", ["required", F])
def test_a_call_that_is_forced_has_no_other_form(choice: Any) -> None:
    asked = ask(text={"format": FORM}, tools=[F], tool_choice=choice)
    assert asked.conversation.output_schema is None
    assert asked.ignored == ("text.format",)
    assert ask(text={"format": FORM}, tools=[F]).conversation.output_schema == SCHEMA


@pytest.mark.parametrize(
    ("wanted", "where", "code"),
    [
        ("json_object", "", "invalid_type"),
        ({}, ".type", "missing_required_parameter"),
        ({"type": "xml"}, ".type", "invalid_value"),
        ({"type": "json_schema", "json_schema": {}}, ".name", "missing_required_parameter"),
        ({**FORM, "name": "a b"}, ".name", "invalid_value"),
        ({**FORM, "schema": None}, ".schema", "missing_required_parameter"),
        ({**FORM, "schema": {"type": "list"}}, ".schema", "invalid_schema"),
        ({**FORM, "strict": 1}, ".strict", "invalid_type"),
    ],
)
def test_a_form_that_cannot_be_is_told_by_its_place(wanted: Any, where: str, code: str) -> None:
    assert refused(lambda: ask(text={"format": wanted}))[1:] == (f"text.format{where}", code)
