"""Counts the process starts that fail, and logs each kind of failure once."""

from __future__ import annotations

from twisted.logger import Logger

from ..cli.failures import StartFailure
from ..condition.machine import Condition
from ..errors import APIError
from ..metrics import Metrics
from .backoff import StartBackoff


# The stderr of a CLI can differ each time.
MOST_KINDS = 5
ONCE = "This failure is not logged again until a process has answered."


class StartFailures:
    """Where failed starts are reported: the backoff, the condition, the metrics and the log."""

    log = Logger()

    def __init__(self, backoff: StartBackoff, condition: Condition, metrics: Metrics) -> None:
        """Nothing has been logged yet."""
        self._backoff = backoff
        self._condition = condition
        self._metrics = metrics
        self._told: set[str] = set()

    def add(self, failure: StartFailure, now: float) -> None:
        """A process ended, or was ended, before it was of use."""
        self._count(failure.error, failure.label, now, was_ready=failure.was_ready)
        if self._is_new(failure.kind):
            self.log.error(
                "{name} could not be started: it {how}. Its stderr: {stderr}. " + ONCE,
                name=failure.name,
                how=failure.predicate,
                stderr=failure.logged,
            )

    def no_process(self, error: APIError, now: float) -> None:
        """The system did not start a process."""
        self._count(error, "no process", now)
        if self._is_new(error.message):
            self.log.error("{sentence} " + ONCE, sentence=error.message)

    def answered(self) -> None:
        """A process has ended a turn, so it is of use."""
        self._backoff.answered()
        if self._told:
            self._told.clear()
            self.log.info("CLI processes start and answer again.")

    def _count(self, error: APIError, label: str, now: float, *, was_ready: bool = False) -> None:
        self._backoff.failed(now, was_ready=was_ready)
        self._metrics.start_failed(label)
        self._condition.start_failed(error, again=self._backoff.failing)

    def _is_new(self, kind: str) -> bool:
        new = kind not in self._told and len(self._told) < MOST_KINDS
        if new:
            self._told.add(kind)
        return new
