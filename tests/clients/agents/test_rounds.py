"""Agents that go many rounds: each round is served by the process that served the one before."""

from __future__ import annotations

import json

from .conftest import OPENCLAW, OPENCLAW_SETTINGS, Place
from .relay import Relay


# How a request is served that finds its conversation's process.
HELD = {"resumed", "continued", "rewound"}
DONE = "ECHO:done"


def rounds(count: int, tool: str, argument: str, *, listed: bool = False, **more: str) -> str:
    """A prompt that makes so many calls of a shell, one after the other and each a different one.

    Some agents stop when a call is made again and again.
    """
    commands = [f"echo {number}" for number in range(count)]
    calls = [
        f"CALL:{tool}:{json.dumps({argument: [command] if listed else command, **more})}"
        for command in commands
    ]
    return " THEN ".join([*calls, DONE])


def check(relay: Relay, count: int) -> list[str]:
    """Compare how the requests were served; returns that of the rounds after the first request."""
    assert set(relay.later) <= HELD, relay.later
    longest = relay.longest
    assert len(longest) == count + 1
    return longest[1:]


def claude_code(place: Place, relay: Relay, model: str, *options: str) -> None:
    prompt = rounds(50, "Bash", "command", description="Count")
    printed = place.run(
        *("claude", "-p", prompt, "--model", model, "--allowedTools", "Bash", *options),
        ANTHROPIC_AUTH_TOKEN="not-needed",
        ANTHROPIC_BASE_URL=relay.url,
    )
    assert printed == "done\n"


def test_claude_code(place: Place, relay: Relay) -> None:
    claude_code(place, relay, "opus")
    assert set(check(relay, 50)) == {"resumed"}


def test_claude_code_with_words_in_each_round(place: Place, relay: Relay) -> None:
    # It tells some models after each result how many tokens are left.
    claude_code(place, relay, "haiku")
    first, *others = check(relay, 50)
    assert first == "rewound"
    # The process is ready for the words before they come.
    assert set(others) == {"continued"}


def test_claude_code_with_words_in_some_rounds(place: Place, relay: Relay) -> None:
    # What a hook has to say comes beside the result. It speaks after each fourth and fifth call.
    script = place.home / "hook.sh"
    script.write_text(
        """\
#!/bin/sh
number=$(sed -n 's/.*"command":"echo \\([0-9]*\\)".*/\\1/p')
case $((number % 5)) in
3 | 4) echo '{"hookSpecificOutput":{"hookEventName":"PostToolUse","additionalContext":"Noted."}}' ;;
esac
"""
    )
    hook = {"type": "command", "command": f"sh {script}"}
    settings = {"hooks": {"PostToolUse": [{"matcher": "Bash", "hooks": [hook]}]}}
    claude_code(place, relay, "opus", "--settings", json.dumps(settings))
    served = check(relay, 50)
    assert set(served) == HELD
    spoken = [each for number, each in enumerate(served) if number % 5 in (3, 4)]
    assert "resumed" not in spoken


def test_cline(place: Place, relay: Relay) -> None:
    login = ("--provider", "openai-compatible", "--apikey", "not-needed")
    url = f"{relay.url}/v1"
    place.run("cline", "auth", *login, "--modelid", "claude-opus-4", "--baseurl", url)
    # By default it leaves a process behind that serves all of a user's sessions.
    printed = place.run(
        *("cline", rounds(50, "run_commands", "commands", listed=True)),
        CLINE_NO_AUTO_UPDATE="1",
        CLINE_SESSION_BACKEND_MODE="local",
    )
    assert printed.rstrip().endswith("done")
    assert set(check(relay, 50)) == {"resumed"}


def test_openclaw(place: Place, relay: Relay) -> None:
    # It ends each request with a note that it does not keep.
    model = {"id": "claude-opus-4", "name": "Opus", "reasoning": True, "input": ["text", "image"]}
    provider = {
        "baseUrl": f"{relay.url}/v1",
        "apiKey": "not-needed",
        "api": "openai-completions",
        "models": [model],
    }
    defaults = {
        "model": {"primary": "claudeproxy/claude-opus-4"},
        "workspace": str(place.work),
    }
    config = {
        "models": {"providers": {"claudeproxy": provider}},
        "agents": {"defaults": defaults},
    }
    place.write(OPENCLAW_SETTINGS, json.dumps(config))
    answer = place.run(*OPENCLAW, "--message", rounds(20, "exec", "command"))
    assert json.loads(answer)["payloads"][0]["text"].startswith("done")
    served = check(relay, 20)
    # The process is ready for the note from the third round on.
    assert set(served[2:]) == {"continued"}


def test_codex(place: Place, relay: Relay) -> None:
    place.configure_codex(f"{relay.url}/v1", "claude-opus-4")
    prompt = rounds(50, "exec_command", "cmd")
    assert place.run("codex", "exec", "--skip-git-repo-check", prompt) == "done\n"
    assert set(check(relay, 50)) == {"resumed"}
