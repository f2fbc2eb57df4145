"""Extended OpenAI Conversation in Home Assistant, with the values that `claudeproxy client` prints.

`make test-clients` leaves it out, as it needs a newer Python than claudeproxy;
`make test-clients-large` runs it.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .. import demo
from ..conftest import Settings, deadline
from ..hass import DEADLINE, LAMP, Hass, hass


NAME = "extended_openai_conversation"


@pytest.fixture(autouse=True)
def in_time(url: str) -> Iterator[None]:
    with deadline("a test's end", DEADLINE):
        yield


@pytest.fixture
def home(url: str, tmp_path: Path) -> Iterator[Hass]:
    with hass(tmp_path, Path(sys.prefix) / "custom_components" / NAME) as home:
        yield home


def test_chat_tools_and_images(home: Hass, settings: Settings, tmp_path: Path) -> None:
    values = dict(line.split(": ") for line in settings("home-assistant-extended").splitlines())
    entry, left = home.add(NAME, values)
    # Its agent begins with a model that is not Claude's.
    assert "`gpt-4o-mini` does not exist" in home.say(demo.SAY)[0]
    (agent,) = home.tell("config_entries/subentries/list", entry_id=entry)

    def change(**values: Any) -> None:
        assert home.add_agent(entry, NAME, values, subentry_id=agent["subentry_id"]) == {}

    change(**left)
    assert home.say(demo.SAY)[0] == demo.TEXT
    # It begins with a limit that cuts longer answers, and takes that for an error.
    assert "token length(`150`) exceeded" in home.say("LONG:151")[0]

    change(**left, **{"Maximum tokens to return in response": 4000})
    home.expose(LAMP)
    assert home.state(LAMP) == "off"
    answer, conversation = home.say(call("turn_on"))
    assert answer == told_of_success()
    assert home.state(LAMP) == "on"
    seen = json.loads(home.say("SEEN", conversation_id=conversation)[0])
    assert f"{LAMP},Lamp,off" in seen["system"][-1]["text"]
    assert any(b["type"] == "tool_use" for b in demo.assistants_blocks(json.dumps(seen)))

    # OpenAI's older fields for the same. Then it does not send its calls back, but their results.
    change(**left, **{"Use Tools": False})
    assert home.say(f"{call('turn_off')} {demo.SAY}")[0].startswith(f"{demo.TEXT}\n")
    assert home.state(LAMP) == "off"

    picture = tmp_path / "config" / "www" / "pixel.png"
    picture.parent.mkdir()
    picture.write_bytes(base64.b64decode(demo.PIXEL))
    looked = home.post(
        f"/api/services/{NAME}/query_image?return_response",
        config_entry=entry,
        model=demo.MODEL,
        prompt="SEEN",
        images=[{"url": str(picture)}],
        max_tokens=4000,
    )
    text = looked["service_response"]["choices"][0]["message"]["content"]
    assert demo.images(text) == [demo.PIXEL_SOURCE]


def call(service: str) -> str:
    """What makes the demo switch the lamp, as the integration's own tool does."""
    data = {"domain": "input_boolean", "service": service, "service_data": {"entity_id": LAMP}}
    return demo.call_of("execute_services", {"list": [data]})


def told_of_success() -> str:
    results = [[{"type": "text", "text": "[{'success': True}]"}]]
    return f"TOOL_RESULT:{json.dumps(results, separators=(',', ':'))}"
