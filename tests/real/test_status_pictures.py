"""What the status page looks like: axe finds nothing, and the pictures of the manual.

With CLAUDEPROXY_SCREENSHOTS=1 the pictures in doc/images are made.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import attrs
from twisted.trial.unittest import SkipTest

from claudeproxy.events import Usage
from claudeproxy.service import ProxyService
from claudeproxy.web.status.history import Ended

from .harness import ROOT, when
from .status_case import StatusCase


IMAGES = ROOT / "doc" / "images"
KEY = "k-of-the-page"


class ForEveryone(StatusCase):
    """What axe finds, in each state and in both schemes, on a phone and on a desktop."""

    async def test_axe_finds_nothing(self) -> None:
        proxy = await self.start_proxy(demo=True)
        _past(proxy)
        await self.open(proxy)
        await self.send("ECHO:Some `code`\n\n- and a [list](https://a.example/)\n\n```\nmore\n```")
        await self.done()
        opened = "for (const one of document.querySelectorAll('details')) one.open = true"
        await self.browser.run(opened)
        for scheme in ("light", "dark"):
            await self.browser.prefer(scheme)
            for width in (1280, 360):
                await self.browser.resize(width, 800, mobile=width < 500)
                assert await self.violations() == [], (scheme, width)
                wide = "document.documentElement.scrollWidth"
                assert await self.browser.run(wide) <= width
        # It would find something.
        await self.browser.run(
            "document.querySelector('main').append(document.createElement('img'))"
        )
        assert [name for name, _ in await self.violations()] == ["image-alt"]

    async def test_axe_finds_nothing_while_a_key_is_asked_for_and_without_a_cli(self) -> None:
        proxy = await self.start_proxy(keys={"a": KEY}, cli=str(self.home / "none"))
        await when(lambda: proxy.condition.error is not None)
        await self.open(proxy, ready=False)
        for scheme in ("light", "dark"):
            await self.browser.prefer(scheme)
            assert await self.violations() == [], scheme


def _past(proxy: ProxyService) -> None:
    """Make requests of the last day."""
    number, at, end = 0, time.time() - 86000, time.time()
    rungs = ("continued", "continued", "rewound", "claimed", "resumed", "spawned")
    models = ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5")
    while at < end:
        failed = number % 97 == 40
        first = 0.3 + (number * 7919 % 1000) / 700
        proxy.status.history.note(
            Ended(
                at,
                "POST /v1/messages" if number % 3 else "POST /v1/chat/completions",
                models[number % 5 % 3],
                rungs[number % 6],
                "none",
                "error" if failed else "ok",
                529 if failed else 200,
                "overloaded" if failed else None,
                None if failed else first,
                first + number * 31 % 90 / 10,
                None if failed else _usage(number),
            )
        )
        number += 1
        at += 2 + number * 7907 % 23 * (1 + number // 300 % 4)


def _usage(number: int) -> Usage:
    return Usage(
        *(40 + number % 90, 3000 + number * 53 % 12000, number * 131 % 2500),
        300 + number * 31 % 900,
    )


class Pictures(StatusCase):
    """They show neither the paths nor the ports of the machine that made them."""

    async def test_the_pictures_of_the_manual(self) -> None:
        if not os.environ.get("CLAUDEPROXY_SCREENSHOTS"):
            raise SkipTest("CLAUDEPROXY_SCREENSHOTS is not set")
        IMAGES.mkdir(exist_ok=True)
        proxy = await self.start_proxy(demo=True, port=3456)
        _past(proxy)
        await when(lambda: proxy.condition.reason is None)
        self.pretend(proxy)
        await self.browser.resize(1000, 1180)
        await self.open(proxy)
        await self.send("ECHO:" + STORY)
        await self.done()
        await self.browser.until("document.querySelectorAll('#plan meter').length === 2")
        await self.shot("status-page", "document.body")
        await self.browser.prefer("dark")
        await self.browser.resize(1000, 1000)
        await self.shot("status-live-dark", "document.getElementById('live')")
        await self.browser.prefer("light")
        await self.browser.resize(1000, 760)
        await self.browser.run("document.getElementById('client-openclaw').open = true")
        await self.shot("status-use", "document.getElementById('use')")
        await self.browser.resize(390, 844, mobile=True)
        await self.shot("status-phone", "document.body")
        self.pretend(self.proxy)
        self.proxy.condition.unauthorised(None)
        await self.browser.resize(1000, 420)
        await self.open(self.proxy, ready=False)
        await self.browser.until("document.getElementById('now').textContent")
        await self.shot("status-not-ready", "document.body")

    def pretend(self, proxy: ProxyService) -> None:
        """Show another path of the CLI."""
        assert proxy.condition.cli is not None
        path, where = "/usr/local/bin/claude", "PATH"
        proxy.condition.cli = attrs.evolve(proxy.condition.cli, path=path, where=where)

    async def shot(self, name: str, top: str) -> None:
        """Save what is seen when an element is at the top."""
        path: Path = IMAGES / f"{name}.png"
        await self.browser.run(f"{top}.scrollIntoView({{behavior: 'instant'}})")
        await self.browser.run("document.activeElement.blur()")
        await self.browser.picture(path)
        assert path.stat().st_size < 150_000, name


STORY = """\
A pipe carries **what it is given**, nothing more:

1. `cat notes.txt | sort` sorts the lines of a file.
2. `sort | uniq -c` counts them.
"""
