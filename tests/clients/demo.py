"""What the tests say to the demo, and what it answers to that: see doc/demo.md."""

from __future__ import annotations

import json
from typing import Any

import pytest


MODEL = "sonnet"
# It calls tools that a prompt speaks of, without a word.
CHOOSING = "claude-demo-tools"

# What it answers to a prompt without a word for it, such as "Hello!".
GREETING = "This is the demo of claudeproxy, not Claude."

TEXT = "one two three"
SAY = f"ECHO:{TEXT}"
# As many pieces as tokens.
COUNT = "LONG:12"
COUNTED = "".join(f"tok{n} " for n in range(12)).rstrip()

CITY = "Paris"
CALL = 'QUIET CALL:get_weather:{"city":"Paris"}'
CALL_TWO = 'CALL:get_weather:{"city":"Paris"} CALL:get_weather:{"city":"Rome"}'

# How a test is run, for clients that take either way, and what the answers of its demo call.
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
calling = pytest.mark.parametrize(
    ("text", "cities"), [(CALL, [CITY]), (CALL_TWO, [CITY, "Rome"])], ids=["one", "two"]
)

# The ways in which an answer is made to fit a schema. The fixture `goes_its_way` sees to it that it
# is made in this one.
each_way = pytest.mark.parametrize("way", ["api", "tool"], indirect=True)
# The same two servers, for tests whose answers go some other way.
each_setting = pytest.mark.parametrize("setting", ["auto", "tool"], indirect=True)

PERSON: dict[str, Any] = {"name": "Ada", "age": 36}
# The answer itself, which the demo gives by either way.
BE_PERSON = f"ECHO:{json.dumps(PERSON)}"
PERSON_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}

WEATHER_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}

THOUGHT = "first this and then that"
THINK = f"THINK:{THOUGHT.replace(' ', '_')} {SAY}"

# What a search of the demo finds, and what its answer says of the first two pages, citing them.
QUERY = "red pandas"
SEARCH = "SEARCH:red_pandas"
PAGES = [
    "https://en.example.com/guide/red-pandas",
    "https://news.example.org/news/red-pandas",
    "https://www.example.net/questions/red-pandas",
]
CITED = [
    (f"The guide page of en.example.com says what there is to know of {QUERY}.", PAGES[0]),
    (f"The news page of news.example.org says what there is to know of {QUERY}.", PAGES[1]),
]
# Refused, it is left out of all requests for this model for a while. So no other test may use it.
REFUSED_MODEL = "claude-opus-4-5"

# One red pixel.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)
PIXEL_URL = f"data:image/png;base64,{PIXEL}"


def call_of(name: str, arguments: Any) -> str:
    """What makes the demo call a tool of the client's."""
    return f"CALL:{name}:{json.dumps(arguments)}"


def get_weather(city: str) -> str:
    """How warm it is."""
    return f"18 degrees in {city}"


def asking(content: Any) -> list[Any]:
    """A conversation of one message, as Chat Completions takes it."""
    return [{"role": "user", "content": content}]


def told_of(text: str | None, *cities: str) -> bool:
    """Whether the demo, in its answer, gives back the weather of these cities and no others."""
    assert text is not None
    results = text.removeprefix("TOOL_RESULT:")
    assert results != text, text
    return [_plain(result) for result in json.loads(results)] == [
        get_weather(city) for city in cities
    ]


def assistants_blocks(seen: str | None) -> list[dict[str, Any]]:
    """The blocks of the assistant's that the API saw, from the answer to `SEEN`."""
    assert seen is not None
    messages = json.loads(seen)["messages"]
    return [
        block
        for message in messages
        if message["role"] == "assistant"
        for block in message["content"]
    ]


def _plain(result: Any) -> str:
    """A tool result is a text or text blocks."""
    if isinstance(result, str):
        return result
    return "".join(block["text"] for block in result)


def images(seen: str | None) -> list[dict[str, Any]]:
    """The sources of the images that the API saw, from the answer to `SEEN`."""
    assert seen is not None
    return [
        block["source"]
        for message in json.loads(seen)["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
        if block["type"] == "image"
    ]


PIXEL_SOURCE = {"type": "base64", "media_type": "image/png", "data": PIXEL}
