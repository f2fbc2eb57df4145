"""Names that the API does not take, and numbers that JavaScript cannot hold.

What the client gets, and what reached the API, through the real CLI.
"""

from __future__ import annotations

import json
from typing import Any

from .harness import conversation, on_every_cli
from .test_dialects import OverHTTP
from .test_tools import ToolCase, blocks_of, result, sent_back


NAMES = ("$filter", "filter[id]", "größe", "Account Number", "@type", "", "p" * 65)
LARGE = 9007199254740993


def schema_with(name: str) -> dict[str, Any]:
    deep = {"type": "object", "properties": {name: {"type": "integer"}}}
    return {
        "type": "object",
        "properties": {name: {"type": "string"}, "plain": deep},
        "required": [name, "plain"],
    }


def function_with(name: str) -> Any:
    return {"type": "function", "function": {"name": "find", "parameters": schema_with(name)}}


@on_every_cli(globals())
class Parameters(ToolCase):
    def inner(self, name: str) -> str:
        """What the API was told instead of a parameter's name."""
        (tool,) = self.seen()["tools"]
        schema = tool["input_schema"]
        inner, plain = schema["properties"]
        assert schema["required"] == [inner, plain] == [inner, "plain"]
        assert name in json.loads(schema["properties"][inner]["description"][25:-1])
        assert name in schema["properties"]["plain"]["properties"]
        assert inner != name
        return str(inner)

    async def test_each_is_offered_called_answered_and_replayed(self) -> None:
        for name in NAMES:
            tools = [function_with(name)]
            forced = {"type": "function", "function": {"name": "find"}}
            said, calls = await self.call("QUIET", tools=tools, tool_choice=forced)
            assert self.seen()["tool_choice"]["name"] == "mcp__client__find"
            inner = self.inner(name)
            assert name in json.loads(calls[0].function.arguments)

            arguments = json.dumps({inner: inner, "plain": {name: 1, inner: 2}})
            wanted = {name: inner, "plain": {name: 1, inner: 2}}
            text = f"CALL:find:{arguments}"
            chunks = await self.stream(text, tools=tools)
            deltas = [chunk.choices[0].delta.tool_calls for chunk in chunks if chunk.choices]
            pieces = [delta[0].function.arguments or "" for delta in deltas if delta]
            assert json.loads("".join(pieces)) == wanted

            said, calls = await self.call(text, tools=tools)
            assert json.loads(calls[0].function.arguments) == wanted
            history = [*said, result(calls[0], "found")]
            # One that cannot go back is cleared.
            again = ("rewound", "recycled")
            for workers, more in (
                (("resumed",), []),
                (again, [{"role": "user", "content": "x"}]),
            ):
                if more:
                    # Another beginning, so that no process has it.
                    history[0] = {"role": "user", "content": f"Again: {text}"}
                answer, headers = await self.told(*history, *more, tools=tools)
                assert headers["x-claudeproxy-worker"] in workers
                (use,) = blocks_of(self.seen(), "tool_use")
                assert use["input"] == {inner: inner, "plain": {name: 1, inner: 2}}
                assert answer.choices[0].finish_reason == "stop"

    async def test_a_model_that_writes_both_names_gives_the_client_each_once(self) -> None:
        for name in ("$filter", "größe"):
            tools = [function_with(name)]
            await self.call("QUIET", tools=tools, tool_choice="required")
            inner = self.inner(name)
            for written in ({inner: 1, name: 2}, {name: 1, inner: 2}):
                said, calls = await self.call(f"CALL:find:{json.dumps(written)}", tools=tools)
                arguments = calls[0].function.arguments
                members = json.JSONDecoder(object_pairs_hook=list).decode(arguments)
                assert members == [(name, 1), (inner, 2)]
                _, headers = await self.told(*said, result(calls[0], "found"), tools=tools)
                assert headers["x-claudeproxy-worker"] == "resumed"
                (use,) = blocks_of(self.seen(), "tool_use")
                assert use["input"] == written

    async def test_a_conversation_with_them_stays_warm(self) -> None:
        tools = [function_with("$filter")]
        said, calls = await self.call('CALL:find:{"_filter": "a"}', tools=tools)
        said.append(result(calls[0], "found"))
        said.append(sent_back(await self.ask(*said, tools=tools)))
        said.append({"role": "user", "content": "ECHO:more"})
        _, headers = await self.told(*said, tools=tools)
        assert headers["x-claudeproxy-worker"] == "continued"
        assert conversation(self.seen())[-1] == ("user", "ECHO:more")

    async def test_the_calls_of_tools_that_are_not_offered_keep_them(self) -> None:
        value = dict.fromkeys(NAMES, 1)
        function = {"name": "find", "arguments": json.dumps(value)}
        called = {"id": "toolu_1", "type": "function", "function": function}
        answer = await self.ask(
            "a",
            {"role": "assistant", "content": None, "tool_calls": [called]},
            {"role": "tool", "tool_call_id": "toolu_1", "content": "x"},
            {"role": "user", "content": "ECHO:b"},
        )
        assert answer.choices[0].message.content == "b"
        (use,) = blocks_of(self.seen(), "tool_use")
        assert use["input"] == value


@on_every_cli(globals())
class InOtherDialects(OverHTTP):
    async def test_messages_take_names_of_tools_as_long_as_the_apis(self) -> None:
        schema, name = schema_with("$filter"), "n" * 128
        more: Any = {
            "tools": [{"name": name, "description": "Finds.", "input_schema": schema}],
            "tool_choice": {"type": "tool", "name": name},
        }
        _, answer = await self.message({"role": "user", "content": "QUIET"}, **more)
        (offered,) = self.seen()["tools"]
        assert len(offered["name"]) == 128
        assert offered["description"] == f'Stands for the tool "{name}".\n\nFinds.'
        assert self.seen()["tool_choice"]["name"] == offered["name"]
        (use,) = answer["content"]
        assert use["name"] == name
        assert list(use["input"]) == ["$filter", "plain"]

        given = {"type": "tool_result", "tool_use_id": use["id"], "content": "found"}
        response, answer = await self.message(
            {"role": "user", "content": "QUIET"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [given]},
            tools=more["tools"],
        )
        assert response.code == 200
        (sent,) = blocks_of(self.seen(), "tool_use")
        assert sent["name"] == offered["name"]
        assert list(sent["input"]) == ["_filter", "plain"]

    async def test_responses(self) -> None:
        tool = {"type": "function", "name": "find", "parameters": schema_with("$filter")}
        body = {"model": "sonnet", "input": 'CALL:find:{"_filter":"a"}', "tools": [tool]}
        _, answer = await self.post("/v1/responses", body)
        call = answer["output"][-1]
        assert json.loads(call["arguments"]) == {"$filter": "a"}
        given = {"type": "function_call_output", "call_id": call["call_id"], "output": "x"}
        response, _ = await self.post(
            "/v1/responses", {**body, "input": [given], "previous_response_id": answer["id"]}
        )
        assert response.code == 200
        (use,) = blocks_of(self.seen(), "tool_use")
        assert use["input"] == {"_filter": "a"}


@on_every_cli(globals())
class LargeNumbers(ToolCase):
    async def test_they_reach_the_client_whole_and_the_api_rounded(self) -> None:
        parameters = {
            "type": "object",
            "properties": {"id": {"type": "integer", "maximum": LARGE}, "text": {"type": "string"}},
        }
        tools: Any = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
        text = f'CALL:f:{{"id":{LARGE},"text":"{LARGE}"}}'
        said, calls = await self.call(text, tools=tools)
        assert json.loads(calls[0].function.arguments) == {"id": LARGE, "text": str(LARGE)}
        # The schema is read and written by the CLI, and so is each call, also one that it made.
        (tool,) = self.seen()["tools"]
        assert tool["input_schema"]["properties"]["id"]["maximum"] == LARGE - 1
        history = [*said, result(calls[0], f'{{"id":{LARGE}}}')]
        for more in ([], [{"role": "user", "content": "x"}]):
            if more:
                history[0] = {"role": "user", "content": f"Again: {text}"}
            await self.ask(*history, *more, tools=tools)
            (use,) = blocks_of(self.seen(), "tool_use")
            assert use["input"] == {"id": LARGE - 1, "text": str(LARGE)}
            assert str(LARGE) in json.dumps(blocks_of(self.seen(), "tool_result"))
