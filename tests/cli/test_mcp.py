"""The client's tools as an MCP server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy import __version__
from claudeproxy.cli import mcp
from claudeproxy.conversation import Block, Tool, Turn

from .talk import calm


ADD = Tool("add", "Adds.", {"type": "object"})
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
LINKED = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}


def result(content: Any, **more: Any) -> Block:
    return {"type": "tool_result", "tool_use_id": "toolu_1", "content": content, **more}


def listed(tool: Tool) -> dict[str, Any]:
    reply = mcp.reply({"method": "tools/list", "id": 1}, [tool])
    assert reply is not None
    (told,) = reply["result"]["tools"]
    assert isinstance(told, dict)
    return told


def units(text: str) -> int:
    """The length that JavaScript gives a text."""
    return len(text.encode("utf-16-le")) // 2


def test_initialize_takes_the_clis_version_of_the_protocol() -> None:
    request = {"method": "initialize", "id": 0, "params": {"protocolVersion": "2025-11-25"}}
    assert mcp.reply(request, [ADD]) == {
        "jsonrpc": "2.0",
        "id": 0,
        "result": {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "claudeproxy", "version": __version__},
        },
    }


def test_a_tool_is_listed_as_one_of_several_that_may_be_called_at_once() -> None:
    assert mcp.reply({"method": "tools/list", "id": 7}, [ADD]) == {
        "jsonrpc": "2.0",
        "id": 7,
        "result": {
            "tools": [
                {
                    "name": "add",
                    "description": "Adds.",
                    "inputSchema": {"type": "object"},
                    "annotations": {"readOnlyHint": True},
                    "_meta": {"anthropic/maxResultSizeChars": 500_000},
                }
            ]
        },
    }


@pytest.mark.parametrize(
    ("request_line", "request_id"),
    [
        ({"method": "notifications/initialized"}, 0),
        ({"method": "ping", "id": 5}, 5),
        ({"method": "something/new", "id": "x"}, "x"),
    ],
)
def test_anything_else_is_acknowledged(request_line: dict[str, Any], request_id: object) -> None:
    reply = mcp.reply(request_line, [ADD])
    assert reply == {"jsonrpc": "2.0", "id": request_id, "result": {}}


def test_a_call_is_the_clients_business() -> None:
    assert mcp.reply({"method": "tools/call", "id": 2, "params": {}}, [ADD]) is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("22", [{"type": "text", "text": "22"}]),
        (
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        ),
        ([IMAGE], [{"type": "image", "data": "aGk=", "mimeType": "image/png"}]),
        ("", []),
        ([], []),
        (None, []),
    ],
)
def test_what_a_result_holds(content: Any, told: Any) -> None:
    assert mcp.call_result({"id": 3}, result(content)) == {
        "jsonrpc": "2.0",
        "id": 3,
        "result": {"content": told, "isError": False},
    }


def test_a_result_may_have_no_content_and_may_be_an_error() -> None:
    told = mcp.call_result({"id": 3}, {"type": "tool_result", "is_error": True})
    assert told["result"] == {"content": [], "isError": True}


HALF = mcp.LONGEST_RESULT // 2


@pytest.mark.parametrize(
    ("contents", "carried"),
    [
        ([None, "", [], "a", [{"type": "text", "text": "a"}, IMAGE]], True),
        (["a" * mcp.LONGEST_RESULT], True),
        (["a" * (mcp.LONGEST_RESULT + 1)], False),
        ([[{"type": "text", "text": "a" * HALF}] * 2], True),
        ([[{"type": "text", "text": "a" * HALF}] * 2 + [{"type": "text", "text": "a"}]], False),
        # Each result has a limit of its own.
        (["a" * mcp.LONGEST_RESULT] * 3, True),
        (["a", "a" * (mcp.LONGEST_RESULT + 1)], False),
        ([[LINKED]], False),
        ([[{"type": "document", "source": IMAGE["source"]}]], False),
    ],
    ids=range(9),
)
def test_what_can_be_carried(contents: list[Any], carried: bool) -> None:
    assert mcp.can_carry(Turn("user", tuple(map(result, contents)))) is carried


def test_what_can_be_carried_is_counted_as_the_cli_counts() -> None:
    assert not mcp.can_carry(Turn("user", (result("🦜" * mcp.LONGEST_RESULT),)))


@pytest.mark.parametrize("text", ["a" * 2000, "é" * 2000, "🦜" * 1000])
def test_a_description_within_the_limit_is_told_as_it_is(text: str) -> None:
    assert listed(Tool("add", text, {})) == {**listed(ADD), "description": text, "inputSchema": {}}


@pytest.mark.parametrize("text", ["a" * 2001, "é" * 2001, "🦜" * 1001, "a" + "🦜" * 5000])
def test_a_longer_one_is_whole_in_its_schema(text: str) -> None:
    tool = Tool("add", text, {"type": "object"})
    told = listed(tool)
    assert told["inputSchema"] == {"type": "object", "description": text}
    shown, _, note = told["description"].rpartition("\n")
    assert text.startswith(shown)
    assert "input schema" in note
    # The tool itself stays as it was: it is listed again and again.
    assert tool.input_schema == {"type": "object"}


def test_a_schemas_own_description_comes_after_it() -> None:
    told = listed(Tool("add", "a" * 2001, {"description": "of the schema"}))
    assert told["inputSchema"]["description"] == "a" * 2001 + "\n\nof the schema"


@calm
@given(st.integers(0, 2100), st.sampled_from(["", "é", "漢"]))
def test_no_character_is_cut_in_two_and_the_limit_is_kept(before: int, other: str) -> None:
    told = listed(Tool("add", other + "a" * before + "🦜" * 1500, {}))["description"]
    # Half a pair could not be encoded.
    assert units(told) <= mcp.LONGEST_DESCRIPTION
