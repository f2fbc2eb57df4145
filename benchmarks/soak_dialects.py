"""The four APIs, as soak.py's clients use them: how to ask, and how to read what comes."""

from __future__ import annotations

import json
from typing import Any

import attrs


PARAMETERS = {"type": "object", "properties": {"tag": {"type": "string"}}, "required": ["tag"]}
SCHEMA = {**PARAMETERS, "additionalProperties": False}


@attrs.define
class Answer:
    """What has come of an answer until now.

    calls: id, name and arguments of each. titles: those of the pages cited, in order. searches: the
    blocks or items of web searches, as they are given back.
    """

    text: str = ""
    calls: list[list[str]] = attrs.field(factory=list)
    titles: list[str] = attrs.field(factory=list)
    searches: list[Any] = attrs.field(factory=list)
    id: str = ""
    whole: bool = False
    error: str = ""

    def called(self) -> str:
        """The calls without their ids, to compare."""
        return json.dumps([[name, json.loads(arguments)] for _, name, arguments in self.calls])

    def cite(self, citations: Any) -> None:
        """Keep the titles of those citations, of any of the APIs."""
        for each in citations or ():
            self.titles.append(each.get("url_citation", each)["title"])


class Chat:
    """OpenAI Chat Completions."""

    name = "chat completions"
    path = "/v1/chat/completions"

    def body(self, system: str, messages: list[Any]) -> dict[str, Any]:
        first = [{"role": "system", "content": system}] if system else []
        return {"messages": [*first, *messages]}

    def tools(self) -> dict[str, Any]:
        function = {"name": "look", "description": "Look", "parameters": PARAMETERS}
        return {"tools": [{"type": "function", "function": function}]}

    def search(self) -> dict[str, Any]:
        return {"web_search_options": {}}

    def form(self) -> dict[str, Any]:
        schema = {"name": "form", "schema": SCHEMA}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}

    def image(self, text: str, png: str) -> dict[str, Any]:
        url = {"url": f"data:image/png;base64,{png}"}
        parts = [{"type": "image_url", "image_url": url}, {"type": "text", "text": text}]
        return {"role": "user", "content": parts}

    def said(self, answer: Answer) -> list[Any]:
        """The answer as a part of the history."""
        calls = [
            {"id": key, "type": "function", "function": {"name": name, "arguments": arguments}}
            for key, name, arguments in answer.calls
        ]
        message = {"role": "assistant", "content": answer.text}
        return [{**message, "tool_calls": calls} if calls else message]

    def results(self, answer: Answer, texts: list[str]) -> list[Any]:
        return [
            {"role": "tool", "tool_call_id": call[0], "content": text}
            for call, text in zip(answer.calls, texts, strict=True)
        ]

    def read(self, told: Any, answer: Answer) -> None:
        """A whole answer."""
        message = told["choices"][0]["message"]
        answer.text, answer.id, answer.whole = message["content"] or "", told["id"], True
        answer.cite(message.get("annotations"))
        answer.calls = [
            [call["id"], call["function"]["name"], call["function"]["arguments"]]
            for call in message.get("tool_calls") or ()
        ]

    def event(self, event: Any, answer: Answer) -> None:
        """One event of a stream."""
        if event == "[DONE]":
            answer.whole = True
            return
        for choice in event["choices"]:
            answer.text += choice["delta"].get("content") or ""
            answer.cite(choice["delta"].get("annotations"))
            for call in choice["delta"].get("tool_calls") or ():
                if call.get("id"):
                    answer.calls.append([call["id"], call["function"]["name"], ""])
                answer.calls[-1][2] += call["function"].get("arguments") or ""


class Responses:
    """OpenAI Responses."""

    name = "responses"
    path = "/v1/responses"

    def body(self, system: str, messages: list[Any]) -> dict[str, Any]:
        return {"input": messages, **({"instructions": system} if system else {})}

    def tools(self) -> dict[str, Any]:
        return {"tools": [{"type": "function", "name": "look", "parameters": PARAMETERS}]}

    def search(self) -> dict[str, Any]:
        return {"tools": [{"type": "web_search"}]}

    def form(self) -> dict[str, Any]:
        return {"text": {"format": {"type": "json_schema", "name": "form", "schema": SCHEMA}}}

    def image(self, text: str, png: str) -> dict[str, Any]:
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{png}"}
        return {"role": "user", "content": [image, {"type": "input_text", "text": text}]}

    def said(self, answer: Answer) -> list[Any]:
        message = [{"role": "assistant", "content": answer.text}] if answer.text else []
        return [*answer.searches, *message] + [
            {"type": "function_call", "call_id": key, "name": name, "arguments": arguments}
            for key, name, arguments in answer.calls
        ]

    def results(self, answer: Answer, texts: list[str]) -> list[Any]:
        return [
            {"type": "function_call_output", "call_id": call[0], "output": text}
            for call, text in zip(answer.calls, texts, strict=True)
        ]

    def read(self, told: Any, answer: Answer) -> None:
        answer.id, answer.whole = told["id"], told["status"] == "completed"
        answer.text = ""
        for item in told["output"]:
            if item["type"] == "message":
                for part in item["content"]:
                    answer.text += part["text"]
                    answer.cite(part["annotations"])
            elif item["type"] == "web_search_call":
                answer.searches.append(item)
            elif item["type"] == "function_call":
                answer.calls.append([item["call_id"], item["name"], item["arguments"]])

    def event(self, event: Any, answer: Answer) -> None:
        match event:
            case {"type": "response.output_text.delta", "delta": delta}:
                answer.text += delta
            case {"type": "response.completed", "response": told}:
                streamed = answer.text
                self.read(told, answer)
                if streamed != answer.text:
                    answer.whole, answer.error = False, "the deltas are another text than the end"
            case {"type": "response.failed", "response": {"error": error}}:
                answer.error = str(error)
            case {"type": "error"}:
                answer.error = str(event)


class Messages:
    """Anthropic Messages."""

    name = "messages"
    path = "/v1/messages"

    def body(self, system: str, messages: list[Any]) -> dict[str, Any]:
        first = {"system": system} if system else {}
        return {**first, "messages": messages, "max_tokens": 30_000}

    def tools(self) -> dict[str, Any]:
        return {"tools": [{"name": "look", "description": "Look", "input_schema": PARAMETERS}]}

    def search(self) -> dict[str, Any]:
        return {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}

    def form(self) -> dict[str, Any]:
        return {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}

    def image(self, text: str, png: str) -> dict[str, Any]:
        source = {"type": "base64", "media_type": "image/png", "data": png}
        parts = [{"type": "image", "source": source}, {"type": "text", "text": text}]
        return {"role": "user", "content": parts}

    def said(self, answer: Answer) -> list[Any]:
        text = [{"type": "text", "text": answer.text}] if answer.text else []
        text = answer.searches + text
        calls = [
            {"type": "tool_use", "id": key, "name": name, "input": json.loads(arguments)}
            for key, name, arguments in answer.calls
        ]
        return [{"role": "assistant", "content": [*text, *calls]}]

    def results(self, answer: Answer, texts: list[str]) -> list[Any]:
        content = [
            {"type": "tool_result", "tool_use_id": call[0], "content": text}
            for call, text in zip(answer.calls, texts, strict=True)
        ]
        return [{"role": "user", "content": content}]

    def read(self, told: Any, answer: Answer) -> None:
        answer.id, answer.whole = told["id"], True
        for block in told["content"]:
            if block["type"] == "text":
                answer.text += block["text"]
                answer.cite(block.get("citations"))
            elif block["type"] == "tool_use":
                answer.calls.append([block["id"], block["name"], json.dumps(block["input"])])
            else:
                answer.searches.append(block)

    def event(self, event: Any, answer: Answer) -> None:
        match event:
            case {"type": "content_block_start", "content_block": block}:
                if block["type"] in ("tool_use", "server_tool_use"):
                    answer.calls.append([block["id"], block["name"], ""])
                if block["type"] not in ("text", "tool_use"):
                    answer.searches.append(block)
            case {"type": "content_block_delta", "delta": {"text": text}}:
                answer.text += text
            case {"type": "content_block_delta", "delta": {"citation": citation}}:
                answer.cite([citation])
            case {"type": "content_block_delta", "delta": {"partial_json": text}}:
                answer.calls[-1][2] += text
            case {"type": "content_block_stop"} if self._search_began(answer):
                # The API carries it out, so it is not one of the client's.
                answer.searches[-1]["input"] = json.loads(answer.calls.pop()[2])
            case {"type": "message_stop"}:
                answer.whole = True
            case {"type": "error"}:
                answer.error = str(event)

    @staticmethod
    def _search_began(answer: Answer) -> bool:
        """Whether the block in progress is the call of a search."""
        last = answer.searches[-1:]
        return bool(answer.calls and last and last[0].get("id") == answer.calls[-1][0])


class Completions:
    """OpenAI Completions, the legacy API: one text, and no conversation."""

    name = "completions"
    path = "/v1/completions"

    def body(self, system: str, messages: list[Any]) -> dict[str, Any]:
        return {"prompt": messages[-1]["content"]}

    def read(self, told: Any, answer: Answer) -> None:
        answer.text, answer.id, answer.whole = told["choices"][0]["text"], told["id"], True

    def event(self, event: Any, answer: Answer) -> None:
        if event == "[DONE]":
            answer.whole = True
            return
        answer.text += "".join(choice["text"] for choice in event["choices"])
