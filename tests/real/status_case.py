"""The status page in a real, headless Chromium, against the real CLI and the stand-in for the API.

Whatever the page logs as an error, and each violation of its Content-Security-Policy, is a failure.
Nothing is asked of another host.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SkipTest

from claudeproxy.service import ProxyService

from .chromium import Chromium
from .harness import ROOT, RealCLI, when


AXE = ROOT / ".cli" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
ROWS = "document.querySelectorAll('#recent tbody tr').length"


class StatusCase(RealCLI):
    timeout = 120

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.browser = Chromium(self.home / "browser")
        await self.browser.start()
        self.addCleanup(self.browser.stop)

    async def open(self, proxy: ProxyService | None = None, *, ready: bool = True) -> None:
        """Visit the page, by the name that a user would write."""
        self.served = proxy or self.proxy
        if ready:
            await when(lambda: self.served.condition.reason is None)
        url = self.served.url.replace("127.0.0.1", "localhost")
        await self.browser.visit(f"{url}/")
        if ready:
            await self.browser.until("document.querySelectorAll('#model option').length > 1")

    def clean(self, *but: str) -> None:
        """Nothing has gone wrong in the page, and it asked nobody else."""
        errors = [error for error in self.browser.errors if not any(part in error for part in but)]
        assert errors == []
        port = self.served.url.rpartition(":")[2]
        own = (f"http://localhost:{port}/", "data:", "blob:")
        assert [url for url in self.browser.asked if not url.startswith(own)] == []

    async def send(self, prompt: str) -> None:
        await self.browser.run("document.getElementById('prompt').value = ''")
        await self.browser.write("#prompt", prompt)
        await self.browser.click("#send")

    async def done(self, word: str = "Done") -> str:
        shown = "document.getElementById('answer-told').textContent"
        await self.browser.until(f"{shown}.startsWith({json.dumps(word)})")
        return str(await self.browser.run(shown))

    async def violations(self) -> Any:
        """What axe finds in the page."""
        if not AXE.exists():
            raise SkipTest("axe-core is not installed (`make test` does, where npm is)")
        await self.browser.run(AXE.read_text("utf-8") + "; 0")
        script = "axe.run(document).then((told) => told.violations.map((one) => [one.id,"
        return await self.browser.run(script + " one.nodes.map((node) => node.html)]))")
