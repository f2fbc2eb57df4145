"""What the demo's own model calls without being told to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claudeproxy.demo.answer import Answer
from claudeproxy.demo.guess import MODEL, STRUCTURED, values_of
from claudeproxy.demo.script import plan


def tool(name: str, description: str, /, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"name": name, "description": description, "input_schema": schema}


ADD = tool("mcp__client__add_up", "Adds two numbers.", a={"type": "integer"}, b={"type": "number"})
WEATHER = tool("mcp__client__get_weather", "What it is like outside.", city={"type": "string"})
NOTHING = tool("mcp__client__add_up_nothing", "")
PERSON = tool(STRUCTURED, "", name={"type": "string"}, age={"type": "integer", "maximum": 150})
TOOLS = [ADD, WEATHER, NOTHING]


def answer(content: Any, tools: list[Any], model: str = MODEL, **changes: Any) -> Answer:
    messages = [{"role": "user", "content": content}]
    body = {"model": model, "max_tokens": 500, "messages": messages, "tools": tools, **changes}
    outcome = plan(body, now=0.0).outcome
    assert isinstance(outcome, Answer)
    return outcome


def called(content: Any, tools: list[Any], **changes: Any) -> list[tuple[str, str]]:
    made = answer(content, tools, **changes)
    return [
        (block.name.removeprefix("mcp__client__"), block.whole)
        for block in made.blocks
        if block.kind == "tool_use"
    ]


@pytest.mark.parametrize(
    ("prompt", "calls"),
    [
        ("What is add_up(3, 4.5)?", [("add_up", '{"a":3,"b":4.5}')]),
        ("Use add_up_nothing.", [("add_up_nothing", "{}")]),
        ("What are the numbers 1 and 2 together?", [("add_up", '{"a":1,"b":2}')]),
        ("How is the weather in 'Paris'?", [("get_weather", '{"city":"Paris"}')]),
        ('What is it like outside in "Rome"?', [("get_weather", '{"city":"Rome"}')]),
        ("How is the weather?", [("get_weather", '{"city":"demo"}')]),
        (
            "get_weather of “你好”, then add_up 5 and 6",
            [("get_weather", '{"city":"你好"}'), ("add_up", '{"a":5,"b":6}')],
        ),
        ("Hello!", []),
        ("What do the tools return?", []),
        ("CALL:add_up:{}", [("add_up", "{}")]),
        ("CALL:unknown add_up", []),
    ],
)
def test_it_calls_what_the_prompt_speaks_of(prompt: str, calls: list[tuple[str, str]]) -> None:
    assert called(prompt, TOOLS) == calls


def test_only_this_model_does_so() -> None:
    assert called("add_up 3 and 4", TOOLS, model="claude-opus") == []


def test_it_says_nothing_before_its_calls() -> None:
    assert [block.kind for block in answer("add_up 3 and 4", TOOLS).blocks] == ["tool_use"]


def test_the_choice_of_tools_is_kept_to() -> None:
    def chosen(kind: str, **more: Any) -> list[tuple[str, str]]:
        prompt = "add_up and get_weather of 'Rome', 1, 2"
        return called(prompt, TOOLS, tool_choice={"type": kind, **more})

    add, weather = ("add_up", '{"a":1,"b":2}'), ("get_weather", '{"city":"Rome"}')
    assert chosen("auto") == chosen("any") == [add, weather]
    assert chosen("any", disable_parallel_tool_use=True) == [add]
    assert chosen("tool", name="mcp__client__get_weather") == [weather]
    assert chosen("none") == []
    assert called("Hello!", TOOLS, tool_choice={"type": "any"}) == [("add_up", '{"a":0,"b":0}')]


def test_results_are_answered() -> None:
    use = {"type": "tool_use", "id": "t1", "name": WEATHER["name"], "input": {}}
    results = [{"type": "tool_result", "tool_use_id": "t1", "content": "18 degrees"}]
    messages = [
        {"role": "user", "content": "How is the weather?"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [*results, {"type": "text", "text": "add_up and get_weather"}]},
    ]
    made = answer("", TOOLS, messages=messages)
    assert [block.whole for block in made.blocks] == ['TOOL_RESULT:["18 degrees"]']
    # It is asked anew.
    messages.append({"role": "assistant", "content": "It is mild."})
    messages.append({"role": "user", "content": "add_up 1 and 2"})
    assert called("", TOOLS, messages=messages) == [("add_up", '{"a":1,"b":2}')]


def test_what_the_cli_adds_is_not_the_prompt() -> None:
    reminder = "<system-reminder>\nget_weather\n</system-reminder>"
    texts = [{"type": "text", "text": text} for text in (reminder, "add_up 1 and 2")]
    assert called(texts, TOOLS) == [("add_up", '{"a":1,"b":2}')]


def test_structured_output_is_filled_in() -> None:
    assert called("'Ada', 360 or 36", [PERSON]) == [(STRUCTURED, '{"name":"Ada","age":36}')]
    assert called("PROSE 'Ada'", [PERSON]) == []
    # The tools come first.
    assert called("The weather in 'Rome'", [PERSON, WEATHER])[0][0] == "get_weather"
    free = {"name": STRUCTURED, "input_schema": {"type": "object"}}
    assert called("JSON with 'a' and 'b'", [free]) == [(STRUCTURED, '{"a":"demo","b":"demo"}')]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"enum": ["hot", "cold"]}, "cold"),
        ({"type": "string", "minLength": 5}, "demox"),
        ({"type": "string", "pattern": r"\p{L}"}, "demo"),
        ({"type": "integer", "minimum": 2}, 3),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        ({"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}, {"x": 1}),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 3]),
    ],
)
def test_values_are_taken_where_they_fit(schema: Any, value: Any) -> None:
    body = {"model": MODEL, "max_tokens": 500, "tools": [tool("go", "", it=schema)]}
    body["messages"] = [{"role": "user", "content": "go 1 'cold' 3"}]
    made = plan(body, now=0.0).outcome
    assert isinstance(made, Answer)
    assert json.loads(made.blocks[-1].whole) == {"it": value}


def test_the_values_of_a_prompt() -> None:
    found = values_of("It's 'one' and \"two\", f(3), -4.5 1.2.3 v6 7th; 8.")
    assert (found.texts, found.numbers) == (["one", "two"], [3, -4.5, 8])
