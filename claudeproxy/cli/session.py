"""The stream-json protocol as a state machine: bytes in, events and bytes to write out.

    BLANK -> INITIALIZING -> IDLE -> (CLEARING ->) REPLAYING -> ANSWERING -> ENDING -> IDLE ...
                             IDLE -> SETTING_MODEL -> IDLE      ANSWERING <-> PARKED -> ENDING

A session is one CLI process' side of the talk. Its owner tells it what to do (`initialize`, `ask`,
`resume`, `interrupt`), feeds it what the CLI prints (`receive_data`) and writes what it wants
written (`data_to_send`). How the CLI behaves was seen on 2.1.197 and 2.1.330: doc/cli-protocol.md.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from ..conversation import Limits, Profile, Turn, has_results
from ..errors import APIError, upstream_failed
from ..events import Event, Failed, Finished, ReasoningDelta, ReasoningSigned, TextDelta
from . import failures, mcp, outgoing
from .answer import MessageReader
from .calls import Calls
from .lines import LONGEST_LINE, LineSplitter, LineTooLong
from .naming import Names
from .notices import Notice, ProtocolViolation, Ready, TurnEnded
from .outbox import Outbox
from .state import AWAITING_ANSWER, State
from .stops import StopCutter
from .wrapped import needs_wrapper


# What the CLI calls the model of its own words, as "API Error: ..." (both versions).
SYNTHETIC = "<synthetic>"


class Session:
    """One CLI process' side of the protocol."""

    def __init__(
        self, now: Callable[[], float], longest_retry: float, model: str, *, reasoning: bool = True
    ) -> None:
        """now: the epoch's seconds. longest_retry: seconds a retry of the CLI's may sleep for.

        model: the one that the process was started with, "" for the CLI's own choice. reasoning:
        whether to tell what the model thinks.
        """
        self.state = State.BLANK
        self._now = now
        self._longest_retry = longest_retry
        self._reasoning = reasoning
        self._profile = Profile()
        self._names = Names()
        self._calls = Calls()
        self._lines = LineSplitter(LONGEST_LINE)
        self._outbox = Outbox()
        self._send, self._control = self._outbox.send, self._outbox.control
        self._out: list[Event | Notice] = []
        self._messages = 0
        self._turns: deque[Turn] = deque()
        self._limits = Limits(model)
        self._model = model
        self._settings = outgoing.flag_settings(self._limits, Profile())
        self._message = MessageReader()
        self._stops = StopCutter()
        self._held: Finished | None = None
        self._plan_limit: Mapping[str, Any] | None = None
        self._clean = True
        self._clear_first = False

    # What the owner asks

    def initialize(self, profile: Profile) -> None:
        """Fix what this process is for; a Ready follows."""
        assert self.state is State.BLANK
        self.state = State.INITIALIZING
        self._profile = profile
        self._names = Names(profile.tools)
        self._calls = Calls(self._names.tools)
        self._control("initialize", **outgoing.initialize(profile))
        if self._reasoning:
            self._control("apply_flag_settings", settings={"showThinkingSummaries": True})

    def ask(self, turns: Sequence[Turn], limits: Limits, *, clear: bool = False) -> None:
        """Replay all `turns` but the last and have the last answered: events, then a TurnOver.

        clear: what the process remembers of earlier turns is forgotten first.
        """
        assert self.state is State.IDLE
        self._turns.extend(map(self._names.turn, turns))
        if limits.budgeted and has_results(turns[-1]):
            # What the model thought before its calls is not among what is replayed.
            limits = attrs.evolve(limits, thinking=False)
        self._begin(limits)
        self._clear_first = clear
        if limits.unlisted and limits.model != self._model:
            # If the API does not know it, the CLI would have another model answer.
            self.state = State.SETTING_MODEL
            self._control("set_model", model=limits.model)
        elif clear:
            self.clear()
        else:
            self._replay()

    def resume(self, results: Turn, limits: Limits) -> None:
        """Go on with the turn that waits for these tool results: events, then a TurnOver.

        limits: of the same model and effort as before, which a running turn does not change.
        """
        assert self.state is State.PARKED
        if limits.budgeted and not outgoing.thinks(self._settings):
            # The calls came without thoughts, so the API takes none after them.
            limits = attrs.evolve(limits, thinking=False)
        self._begin(limits)
        self._await_answer()
        for line in self._calls.answer(results):
            self._send(line)

    def clear(self) -> None:
        """Forget all turns; a TurnOver follows."""
        assert self.state is State.IDLE
        self._clean = True
        self.state = State.CLEARING
        self._send(outgoing.CLEAR)

    def interrupt(self) -> None:
        """End the running turn, if there is one; no more events of it come, only its TurnOver."""
        if self.state in AWAITING_ANSWER or self.state is State.PARKED:
            self._turns.clear()
            if self.state is not State.SETTING_MODEL:
                self._cut_off()

    def data_to_send(self) -> bytes:
        """What is to be written to the CLI's stdin now."""
        return self._outbox.take()

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
        if self.state in AWAITING_ANSWER:
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
        subtype = self._outbox.answered(response)
        if self.state is State.SETTING_MODEL and subtype == "set_model":
            self._model_answered(response)
        elif response.get("subtype") != "success":
            if subtype is not None:
                self._break(f"{subtype} refused: {response.get('error')}")
        elif subtype == "initialize":
            self.state = State.IDLE
            told = response["response"]
            self._out.append(Ready(told.get("models", ()), told.get("account", {})))

    def _model_answered(self, response: Mapping[str, Any]) -> None:
        self.state, wanted = State.IDLE, self._limits.model
        if response.get("subtype") == "success":
            self._model = wanted
        elif self._turns:
            self._turns.clear()
            self._out.append(Failed(failures.from_model_refusal(response, wanted)))
        if not self._turns:
            self._out.append(TurnEnded(clean=False))
        elif self._clear_first:
            self.clear()
        else:
            self._replay()

    def _control_request(self, message: Mapping[str, Any]) -> None:
        request_id, request = message["request_id"], message["request"]
        if request["subtype"] == "mcp_message" and request["server_name"] == mcp.SERVER:
            for line in self._calls.receive(request_id, request["message"]):
                self._send(line)
        else:
            self._send(outgoing.control_refusal(request_id))

    def _stream_event(self, message: Mapping[str, Any]) -> None:
        if message.get("parent_tool_use_id") is not None:
            return
        event = message["event"]
        begins = event["type"] == "message_start"
        if begins and self.state in (State.ENDING, State.PARKED):
            # The CLI goes on by itself, or an interrupt came before what it was meant for.
            self._cut_off()
        if self.state is not State.ANSWERING:
            return
        if begins and self._message.has_content:
            # The CLI has begun anew: the connection to the API broke in the middle, or what the
            # model gave it does not fit the schema (and it takes no notice of how often it may).
            if not self._held or self._message.corrections >= outgoing.corrections(self._limits):
                error = failures.DOES_NOT_FIT if self._held else failures.BROKE_OFF
                self._fail(error, interrupt=True)
                return
            self._held = None
        for told in self._message.feed(event):
            if self.state is State.ANSWERING:
                self._tell(told)

    def _assistant(self, message: Mapping[str, Any]) -> None:
        made_up = message.get("message", {}).get("model") == SYNTHETIC
        if made_up and self.state is State.ANSWERING and self._message.has_calls:
            # The connection to the API broke after a call was complete: the CLI has made it, and
            # would wait for its results for ever, while the client waits for the message's end.
            self._fail(failures.BROKE_OFF, interrupt=True)

    def _tell(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            if text := self._stops.feed(event.text):
                self._out.append(TextDelta(text))
            if stop := self._stops.found:
                self._out.append(Finished("stop", self._message.usage(), "stop_sequence", stop))
                self._cut_off()
            return
        if isinstance(event, ReasoningDelta | ReasoningSigned) and not self._reasoning:
            return
        if rest := self._stops.flush():
            self._out.append(TextDelta(rest))
        if isinstance(event, Finished):
            self._finish(event)
        else:
            self._out.append(event)

    def _finish(self, finished: Finished) -> None:
        if self._message.has_output and finished.reason == "stop":
            # The CLI holds it against the schema now; the `result` says that it fits.
            self._held = finished
            return
        self._out.append(finished)
        match finished.reason:
            case "tool_calls":
                self.state = State.PARKED
            case "length":
                # An interrupt comes too late as often as not.
                self.state = State.TRUNCATED
            case "stop":
                self._end(clean=True)
            case _:
                # After a refusal the CLI may try again.
                self._cut_off()

    def _system(self, message: Mapping[str, Any]) -> None:
        if self.state is not State.ANSWERING:
            return
        match message.get("subtype"):
            case "api_retry" if message.get("retry_delay_ms", 0) > self._longest_retry * 1000:
                self._fail(failures.from_retry(message), interrupt=True)
            case "init" if self._profile.output_schema is not None:
                if outgoing.STRUCTURED_OUTPUT not in message.get("tools", ()):
                    self._fail(failures.UNUSABLE_SCHEMA, interrupt=True)

    def _rate_limit_event(self, message: Mapping[str, Any]) -> None:
        # It comes only when something has changed, so it holds for later turns too.
        self._plan_limit = message["rate_limit_info"]

    def _result(self, message: Mapping[str, Any]) -> None:
        if self.state in (State.CLEARING, State.REPLAYING):
            if message.get("is_error"):
                self._break("a turn of the history was refused")
            elif self._turns:
                self._replay()
            else:
                self.state = State.IDLE
                self._out.append(TurnEnded(clean=True))
            return
        if self.state is State.ANSWERING and self._held and not message.get("is_error"):
            self._out.append(self._held)
            # It remembers a call where the client has a text.
            self._end(clean=False)
        if self.state is State.ANSWERING:
            if message.get("is_error"):
                error = failures.from_result(message, self._plan_limit, self._now(), self._model)
            else:
                error = upstream_failed("The CLI ended the turn without an answer.")
            self._fail(error)
        if self.state is State.PARKED:
            # The CLI gave up waiting.
            self._end(clean=False)
        if self.state is State.ENDING:
            self.state = State.IDLE
            self._calls.forget()
            clean, usage = self._clean and not message.get("is_error"), message.get("modelUsage")
            self._out.append(TurnEnded(clean, usage or {}))

    # What is written

    def _replay(self) -> None:
        """Write turns up to the next one that the CLI must confirm, or the one to be answered.

        An assistant line is applied at once but a user line is queued, so anything after a user
        line must wait for its `result`.
        """
        self.state = State.REPLAYING
        while self._turns:
            turn = self._turns.popleft()
            if turn.role == "assistant":
                self._messages += 1
                self._send(outgoing.assistant_line(turn, self._messages))
            elif self._turns:
                self._send(outgoing.history_line(turn))
                return
            else:
                self._await_answer()
                self._send(outgoing.question_line(turn))

    def _begin(self, limits: Limits) -> None:
        self._limits = self._names.limits(limits)
        self._clean = True

    def _await_answer(self) -> None:
        self._apply_limits()
        schema = self._profile.output_schema
        structured = schema is not None
        self._message = MessageReader(
            self._names, structured=structured, unwrap=needs_wrapper(schema)
        )
        # A value that is cut off fits no schema.
        self._stops = StopCutter(() if structured else self._limits.stop)
        self._held = None
        self.state = State.ANSWERING

    def _apply_limits(self) -> None:
        """Set what bounds the next answer, where it differs from what bounded the last one."""
        wanted = self._limits
        if wanted.model != self._model:
            self._control("set_model", model=wanted.model)
        settings = outgoing.flag_settings(wanted, self._profile)
        if settings != self._settings:
            self._control("apply_flag_settings", settings=settings)
        self._model, self._settings = wanted.model, settings

    # How a turn ends

    def _cut_off(self) -> None:
        self._end(clean=False)
        self._control("interrupt")

    def _fail(self, error: APIError, *, interrupt: bool = False) -> None:
        self._out.append(Failed(error))
        self._cut_off() if interrupt else self._end(clean=False)

    def _end(self, *, clean: bool) -> None:
        self._clean = clean
        self.state = State.ENDING

    def _break(self, reason: str) -> None:
        if self.state is State.BROKEN:
            return
        if self.state in AWAITING_ANSWER:
            error = upstream_failed("The CLI broke the protocol; see the log.")
            self._out.append(Failed(error, worker_lost=True))
        self.state = State.BROKEN
        self._out.append(ProtocolViolation(reason))


_HANDLERS: dict[str, Callable[[Session, Mapping[str, Any]], None]] = {
    "control_response": Session._control_response,
    "control_request": Session._control_request,
    "stream_event": Session._stream_event,
    "assistant": Session._assistant,
    "system": Session._system,
    "rate_limit_event": Session._rate_limit_event,
    "result": Session._result,
}
