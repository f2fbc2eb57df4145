"""The client's tools through the real CLI: what the client gets, and what reached the API."""

from __future__ import annotations

import base64
import json
import os
import signal
from typing import Any

from twisted.internet.defer import ensureDeferred

from claudeproxy.dialects.openai_answer import plain_id
from claudeproxy.pool.slot import Activity

from .harness import RealCLI, conversation, on_every_cli, when


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(32)).decode("ascii")
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "array", "items": {"$ref": "#/$defs/day"}},
        },
        "required": ["city"],
        "additionalProperties": False,
        "$defs": {"day": {"anyOf": [{"type": "integer"}, {"enum": ["today"]}]}},
    },
}
TIME = {"name": "get_time", "parameters": {"type": "object", "properties": {}}}
TOOLS: list[Any] = [{"type": "function", "function": function} for function in (WEATHER, TIME)]
TWO_CALLS = 'CALL:get_weather:{"city":"Bonn","days":[1]} CALL:get_time'


def result(call: Any, content: object) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call.id, "content": content}


def sent_back(answer: Any) -> dict[str, Any]:
    message: dict[str, Any] = answer.choices[0].message.model_dump()
    return message


def blocks_of(body: Any, kind: str) -> list[Any]:
    return [
        block
        for message in body["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
        if block["type"] == kind
    ]


def text_of(result_block: Any) -> str:
    content = result_block["content"]
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


class ToolCase(RealCLI):
    async def call(self, text: str = TWO_CALLS, **parameters: Any) -> tuple[list[Any], Any]:
        """A user's message and the answer that calls tools, as a client keeps them; the calls."""
        parameters.setdefault("tools", TOOLS)
        answer = await self.ask(text, **parameters)
        assert answer.choices[0].finish_reason == "tool_calls"
        said = [{"role": "user", "content": text}, sent_back(answer)]
        return said, answer.choices[0].message.tool_calls

    def parked(self) -> int:
        return self.proxy.pool.count(Activity.PARKED)


@on_every_cli(globals())
class Calls(ToolCase):
    async def test_calls_stream_as_they_are_generated(self) -> None:
        chunks = await self.stream(TWO_CALLS, tools=TOOLS)
        deltas = [chunk.choices[0].delta for chunk in chunks]
        assert "".join(delta.content or "" for delta in deltas) == "Let me call."
        calls = [delta.tool_calls[0] for delta in deltas if delta.tool_calls]
        begun = [(call.index, call.function.name) for call in calls if call.id]
        assert begun == [(0, "get_weather"), (1, "get_time")]
        pieces = [call for call in calls if not call.id]
        assert {call.function.name for call in pieces} == {None}
        weather = [call.function.arguments for call in pieces if call.index == 0]
        assert len(weather) > 1
        assert json.loads("".join(weather)) == {"city": "Bonn", "days": [1]}
        assert json.loads("".join(c.function.arguments for c in pieces if c.index == 1)) == {}
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == (
            "tool_calls"
        )
        offered = {tool["name"]: tool for tool in self.seen()["tools"]}
        assert set(offered) == {"mcp__client__get_weather", "mcp__client__get_time"}
        assert offered["mcp__client__get_weather"]["input_schema"] == WEATHER["parameters"]
        assert offered["mcp__client__get_weather"]["description"] == WEATHER["description"]

    async def test_a_connection_that_breaks_after_a_call_is_an_error_at_once(self) -> None:
        # By then the CLI has made the call, and waits for its result.
        for pieces in (3, 4):
            words = f"DROP:{pieces} QUIET CALL:get_time:{{}} CALL:get_time"
            error = await self.error_of(words, tools=TOOLS)
            assert error.status_code == 502
            assert "lost" in error.message or "closed" in error.message, error.message
        await self.call()

    async def test_results_resume_the_same_turn_of_the_same_process(self) -> None:
        said, calls = await self.call()
        before = self.processes()
        answer, headers = await self.told(
            *said, result(calls[1], "noon"), result(calls[0], "rain"), tools=TOOLS
        )
        assert headers["x-claudeproxy-worker"] == "resumed"
        assert answer.choices[0].message.content.startswith("TOOL_RESULT:")
        assert set(before) <= set(self.processes())
        assert len(self.api.requests) == 2
        results = blocks_of(self.seen(), "tool_result")
        assert {plain_id(block["tool_use_id"]): text_of(block) for block in results} == {
            calls[0].id: "rain",
            calls[1].id: "noon",
        }

    async def test_a_resumed_conversation_goes_on(self) -> None:
        said, calls = await self.call("CALL:get_time", parallel_tool_calls=False)
        said.append(result(calls[0], "noon CALL:get_weather"))
        answer = await self.ask(*said, tools=TOOLS)
        said.append(sent_back(answer))
        last, headers = await self.told(*said, _user("ECHO:and then"), tools=TOOLS)
        assert headers["x-claudeproxy-worker"] == "continued"
        assert last.choices[0].message.content == "and then"
        assert [text_of(block) for block in blocks_of(self.seen(), "tool_result")] == [
            "noon CALL:get_weather"
        ]

    async def test_without_its_process_the_history_is_replayed(self) -> None:
        said, calls = await self.call()
        for process in self.processes():
            os.kill(process, signal.SIGKILL)
        await when(lambda: not self.parked())
        answer, headers = await self.told(
            *said, result(calls[0], "rain"), result(calls[1], "noon"), tools=TOOLS
        )
        assert headers["x-claudeproxy-worker"] in ("spawned", "claimed")
        assert answer.choices[0].message.content.startswith("TOOL_RESULT:")
        uses = blocks_of(self.seen(), "tool_use")
        assert [(use["id"], use["name"], use["input"]) for use in uses] == [
            (calls[0].id, "mcp__client__get_weather", {"city": "Bonn", "days": [1]}),
            (calls[1].id, "mcp__client__get_time", {}),
        ]
        assert [text_of(block) for block in blocks_of(self.seen(), "tool_result")] == [
            "rain",
            "noon",
        ]

    async def test_what_comes_with_the_results_is_replayed_too(self) -> None:
        said, calls = await self.call()
        await self.ask(
            *said, *(result(call, "ok") for call in calls), _user("ECHO:both"), tools=TOOLS
        )
        assert conversation(self.seen())[-1] == ("user", "ECHO:both")
        assert len(blocks_of(self.seen(), "tool_result")) == 2

    async def test_limits_may_change_with_the_results(self) -> None:
        said, calls = await self.call("CALL:get_time")
        answer, headers = await self.told(
            *said, result(calls[0], "x"), tools=TOOLS, tool_choice="none", stop="RESULT"
        )
        assert headers["x-claudeproxy-worker"] == "resumed"
        assert self.seen()["tool_choice"] == {"type": "none"}
        assert answer.choices[0].message.content == "TOOL_"

    async def test_what_the_cli_keeps_for_a_running_turn_is_changed_in_the_request(self) -> None:
        for changed in ({"max_tokens": 3}, {"reasoning_effort": "low"}):
            said, calls = await self.call("CALL:get_time")
            answer, headers = await self.told(
                *said, result(calls[0], "x"), **{"tools": TOOLS, **changed}
            )
            assert headers["x-claudeproxy-worker"] == "resumed"
            assert len(blocks_of(self.last_answered(), "tool_result")) == 1
            if "max_tokens" in changed:
                assert self.last_answered()["max_tokens"] == 3
                assert answer.usage.completion_tokens <= 3
            else:
                assert self.last_answered()["output_config"]["effort"] == "low"

    async def test_another_model_is_not_changed_to_within_a_turn(self) -> None:
        said, calls = await self.call("CALL:get_time")
        answer, headers = await self.told(*said, result(calls[0], "x"), tools=TOOLS, model="haiku")
        assert headers["x-claudeproxy-worker"] in ("rewound", "recycled")
        assert answer.model.startswith("claude-haiku-")
        assert not self.parked()
        assert len(blocks_of(self.seen(), "tool_result")) == 1

    def last_answered(self) -> dict[str, Any]:
        """The last request that the API answered; it refuses what the CLI asks on its own."""
        body: dict[str, Any] = [r for r in self.api.requests if r.status == 200][-1].body
        return body

    async def test_every_model_goes_on_from_a_history_with_calls(self) -> None:
        # Some want to see the thoughts before the calls, which no client has.
        for model in (await self.proxy._catalogue()).models:
            said, calls = await self.call("CALL:get_time", model=model.value, n=1)
            answer = await self.ask(
                *said,
                result(calls[0], "noon"),
                tools=TOOLS,
                model=model.value,
                max_tokens=4000,
            )
            assert "noon" in answer.choices[0].message.content

    async def test_a_history_with_calls_needs_no_tools(self) -> None:
        said, calls = await self.call("CALL:get_time")
        answer = await self.ask(*said, result(calls[0], "noon"), _user("ECHO:fine"))
        assert answer.choices[0].message.content == "fine"
        assert [tool["name"] for tool in self.seen()["tools"]] == ["mcp__client__get_time"]
        assert self.seen()["tool_choice"] == {"type": "none"}

    async def test_empty_arguments_of_any_form_are_none(self) -> None:
        forms = ("", "null", "[]", '""', "{}")
        calls = [
            {"id": f"c{n}", "type": "function", "function": {"name": "get_time", "arguments": form}}
            for n, form in enumerate(forms)
        ]
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": "noon"} for call in calls
        ]
        called = {"role": "assistant", "content": None, "tool_calls": calls}
        answer = await self.ask("When?", called, *results, tools=TOOLS)
        assert "noon" in answer.choices[0].message.content
        assert [block["input"] for block in blocks_of(self.seen(), "tool_use")] == [{}] * 5

    async def test_foreign_ids_and_functions_are_taken(self) -> None:
        called = {"name": "get_time", "arguments": ""}
        await self.ask(
            "a",
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "functions.x:0", "type": "function", "function": called}],
            },
            {"role": "tool", "tool_call_id": "functions.x:0", "content": []},
            {"role": "assistant", "content": None, "function_call": called},
            {"role": "function", "name": "get_time", "content": "late"},
            functions=[TIME],
        )
        uses, results = (blocks_of(self.seen(), kind) for kind in ("tool_use", "tool_result"))
        assert [use["id"] for use in uses] == [block["tool_use_id"] for block in results]
        assert text_of(results[1]) == "late"

    async def test_functions_are_answered_as_functions(self) -> None:
        answer = await self.ask("CALL:get_time", functions=[TIME], function_call="auto")
        assert answer.choices[0].finish_reason == "function_call"
        assert answer.choices[0].message.function_call.name == "get_time"
        assert answer.choices[0].message.tool_calls is None


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


@on_every_cli(globals())
class Choices(ToolCase):
    async def test_each_choice_is_enforced_by_the_api(self) -> None:
        named = {"type": "function", "function": {"name": "get_time"}}
        full = "mcp__client__get_time"
        for choice, told in (
            ("auto", None),
            ("none", {"type": "none"}),
            ("required", {"type": "any"}),
            (named, {"type": "tool", "name": full, "disable_parallel_tool_use": True}),
        ):
            answer = await self.ask("hello QUIET", tools=TOOLS, tool_choice=choice)
            assert self.seen().get("tool_choice") == told
            forced = choice not in ("auto", "none")
            assert bool(answer.choices[0].message.tool_calls) == forced
            assert ("thinking" in self.seen()) != forced or not forced

    async def test_a_call_that_is_required_is_no_structured_answer(self) -> None:
        schema = {"name": "x", "schema": {"type": "object", "properties": {}}}
        answer, headers = await self.told(
            "CALL:StructuredOutput",
            tools=TOOLS,
            tool_choice="required",
            response_format={"type": "json_schema", "json_schema": schema},
        )
        assert answer.choices[0].message.tool_calls
        assert headers["x-claudeproxy-ignored"] == "response_format"

    async def test_one_call_at_a_time(self) -> None:
        _, calls = await self.call(parallel_tool_calls=False)
        assert len(calls) == 1
        assert self.seen()["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}

    async def test_only_allowed_tools_are_offered(self) -> None:
        entry = {"type": "function", "function": {"name": "get_time"}}
        choice = {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [{**entry}]},
        }
        await self.ask("hi", tools=TOOLS, tool_choice=choice)
        assert [tool["name"] for tool in self.seen()["tools"]] == ["mcp__client__get_time"]
        assert self.seen()["tool_choice"] == {"type": "any"}

    async def test_many_tools_with_long_names_and_descriptions(self) -> None:
        long = "word " * 2000
        tools = [
            {
                "type": "function",
                "function": {
                    "name": f"{'n' * 60}_{index:03}",
                    "description": long if index == 0 else "",
                    "parameters": {"type": "object", "properties": {}},
                },
            }
            for index in range(128)
        ]
        _, calls = await self.call(f"CALL:{'n' * 60}_127", tools=tools)
        assert calls[0].function.name == f"{'n' * 60}_127"
        offered = self.seen()["tools"]
        assert len(offered) == 128
        described = next(tool for tool in offered if tool["name"].endswith("_000"))
        assert described["description"] == long


@on_every_cli(globals())
class Results(ToolCase):
    async def test_images_and_nothing_at_all(self) -> None:
        said, calls = await self.call()
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
        content = [{"type": "text", "text": "look"}, image]
        _, headers = await self.told(
            *said, result(calls[0], content), result(calls[1], ""), tools=TOOLS
        )
        assert headers["x-claudeproxy-worker"] == "resumed"
        first = next(
            block
            for block in blocks_of(self.seen(), "tool_result")
            if plain_id(block["tool_use_id"]) == calls[0].id
        )
        assert [block["type"] for block in first["content"]] == ["text", "image"]
        assert first["content"][1]["source"]["data"] == PNG

    async def test_large_results_arrive_whole(self) -> None:
        for size, reuse in ((300_000, "resumed"), (450_000, None)):
            said, calls = await self.call("CALL:get_time")
            text = "x" * size
            _, headers = await self.told(*said, result(calls[0], text), tools=TOOLS)
            assert text_of(blocks_of(self.seen(), "tool_result")[-1]) == text
            assert (headers["x-claudeproxy-worker"] == "resumed") == (reuse == "resumed")

    async def test_what_is_out_of_place_costs_nothing(self) -> None:
        said, calls = await self.call()
        requests = len(self.api.requests)
        ok = [result(call, "ok") for call in calls]
        unknown = {**ok[0], "tool_call_id": "toolu_unknown"}
        for messages, where in (
            ([*said, ok[0]], "messages[1].role"),
            ([*said, *ok, ok[0]], "messages[4].tool_call_id"),
            ([*said, unknown, ok[1]], "messages[2].tool_call_id"),
            ([said[0], ok[0]], "messages[1].tool_call_id"),
            ([*said, _user("never mind"), *ok], "messages[1].role"),
        ):
            error = await self.error_of(*messages, tools=TOOLS)
            assert (error.status_code, error.param) == (400, where)
        assert len(self.api.requests) == requests
        assert self.parked() == 1


class Unanswered(ToolCase):
    async def test_it_makes_room_for_another_conversation(self) -> None:
        proxy = await self.start_proxy(workers=1)
        self.proxy = proxy
        for text, tools in (("hi", TOOLS), ("ho", TOOLS[:1])):
            await self.call("CALL:get_weather", tools=TOOLS)
            assert self.parked() == 1
            answer = await self.ask(f"ECHO:{text}", tools=tools)
            assert answer.choices[0].message.content == text
            assert conversation(self.seen())[-1] == ("user", f"ECHO:{text}")
            assert blocks_of(self.seen(), "tool_use") == []
            assert self.parked() == 0

    async def test_its_time_is_up(self) -> None:
        self.proxy = await self.start_proxy(idle_time=1.0)
        said, calls = await self.call("CALL:get_time")
        await when(lambda: not self.parked())
        answer = await self.ask(*said, result(calls[0], "late"), tools=TOOLS)
        assert "late" in answer.choices[0].message.content

    async def test_stopping_the_server_ends_it(self) -> None:
        await self.call()
        await self.proxy.stopService()
        await when(lambda: not self.processes())


@on_every_cli(globals())
class TwoAtOnce(ToolCase):
    async def test_neither_sees_the_others_results(self) -> None:
        first = ensureDeferred(self.call('CALL:get_weather:{"city":"A"}'))
        second = ensureDeferred(self.call('CALL:get_weather:{"city":"B"}'))
        answers = []
        for waiting, text in ((first, "rain in A"), (second, "sun in B")):
            said, calls = await waiting
            answers.append(ensureDeferred(self.ask(*said, result(calls[0], text), tools=TOOLS)))
        texts = [(await answer).choices[0].message.content for answer in answers]
        assert ["A" in text for text in texts] == [True, False]
        assert ["B" in text for text in texts] == [False, True]
