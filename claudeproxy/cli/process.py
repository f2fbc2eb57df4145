"""One CLI process: Twisted's ProcessProtocol around a Session.

Whoever starts a Worker owns it, and ends it with `stop`; the worker owns its process, its
timers and its temporary directory.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..conversation import Limits, Profile, Turn
from ..errors import APIError, upstream_failed
from ..events import Event, Failed
from ..timers import Timers
from .failures import StartFailure, one_line
from .launch import Launch
from .notices import Notice, ProtocolViolation, Ready, TurnEnded
from .session import Session
from .state import State


# A process that has exited may leave output in the pipe, or a child that holds the pipe open.
PIPE_LINGER = 1.0
# SIGTERM ends the CLI within 110 ms (seen on both versions).
KILL_AFTER = 3.0
STDERR_TAIL = 4096


class Listener(Protocol):
    """Who is told of a request's events."""

    def received(self, events: Sequence[Event]) -> None:
        """Events in order, all that came with one read; after Finished or Failed none follow."""


class Worker(ProcessProtocol):
    """A CLI process and who it works for."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        launch: Launch,
        longest_retry: float,
        model: str,
        *,
        reasoning: bool = True,
        debug: bool = False,
    ) -> None:
        """longest_retry: seconds that a retry of the CLI's may sleep for.

        model: what the process starts with, "" for the CLI's own choice. Any other one costs a
        note in the prompt on 2.1.197. reasoning: whether to tell what the model thinks.
        debug: whether to log what it complained of when it failed.
        """
        self._debug = debug
        self._reactor = reactor
        self._launch = launch
        self._model = model
        self.session = Session(reactor.seconds, longest_retry, model, reasoning=reasoning)
        self.ready: Deferred[Ready] = Deferred()
        # Called when it will not become ready, before `ready` fails; when the CLI is idle again;
        # when it begins to be ended; and when the process has gone.
        self.on_start_failed: Callable[[StartFailure], None] = lambda failure: None
        self.on_turn_end: Callable[[TurnEnded], None] = lambda over: None
        self.on_stopping: Callable[[], None] = lambda: None
        self.on_ended: Callable[[str], None] = lambda reason: None
        self._listener: Listener | None = None
        self._transport: Any = None
        self._tmp = ""
        self._stderr = b""
        self._timers = Timers(reactor)
        self._stopped: list[Deferred[None]] = []
        self._reason = ""
        self._pid = 0
        self._killed = False
        self._at_fault = False
        self._error: APIError | None = None
        self._profile: Profile | None = None
        self._within = 0.0
        self.alive = False
        self.was_ready = False

    # What the owner asks

    def start(self) -> None:
        """Spawn the process; it waits, blank, for `initialize`. Raises OSError."""
        for place in (self._launch.directory, self._launch.scratch):
            # Whoever cleans temporary folders may have taken them away meanwhile.
            os.makedirs(place, mode=0o700, exist_ok=True)
        self._tmp = tempfile.mkdtemp(dir=self._launch.scratch)
        argv = self._launch.argv()
        env = self._launch.env_for(self._model, self._tmp)
        try:
            self._reactor.spawnProcess(self, argv[0], argv, env=env, path=self._launch.directory)
        except OSError:
            shutil.rmtree(self._tmp, ignore_errors=True)
            raise
        self.alive = True

    def initialize(self, profile: Profile, within: float) -> None:
        """Fix what the process is for; `ready` fires when it is, or fails after so many seconds."""
        self._profile, self._within = profile, within
        self._timers.start("ready", within, self._not_ready)
        self.session.initialize(profile)
        self._write()

    def ask(
        self, turns: Sequence[Turn], limits: Limits, listener: Listener, *, clear: bool = False
    ) -> None:
        """Have `turns` answered to `listener`; the worker must be ready and idle.

        clear: what it remembers of earlier turns is forgotten first.
        """
        self._listener = listener
        self.session.ask(turns, limits, clear=clear)
        self._write()
        # The client before may have left while it was too slow.
        self.resume()

    def answer_tool_calls(self, results: Turn, limits: Limits, listener: Listener) -> None:
        """Have the turn that waits for these tool results answered further."""
        self._listener = listener
        self.session.resume(results, limits)
        self._write()
        self.resume()

    def clear(self) -> None:
        """Forget what it remembers; the worker must be idle, and is again soon."""
        self.session.clear()
        self._write()

    def interrupt(self) -> None:
        """End the running turn; its listener hears nothing more."""
        self._listener = None
        self.session.interrupt()
        self._write()
        self.resume()

    def pause(self) -> None:
        """Read no more of the answer until `resume`: the CLI, not this process, holds it."""
        if stdout := self._stdout():
            stdout.pauseProducing()

    def resume(self) -> None:
        """Go on after `pause`."""
        if stdout := self._stdout():
            stdout.resumeProducing()

    @property
    def blank(self) -> bool:
        """Whether it is for no profile yet."""
        return self.session.state is State.BLANK

    @property
    def starting(self) -> bool:
        """Whether somebody waits for it to be ready."""
        return self._profile is not None and not self.ready.called

    def memory(self) -> int:
        """Resident bytes of the process; 0 where the system does not tell (macOS)."""
        try:
            pages = Path(f"/proc/{self._transport.pid}/statm").read_text("ascii").split()[1]
        except OSError:
            return 0
        return int(pages) * resource.getpagesize()

    def stop(self, reason: str, error: APIError | None = None) -> Deferred[None]:
        """End the process, whatever it does; fires when it is gone.

        error: what its listener is told, if it still waits for an answer.
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
            self._signal(signal.SIGTERM)
            self._timers.start("kill", KILL_AFTER, self._kill, self._reason)
        return done

    # What the process does

    def connectionMade(self) -> None:
        """The process runs."""
        self._transport = self.transport
        self._pid = self._transport.pid

    def outReceived(self, data: bytes) -> None:
        """The CLI says something."""
        try:
            told = self.session.receive_data(data)
            # First, as it may be an interrupt that must overtake the CLI's next request.
            self._write()
            if self.session.state is State.TRUNCATED:
                self._kill("reached its limit of tokens")
            self._dispatch(told)
        except Exception:
            # Let out, it would make Twisted stop reading, and the process would hang for ever.
            self.log.failure("hearing the CLI")
            self._end("a fault of the proxy's")

    def errReceived(self, data: bytes) -> None:
        """What the CLI complains of; the last of it is kept for the log."""
        self._stderr = (self._stderr + data)[-STDERR_TAIL:]

    def processExited(self, reason: Failure) -> None:
        """The process is gone; its pipes may not be: unread output, or a child that holds them."""
        self.resume()
        self._timers.start("linger", PIPE_LINGER, self._transport.loseConnection)

    def processEnded(self, reason: Failure) -> None:
        """All of it is gone."""
        self.alive = False
        self._timers.close()
        shutil.rmtree(self._tmp, ignore_errors=True)
        if self._killed:
            self._launch.clean_up_after(self._pid)
        how = self._reason or f"exited: {reason.getErrorMessage()}"
        if not self._reason and self.was_ready:
            self.log.warn("The CLI {how}", how=how)
        if self._debug and (self._at_fault or not self._reason):
            self.log.debug("What it wrote last: {stderr}", stderr=self._stderr)
        try:
            self._dispatch(self.session.connection_lost(upstream_failed("The CLI process ended.")))
        except Exception:
            # Whoever owns it must learn of its end, whatever its listener makes of it.
            self.log.failure("telling of the CLI's end")
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
        """Events go to the listener, all of one read at once; notices stay here."""
        events: list[Event] = []
        notices: list[Notice] = []
        for item in told:
            if isinstance(item, (Ready, TurnEnded, ProtocolViolation)):
                notices.append(item)
            else:
                events.append(item)
        if events and self._listener is not None:
            self._listener.received(events)
        for notice in notices:
            self._notice(notice)

    def _notice(self, notice: Notice) -> None:
        match notice:
            case Ready() if self.session.state is State.BROKEN:
                # With the next line of the same read; then it never was.
                pass
            case Ready():
                self._timers.cancel("ready")
                self.was_ready = True
                self.ready.callback(notice)
            case TurnEnded():
                self._listener = None
                self.on_turn_end(notice)
            case ProtocolViolation(reason):
                if self.was_ready:
                    self.log.error("The CLI broke the protocol: {reason}", reason=reason)
                self._end(f"broke the protocol: {reason}")

    def _not_ready(self) -> None:
        self._end("not ready in time")
        self._start_failed(f"did not become ready within {self._within:g} s")

    def _start_failed(self, how: str) -> None:
        """It ended, or is ended, through its own fault; of no account if it was ready."""
        if self.was_ready or self.ready.called:
            return
        # What comes of a client's system prompt is not for the log, nor for other clients.
        stderr = one_line(self._stderr) if self._profile in (None, Profile()) else None
        failure = StartFailure(how, stderr)
        self.on_start_failed(failure)
        self._will_not_be_ready(failure.error)

    def _will_not_be_ready(self, error: APIError) -> None:
        # Nobody waits for a blank one.
        if self._profile is not None and not self.ready.called:
            self.ready.errback(Failure(error))

    def _end(self, reason: str) -> None:
        """Stop without anyone who waits for it: something is wrong with it."""
        self._at_fault = True
        self.stop(reason).addErrback(lambda failure: self.log.failure("stopping", failure))

    def _write(self) -> None:
        data = self.session.data_to_send()
        if data and self.session.state is not State.BROKEN:
            self._transport.write(data)

    def _stdout(self) -> Any:
        return self._transport.pipes.get(1) if self._transport is not None else None

    def _kill(self, reason: str) -> None:
        """End the process without giving it time for anything; it cannot tidy up then."""
        self._reason = self._reason or reason
        self._killed = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # The whole group: the process leads a session of its own (see launch.in_own_session).
        pid = self._transport.pid if self._transport is not None else None
        if pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)


def _how_it_ended(reason: Failure) -> str:
    ended: Any = reason.value
    if ended.signal is not None:
        return f"was ended by signal {ended.signal}"
    return f"exited with code {ended.exitCode}"
