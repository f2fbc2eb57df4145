"""Load, the short form: many at once, many in a row.

benchmarks/load.py is the long form; doc/reliability.md has its results.
"""

from __future__ import annotations

import os
from typing import Any

from .harness import at_rest, reactor, when
from .test_faults import FaultCase


class Load(FaultCase):
    async def start_proxy(self, **settings: Any) -> Any:
        return await super().start_proxy(**{"workers": 2, "queue": 40, **settings})

    async def settled(self) -> None:
        await when(lambda: at_rest(self.proxy.pool))
        await when(lambda: not self.proxy._connections.protocols)

    async def test_60_streams_at_once_on_two_processes(self) -> None:
        clients = [await self.send(f"ECHO:this is for {number}") for number in range(60)]
        refused = 0
        for number, client in enumerate(clients):
            await when(lambda client=client: client.gone)  # type: ignore[misc]
            if client.status == 429:
                assert b"retry-after: 5" in client.received.lower()
                refused += 1
            else:
                assert (client.whole, client.text) == (True, f"this is for {number}")
        assert refused <= 20
        assert len(self.processes()) <= 2
        await self.settled()

    async def send_and_see(self, text: str) -> None:
        client = await self.send(f"ECHO:{text}", "another")
        await when(lambda: client.gone)
        assert (client.whole, client.text) == (True, text), client.received

    async def test_150_in_a_row_leave_nothing(self) -> None:
        for number in range(10):
            await self.send_and_see(f"warm {number}")
        await self.settled()
        before = self.counts()
        for number in range(150):
            await self.send_and_see(f"number {number}")
        await self.settled()
        after = self.counts()
        assert all(now <= then + 3 for now, then in zip(after, before, strict=True)), (
            before,
            after,
        )

    def counts(self) -> tuple[int, int, int]:
        """Descriptors, processes, delayed calls."""
        fds = len(os.listdir("/proc/self/fd"))
        return fds, len(self.processes()), len(reactor.getDelayedCalls())
