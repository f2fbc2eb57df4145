"""The stream-json protocol as a state machine: bytes in, events and bytes to write out.

    BLANK -> INITIALIZING -> IDLE -> (CLEARING ->) REPLAYING -> ANSWERING -> ENDING -> IDLE ...
                             IDLE -> SETTING_MODEL -> IDLE      ANSWERING <-> PARKED -> ENDING

A session is the proxy's side of the protocol with one CLI process. Its owner calls `initialize`,
`ask`, `resume` and `interrupt`, passes the CLI's output to `receive_data`, and writes the result of
`data_to_send` to the CLI. doc/cli-protocol.md describes the CLI as seen on 2.1.197 and 2.1.330.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from ..conversation import Limits, Profile, Turn, has_results
from ..errors import APIError, upstream_failed
from ..events import Event, Failed, Finished, ReasoningDelta, ReasoningSigned, TextDelta
from . import failures, incoming, mcp, outgoing
from .answer import MessageReader
from .calls import Calls
from .lines import LONGEST_LINE, BadLine, LineSplitter
from .naming import Names
from .notices import Notice, ProtocolViolation, Ready, TurnEnded
from .outbox import Outbox
from .state import AWAITING_ANSWER, State
from .stops import StopCutter
from .wrapped import needs_wrapper


# The model name of messages that the CLI wrote itself, such as "API Error: ..." (both versions).
SYNTHETIC = "<synthetic>"


class Session:
    """The proxy's side of the protocol with one CLI process."""

    def __init__(
        self, now: Callable[[], float], longest_retry: float, model: str, *, reasoning: bool = True
    ) -> None:
        """now: seconds since the epoch. longest_retry: the maximum delay before a retry by the CLI.

        model: the model that the process was started with, "" for the CLI's default. reasoning:
        whether to report the model's thinking.
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

    # Called by the owner

    def initialize(self, profile: Profile) -> None:
        """Set the profile of the process; a Ready follows."""
        assert self.state is State.BLANK
        self.state = State.INITIALIZING
        self._profile = profile
        self._names = Names(profile.tools)
        self._calls = Calls(self._names.tools)
        self._control("initialize", **outgoing.initialize(profile))
        if self._reasoning:
            self._control("apply_flag_settings", settings={"showThinkingSummaries": True})

    def ask(self, turns: Sequence[Turn], limits: Limits, *, clear: bool = False) -> None:
        """Replay all `turns` but the last, and ask the last: events follow, then a TurnEnded.

        clear: whether to send `/clear` first.
        """
        assert self.state is State.IDLE
        self._turns.extend(map(self._names.turn, turns))
        if limits.budgeted and has_results(turns[-1]):
            # The thinking before the tool calls is not part of the replayed history.
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
        """Continue the parked turn with its tool results: events follow, then a TurnEnded.

        limits: with the same model and effort as before, which cannot change during a turn.
        """
        assert self.state is State.PARKED
        if limits.budgeted and not outgoing.thinks(self._settings):
            # The calls came without thinking, so the API accepts no thinking after them.
            limits = attrs.evolve(limits, thinking=False)
        self._begin(limits)
        self._await_answer()
        for line in self._calls.answer(results):
            self._send(line)

    def clear(self) -> None:
        """Send `/clear` to the CLI; a TurnEnded follows."""
        assert self.state is State.IDLE
        self._clean = True
        self.state = State.CLEARING
        self._send(outgoing.CLEAR)

    def interrupt(self) -> None:
        """End the running turn, if there is one; only its TurnEnded follows, no more events."""
        if self.state in AWAITING_ANSWER or self.state is State.PARKED:
            self._turns.clear()
            if self.state is not State.SETTING_MODEL:
                self._cut_off()

    def data_to_send(self) -> bytes:
        """Return the bytes to write to the CLI's stdin now."""
        return self._outbox.take()

    # Output of the CLI

    def receive_data(self, data: bytes) -> list[Event | Notice]:
        """Take bytes of the CLI's stdout, split at any place."""
        try:
            for line in self._lines.feed(data):
                if self.state is State.BROKEN:
                    break
                if line.strip():
                    self._receive_line(line)
        except BadLine as error:
            self._break(str(error))
        return self._flush()

    def connection_lost(self, error: APIError) -> list[Event | Notice]:
        """The process has ended; error: sent to a client that still waits."""
        if self.state in AWAITING_ANSWER:
            self._out.append(Failed(error, worker_lost=True))
        self.state = State.BROKEN
        return self._flush()

    def _flush(self) -> list[Event | Notice]:
        out, self._out = self._out, []
        return out

    def _receive_line(self, line: bytes) -> None:
        message = incoming.read(line)
        if isinstance(message, str):
            if self.state is State.ANSWERING and (event := self._message.feed_text(message)):
                self._tell(event)
            return
        handler = _HANDLERS.get(str(message.get("type")))
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
                self._break(f"{subtype} was rejected: {response.get('error')}")
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
            # The CLI continues on its own, or the interrupt arrived before the message began.
            self._cut_off()
        if self.state is not State.ANSWERING:
            return
        if begins and self._message.has_content:
            # The CLI asks again: the connection to the API broke during the message, or the answer
            # does not match the schema (and the CLI ignored its limit of attempts).
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
            # The connection to the API broke after a complete call. The CLI made the call and would
            # wait for its result forever, while the client waits for the end of the message.
            self._fail(failures.BROKE_OFF, interrupt=True)

    def _tell(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            if text := self._stops.feed(event.text):
                self._out.append(event if text is event.text else TextDelta(text))
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
            # The CLI validates the answer now; a `result` line follows if it matches the schema.
            self._held = finished
            return
        self._out.append(finished)
        match finished.reason:
            case "tool_calls":
                self.state = State.PARKED
            case "length":
                # An interrupt often comes too late to prevent the CLI's next request.
                self.state = State.TRUNCATED
            case "stop":
                self._end(clean=True)
            case _:
                # After a refusal the CLI may ask again.
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
                self._break("a turn of the history was rejected")
            elif self._turns:
                self._replay()
            else:
                self.state = State.IDLE
                self._out.append(TurnEnded(clean=True))
            return
        if self.state is State.ANSWERING and self._held and not message.get("is_error"):
            self._out.append(self._held)
            # The process remembers a tool call where the client received text.
            self._end(clean=False)
        if self.state is State.ANSWERING:
            if message.get("is_error"):
                error = failures.from_result(message, self._plan_limit, self._now(), self._model)
            else:
                error = upstream_failed("The CLI ended the turn without an answer.")
            self._fail(error)
        if self.state is State.PARKED:
            # The CLI stopped waiting for the tool results.
            self._end(clean=False)
        if self.state is State.ENDING:
            self.state = State.IDLE
            self._calls.forget()
            clean, usage = self._clean and not message.get("is_error"), message.get("modelUsage")
            self._out.append(TurnEnded(clean, usage or {}))

    # Input of the CLI

    def _replay(self) -> None:
        """Write turns up to the next one that the CLI must confirm, or up to the last one.

        The CLI applies an assistant line at once but queues a user line, so everything after a user
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
        """Send the limits of the next answer that differ from those of the last one."""
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
