"""The stream-json protocol as a state machine: bytes in, events and bytes to write out.

The owner of a session calls `initialize`, `ask`, `resume`, `prepare`, `count`, `ask_usage` and
`interrupt`, passes the CLI's output to `receive_data`, and writes the result of `data_to_send` to
the CLI. The module `state` has the table of its states; doc/cli-protocol.md describes the CLI.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from ..conversation import Limits, Profile, Turn, answers_calls
from ..errors import APIError
from ..events import Event, Failed
from . import failures, notices, outgoing, usage
from .calls import Calls
from .incoming import Incoming
from .lines import BadLine
from .marks import REWIND
from .naming import Names
from .notices import Notice, TurnEnded
from .outbox import Outbox
from .plan import Plan
from .readers import turn_reader
from .replay import Replay
from .state import Happening, ProtocolError, State, following, require
from .turn_reader import Ending
from .turn_settings import TurnSettings


_Step: TypeAlias = Callable[[], None]


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
        # Whether the process must be killed, or it might send a request that nobody wants.
        self.doomed = False
        self._now = now
        self._longest_retry = longest_retry
        self._reasoning = reasoning
        self._profile = Profile()
        self._names = Names()
        self._calls = Calls()
        self._incoming = Incoming()
        self._outbox = Outbox()
        self._send, self._control = self._outbox.send, self._outbox.control
        self._out: list[Event | Notice] = []
        self._replay = Replay(self._outbox)
        self._marks = self._replay.marks
        self.settings = TurnSettings(self._outbox, model)
        self._plan = Plan()
        # What is left to do of the plan.
        self._steps: deque[_Step] = deque()
        self._back_to = 0
        # Whether a client waits for an answer.
        self._asked = False
        self._limits = Limits(model)
        self._read_answer()
        self._plan_limit: Mapping[str, Any] | None = None
        self._clean = True

    # Called by the owner

    def initialize(self, profile: Profile) -> None:
        """Set the profile of the process; a Ready follows."""
        self._enter(Happening.INITIALIZE)
        self._names = Names(profile.tools)
        self._profile = profile = attrs.evolve(profile, tools=self._names.tools)
        self._calls = Calls(profile.tools)
        self._control("initialize", **outgoing.initialize(profile))
        if self._reasoning:
            self._control("apply_flag_settings", settings={"showThinkingSummaries": True})

    def ask(self, plan: Plan, limits: Limits) -> None:
        """Ask the last line of a plan: events follow, then a TurnEnded."""
        require(self.state, State.IDLE)
        if limits.budgeted and answers_calls(plan.lines):
            # The thinking before the tool calls is not part of the replayed history.
            limits = attrs.evolve(limits, thinking=False)
        self._limits = self._names.limits(limits)
        self._asked = True
        # If the API does not know the model, the CLI would have another one answer.
        probe = limits.unlisted and limits.model != self.settings.model
        self._start(plan, before=[self._set_model] if probe else ())

    def prepare(self, plan: Plan) -> None:
        """Make the process remember the lines of a plan: a TurnEnded follows."""
        self._start(plan, after=[self.settings.relax])

    def count(self, plan: Plan) -> None:
        """Count the tokens of a plan's lines: a Counted and a TurnEnded follow.

        The process then remembers what it held before; the next line must be a plain user line.
        """
        self._back_to = len(self._marks)
        self._start(plan, after=[self._count, self._rewind])

    def ask_usage(self) -> None:
        """Ask for the usage of the plan: a UsageResponse follows, whatever else happens."""
        require(self.state, State.IDLE)
        usage.ask(self._outbox)

    def resume(self, results: Turn, limits: Limits) -> None:
        """Continue the parked turn with its tool results: events follow, then a TurnEnded.

        limits: those that `turn_settings.can_change` allows.
        """
        require(self.state, State.PARKED)
        if limits.budgeted and not self._replay.thought:
            # The calls came without thinking, so the API accepts no thinking after them.
            limits = attrs.evolve(limits, thinking=False)
        self._limits = self._names.limits(limits)
        self._asked, self._clean = True, True
        self._enter(Happening.RESULTS)
        self.settings.go_on(self._limits, self._profile)
        self._read_answer()
        for line in self._calls.answer(results):
            self._send(line)

    def interrupt(self) -> None:
        """End the running turn, if there is one; only its TurnEnded follows, no more events."""
        self._asked = False
        if self._steps:
            self._give_up()
        if self.state in (State.ANSWERING, State.PARKED):
            self._cut_off()

    def data_to_send(self) -> bytes:
        """Return the bytes to write to the CLI's stdin now."""
        return self._outbox.take()

    # Output of the CLI

    def receive_data(self, data: bytes) -> list[Event | Notice]:
        """Take bytes of the CLI's stdout, split at any place."""
        try:
            for message in self._incoming.feed(data):
                self._receive(message)
                if self.state is State.BROKEN:
                    break
        except BadLine as error:
            self._break(str(error))
        return self._take()

    def connection_lost(self, error: APIError) -> list[Event | Notice]:
        """The process has ended; error: sent to a client that still waits."""
        self._fail(error, worker_lost=True)
        self._enter(Happening.BREAK)
        return self._take()

    def _take(self) -> list[Event | Notice]:
        out, self._out = self._out, []
        return out

    def _receive(self, message: str | Mapping[str, Any]) -> None:
        if isinstance(message, str):
            if self.state is State.ANSWERING:
                self._out.extend(self._answer.feed_text(message))
                self._after_event()
            return
        handler = _HANDLERS.get(str(message.get("type")))
        try:
            if handler is not None:
                handler(self, message)
        except ProtocolError as error:
            self._break(str(error))
        except (KeyError, TypeError, AttributeError) as error:
            self._break(f"a {message['type']} line of unknown shape: {error!r}")

    def _control_response(self, message: Mapping[str, Any]) -> None:
        response = message["response"]
        subtype = self._outbox.answered(response)
        if self.state is State.SETTING_MODEL and subtype == "set_model":
            self._model_answered(response)
        elif subtype == REWIND:
            self._rewind_answered(self._marks.refusal(response))
        elif subtype == outgoing.COUNT:
            self._enter(Happening.RESPONSE)
            self._out.append(notices.Counted.of(response))
            self._go_on()
        elif subtype == usage.GET:
            self._out.append(usage.answered(self._outbox, response))
        elif subtype and response.get("subtype") != "success":
            raise ProtocolError(f"{subtype} was rejected: {response.get('error')}")
        elif subtype == "initialize":
            self._enter(Happening.RESPONSE)
            self._out.append(notices.Ready.of(response["response"]))

    def _model_answered(self, response: Mapping[str, Any]) -> None:
        self._enter(Happening.RESPONSE)
        wanted = self._limits.model
        if response.get("subtype") == "success":
            self.settings.model = wanted
        else:
            self._give_up()
            self._fail(failures.from_model_refusal(response, wanted))
        self._go_on()

    def _rewind_answered(self, refusal: str) -> None:
        self._enter(Happening.RESPONSE)
        self._out.append(notices.RewindRefused(refusal) if refusal else notices.Rewound())
        if refusal and self._plan.whole and self._steps:
            self._replay.load(map(self._names.turn, self._plan.lines))
            self._steps.appendleft(self._clear)
        elif refusal:
            # Nobody knows what the process remembers now.
            self._marks.forget()
            self._give_up()
            self._fail(failures.NOT_REWOUND, worker_lost=True)
        self._go_on()

    def _control_request(self, message: Mapping[str, Any]) -> None:
        for line in self._calls.requested(message):
            self._send(line)

    def _stream_event(self, message: Mapping[str, Any]) -> None:
        if message.get("parent_tool_use_id") is not None:
            return
        event, answer = message["event"], self._answer
        begins = event["type"] == "message_start"
        if begins and self.state in (State.ENDING, State.PARKED):
            # The CLI continues on its own, or the interrupt arrived before the message began.
            self._cut_off()
        if self.state is not State.ANSWERING:
            return
        if begins and (error := answer.repeated()):
            self._fail(error)
            self._cut_off()
            return
        self._out.extend(answer.feed(event))
        self._after_event()

    def _after_event(self) -> None:
        if not self.settings.guarded and self._answer.may_guard:
            self.settings.guard(self._now())
        match self._answer.ending:
            case None:
                return
            case Ending.CALLED:
                self._enter(Happening.CALLED)
            case Ending.WHOLE:
                self._end(clean=True)
            case Ending.CUT_OFF:
                self.doomed = self._answer.truncated and self.settings.too_late(self._now())
                self._cut_off()
        self._asked = False

    def _of_a_turn(self, message: Mapping[str, Any]) -> None:
        if self.state is State.ANSWERING:
            self._replay.hear(message)
            if error := self._answer.error_in(message):
                self._fail(error)
                self._cut_off()

    def _rate_limit_event(self, message: Mapping[str, Any]) -> None:
        # It holds for later turns too.
        self._plan_limit = {**message["rate_limit_info"]}
        self._out.append(notices.RateLimitEvent(self._plan_limit))

    def _result(self, message: Mapping[str, Any]) -> None:
        failed = bool(message.get("is_error"))
        if failed and self.state in (State.CLEARING, State.REPLAYING):
            raise ProtocolError("a turn of the history was rejected")
        if self.state is State.ANSWERING:
            if failed:
                told = message, self._plan_limit, self._now(), self.settings.model
                self._fail(self._answer.error_of(*told, guarded=self.settings.guarded))
            elif self._answer.held:
                self._asked = False
                self._out.append(self._answer.held)
            else:
                self._fail(failures.NO_ANSWER)
        if self.state in (State.ANSWERING, State.PARKED):
            # After a structured answer the process remembers a call, and the client has a text.
            self._end(clean=False)
        self._enter(Happening.RESULT)
        self._calls.forget()
        self._clean = self._clean and not failed
        self._go_on(message.get("modelUsage"))

    # The steps of a plan

    def _start(self, plan: Plan, before: Sequence[_Step] = (), after: Sequence[_Step] = ()) -> None:
        require(self.state, State.IDLE)
        self._plan, self._clean = plan, True
        self._replay.load(map(self._names.turn, plan.new), own=plan.own)
        self._steps.extend(before)
        if plan.back_to is not None:
            self._back_to = plan.back_to
            self._steps.append(self._rewind)
        if plan.clear:
            self._steps.append(self._clear)
        if self._asked:
            self._steps.append(lambda: self.settings.choose(self._limits.model))
        self._steps.append(self._send_history)
        self._steps.extend(after)
        self._go_on()

    def _go_on(self, model_usage: Mapping[str, Any] | None = None) -> None:
        """Take steps until the CLI must answer one; at the end, report a TurnEnded."""
        while self.state is State.IDLE and self._steps:
            self._steps.popleft()()
        if self.state is State.IDLE:
            self._out.append(TurnEnded(self._clean, len(self._marks), model_usage or {}))

    def _set_model(self) -> None:
        self._enter(Happening.SET_MODEL)
        self._control("set_model", model=self._limits.model)

    def _rewind(self) -> None:
        self._enter(Happening.REWIND)
        self._control(REWIND, **self._marks.request(self._back_to))

    def _clear(self) -> None:
        self._enter(Happening.CLEAR)
        self._marks.forget()
        self._send(outgoing.CLEAR)

    def _send_history(self) -> None:
        """Write lines up to the next one that the CLI must confirm, or up to the question."""
        # The CLI applies an assistant line at once but queues a user line.
        line = self._replay.next_user_line()
        if line is None:
            return
        if self._asked and self._replay.done:
            self._enter(Happening.QUESTION)
            self.settings.begin(self._limits, self._profile)
            self._read_answer()
            self._replay.question(line)
        else:
            self._enter(Happening.HISTORY)
            self._replay.history(line)
            self._steps.appendleft(self._send_history)

    def _count(self) -> None:
        self._enter(Happening.COUNT)
        self._control(outgoing.COUNT)

    def _read_answer(self) -> None:
        told = self._names, self._profile, self._limits, self._longest_retry
        self._answer = turn_reader(*told, reasoning=self._reasoning)

    # How an answer ends

    def _give_up(self) -> None:
        if self._clear in self._steps:
            self._marks.keep(0)
        elif self._rewind in self._steps:
            self._marks.keep(self._back_to)
        self._steps.clear()
        self._clean = False

    def _fail(self, error: APIError, *, worker_lost: bool = False) -> None:
        if self._asked:
            self._asked = False
            self._out.append(Failed(error, worker_lost=worker_lost))

    def _cut_off(self) -> None:
        self._end(clean=False)
        self._control("interrupt")

    def _end(self, *, clean: bool) -> None:
        self._clean = clean
        if self.state is not State.ENDING:
            self._enter(Happening.ANSWERED)

    def _enter(self, happening: Happening) -> None:
        self.state = following(self.state, happening)

    def _break(self, reason: str) -> None:
        if self.state is State.BROKEN:
            return
        self._fail(failures.BROKE_PROTOCOL, worker_lost=True)
        self._enter(Happening.BREAK)
        self._out.append(notices.ProtocolViolation(reason))


_HANDLERS: dict[str, Callable[[Session, Mapping[str, Any]], None]] = {
    "control_response": Session._control_response,
    "control_request": Session._control_request,
    "stream_event": Session._stream_event,
    "assistant": Session._of_a_turn,
    "system": Session._of_a_turn,
    "rate_limit_event": Session._rate_limit_event,
    "result": Session._result,
}
