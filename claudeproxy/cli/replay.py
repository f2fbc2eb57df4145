"""Writes the lines of a conversation to a process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from ..conversation import Block, Turn
from . import outgoing
from .marks import Marks
from .mcp import PREFIX
from .outbox import Outbox


# The model name of messages that the CLI wrote itself, such as "API Error: ..." (both versions).
SYNTHETIC = "<synthetic>"


class Replay:
    """The lines that a process has yet to get, and the marks of those that it got."""

    def __init__(self, outbox: Outbox) -> None:
        """There is nothing to send yet."""
        self.marks = Marks()
        self._outbox = outbox
        self._unsent: deque[Turn] = deque()
        self._messages = 0
        # The messages of the model since the newest question, and those that are to be sent again.
        self._heard: list[dict[str, Any]] = []
        self._again: deque[dict[str, Any]] = deque()

    def load(self, lines: Iterable[Turn], *, own: bool = False) -> None:
        """Set the lines that are to be sent. own: see `Plan`."""
        self._unsent = deque(lines)
        self._again = deque(self._heard if own and self._heard_all(self._unsent) else ())

    def _heard_all(self, lines: Iterable[Turn]) -> bool:
        """Whether the answers among the lines are what the model has said."""
        answers = [line for line in lines if line.role == "assistant"]
        # The CLI may have asked the model again by itself, so the number alone is not enough.
        return len(answers) == len(self._heard) and all(map(_is_same, answers, self._heard))

    def hear(self, line: Mapping[str, Any]) -> None:
        """Note what the model says: an `assistant` line has one or more blocks of a message."""
        message = line.get("message") or {}
        if line["type"] != "assistant" or message.get("model") in (None, SYNTHETIC):
            return
        if not self._heard or self._heard[-1]["id"] != message["id"]:
            self._heard.append({**message, "content": []})
        self._heard[-1]["content"] += message["content"]

    @property
    def thought(self) -> bool:
        """Whether the newest message of the model begins with its thinking."""
        content = self._heard[-1]["content"] if self._heard else []
        return bool(content) and content[0].get("type") in ("thinking", "redacted_thinking")

    def next_user_line(self) -> Turn | None:
        """Send the lines up to the next one of the user, and return that; None at the end."""
        while self._unsent:
            line = self._unsent.popleft()
            if line.role == "user":
                return line
            self._messages += 1
            own = self._again.popleft() if self._again else None
            self._outbox.send(outgoing.assistant_line(line, self._messages, own))
        return None

    @property
    def done(self) -> bool:
        """Whether there is nothing left to send."""
        return not self._unsent

    def history(self, line: Turn) -> None:
        """Send a past user line."""
        self._outbox.send(outgoing.history_line(line, self.marks.add(line)))

    def question(self, line: Turn) -> None:
        """Send the user line that the model is to answer."""
        self._heard.clear()
        self._outbox.send(outgoing.question_line(line, self.marks.add(line)))


def _is_same(line: Turn, message: Mapping[str, Any]) -> bool:
    """Whether the model said what a client has, apart from ids and white space."""
    return _said(line.blocks) == _said(message["content"])


def _said(blocks: Iterable[Block]) -> tuple[str, list[tuple[str, Any]]]:
    listed = list(blocks)
    text = "".join(block["text"] for block in listed if block["type"] == "text")
    calls = [
        (block["name"].removeprefix(PREFIX), block["input"])
        for block in listed
        if block["type"] == "tool_use"
    ]
    return "".join(text.split()), calls
