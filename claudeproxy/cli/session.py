"""The stream-json protocol as a state machine: bytes in, events and bytes to write out.

    BLANK -> INITIALIZING -> IDLE -> (CLEARING ->) REPLAYING -> ANSWERING -> ENDING -> IDLE ...

A session is one CLI process' side of the talk. Its owner tells it what to do (`initialize`, `ask`,
`interrupt`), feeds it what the CLI prints (`receive_data`) and writes what it wants written
(`data_to_send`). How the CLI behaves was seen on 2.1.197 and 2.1.330; doc/cli-protocol.md has it.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, TypeAlias

import attrs

from ..conversation import Limits, Profile, Turn
from ..errors import APIError, upstream_failed
from ..events import Event, Failed, Finished
from . import failures, outgoing
from .answer import MessageReader
from .lines import LineSplitter, LineTooLong


# An image of 32 MB in base64, echoed once, with room to spare.
LONGEST_LINE = 64 * 1024 * 1024


class State(Enum):
    """Where a session stands; the module's docstring draws the way through them."""

    BLANK = auto()
    INITIALIZING = auto()
    IDLE = auto()
    CLEARING = auto()
    REPLAYING = auto()
    ANSWERING = auto()
    # The client has its answer; the CLI has yet to say that its turn is over.
    ENDING = auto()
    BROKEN = auto()


# A client waits for an answer.
_ASKED = (State.CLEARING, State.REPLAYING, State.ANSWERING)


@attrs.frozen
class Ready:
    """The CLI is initialised. `models` and `account` are as its initialize response has them."""

    models: Sequence[Mapping[str, Any]]
    account: Mapping[str, Any]

    @property
    def logged_in(self) -> bool:
        """Whether there is a login or a key; not whether it is good."""
        none = (None, "none")
        return (
            self.account.get("tokenSource") not in none
            or self.account.get("apiKeySource") not in none
            or "email" in self.account
        )


@attrs.frozen
class TurnOver:
    """The CLI is idle again. `clean`: what it remembers is just what the client was told."""

    clean: bool


@attrs.frozen
class Broken:
    """The CLI said something that makes no sense here; it must not be used any more."""

    reason: str


Notice: TypeAlias = Ready | TurnOver | Broken


class Session:
    """One CLI process' side of the protocol."""

    def __init__(self, now: Callable[[], float], longest_retry: float, model: str) -> None:
        """now: the epoch's seconds. longest_retry: seconds a retry of the CLI's may sleep for.

        model: the one that the process was started with, "" for the CLI's own choice.
        """
        self.state = State.BLANK
        self._now = now
        self._longest_retry = longest_retry
        self._lines = LineSplitter(LONGEST_LINE)
        self._to_send: list[bytes] = []
        self._out: list[Event | Notice] = []
        self._requests = 0
        self._messages = 0
        self._pending: dict[str, str] = {}
        self._turns: deque[Turn] = deque()
        self._limits = self._settled = Limits(model)
        self._message = MessageReader()
        self._plan_limit: Mapping[str, Any] | None = None
        self._clean = True

    # What the owner asks

    def initialize(self, profile: Profile) -> None:
        """Fix what this process is for; a Ready follows."""
        assert self.state is State.BLANK
        self.state = State.INITIALIZING
        # [""] is no system prompt at all; without the key the CLI would use its own.
        self._control("initialize", systemPrompt=[profile.system])

    def ask(self, turns: Sequence[Turn], limits: Limits, *, clear: bool = False) -> None:
        """Replay all `turns` but the last and have the last answered: events, then a TurnOver.

        clear: what the process remembers of earlier turns is forgotten first.
        """
        assert self.state is State.IDLE
        self._turns.extend(turns)
        self._limits = limits
        self._clean = True
        self._plan_limit = None
        if clear:
            self.clear()
        else:
            self.state = State.REPLAYING
            self._replay()

    def clear(self) -> None:
        """Forget all turns; a TurnOver follows."""
        assert self.state is State.IDLE
        self._clean = True
        self.state = State.CLEARING
        self._send(outgoing.CLEAR)

    def interrupt(self) -> None:
        """End the running turn, if there is one; no more events of it come, only its TurnOver."""
        if self.state in _ASKED:
            self._turns.clear()
            self._end(clean=False)
            self._control("interrupt")

    def data_to_send(self) -> bytes:
        """What is to be written to the CLI's stdin now."""
        data = b"".join(self._to_send)
        self._to_send.clear()
        return data

    # What the CLI says

    def receive_data(self, data: bytes) -> list[Event | Notice]:
        """Take bytes of the CLI's stdout, in any portions."""
        try:
            for line in self._lines.feed(data):
                if self.state is State.BROKEN:
                    break
                if line.strip():
                    self._receive_line(line)
        except LineTooLong as error:
            self._break(str(error))
        return self._flush()

    def connection_lost(self, error: APIError) -> list[Event | Notice]:
        """The CLI is gone; `error` is what a client that still waits is told."""
        if self.state in _ASKED:
            self._out.append(Failed(error, worker_lost=True))
        self.state = State.BROKEN
        return self._flush()

    def _flush(self) -> list[Event | Notice]:
        out, self._out = self._out, []
        return out

    def _receive_line(self, line: bytes) -> None:
        try:
            message = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError):
            self._break("a line that is not JSON")
            return
        handler = _HANDLERS.get(str(message.get("type"))) if isinstance(message, dict) else None
        if handler is None:
            return
        try:
            handler(self, message)
        except (KeyError, TypeError, AttributeError) as error:
            self._break(f"a {message['type']} line of unknown shape: {error!r}")

    def _control_response(self, message: Mapping[str, Any]) -> None:
        response = message["response"]
        subtype = self._pending.pop(response.get("request_id", ""), None)
        if response.get("subtype") != "success":
            if subtype is not None:
                self._break(f"{subtype} refused: {response.get('error')}")
        elif subtype == "initialize":
            self.state = State.IDLE
            told = response["response"]
            self._out.append(Ready(told.get("models", ()), told.get("account", {})))

    def _control_request(self, message: Mapping[str, Any]) -> None:
        self._send(outgoing.control_refusal(message["request_id"]))

    def _stream_event(self, message: Mapping[str, Any]) -> None:
        if message.get("parent_tool_use_id") is not None:
            return
        event = message["event"]
        if self.state is State.ENDING and event["type"] == "message_start":
            # The CLI goes on by itself, or an interrupt came before what it was meant for.
            self._clean = False
            self._control("interrupt")
        if self.state is not State.ANSWERING:
            return
        if event["type"] == "message_start" and self._message.has_content:
            # The connection to the API broke in the middle and the CLI has begun anew.
            self._fail(upstream_failed("The connection to Anthropic's API broke mid-answer."))
            self._control("interrupt")
            return
        for told in self._message.feed(event):
            self._out.append(told)
            if isinstance(told, Finished):
                self._finish(told)

    def _finish(self, finished: Finished) -> None:
        # After max_tokens or a refusal the CLI would ask the model to go on or to try again.
        complete = finished.reason == "stop"
        self._end(clean=complete)
        if not complete:
            self._control("interrupt")

    def _system(self, message: Mapping[str, Any]) -> None:
        if (
            message.get("subtype") == "api_retry"
            and self.state is State.ANSWERING
            and message.get("retry_delay_ms", 0) > self._longest_retry * 1000
        ):
            self._fail(failures.from_retry(message))
            self._control("interrupt")

    def _rate_limit_event(self, message: Mapping[str, Any]) -> None:
        self._plan_limit = message["rate_limit_info"]

    def _result(self, message: Mapping[str, Any]) -> None:
        if self.state in (State.CLEARING, State.REPLAYING):
            if message.get("is_error"):
                self._break("a turn of the history was refused")
            elif self._turns:
                self.state = State.REPLAYING
                self._replay()
            else:
                self.state = State.IDLE
                self._out.append(TurnOver(clean=True))
            return
        if self.state is State.ANSWERING:
            if message.get("is_error"):
                error = failures.from_result(message, self._plan_limit, self._now())
            else:
                error = upstream_failed("The CLI ended the turn without an answer.")
            self._fail(error)
        if self.state is State.ENDING:
            self.state = State.IDLE
            self._out.append(TurnOver(self._clean and not message.get("is_error")))

    # What is written

    def _replay(self) -> None:
        """Write turns up to the next one that the CLI must confirm, or the one to be answered.

        An assistant line is applied at once but a user line is queued, so anything after a user
        line must wait for its `result`.
        """
        while self._turns:
            turn = self._turns.popleft()
            if turn.role == "assistant":
                self._messages += 1
                self._send(outgoing.assistant_line(turn, self._messages))
            elif self._turns:
                self._send(outgoing.history_line(turn))
                return
            else:
                self._settle()
                self._message = MessageReader()
                self.state = State.ANSWERING
                self._send(outgoing.question_line(turn))

    def _settle(self) -> None:
        """Set what bounds the next answer, where it differs from what bounded the last one."""
        wanted, settled = self._limits, self._settled
        if wanted.model != settled.model:
            self._control("set_model", model=wanted.model)
        env = outgoing.limits_env(wanted)
        if env != outgoing.limits_env(settled):
            self._control("apply_flag_settings", settings={"env": env})
        self._settled = wanted

    def _control(self, subtype: str, **request: Any) -> None:
        self._requests += 1
        request_id = f"claudeproxy-{self._requests}"
        self._pending[request_id] = subtype
        self._send(outgoing.control_request(request_id, subtype, request))

    def _send(self, line: bytes) -> None:
        self._to_send.append(line)

    # How a turn ends

    def _fail(self, error: APIError) -> None:
        self._out.append(Failed(error))
        self._end(clean=False)

    def _end(self, *, clean: bool) -> None:
        self._clean = clean
        self.state = State.ENDING

    def _break(self, reason: str) -> None:
        if self.state is State.BROKEN:
            return
        if self.state in _ASKED:
            error = upstream_failed("The CLI broke the protocol; see the log.")
            self._out.append(Failed(error, worker_lost=True))
        self.state = State.BROKEN
        self._out.append(Broken(reason))


_HANDLERS: dict[str, Callable[[Session, Mapping[str, Any]], None]] = {
    "control_response": Session._control_response,
    "control_request": Session._control_request,
    "stream_event": Session._stream_event,
    "system": Session._system,
    "rate_limit_event": Session._rate_limit_event,
    "result": Session._result,
}
