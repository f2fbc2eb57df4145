"""How long things take here, and what follows from it: start a process, or wait for a busy one."""

from __future__ import annotations

import attrs


# How fast averages follow.
SMOOTHING = 0.3


@attrs.define
class LatencyEstimates:
    """What has been seen lately, in seconds.

    starting: from a process' start to its being ready. turn: a whole answer on a warm process;
    infinite until one was seen.
    """

    cores: int
    starting: float = 1.0
    turn: float = float("inf")

    def started(self, seconds: float) -> None:
        """A process took so long to start."""
        self.starting += SMOOTHING * (seconds - self.starting)

    def answered(self, seconds: float) -> None:
        """A warm process took so long to answer."""
        known = self.turn < float("inf")
        self.turn = self.turn + SMOOTHING * (seconds - self.turn) if known else seconds

    def should_spawn(self, *, waited: float, ahead: int, busy: int, starting: int) -> bool:
        """Whether to start a process rather than wait for one that is busy or on its way.

        waited: how long the request has waited. ahead: how many come before it, itself included.
        busy: the processes that could serve it next. starting: those that are just starting; they
        share the cores, so more of them at once would make nobody's sooner, and would slow down
        the warm ones.
        """
        if not busy:
            return starting < self.cores
        left = self.starting - waited
        if left > 0 and self.turn * ahead / busy <= left:
            return False
        return starting == 0
