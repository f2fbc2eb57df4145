"""The agents, each with the settings that `claudeproxy client` prints, put where it says.

Those of OpenClaw are tried in test_openclaw.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ..conftest import Settings
from ..demo import SAY, TEXT
from .conftest import CODEX_SETTINGS, Place
from .seen import Seen


Setup = Callable[[str, str], None]

# Qwen Code 0.24.4 misses what a command prints just before its end, on a busy machine.
SUM = "echo $((6*7)) && sleep 1"


@pytest.fixture
def setup(settings: Settings, place: Place) -> Setup:
    """Writes the settings of a client into the file that they are for, below HOME."""

    return lambda name, path: place.write(path, settings(name))


@pytest.fixture
def shell(settings: Settings, place: Place) -> Callable[..., str]:
    """Runs the command that is printed for a client, with more arguments."""

    def shell(name: str, *arguments: str) -> str:
        command = f'{settings(name).rstrip()} "$@"'
        return place.run("/bin/sh", "-c", command, "sh", *arguments)

    return shell


def seen_sum(answer: str, tool: str) -> None:
    """Look for the call of a shell, and its result, in what reached the API."""
    seen = Seen(answer)
    ((name, arguments),) = seen.calls
    assert (name, arguments["command"]) == (tool, SUM)
    assert "42" in seen.results[0].split()


def test_claude_code(shell: Callable[..., str]) -> None:
    assert shell("claude-code", "-p", SAY) == f"{TEXT}\n"


def test_cline(shell: Callable[..., str], place: Place) -> None:
    shell("cline")
    # By default it leaves a process behind that serves all of a user's sessions.
    environment = {"CLINE_NO_AUTO_UPDATE": "1", "CLINE_SESSION_BACKEND_MODE": "local"}
    assert place.run("cline", SAY, **environment).rstrip().endswith(TEXT)


def test_codex(setup: Setup, place: Place) -> None:
    setup("codex", CODEX_SETTINGS)
    assert place.run("codex", "exec", "--skip-git-repo-check", SAY) == f"{TEXT}\n"


def test_codex_with_a_key(settings: Settings, place: Place) -> None:
    place.write(CODEX_SETTINGS, settings("codex", "--key", "$KEY"))
    command = ("codex", "exec", "--skip-git-repo-check", SAY)
    assert place.run(*command, CODEX_KEY="any") == f"{TEXT}\n"


def test_continue(setup: Setup, place: Place) -> None:
    setup("continue", ".continue/config.yaml")
    assert place.run("cn", "-p", SAY).strip() == TEXT


def test_continue_calls_the_shell(setup: Setup, place: Place) -> None:
    setup("continue", ".continue/config.yaml")
    call = f"CALL:Bash:{json.dumps({'command': SUM})}"
    seen_sum(place.run("cn", "-p", "--auto", f"QUIET {call} THEN SEEN"), "Bash")


def test_opencode(setup: Setup, place: Place) -> None:
    setup("opencode", ".config/opencode/opencode.json")
    # It puts an argument with spaces in quotation marks.
    assert place.run("opencode", "run", *SAY.split()).strip() == TEXT


def test_opencode_calls_the_shell(setup: Setup, place: Place) -> None:
    setup("opencode", ".config/opencode/opencode.json")
    call = f"CALL:bash:{json.dumps({'command': SUM, 'description': 'sum'})}"
    command = 'printf %s "$1" | opencode run'
    seen_sum(place.run("/bin/sh", "-c", command, "sh", f"QUIET {call} THEN SEEN"), "bash")


def test_opencode_makes_a_summary_of_a_long_session(setup: Setup, place: Place) -> None:
    setup("opencode", ".config/opencode/opencode.json")
    # The usage says that the context is nearly full. Without a word of the settings that has no
    # effect.
    place.run("opencode", "run", "CACHED:190000")
    seen = Seen(place.run("opencode", "run", "--continue", "SEEN"))
    assert any("What did we do so far?" in text for text in seen.prompts)


def test_qwen_code(shell: Callable[..., str]) -> None:
    assert shell("qwen-code", SAY).strip() == TEXT


def test_qwen_code_calls_the_shell(shell: Callable[..., str]) -> None:
    call = f"CALL:run_shell_command:{json.dumps({'command': SUM, 'is_background': False})}"
    seen_sum(shell("qwen-code", "--yolo", f"QUIET {call} THEN SEEN"), "run_shell_command")


def test_qwen_code_reads_an_image(shell: Callable[..., str], place: Place) -> None:
    read = f"CALL:read_file:{json.dumps({'file_path': str(place.picture())})}"
    # It makes another image of it.
    assert len(Seen(shell("qwen-code", "--yolo", f"QUIET {read} THEN SEEN")).images) == 1


def test_copilot(shell: Callable[..., str]) -> None:
    assert shell("copilot", "--silent", "--prompt", SAY).strip() == TEXT


def test_copilot_calls_the_shell(shell: Callable[..., str]) -> None:
    call = f"CALL:bash:{json.dumps({'command': SUM, 'description': 'sum'})}"
    prompt = f"QUIET {call} THEN SEEN"
    seen_sum(shell("copilot", "--silent", "--allow-all-tools", "--prompt", prompt), "bash")
