"""Answers that the API makes match a schema, in each dialect, on every CLI, seen at both ends."""

from __future__ import annotations

import json
from typing import Any

import openai
from pydantic import BaseModel

from .harness import at_rest, conversation, on_every_cli, when
from .test_dialects import OverHTTP
from .test_output_tool import DIALECTS, asked, text_of, tokens_of
from .test_tools import TOOLS, result, sent_back


COUNT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
CLOSED = {**COUNT, "additionalProperties": False}
TOP = {
    "type": "object",
    "properties": {"n": {"type": "integer", "maximum": 10}},
    "required": ["n"],
}
FREE = {"type": "object"}


class Plan(BaseModel):
    title: str
    steps: list[str]
    score: float | None


def form(schema: object) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}


def last_frames(content: bytes) -> list[Any]:
    return [
        json.loads(line.removeprefix("data: "))
        for line in content.decode().splitlines()
        if line.startswith("data: {")
    ]


class FormatCase(OverHTTP):
    async def tell(self, dialect: str, words: str, schema: object, **more: Any) -> tuple[Any, Any]:
        """The response, and its JSON, or the frames of its stream."""
        path, body = asked(dialect, words, schema, **more)
        response, content = await self.http("POST", path, body)
        await when(lambda: at_rest(self.proxy.pool))
        return response, last_frames(content) if more.get("stream") else json.loads(content)

    def answered(self) -> list[Any]:
        """The requests that the API has answered."""
        return [request for request in self.api.requests if request.status == 200]

    def counted(self, name: str) -> dict[str, float]:
        start = f"claudeproxy_structured_{name}_total{{"
        lines = self.proxy.metrics.exposition().decode().splitlines()
        found = (line.removeprefix(start) for line in lines if line.startswith(start))
        return {line.split('"')[1]: float(line.split()[-1]) for line in found}


@on_every_cli(globals())
class ByTheAPI(FormatCase):
    async def test_the_api_gets_the_schema_and_the_client_its_json(self) -> None:
        for dialect in DIALECTS:
            response, told = await self.tell(dialect, 'ECHO:{"n":7}', COUNT)
            assert response.code == 200, told
            assert json.loads(text_of(dialect, told)) == {"n": 7}
            config = self.seen()["output_config"]
            assert config["format"] == {"type": "json_schema", "schema": CLOSED}
            assert not self.seen().get("tools")
        assert len(self.api.requests) == 3
        assert self.counted("answers") == {"matched": 3.0}
        assert self.counted("by_tool") == {}

    async def test_the_model_is_told_what_the_format_is_for(self) -> None:
        described = {"name": "it", "schema": COUNT, "description": "How many."}
        beside = {"schema": TOP}
        wanted = {"type": "json_schema", "json_schema": described, **beside}
        answer, headers = await self.told('ECHO:{"n":7}', response_format=wanted)
        assert json.loads(answer.choices[0].message.content) == {"n": 7}
        assert headers["x-claudeproxy-ignored"] == "response_format.schema"
        told = {**CLOSED, "description": "How many."}
        assert self.seen()["output_config"]["format"]["schema"] == told

        text = {"format": {"type": "json_schema", **described}}
        body = {"model": "sonnet", "input": 'ECHO:{"n":7}', "text": text}
        _, content = await self.http("POST", "/v1/responses", body)
        assert json.loads(content)["text"]["format"]["schema"] == COUNT
        assert self.seen()["output_config"]["format"]["schema"] == told

    async def test_it_is_streamed_as_text(self) -> None:
        for dialect in DIALECTS:
            words = 'ECHO:{"n": 123456}'
            _, frames = await self.tell(dialect, words, COUNT, stream=True)
            whole = json.dumps(frames)
            assert "123456" in whole
            assert "schema_mismatch" not in whole
            assert "StructuredOutput" not in whole

    async def test_the_model_thinks_as_it_does_without(self) -> None:
        for schema in (COUNT, None):
            more = {} if schema is None else {"response_format": form(schema)}
            answer = await self.ask("THINK hi", reasoning_effort="high", **more)
            assert answer.choices[0].message.reasoning_content
            assert self.seen()["output_config"]["effort"] == "high"
        with_format, without = self.api.requests
        assert with_format.body["thinking"] == without.body["thinking"]
        assert "tool_choice" not in with_format.body

    async def test_the_schema_holds_for_its_own_request_only(self) -> None:
        said = ["hi"]
        for schema in (COUNT, TOP, None, COUNT):
            more = {} if schema is None else {"response_format": form(schema)}
            answer, headers = await self.told(*said, **more)
            await when(lambda: at_rest(self.proxy.pool))
            if len(said) > 1:
                assert headers["x-claudeproxy-worker"] == "continued"
            text = answer.choices[0].message.content
            said += [text, "and now?"]
            found = (self.seen().get("output_config") or {}).get("format")
            assert (found is None) == (schema is None)
        assert [text for _, text in conversation(self.seen())] == said[:-2]
        assert len(self.processes()) == 1

    async def test_schemas_that_differ_share_their_processes(self) -> None:
        system = {"role": "system", "content": "You are brief."}
        for number in range(6):
            name = f"n{number}"
            schema = {"type": "object", "properties": {name: {"type": "integer"}}}
            answer, headers = await self.told(
                system, {"role": "user", "content": "hi"}, response_format=form(schema)
            )
            await when(lambda: at_rest(self.proxy.pool))
            assert set(json.loads(answer.choices[0].message.content)) <= {name}
            reuse = headers["x-claudeproxy-worker"]
            assert reuse in (("recycled", "rewound") if number else ("spawned", "claimed"))

    async def test_a_call_comes_first_and_the_answer_to_its_result_matches(self) -> None:
        asked = {"tools": TOOLS, "response_format": form(COUNT)}
        answer = await self.ask("CALL:get_time", **asked)
        (call,) = answer.choices[0].message.tool_calls
        assert self.seen()["output_config"]["format"]["schema"] == CLOSED
        answer, headers = await self.told(
            "CALL:get_time", sent_back(answer), result(call, "noon"), **asked
        )
        assert headers["x-claudeproxy-worker"] == "resumed"
        assert json.loads(answer.choices[0].message.content) == {"n": 0}
        assert self.seen()["output_config"]["format"]["schema"] == CLOSED

    async def test_what_is_cut_or_refused_is_told_so(self) -> None:
        answer = await self.ask(
            'SLOW:0.05 ECHO:{ "n" : 1 }', response_format=form(COUNT), max_tokens=3
        )
        assert answer.choices[0].finish_reason == "length"
        answer = await self.ask("STOP:refusal hi", response_format=form(COUNT))
        assert answer.choices[0].finish_reason == "content_filter"
        answer = await self.ask("hi", response_format=form(COUNT), stop=["}"])
        assert answer.choices[0].finish_reason == "stop"
        assert answer.choices[0].message.content == '{"n":0'
        assert len(self.answered()) == 3

    async def test_several_choices(self) -> None:
        answer = await self.ask("hi", n=3, response_format=form(COUNT))
        assert [choice.message.content for choice in answer.choices] == ['{"n":0}'] * 3

    async def test_the_sdk_parses_it_and_names_what_was_cut(self) -> None:
        def parse(**more: Any) -> Any:
            return self.with_openai(
                lambda client: client.chat.completions.parse(
                    model="sonnet",
                    messages=[{"role": "user", "content": "SLOW:0.03 Make a plan."}],
                    response_format=Plan,
                    **more,
                )
            )

        assert isinstance((await parse()).choices[0].message.parsed, Plan)
        try:
            await parse(max_tokens=1)
        except openai.LengthFinishReasonError:
            pass
        else:
            raise AssertionError("a cut answer was parsed")


@on_every_cli(globals())
class Mismatches(FormatCase):
    async def test_a_whole_answer_is_asked_for_once_more_with_the_reason(self) -> None:
        for dialect in DIALECTS:
            self.api.requests.clear()
            _, fit = await self.tell(dialect, 'ECHO:{"n":3}', TOP)
            response, told = await self.tell(dialect, 'MISFIT ECHO:{"n":11}', TOP)
            assert response.code == 200, told
            assert json.loads(text_of(dialect, told)) == {"n": 0}
            assert tokens_of(told) > tokens_of(fit)
            assert len(self.answered()) == 3
            *_, (_, question), (_, answer), (_, again) = conversation(self.seen())
            assert (question, answer) == ('MISFIT ECHO:{"n":11}', '{"n":11}')
            assert "11" in again
            assert (
                self.seen()["output_config"]["format"]["schema"]
                == (self.answered()[0].body["output_config"]["format"]["schema"])
            )
        assert self.counted("answers") == {"matched": 3.0, "corrected": 3.0}

    async def test_the_conversation_goes_on_as_the_client_knows_it(self) -> None:
        words = 'MISFIT ECHO:{"n":11}'
        answer = await self.ask(words, response_format=form(TOP))
        await when(lambda: at_rest(self.proxy.pool))
        text = answer.choices[0].message.content
        await self.ask(words, text, "ECHO:more")
        assert [said for _, said in conversation(self.seen())] == [words, text, "ECHO:more"]

    async def test_the_second_miss_is_an_error_that_no_sdk_tries_again(self) -> None:
        for dialect in DIALECTS:
            self.api.requests.clear()
            response, told = await self.tell(dialect, "MISFIT:2 hi", TOP)
            assert response.code == 502
            assert response.headers.getRawHeaders("x-should-retry") == ["false"]
            assert "does not match the schema" in told["error"]["message"]
            assert len(self.answered()) == 2

    async def test_by_a_setting_it_is_asked_for_once(self) -> None:
        self.proxy = await self.start_proxy(structured_retry=False)
        response, _ = await self.tell("chat", "MISFIT hi", TOP)
        assert (response.code, len(self.answered())) == (502, 1)

    async def test_a_stream_says_at_its_end_that_it_does_not_match(self) -> None:
        for dialect in DIALECTS:
            self.api.requests.clear()
            response, frames = await self.tell(dialect, 'MISFIT ECHO:{"n":11}', TOP, stream=True)
            assert response.code == 200
            said = [json.dumps(frame) for frame in frames if "schema_mismatch" in json.dumps(frame)]
            assert len(said) == 1
            assert "11" in said[0]
            assert len(self.answered()) == 1


@on_every_cli(globals())
class Refusals(FormatCase):
    async def test_a_schema_that_the_api_refuses_goes_the_tools_way_unseen(self) -> None:
        for dialect in DIALECTS:
            for stream in (False, True):
                title = {"title": f"{dialect} {stream}"}
                self.api.requests.clear()
                response, told = await self.tell(
                    dialect, "COMPLEX hi", {**COUNT, **title}, stream=stream
                )
                assert response.code == 200, told
                assert [request.status for request in self.api.requests] == [400, 200]
                assert "output_config" in self.api.requests[0].body
                assert "format" not in (self.seen().get("output_config") or {})
                await self.tell(dialect, "COMPLEX hi", {**COUNT, **title}, stream=stream)
                # It is remembered, so the API is not asked this again.
                assert [request.status for request in self.api.requests] == [400, 200, 200]
        assert self.counted("by_tool") == {"schema": 12.0}
        assert self.counted("answers") == {}

    async def test_a_model_that_lacks_it_goes_the_tools_way_with_any_schema(self) -> None:
        _, told = await self.tell("chat", "FORMATLESS hi", COUNT)
        assert json.loads(text_of("chat", told)) == {"n": 0}
        await self.tell("chat", "FORMATLESS hi", TOP)
        assert [request.status for request in self.api.requests] == [400, 200, 200]
        assert self.counted("by_tool") == {"model": 2.0}
        await self.tell("chat", "hi", TOP, model="haiku")
        assert self.counted("answers") == {"matched": 1.0}

    async def test_a_schema_that_cannot_be_told_goes_the_tools_way(self) -> None:
        _, told = await self.tell("chat", "hi", FREE)
        assert isinstance(json.loads(text_of("chat", told)), dict)
        answer = await self.ask("hi", response_format={"type": "json_object"})
        assert isinstance(json.loads(answer.choices[0].message.content), dict)
        assert self.counted("by_tool") == {"not_sayable": 2.0}

    async def test_other_refusals_are_the_clients(self) -> None:
        for dialect in DIALECTS:
            response, _ = await self.tell(dialect, "ERR:400 hi", COUNT)
            assert response.code == 400
        assert len(self.api.requests) == 3


@on_every_cli(globals())
class Settings(FormatCase):
    settings = {"structured_output": "api"}

    async def test_only_the_apis_way(self) -> None:
        response, told = await self.tell("chat", 'ECHO:{"n":7}', COUNT)
        assert json.loads(text_of("chat", told)) == {"n": 7}
        self.api.requests.clear()
        for dialect in DIALECTS:
            response, told = await self.tell(dialect, "hi", FREE)
            assert response.code == 400
            assert "structured_output" in told["error"]["message"]
        assert not self.api.requests
        response, told = await self.tell("chat", "COMPLEX hi", COUNT)
        assert response.code == 400
        assert "too complex" in told["error"]["message"]
