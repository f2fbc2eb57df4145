"""The API's own tools, in each dialect, on every CLI, seen at both ends."""

from __future__ import annotations

import json
from typing import Any

from claudeproxy.cli import launch

from .harness import SUBSCRIPTION, at_rest, on_every_cli, when
from .test_dialects import FUNCTION, OverHTTP


SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
FETCH = {"type": "web_fetch_20250910", "name": "web_fetch", "citations": {"enabled": True}}
TIME = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}
HOSTED = {"type": "web_search"}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def kinds(blocks: list[Any]) -> list[str]:
    return [block["type"] for block in blocks]


def sent_back(body: Any) -> list[Any]:
    """The content of the assistant's messages that reached the API."""
    return [message["content"] for message in body["messages"] if message["role"] == "assistant"]


def as_made(blocks: Any) -> Any:
    """The blocks without the marks that the CLI adds, and the citations of which it keeps few."""
    return [
        {key: block[key] for key in block if key not in ("cache_control", "citations")}
        for block in blocks
    ]


def cited(blocks: Any) -> Any:
    """The citations of searches. 2.1.332 drops those of fetched pages, 2.1.197 drops all."""
    found = [one for block in blocks for one in block.get("citations") or ()]
    return [one for one in found if one["type"] == "web_search_result_location"]


class WebCase(OverHTTP):
    async def search(self, words: str, *more: Any, **fields: Any) -> tuple[Any, Any]:
        """The response to a message with both web tools, and its body, when all is at rest."""
        tools = fields.pop("tools", [SEARCH, FETCH])
        told = await self.message(
            *(more or (user(words),)), **{"max_tokens": 500, "tools": tools, **fields}
        )
        await when(lambda: at_rest(self.proxy.pool))
        return told

    def ignored(self, response: Any) -> list[str] | None:
        values: list[str] | None = response.headers.getRawHeaders("x-claudeproxy-ignored")
        return values


@on_every_cli(globals())
class InMessages(WebCase):
    async def test_the_blocks_are_those_of_the_api(self) -> None:
        words = "SEARCH:red_pandas FETCH:https://example.com/a"
        response, told = await self.search(words)
        assert response.code == 200, told
        assert self.seen()["tools"] == [SEARCH, FETCH]
        assert kinds(told["content"]) == [
            *("text", "server_tool_use", "web_search_tool_result"),
            *("server_tool_use", "web_fetch_tool_result"),
            *("text", "text", "text", "text", "text", "text"),
        ]
        assert told["content"][1]["input"] == {"query": "red pandas"}
        citing = [block for block in told["content"] if block.get("citations")]
        assert [block["citations"][0]["type"] for block in citing] == [
            *("web_search_result_location", "web_search_result_location", "char_location"),
        ]
        counts = {"web_search_requests": 1, "web_fetch_requests": 1}
        assert told["usage"]["server_tool_use"] == counts
        # The process that answered still has them, and so has one that is told the conversation.
        messages = [user(words), {"role": "assistant", "content": told["content"]}]
        for is_told in (False, True):
            if is_told:
                self.proxy = await self.start_proxy()
            response, _ = await self.search("", *messages, user("ECHO:next"))
            assert (self.worker(response) == "continued") is not is_told
            (content,) = sent_back(self.seen())
            assert as_made(content) == as_made(told["content"])
            if self.cli == launch.bundled():
                assert cited(content) == cited(told["content"])

    async def test_the_events_are_those_of_the_api(self) -> None:
        _, whole = await self.search("SEARCH:red_pandas")
        body = {"model": "sonnet", "max_tokens": 500, "tools": [SEARCH]}
        events = await self.events(
            "/v1/messages", {**body, "messages": [user("SEARCH:red_pandas")]}
        )
        content: list[Any] = []
        for event in events:
            if event["type"] == "content_block_start":
                assert event["index"] == len(content)
                content.append({**event["content_block"], "json": ""})
            elif event["type"] == "content_block_delta":
                block, delta = content[event["index"]], event["delta"]
                match delta["type"]:
                    case "text_delta":
                        block["text"] += delta["text"]
                    case "input_json_delta":
                        block["json"] += delta["partial_json"]
                    case "citations_delta":
                        block.setdefault("citations", []).append(delta["citation"])
        for block in content:
            if given := block.pop("json"):
                block["input"] = json.loads(given)
        ids = {"id": 0, "tool_use_id": 0}
        told, wanted = ([{**b, **ids} for b in blocks] for blocks in (content, whole["content"]))
        assert told == wanted
        counted = next(event for event in events if event["type"] == "message_delta")["usage"]
        assert counted["server_tool_use"]["web_search_requests"] == 1

    async def test_a_search_before_a_call_of_the_clients_tool(self) -> None:
        tools = [TIME, SEARCH]
        _, told = await self.search("SEARCH:a CALL:get_time", tools=tools)
        assert told["stop_reason"] == "tool_use"
        *_, call = told["content"]
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "12"}
        history = [
            user("SEARCH:a CALL:get_time"),
            {"role": "assistant", "content": told["content"]},
        ]
        response, last = await self.search(
            "", *history, {"role": "user", "content": [result]}, tools=tools
        )
        assert self.worker(response) == "resumed"
        assert "TOOL_RESULT" in last["content"][-1]["text"]
        (content,) = sent_back(self.seen())
        assert kinds(content) == kinds(told["content"])

    async def test_a_paused_message_goes_on(self) -> None:
        words = "SEARCH:a SEARCH:b STOP:pause_turn"
        _, told = await self.search(words)
        assert told["stop_reason"] == "pause_turn"
        history = [user(words), {"role": "assistant", "content": told["content"]}]
        response, more = await self.search("", *history)
        assert (self.worker(response), more["stop_reason"]) == ("rewound", "pause_turn")
        (use,) = (block for block in more["content"] if block["type"] == "server_tool_use")
        assert use["input"] == {"query": "b"}

    async def test_errors_of_a_search_are_results(self) -> None:
        for words, code in (
            ("SEARCHERR:unavailable", "unavailable"),
            ("SEARCH:a SEARCH:b", "max_uses_exceeded"),
        ):
            _, told = await self.search(words, tools=[{**SEARCH, "max_uses": 1}])
            results = [b for b in told["content"] if b["type"] == "web_search_tool_result"]
            assert results[-1]["content"]["error_code"] == code
            assert told["stop_reason"] == "end_turn"

    async def test_the_container_of_code_is_named_at_both_ends(self) -> None:
        tools = [{"type": "web_search_20260209", "name": "web_search"}, TIME]
        words = "CONTAINER SEARCH:a CALL:get_time THEN CONTAINER ECHO:b"
        model = "opus"
        _, told = await self.search(words, tools=tools, model=model)
        container = told["container"]["id"]
        assert container
        assert "container" not in self.seen()
        *_, call = told["content"]
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "12"}
        body = {
            "model": model,
            "max_tokens": 500,
            "tools": tools,
            "container": "container_mine",
            "messages": [
                user(words),
                {"role": "assistant", "content": told["content"]},
                {"role": "user", "content": [result]},
            ],
        }
        events = await self.events("/v1/messages", body)
        assert self.seen()["container"] == "container_mine"
        last = next(event for event in events if event["type"] == "message_delta")
        assert last["delta"]["container"]["id"] == "container_mine"
        await when(lambda: at_rest(self.proxy.pool))
        # It holds for one request.
        await self.search("ECHO:c", tools=tools, model=model)
        assert "container" not in self.seen()

    async def test_searches_of_an_answer_that_is_cut_off_are_counted(self) -> None:
        cut_off: tuple[tuple[str, dict[str, Any]], ...] = (
            ("QUIET SEARCH:a", {"stop_sequences": [" "]}),
            ("QUIET SEARCH:a SSEERR:3", {"stream": True}),
        )
        for count, (words, more) in enumerate(cut_off, 1):
            body = {"model": "sonnet", "max_tokens": 500, "tools": [SEARCH]}
            response, _ = await self.http(
                "POST", "/v1/messages", {**body, "messages": [user(words)], **more}
            )
            assert response.code == 200
            await when(lambda: at_rest(self.proxy.pool))
            told = self.proxy.metrics.exposition().decode()
            assert f'claudeproxy_server_tool_uses_total{{tool="web_search"}} {count}.0' in told

    async def test_a_search_can_be_forced(self) -> None:
        choice = {"type": "tool", "name": "web_search"}
        _, told = await self.search("red pandas", tools=[TIME, SEARCH], tool_choice=choice)
        assert self.seen()["tool_choice"] == {**choice, "disable_parallel_tool_use": True}
        assert "web_search_tool_result" in kinds(told["content"])

    async def test_more_of_a_tool_reaches_the_api(self) -> None:
        more = {"strict": True, "input_examples": [{"city": "Bonn"}], "description": "d" * 9000}
        closed = {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        }
        tool = {"name": "weather", "input_schema": closed, **more}
        response, told = await self.search("ECHO:a", tools=[tool])
        assert (response.code, self.ignored(response)) == (200, None), told
        assert self.seen()["tools"] == [{**tool, "name": "mcp__client__weather"}]


@on_every_cli(globals())
class Strict(WebCase):
    async def test_strict_functions_are_strict_where_the_api_can_do_that(self) -> None:
        closed = {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        }
        short = {**closed, "properties": {"city": {"type": "string", "maxLength": 3}}}
        tools = [
            {
                "type": "function",
                "function": {"name": name, "parameters": schema, "strict": True},
            }
            for name, schema in (("a", closed), ("b", short))
        ]
        answer, headers = await self.told('CALL:a:{"city":"Bonn"}', tools=tools)
        assert headers["x-claudeproxy-ignored"] == "tools[].function.strict"
        first, second = self.seen()["tools"]
        assert (first["strict"], first["input_schema"]) == (True, closed)
        assert ("strict" in second, second["input_schema"]) == (False, short)
        assert answer.choices[0].message.tool_calls[0].function.arguments == '{"city":"Bonn"}'

    async def test_what_the_api_refuses_of_them_is_offered_all_the_same(self) -> None:
        # More optional properties than the API takes, all tools together.
        many = {
            "type": "object",
            "properties": {f"p{number}": {"type": "string"} for number in range(15)},
            "additionalProperties": False,
        }
        tools = [
            {"type": "function", "function": {"name": name, "parameters": many, "strict": True}}
            for name in "ab"
        ]
        for asked in (2, 1):
            before = len(self.api.requests)
            _, headers = await self.told("ECHO:a", tools=tools)
            assert headers["x-claudeproxy-ignored"] == "tools[].function.strict"
            assert len(self.api.requests) - before == asked


@on_every_cli(globals())
class Refused(WebCase):
    async def test_what_the_api_refuses_is_told_once_and_then_left_out(self) -> None:
        response, told = await self.search("NOWEB", tools=[SEARCH])
        assert (response.code, told["error"]["type"]) == (403, "permission_error")
        assert "Web search is disabled" in told["error"]["message"]
        asked = len(self.api.requests)
        # It costs no second request to say so again.
        response, told = await self.search("NOWEB", tools=[SEARCH])
        assert (response.code, len(self.api.requests)) == (403, asked)
        response, told = await self.search("ECHO:a", tools=[SEARCH, TIME])
        assert (response.code, told["content"][0]["text"]) == (200, "a")
        assert self.ignored(response) == ["tools[].web_search_20250305"]
        assert [tool["name"] for tool in self.seen()["tools"]] == ["mcp__client__get_time"]
        response, _ = await self.http("GET", "/health/ready")
        assert response.code == 200

    async def test_an_agent_notices_nothing(self) -> None:
        for status in ("NOWEB", "NOWEB:400"):
            for stream in (False, True):
                self.proxy = await self.start_proxy()
                body = {
                    "model": "sonnet",
                    "input": f"{status} ECHO:hi",
                    "tools": [HOSTED, FUNCTION],
                    "stream": stream,
                }
                response, content = await self.http("POST", "/v1/responses", body)
                assert response.code == 200
                assert b'"text": "hi"' in content
                assert self.ignored(response) == ["tools[].web_search"]

    async def test_the_setting_turns_them_off(self) -> None:
        self.proxy = await self.start_proxy(web_tools=False)
        response, told = await self.search("SEARCH:a", tools=[SEARCH])
        assert (response.code, len(self.api.requests)) == (400, 0)
        assert "web_tools" in told["error"]["message"]
        response, told = await self.post(
            "/v1/chat/completions",
            {"model": "sonnet", "messages": [user("SEARCH:a")], "web_search_options": {}},
        )
        assert (response.code, told["error"]["param"]) == (400, "web_search_options")
        response, _ = await self.search("ECHO:a", tools=[SEARCH, TIME])
        assert self.ignored(response) == ["tools[].web_search_20250305"]

    async def test_strict_parameters_leave_nothing_out(self) -> None:
        self.proxy = await self.start_proxy(strict_parameters=True)
        response, _ = await self.search("NOWEB", tools=[SEARCH, TIME])
        assert response.code == 403
        response, _ = await self.search("ECHO:a", tools=[SEARCH, TIME])
        assert response.code == 403


@on_every_cli(globals())
class ForeignBlocks(WebCase):
    async def test_blocks_that_the_api_refuses_spoil_no_other_conversation(self) -> None:
        # 2.1.332 asks again without them, and never sends any such block from then on.
        self.proxy = await self.start_proxy(workers=1)
        _, told = await self.search("SEARCH:a")
        good = [user("SEARCH:a"), {"role": "assistant", "content": told["content"]}]
        spoilt = json.loads(json.dumps(told["content"]))
        for block in spoilt:
            if block["type"] == "web_search_tool_result":
                block["content"][0]["encrypted_content"] = "garbage"
        bad = [user("SEARCH:a"), {"role": "assistant", "content": spoilt}]
        for number in range(2):
            response, _ = await self.search("", *bad, user(f"ECHO:bad {number}"))
            assert response.code == (200 if self.cli == launch.bundled() else 400)
            response, _ = await self.search("", *good, user(f"ECHO:good {number}"))
            (content,) = sent_back(self.seen())
            assert "web_search_tool_result" in kinds(content)


class RefusedToAPlan(WebCase):
    credentials = SUBSCRIPTION

    async def test_a_plan_without_the_tool_is_still_logged_in(self) -> None:
        response, told = await self.search("NOWEB", tools=[SEARCH])
        assert (response.code, told["error"]["type"]) == (403, "permission_error")
        assert told["error"]["message"].startswith("Web search is disabled")
        response, _ = await self.search("NOWEB ECHO:a", tools=[SEARCH, TIME])
        assert self.ignored(response) == ["tools[].web_search_20250305"]
        response, _ = await self.http("GET", "/health/ready")
        assert response.code == 200


@on_every_cli(globals())
class InResponses(WebCase):
    async def respond(self, given: Any, **more: Any) -> tuple[Any, Any]:
        body = {"model": "sonnet", "input": given, "tools": [HOSTED], **more}
        told = await self.post("/v1/responses", body)
        await when(lambda: at_rest(self.proxy.pool))
        return told

    async def test_a_search_is_an_item_and_its_pages_are_cited(self) -> None:
        place = {"type": "approximate", "country": "DE", "city": "Bonn", "region": None}
        tool = {
            "type": "web_search_preview",
            "user_location": place,
            "search_context_size": "low",
            "filters": {"allowed_domains": ["example.com"]},
        }
        _, told = await self.respond(
            "SEARCH:red_pandas", tools=[tool], include=["web_search_call.action.sources"]
        )
        (sent,) = self.seen()["tools"]
        where = {"type": "approximate", "city": "Bonn", "country": "DE"}
        assert sent == {
            "type": "web_search_20250305",
            "name": "web_search",
            "max_uses": 2,
            "allowed_domains": ["example.com"],
            "user_location": where,
        }
        first, call, message = told["output"]
        assert (first["type"], call["type"], message["type"]) == (
            *("message", "web_search_call", "message"),
        )
        assert (call["status"], call["action"]["query"]) == ("completed", "red pandas")
        pages = [source["url"] for source in call["action"]["sources"]]
        (part,) = message["content"]
        for note in part["annotations"]:
            cited = part["text"][note["start_index"] : note["end_index"]]
            assert note["url"] in pages
            assert cited.startswith("The guide page")
        assert part["annotations"]

    async def test_the_events_come_in_their_order(self) -> None:
        events = await self.events(
            "/v1/responses", {"model": "sonnet", "input": "SEARCH:a", "tools": [HOSTED]}
        )
        assert [event["sequence_number"] for event in events] == [*range(len(events))]
        of_search = [
            event["type"].removeprefix("response.")
            for event in events
            if event.get("output_index") == 1
        ]
        assert of_search == [
            *("output_item.added", "web_search_call.in_progress", "web_search_call.searching"),
            *("web_search_call.completed", "output_item.done"),
        ]
        text = "".join(e.get("delta", "") for e in events if e.get("output_index") == 2)
        notes = [e for e in events if e["type"] == "response.output_text.annotation.added"]
        assert [note["annotation_index"] for note in notes] == [0, 1]
        cited = [
            text[note["annotation"]["start_index"] : note["annotation"]["end_index"]]
            for note in notes
        ]
        assert [words.split()[1] for words in cited] == ["guide", "news"]
        done = next(
            e for e in events if e["type"] == "response.output_text.done" and e["output_index"] == 2
        )
        assert done["text"] == text
        final = events[-1]["response"]["output"]
        assert [note["annotation"] for note in notes] == final[2]["content"][0]["annotations"]

    async def test_what_was_found_is_kept(self) -> None:
        _, told = await self.respond("SEARCH:red_pandas")
        items = [user("SEARCH:red_pandas"), *told["output"], user("ECHO:next")]
        chained: dict[str, Any] = {"previous_response_id": told["id"]}
        for given, more in (("ECHO:next", chained), (items, {})):
            response, _ = await self.respond(given, **more)
            assert self.worker(response) in ("continued", "rewound")
            (content,) = sent_back(self.seen())
            assert "web_search_tool_result" in kinds(content)
        # The next one is told the blocks too, and so is one that goes on from there.
        _, other = await self.respond([*items[:-1], user("ECHO:x")], instructions="Another.")
        (content,) = sent_back(self.seen())
        assert "web_search_tool_result" in kinds(content)
        chained = {"previous_response_id": other["id"], "instructions": "A third."}
        await self.respond("ECHO:y", **chained)
        content, _ = sent_back(self.seen())
        assert "web_search_tool_result" in kinds(content)
        self.proxy = await self.start_proxy()
        await self.respond(items)
        (content,) = sent_back(self.seen())
        assert "<web_search_call>" in json.dumps(content)

    async def test_it_can_be_forced_and_bounded(self) -> None:
        _, told = await self.respond("red pandas", tool_choice=HOSTED, max_tool_calls=1)
        assert self.seen()["tool_choice"]["name"] == "web_search"
        assert self.seen()["tools"][0]["max_uses"] == 1
        assert "web_search_call" in kinds(told["output"])

    async def test_a_paused_answer_is_continued(self) -> None:
        _, told = await self.respond("SEARCH:a SEARCH:b SEARCH:c STOP:pause_turn")
        queries = [
            item["action"]["query"] for item in told["output"] if item["type"] == "web_search_call"
        ]
        assert (told["status"], queries) == ("completed", ["a", "b", "c"])
        assert told["output"][-1]["type"] == "message"
        line = self.proxy.metrics.exposition().decode()
        assert 'claudeproxy_server_tool_uses_total{tool="web_search"} 3.0' in line


@on_every_cli(globals())
class InChat(WebCase):
    async def test_what_a_search_found_is_cited(self) -> None:
        place = {"type": "approximate", "approximate": {"city": "Bonn", "country": "DE"}}
        told = await self.ask("SEARCH:red_pandas", web_search_options={"user_location": place})
        (sent,) = self.seen()["tools"]
        assert sent["user_location"] == {"type": "approximate", "city": "Bonn", "country": "DE"}
        message = told.choices[0].message
        assert message.content.startswith("Let me search.\n\nThe search for")
        chunks = await self.stream("SEARCH:red_pandas", web_search_options={"user_location": place})
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        assert "".join(delta.content or "" for delta in deltas) == message.content
        streamed = [
            note for delta in deltas for note in (delta.model_extra or {}).get("annotations", ())
        ]
        whole = [note.model_dump() for note in message.annotations]
        assert streamed == whole
        cited = [
            message.content[note["url_citation"]["start_index"] : note["url_citation"]["end_index"]]
            for note in whole
        ]
        assert [words.split()[1] for words in cited] == ["guide", "news"]

    async def test_the_process_keeps_what_it_found(self) -> None:
        told = await self.ask("SEARCH:a", web_search_options={})
        await when(lambda: at_rest(self.proxy.pool))
        _, headers = await self.told(
            "SEARCH:a", told.choices[0].message.content, "ECHO:next", web_search_options={}
        )
        assert headers["x-claudeproxy-worker"] == "continued"
        (content,) = sent_back(self.seen())
        assert "web_search_tool_result" in kinds(content)

    async def test_another_process_gets_what_was_found(self) -> None:
        words = "SEARCH:a CALL:get_time THEN SEARCH:b THEN ECHO:c"
        function = {"name": "get_time", "parameters": {"type": "object", "properties": {}}}
        more: dict[str, Any] = {
            "tools": [{"type": "function", "function": function}],
            "web_search_options": {},
        }
        told = await self.ask(words, **more)
        call = told.choices[0].message
        # A turn that waits for results takes nothing else, so it is not resumed.
        history: list[Any] = [
            user(words),
            call.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "12"},
            user("SEARCH:b"),
        ]
        told, headers = await self.told(*history, **more)
        assert headers["x-claudeproxy-worker"] != "resumed"
        (first,) = sent_back(self.seen())
        found = ["server_tool_use", "web_search_tool_result"]
        assert kinds(first)[1:3] == found
        assert kinds(first)[-1] == "tool_use"
        # A process that changes to another model forgets everything.
        history += [told.choices[0].message.model_dump(exclude_none=True), user("ECHO:next")]
        _, headers = await self.told(*history, **more, model="haiku")
        assert headers["x-claudeproxy-worker"] != "continued"
        assert [kinds(content)[1:3] for content in sent_back(self.seen())] == [found, found]

    async def test_a_paused_answer_is_continued_for_another_process(self) -> None:
        words = "QUIET SEARCH:a SEARCH:b STOP:pause_turn"
        told = await self.ask(words, web_search_options={})
        content = told.choices[0].message.content
        await self.told(words, content, "ECHO:next", web_search_options={})
        (blocks,) = sent_back(self.seen())
        assert kinds(blocks)[:4] == ["server_tool_use", "web_search_tool_result"] * 2

    async def test_beside_the_clients_functions(self) -> None:
        function = {"name": "get_time", "parameters": {"type": "object", "properties": {}}}
        told = await self.ask(
            "SEARCH:a CALL:get_time",
            tools=[{"type": "function", "function": function}],
            web_search_options={},
        )
        assert told.choices[0].finish_reason == "tool_calls"
        assert [tool["name"] for tool in self.seen()["tools"]] == [
            *("mcp__client__get_time", "web_search"),
        ]

    async def test_with_a_schema(self) -> None:
        schema = {
            "type": "object",
            "properties": {"n": {"type": "integer"}},
            "required": ["n"],
            "additionalProperties": False,
        }
        form = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
        for how in ("auto", "tool"):
            self.proxy = await self.start_proxy(structured_output=how)
            words = 'SEARCH:a ECHO:{"n":7}'
            told = await self.ask(words, response_format=form, web_search_options={})
            assert told.choices[0].message.content.endswith('{"n":7}')
