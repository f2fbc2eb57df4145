"""Structured output, images, files and reasoning through the real CLI, seen at both ends."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import openai
from pydantic import BaseModel

from .harness import RealCLI, conversation, on_every_cli


# One pixel each: the CLI leaves out what it cannot decode.
IMAGES = {
    kind: base64.b64decode(text)
    for kind, text in {
        "png": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAA"
        "BJRU5ErkJggg==",
        "jpeg": "/9j/4AAQSkZJRgABAQEASABIAAD/2wBD"
        "AP//////////////////////////////////////////////////"
        "////////////////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAA"
        "gBAQABPxA=",
        "gif": "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
        "webp": "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA",
    }.items()
}
STRUCTURED = "StructuredOutput"


class Step(BaseModel):
    explanation: str
    next: Step | None = None


class Plan(BaseModel):
    title: str
    steps: list[Step]
    score: float | None


def data_url(raw: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(raw).decode('ascii')}"


def schema_of(schema: object, **more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "plan", "schema": schema, **more}}


PLAN = schema_of(Plan.model_json_schema())


@on_every_cli(globals())
class Structured(RealCLI):
    """By the CLI's own tool; test_output_format has the API's way."""

    settings = {"structured_output": "tool"}

    async def test_the_sdk_parses_it(self) -> None:
        answer = await self.with_openai(
            lambda client: client.chat.completions.parse(
                model="sonnet",
                messages=[{"role": "user", "content": "Make a plan."}],
                response_format=Plan,
            )
        )
        choice = answer.choices[0]
        assert isinstance(choice.message.parsed, Plan)
        assert choice.finish_reason == "stop"
        assert not choice.message.tool_calls
        assert self.seen()["tool_choice"]["name"] == STRUCTURED
        assert len(self.api.requests) == 1

    async def test_it_streams_while_it_is_generated(self) -> None:
        wanted = {"title": "t", "steps": [{"explanation": "e" * 40}], "score": 1.5}
        said = f"CALL:{STRUCTURED}:{json.dumps(wanted)}"
        chunks = await self.stream(said, response_format=PLAN)
        texts = [chunk.choices[0].delta.content or "" for chunk in chunks]
        assert json.loads("".join(texts)) == wanted
        assert len(texts) > 3
        assert chunks[-1].choices[0].finish_reason == "stop"

    async def test_any_object(self) -> None:
        wanted = {"any": ["thing", {"at": "all"}]}
        answer = await self.ask(
            f"CALL:{STRUCTURED}:{json.dumps(wanted)}", response_format={"type": "json_object"}
        )
        assert json.loads(answer.choices[0].message.content) == wanted

    async def test_the_next_turn_sees_it_as_text(self) -> None:
        first = await self.ask("plan", response_format=PLAN)
        text = first.choices[0].message.content
        second = await self.ask("plan", text, "again", response_format=PLAN)
        assert Plan.model_validate_json(second.choices[0].message.content)
        assert conversation(self.seen()) == [
            ("user", "plan"),
            ("assistant", text),
            ("user", "again"),
        ]

    async def test_beside_tools_the_model_may_do_either(self) -> None:
        function = {"name": "look", "parameters": {"type": "object", "properties": {}}}
        tools = [{"type": "function", "function": function}]
        answer = await self.ask("CALL:look", tools=tools, response_format=PLAN)
        assert answer.choices[0].message.content is None
        call = answer.choices[0].message.tool_calls[0]
        assert self.seen()["tool_choice"] == {"type": "any"}
        answer = await self.ask(
            "CALL:look",
            answer.choices[0].message.model_dump(),
            {"role": "tool", "tool_call_id": call.id, "content": f"seen CALL:{STRUCTURED}"},
            tools=tools,
            response_format=PLAN,
        )
        assert answer.choices[0].finish_reason in ("stop", "tool_calls")

    async def test_with_reasoning_the_model_thinks_first(self) -> None:
        answer = await self.ask("THINK plan", response_format=PLAN, reasoning_effort="high")
        message = answer.choices[0].message
        assert message.reasoning_content
        assert Plan.model_validate_json(message.content)
        assert "tool_choice" not in self.seen()

    async def test_prose_is_no_answer_and_the_cli_asks_again(self) -> None:
        answer = await self.ask("PROSE plan", response_format=PLAN, reasoning_effort="low")
        assert Plan.model_validate_json(answer.choices[0].message.content)
        assert len(self.api.requests) == 2
        assert answer.usage.completion_tokens > 30

    async def test_words_that_the_cli_does_not_know_do_no_harm(self) -> None:
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "pair": {"type": "array", "prefixItems": [{"type": "string"}], "items": False},
                "cat": {"discriminator": {"propertyName": "kind"}, "oneOf": [{"type": "null"}]},
                "word": {"type": "string", "pattern": "(?P<y>x)|(", "example": "x", "x-mine": 1},
                "kind": {"enum": ["a", "b", "a"]},
            },
            "required": ["pair", "word", "kind"],
            "unevaluatedProperties": False,
        }
        for more in ({}, {"reasoning_effort": "low"}):
            answer = await self.ask("plan", response_format=schema_of(schema), **more)
            assert set(json.loads(answer.choices[0].message.content)) >= {"pair", "word", "kind"}

    async def test_a_schema_that_the_cli_cannot_use_is_told(self) -> None:
        schema = {"type": "object", "properties": {"a": {"type": "number", "items": {"type": 1}}}}
        schema["properties"]["a"] = {"type": "string", "enum": []}  # type: ignore[index]
        for more in ({}, {"reasoning_effort": "low"}):
            error = await self.error_of("plan", response_format=schema_of(schema), **more)
            assert (error.status_code, error.code) == (400, "invalid_schema")

    async def test_a_schema_that_cannot_be_is_told(self) -> None:
        for schema, why in (
            ({"type": "list"}, "list"),
            ({"$ref": "#/$defs/gone"}, "#/$defs/gone"),
            ({"type": "object", "properties": {"x": {"type": "strin"}}}, "strin"),
        ):
            error = await self.error_of("plan", response_format=schema_of(schema))
            assert (error.status_code, error.code) == (400, "invalid_schema")
            assert why in error.message
        assert not self.api.requests


@on_every_cli(globals())
class Parts(RealCLI):
    async def test_images_reach_the_api(self) -> None:
        parts: list[Any] = [
            {"type": "image_url", "image_url": {"url": data_url(raw, f"image/{kind}")}}
            for kind, raw in IMAGES.items()
        ]
        # The first one in another form.
        escaped = quote(base64.b64encode(IMAGES["png"]).rstrip(b"="), safe="")
        parts[0]["image_url"]["url"] = f"DATA:IMAGE/PNG;BASE64,{escaped}"
        parts.append({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}})
        await self.ask({"role": "user", "content": [*parts, {"type": "text", "text": "what?"}]})
        content = self.seen()["messages"][0]["content"]
        sources = [block["source"] for block in content if block["type"] == "image"]
        assert [source.get("media_type") for source in sources] == [
            *(f"image/{kind}" for kind in IMAGES),
            None,
        ]
        assert [base64.b64decode(source["data"]) for source in sources[:-1]] == list(
            IMAGES.values()
        )
        assert sources[-1] == {"type": "url", "url": "https://example.com/a.png"}

    async def test_an_image_alone_is_a_message_and_history_keeps_it(self) -> None:
        image = {"type": "image_url", "image_url": {"url": data_url(IMAGES["png"], "image/png")}}
        await self.ask({"role": "user", "content": [image]}, "nice", "ECHO:thanks")
        blocks = [
            block
            for message in self.seen()["messages"]
            if message["role"] == "user" and isinstance(message["content"], list)
            for block in message["content"]
        ]
        assert [block["type"] for block in blocks].count("image") == 1

    async def test_files_reach_the_api(self) -> None:
        files = [
            ("a.pdf", b"%PDF-1.4 x", "application/pdf"),
            ("b.md", "# é".encode(), "text/plain"),
        ]
        parts = [
            {"type": "file", "file": {"filename": name, "file_data": data_url(raw, media_type)}}
            for name, raw, media_type in files
        ]
        await self.ask({"role": "user", "content": [*parts, {"type": "text", "text": "read"}]})
        content = self.seen()["messages"][0]["content"]
        documents = [block for block in content if block["type"] == "document"]
        assert [block["title"] for block in documents] == ["a.pdf", "b.md"]
        assert base64.b64decode(documents[0]["source"]["data"]) == b"%PDF-1.4 x"
        assert documents[1]["source"] == {
            "type": "text",
            "media_type": "text/plain",
            "data": "# é",
        }

    async def test_what_cannot_be_read_costs_nothing(self) -> None:
        for part, where in (
            ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "image_url.url"),
            (
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}},
                "image_url.url",
            ),
            ({"type": "file", "file": {"file_id": "file-1"}}, "file.file_id"),
            ({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}, "type"),
        ):
            error = await self.error_of({"role": "user", "content": [part]})
            assert (error.status_code, error.param) == (400, f"messages[0].content[0].{where}")
        assert not self.api.requests


@on_every_cli(globals())
class Reasoning(RealCLI):
    async def test_thoughts_are_told_apart(self) -> None:
        chunks = await self.stream("THINK:so_it_is ECHO:yes")
        deltas = [chunk.choices[0].delta.model_dump() for chunk in chunks]
        assert "".join(d.get("reasoning_content") or "" for d in deltas) == "so it is"
        assert "".join(d["content"] or "" for d in deltas) == "yes"
        answer = await self.ask("THINK:so_it_is ECHO:yes")
        assert answer.choices[0].message.reasoning_content == "so it is"
        assert answer.choices[0].message.content == "yes"

    async def test_a_setting_keeps_them_back(self) -> None:
        self.proxy = await self.start_proxy(reasoning=False)
        answer = await self.ask("THINK:so_it_is ECHO:yes")
        assert answer.choices[0].message.content == "yes"
        assert "reasoning_content" not in answer.choices[0].message.model_dump()

    async def test_each_effort_reaches_the_api_and_is_taken_back(self) -> None:
        await self.ask("hi")
        usual = self.seen()["output_config"]
        for effort, told in (
            ("minimal", "low"),
            ("low", "low"),
            ("medium", "medium"),
            ("high", "high"),
            ("xhigh", None),
        ):
            _, headers = await self.told("THINK hi", reasoning_effort=effort)
            reached = self.seen()["output_config"]["effort"]
            assert reached == told or (told is None and reached in ("high", "xhigh"))
            assert "thinking" in self.seen()
            assert "x-claudeproxy-ignored" not in headers
        await self.ask("THINK hi", reasoning_effort="none")
        assert self.seen().get("thinking", {"type": "disabled"})["type"] == "disabled"
        await self.ask("THINK hi")
        assert self.seen()["output_config"] == usual
        assert self.seen()["thinking"]["type"] == "adaptive"

    async def test_a_bad_effort_is_told(self) -> None:
        error = await self.error_of("hi", reasoning_effort="enormous")
        assert isinstance(error, openai.BadRequestError)
        assert error.param == "reasoning_effort"
