"""Signals to a CLI process: it is stopped while it has nothing to do, continued, and ended.

Even an idle CLI uses 0.1 to 1 % of a core. While a process is stopped (SIGSTOP), it uses
nothing, and it does not notice anything either: not the end of its stdin, and no signal except
SIGCONT and SIGKILL. It would stay behind if the proxy was killed. The leash prevents that.

After its first answer a process still has 0.15 s of work to do. While requests wait for the start
of other processes, it is stopped at once, and does that later.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable
from contextlib import suppress

from ..timers import Timers


# A process is stopped after this much time without use. It takes about a second to start.
REST_AFTER = 5.0
# Linux has it, macOS does not.
CAN_LEASH = hasattr(fcntl, "F_SETSIG")


class Leash:
    """A pipe by which the kernel continues a process group when the proxy ends, however it ends.

    The process inherits the read end and does not use it. When the write end is closed, the kernel
    sends SIGCONT.
    """

    def __init__(self) -> None:
        self.end, self._held = os.pipe()
        self._tied = False

    def tie(self, group: int) -> None:
        """Choose the process group, which must exist; raises OSError."""
        if self._tied:
            return
        fcntl.fcntl(self.end, fcntl.F_SETOWN, -group)
        # mypy checks for macOS too.
        fcntl.fcntl(self.end, getattr(fcntl, "F_SETSIG"), signal.SIGCONT)  # noqa: B009
        flags = fcntl.fcntl(self.end, fcntl.F_GETFL)
        fcntl.fcntl(self.end, fcntl.F_SETFL, flags | os.O_ASYNC)
        # All this belongs to the open pipe, which the process has too.
        os.close(self.end)
        self._tied = True

    def close(self) -> None:
        """The process has ended."""
        if not self._tied:
            os.close(self.end)
        os.close(self._held)


class Group:
    """The process group of a CLI process, which leads a session (see launch.in_own_session)."""

    def __init__(
        self,
        timers: Timers,
        pid: Callable[[], int | None],
        *,
        may_rest: bool,
        send: Callable[[int, signal.Signals], None] = os.killpg,
    ) -> None:
        """timers: the owner's. pid: the process; None if it has ended."""
        self._timers = timers
        self._pid = pid
        self._send = send
        self._may_rest = may_rest and CAN_LEASH
        self._leash: Leash | None = None
        self._stopped = False

    def descriptors(self) -> dict[int, int | str]:
        """What to pass to Twisted's spawnProcess as the file descriptors; raises OSError."""
        usual: dict[int, int | str] = {0: "w", 1: "r", 2: "r"}
        if not self._may_rest:
            return usual
        self._leash = Leash()
        return {**usual, 3: self._leash.end}

    def rest(self, *, at_once: bool = False) -> None:
        """The process has nothing to do: stop it soon, or at once."""
        if at_once:
            self._timers.cancel("rest")
            self._stop()
        elif self._leash is not None:
            self._timers.start("rest", REST_AFTER, self._stop)

    def catch_up(self) -> None:
        """If the process is stopped, let it do what it has put off, and stop it again soon."""
        if self._stopped:
            self.wake()
            self.rest()

    def wake(self) -> None:
        """The process has something to do: continue it."""
        self._timers.cancel("rest")
        if self._stopped:
            self._stopped = False
            self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Ask the process to end."""
        # A stopped process gets the signal only when it continues.
        self.wake()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once."""
        self._timers.cancel("rest")
        self._signal(signal.SIGKILL)

    def ended(self) -> None:
        """The process has ended, or was never started."""
        self._timers.cancel("rest")
        if self._leash is not None:
            self._leash.close()
            self._leash = None

    def _stop(self) -> None:
        pid = self._pid()
        if pid is None or self._leash is None or self._stopped:
            return
        try:
            self._leash.tie(pid)
        except OSError:
            # Better an idle process than one that stays behind.
            return
        self._stopped = True
        self._signal(signal.SIGSTOP)

    def _signal(self, number: signal.Signals) -> None:
        pid = self._pid()
        if pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                self._send(pid, number)
