"""What is refused in a request because of ``output_config.format`` or a tool's ``strict``."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claudeproxy.demo.formats import knows_formats
from claudeproxy.demo.rules import refusal


STRING = {"type": "string"}
UNION = {"type": ["string", "null"]}
CLOSED = {"type": "object", "additionalProperties": False}


def body(schema: Any = CLOSED, *messages: Any, **changes: Any) -> dict[str, Any]:
    return {
        "model": "claude-opus-4-5",
        "max_tokens": 100,
        "messages": list(messages) or [user("Hello")],
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
        **changes,
    }


def plain(*tools: Any, **changes: Any) -> dict[str, Any]:
    """A request without a format."""
    return body(output_config={"effort": "low"}, tools=list(tools), **changes)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def document(**more: Any) -> dict[str, Any]:
    source = {"type": "text", "media_type": "text/plain", "data": "x"}
    return {"type": "document", "source": source, **more}


def tool(schema: Any = CLOSED, name: str = "add", **more: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": schema, "strict": True, **more}


def props(number: int, schema: Any, *, optional: bool = False) -> dict[str, Any]:
    """An object with so many properties."""
    properties = {f"p{n}": schema for n in range(number)}
    return {**CLOSED, "properties": properties, "required": [] if optional else list(properties)}


def searched(**more: Any) -> list[Any]:
    """A conversation with a search result in the result of a tool."""
    use = {"type": "tool_use", "id": "t1", "name": "add", "input": {}}
    found = {"type": "search_result", "source": "s", "title": "t", "content": [], **more}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [found]}
    return [user("a"), assistant([use]), user([result])]


CITED = {"citations": {"enabled": True}}
NOT_CITED = {"citations": {"enabled": False}}

TAKEN: list[Any] = [
    body(),
    body(STRING),
    body(output_config={}),
    body(output_config=None),
    body(output_config={"effort": "high"}),
    body(output_config={"format": None}),
    body(output_config={"effort": "low", "format": {"type": "json_schema", "schema": STRING}}),
    body(thinking={"type": "adaptive"}),
    body(tools=[{"name": "add", "input_schema": {"type": "object"}}]),
    body(CLOSED, user([document()])),
    body(CLOSED, user([document(**NOT_CITED)])),
    body(CLOSED, user([document(citations=None)])),
    body(CLOSED, *searched()),
    body(CLOSED, *searched(**NOT_CITED)),
    body(CLOSED, user("a"), assistant("b"), user("c")),
    body(CLOSED, user("a"), assistant("b"), user("c"), {"role": "system", "content": "note"}),
    plain(messages=[user([document(**CITED)])]),
    plain(messages=searched(**CITED)),
    plain(messages=[user("a"), assistant("b")]),
    plain(tool()),
    plain(tool({**CLOSED, "properties": {"a": STRING}})),
    plain(tool({"type": "object"}, strict=False)),
    plain(tool({"type": "object"}, strict=None)),
    plain(tool({"type": "object", "minProperties": 1}, strict=False)),
    plain(tool(type="custom")),
    plain({"type": "web_search_20250305", "name": "web_search", "strict": True}),
    plain(tool({"type": "object"}, strict=False), model="claude-3-opus-20240229"),
    body(props(24, STRING, optional=True)),
    body(props(16, UNION)),
    body(props(14, STRING, optional=True), tools=[tool(props(10, STRING, optional=True))]),
    body(
        props(14, STRING, optional=True),
        tools=[tool(props(11, STRING, optional=True), strict=False)],
    ),
    plain(*(tool(name=f"t{n}") for n in range(20))),
    plain(
        *(tool(name=f"t{n}") for n in range(20)), *(tool(name=f"u{n}", strict=False) for n in "ab")
    ),
]


@pytest.mark.parametrize("value", TAKEN)
def test_lets_pass(value: dict[str, Any]) -> None:
    assert refusal(value) is None
    del value["max_tokens"]
    assert refusal(value, counting=True) is None


NEVER_MORE = "Extra inputs are not permitted"
OPEN = "For 'object' type, 'additionalProperties' must be explicitly set to false"
COMPLEX = "Schema is too complex for compilation."
SCHEMA = "output_config.format.schema"

REFUSED: list[tuple[Any, str]] = [
    (body(output_config=[]), "output_config: Input should be a valid dictionary"),
    (body(output_config={"format": "json"}), "output_config.format: Input should be a valid dict"),
    (
        body(output_config={"format": {"type": "json_object"}}),
        "output_config.format.type: Input should be 'json_schema'",
    ),
    (
        body(output_config={"format": {"schema": STRING}}),
        "output_config.format.type: Input should be 'json_schema'",
    ),
    (body(output_config={"format": {"type": "json_schema"}}), f"{SCHEMA}: Field required"),
    (
        body(output_config={"format": {"type": "json_schema", "schema": STRING, "name": "a"}}),
        f"output_config.format.name: {NEVER_MORE}",
    ),
    (body(None), f"{SCHEMA}: Input should be a valid dictionary"),
    (body({"type": "object"}), f"{SCHEMA}: {OPEN}"),
    (
        body({"type": "object", "additionalProperties": True}),
        f"{SCHEMA}: For 'object' type, 'additionalProperties: true' is not supported. "
        "Please set 'additionalProperties' to false",
    ),
    (body(model="claude-opus-4-1"), f"output_config.format: {NEVER_MORE}"),
    (
        body(CLOSED, user([document(**CITED)])),
        "output_config.format: Citations are not supported with a format",
    ),
    (
        body(CLOSED, *searched(**CITED)),
        "output_config.format: Citations are not supported with a format",
    ),
    (
        body(CLOSED, user("a"), assistant("{")),
        "output_config.format: Prefilling the assistant message is not supported with a format",
    ),
    (
        body(CLOSED, user("a"), assistant("{"), {"role": "system", "content": "note"}),
        "output_config.format: Prefilling the assistant message is not supported with a format",
    ),
    (plain(tool({"type": "object"})), f"tools.0.custom.input_schema: {OPEN}"),
    (
        plain({"name": "sub", "input_schema": {"type": "object"}}, tool({"type": "object"})),
        f"tools.1.custom.input_schema: {OPEN}",
    ),
    (plain(tool(strict="yes")), "tools.0.custom.strict: Input should be a valid boolean"),
    (plain(tool(), model="claude-sonnet-4"), f"tools.0.custom.strict: {NEVER_MORE}"),
    (body(props(25, STRING, optional=True)), f"{SCHEMA}: {COMPLEX}"),
    (body(props(17, UNION)), f"{SCHEMA}: {COMPLEX}"),
    (
        body(props(14, STRING, optional=True), tools=[tool(props(11, STRING, optional=True))]),
        f"{SCHEMA}: {COMPLEX}",
    ),
    (plain(tool(props(25, STRING, optional=True))), COMPLEX),
    (plain(tool(props(8, UNION)), tool(props(9, UNION), name="sub")), COMPLEX),
    (plain(*(tool(name=f"t{n}") for n in range(21))), COMPLEX),
]


@pytest.mark.parametrize(("value", "start"), REFUSED)
def test_refuses(value: dict[str, Any], start: str) -> None:
    for counting in (False, True):
        problem = refusal(value, counting=counting)
        assert problem is not None
        assert problem.startswith(start), problem


@pytest.mark.parametrize(
    ("model", "known"),
    [
        *((f"claude-{name}", True) for name in ("opus", "sonnet-latest", "demo-tools")),
        *((f"claude-{name}", True) for name in ("opus-4-5", "haiku-4-5-20251001", "sonnet-5")),
        *((f"claude-{name}", True) for name in ("opus-5-5", "fable-5-1", "opus-20261001")),
        *((f"claude-{name}", False) for name in ("3-opus-20240229", "3-5-sonnet-latest")),
        *((f"claude-{name}", False) for name in ("sonnet-4-20250514", "opus-4-1", "opus-4")),
    ],
)
def test_which_models_know_formats(model: str, known: bool) -> None:
    assert knows_formats(model) is known
    assert (refusal(body(model=model)) is None) is known


_KEYS = ("type", "schema", "properties", "anyOf", "items", "enum", "effort", "format")
_ATOMS = st.sampled_from([None, True, 0, "", "json_schema", "object", "string", "claude-3-opus"])
_SHAPES: st.SearchStrategy[Any] = st.recursive(
    _ATOMS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner),
    max_leaves=8,
)


@given(
    _SHAPES
    | st.fixed_dictionaries({"format": _SHAPES})
    | _SHAPES.map(lambda schema: {"format": {"type": "json_schema", "schema": schema}}),
    _SHAPES,
    _SHAPES,
)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_whatever_comes_is_answered(config: Any, schema: Any, strict: Any) -> None:
    tools = [tool(schema, strict=strict)]
    assert refusal(body(output_config=config, tools=tools), counting=True) != ""
