"""Home Assistant's own integrations, with the values that `claudeproxy client` prints.

`make test-clients` leaves it out, as it needs a newer Python than claudeproxy;
`make test-clients-large` runs it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .. import demo
from ..conftest import Settings, deadline
from ..hass import DEADLINE, LAMP, Hass, hass


TURN_ON = demo.call_of("intent__HassTurnOn", {"name": "Lamp", "domain": ["input_boolean"]})


@pytest.fixture(autouse=True)
def in_time(url: str) -> Iterator[None]:
    with deadline("a test's end", DEADLINE):
        yield


@pytest.fixture
def home(url: str, tmp_path: Path) -> Iterator[Hass]:
    with hass(tmp_path) as home:
        yield home


@pytest.fixture
def values(settings: Settings) -> dict[str, str]:
    return dict(line.split(": ") for line in settings("home-assistant").splitlines())


def test_llama_cpp(home: Hass, values: dict[str, str]) -> None:
    _, left = home.add("llama_cpp", values)
    assert left == {}
    assert streamed(home, demo.COUNT) == demo.COUNTED.replace(" ", " |").split("|")
    talk(home)
    home.expose(LAMP)
    assert home.state(LAMP) == "off"
    answer = "".join(streamed(home, f"{TURN_ON} THEN {demo.SAY}"))
    assert answer.endswith(demo.TEXT)
    assert home.state(LAMP) == "on"
    assert home.errors("llama_cpp") == []


def test_litellm(home: Hass, values: dict[str, str]) -> None:
    entry, left = home.add("litellm", values)
    assert home.add_agent(entry, "litellm", left) == {}
    talk(home)
    switch_on(home)
    assert home.errors("litellm") == []


def talk(home: Hass) -> None:
    """A conversation of two turns: the second request has the first turn too."""
    answer, conversation = home.say(demo.SAY)
    assert answer == demo.TEXT
    seen = json.loads(home.say("SEEN", conversation_id=conversation)[0])
    said = [
        (message["role"], block["text"])
        for message in seen["messages"]
        for block in message["content"]
        if isinstance(block, dict)
    ]
    assert said == [("user", demo.SAY), ("assistant", demo.TEXT), ("user", "SEEN")]
    assert "voice assistant for Home Assistant" in seen["system"][-1]["text"]


def switch_on(home: Hass) -> None:
    """The model turns the lamp on by a tool, and is told so."""
    home.expose(LAMP)
    assert home.state(LAMP) == "off"
    (results,) = json.loads(home.say(TURN_ON)[0].removeprefix("TOOL_RESULT:"))
    (told,) = json.loads(results[0]["text"])["data"]["data"]["success"]
    assert told["id"] == LAMP
    assert home.state(LAMP) == "on"


def streamed(home: Hass, text: str) -> list[str]:
    """The pieces of an answer, as a page of Home Assistant gets them."""
    speech = (
        *("stt_engine", "stt_language", "tts_engine", "tts_language", "tts_voice"),
        *("wake_word_entity", "wake_word_id"),
    )
    pipeline = home.tell(
        "assist_pipeline/pipeline/create",
        name=text,
        language="en",
        conversation_engine=home.agent(),
        conversation_language="en",
        **dict.fromkeys(speech),
    )
    events = home.listen(
        "assist_pipeline/run",
        until="run-end",
        pipeline=pipeline["id"],
        start_stage="intent",
        end_stage="intent",
        input={"text": text},
    )
    deltas = [e["data"]["chat_log_delta"] for e in events if e["type"] == "intent-progress"]
    return [d["content"] for d in deltas if d.get("role") != "tool_result" and d.get("content")]
