"""Exponential backoff for process starts that fail."""

from __future__ import annotations

import attrs


FIRST_WAIT = 1.0
LONGEST_WAIT = 300.0
# A single failure can be an accident: somebody may have killed the process.
FAILING_FROM = 2


@attrs.define
class StartBackoff:
    """Counts consecutive failed starts. All times are seconds of one clock.

    failures: how many starts have failed since a process last became ready.
    """

    failures: int = 0
    _last: float = attrs.field(init=False, default=0.0)
    # How many had failed before a process became ready that has not answered yet.
    _before: int = attrs.field(init=False, default=0)

    def failed(self, now: float, *, was_ready: bool = False) -> None:
        """A process could not be started, or ended before it was ready.

        was_ready: or right after that, so that it has not ended the series of failures.
        """
        if was_ready:
            self.failures = max(self.failures, self._before)
        if now - self._last > 2 * LONGEST_WAIT:
            # A blank spare never becomes ready, so nothing else would reset the count.
            self.failures = 0
        self.failures += 1
        self._last = now

    def succeeded(self) -> None:
        """A process became ready."""
        self._before = max(self._before, self.failures)
        self.failures = 0

    def answered(self) -> None:
        """A process has ended a turn, so it is of use."""
        self._before = 0

    @property
    def failing(self) -> bool:
        """Whether the next start is likely to fail too."""
        return self.failures >= FAILING_FROM

    def wait(self, now: float) -> float:
        """Seconds until a spare may be started; 0 if it may be started now."""
        if not self.failures:
            return 0.0
        doubled: float = FIRST_WAIT * 2.0 ** min(self.failures - 1, 30)
        return max(0.0, self._last + min(doubled, LONGEST_WAIT) - now)

    def may_start(self, starting: int) -> bool:
        """Whether a request may start a process; starting: how many are not ready yet."""
        return not self.failing or starting == 0
