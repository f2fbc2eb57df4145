"""What the clients of test_walk.py say, in the three dialects, and what of it the API must get.

`expected` is written without the code of the dialects, of the pool and of the CLI's lines, so that
a fault in these does not hide itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import attrs

from benchmarks.soak_texts import messages_of, texts_of, without_notes


GET_TIME: dict[str, Any] = {"type": "object", "properties": {}}
ADD: dict[str, Any] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
}
SCHEMAS = {"get_time": GET_TIME, "add": ADD}
FORM = {**ADD, "additionalProperties": False}
# What the CLI puts in the place of a result without content.
NO_OUTPUT = re.compile(r"\(mcp__client__\w+ completed with no output\)")


@attrs.frozen
class Call:
    """A call of a tool. `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@attrs.frozen
class Said:
    """One message of a conversation, as a client keeps it.

    results: the id of the call and the text of each, in order. raw: the answer as the API of a
    dialect told it, by the name of the dialect; none if the client has changed it. searched: with
    web searches in it. response: the id of the response that ended with it, and all before it.
    """

    role: str
    texts: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    results: tuple[tuple[str, str], ...] = ()
    raw: Mapping[str, Any] = attrs.field(factory=dict, eq=False)
    searched: bool = False
    response: tuple[str, tuple[Said, ...]] | None = attrs.field(default=None, eq=False)

    @property
    def text(self) -> str:
        return "".join(self.texts)


@attrs.frozen
class Asked:
    """All that a request says, except for what comes of its dialect."""

    said: tuple[Said, ...]
    system: str = ""
    tools: tuple[str, ...] = ()
    model: str = "sonnet"
    effort: str | None = None
    max_tokens: int | None = None
    stop: str | None = None
    search: bool = False
    form: bool = False
    stream: bool = False


# What the API must get


def expected(said: Iterable[Said]) -> list[Any]:
    """The messages that the API must get, in the form of `received`."""
    messages: list[Any] = []
    called: list[str] = []
    for assistant, group in groupby(filter(_is_said, said), lambda one: one.role == "assistant"):
        several = list(group)
        if assistant:
            calls = [call for one in several for call in one.calls]
            text = "".join(one.text for one in several)
            told = [[call.name, json.loads(call.arguments)] for call in calls]
            messages.append(["assistant", _spoken(text), told])
            called = [call.id for call in calls]
        else:
            results = [
                [called.index(call), _content(text)]
                for one in several
                for call, text in one.results
            ]
            texts = [
                _as_system(text) if one.role == "system" else text
                for one in several
                for text in one.texts
            ]
            messages.append(["user", sorted(results), [_plain(t) for t in texts if t.strip()]])
    return messages


def _is_said(one: Said) -> bool:
    return bool(one.text.strip() or one.calls or one.results)


def _as_system(text: str) -> str:
    return f"<system_message>\n{text}\n</system_message>" if text.strip() else ""


def _plain(text: str) -> str:
    # A newline keeps the CLI from reading a slash command.
    return text.strip("\n")


def _spoken(text: str) -> str:
    # Between texts with searches between them, a client may get more white space.
    return "".join(text.split())


def _content(text: str) -> str:
    return "" if NO_OUTPUT.fullmatch(text) else text


def received(body: Mapping[str, Any]) -> list[Any]:
    """The messages of an API request, without what the CLI adds and what clients cannot send."""
    messages: list[Any] = []
    called: list[str] = []
    for role, blocks in messages_of(body):
        texts = texts_of(blocks)
        if role == "assistant":
            calls = [block for block in blocks if block["type"] == "tool_use"]
            told = [[call["name"].removeprefix("mcp__client__"), call["input"]] for call in calls]
            messages.append(["assistant", _spoken("".join(texts)), told])
            called = [call["id"] for call in calls]
            continue
        results = [
            [called.index(block["tool_use_id"]), _content(_result_text(block))]
            for block in blocks
            if block["type"] == "tool_result"
        ]
        own = [_plain(text) for text in without_notes(texts)]
        messages.append(["user", sorted(results), own])
    return messages


def _result_text(block: Mapping[str, Any]) -> str:
    content = block.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", f"<{part['type']}>") for part in content)


# The dialects


@attrs.define
class Answer:
    """What has come of an answer. partial: the text until now."""

    said: Said | None = None
    finish: str = ""
    error: str = ""
    partial: str = ""
    response: str = ""


class Chat:
    """OpenAI Chat Completions."""

    name = "chat"
    path = "/v1/chat/completions"

    def body(self, asked: Asked) -> dict[str, Any]:
        messages = [{"role": "system", "content": asked.system}] if asked.system else []
        messages += [message for one in asked.said for message in self._messages(one)]
        body: dict[str, Any] = {"messages": messages}
        if asked.tools:
            body["tools"] = [
                {"type": "function", "function": {"name": name, "parameters": SCHEMAS[name]}}
                for name in asked.tools
            ]
        if asked.search:
            body["web_search_options"] = {}
        if asked.form:
            form = {"name": "form", "schema": FORM}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        told = {"reasoning_effort": asked.effort, "max_tokens": asked.max_tokens}
        return body | {
            name: value for name, value in (told | {"stop": asked.stop}).items() if value
        }

    def _messages(self, one: Said) -> Iterable[Any]:
        if one.role == "results":
            for call, text in one.results:
                yield {"role": "tool", "tool_call_id": call, "content": text}
        elif one.role == "assistant":
            if self.name in one.raw:
                yield one.raw[self.name]
                return
            calls = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in one.calls
            ]
            message = {"role": "assistant", "content": one.text}
            yield {**message, "tool_calls": calls} if calls else message
        else:
            parts = [{"type": "text", "text": text} for text in one.texts]
            yield {"role": one.role, "content": one.text if len(parts) == 1 else parts}

    def read(self, told: Any) -> Answer:
        [choice] = told["choices"]
        message = choice["message"]
        calls = tuple(
            Call(call["id"], call["function"]["name"], call["function"]["arguments"])
            for call in message.get("tool_calls") or ()
        )
        said = Said("assistant", (message["content"] or "",), calls, raw={self.name: message})
        return Answer(said, choice["finish_reason"])

    def read_stream(self, events: list[Any]) -> Answer:
        text, calls, finish = "", [], ""
        for event in events:
            if "error" in event:
                return Answer(error=str(event), partial=text)
            for choice in event["choices"]:
                finish = choice.get("finish_reason") or finish
                text += choice["delta"].get("content") or ""
                for call in choice["delta"].get("tool_calls") or ():
                    if call.get("id"):
                        calls.append([call["id"], call["function"]["name"], ""])
                    calls[-1][2] += call["function"].get("arguments") or ""
        if not finish:
            return Answer(partial=text)
        return Answer(Said("assistant", (text,), tuple(Call(*call) for call in calls)), finish)


class Responses:
    """OpenAI Responses."""

    name = "responses"
    path = "/v1/responses"

    def body(self, asked: Asked) -> dict[str, Any]:
        body: dict[str, Any] = {}
        said = asked.said
        for index in range(len(said) - 1, -1, -1):
            known = said[index].response
            if known is not None and known[1] == said[: index + 1]:
                body["previous_response_id"] = known[0]
                said = said[index + 1 :]
                break
        body["input"] = [item for one in said for item in self._items(one)]
        tools: list[Any] = [
            {"type": "function", "name": name, "parameters": SCHEMAS[name], "strict": False}
            for name in asked.tools
        ]
        if asked.search:
            tools.append({"type": "web_search"})
        if asked.form:
            form = {"type": "json_schema", "name": "form", "schema": FORM}
            body["text"] = {"format": form}
        if asked.effort:
            body["reasoning"] = {"effort": asked.effort}
        told = {"instructions": asked.system, "max_output_tokens": asked.max_tokens, "tools": tools}
        return body | {name: value for name, value in told.items() if value}

    def _items(self, one: Said) -> Iterable[Any]:
        if one.role == "results":
            for call, text in one.results:
                yield {"type": "function_call_output", "call_id": call, "output": text}
        elif one.role == "assistant":
            if self.name in one.raw:
                yield from one.raw[self.name]
                return
            if one.text:
                yield {"role": "assistant", "content": one.text}
            for made in one.calls:
                named = {"call_id": made.id, "name": made.name, "arguments": made.arguments}
                yield {"type": "function_call", **named}
        else:
            parts = [{"type": "input_text", "text": text} for text in one.texts]
            yield {"role": one.role, "content": one.text if len(parts) == 1 else parts}

    def read(self, told: Any) -> Answer:
        if told["status"] == "failed":
            return Answer(error=str(told["error"]))
        text, calls, searched = "", [], False
        for item in told["output"]:
            if item["type"] == "message":
                text += "".join(part.get("text", "") for part in item["content"])
            elif item["type"] == "function_call":
                calls.append(Call(item["call_id"], item["name"], item["arguments"]))
            searched = searched or item["type"] == "web_search_call"
        raw = {self.name: told["output"]}
        said = Said("assistant", (text,), tuple(calls), raw=raw, searched=searched)
        return Answer(said, told["status"], response=told["id"])

    def read_stream(self, events: list[Any]) -> Answer:
        text = ""
        for event in events:
            match event["type"]:
                case "response.output_text.delta":
                    text += event["delta"]
                case "response.completed" | "response.incomplete" | "response.failed":
                    return self.read(event["response"])
                case "error":
                    return Answer(error=str(event))
        return Answer(partial=text)


class Messages:
    """Anthropic Messages."""

    name = "messages"
    path = "/v1/messages"

    def body(self, asked: Asked) -> dict[str, Any]:
        messages = [message for one in asked.said for message in self._messages(one)]
        body: dict[str, Any] = {"messages": messages, "max_tokens": asked.max_tokens or 30_000}
        tools: list[Any] = [
            {"name": name, "description": "", "input_schema": SCHEMAS[name]} for name in asked.tools
        ]
        if asked.search:
            tools.append({"type": "web_search_20250305", "name": "web_search"})
        config: dict[str, Any] = {"effort": asked.effort} if asked.effort else {}
        if asked.form:
            config["format"] = {"type": "json_schema", "schema": FORM}
        if asked.effort:
            body["thinking"] = {"type": "adaptive"}
        stops = [asked.stop] if asked.stop else []
        told = {"system": asked.system, "tools": tools, "output_config": config}
        told |= {"stop_sequences": stops}
        return body | {name: value for name, value in told.items() if value}

    def _messages(self, one: Said) -> Iterable[Any]:
        if one.role == "results":
            content: list[Any] = [
                {"type": "tool_result", "tool_use_id": call, "content": text}
                for call, text in one.results
            ]
        elif one.role == "assistant":
            content = [{"type": "text", "text": one.text}] if one.text else []
            content += [
                {
                    "type": "tool_use",
                    "id": call.id,
                    "name": call.name,
                    "input": json.loads(call.arguments),
                }
                for call in one.calls
            ]
            content = one.raw.get(self.name, content)
        else:
            content = [{"type": "text", "text": text} for text in one.texts]
        if content:
            yield {"role": "user" if one.role == "results" else one.role, "content": content}

    def read(self, told: Any) -> Answer:
        return self._answer(told["content"], told["stop_reason"])

    def _answer(self, content: list[Any], reason: str) -> Answer:
        calls = tuple(
            Call(block["id"], block["name"], json.dumps(block["input"]))
            for block in content
            if block["type"] == "tool_use"
        )
        searched = any(block["type"] == "server_tool_use" for block in content)
        raw = {self.name: content}
        said = Said("assistant", (_text_of(content),), calls, raw=raw, searched=searched)
        return Answer(said, reason)

    def read_stream(self, events: list[Any]) -> Answer:
        content: list[Any] = []
        reason = ""
        for event in events:
            match event:
                case {"type": "error"}:
                    return Answer(error=str(event), partial=_text_of(content))
                case {"type": "content_block_start", "content_block": block}:
                    content.append({**block, "json": ""})
                case {"type": "content_block_delta", "delta": delta}:
                    _grow(content[-1], delta)
                case {"type": "message_delta", "delta": {"stop_reason": told}}:
                    reason = told
                case {"type": "message_stop"}:
                    return self._answer(list(_whole(content)), reason)
        return Answer(partial=_text_of(content))


def _text_of(content: Iterable[Any]) -> str:
    return "".join(block["text"] for block in content if block["type"] == "text")


def _grow(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Add a piece to a block of the Messages API."""
    if delta["type"] == "citations_delta":
        block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
    elif delta["type"] == "input_json_delta":
        block["json"] += delta["partial_json"]
    else:
        name = delta["type"].removesuffix("_delta")
        block[name] = block.get(name, "") + delta[name]


def _whole(content: Iterable[Any]) -> Iterable[Any]:
    """The blocks without those whose arguments were cut off."""
    for block in content:
        told = dict(block)
        given = told.pop("json")
        try:
            yield {**told, "input": json.loads(given)} if given else told
        except ValueError:
            continue


DIALECTS: tuple[Any, ...] = (Chat(), Responses(), Messages())
