"""The CLI's side of a recording of a real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

from claudeproxy.cli.notices import Ready
from claudeproxy.cli.plan import Plan
from claudeproxy.conversation import Block, Limits, Profile, Tool, Turn, text_block

from .talk import Told, encoded, in_short, new_session, plain, written


RECORDINGS = Path(__file__).parent.parent / "recordings"
VERSIONS = ("2.1.197", "2.1.330")


@cache
def recording(version: str, name: str) -> list[dict[str, Any]]:
    lines = (RECORDINGS / version / f"{name}.jsonl").read_text("utf-8").splitlines()
    # Where both sides spoke at once a line may stand after later ones.
    return sorted(map(json.loads, lines), key=lambda line: float(line["t"]))


def turn_of(line: dict[str, Any]) -> Turn:
    # prompt-too-long has its 4.5 MB left out.
    message = line.get("message", {"role": "user", "content": "(elided)"})
    content = message["content"]
    blocks = [text_block(content)] if isinstance(content, str) else content
    return Turn(message["role"], tuple(blocks))


def tools_in(message: dict[str, Any]) -> list[dict[str, Any]]:
    match message:
        case {"response": {"response": {"mcp_response": {"result": {"tools": [*tools]}}}}}:
            return tools
    return []


class Player:
    """The CLI's side of a recording; does to a session what was done to the CLI.

    told: all that the session told. log: the same, with the kinds of the lines that it wrote
    among them. replies: what it answered to the CLI's MCP messages, by the requests' ids.
    """

    def __init__(
        self,
        version: str,
        name: str,
        sizes: Sequence[int] = (),
        rewrite: Callable[[dict[str, Any]], Iterable[Any]] = lambda message: (message,),
    ) -> None:
        """sizes: of the portions that the output comes in, again and again; none for lines.

        rewrite: what the CLI writes in place of a message.
        """
        self.session = new_session()
        self.told: list[Told] = []
        self.log: list[object] = []
        self._sizes = sizes
        self.replies: dict[str, Any] = {}
        # Requests beside the conversation: ours by their kind, and the recording's.
        self._sent: dict[str, list[str]] = {}
        self._asked: dict[str, tuple[str, int]] = {}
        self._called: dict[str, str] = {}
        self._results: list[Block] = []
        self._output: list[bytes] = []
        self._asked_up_to = -1
        self._lines = recording(version, name)
        for number, line in enumerate(self._lines):
            if line["dir"] == "out":
                self._note_call(line["msg"])
                self._output.append(encoded(*rewrite(self._with_our_ids(line["msg"]))))
            else:
                self._deliver()
                self._do(line["msg"], number)
                self._collect()
        self._deliver()

    @property
    def answer(self) -> list[object]:
        """All that was told after the Ready."""
        assert isinstance(self.told[0], Ready)
        return plain(self.told[1:])

    @property
    def writes(self) -> list[str]:
        """The kinds of all lines that were written."""
        return [item for item in self.log if isinstance(item, str)]

    def writes_after(self, event: Callable[[object], bool]) -> list[object]:
        """The kinds of the lines written after the first thing told that is such an event."""
        at = next(index for index, item in enumerate(self.log) if event(item))
        return [item for item in self.log[at + 1 :] if isinstance(item, str)]

    def _with_our_ids(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["type"] != "control_response":
            return message
        response = message["response"]
        kind, number = self._asked[response["request_id"]]
        ours = self._sent.get(kind, [])
        if number >= len(ours):
            # What was done there is not done by a session (any more).
            return message
        response = {**response, "request_id": ours[number]}
        return {**message, "response": response}

    def _do(self, message: dict[str, Any], number: int) -> None:
        if message.get("type") == "control_request":
            kind = message["request"]["subtype"]
            before = sum(kind == other for other, _ in self._asked.values())
            self._asked[message["request_id"]] = kind, before
        match message:
            case {"request": {"subtype": "initialize"} as wanted}:
                self.session.initialize(self._profile(wanted))
            case {"request": {"subtype": "interrupt"}}:
                self.session.interrupt()
            case {"type": "control_response", "response": response}:
                # A session answers all but a tool's call by itself.
                if response["request_id"] in self._called:
                    self._take_result(response)
            case _ if number > self._asked_up_to:
                self._ask(number)

    def _profile(self, wanted: dict[str, Any]) -> Profile:
        tools = [
            Tool(tool["name"], tool["description"], tool["inputSchema"])
            for line in self._lines
            for tool in tools_in(line["msg"])
        ]
        return Profile(wanted["systemPrompt"][0], tuple(tools), wanted.get("jsonSchema"))

    def _note_call(self, message: dict[str, Any]) -> None:
        match message:
            case {"request": {"message": {"method": "tools/call", "params": params}}}:
                self._called[message["request_id"]] = params["_meta"]["claudecode/toolUseId"]

    def _take_result(self, response: dict[str, Any]) -> None:
        """All results together are what a client sends."""
        use_id = self._called[response["request_id"]]
        content = response["response"]["mcp_response"]["result"]["content"]
        self._results.append({"type": "tool_result", "tool_use_id": use_id, "content": content})
        if len(self._results) == len(self._called):
            self.session.resume(Turn("user", tuple(self._results)), Limits(""))
            self._results.clear()
            self._called.clear()

    def _ask(self, first: int) -> None:
        """Everything from this line to the next question is one request to a session."""
        turns: list[Turn] = []
        limits, clear = Limits(""), False
        for number, line in enumerate(self._lines[first:], first):
            match line:
                case {"dir": "out"} | {"msg": {"type": "control_response"}}:
                    pass
                case {"msg": {"request": {"settings": {"env": env}}}}:
                    limits = Limits("", max_tokens=int(env["CLAUDE_CODE_MAX_OUTPUT_TOKENS"]))
                case {"msg": {"message": {"content": "/clear"}}}:
                    clear = True
                case {"msg": message}:
                    turns.append(turn_of(message))
                    if message.get("type") != "assistant" and message.get("shouldQuery", True):
                        self.session.ask(Plan(tuple(turns), clear=clear), limits)
                        self._asked_up_to = number
                        return

    def _deliver(self) -> None:
        """Everything that the CLI said up to here."""
        data, lines, self._output = b"".join(self._output), self._output, []
        for portion in self._cut(data) if self._sizes else lines:
            told = self.session.receive_data(portion)
            self.told += told
            self.log += plain(told)
            self._collect()

    def _cut(self, data: bytes) -> Iterable[bytes]:
        at = 0
        for size in cycle(self._sizes):
            if at >= len(data):
                return
            yield data[at : at + size]
            at += size

    def _collect(self) -> None:
        for message in written(self.session):
            self.log.append(in_short(message))
            match message:
                case {"response": {"request_id": request_id, "response": {"mcp_response": reply}}}:
                    self.replies[request_id] = reply
            if message["type"] == "control_request":
                kind = in_short(message)
                if "showThinkingSummaries" not in message["request"].get("settings", ()):
                    self._sent.setdefault(kind, []).append(message["request_id"])
