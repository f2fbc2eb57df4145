"""The cases of Open Responses' acceptance tests of 2026-04-24, told anew.

Those of compaction (`POST /v1/responses/compact`) are not here: tests/dialects/responses has tests
of it. A server may leave out WebSockets, and this one does. So it does with the optional cases of
hosted tools.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from .. import demo
from .open_responses import ERROR, EVENT, RESPONSE, events_of, faults, replayed


WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Tells the weather of a city.",
    "parameters": demo.WEATHER_SCHEMA,
}
ASKED = f"What is the weather in '{demo.CITY}'?"
ARGUMENTS = {"city": demo.CITY}
PDF = base64.b64encode(b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n")


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content, **more}


def text_of(response: Mapping[str, Any]) -> str:
    return "".join(
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
    )


def calls_of(response: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        (item["name"], json.loads(item["arguments"]))
        for item in response["output"]
        if item["type"] == "function_call"
    ]


class Server:
    """Asks for responses, whole or streamed, each of which must be as the schema has it."""

    def __init__(self, url: str, stream: bool) -> None:
        self.url = url
        self.stream = stream

    def post(self, **body: Any) -> tuple[str, str]:
        """What the answer is and what it is of, whatever its status."""
        request = Request(
            f"{self.url}/responses",
            json.dumps({"model": demo.CHOOSING, **body, "stream": self.stream}).encode(),
            {"Content-Type": "application/json", "Authorization": "Bearer not-needed"},
        )
        with urlopen(request) as answer:
            return answer.read().decode(), answer.headers.get_content_type()

    def ask(self, given: Any, status: str = "completed", **body: Any) -> dict[str, Any]:
        """The response; for a stream the last one that it tells."""
        told, kind = self.post(input=given, **body)
        if self.stream:
            assert kind == "text/event-stream"
            events = events_of(told.splitlines())
            assert sorted({fault for event in events for fault in faults(event, EVENT)}) == []
            response = events[-1]["response"]
            assert replayed(events) == response["output"]
            assert events[-1]["type"] == f"response.{status}"
        else:
            assert kind == "application/json"
            response = json.loads(told)
            assert faults(response, RESPONSE) == []
        assert response["status"] == status
        assert response["output"]
        if status == "completed":
            assert response["completed_at"] >= response["created_at"]
        return response


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def server(url: str, request: pytest.FixtureRequest) -> Server:
    return Server(url, request.param)


def test_a_text(server: Server) -> None:
    assert text_of(server.ask([said("user", demo.SAY)])) == demo.TEXT


def test_a_string_is_what_the_user_says(server: Server) -> None:
    assert text_of(server.ask(demo.SAY)) == demo.TEXT


def test_a_text_in_many_pieces(server: Server) -> None:
    response = server.ask([said("user", demo.COUNT)])
    assert text_of(response) == demo.COUNTED
    assert response["usage"]["output_tokens"] == 12


def test_a_system_message(server: Server) -> None:
    response = server.ask([said("system", "Speak as a pirate does."), said("user", "SEEN")])
    assert "Speak as a pirate does." in text_of(response)


def test_instructions(server: Server) -> None:
    response = server.ask("SEEN", instructions="Speak as a pirate does.")
    assert "Speak as a pirate does." in text_of(response)
    assert response["instructions"] == "Speak as a pirate does."


def test_a_call_of_a_tool(server: Server) -> None:
    response = server.ask([said("user", ASKED)], tools=[WEATHER])
    assert calls_of(response) == [("get_weather", ARGUMENTS)]
    (tool,) = response["tools"]
    assert {name: tool[name] for name in WEATHER} == WEATHER


def test_a_tool_with_no_more_than_a_name(server: Server) -> None:
    response = server.ask(
        "Call look_around now.",
        tools=[{"type": "function", "name": "look_around"}],
        tool_choice={"type": "function", "name": "look_around"},
    )
    assert calls_of(response) == [("look_around", {})]


@pytest.mark.parametrize("kept", [False, True], ids=["sent again", "kept"])
def test_the_result_of_a_call(server: Server, kept: bool) -> None:
    first = server.ask([said("user", ASKED)], tools=[WEATHER])
    (call,) = [item for item in first["output"] if item["type"] == "function_call"]
    result = {
        "type": "function_call_output",
        "call_id": call["call_id"],
        "output": demo.get_weather(demo.CITY),
    }
    if kept:
        last = server.ask([result], previous_response_id=first["id"], tools=[WEATHER])
        assert last["previous_response_id"] == first["id"]
    else:
        last = server.ask([said("user", ASKED), *first["output"], result], tools=[WEATHER])
    assert calls_of(last) == []
    assert demo.told_of(text_of(last), demo.CITY)


def test_an_image(server: Server) -> None:
    parts = [
        {"type": "input_text", "text": "SEEN"},
        {"type": "input_image", "image_url": demo.PIXEL_URL},
    ]
    response = server.ask([said("user", parts)])
    assert demo.images(text_of(response)) == [demo.PIXEL_SOURCE]


def test_a_file(server: Server) -> None:
    parts = [
        {"type": "input_text", "text": "SEEN"},
        {
            "type": "input_file",
            "filename": "empty.pdf",
            "file_data": f"data:application/pdf;base64,{PDF.decode()}",
        },
    ]
    assert PDF.decode() in text_of(server.ask([said("user", parts)]))


def test_a_conversation(server: Server) -> None:
    response = server.ask(
        [
            said("user", "My name is Ada."),
            said("assistant", "Hello Ada!"),
            said("user", "SEEN"),
        ]
    )
    seen = text_of(response)
    assert seen.index("My name is Ada.") < seen.index("Hello Ada!")


def test_a_conversation_that_the_server_keeps(server: Server) -> None:
    first = server.ask("My name is Ada.")
    last = server.ask("SEEN", previous_response_id=first["id"])
    assert "My name is Ada." in text_of(last)


@pytest.mark.parametrize("phase", ["commentary", "final_answer"])
def test_the_phase_of_an_assistants_message(server: Server, phase: str) -> None:
    before = said("assistant", [{"type": "output_text", "text": "Hello!"}], phase=phase)
    response = server.ask([said("user", "Hello."), before, said("user", demo.SAY)])
    assert text_of(response) == demo.TEXT


def test_reasoning(server: Server) -> None:
    response = server.ask(demo.THINK, reasoning={"effort": "low", "summary": "auto"})
    assert [item["type"] for item in response["output"]] == ["reasoning", "message"]
    assert text_of(response) == demo.TEXT


def test_an_answer_in_a_form(server: Server) -> None:
    form = {"type": "json_schema", "name": "person", "schema": demo.PERSON_SCHEMA, "strict": True}
    response = server.ask("Someone called 'Ada', 36 years old", text={"format": form})
    assert json.loads(text_of(response)) == demo.PERSON
    told = response["text"]["format"]
    assert {name: told[name] for name in form} == form


def test_an_answer_that_is_cut_off_is_incomplete(server: Server) -> None:
    response = server.ask("LONG:40", "incomplete", max_output_tokens=16)
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["output"][-1]["status"] == "incomplete"


def test_what_was_asked_for_is_told_again(server: Server) -> None:
    asked = {
        "max_output_tokens": 100,
        "max_tool_calls": 3,
        "metadata": {"for": "a test"},
        "parallel_tool_calls": False,
        "prompt_cache_key": "a key",
        "safety_identifier": "a user",
        "store": False,
        "tool_choice": "none",
    }
    response = server.ask(demo.SAY, tools=[WEATHER], **asked)
    assert {name: response.get(name) for name in asked} == asked


@pytest.mark.parametrize(
    ("body", "status"),
    [({"model": "no-such-model"}, 404), ({"previous_response_id": "resp_0"}, 400)],
    ids=["model", "previous response"],
)
def test_a_refusal_is_an_error_object(server: Server, body: dict[str, Any], status: int) -> None:
    with pytest.raises(HTTPError) as caught:
        server.post(input=demo.SAY, **body)
    with caught.value as answer:
        assert answer.code == status
        assert faults(json.load(answer), ERROR) == []
