"""Conversations that go on, go back, or are replayed: what a request takes that has a history."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

import attrs
from contenders import Server


# A client does something between two requests, at least that long.
PAUSE = 0.2
TOOLS = [{"type": "function", "function": {"name": "look"}}]
# So many requests do not count: the first ones show what the client does.
FIRST = 2


def structured(server: Server, schemas: int) -> tuple[float, float]:
    """Median seconds to the first token of one-shots with one system prompt.

    Without a schema, and with a schema that the server has not seen before; in turn.
    """
    taken: dict[bool, list[float]] = {False: [], True: []}
    for number in range(FIRST + schemas):
        for with_schema in (False, True):
            name = f"property_{number}"
            schema = {"type": "object", "properties": {name: {"type": "integer"}}}
            described = {"name": "it", "schema": {**schema, "required": [name]}}
            form = {"response_format": {"type": "json_schema", "json_schema": described}}
            time.sleep(PAUSE)
            chat = Chat(server, said=[{"role": "system", "content": "You answer in JSON."}])
            seconds = chat.ask(user(f"number {number}"), **(form if with_schema else {}))
            if with_schema and name not in json.loads(chat.said[-1]["content"]):
                raise RuntimeError(f"the answer does not match: {chat.said[-1]}")
            if number >= FIRST:
                taken[with_schema].append(seconds)
    return statistics.median(taken[False]), statistics.median(taken[True])


@attrs.define
class Chat:
    """A conversation with claudeproxy, as its client has it.

    workers: how each request was served.
    """

    server: Server
    tools: bool = False
    said: list[dict[str, Any]] = attrs.field(factory=list)
    workers: list[str] = attrs.field(init=False, factory=list)

    def history(self, name: str, messages: int) -> None:
        """Take so many messages for the history, as if another server had answered."""
        roles = ("user", "assistant")
        self.said += [
            {"role": roles[number % 2], "content": f"{name} {number} {'history ' * 20}"}
            for number in range(messages)
        ]

    def ask(self, *messages: dict[str, Any], **more: Any) -> float:
        """Seconds to the first text of the answer to these messages, which is kept."""
        self.said += messages
        request = {"messages": self.said, **({"tools": TOOLS} if self.tools else {}), **more}
        began = time.perf_counter()
        text, call_id, arrived = "", "", None
        for at, delta in self.server.deltas(request):
            if delta.get("content"):
                arrived = arrived or at
                text += delta["content"]
            for call in delta.get("tool_calls", ()):
                call_id = call.get("id") or call_id
        if arrived is None:
            raise RuntimeError(f"no text after {len(self.said)} messages")
        answer: dict[str, Any] = {"role": "assistant", "content": text}
        if call_id:
            function = {"name": "look", "arguments": "{}"}
            answer["tool_calls"] = [{"id": call_id, "type": "function", "function": function}]
        self.said.append(answer)
        self.workers.append(self.server.worker)
        return arrived - began

    def result(self, text: str) -> dict[str, Any]:
        """The result of the newest answer's call."""
        (call,) = self.said[-1]["tool_calls"]
        return {"role": "tool", "tool_call_id": call["id"], "content": text}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def regenerated(server: Server, turns: int, at: int, count: int) -> float:
    """Median seconds to the first token of a turn's second answer, in the middle of a chat."""
    taken = []
    for number in range(count):
        chat = Chat(server)
        chat.history(f"chat {number}", 2 * turns - 2)
        chat.ask(user("ECHO:the last answer"))
        time.sleep(PAUSE)
        del chat.said[2 * at - 2 :]
        taken.append(chat.ask(user(f"ECHO:another answer {number}")))
        _expect(chat.workers[-1:], "rewound")
    return statistics.median(taken)


def replayed(server: Server, messages: int, count: int) -> float:
    """Median seconds to the first token with a history that only a fresh process can get."""
    taken = []
    for number in range(count):
        time.sleep(2.5)  # a spare is made while it is quiet
        system = {
            "role": "system",
            "content": f"You are number {number} of those that are replayed.",
        }
        chat = Chat(server, said=[system])
        chat.history("replayed", messages)
        taken.append(chat.ask(user("ECHO:after the history")))
        _expect(chat.workers, "claimed", "spawned")
    return statistics.median(taken)


def rounds_after(server: Server, messages: int, number: int) -> tuple[float, float]:
    """Median seconds to the first token of a continued turn, and of an agent's round with words.

    Both after so many messages, and with the same tools.
    """
    plain, words = Chat(server, tools=True), Chat(server, tools=True)
    plain.history(f"plain {messages}", messages - 2 * FIRST)
    words.history(f"words {messages}", messages - 2 * FIRST)
    taken: tuple[list[float], list[float]] = ([], [])
    # In turn, so that what else the machine does concerns both.
    for each in zip(_plain(plain), _with_words(words), range(FIRST + number), strict=False):
        taken[0].append(each[0])
        taken[1].append(each[1])
    _expect(plain.workers[FIRST:], "continued")
    _expect(words.workers[FIRST:], "continued")
    continued, worded = (statistics.median(each[FIRST:]) for each in taken)
    return continued, worded


def _plain(chat: Chat) -> Iterator[float]:
    for number in itertools.count():
        time.sleep(PAUSE)
        yield chat.ask(user(f"ECHO:turn {number}"))


def _with_words(chat: Chat) -> Iterator[float]:
    newest = [user("hello")]
    for number in itertools.count():
        time.sleep(PAUSE)
        yield chat.ask(*newest, tool_choice="required")
        newest = [chat.result(f"seen {number}"), user(f"It is round {number}.")]


def _expect(workers: list[str], *ways: str) -> None:
    if not set(workers) <= set(ways):
        raise RuntimeError(f"the requests were to be {' or '.join(ways)}, not {workers}")
