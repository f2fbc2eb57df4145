"""One CLI process: Twisted's ProcessProtocol around a Session.

The owner of a Worker starts it and ends it with `stop`. The worker owns its process, its timers and
its temporary directory.
"""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..conversation import Limits, Profile, Turn
from ..errors import APIError, upstream_failed
from ..events import Event, Failed, Listener
from ..timers import Timers
from . import notices
from .failures import StartFailure, one_line
from .launch import Launch
from .notices import Counted, Notice, PlanReport, Ready, TurnEnded
from .pipes import Output
from .plan import Plan
from .rest import Group
from .session import Session
from .state import State


# A process that has exited may leave output in the pipe, or a child that holds the pipe open.
PIPE_LINGER = 1.0
# SIGTERM ends the CLI within 110 ms (seen on both versions).
KILL_AFTER = 3.0
# It goes back within 10 ms, and counts within 30 ms and what the API needs (2.1.332).
RESPONSE_TIMEOUT = 5.0
COUNT_TIMEOUT = 20.0
STDERR_TAIL = 4096


class Worker(ProcessProtocol):
    """A CLI process, and the listener for its current answer."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        launch: Launch,
        longest_retry: float,
        model: str,
        *,
        reasoning: bool = True,
        may_rest: bool = False,
        debug: bool = False,
        now: Callable[[], float] | None = None,
    ) -> None:
        """longest_retry: the maximum delay before a retry by the CLI, in seconds.

        model: the model that the process starts with, "" for the CLI's default; on 2.1.197 requests
        for another model get a note in the prompt. reasoning: whether to report the model's
        thinking. may_rest: whether it may be stopped while idle. debug: whether to log stderr when
        the process fails. now: seconds since the epoch, if those of the reactor are others.
        """
        self._debug = debug
        self._reactor = reactor
        self._launch = launch
        self._model = model
        self.session = Session(now or reactor.seconds, longest_retry, model, reasoning=reasoning)
        self.ready: Deferred[Ready] = Deferred()
        # Called when: it fails to start, before `ready` fails; it is idle again; it has counted; it
        # reports the plan's limits; it went back, or not; `stop` begins; the process has ended.
        self.on_start_failed: Callable[[StartFailure], None] = lambda failure: None
        self.on_turn_end: Callable[[TurnEnded], None] = lambda over: None
        self.on_rewind: Callable[[str], None] = lambda refusal: None
        self.on_counted: Callable[[int | None], None] = lambda tokens: None
        self.on_plan: Callable[[PlanReport], None] = lambda report: None
        self.on_stopping: Callable[[], None] = lambda: None
        self.on_ended: Callable[[str], None] = lambda reason: None
        self._listener: Listener | None = None
        self._transport: Any = None
        self._tmp = ""
        self._stderr = b""
        self._timers = Timers(reactor)
        self._output = Output(reactor.seconds, self._timers, self._stdout)
        self.group = Group(
            self._timers, lambda: self._transport and self._transport.pid, may_rest=may_rest
        )
        self._stopped: list[Deferred[None]] = []
        self._reason = ""
        self._pid = 0
        self._killed = False
        self._at_fault = False
        self._error: APIError | None = None
        self._profile: Profile | None = None
        self._within = 0.0
        self._counted: Counted | None = None
        self._awaited = State.BLANK
        self.alive = self.was_ready = False
        self.untried = True  # no turn of it has ended yet

    # Called by the owner

    def start(self) -> None:
        """Start a blank process, which waits for `initialize`. Raises OSError."""
        for place in (self._launch.directory, self._launch.scratch):
            # A clean-up of temporary files may have removed them.
            os.makedirs(place, mode=0o700, exist_ok=True)
        self._tmp = tempfile.mkdtemp(dir=self._launch.scratch)
        argv = self._launch.argv()
        env = self._launch.env_for(self._model, self._tmp)
        try:
            self._reactor.spawnProcess(
                *(self, argv[0], argv, env, self._launch.directory),
                childFDs=self.group.descriptors(),
            )
        except OSError:
            self.group.ended()
            shutil.rmtree(self._tmp, ignore_errors=True)
            raise
        self.alive = True

    def initialize(self, profile: Profile, within: float) -> None:
        """Set the profile of the process; `ready` fires, or fails after `within` seconds."""
        self._profile, self._within = profile, within
        self._timers.start("ready", within, self._not_ready)
        self.session.initialize(profile)
        self._write()

    def ask(self, plan: Plan, limits: Limits, listener: Listener) -> None:
        """Ask the last line of a plan, and report the answer to `listener`.

        The worker must be ready and idle.
        """
        self._listener = listener
        self.session.ask(plan, limits)
        self._write()
        # The previous client may have disconnected while the worker was paused for it.
        self.resume()

    def answer_tool_calls(self, results: Turn, limits: Limits, listener: Listener) -> None:
        """Continue the parked turn with its tool results."""
        self._listener = listener
        self.session.resume(results, limits)
        self._write()
        self.resume()

    def prepare(self, plan: Plan) -> None:
        """Make the process remember a plan's lines; the worker must be idle, and is soon again."""
        self.session.prepare(plan)
        self._write()

    def count(self, plan: Plan) -> None:
        """Count the tokens of a plan's lines; the worker must be idle, and is so again soon."""
        self.session.count(plan)
        self._write()

    def ask_usage(self) -> None:
        """Have `on_plan` called with the usage of the plan; the worker is idle and stays usable."""
        self.session.ask_usage()
        self._write()

    def relax(self) -> None:
        """Take back what held for the turn that has ended; the worker is idle."""
        self.session.settings.relax()
        self._write()

    def interrupt(self) -> None:
        """End the running turn; its listener gets no more events."""
        self._listener = None
        self.session.interrupt()
        self._write()
        self.resume()

    def pause(self) -> None:
        """Stop reading the answer until `resume`, so that the CLI buffers it, not the proxy."""
        self._output.pause()

    def resume(self) -> None:
        """Continue to read after `pause`."""
        self._output.resume()

    @property
    def blank(self) -> bool:
        """Whether it has no profile yet."""
        return self.session.state is State.BLANK

    @property
    def starting(self) -> bool:
        """Whether it is initialising and not ready yet."""
        return self._profile is not None and not self.ready.called

    def memory(self) -> int:
        """Resident memory of the process in bytes; 0 where /proc does not exist (macOS)."""
        try:
            pages = Path(f"/proc/{self._transport.pid}/statm").read_text("ascii").split()[1]
        except OSError:
            return 0
        return int(pages) * resource.getpagesize()

    def stop(self, reason: str, error: APIError | None = None) -> Deferred[None]:
        """End the process; fires when it has ended.

        error: sent to the listener, if it still waits for an answer.
        """
        self._reason = self._reason or reason
        self._error = self._error or error
        listener, self._listener = self._listener, None
        if listener is not None and error is not None:
            listener.received([Failed(error)])
        done: Deferred[None] = Deferred()
        if not self.alive:
            done.callback(None)
            return done
        self._stopped.append(done)
        if len(self._stopped) == 1:
            self.on_stopping()
            self.group.terminate()
            self._timers.start("kill", KILL_AFTER, self._kill, self._reason)
        return done

    # Called by Twisted

    def connectionMade(self) -> None:
        """The process has started."""
        self._transport = self.transport
        self._pid = self._transport.pid

    def outReceived(self, data: bytes) -> None:
        """Handle output of the CLI."""
        if self._at_fault:
            # The owner learns of its end. What it still says must not look like the end of a turn.
            return
        try:
            told = self.session.receive_data(self._output.all_of(data))
            # Write first: it may be an interrupt, which must arrive before the CLI's next request.
            self._write()
            if self.session.doomed and not self._killed:
                self._kill("max_tokens reached at once")
            self._dispatch(told)
        except Exception:
            # An uncaught exception would make Twisted stop reading, and the process would hang.
            self.log.failure("Handling the output of a CLI process failed")
            self._end("internal error")

    def errReceived(self, data: bytes) -> None:
        """Keep the end of stderr for the log."""
        self._stderr = (self._stderr + data)[-STDERR_TAIL:]

    def processExited(self, reason: Failure) -> None:
        """The process has exited; unread output or a child may keep its pipes open."""
        self.resume()
        self._timers.start("linger", PIPE_LINGER, self._transport.loseConnection)

    def processEnded(self, reason: Failure) -> None:
        """The process has exited and its pipes are closed."""
        self.alive = False
        self._timers.close()
        self.group.ended()
        shutil.rmtree(self._tmp, ignore_errors=True)
        if self._killed:
            self._launch.clean_up_after(self._pid)
        how = self._reason or f"exited: {reason.getErrorMessage()}"
        if not self._reason and not self.untried:
            self.log.warn("A CLI process ended unexpectedly: {how}", how=how)
        if self._debug and (self._at_fault or not self._reason):
            self.log.debug("End of its stderr: {stderr}", stderr=self._stderr)
        try:
            self._dispatch(self.session.connection_lost(upstream_failed("The CLI process ended.")))
        except Exception:
            # An error of the listener must not keep the end from the owner.
            self.log.failure("Reporting the end of a CLI process failed")
        if not self._reason:
            self._start_failed(_how_it_ended(reason))
        elif self._at_fault:
            self._start_failed(self._reason)
        else:
            self._will_not_be_ready(self._error or upstream_failed("The CLI was ended."))
        self.on_ended(how)
        waiting, self._stopped = self._stopped, []
        for done in waiting:
            done.callback(None)

    def _dispatch(self, told: Sequence[Event | Notice]) -> None:
        """Send the events of one read to the listener, then handle the notices."""
        events: list[Event] = []
        others: list[Notice] = []
        for item in told:
            if isinstance(item, Notice):
                others.append(item)
            else:
                events.append(item)
        if events and self._listener is not None:
            self._listener.received(events)
        for notice in others:
            if isinstance(notice, PlanReport):
                self.on_plan(notice)
            else:
                self._notice(notice)

    def _notice(self, notice: Notice) -> None:
        match notice:
            case Ready() if self.session.state is State.BROKEN:
                # A later line of the same read broke the protocol: it was never ready.
                pass
            case Ready():
                self._timers.cancel("ready")
                self.was_ready = True
                self.ready.callback(notice)
            case TurnEnded():
                self._listener, self.untried = None, False
                counted, self._counted = self._counted, None
                self.on_turn_end(notice)
                if counted is not None:
                    self.on_counted(counted.tokens)
            case notices.Rewound():
                self.on_rewind("")
            case notices.RewindRefused(reason):
                self.on_rewind(reason)
            case Counted():
                self._counted = notice
            case notices.ProtocolViolation(reason):
                if self.was_ready:
                    self.log.error("A CLI process broke the protocol: {reason}", reason=reason)
                self._end(f"broke the protocol: {reason}")

    def _not_ready(self) -> None:
        self._end("not ready in time")
        self._start_failed(f"did not become ready within {self._within:g} s")

    def _start_failed(self, how: str) -> None:
        """Report a failed start: the process ended, or is being ended, before it was of use."""
        if not self.untried or (self.ready.called and not self.was_ready):
            return
        # With a client's profile or question stderr may quote it, and it is not told then.
        seen = self.was_ready or self._profile not in (None, Profile())
        stderr = None if seen else one_line(self._stderr)
        failure = StartFailure(how, stderr, self._launch.cli.name, self.was_ready)
        self.on_start_failed(failure)
        self._will_not_be_ready(failure.error)

    def _will_not_be_ready(self, error: APIError) -> None:
        # Nobody waits for a blank process.
        if self._profile is not None and not self.ready.called:
            self.ready.errback(Failure(error))

    def _end(self, reason: str) -> None:
        """Stop a faulty process; nobody waits for its end."""
        self._at_fault = True
        self.stop(reason).addErrback(
            lambda failure: self.log.failure("Stopping a CLI process failed", failure)
        )

    def _write(self) -> None:
        data = self.session.data_to_send()
        if data and self.session.state is not State.BROKEN:
            self.group.wake()
            self._transport.write(data)
        if self.session.state is not self._awaited:
            self._timers.cancel("response")
            if limit := _SHORT.get(self.session.state):
                self._timers.start("response", limit, self._no_response)
            self._awaited = self.session.state

    def _no_response(self) -> None:
        if self.session.state is State.REWINDING:
            self.on_rewind("no answer in time")
        self._end("did not respond in time")

    def _stdout(self) -> Any:
        return self._transport.pipes.get(1) if self._transport is not None else None

    def _kill(self, reason: str) -> None:
        """End the process at once with SIGKILL; it cannot remove its own files then."""
        self._reason = self._reason or reason
        self._killed = True
        self.group.kill()


# The states that last only until the CLI responds to a control request, and for how long at most.
_SHORT = {State.REWINDING: RESPONSE_TIMEOUT, State.COUNTING: COUNT_TIMEOUT}


def _how_it_ended(reason: Failure) -> str:
    ended: Any = reason.value
    if ended.signal is not None:
        return f"was ended by signal {ended.signal}"
    return f"exited with code {ended.exitCode}"
