"""What a request says of tools, of the choice among them and of the answer's form."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.conversation import Profile, Tool, ToolChoice
from claudeproxy.dialects.chat.answer import WholeAnswer

from .asking import HELLO, ask, call, calling, function, limits, refused, result


EMPTY = {"type": "object", "properties": {}}
TWO = [function("f"), function("g")]
NAMED_F = {"type": "function", "function": {"name": "f"}}


def tools(**changes: Any) -> tuple[Tool, ...]:
    return ask(**changes).conversation.profile.tools


def choice(wanted: Any = None, **changes: Any) -> ToolChoice:
    return limits(**{"tools": TWO, "tool_choice": wanted, **changes}).tool_choice


def allowed(*entries: Any, mode: Any = "auto") -> dict[str, Any]:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(entries)}}


def custom(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "custom", "custom": {"name": name, **more}}


def is_legacy(**changes: Any) -> bool:
    answer = ask(**changes).answer("abc", 0)
    assert isinstance(answer, WholeAnswer)
    return answer.legacy


# Tools


def test_a_tool_is_its_name_its_description_and_its_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    given = [function("f", description="Does it.", parameters=schema), function("g")]
    asked = ask(tools=given)
    assert asked.conversation.profile == Profile(
        tools=(Tool("f", "Does it.", schema), Tool("g", "", EMPTY))
    )
    assert asked.conversation.limits.tool_choice == ToolChoice()
    assert asked.ignored == ()


@pytest.mark.parametrize("name", ["f", "get_weather", "a-B_9", "-", "x" * 64])
def test_a_name_is_of_letters_digits_and_lines(name: str) -> None:
    assert tools(tools=[function(name)]) == (Tool(name, "", EMPTY),)


@pytest.mark.parametrize("name", ["", " ", "a b", "a.b", "a:b", "é", "f\n", "x" * 65])
def test_a_name_of_anything_else_is_refused(name: str) -> None:
    assert refused(lambda: ask(tools=[*TWO, function(name)]))[1:] == (
        "tools[2].function.name",
        "invalid_value",
    )


def test_a_name_that_is_there_twice_is_refused() -> None:
    message, *told = refused(lambda: ask(tools=[*TWO, function("f")]))
    assert "'f'" in message
    assert told == ["tools[2].function.name", "invalid_value"]


def test_there_are_128_tools_at_most() -> None:
    many = [function(f"f{number}") for number in range(129)]
    assert len(tools(tools=many[:128])) == 128
    assert refused(lambda: ask(tools=many))[1:] == ("tools", "array_above_max_length")


@pytest.mark.parametrize(
    ("entry", "where", "code"),
    [
        ("f", "", "invalid_type"),
        ({"function": {"name": "f"}}, ".type", "missing_required_parameter"),
        ({"type": 5, "function": {"name": "f"}}, ".type", "invalid_type"),
        ({"type": "custom", "name": "f"}, ".custom", "missing_required_parameter"),
        ({"type": "custom", "custom": "f"}, ".custom", "invalid_type"),
        ({"type": "custom", "custom": {}}, ".custom.name", "missing_required_parameter"),
        (custom("f0"), ".custom.name", "invalid_value"),
        (custom("f", format="text"), ".custom.format", "invalid_type"),
        (custom("f", format={}), ".custom.format.type", "missing_required_parameter"),
        (custom("f", format={"type": "xml"}), ".custom.format.type", "invalid_value"),
        ({"type": "namespace", "name": "n", "tools": []}, ".type", "unsupported_value"),
        ({"type": "web_search"}, ".type", "unsupported_value"),
        ({"type": "function"}, ".function", "missing_required_parameter"),
        ({"type": "function", "name": "f"}, ".function", "missing_required_parameter"),
        ({"type": "function", "function": "f"}, ".function", "invalid_type"),
        ({"type": "function", "function": {}}, ".function.name", "missing_required_parameter"),
        (function(name=5), ".function.name", "invalid_type"),  # type: ignore[arg-type]
        (function("g", description=5), ".function.description", "invalid_type"),
        (function("g", parameters="{}"), ".function.parameters", "invalid_type"),
        (function("g", strict="yes"), ".function.strict", "invalid_type"),
    ],
)
def test_a_tool_that_cannot_be_is_told_by_its_place(entry: Any, where: str, code: str) -> None:
    assert refused(lambda: ask(tools=[function("f0"), entry]))[1:] == (f"tools[1]{where}", code)


@pytest.mark.parametrize(
    ("strict", "more"),
    [
        ((None, None), [{}, {}]),
        ((False, True), [{}, {"strict": True}]),
    ],
)
def test_strict_arguments_are_asked_for(strict: tuple[Any, ...], more: Any) -> None:
    given = [function(f"f{number}", strict=value) for number, value in enumerate(strict)]
    asked = ask(tools=given)
    assert [tool.more for tool in asked.conversation.profile.tools] == more
    assert asked.ignored == ()


# The choice


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, ToolChoice()),
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("any")),
        # One tool is one call: the model would fill in the same one several times.
        (NAMED_F, ToolChoice("tool", "f", parallel=False)),
    ],
)
def test_the_choice_is_free_or_forced(wanted: Any, expected: ToolChoice) -> None:
    assert choice(wanted) == expected
    assert [tool.name for tool in tools(tools=TWO, tool_choice=wanted)] == ["f", "g"]


@pytest.mark.parametrize("parallel", [True, None])
@pytest.mark.parametrize("wanted", ["auto", "required"])
def test_several_calls_at_once_are_usual(wanted: str, parallel: bool | None) -> None:
    assert choice(wanted, parallel_tool_calls=parallel).parallel is True


@pytest.mark.parametrize("wanted", [None, "auto", "required", NAMED_F, allowed(NAMED_F)])
def test_several_calls_at_once_can_be_declined(wanted: Any) -> None:
    assert choice(wanted, parallel_tool_calls=False).parallel is False


def test_a_named_tool_is_never_called_several_times() -> None:
    assert choice(NAMED_F, parallel_tool_calls=True).parallel is False


@pytest.mark.parametrize(("mode", "as_read"), [("auto", "auto"), ("required", "any")])
def test_only_allowed_tools_are_offered_in_the_order_of_the_tools(mode: str, as_read: str) -> None:
    given = [function("f"), function("g"), function("h")]
    wanted = allowed(function("h"), function("f"), mode=mode)
    asked = ask(tools=given, tool_choice=wanted).conversation
    assert [tool.name for tool in asked.profile.tools] == ["f", "h"]
    assert asked.limits.tool_choice == ToolChoice(as_read)  # type: ignore[arg-type]


NO_ALLOWED_MODE = {"type": "allowed_tools", "allowed_tools": {"tools": [NAMED_F]}}


@pytest.mark.parametrize(
    ("wanted", "where", "code"),
    [
        ("sometimes", "", "invalid_value"),
        ("any", "", "invalid_value"),
        (5, "", "invalid_type"),
        ([], "", "invalid_type"),
        ({}, ".type", "missing_required_parameter"),
        ({"type": 5}, ".type", "invalid_type"),
        ({"type": "web_search"}, ".type", "invalid_value"),
        ({"type": "custom", "custom": {"name": "x"}}, ".custom.name", "invalid_value"),
        ({"type": "custom"}, ".custom", "missing_required_parameter"),
        ({"type": "function"}, ".function", "missing_required_parameter"),
        ({"type": "function", "function": "f"}, ".function", "invalid_type"),
        ({"type": "function", "function": {}}, ".function.name", "missing_required_parameter"),
        (function("x"), ".function.name", "invalid_value"),
        (function(""), ".function.name", "invalid_value"),
        ({"type": "allowed_tools"}, ".allowed_tools", "missing_required_parameter"),
        (NO_ALLOWED_MODE, ".allowed_tools.mode", "missing_required_parameter"),
        (allowed(NAMED_F, mode="none"), ".allowed_tools.mode", "invalid_value"),
        (allowed(), ".allowed_tools.tools", "empty_array"),
        (allowed("f"), ".allowed_tools.tools[0]", "invalid_type"),
        (allowed({"type": "mcp"}), ".allowed_tools.tools[0].type", "unsupported_value"),
        (
            allowed(NAMED_F, function("x")),
            ".allowed_tools.tools[1].function.name",
            "invalid_value",
        ),
    ],
)
def test_a_choice_that_cannot_be_is_told_by_its_place(wanted: Any, where: str, code: str) -> None:
    assert refused(lambda: choice(wanted))[1:] == (f"tool_choice{where}", code)


@pytest.mark.parametrize("wanted", ["required", NAMED_F, allowed(NAMED_F)])
@pytest.mark.parametrize("given", [None, []])
def test_without_tools_no_call_can_be_forced(given: Any, wanted: Any) -> None:
    message, *told = refused(lambda: choice(wanted, tools=given))
    assert "when 'tools' are given" in message
    assert told == ["tool_choice", "invalid_value"]


@pytest.mark.parametrize("wanted", [None, "auto", "none"])
def test_without_tools_there_is_no_choice(wanted: Any) -> None:
    assert choice(wanted, tools=None, parallel_tool_calls=False) == ToolChoice()


# Calls of earlier on

HISTORY = [HELLO, calling(call("a", "g"), call("b", "f"), call("c", "g"))]
RESULTS = [result("a"), result("b"), result("c")]


@pytest.mark.parametrize("wanted", [None, "auto", "none"])
def test_calls_of_earlier_on_bring_their_tools_which_are_not_called_again(wanted: Any) -> None:
    asked = ask(*HISTORY, *RESULTS, tool_choice=wanted).conversation
    assert asked.profile.tools == (Tool("g", "", EMPTY), Tool("f", "", EMPTY))
    assert asked.limits.tool_choice == ToolChoice("none")


def test_tools_of_the_request_are_all_there_are() -> None:
    asked = ask(*HISTORY, *RESULTS, tools=[function("h")], tool_choice="required").conversation
    assert [tool.name for tool in asked.profile.tools] == ["h"]
    assert asked.limits.tool_choice == ToolChoice("any")


# Functions, as they were before tools


def test_functions_are_tools_that_are_called_one_at_a_time() -> None:
    schema = {"type": "object", "properties": {"a": {}}}
    given = [{"name": "f", "description": "F", "parameters": schema}, {"name": "g"}]
    asked = ask(functions=given)
    assert asked.conversation.profile.tools == (Tool("f", "F", schema), Tool("g", "", EMPTY))
    assert asked.conversation.limits.tool_choice == ToolChoice(parallel=False)
    assert is_legacy(functions=given)
    assert not is_legacy(tools=TWO)


@pytest.mark.parametrize(
    ("wanted", "mode", "name"),
    [("auto", "auto", None), ("none", "none", None), ({"name": "f"}, "tool", "f")],
)
def test_a_function_call_is_a_choice(wanted: Any, mode: Any, name: str | None) -> None:
    asked = limits(functions=[{"name": "f"}], function_call=wanted)
    assert asked.tool_choice == ToolChoice(mode, name, parallel=False)


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"functions": [{}]}, "functions[0].name", "missing_required_parameter"),
        ({"functions": [{"name": "a b"}]}, "functions[0].name", "invalid_value"),
        ({"functions": [{"name": "f"}] * 2}, "functions[1].name", "invalid_value"),
        ({"functions": [{"name": "f"}] * 129}, "functions", "array_above_max_length"),
        (
            {"functions": [{"name": "f", "parameters": {"type": "array"}}]},
            "functions[0].parameters",
            "invalid_schema",
        ),
        ({"functions": {}}, "functions", "invalid_type"),
        ({"functions": [{"name": "f"}], "tools": TWO}, "functions", None),
        ({"function_call": {"name": "x"}}, "function_call.name", "invalid_value"),
        ({"function_call": {}}, "function_call.name", "missing_required_parameter"),
        ({"function_call": "always"}, "function_call", "invalid_value"),
        ({"function_call": 5}, "function_call", "invalid_type"),
    ],
)
def test_a_function_that_cannot_be_is_told_by_its_place(
    changes: dict[str, Any], param: str, code: str | None
) -> None:
    changes = {"functions": [{"name": "f"}], **changes}
    assert refused(lambda: ask(**changes))[1:] == (param, code)


@pytest.mark.parametrize(
    "changes",
    [
        {"function_call": {"name": "f"}},
        {"function_call": 5},
        {"tools": TWO, "function_call": {"name": "f"}},
        {"functions": [{"name": "f"}], "tool_choice": NAMED_F},
        {"functions": [{"name": "f"}], "tool_choice": 5},
    ],
)
def test_a_choice_in_the_words_of_the_other_kind_is_refused(changes: dict[str, Any]) -> None:
    wanted = "function_call" if "function_call" in changes else "tool_choice"
    assert refused(lambda: ask(**changes))[1] == wanted


# The form of the answer


@pytest.mark.parametrize(
    ("wanted", "schema"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "object"}),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": EMPTY}},
            EMPTY,
        ),
        (
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "a",
                    "schema": {"type": "object", "properties": {"a": {"type": "string"}}},
                    "description": "An a.",
                    "strict": True,
                },
            },
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "description": "An a.",
            },
        ),
        # As some clients have it who take it for the format of Responses.
        ({"type": "json_schema", "schema": EMPTY}, EMPTY),
        ({"type": "json_schema", "schema": EMPTY, "name": "a", "strict": True}, EMPTY),
        ({"type": "json_schema", "json_schema": None, "schema": EMPTY}, EMPTY),
    ],
)
def test_the_answer_is_text_or_fits_a_schema(wanted: Any, schema: Any) -> None:
    asked = ask(response_format=wanted)
    assert asked.conversation.output_schema == schema
    assert asked.conversation.profile == Profile()
    assert asked.ignored == ()


@pytest.mark.parametrize("nested", [True, False])
def test_the_description_of_a_form_is_put_before_that_of_its_schema(*, nested: bool) -> None:
    described = {"name": "a", "schema": {**EMPTY, "description": "Empty."}, "description": "An a."}
    form = {"json_schema": described} if nested else described
    asked = ask(response_format={"type": "json_schema", **form})
    assert asked.conversation.output_schema == {**EMPTY, "description": "An a.\n\nEmpty."}


def test_what_is_beside_a_described_form_is_ignored_and_listed() -> None:
    described = {"name": "a", "schema": EMPTY}
    beside = {"name": 5, "schema": {"type": "no"}, "strict": True, "x": 1, "description": None}
    wanted = {"type": "json_schema", "json_schema": described, **beside}
    asked = ask(response_format=wanted)
    assert asked.conversation.output_schema == EMPTY
    listed = ("name", "schema", "strict", "x")
    assert asked.ignored == tuple(f"response_format.{name}" for name in listed)


def test_an_answer_that_fits_a_schema_may_come_after_calls() -> None:
    asked = ask(tools=TWO, response_format={"type": "json_object"}).conversation
    assert (len(asked.profile.tools), asked.output_schema) == (2, {"type": "object"})


@pytest.mark.parametrize(
    ("wanted", "where", "code"),
    [
        ("json_object", "", "invalid_type"),
        ({}, ".type", "missing_required_parameter"),
        ({"type": "xml"}, ".type", "invalid_value"),
        ({"type": 5}, ".type", "invalid_type"),
        ({"type": "json_schema"}, ".json_schema", "missing_required_parameter"),
        ({"type": "json_schema", "json_schema": []}, ".json_schema", "invalid_type"),
        ({"type": "json_schema", "name": "a"}, ".json_schema", "missing_required_parameter"),
        ({"type": "json_schema", "schema": []}, ".schema", "invalid_type"),
        ({"type": "json_schema", "schema": {"type": "no"}}, ".schema", "invalid_schema"),
        (
            {"type": "json_schema", "json_schema": {"name": "a"}, "schema": EMPTY},
            ".json_schema.schema",
            "missing_required_parameter",
        ),
    ],
)
def test_a_form_that_cannot_be_is_told_by_its_place(wanted: Any, where: str, code: str) -> None:
    assert refused(lambda: ask(response_format=wanted))[1:] == (f"response_format{where}", code)


@pytest.mark.parametrize(
    ("changes", "name", "code"),
    [
        ({"name": None}, "name", "missing_required_parameter"),
        ({"name": "a b"}, "name", "invalid_value"),
        ({"name": 5}, "name", "invalid_type"),
        ({"schema": None}, "schema", "missing_required_parameter"),
        ({"schema": "{}"}, "schema", "invalid_type"),
        ({"strict": "yes"}, "strict", "invalid_type"),
        ({"description": 5}, "description", "invalid_type"),
    ],
)
def test_a_described_form_that_cannot_be_is_told_by_its_place(
    changes: dict[str, Any], name: str, code: str
) -> None:
    described = {"name": "a", "schema": EMPTY, **changes}
    wanted = {"type": "json_schema", "json_schema": described}
    assert refused(lambda: ask(response_format=wanted))[1:] == (
        f"response_format.json_schema.{name}",
        code,
    )
