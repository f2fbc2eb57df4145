"""The four APIs, as soak.py's clients use them: how to ask, and how to read what comes."""

from __future__ import annotations

import json
from typing import Any

import attrs


PARAMETERS = {"type": "object", "properties": {"tag": {"type": "string"}}, "required": ["tag"]}
SCHEMA = {**PARAMETERS, "additionalProperties": False}


@attrs.define
class Answer:
    """What has come of an answer until now. calls: id, name and arguments of each."""

    text: str = ""
    calls: list[list[str]] = attrs.field(factory=list)
    id: str = ""
    whole: bool = False
    error: str = ""

    def called(self) -> str:
        """The calls without their ids, to compare."""
        return json.dumps([[name, json.loads(arguments)] for _, name, arguments in self.calls])


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

    def form(self) -> dict[str, Any]:
        return {"text": {"format": {"type": "json_schema", "name": "form", "schema": SCHEMA}}}

    def image(self, text: str, png: str) -> dict[str, Any]:
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{png}"}
        return {"role": "user", "content": [image, {"type": "input_text", "text": text}]}

    def said(self, answer: Answer) -> list[Any]:
        message = [{"role": "assistant", "content": answer.text}] if answer.text else []
        return message + [
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
                answer.text += "".join(part["text"] for part in item["content"])
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

    def form(self) -> dict[str, Any]:
        return {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}

    def image(self, text: str, png: str) -> dict[str, Any]:
        source = {"type": "base64", "media_type": "image/png", "data": png}
        parts = [{"type": "image", "source": source}, {"type": "text", "text": text}]
        return {"role": "user", "content": parts}

    def said(self, answer: Answer) -> list[Any]:
        text = [{"type": "text", "text": answer.text}] if answer.text else []
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
            elif block["type"] == "tool_use":
                answer.calls.append([block["id"], block["name"], json.dumps(block["input"])])

    def event(self, event: Any, answer: Answer) -> None:
        match event:
            case {"type": "content_block_start", "content_block": {"type": "tool_use"} as block}:
                answer.calls.append([block["id"], block["name"], ""])
            case {"type": "content_block_delta", "delta": {"text": text}}:
                answer.text += text
            case {"type": "content_block_delta", "delta": {"partial_json": text}}:
                answer.calls[-1][2] += text
            case {"type": "message_stop"}:
                answer.whole = True
            case {"type": "error"}:
                answer.error = str(event)


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
