"""Decides when a process is started only to learn what the CLI tells: its models and its login."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..cli.notices import Ready
from ..condition.faults import Reason
from ..condition.machine import Condition
from ..errors import APIError
from .shared import Shared
from .workers import Workers


# A login, or an installation, that was made meanwhile is seen after this time at the latest.
LOOK_AGAIN = 15.0
# What a look can change.
CHANGEABLE = (Reason.NO_CLI, Reason.CLI_TOO_OLD, Reason.CLI_BROKEN, Reason.NOT_LOGGED_IN)


class Looks:
    """Starts at most one process at a time for this; concurrent callers share it."""

    def __init__(
        self,
        seconds: Callable[[], float],
        workers: Workers,
        condition: Condition,
        start: Callable[[], Awaitable[Ready]],
    ) -> None:
        """start: starts a process, and returns what it tells."""
        self._seconds = seconds
        self._workers = workers
        self._condition = condition
        self._start = start
        self._probe = Shared(self._look)
        self._looked = 0.0
        self._looking = False

    async def probe(self) -> Ready:
        """What a new process tells, which costs no tokens; raises APIError."""
        return await self._probe.result()

    async def newest(self) -> Ready:
        """What the newest process has told, for a request; raises APIError if none can answer.

        While there is no login, a process is started from time to time to look for one.
        """
        told = self._workers.logins.newest
        try:
            if told is None or (self._condition.reason is Reason.NOT_LOGGED_IN and self._due()):
                return await self.probe()
            await self._workers.find_cli()
        except APIError:
            # Those that are ready do not need the file that they were started from.
            if told is None or not self._workers.any_ready():
                raise
        return told

    def look(self) -> None:
        """Somebody asks for the condition: look again if it may have changed."""
        if self._condition.reason not in CHANGEABLE or self._looking or not self._due():
            return
        if self._workers.backoff.wait(self._seconds()):
            return
        # The condition is told of an error.
        self._probe.result().addErrback(lambda failure: failure.trap(APIError))

    def _due(self) -> bool:
        return self._seconds() - self._looked >= LOOK_AGAIN

    async def _look(self) -> Ready:
        self._looking, self._looked = True, self._seconds()
        try:
            await self._workers.find_cli()
            return await self._start()
        finally:
            self._looking = False
