"""How long to wait before a process is started again, when some did not start."""

from __future__ import annotations

import attrs


FIRST_WAIT = 1.0
LONGEST_WAIT = 300.0
# One failure can be an accident, as when somebody kills a process.
FAILING_FROM = 2


@attrs.define
class StartBackoff:
    """The starts that failed one after the other. All times are seconds of one clock.

    failures: how many there were since a process became ready.
    """

    failures: int = 0
    _last: float = attrs.field(init=False, default=0.0)

    def failed(self, now: float) -> None:
        """A process could not be started, or ended before it was ready."""
        if now - self._last > 2 * LONGEST_WAIT:
            # Spares are not made ready before somebody needs them, so nothing else resets these.
            self.failures = 0
        self.failures += 1
        self._last = now

    def succeeded(self) -> None:
        """A process became ready."""
        self.failures = 0

    @property
    def failing(self) -> bool:
        """Whether to doubt that the next start succeeds."""
        return self.failures >= FAILING_FROM

    def wait(self, now: float) -> float:
        """In how many seconds a process may be started that nobody waits for; 0 if at once."""
        if not self.failures:
            return 0.0
        doubled: float = FIRST_WAIT * 2.0 ** min(self.failures - 1, 30)
        return max(0.0, self._last + min(doubled, LONGEST_WAIT) - now)

    def may_start(self, starting: int) -> bool:
        """Whether to start a process for a request; `starting`: those that are not ready yet."""
        return not self.failing or starting == 0
