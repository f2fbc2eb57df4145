"""SIGHUP in the first moments of the server, before it can heed it."""

from __future__ import annotations

import signal
from contextlib import suppress


class Hangups:
    """SIGHUP before the server runs: it must not end the process, and is heeded later."""

    def __init__(self) -> None:
        """There has been none."""
        self.missed = False

    def hold(self) -> None:
        """Keep them for later from now on."""
        # Twisted runs this in a thread in tests, where there are no signals.
        with suppress(ValueError):
            signal.signal(signal.SIGHUP, self._miss)

    def _miss(self, *_: object) -> None:
        self.missed = True


hangups = Hangups()
