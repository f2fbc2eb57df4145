"""Claude Code, pointed at the server with ANTHROPIC_BASE_URL."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ..conftest import Went
from ..demo import (
    CITED,
    PAGES,
    PERSON,
    PERSON_SCHEMA,
    PIXEL_SOURCE,
    QUERY,
    SAY,
    TEXT,
    call_of,
    each_setting,
)
from .conftest import Place, mcp_command
from .seen import Seen


Claude = Callable[..., str]

BASH = 'QUIET CALL:Bash:{"command":"echo $((6*7))","description":"Multiply"}'


@pytest.fixture
def claude(place: Place, origin: str) -> Claude:
    """Runs it with one prompt; what it prints."""

    def claude(prompt: str, *options: str, typed: str = "") -> str:
        return place.run(
            *("claude", "-p", prompt, *options),
            typed=typed,
            ANTHROPIC_AUTH_TOKEN="not-needed",
            ANTHROPIC_BASE_URL=origin,
        )

    return claude


def test_a_prompt(claude: Claude) -> None:
    assert claude(SAY) == f"{TEXT}\n"


def test_its_prompt_environment_and_tools_reach_the_api(claude: Claude, place: Place) -> None:
    seen = Seen(claude("SEEN"))
    assert seen.prompts[-1] == "SEEN"
    assert "working with the user toward their goals" in seen.instructions
    assert f"Primary working directory: {place.work}" in seen.instructions
    assert {"Agent", "Bash", "Edit", "Read", "ToolSearch", "Write"} <= seen.tools


@pytest.mark.parametrize(
    ("model", "kind"),
    [("haiku", "haiku"), ("sonnet", "sonnet"), ("claude-haiku-4-5-20251001", "haiku")],
)
def test_another_model(claude: Claude, model: str, kind: str) -> None:
    assert Seen(claude("SEEN", "--model", model)).model.startswith(f"claude-{kind}")


def test_the_shell(claude: Claude) -> None:
    seen = Seen(claude(f"{BASH} THEN SEEN", "--allowedTools", "Bash"))
    assert [name for name, _ in seen.calls] == ["Bash"]
    assert seen.results == ["42"]


def test_two_rounds_of_tools(claude: Claude, place: Place) -> None:
    path = place.work / "new.txt"
    write = f"CALL:Write:{json.dumps({'file_path': str(path), 'content': 'written'})}"
    read = f"CALL:Read:{json.dumps({'file_path': str(path)})}"
    seen = Seen(claude(f"{write} THEN {read} THEN SEEN", "--permission-mode", "acceptEdits"))
    assert path.read_text() == "written"
    assert [name for name, _ in seen.calls] == ["Write", "Read"]
    assert "written" in seen.results[1]


# The second makes a name of 72 characters.
@pytest.mark.parametrize(
    "server", ["weather", "the-weather-service-of-all-the-cities-of-this-continent"]
)
def test_a_tool_of_an_mcp_server(claude: Claude, place: Place, server: str) -> None:
    config = place.home / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {server: mcp_command()}}))
    tool = f"mcp__{server}__get_weather"
    # It tells the model of such a tool by its name alone, until the model has searched for it.
    search = f"CALL:ToolSearch:{json.dumps({'query': f'select:{tool}'})}"
    call = 'CALL:get_weather:{"city":"Paris"}'
    options = ("--mcp-config", str(config), "--allowedTools", tool)
    seen = Seen(claude(f"{search} THEN {call} THEN SEEN", *options))
    assert tool in seen.tools
    assert seen.calls[1] == (tool, {"city": "Paris"})
    assert seen.results[1] == "18 degrees in Paris"


def test_an_image(claude: Claude, place: Place) -> None:
    read = f"CALL:Read:{json.dumps({'file_path': str(place.picture())})}"
    assert Seen(claude(f"{read} THEN SEEN")).images == [PIXEL_SOURCE]


def test_a_document_that_is_refused_is_left_out(claude: Claude, refusals: list[str]) -> None:
    broken = {"type": "base64", "media_type": "application/pdf", "data": "/w=="}
    said = [{"type": "document", "source": broken}, {"type": "text", "text": "SEEN"}]
    turn = {"type": "user", "message": {"role": "user", "content": said}}
    printed = claude(
        "",
        *("--input-format", "stream-json", "--output-format", "stream-json", "--verbose"),
        typed=f"{json.dumps(turn)}\n",
    )
    refusals.append("POST /v1/messages 400")
    seen = Seen(json.loads(printed.splitlines()[-1])["result"])
    assert not seen.blocks(kind="document")


def test_a_subagent(claude: Claude) -> None:
    task = {
        "description": "Say it",
        "prompt": SAY,
        "subagent_type": "Explore",
        "run_in_background": False,
    }
    seen = Seen(claude(f"CALL:Agent:{json.dumps(task)} THEN SEEN"))
    assert TEXT in seen.results[0]


def test_a_web_search(claude: Claude) -> None:
    # It tells the model of this tool by its name alone, too.
    load = call_of("ToolSearch", {"query": "select:WebSearch"})
    search = call_of("WebSearch", {"query": QUERY, "blocked_domains": ["example.org"]})
    seen = Seen(claude(f"{load} THEN {search} THEN SEEN", "--allowedTools", "WebSearch"))
    result = seen.results[1]
    assert result.startswith(f'Web search results for query: "{QUERY}"')
    links, _ = json.JSONDecoder().raw_decode(result, result.index("[{"))
    assert [link["url"] for link in links] == [PAGES[0], PAGES[2]]
    # What the model of the search has said.
    assert CITED[0][0] in result


# It has the model call a tool of its own.
@each_setting
def test_a_schema(claude: Claude, went: Went) -> None:
    prompt = call_of("StructuredOutput", PERSON)
    options = ("--json-schema", json.dumps(PERSON_SCHEMA), "--output-format", "json")
    assert json.loads(claude(prompt, *options))["structured_output"] == PERSON
    assert not went()


def test_a_conversation_goes_on(claude: Claude) -> None:
    assert claude(f"THINK:first_this {SAY}") == f"{TEXT}\n"
    seen = Seen(claude("SEEN", "-c"))
    assert seen.texts("assistant") == [TEXT]
    assert seen.texts("user")[-1] == "SEEN"


def test_a_conversation_goes_on_after_calls(claude: Claude) -> None:
    claude(f"{BASH} THEN {SAY}", "--allowedTools", "Bash")
    seen = Seen(claude("SEEN", "-c"))
    assert seen.results == ["42"]
    assert seen.texts("assistant") == [TEXT]


def test_compact(claude: Claude) -> None:
    claude(SAY)
    claude("/compact", "-c")
    seen = Seen(claude("SEEN", "-c"))
    summary = next(text for text in seen.texts("user") if "continued from a previous" in text)
    assert "This is the demo of claudeproxy" in summary


def test_context(claude: Claude) -> None:
    claude(SAY)
    printed = claude("/context", "-c")
    assert "## Context Usage" in printed
    # By the estimate of count_tokens.
    assert "| System prompt | " in printed
    assert "| System tools | " in printed


def test_streamed_events(claude: Claude) -> None:
    options = ("--output-format", "stream-json", "--verbose", "--include-partial-messages")
    events = [json.loads(line) for line in claude(SAY, *options).splitlines()]
    deltas = [
        event["event"]["delta"].get("text", "")
        for event in events
        if event["type"] == "stream_event" and event["event"]["type"] == "content_block_delta"
    ]
    assert len(deltas) == 3
    assert "".join(deltas) == TEXT
    assert events[-1]["result"] == TEXT
