"""Codex, with the server as a model provider of its config.toml."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from ..demo import (
    BE_PERSON,
    PAGES,
    PERSON,
    PERSON_SCHEMA,
    PIXEL_SOURCE,
    QUERY,
    REFUSED_MODEL,
    SAY,
    SEARCH,
    TEXT,
    each_way,
)
from .conftest import Place, mcp_command
from .relay import Relay
from .seen import Seen


Codex = Callable[..., str]

MODEL = "claude-opus-4"
SHELL = 'QUIET CALL:exec_command:{"cmd":"echo $((6*7))"}'
PATCH = """\
*** Begin Patch
*** Update File: notes.txt
@@
-old
+new
*** End Patch
"""


@pytest.fixture
def codex(place: Place, url: str) -> Codex:
    """Runs `codex exec` with these arguments; what it prints, the last message of the model."""
    server = mcp_command()
    # JSON's strings and lists are TOML's too.
    place.configure_codex(
        url,
        MODEL,
        f"""
[mcp_servers.weather]
command = {json.dumps(server["command"])}
args = {json.dumps(server["args"])}
default_tools_approval_mode = "approve"
""",
    )

    def codex(*arguments: str) -> str:
        return place.run("codex", "exec", "--skip-git-repo-check", *arguments)

    return codex


@pytest.fixture
def described(place: Place, codex: Codex) -> None:
    """Tells Codex that the model is like one of its own, by the setting that it has for that."""
    known = json.loads(place.run("codex", "debug", "models"))["models"]
    # Of its own models the one whose tools come in `tools`.
    own: dict[str, Any] = next(model for model in known if not model["use_responses_lite"])
    catalog = place.home / "models.json"
    catalog.write_text(json.dumps({"models": [{**own, "slug": MODEL}]}))
    config = place.home / ".codex" / "config.toml"
    config.write_text(f"model_catalog_json = {json.dumps(str(catalog))}\n{config.read_text()}")


def effort(high: bool) -> tuple[str, ...]:
    """The options that make the model think, or none."""
    return ("--config", "model_reasoning_effort=high") if high else ()


def test_a_prompt(codex: Codex) -> None:
    assert codex(SAY) == f"{TEXT}\n"


def test_its_prompt_environment_and_tools_reach_the_api(codex: Codex, place: Place) -> None:
    seen = Seen(codex("SEEN"))
    assert seen.texts("user")[-1] == "SEEN"
    assert "You are a coding agent running in the Codex CLI" in seen.instructions
    assert f"<cwd>{place.work}</cwd>" in "".join(seen.texts("user"))
    assert seen.model.startswith("claude-opus")
    assert {"exec_command", "view_image", "write_stdin", "web_search"} <= seen.tools


def test_the_shell(codex: Codex) -> None:
    seen = Seen(codex(f"{SHELL} THEN SEEN"))
    assert seen.calls == [("exec_command", {"cmd": "echo $((6*7))"})]
    assert "\nOutput:\n42\n" in seen.results[0]


def test_two_rounds_of_tools(codex: Codex, place: Place) -> None:
    write = 'CALL:exec_command:{"cmd":"echo written > new.txt"}'
    read = 'CALL:exec_command:{"cmd":"cat new.txt"}'
    seen = Seen(codex("--sandbox", "workspace-write", f"{write} THEN {read} THEN SEEN"))
    assert (place.work / "new.txt").read_text() == "written\n"
    assert "\nOutput:\nwritten\n" in seen.results[1]


def test_a_patch_by_the_shell(codex: Codex, place: Place) -> None:
    notes = place.work / "notes.txt"
    notes.write_text("old\n")
    command = {"cmd": f"apply_patch <<'EOF'\n{PATCH}EOF\n"}
    call = f"CALL:exec_command:{json.dumps(command)}"
    seen = Seen(codex("--sandbox", "workspace-write", f"{call} THEN SEEN"))
    assert notes.read_text() == "new\n"
    assert "Success. Updated the following files:\nM notes.txt" in seen.results[0]


@pytest.mark.usefixtures("described")
def test_a_patch_by_a_tool_of_free_text(codex: Codex, place: Place) -> None:
    notes = place.work / "notes.txt"
    notes.write_text("old\n")
    call = f"CALL:apply_patch:{json.dumps({'input': PATCH})}"
    seen = Seen(codex("--sandbox", "workspace-write", f"{call} THEN SEEN"))
    assert notes.read_text() == "new\n"
    assert "Success. Updated the following files:\nM notes.txt" in seen.results[0]


def test_a_tool_of_an_mcp_server(codex: Codex) -> None:
    seen = Seen(codex('CALL:get_weather:{"city":"Paris"} THEN SEEN'))
    (name, arguments) = seen.calls[0]
    assert name.endswith("get_weather")
    assert arguments == {"city": "Paris"}
    assert "18 degrees in Paris" in seen.results[0]


@pytest.mark.usefixtures("described")
def test_a_tool_of_an_mcp_server_that_has_to_be_searched_for(codex: Codex) -> None:
    search = 'CALL:tool_search:{"query":"weather of a city"}'
    seen = Seen(codex(f'{search} THEN CALL:get_weather:{{"city":"Paris"}} THEN SEEN'))
    assert "18 degrees in Paris" in seen.results[1]


def test_a_subagent(codex: Codex, place: Place) -> None:
    os.mkfifo(place.work / "pipe")
    write = f"CALL:exec_command:{json.dumps({'cmd': f'echo {TEXT} > pipe'})} THEN ECHO:written"
    # Each of the two waits for the other.
    read = {"cmd": "cat pipe > copy", "yield_time_ms": 30_000}
    spawn = f"CALL:spawn_agent:{json.dumps({'message': write})}"
    codex("--sandbox", "workspace-write", f"{spawn} THEN CALL:exec_command:{json.dumps(read)}")
    assert (place.work / "copy").read_text() == f"{TEXT}\n"


def test_an_image_in_the_prompt(codex: Codex, place: Place) -> None:
    seen = Seen(codex("--image", str(place.picture()), "--", "SEEN"))
    assert seen.images == [PIXEL_SOURCE]


def test_an_image_by_a_tool(codex: Codex, place: Place) -> None:
    view = f"CALL:view_image:{json.dumps({'path': str(place.picture())})}"
    assert Seen(codex(f"{view} THEN SEEN")).images == [PIXEL_SOURCE]


def completed(lines: str) -> list[dict[str, Any]]:
    """The items in its events, without its warnings."""
    events = [json.loads(line) for line in lines.splitlines()]
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    return [item for item in items if item["type"] != "error"]


def test_a_web_search(codex: Codex) -> None:
    search, message = completed(codex("--json", f"QUIET {SEARCH}"))
    assert (search["type"], search["query"]) == ("web_search", QUERY)
    assert message["text"].startswith(f"The search for “{QUERY}” found 3 pages.")


@pytest.mark.usefixtures("described")
def test_a_web_search_for_a_model_like_its_own(codex: Codex) -> None:
    search, _ = completed(codex("--json", f"QUIET {SEARCH}"))
    assert (search["type"], search["query"]) == ("web_search", QUERY)


def test_a_web_search_before_a_call(codex: Codex) -> None:
    seen = Seen(codex(f"{SEARCH} {SHELL} THEN SEEN"))
    assert "\nOutput:\n42\n" in seen.results[0]
    [result] = seen.blocks(kind="web_search_tool_result")
    assert [page["url"] for page in result["content"]] == PAGES


def test_a_conversation_goes_on_after_a_web_search(codex: Codex) -> None:
    codex(SEARCH)
    seen = Seen(codex("resume", "--last", "SEEN"))
    assert [block["input"] for block in seen.blocks(kind="server_tool_use")] == [{"query": QUERY}]
    assert seen.texts("assistant")[0] == "Let me search."


def test_a_web_search_that_the_api_refuses_is_left_out(place: Place, relay: Relay) -> None:
    place.configure_codex(f"{relay.url}/v1", REFUSED_MODEL)
    prompt = f"NOWEB {SHELL} THEN SEEN"
    seen = Seen(place.run("codex", "exec", "--skip-git-repo-check", prompt))
    assert "\nOutput:\n42\n" in seen.results[0]
    assert "web_search" not in seen.tools
    for each in relay.served:
        assert "web_search" in {tool["type"] for tool in each.body["tools"]}
        assert "tools[].web_search" in each.ignored
    assert len(relay.served) == 2


@each_way
def test_a_schema(codex: Codex, place: Place) -> None:
    schema = place.home / "schema.json"
    schema.write_text(json.dumps(PERSON_SCHEMA))
    assert json.loads(codex("--output-schema", str(schema), BE_PERSON)) == PERSON


@each_way
def test_a_schema_after_a_call(codex: Codex, place: Place) -> None:
    schema = place.home / "schema.json"
    schema.write_text(json.dumps(PERSON_SCHEMA))
    prompt = f"{SHELL} THEN {BE_PERSON}"
    assert json.loads(codex("--output-schema", str(schema), prompt)) == PERSON


@pytest.mark.parametrize(
    ("before", "after"), [(False, False), (True, True), (True, False), (False, True)]
)
def test_a_conversation_goes_on(codex: Codex, before: bool, after: bool) -> None:
    codex(*effort(before), f"THINK:first_this {SAY}")
    seen = Seen(codex(*effort(after), "resume", "--last", "SEEN"))
    assert seen.texts("assistant") == [TEXT]
    assert seen.texts("user")[-1] == "SEEN"


def test_a_conversation_goes_on_after_calls(codex: Codex) -> None:
    codex(f"{SHELL} THEN {SAY}")
    seen = Seen(codex("resume", "--last", "SEEN"))
    assert "\nOutput:\n42\n" in seen.results[0]
    assert seen.texts("assistant") == [TEXT]


def test_events(codex: Codex) -> None:
    done = completed(codex("--json", *effort(True), f"THINK:first_this {SHELL} THEN {SAY}"))
    assert [item["type"] for item in done] == ["reasoning", "command_execution", "agent_message"]
    assert done[-1]["text"] == TEXT
