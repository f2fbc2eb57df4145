"""What the demo API saw of an agent's last request, from its answer to `SEEN`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


# What claudeproxy puts before the text of a system message in the middle of a conversation.
MARK = "<system_message>\n"


class Seen:
    """A request that reached the API."""

    def __init__(self, answer: str) -> None:
        """answer: what the agent printed, which is this request as JSON."""
        body = json.JSONDecoder().raw_decode(answer, answer.index('{"system"'))[0]
        self.model: str = body["model"]
        # What is in front of a name is the CLI's.
        self.tools = {name.removeprefix("mcp__client__") for name in body["tools"]}
        self._system = body["system"]
        self._messages: list[dict[str, Any]] = body["messages"]

    def blocks(self, *roles: str, kind: str) -> list[dict[str, Any]]:
        """The content blocks of one kind, those of one role only if it is told which."""
        return [
            block
            for message in self._messages
            if not roles or message["role"] in roles
            for block in _blocks(message["content"])
            if block["type"] == kind
        ]

    def texts(self, *roles: str) -> list[str]:
        return [block["text"] for block in self.blocks(*roles, kind="text")]

    @property
    def instructions(self) -> str:
        """All that the model was told by the agent itself: the system prompt, and such messages."""
        system = [block["text"] for block in _blocks(self._system)]
        marked = [text for text in self.texts("user") if text.startswith(MARK)]
        return "\n".join([*system, *self.texts("system"), *marked])

    @property
    def prompts(self) -> list[str]:
        """What the user said, without system messages that stand in a user's turn."""
        return [text for text in self.texts("user") if not text.startswith(MARK)]

    @property
    def calls(self) -> list[tuple[str, Any]]:
        """The name and arguments of each call."""
        calls = self.blocks(kind="tool_use")
        return [(call["name"].removeprefix("mcp__client__"), call["input"]) for call in calls]

    @property
    def results(self) -> list[str]:
        """The text of each call's result."""
        return ["".join(b["text"] for b in of if b["type"] == "text") for of in self._results()]

    @property
    def images(self) -> list[dict[str, Any]]:
        """The sources of all images, those in results too."""
        own = self.blocks(kind="image")
        inner = [
            block for blocks in self._results() for block in blocks if block["type"] == "image"
        ]
        return [block["source"] for block in [*own, *inner]]

    def _results(self) -> Iterator[list[dict[str, Any]]]:
        for result in self.blocks(kind="tool_result"):
            yield _blocks(result.get("content"))


def _blocks(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content or []
