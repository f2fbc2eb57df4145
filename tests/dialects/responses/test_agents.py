"""What agents need of Responses: namespaces, custom tools, tools that are looked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import Response

from claudeproxy.conversation import Block, Profile, Tool, ToolChoice, Turn, text_block
from claudeproxy.dialects.custom_tools import SCHEMA as TEXT_INPUT
from claudeproxy.dialects.json_schema import ANYTHING
from claudeproxy.events import Event, ToolArgumentsDelta, ToolCallStarted

from ..asking import refused, tool_result, tool_use, user
from .test_answer import answer, whole
from .test_content import HELLO, call, custom_call, output, search_call
from .test_request import SCHEMA, F, ask
from .test_stream import ITEM, ITEM_DONE, streamed, without_number
from .test_tools import G, allowed


def space(name: str, *tools: Any, **more: Any) -> dict[str, Any]:
    return {"type": "namespace", "name": name, "tools": list(tools), **more}


GET = {"type": "function", "name": "get", "description": "Gets.", "parameters": SCHEMA}
EXEC = {"type": "custom", "name": "exec"}
WEATHER = space("mcp__weather", GET, description="Tools of the weather.")
PATCH = {
    "type": "custom",
    "name": "patch",
    "description": "Patches.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /a/"},
}
SEARCH = {
    "type": "tool_search",
    "execution": "client",
    "description": "Looks.",
    "parameters": SCHEMA,
}
TOOLS = [F, WEATHER, space("functions", EXEC, description=""), PATCH, SEARCH]


def tools(*given: Any, items: Any = (), **changes: Any) -> tuple[Tool, ...]:
    return ask(*items, tools=list(given), **changes).conversation.profile.tools


def names(*given: Any, items: Any = (), **changes: Any) -> list[str]:
    return [tool.name for tool in tools(*given, items=items, **changes)]


# What the model is told


@pytest.mark.parametrize("other", [{"type": "web_search"}, space("m", GET), {"type": "brand_new"}])
def test_other_tools_in_a_namespace_are_left_out_and_listed(other: dict[str, Any]) -> None:
    asked = ask(tools=[space("n", other, GET)])
    assert [tool.name for tool in asked.conversation.profile.tools] == ["n__get"]
    assert asked.ignored == (f"tools[].tools[].{other['type']}",)


def test_each_tool_is_a_function_of_its_own() -> None:
    asked = ask(tools=TOOLS)
    grammar = "The input must match this grammar (lark):\nstart: /a/"
    assert asked.conversation.profile == Profile(
        tools=(
            Tool("f", "", ANYTHING),
            Tool("mcp__weather__get", "Gets.", SCHEMA),
            Tool("functions__exec", "", TEXT_INPUT),
            Tool("patch", f"Patches.\n\n{grammar}", TEXT_INPUT),
            Tool("tool_search", "Looks.", SCHEMA),
        )
    )
    assert asked.ignored == ()


def test_a_name_that_would_be_too_long_is_cut_and_still_its_own() -> None:
    long = [space("n" * 40, *({**GET, "name": "g" * 40 + end} for end in "ab"))]
    first, second = names(*long)
    assert len(first) == len(second) == 64
    assert first != second
    assert first.startswith("n" * 40 + "__" + "g" * 13 + "_")
    assert names(*long) == [first, second]
    fits = space("n" * 31, {**GET, "name": "g" * 31})
    assert names(fits) == ["n" * 31 + "__" + "g" * 31]


def test_tools_of_one_name_in_two_namespaces_are_two() -> None:
    assert names(space("a", GET), space("b", GET), GET) == ["a__get", "b__get", "get"]
    assert refused(lambda: tools(space("a", GET, GET)))[1:] == (
        "tools[0].tools[1].name",
        "invalid_value",
    )


C = {"type": "function", "name": "c"}
PLAIN = {"type": "function", "name": "a__b__c"}


@pytest.mark.parametrize(
    "given",
    [
        [PLAIN, space("a__b", C)],
        [space("a__b", C), PLAIN],
        [space("a__b", C), space("a", {**C, "name": "b__c"})],
        [space("a__b", {**EXEC, "name": "c"}), {**EXEC, "name": "a__b__c"}],
        [space("a" * 60, {**C, "name": "b__c"}), space("a" * 60 + "__b", C)],
    ],
)
def test_tools_that_would_get_one_name_get_two(given: list[Any]) -> None:
    more = {"type": "additional_tools", "tools": given[1:]}
    inner = names(*given)
    assert len(set(inner)) == 2
    assert names(*given[:1], items=[more, HELLO]) == inner
    assert names(items=[{**more, "tools": given}, HELLO]) == inner
    assert all(len(name) <= 64 for name in inner)
    assert ("a__b__c" in inner) == any(tool["name"] == "a__b__c" for tool in given)
    items = [HELLO, search_call("s"), found("s", *given[1:])]
    assert names(*given[:1], items=items) == inner


def test_tools_that_would_get_one_name_are_told_apart_everywhere() -> None:
    spaced = {**call("a", "c"), "namespace": "a__b"}
    chosen = {"type": "function", "name": "c", "namespace": "a__b"}
    items = [HELLO, call("b", "a__b__c"), spaced, output("a"), output("b")]
    asked = ask(*items, tools=[PLAIN, space("a__b", C)], tool_choice=chosen)
    plain, other = (tool.name for tool in asked.conversation.profile.tools)
    assert plain == "a__b__c" != other
    called = [block["name"] for block in asked.conversation.turns[1].blocks]
    assert called == [plain, other]
    assert names(space("a__b", C)) == ["a__b__c"]
    assert asked.conversation.limits.tool_choice == ToolChoice("tool", other, parallel=False)
    writer = asked.answer("a", 1)
    ended = [*calling(0, other, "{}"), *calling(1, plain, "{}")]
    body = b"".join(map(writer.feed, answer(*ended)))
    told = [(item["name"], item.get("namespace")) for item in json.loads(body)["output"]]
    assert told == [("c", "a__b"), ("a__b__c", None)]


@pytest.mark.parametrize(
    ("wanted", "offered", "choice"),
    [
        ({"type": "custom", "name": "patch"}, 5, ToolChoice("tool", "patch", parallel=False)),
        (
            {"type": "function", "name": "get", "namespace": "mcp__weather"},
            5,
            ToolChoice("tool", "mcp__weather__get", parallel=False),
        ),
        (allowed({"type": "custom", "name": "patch"}), 1, ToolChoice()),
        (allowed({**EXEC, "namespace": "functions"}, mode="required"), 1, ToolChoice("any")),
    ],
)
def test_each_of_them_can_be_chosen(wanted: Any, offered: int, choice: ToolChoice) -> None:
    asked = ask(tools=TOOLS, tool_choice=wanted).conversation
    assert (len(asked.profile.tools), asked.limits.tool_choice) == (offered, choice)


@pytest.mark.parametrize(
    ("entry", "where", "code"),
    [
        ({"type": "namespace", "tools": []}, ".name", "missing_required_parameter"),
        ({"type": "namespace", "name": "n"}, ".tools", "missing_required_parameter"),
        (space("a b"), ".name", "invalid_value"),
        (space("n", {"type": "function"}), ".tools[0].name", "missing_required_parameter"),
        (space("n", {**GET, "parameters": {"type": "array"}}), ".tools[0].parameters", None),
        ({"type": "custom"}, ".name", "missing_required_parameter"),
        ({**PATCH, "format": {"type": "xml"}}, ".format.type", "invalid_value"),
        ({**SEARCH, "parameters": "x"}, ".parameters", "invalid_type"),
    ],
)
def test_a_tool_that_cannot_be_is_told_by_its_place(entry: Any, where: str, code: Any) -> None:
    told = refused(lambda: ask(tools=[F, entry]))
    assert told[1] == f"tools[1]{where}"
    assert code is None or told[2] == code


# Tools that come later


MORE = {"type": "additional_tools", "id": "at_1", "role": "developer", "tools": [WEATHER, EXEC]}


def found(call_id: str | None, *given: Any) -> dict[str, Any]:
    told = {"type": "tool_search_output", "call_id": call_id, "tools": list(given)}
    return {**told, "execution": "client", "status": "completed"}


def test_tools_among_the_items_are_added_to_those_of_the_request() -> None:
    asked = ask(MORE, HELLO, {**MORE, "tools": [G, {**F, "description": "again"}]}, tools=[F])
    assert [tool.name for tool in asked.conversation.profile.tools] == [
        *("f", "mcp__weather__get", "exec", "g"),
    ]
    assert asked.conversation.profile.tools[0].description == ""
    assert asked.conversation.turns == (user("Hello"),)
    assert asked.ignored == ()


def test_tools_among_the_items_are_enough() -> None:
    assert names(items=[MORE, HELLO]) == ["mcp__weather__get", "exec"]
    hosted = {**MORE, "tools": [{"type": "file_search"}, F]}
    asked = ask(hosted, HELLO, tool_choice=F)
    assert asked.conversation.limits.tool_choice.name == "f"
    assert asked.ignored == ("input[].tools[].file_search",)
    assert refused(lambda: ask({**MORE, "tools": [{"type": "file_search"}]}, HELLO))[1:] == (
        "input[0].tools[0].type",
        "unsupported_value",
    )


def test_a_search_for_tools_is_a_call_that_brings_them() -> None:
    asked = ask(
        HELLO,
        search_call("a", query="weather"),
        found("a", WEATHER, {**GET, "defer_loading": True}),
        search_call("b"),
        found("b"),
        tools=[SEARCH],
    )
    assert asked.conversation.turns == (
        user("Hello"),
        Turn("assistant", (tool_use("a", "tool_search", query="weather"),)),
        _given("a", "Tools that can be called now: mcp__weather__get, get"),
        Turn("assistant", (tool_use("b", "tool_search"),)),
        _given("b", "No tools found."),
    )
    assert [tool.name for tool in asked.conversation.profile.tools] == [
        *("tool_search", "mcp__weather__get", "get"),
    ]
    assert asked.ignored == ("input[].tools[].defer_loading",)


def _given(call_id: str, text: str) -> Turn:
    return Turn("user", (tool_result(call_id, text_block(text)),))


def test_a_search_of_a_servers_own_brings_its_tools_alone() -> None:
    asked = ask(HELLO, search_call(None, query="x"), found(None, WEATHER)).conversation
    assert asked.turns == (user("Hello"),)
    assert [tool.name for tool in asked.profile.tools] == ["mcp__weather__get"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": 1}, {"a": 1}),
        ('{"a": 1}', {"a": 1}),
        (None, {}),
        ([1], {"invalid_json": "[1]"}),
    ],
)
def test_what_was_looked_for_is_an_object(given: Any, expected: Any) -> None:
    read = ask({**search_call("a"), "arguments": given}, found("a")).conversation.turns
    assert read[1].blocks[0]["input"] == expected


# Calls of earlier on


@pytest.mark.parametrize(
    ("item", "block"),
    [
        (
            {**call("a", "get", '{"a": 1}'), "namespace": "mcp__weather"},
            tool_use("a", "mcp__weather__get", a=1),
        ),
        (custom_call("a", "x\n"), {**tool_use("a", "c"), "input": {"input": "x\n"}}),
        (
            {**custom_call("a"), "name": "exec", "namespace": "functions"},
            {**tool_use("a", "functions__exec"), "input": {"input": "x"}},
        ),
    ],
)
@pytest.mark.parametrize("kind", ["function_call_output", "custom_tool_call_output"])
def test_a_call_is_taken_back_as_the_model_made_it(
    item: dict[str, Any], block: Block, kind: str
) -> None:
    sent = {**item, "id": "fc_1", "status": "completed"}
    asked = ask(HELLO, sent, {**output("a"), "type": kind, "id": "fco_1"}, tools=TOOLS)
    assert asked.conversation.turns == (
        user("Hello"),
        Turn("assistant", (block,)),
        _given("a", "done"),
    )
    assert asked.ignored == ()


def test_a_namespace_of_earlier_on_may_have_any_name() -> None:
    sent = {**call("a", "get"), "namespace": "a.b " + "é" * 99}
    (block,) = ask(sent, output("a")).conversation.turns[1].blocks
    assert len(block["name"]) == 64
    assert block["name"].isascii()


@pytest.mark.parametrize("made", [custom_call("a"), search_call("a"), call("a")])
def test_a_call_that_was_cut_off_need_not_be_answered(made: dict[str, Any]) -> None:
    half = {**made, "status": "incomplete"}
    assert ask(HELLO, half).conversation.turns == (user("Hello"),)
    assert refused(lambda: ask(HELLO, made))[0] == "No tool output found for function call a."


# Calls of the answer


def calling(index: int, name: str, *pieces: str) -> list[Event]:
    begun: list[Event] = [ToolCallStarted(index, f"toolu_{index}", name)]
    return [*begun, *(ToolArgumentsDelta(index, piece) for piece in pieces)]


CALLED = answer(
    *calling(0, "mcp__weather__get", '{"a":', ' "x"}'),
    *calling(1, "patch", '{"inp', 'ut": "a\\', "nb\\ud83e", '\\udd9c"', "}"),
    *calling(2, "tool_search", '{"query"', ': "x"}'),
    *calling(3, "functions__exec", '{"input": ""}'),
    *calling(4, "f", "{}"),
    reason="tool_calls",
)
ITEMS: list[dict[str, Any]] = [
    {
        "id": "fc_abc0",
        "type": "function_call",
        "status": "completed",
        "call_id": "toolu0",
        "name": "get",
        "arguments": '{"a": "x"}',
        "namespace": "mcp__weather",
    },
    {
        "id": "ctc_abc1",
        "type": "custom_tool_call",
        "status": "completed",
        "call_id": "toolu1",
        "name": "patch",
        "input": "a\nb🦜",
    },
    {
        "id": "tsc_abc2",
        "type": "tool_search_call",
        "status": "completed",
        "call_id": "toolu2",
        "execution": "client",
        "arguments": {"query": "x"},
    },
    {
        "id": "ctc_abc3",
        "type": "custom_tool_call",
        "status": "completed",
        "call_id": "toolu3",
        "name": "exec",
        "input": "",
        "namespace": "functions",
    },
    {
        "id": "fc_abc4",
        "type": "function_call",
        "status": "completed",
        "call_id": "toolu4",
        "name": "f",
        "arguments": "{}",
    },
]


def test_calls_are_items_of_the_kinds_that_their_tools_are() -> None:
    told = whole(CALLED, {"status"}, tools=TOOLS)
    assert told["output"] == ITEMS
    Response.model_validate(told, strict=True)


def test_calls_are_streamed_as_what_they_are() -> None:
    told = streamed(CALLED, tools=TOOLS)
    assert told[-1]["response"]["output"] == ITEMS
    custom = "response.custom_tool_call_input"
    function = "response.function_call_arguments"
    places = [{"item_id": item["id"], "output_index": n} for n, item in enumerate(ITEMS)]

    def begun(index: int, **empty: Any) -> dict[str, Any]:
        item = {**ITEMS[index], "status": "in_progress", **empty}
        return {"type": ITEM, "output_index": index, "item": item}

    def done(index: int) -> dict[str, Any]:
        return {"type": ITEM_DONE, "output_index": index, "item": ITEMS[index]}

    assert [without_number(event) for event in told[2:-1]] == [
        begun(0, arguments=""),
        {"type": f"{function}.delta", **places[0], "delta": '{"a":'},
        {"type": f"{function}.delta", **places[0], "delta": ' "x"}'},
        {
            "type": f"{function}.done",
            **places[0],
            "name": "get",
            "namespace": "mcp__weather",
            "arguments": '{"a": "x"}',
        },
        done(0),
        begun(1, input=""),
        {"type": f"{custom}.delta", **places[1], "delta": "a"},
        {"type": f"{custom}.delta", **places[1], "delta": "\nb"},
        {"type": f"{custom}.delta", **places[1], "delta": "🦜"},
        {"type": f"{custom}.done", **places[1], "input": "a\nb🦜"},
        done(1),
        begun(2, arguments={}),
        done(2),
        begun(3),
        {"type": f"{custom}.done", **places[3], "input": ""},
        done(3),
        begun(4, arguments=""),
        {"type": f"{function}.delta", **places[4], "delta": "{}"},
        {"type": f"{function}.done", **places[4], "name": "f", "arguments": "{}"},
        done(4),
    ]


def test_an_input_of_another_form_is_told_at_its_end() -> None:
    called = answer(*calling(0, "patch", "{}"), reason="tool_calls")
    kinds = [event["type"] for event in streamed(called, tools=TOOLS)[3:-2]]
    assert kinds == [f"response.custom_tool_call_input.{end}" for end in ("delta", "done")]
    assert whole(called, {"status"}, tools=TOOLS)["output"][0]["input"] == "{}"


@pytest.mark.parametrize("made", [["{}"], ['{"a"']])
def test_a_search_that_was_cut_off_has_arguments_all_the_same(made: list[str]) -> None:
    called = answer(*calling(0, "tool_search", *made), reason="length")
    (item,) = whole(called, tools=TOOLS)["output"]
    assert item["status"] == "incomplete"
    assert item["arguments"] == ({} if made == ["{}"] else {"invalid_json": '{"a"'})


def test_all_items_of_an_answer_are_taken_back() -> None:
    told = whole(CALLED, {"status"}, tools=TOOLS)["output"]
    outputs = [
        found("toolu2", GET) if item["type"] == "tool_search_call" else output(item["call_id"])
        for item in told
    ]
    asked = ask(HELLO, *told, *outputs, tools=TOOLS)
    assert asked.ignored == ()
    assert [block["name"] for block in asked.conversation.turns[1].blocks] == [
        *("mcp__weather__get", "patch", "tool_search", "functions__exec", "f"),
    ]
    assert asked.conversation.turns[1].blocks[1]["input"] == {"input": "a\nb🦜"}
