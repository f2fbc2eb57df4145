"""Measures how much of the input of typical loads Anthropic's prompt cache serves.

    python benchmarks/cache.py [--model sonnet] [--only WORDS] [--explain] [--write FILE]

The loads go through a real proxy and the real CLI. The demo API applies the documented rules of the
cache to each request that arrives, and records it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import report
from contenders import Demo, Server, claudeproxy, find_cli

from claudeproxy.demo.prompt_cache import Position, positions


Message = dict[str, Any]
TOOL = {
    "name": "read_file",
    "description": "Read a file of the project.",
    "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
# How the CLI's own notes in a conversation begin.
NOTES = {
    "# Environment": "the CLI's note about its environment",
    "Today's date": "the CLI's note about the date",
    "You are powered by": "the CLI's note about the model",
    "<system-reminder>": "the CLI's reminder (2.1.197)",
    "<local-command-": "the CLI's note about /clear",
    "<command-name>": "the CLI's note about /clear",
}


def prose(topic: str, tokens: int) -> str:
    """A text about something, of so many tokens as the demo API counts them."""
    sentences = (f"Sentence {number} says something about {topic}. " for number in range(tokens))
    text = ""
    while len(text) < 4 * tokens:
        text += next(sentences)
    return text[: 4 * tokens].strip()


def question(topic: str) -> str:
    """A user's turn of some 200 tokens; its answer, of some 150, is about the topic as well."""
    return f"{prose(topic, 50)} ECHO:{prose('the answer to ' + topic, 150)}"


@attrs.define
class Load:
    """The clients of one load, with a system prompt of their own.

    sent: what the clients asked, as it would be at the API itself. workers: which kind of process
    answered how often.
    """

    server: Server
    system: str
    model: str
    sent: list[dict[str, Any]] = attrs.field(factory=list)
    workers: Counter[str] = attrs.field(factory=Counter)

    @classmethod
    def new(cls, server: Server, name: str, model: str) -> Load:
        return cls(server, prose(f"the assistant of {name}", 3000), model)

    def ask(self, said: list[Message], *, tools: bool = False) -> Message:
        """The assistant's message that follows."""
        messages = [{"role": "system", "content": self.system}, *said]
        request: dict[str, Any] = {"model": self.model, "messages": messages}
        if tools:
            request["tools"] = [{"type": "function", "function": TOOL}]
        self.sent.append(as_api(self.system, said, tools=tools))
        answer = self._post("/v1/chat/completions", request)
        message: Message = answer["choices"][0]["message"]
        kept = ("role", "content", "tool_calls")
        return {name: message[name] for name in kept if message.get(name)}

    def search(self, said: list[Message], topic: str) -> None:
        """Ask something through Messages that the model searches the web for."""
        words = "_".join(topic.split())
        said.append({"role": "user", "content": f"{prose(topic, 50)} SEARCH:{words}"})
        request = {"tools": [SEARCH], "system": self.system, "messages": [*said]}
        self.sent.append(request)
        answer = self._post("/v1/messages", {"model": self.model, "max_tokens": 1000, **request})
        said.append({"role": "assistant", "content": answer["content"]})

    def _post(self, path: str, request: dict[str, Any]) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(request), headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"{response.status} {answer}")
        self.workers[response.headers["x-claudeproxy-worker"]] += 1
        return answer

    def turn(self, said: list[Message], topic: str) -> None:
        """Ask something more in a chat, and add both to it."""
        said.append({"role": "user", "content": question(topic)})
        said.append(self.ask(said))


def as_api(system: str, said: list[Message], *, tools: bool) -> dict[str, Any]:
    """The request that a client of Anthropic's API would send for the same conversation."""
    messages = []
    for message in said:
        if message["role"] == "tool":
            block = {"type": "tool_result", "tool_use_id": message["tool_call_id"]}
            messages.append({"role": "user", "content": [{**block, "content": message["content"]}]})
            continue
        blocks = [{"type": "text", "text": message["content"]}] if message.get("content") else []
        for call in message.get("tool_calls", ()):
            arguments = json.loads(call["function"]["arguments"])
            use = {"type": "tool_use", "id": call["id"], "name": call["function"]["name"]}
            blocks.append({**use, "input": arguments})
        messages.append({"role": message["role"], "content": blocks})
    listed = [{**TOOL, "input_schema": TOOL["parameters"]}] if tools else []
    return {"tools": listed, "system": system, "messages": messages}


# The loads


def chat(load: Load, name: str, turns: int) -> None:
    said: list[Message] = []
    for number in range(turns):
        load.turn(said, f"turn {number} of {name}")


def alone(load: Load) -> None:
    chat(load, "the chat", 20)


def at_once(load: Load) -> None:
    with ThreadPoolExecutor(12) as executor:
        list(executor.map(lambda number: chat(load, f"chat {number}", 8), range(12)))


def one_after_the_other(load: Load) -> None:
    for number in range(30):
        chat(load, f"chat {number}", 4)


def interleaved(load: Load) -> None:
    chats: list[list[Message]] = [[] for _ in range(30)]
    for turn in range(4):
        for number, said in enumerate(chats):
            load.turn(said, f"turn {turn} of chat {number}")


def agent(load: Load, *, lost_at: int | None = None) -> None:
    """Forty rounds, each with a result and words beside it."""

    def told(number: int) -> Message:
        path = json.dumps({"path": f"/project/module_{number}.py"})
        said = f"Round {number}: {prose(f'what to look for in round {number}', 20)}"
        return {"role": "user", "content": f"{said} CALL:read_file:{path}"}

    said: list[Message] = [told(0)]
    for number in range(1, 41):
        answer = load.ask(said, tools=True)
        [call] = answer["tool_calls"]
        said.append(answer)
        content = prose(f"module {number}", 200)
        said.append({"role": "tool", "tool_call_id": call["id"], "content": content})
        said.append(told(number))
        if number == lost_at:
            kill_processes(load.server)


def agent_that_loses_its_process(load: Load) -> None:
    agent(load, lost_at=20)


def agent_with_a_moving_message(load: Load) -> None:
    """Twenty rounds; the last message of each request is in the next one behind the results."""
    path = json.dumps({"path": "/project"})
    state = f"{prose('the state of the agent', 50)} CALL:read_file:{path}"
    context = {"role": "user", "content": state}
    said: list[Message] = [{"role": "user", "content": prose("the task", 50)}]
    for number in range(20):
        answer = load.ask([*said, context], tools=True)
        said.append(answer)
        for call in answer["tool_calls"]:
            content = prose(f"file {number}", 200)
            said.append({"role": "tool", "tool_call_id": call["id"], "content": content})


def kill_processes(server: Server) -> None:
    """Kill the CLI processes of a proxy, and wait until they are gone."""
    pids = [pid for pid in server.process.tree()[1:] if is_cli(pid)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for _ in range(500):
        if not any(is_cli(pid) for pid in pids):
            return
        time.sleep(0.01)
    raise RuntimeError("the processes do not end")


def is_cli(pid: int) -> bool:
    try:
        return b"stream-json" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def regenerated_and_edited(load: Load) -> None:
    said: list[Message] = []
    for number in range(20):
        load.turn(said, f"turn {number}")
        if number == 9:
            said.pop()
            said.append(load.ask(said))
            del said[-2:]
            load.turn(said, "turn 9, in other words")


def searches(load: Load) -> None:
    said: list[Message] = []
    for number in range(10):
        load.search(said, f"turn {number}")
        if number == 4:
            kill_processes(load.server)


def one_shots(load: Load) -> None:
    for number in range(20):
        load.turn([], f"question {number}")


@attrs.frozen
class Row:
    """What came of one load."""

    name: str
    total: int
    served: int
    common: int
    perfect: int
    marks: int
    workers: Counter[str]

    @property
    def lost(self) -> int:
        return self.total - self.served

    def markdown(self) -> str:
        answered = ", ".join(f"{count} {kind}" for kind, count in self.workers.most_common())
        shares = (self.served / self.total, self.common / self.total, self.served / self.common)
        shown = " | ".join(f"{100 * share:.1f} %" for share in shares)
        times = f"{self.lost / self.perfect:.2f}"
        return f"| {self.name} | {shown} | {times} | {self.marks} | {answered} |\n"


def recorded(demo: Demo, method: str = "GET") -> list[dict[str, Any]]:
    """The requests that the demo API answered, in their order; DELETE forgets them."""
    connection = http.client.HTTPConnection("127.0.0.1", demo.port)
    connection.request(method, "/requests")
    content = connection.getresponse().read()
    connection.close()
    requests = json.loads(content) if content else []
    return [one for one in requests if one["path"] == "/v1/messages" and one["status"] == 200]


def in_common(bodies: Iterable[dict[str, Any]]) -> Iterator[tuple[list[Position], int]]:
    """Of each body: its blocks, and how many at its beginning an earlier body began with."""
    known: set[bytes] = set()
    for body in bodies:
        prompt = positions(body)
        count = next(
            (n for n, at in enumerate(prompt) if at.digest not in known),
            len(prompt),
        )
        known.update(at.digest for at in prompt)
        yield prompt, count


def tokens_of(prompt: list[Position], count: int) -> int:
    return prompt[count - 1].tokens if count else 0


def row_of(name: str, load: Load, requests: list[dict[str, Any]]) -> Row:
    usages = [request["usage"] for request in requests]
    found = list(in_common(request["body"] for request in requests))
    perfect = in_common(load.sent)
    parts = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return Row(
        name=name,
        total=sum(usage[part] for usage in usages for part in parts),
        served=sum(usage["cache_read_input_tokens"] for usage in usages),
        common=sum(tokens_of(*one) for one in found),
        perfect=sum(prompt[-1].tokens - tokens_of(prompt, count) for prompt, count in perfect),
        marks=max(sum(1 for at in prompt if at.ttl) for prompt, _ in found),
        workers=load.workers,
    )


def explained(requests: list[dict[str, Any]]) -> str:
    """What the cache did not serve, by what it is; and the largest parts that it should have."""
    paid: Counter[str] = Counter()
    missed: list[tuple[int, str]] = []
    seen: set[str] = set()
    prompts = in_common(one["body"] for one in requests)
    for number, (request, (prompt, count)) in enumerate(zip(requests, prompts, strict=True)):
        read = request["usage"]["cache_read_input_tokens"]
        blocks = list(blocks_of(request["body"]))
        before = 0
        for (place, text), at in zip(blocks, prompt, strict=True):
            if at.tokens > read:
                paid[kind_of(place, text, new=text not in seen)] += at.tokens - before
            before = at.tokens
        seen.update(text for _, text in blocks)
        common = tokens_of(prompt, count)
        if common > read:
            first = next(n for n, at in enumerate(prompt) if at.tokens > read)
            place, text = blocks[first]
            missed.append((common - read, f"request {number + 1}, from {place} {text[:50]!r}"))
    lines = [f"    paid {tokens:7} tokens: {what}" for what, tokens in paid.most_common()]
    lines += [f"    missed {tokens:5} tokens: {what}" for tokens, what in sorted(missed)[-4:]]
    return "\n".join(lines)


def kind_of(place: str, text: str, *, new: bool) -> str:
    """What a block of a request is. new: no earlier request of the load had it."""
    if place.startswith(("tool ", "system ")):
        return "system prompt and tools"
    for start, kind in NOTES.items():
        if text.startswith(start):
            return kind
    return "the conversation, sent for the first time" if new else "the conversation, sent before"


def blocks_of(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The place and the text of each block, in the order of `positions`."""
    for tool in body.get("tools") or ():
        yield f"tool {tool['name']}", json.dumps(tool)
    for block in body["system"]:
        if not block["text"].startswith("x-anthropic-billing-header"):
            yield "system prompt", block["text"]
    for index, message in enumerate(body["messages"]):
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            text = block.get("text")
            if text is None:
                told = {name: value for name, value in block.items() if name != "cache_control"}
                text = json.dumps(told)
            yield f"message {index} ({message['role']})", text


def measure(
    demo: Demo, start: Callable[[], Server], model: str, only: str, *, explain: bool
) -> str:
    """All loads, or those with `only` in their names, one after the other, as a table."""
    server = start()
    rows: list[Row] = []

    def play(name: str, played: Callable[[Load], None]) -> None:
        if only not in name:
            return
        load = Load.new(server, name, model)
        recorded(demo, "DELETE")
        began = time.perf_counter()
        played(load)
        requests = recorded(demo)
        rows.append(row_of(name, load, requests))
        print(f"{time.perf_counter() - began:5.1f} s  {rows[-1].markdown()}", end="", flush=True)
        if explain:
            print(explained(requests), flush=True)

    def restarted(load: Load) -> None:
        nonlocal server
        said: list[Message] = []
        for number in range(10):
            if number == 5:
                server.process.stop()
                load.server = server = start()
            load.turn(said, f"turn {number}")

    try:
        play("a chat of 20 turns, alone", alone)
        play("12 chats of 8 turns at once, 8 processes", at_once)
        play("30 chats of 4 turns, one after the other", one_after_the_other)
        play("30 chats of 4 turns, interleaved", interleaved)
        play("an agent of 40 rounds, words beside each result", agent)
        play("the same, its process killed in the middle", agent_that_loses_its_process)
        play("an agent of 20 rounds, its last message moves", agent_with_a_moving_message)
        play("a chat of 20 turns, turn 10 regenerated and edited", regenerated_and_edited)
        play("20 one-shots, one system prompt", one_shots)
        play("10 turns with a web search each, the process killed in the middle", searches)
        play("a chat of 10 turns, the proxy restarted in the middle", restarted)
    finally:
        server.process.stop()
    head = (
        "| load | served | in common | served of that | paid | marks | answered by |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
    )
    return head + "".join(row.markdown() for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--cli", default="", help="the claude binary")
    parser.add_argument("--model", default="sonnet", help="the model that is asked for")
    parser.add_argument("--only", default="", help="only loads with these words in their names")
    parser.add_argument("--explain", action="store_true", help="show what was not served")
    parser.add_argument("--more", default="", help="more options of the proxy, in one text")
    parser.add_argument("--write", type=Path, help="a file whose table is replaced by the result")
    options = parser.parse_args()
    cli = find_cli(options.cli)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="claudeproxy-cache-", ignore_cleanup_errors=True) as at:
        homes = [Path(at) / name for name in ("demo", "proxy")]
        for home in homes:
            home.mkdir()
        demo = Demo.start(homes[0])
        try:
            table = measure(
                demo,
                lambda: claudeproxy(demo, cli.path, homes[1], *options.more.split()),
                options.model,
                options.only,
                explain=options.explain,
            )
        finally:
            demo.process.stop()
    about = report.about(cli.version)
    print(f"\n{about}\n\n{table}\n{time.perf_counter() - began:.0f} s in all")
    if options.write is not None:
        report.write(options.write, "cache", f"{about}\n\n{table}")


if __name__ == "__main__":
    sys.exit(main())
