"""The faults of soak.py: what is done to a proxy while clients use it."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Iterator

from soak_proxy import Proxy
from soak_verdict import Fault


HOUR = 3600.0


class Faults:
    """Does one fault after the other, and remembers when. problems: what went wrong itself."""

    def __init__(self, proxy: Proxy, rng: random.Random) -> None:
        self.proxy = proxy
        self.done: list[Fault] = []
        self.problems: list[str] = []
        self._rng = rng
        self._clock = itertools.cycle((HOUR, 0.0, -HOUR, 0.0, 20.0, 0.0))
        self._next = self._endless()

    def _endless(self) -> Iterator[tuple[str, Callable[[], None]]]:
        kinds: list[tuple[str, Callable[[], None]]] = [
            ("a CLI killed", self._kill_one),
            ("all CLIs killed", lambda: self.proxy.kill_clis(self.proxy.clis())),
            ("machine suspended", lambda: self.proxy.suspend(self._rng.uniform(3, 8))),
            # There and back is a clock that was wrong for a time.
            ("clock set", lambda: self.proxy.set_clock(next(self._clock))),
            ("clock set", lambda: self.proxy.set_clock(next(self._clock))),
            ("API silent", self._silent),
        ]
        while True:
            self._rng.shuffle(kinds)
            yield from kinds

    def one(self) -> None:
        """Do the next one."""
        self._do(*next(self._next))

    def restart(self, number: signal.Signals) -> None:
        self._do(f"restart after {number.name}", lambda: self._restart(number))

    def _do(self, kind: str, do: Callable[[], None]) -> None:
        began = time.monotonic()
        do()
        self.done.append(Fault(kind, began, time.monotonic()))

    def _kill_one(self) -> None:
        if pids := self.proxy.clis():
            self.proxy.kill_clis([self._rng.choice(pids)])

    def _silent(self) -> None:
        pid = self.proxy.demo.process.popen.pid
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self._rng.uniform(2, 6))
        os.kill(pid, signal.SIGCONT)

    def _restart(self, number: signal.Signals) -> None:
        self.proxy.stop(number)
        if left := self.proxy.gone(30):
            self.problems.append(f"{len(left)} CLI processes left 30 s after {number.name}")
            self.proxy.kill_clis(left)
        self.proxy.start()
