"""OpenClaw, with the server as a model provider of its configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ..conftest import Settings
from ..demo import PIXEL, PIXEL_SOURCE, SAY, TEXT
from .conftest import OPENCLAW, OPENCLAW_SETTINGS, Place
from .relay import Relay
from .seen import Seen
from .test_rounds import check


OpenClaw = Callable[..., str]


def started(place: Place, config: Any) -> OpenClaw:
    """Runs a turn of the agent with this configuration, always in the same session; its answer."""
    config["agents"]["defaults"]["workspace"] = str(place.work)
    place.write(OPENCLAW_SETTINGS, json.dumps(config))
    return agent(place)


def agent(place: Place) -> OpenClaw:
    """Runs a turn of the agent with the configuration that is there."""

    def openclaw(message: str, *options: str) -> str:
        payloads = json.loads(place.run(*OPENCLAW, *options, "--message", message))["payloads"]
        return "\n".join(payload["text"] for payload in payloads)

    return openclaw


@pytest.fixture
def openclaw(place: Place, settings: Settings) -> OpenClaw:
    """With the settings that `claudeproxy client` prints."""
    return started(place, json.loads(settings("openclaw")))


def said(answer: str) -> str:
    """The answer to a prompt that ends with ECHO, after which it puts a note of its own."""
    return answer.split("\n\nRuntime: ")[0]


def test_a_chat(place: Place, settings: Settings, relay: Relay) -> None:
    config = json.loads(settings("openclaw"))
    config["models"]["providers"]["claudeproxy"]["baseUrl"] = f"{relay.url}/v1"
    openclaw = started(place, config)
    assert said(openclaw(SAY, "--thinking", "off")) == TEXT
    seen = Seen(openclaw("SEEN", "--thinking", "xhigh"))
    assert [said(text) for text in seen.texts("assistant")] == [TEXT]
    assert "You are a personal assistant running inside OpenClaw" in seen.instructions
    assert {"apply_patch", "exec", "read", "write"} <= seen.tools
    assert seen.model.startswith("claude-opus")
    # Without a word of the settings it would cut every answer off after 8192 tokens.
    assert [each.body["max_completion_tokens"] for each in relay.served] == [32000, 32000]
    # Without another it would send no level.
    assert [each.body["reasoning_effort"] for each in relay.served] == ["none", "xhigh"]
    assert [each.ignored for each in relay.served] == [("",), ("",)]


def test_its_own_setup(place: Place, relay: Relay) -> None:
    custom = {
        "base-url": f"{relay.url}/v1",
        "api-key": "not-needed",
        "model-id": "claude-opus-4",
        "compatibility": "openai",
    }
    answers = [part for name, text in custom.items() for part in (f"--custom-{name}", text)]
    # These parts of the setup need a gateway, a network or a terminal.
    skipped = ("channels", "daemon", "health", "hooks", "search", "skills", "ui")
    place.run(
        *("openclaw", "onboard", "--non-interactive", "--accept-risk"),
        *("--auth-choice", "custom-api-key", *answers, "--workspace", str(place.work)),
        *(f"--skip-{part}" for part in skipped),
    )
    assert said(agent(place)(SAY)) == TEXT
    [request] = relay.served
    assert request.body["max_completion_tokens"] == 4096


def test_three_rounds_of_tools(openclaw: OpenClaw, place: Place) -> None:
    place.picture()
    write = 'CALL:write:{"path":"new.txt","content":"written"}'
    read = 'CALL:exec:{"command":"echo $((6*7)) $(cat new.txt)"}'
    look = 'CALL:read:{"path":"red.png"}'
    seen = Seen(openclaw(f"{write} THEN THINK:now_this {read} THEN {look} THEN SEEN"))
    assert (place.work / "new.txt").read_text() == "written"
    assert [name for name, _ in seen.calls] == ["write", "exec", "read"]
    assert seen.results[1] == "42 written"
    assert seen.images == [PIXEL_SOURCE]


# With one of them it ends each request with a note that it does not keep.
OTHER_APIS = {
    "openai-responses": ("/v1", ["resumed", "resumed", "resumed"]),
    "anthropic-messages": ("", ["rewound", "rewound", "continued"]),
}


@pytest.mark.parametrize("api", OTHER_APIS)
def test_rounds_with_its_other_apis(
    place: Place, settings: Settings, relay: Relay, api: str
) -> None:
    path, served = OTHER_APIS[api]
    # OpenClaw needs more than a minute to read a long answer to them, so SEEN is not for them.
    config = json.loads(settings("openclaw"))
    config["models"]["providers"]["claudeproxy"] |= {"api": api, "baseUrl": f"{relay.url}{path}"}
    place.picture()
    write = 'CALL:write:{"path":"new.txt","content":"written"}'
    read = 'CALL:exec:{"command":"cat new.txt"}'
    look = 'CALL:read:{"path":"red.png"}'
    answer = started(place, config)(f"{write} THEN {read} THEN {look} THEN ECHO:done")
    assert said(answer) == "done"
    assert check(relay, 3) == served
    last = json.dumps(relay.served[-1].body)
    assert "written" in last
    assert PIXEL in last
