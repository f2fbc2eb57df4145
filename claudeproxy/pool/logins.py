"""Which login each process was started with, and which processes have an outdated one."""

from __future__ import annotations

from ..cli.notices import Ready
from ..cli.process import Worker
from ..condition.login import Login
from ..condition.machine import Condition


class Logins:
    """Keeps what the newest process has told of models and account.

    The number of a process tells which of two was started later. newest: what the newest one told;
    None until one became ready.
    """

    def __init__(self, condition: Condition) -> None:
        """condition: is told of each newest process."""
        self.newest: Ready | None = None
        self._condition = condition
        self._numbers: dict[Worker, int] = {}
        self._started = 0
        self._newest_number = 0
        self._logins: dict[Worker, Login] = {}

    def started(self, worker: Worker) -> None:
        """A process was started."""
        self._started += 1
        self._numbers[worker] = self._started

    def ready(self, worker: Worker, ready: Ready) -> None:
        """A process became ready."""
        self._logins[worker] = ready.login
        if self._numbers[worker] > self._newest_number:
            self._newest_number, self.newest = self._numbers[worker], ready
            self._condition.ready(ready.login)

    def ended(self, worker: Worker) -> None:
        """A process has ended."""
        self._numbers.pop(worker, None)
        self._logins.pop(worker, None)

    def of(self, worker: Worker) -> Login | None:
        """The login that a process was started with; None if it has not told any."""
        return self._logins.get(worker)

    def outdated(self, worker: Worker) -> bool:
        """Whether a newer process has found another login, or none any more."""
        login = self._logins.get(worker)
        return login is not None and login != self._condition.login
