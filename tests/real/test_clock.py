"""The wall clock of the proxy is set while it runs, as when a machine gets the right time.

benchmarks/soak_server.py runs a proxy whose wall clock can be set.
"""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

from .harness import ROOT, when
from .serving import Served, Server, http


HOUR = 3600
SCRIPT = ROOT / "benchmarks" / "soak_server.py"


class ClockSet(Served):
    program = (str(SCRIPT),)

    async def start_proxy(self, **settings: Any) -> Server:  # type: ignore[override]
        self.control = Path(self.home) / "control"
        self.control.mkdir()
        environ = {"SOAK_CONTROL": str(self.control), "PYTHONPATH": str(ROOT)}
        return await super().start_proxy(environ=environ, first_token_timeout=2, **settings)

    async def set_clock(self, ahead: float) -> None:
        (self.control / "offset").write_text(str(ahead))
        os.kill(self.server.popen.pid, signal.SIGUSR2)
        counts = self.control / "counts"
        await when(counts.exists)
        counts.unlink()

    def asked(self, text: str) -> bytes:
        messages = [{"role": "user", "content": text}]
        body = {"model": "sonnet", "stream": True, "messages": messages}
        return http("POST", "/v1/chat/completions", body)

    async def test_forward_it_ends_no_answer(self) -> None:
        client = await self.begin(self.asked("SLOW:0.05 LONG:40"))
        await when(lambda: b"tok1" in client.received)
        # Longer than any limit.
        await self.set_clock(24 * HOUR)
        await when(lambda: client.gone)
        assert client.whole
        assert client.text.split() == [f"tok{n}" for n in range(40)]

    async def test_backward_it_delays_no_limit(self) -> None:
        client = await self.begin(self.asked("WAIT:60 ECHO:too late"))
        await self.api.received(1)
        await self.set_clock(-HOUR)
        await when(lambda: client.gone)
        assert client.status == 504

    async def test_times_that_have_passed_are_told_by_another_clock(self) -> None:
        await self.answer(self.asked("ECHO:hello"))
        for ahead in (24 * HOUR, -24 * HOUR):
            await self.set_clock(ahead)
            answer = await self.answer(http("GET", "/health"))
            health = json.loads(answer.received.partition(b"\r\n\r\n")[2])
            assert 0 < health["uptime"] < HOUR
            assert 0 <= health["login"]["age"] < HOUR

    async def test_the_end_of_a_limit_is_told_by_the_wall_clock(self) -> None:
        await self.set_clock(HOUR)
        client = await self.answer(self.asked(f"LIMIT:{2 * HOUR}"))
        assert client.status == 429
        found = re.search(rb"retry-after: (\d+)", client.received.lower())
        assert found
        assert HOUR - 60 < int(found[1]) <= HOUR + 1
