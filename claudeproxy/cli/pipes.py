"""Reads the stdout of a process: more at a time than Twisted does, and less often in a burst."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..timers import Timers


# Twisted reads at most 8 kB at a time. A pipe holds up to 64 kB, and every read has a cost.
TWISTED_READ = 8192
PIPE = 65536
# The CLI writes each line by itself. When so many reads follow each other within so many seconds,
# tokens arrive faster than anyone reads, and a read for each of them only takes CPU time.
BURST = 16
BURST_GAP = 0.001
# So long lines gather in the pipe before the next read of a burst.
GATHER = 0.002


class Output:
    """The stdout of a process, which can be paused."""

    def __init__(
        self, seconds: Callable[[], float], timers: Timers, pipe: Callable[[], Any]
    ) -> None:
        """seconds: the clock. timers: the owner's. pipe: Twisted's reader, None if it is closed."""
        self._seconds = seconds
        self._timers = timers
        self._pipe = pipe
        self._paused = False
        self._in_a_row = 0
        self._last_read = 0.0

    def pause(self) -> None:
        """Stop reading until `resume`, so that the process buffers what it writes."""
        self._paused = True
        self._timers.cancel("gather")
        if pipe := self._pipe():
            pipe.pauseProducing()

    def resume(self) -> None:
        """Continue to read, at once."""
        self._paused = False
        self._timers.cancel("gather")
        self._last_read = self._seconds()
        if pipe := self._pipe():
            pipe.resumeProducing()

    def all_of(self, data: bytes) -> bytes:
        """Return what Twisted has read and what more there is in the pipe now; never blocks."""
        pipe = self._pipe()
        self._gather(pipe)
        if pipe is None or len(data) < TWISTED_READ:
            return data
        try:
            return data + os.read(pipe.fileno(), PIPE)
        except OSError:
            # There is no more now, or Twisted's own next read reports the error.
            return data

    def _gather(self, pipe: Any) -> None:
        """In a burst, read again only after some time."""
        now = self._seconds()
        self._in_a_row = self._in_a_row + 1 if now - self._last_read < BURST_GAP else 0
        self._last_read = now
        if self._in_a_row >= BURST and pipe is not None and not self._paused:
            pipe.pauseProducing()
            self._timers.start("gather", GATHER, self.resume)
