"""Codex, with the server as a model provider of its config.toml."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from ..demo import (
    BE_PERSON,
    GREETING,
    PAGES,
    PERSON,
    PERSON_SCHEMA,
    PIXEL_SOURCE,
    PIXEL_URL,
    QUERY,
    REFUSED_MODEL,
    SAY,
    SEARCH,
    TEXT,
    each_way,
)
from .conftest import CODEX_SETTINGS, Place, mcp_command
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


def describe(place: Place, *, lite: bool) -> None:
    """Tells Codex that the model is like one of its own, by the setting that it has for that.

    lite: whether it is one that gets its tools in an item and calls the others by a script.
    """
    known = json.loads(place.run("codex", "debug", "models"))["models"]
    own: dict[str, Any] = next(model for model in known if model["use_responses_lite"] is lite)
    catalog = place.home / "models.json"
    catalog.write_text(json.dumps({"models": [{**own, "slug": MODEL}]}))
    config = place.home / CODEX_SETTINGS
    config.write_text(f"model_catalog_json = {json.dumps(str(catalog))}\n{config.read_text()}")


@pytest.fixture
def described(place: Place, codex: Codex) -> None:
    describe(place, lite=False)


@pytest.fixture
def lite(place: Place, codex: Codex) -> None:
    describe(place, lite=True)


def script(source: str) -> str:
    """Makes the demo call the tool of a lite model that runs scripts."""
    return f"QUIET CALL:functions__exec:{json.dumps({'input': source})}"


def effort(high: bool) -> tuple[str, ...]:
    """The options that make the model think, or none."""
    return ("--config", "model_reasoning_effort=high") if high else ()


def test_a_prompt(codex: Codex) -> None:
    assert codex(SAY) == f"{TEXT}\n"


def test_its_own_provider_goes_on_without_websockets(
    place: Place, url: str, refusals: list[str]
) -> None:
    place.write(CODEX_SETTINGS, f'model = "opus"\nopenai_base_url = "{url}"\n')
    command = ("codex", "exec", "--skip-git-repo-check", SAY)
    assert place.run(*command, CODEX_API_KEY="not-needed") == f"{TEXT}\n"
    # It asks once, and not again after that answer.
    refusals.append("GET /v1/responses 426")


def test_an_overload_ends_its_turn_soon(place: Place, url: str, refusals: list[str]) -> None:
    place.configure_codex(url, MODEL)
    _, errors = place.fail("codex", "exec", "--skip-git-repo-check", "ERR:529")
    assert "Selected model is at capacity" in errors
    # Without the code of the error there would be 30.
    refusals += ["POST /v1/responses 503"] * 5


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


# Models that get their tools in an item, and call most of them by a script


@pytest.mark.usefixtures("lite")
def test_the_tools_of_a_lite_model_reach_the_api(codex: Codex) -> None:
    seen = Seen(codex("SEEN"))
    assert seen.instructions.count("You are Codex, an agent") == 1
    assert {"functions__exec", "functions__wait", "collaboration__spawn_agent"} <= seen.tools


@pytest.mark.usefixtures("lite")
@pytest.mark.parametrize(
    ("source", "results"),
    [
        ('const r = await tools.exec_command({cmd: "echo $((6*7))"}); text(r.output);', ["42\n"]),
        (
            'const r = await tools.mcp__weather__get_weather({city: "Paris"});'
            " text(r.content[0].text);",
            ["18 degrees in Paris"],
        ),
        ('notify("half"); notify("nearly"); text("whole");', ["whole", "half", "nearly"]),
    ],
)
def test_a_script(codex: Codex, source: str, results: list[str]) -> None:
    seen = Seen(codex(f"{script(source)} THEN SEEN"))
    assert seen.calls == [("functions__exec", {"input": source})]
    [result] = seen.blocks(kind="tool_result")
    _, text, *notes = (block["text"] for block in result["content"])
    # Codex sends the notes of a script in any order.
    assert [text, *sorted(notes)] == results


@pytest.mark.usefixtures("lite")
def test_a_script_that_shows_an_image(codex: Codex) -> None:
    show = script(f"image({json.dumps(PIXEL_URL)});")
    assert Seen(codex(f"{show} THEN SEEN")).images == [PIXEL_SOURCE]


@pytest.mark.usefixtures("lite")
def test_a_script_goes_on_while_the_model_waits(codex: Codex) -> None:
    source = 'text("mark" + 1); yield_control(); notify("mark" + 2); text("mark" + 3);'
    wait = 'QUIET CALL:functions__wait:{"cell_id":"1"}'
    seen = Seen(codex(f"{script(source)} THEN {wait} THEN SEEN"))
    told = "".join([*seen.results, *seen.texts("user")])
    assert [told.count(f"mark{number}") for number in (1, 2, 3)] == [1, 1, 1]


@pytest.mark.usefixtures("lite")
def test_a_conversation_goes_on_after_a_script(codex: Codex) -> None:
    notify = script('notify("half"); text("whole");')
    codex(f"{notify} THEN {SAY}")
    seen = Seen(codex("resume", "--last", "SEEN"))
    assert seen.results[0].endswith("wholehalf")
    assert seen.texts("assistant") == [TEXT]


@pytest.mark.usefixtures("lite")
def test_a_subagent_of_a_lite_model(codex: Codex) -> None:
    # Codex sends the message of one agent to another as if it were encrypted.
    task = {"task_name": "sub", "message": "hello from root", "fork_turns": "none"}
    spawn = f"QUIET CALL:collaboration__spawn_agent:{json.dumps(task)}"
    wait = "QUIET CALL:collaboration__wait_agent:{}"
    seen = Seen(codex(f"{spawn} THEN {wait} THEN SEEN"))
    [answer] = [text for text in seen.texts("user") if text.startswith("<agent_message>")]
    assert '"author": "/root/sub"' in answer
    assert GREETING in answer


# A conversation whose earlier part Codex replaces by a summary

SUMMARY = "Another language model started to solve this problem and produced a summary"
MADE = ["function_call", "function_call_output"]


def summaries(seen: Seen) -> list[str]:
    return [text for text in seen.prompts if text.startswith(SUMMARY)]


# Less than any request has.
AT_ONCE = ("--config", "model_auto_compact_token_limit=1000")


def test_a_summary_before_a_turn(codex: Codex) -> None:
    codex("Hello!")
    seen = Seen(codex(*AT_ONCE, "resume", "--last", "SEEN"))
    [summary] = summaries(seen)
    assert GREETING in summary
    assert seen.texts("assistant") == []
    assert seen.prompts[-3:] == ["Hello!", summary, "SEEN"]
    assert "You are a coding agent running in the Codex CLI" in seen.instructions
    assert "exec_command" in seen.tools


@pytest.mark.usefixtures("lite")
def test_a_summary_by_a_lite_model(codex: Codex) -> None:
    codex("Hello!")
    seen = Seen(codex(*AT_ONCE, "resume", "--last", "SEEN"))
    assert len(summaries(seen)) == 1
    assert seen.texts("assistant") == []
    assert "functions__exec" in seen.tools


def test_a_summary_as_an_item_of_the_server(codex: Codex, place: Place) -> None:
    # What Codex asks for depends on this name alone.
    config = place.home / CODEX_SETTINGS
    config.write_text(config.read_text().replace('name = "claudeproxy"', 'name = "OpenAI"'))
    codex("Hello!")
    seen = Seen(codex(*AT_ONCE, "resume", "--last", "SEEN"))
    _, summary, last = seen.prompts[-3:]
    assert summary.startswith("<compaction>\n")
    assert GREETING in summary
    assert last == "SEEN"
    assert seen.texts("assistant") == []


def test_a_summary_between_calls(place: Place, relay: Relay) -> None:
    place.configure_codex(f"{relay.url}/v1", MODEL)
    run = ("codex", "exec", "--skip-git-repo-check", "--json")
    size = json.loads(place.run(*run, "Hello!").splitlines()[-1])["usage"]["input_tokens"]
    # Less than the output of the call adds. The words of the prompt stay after the summary, so the
    # call is made again, and then has no output.
    once = {"cmd": "test -e once || { touch once; seq 3000; }"}
    prompt = f"QUIET CALL:exec_command:{json.dumps(once)} THEN {SAY}"
    limit = ("--config", f"model_auto_compact_token_limit={size + 1000}")
    done = completed(place.run(*run, "--sandbox", "workspace-write", *limit, prompt))
    assert [item["type"] for item in done] == [*["command_execution"] * 2, "agent_message"]
    assert done[-1]["text"] == TEXT
    first, summing, *_, last = (each.body["input"] for each in relay.served[1:])
    assert [item["type"] for item in summing[len(first) :]] == [*MADE, "message"]
    told, *made = last[-3:]
    assert told["content"][0]["text"].startswith(SUMMARY)
    assert told["content"][0]["text"].endswith(TEXT)
    assert [item["type"] for item in made] == MADE
