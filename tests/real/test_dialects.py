"""Responses, Messages and Completions on the real CLI: both ends of each."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import openai
from pydantic import BaseModel

from .harness import RealCLI, conversation


PERSON: dict[str, Any] = {"name": "Ann", "age": 30}
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
FUNCTION = {"type": "function", "name": "get_weather", "parameters": WEATHER}
CALL = 'QUIET CALL:get_weather:{"city":"Paris"}'
HELLO = {"role": "user", "content": "ECHO:Hello"}


class Person(BaseModel):
    name: str
    age: int


class OverHTTP(RealCLI):
    async def post(self, path: str, body: object, **headers: str) -> tuple[Any, Any]:
        response, content = await self.http("POST", path, body, headers=headers)
        return response, json.loads(content)

    async def message(self, *messages: Any, **more: Any) -> tuple[Any, Any]:
        body = {"model": "sonnet", "max_tokens": 100, "messages": list(messages), **more}
        return await self.post("/v1/messages", body)

    async def count(self, *messages: Any) -> tuple[Any, Any]:
        body = {"model": "sonnet", "messages": list(messages)}
        return await self.post("/v1/messages/count_tokens", body)

    async def events(self, path: str, body: dict[str, Any]) -> list[Any]:
        """The data of the server-sent events, each of which names its type twice."""
        _, content = await self.http("POST", path, {**body, "stream": True})
        events = []
        for frame in content.decode().removesuffix("\n\n").split("\n\n"):
            kind, data = frame.split("\n")
            events.append(json.loads(data.removeprefix("data: ")))
            assert kind == f"event: {events[-1]['type']}"
        return events

    def worker(self, response: Any) -> str:
        name: str = response.headers.getRawHeaders("x-claudeproxy-worker")[0]
        return name


class Messages(OverHTTP):
    async def test_a_message(self) -> None:
        response, told = await self.message(
            HELLO,
            system=[{"type": "text", "text": "Be brief."}],
            stop_sequences=["STOP"],
            thinking={"type": "disabled"},
        )
        assert (response.code, told["type"], told["role"]) == (200, "message", "assistant")
        assert told["content"] == [{"type": "text", "text": "Hello"}]
        assert (told["stop_reason"], told["stop_sequence"]) == ("end_turn", None)
        seen = self.seen()
        assert conversation(seen) == [("user", "ECHO:Hello")]
        assert "Be brief." in json.dumps(seen["system"])
        assert (seen["max_tokens"], seen["stop_sequences"]) == (100, ["STOP"])
        assert told["usage"]["output_tokens"] > 0
        assert told["usage"]["input_tokens"] > 0

    async def test_a_stop_sequence_is_named(self) -> None:
        _, told = await self.message(
            {"role": "user", "content": "ECHO:one STOP two"}, stop_sequences=["STOP"]
        )
        assert told["content"][0]["text"].strip() == "one"
        assert (told["stop_reason"], told["stop_sequence"]) == ("stop_sequence", "STOP")

    async def test_max_tokens(self) -> None:
        # At the pace of a real answer: of one that comes all at once, less is guaranteed.
        _, told = await self.message({"role": "user", "content": "LONG:50 SLOW:0.03"}, max_tokens=3)
        assert told["stop_reason"] == "max_tokens"
        assert [request.status for request in self.api.requests].count(200) == 1

    async def test_a_stream(self) -> None:
        body = {"model": "sonnet", "max_tokens": 50, "messages": [HELLO]}
        events = await self.events("/v1/messages", body)
        assert [event["type"] for event in events if event["type"] != "content_block_delta"] == [
            "message_start",
            "content_block_start",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        assert events[0]["message"]["usage"]["input_tokens"] > 0
        texts = [
            event["delta"]["text"]
            for event in events
            if "delta" in event and "text" in event["delta"]
        ]
        assert "".join(texts) == "Hello"

    async def test_a_thought_has_its_signature(self) -> None:
        _, told = await self.message(
            {"role": "user", "content": "THINK:I_see ECHO:Hello"},
            model="haiku",
            max_tokens=3000,
            thinking={"type": "enabled", "budget_tokens": 2000},
        )
        thought, text = told["content"]
        assert (thought["type"], thought["thinking"]) == ("thinking", "I see")
        assert thought["signature"]
        assert text == {"type": "text", "text": "Hello"}

    async def test_a_tool_and_its_result(self) -> None:
        tools = [{"name": "get_weather", "input_schema": WEATHER}]
        asked = {"role": "user", "content": CALL}
        _, told = await self.message(asked, tools=tools, tool_choice={"type": "any"})
        (call,) = told["content"]
        assert (call["name"], call["input"], told["stop_reason"]) == (
            *("get_weather", {"city": "Paris"}),
            "tool_use",
        )
        assert self.seen()["tool_choice"]["type"] == "any"
        result = {
            "type": "tool_result",
            "tool_use_id": call["id"],
            "content": "no weather",
            "is_error": True,
        }
        response, told = await self.message(
            *(asked, {"role": "assistant", "content": [call]}),
            {"role": "user", "content": [result]},
            tools=tools,
            tool_choice={"type": "any"},
        )
        assert self.worker(response) == "resumed"
        (seen,) = self.seen()["messages"][-1]["content"]
        assert (seen["type"], seen["is_error"]) == ("tool_result", True)
        assert "no weather" in json.dumps(seen["content"])

    async def test_a_document_of_blocks(self) -> None:
        texts = [{"type": "text", "text": text} for text in ("one", "two")]
        document = {"type": "document", "source": {"type": "content", "content": texts}}
        said = [document, {"type": "text", "text": "ECHO:Hello"}]
        _, told = await self.message({"role": "user", "content": said})
        assert told["content"] == [{"type": "text", "text": "Hello"}]
        seen = self.seen()["messages"][0]["content"][0]
        assert (seen["type"], seen["source"]["data"]) == ("document", "one\n\ntwo")

    async def test_parallel_calls_in_two_messages(self) -> None:
        tools = [{"name": "get_weather", "input_schema": WEATHER}]
        asked = {"role": "user", "content": f"{CALL} {CALL.removeprefix('QUIET ')}"}
        _, told = await self.message(asked, tools=tools)
        calls = told["content"]
        results = [
            {"type": "tool_result", "tool_use_id": call["id"], "content": str(number)}
            for number, call in enumerate(calls)
        ]
        said = [{"role": "assistant", "content": [call]} for call in calls]
        response, told = await self.message(
            asked, *said, {"role": "user", "content": results}, tools=tools
        )
        assert (len(calls), self.worker(response)) == (2, "resumed")
        *_, called, answered = [m for m in self.seen()["messages"] if m["role"] != "system"]
        assert [block["type"] for block in called["content"]] == ["tool_use"] * 2
        assert [block["type"] for block in answered["content"]] == ["tool_result"] * 2

    async def test_as_many_tools_as_an_agent_with_mcp_servers_has(self) -> None:
        tools = [{"name": f"f{number}", "input_schema": WEATHER} for number in range(300)]
        asked = {"role": "user", "content": 'QUIET CALL:f299:{"city":"Paris"}'}
        _, told = await self.message(asked, tools=tools)
        (call,) = told["content"]
        assert (call["name"], call["input"]) == ("f299", {"city": "Paris"})
        assert len(self.seen()["tools"]) == 300

    async def test_a_tool_that_is_added_in_the_middle_of_a_conversation(self) -> None:
        tools = [{"name": "f", "input_schema": WEATHER}]
        tool = {"name": "get_weather", "input_schema": WEATHER}
        added = {"type": "tool_definition", "definition": tool}
        said = (HELLO, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": CALL})
        await self.message(HELLO, tools=tools)
        system = {"role": "system", "content": [{"type": "tool_addition", "tool": added}]}
        _, told = await self.message(*said, system, tools=tools)
        (call,) = told["content"]
        assert (call["name"], call["input"]) == ("get_weather", {"city": "Paris"})
        seen = self.seen()
        assert [tool["name"] for tool in seen["tools"]] == [
            *("mcp__client__f", "mcp__client__get_weather"),
        ]
        assert "The tool get_weather can be called now." in json.dumps(seen["messages"])

    async def test_a_block_that_cannot_be_used_is_found_by_the_error(self) -> None:
        image = {"type": "base64", "media_type": "image/png", "data": "????"}
        content = [{"type": "text", "text": "ECHO:Hello"}, {"type": "image", "source": image}]
        for answered in (self.message, self.count):
            response, told = await answered({"role": "user", "content": content})
            message = told["error"]["message"]
            assert message.startswith("messages.0.content.1.image.source.base64.data: The data")
            assert response.code == 400
        assert not self.api.requests
        _, told = await self.message({"role": "user", "content": content[:1]})
        assert told["content"] == [{"type": "text", "text": "Hello"}]

    async def test_a_conversation_stays_warm(self) -> None:
        _, told = await self.message(HELLO)
        response, _ = await self.message(
            HELLO, {"role": "assistant", "content": told["content"]}, {**HELLO, "content": "Bye"}
        )
        assert self.worker(response) == "continued"

    async def test_structured_output(self) -> None:
        schema = Person.model_json_schema()
        _, told = await self.message(
            {"role": "user", "content": f"ECHO:{json.dumps(PERSON)}"},
            output_config={"format": {"type": "json_schema", "schema": schema}},
        )
        (block,) = told["content"]
        assert (json.loads(block["text"]), told["stop_reason"]) == (PERSON, "end_turn")

    async def test_errors_are_anthropics(self) -> None:
        for words, status, kind in (
            ("ERR:400", 400, "invalid_request_error"),
            ("ERR:429", 429, "rate_limit_error"),
            ("ERR:529", 503, "overloaded_error"),
        ):
            response, told = await self.message({"role": "user", "content": words})
            assert (response.code, told["type"], told["error"]["type"]) == (status, "error", kind)
        body = {"model": "sonnet", "max_tokens": 50}
        words = "DROP:2 ECHO:one two three four"
        events = await self.events(
            "/v1/messages", {**body, "messages": [{"role": "user", "content": words}]}
        )
        assert events[-1]["type"] == "error"
        assert events[-1]["error"]["type"] == "api_error"

    async def test_what_is_refused_costs_nothing(self) -> None:
        for more, status in (
            ({"model": "nope"}, 404),
            ({"max_tokens": 0}, 400),
            ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, 400),
            ({"messages": [HELLO, {"role": "assistant", "content": "I"}]}, 400),
        ):
            response, told = await self.message(HELLO, **more)
            assert (response.code, told["type"]) == (status, "error")
        assert not self.api.requests

    async def test_counting_is_an_estimate_that_costs_nothing(self) -> None:
        asked = {"model": "sonnet", "messages": [{"role": "user", "content": "word " * 700}]}
        response, told = await self.post("/v1/messages/count_tokens", asked)
        assert response.code == 200
        assert 500 < told["input_tokens"] < 2000
        assert not self.api.requests
        response, _ = await self.count(HELLO, {"role": "assistant", "content": "Hello"})
        assert response.code == 200

    async def test_a_blank_message_of_the_assistants_asks_for_no_continuation(self) -> None:
        _, told = await self.message(HELLO, {"role": "assistant", "content": ""})
        assert told["content"] == [{"type": "text", "text": "Hello"}]
        assert [m["role"] for m in self.seen()["messages"] if m["role"] != "system"] == ["user"]

    async def test_its_key_is_x_api_key(self) -> None:
        proxy = await self.start_proxy(keys={"me": "a-long-key"})
        asked = {"model": "sonnet", "max_tokens": 9, "messages": [HELLO]}
        for key, status in (("a-long-key", 200), ("another", 401)):
            response, content = await self.http(
                "POST", "/v1/messages", asked, url=proxy.url, headers={"x-api-key": key}
            )
            assert response.code == status
        assert json.loads(content)["error"]["type"] == "authentication_error"
        assert len(self.api.requests) == 1


class Responses(OverHTTP):
    async def respond(self, asked: Any, **more: Any) -> Any:
        return await self.with_openai(
            lambda client: client.responses.create(model="sonnet", input=asked, **more)
        )

    async def refused(self, **more: Any) -> Any:
        try:
            await self.respond(more.pop("input", "x"), **more)
        except openai.APIStatusError as error:
            return error
        raise AssertionError("it was answered")

    async def test_responses_that_follow_each_other(self) -> None:
        first = await self.respond("ECHO:one", instructions="Be brief.", metadata={"a": "b"})
        assert (first.output_text, first.status, first.metadata) == ("one", "completed", {"a": "b"})
        assert "Be brief." in json.dumps(self.seen()["system"])
        second = await self.respond("ECHO:two", previous_response_id=first.id)
        assert conversation(self.seen()) == [
            ("user", "ECHO:one"),
            ("assistant", "one"),
            ("user", "ECHO:two"),
        ]
        response, _ = await self.post(
            "/v1/responses",
            {"model": "sonnet", "input": "ECHO:three", "previous_response_id": second.id},
        )
        assert self.worker(response) == "continued"

    async def test_what_is_kept_can_be_had_again_and_forgotten(self) -> None:
        first = await self.respond("ECHO:one")
        second = await self.respond("ECHO:two", previous_response_id=first.id)

        def look(client: openai.OpenAI) -> tuple[Any, list[str]]:
            items = client.responses.input_items.list(second.id, order="asc")
            texts = [cast(Any, item).content[0].text for item in items]
            return client.responses.retrieve(first.id), texts

        again, texts = await self.with_openai(look)
        assert again == first
        assert texts == ["ECHO:one", "one", "ECHO:two"]
        await self.with_openai(lambda client: client.responses.delete(first.id))
        error = await self.refused(previous_response_id=first.id)
        assert (error.status_code, error.code) == (400, "previous_response_not_found")

    async def test_what_shall_not_be_kept_is_not(self) -> None:
        first = await self.respond("ECHO:one", store=False)
        error = await self.refused(previous_response_id=first.id)
        assert error.code == "previous_response_not_found"
        assert len(self.api.requests) == 1

    async def test_a_tool_and_its_output(self) -> None:
        for refer in (True, False):
            first = await self.respond(CALL, tools=[FUNCTION])
            (call,) = first.output
            assert json.loads(call.arguments) == {"city": "Paris"}
            output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
            before = [{"role": "user", "content": CALL}, call.model_dump(exclude_none=True)]
            body = {"model": "sonnet", "tools": [FUNCTION], "input": [*before, output]}
            if refer:
                body |= {"input": [output], "previous_response_id": first.id}
            response, told = await self.post("/v1/responses", body)
            assert self.worker(response) == "resumed"
            assert "sunny" in told["output"][0]["content"][0]["text"]

    async def test_two_outputs_of_a_tool(self) -> None:
        first = await self.respond(CALL, tools=[FUNCTION])
        output = {"type": "function_call_output", "call_id": first.output[0].call_id}
        outputs = [{**output, "output": text} for text in ("sunny", "and warm")]
        body = {"model": "sonnet", "tools": [FUNCTION], "input": outputs}
        response, _ = await self.post("/v1/responses", {**body, "previous_response_id": first.id})
        assert self.worker(response) == "resumed"
        [result] = self.seen()["messages"][-1]["content"]
        assert [block["text"] for block in result["content"]] == ["sunny", "and warm"]

    async def test_a_conversation_that_is_compacted_goes_on(self) -> None:
        first = await self.respond("ECHO:one")
        body = {"model": "sonnet", "previous_response_id": first.id}
        _, compacted = await self.post("/v1/responses/compact", body)
        assert [turn for turn, _ in conversation(self.seen())] == ["user", "assistant", "user"]
        kept, item = compacted["output"]
        assert kept["content"] == [{"type": "input_text", "text": "ECHO:one"}]
        assert item["type"] == "compaction"
        await self.respond([*compacted["output"], HELLO])
        [(role, told)] = conversation(self.seen())
        assert role == "user"
        assert re.search(r"ECHO:one.*<compaction>.*</compaction>.*ECHO:Hello", told, re.DOTALL)

    async def test_a_conversation_is_not_replaced_by_a_refusal(self) -> None:
        body = {"model": "sonnet", "input": "hi STOP:refusal"}
        response, told = await self.post("/v1/responses/compact", body)
        assert response.code == 502
        assert told["error"]["message"].startswith("The model declined to write the summary")
        # The process can still be used.
        answer = await self.respond("ECHO:one")
        assert answer.output_text == "one"

    async def test_an_item_that_is_only_named(self) -> None:
        first = await self.respond("ECHO:one")
        named = {"type": "item_reference", "id": first.output[0].id}
        await self.respond([{"role": "user", "content": "ECHO:one"}, named, HELLO])
        assert conversation(self.seen())[1] == ("assistant", "one")

    async def test_a_stream(self) -> None:
        events = await self.events(
            "/v1/responses",
            {"model": "sonnet", "input": "THINK:I_see ECHO:one", "reasoning": {"summary": "auto"}},
        )
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        kinds = [event["type"] for event in events if not event["type"].endswith(".delta")]
        text = [
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
        assert kinds[:2] == ["response.created", "response.in_progress"]
        assert kinds[-len(text) :] == text
        assert events[-1]["response"]["output"][-1]["content"][0]["text"] == "one"

    async def test_after_a_long_answer_the_conversation_stays_warm(self) -> None:
        # Its last event is the whole response again, more than a connection takes at once.
        asked = {"model": "sonnet", "input": "LONG:9000"}
        last = (await self.events("/v1/responses", asked))[-1]["response"]
        assert len(json.dumps(last)) > 2**16
        response, _ = await self.post(
            "/v1/responses", {**asked, "input": "ECHO:on", "previous_response_id": last["id"]}
        )
        assert self.worker(response) == "continued"

    async def test_a_stream_that_breaks_off_says_so(self) -> None:
        asked = {"model": "sonnet", "input": "DROP:2 ECHO:one two three four"}
        last = (await self.events("/v1/responses", asked))[-1]
        assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
        assert last["response"]["error"]["code"] == "server_error"

    async def test_structured_output(self) -> None:
        parsed = await self.with_openai(
            lambda client: client.responses.parse(
                model="sonnet",
                input=f"ECHO:{json.dumps(PERSON)}",
                text_format=Person,
            )
        )
        assert parsed.output_parsed == Person(**PERSON)

    async def test_what_is_cut_off_is_incomplete(self) -> None:
        told = await self.respond("LONG:50", max_output_tokens=3)
        assert (told.status, told.incomplete_details.reason) == ("incomplete", "max_output_tokens")

    async def test_what_is_refused_costs_nothing(self) -> None:
        for more, param in (
            ({"background": True}, "background"),
            ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
            ({"conversation": "conv_1"}, "conversation"),
            ({"input": [{"role": "user", "content": "x", "id": ["p"]}]}, "input[0].id"),
            ({"previous_response_id": "resp_1"}, "previous_response_id"),
            (
                {"input": [{"type": "function_call_output", "call_id": "a", "output": ""}]},
                "input[0].call_id",
            ),
        ):
            error = await self.refused(**more)
            assert (error.status_code, error.param) == (400, param)
        assert not self.api.requests


class RestartsAndOldPaths(OverHTTP):
    async def test_a_restart_forgets(self) -> None:
        told = await self.with_openai(
            lambda client: client.responses.create(model="sonnet", input="ECHO:one")
        )
        other = await self.start_proxy()
        asked = {"model": "sonnet", "input": "x", "previous_response_id": told.id}
        response, content = await self.http("POST", "/v1/responses", asked, url=other.url)
        assert response.code == 400
        assert json.loads(content)["error"]["code"] == "previous_response_not_found"

    async def test_completions(self) -> None:
        told = await self.with_openai(
            lambda client: client.completions.create(
                model="sonnet", prompt=["ECHO:one", "ECHO:two"], echo=True
            )
        )
        assert [choice.text for choice in told.choices] == ["ECHO:oneone", "ECHO:twotwo"]
        chunks = await self.with_openai(
            lambda client: list(
                client.completions.create(model="sonnet", prompt="ECHO:a b c", stream=True)
            )
        )
        assert "".join(chunk.choices[0].text for chunk in chunks) == "a b c"
        assert chunks[-1].choices[0].finish_reason == "stop"

    async def test_what_is_not_served_says_what_is(self) -> None:
        for path in ("embeddings", "images/generations", "files", "audio/speech", "batches"):
            response, content = await self.http(
                "POST", f"/v1/{path}", b"x", headers={"content-type": "multipart/form-data"}
            )
            assert response.code == 404
            assert "/v1/chat/completions" in json.loads(content)["error"]["message"]
        assert not self.api.requests
