"""Estimates of latencies, and the decision between a new process and a busy one."""

from __future__ import annotations

import attrs


# The weight of a new measurement in a moving average.
SMOOTHING = 0.3


@attrs.define
class LatencyEstimates:
    """Moving averages of measured latencies, in seconds.

    starting: from the start of a process until it is ready. turn: a whole answer of a warm process,
    infinite until one has been measured. cores: how many CPU cores the machine has.
    """

    cores: int
    starting: float = 1.0
    turn: float = float("inf")

    def started(self, seconds: float) -> None:
        """A process took this long to start."""
        self.starting += SMOOTHING * (seconds - self.starting)

    def answered(self, seconds: float) -> None:
        """A warm process took this long to answer."""
        known = self.turn < float("inf")
        self.turn = self.turn + SMOOTHING * (seconds - self.turn) if known else seconds

    def should_spawn(self, *, waited: float, ahead: int, busy: int, starting: int) -> bool:
        """Whether to start a process rather than wait for one that is busy or starting.

        waited: how long the request has waited. ahead: its position in the queue, from 1. busy: how
        many busy processes could serve it next. starting: how many processes are starting. These
        share the cores: with more of them at once none would be ready sooner, and the warm ones
        would be slower.
        """
        if not busy:
            return starting < self.cores
        left = self.starting - waited
        if left > 0 and self.turn * ahead / busy <= left:
            return False
        return starting == 0
