"""The status page in a real Chromium: its states, its data, keys, and pages of other origins."""

from __future__ import annotations

import time

from claudeproxy.condition import faults
from claudeproxy.events import Usage
from claudeproxy.pool import looks
from claudeproxy.service import ProxyService
from claudeproxy.web.status.history import Ended

from .harness import when
from .status_case import ROWS, StatusCase


KEY = "k-of-the-page"


class Watching(StatusCase):
    """What counts as a failure in all other cases is seen."""

    async def test_the_policy_forbids_what_comes_from_elsewhere_and_what_writes_html(self) -> None:
        await self.open()
        self.clean()
        tries = {
            "document.body.setAttribute('style', 'color: red')": "style",
            "fetch('http://other.example/').catch(() => 0)": "connect",
            "document.body.append(Object.assign(new Image(), {src: 'http://a.example/'}))": "img",
        }
        for script, directive in tries.items():
            self.browser.errors.clear()
            await self.browser.run(f"{{ {script}; 0 }}")
            await when(lambda: bool(self.browser.errors))
            assert f"{directive}-src" in self.browser.errors[0], script
        assert (
            await self.browser.run(
                "(() => { try { document.body.innerHTML = '<b>x</b>' } catch (error) {"
                " return error.name } })()"
            )
            == "TypeError"
        )
        self.browser.errors.clear()
        await self.browser.run("setTimeout(() => { throw new Error('thrown') }); 0")
        await when(lambda: bool(self.browser.errors))
        assert "thrown" in self.browser.errors[0]


class Looking(StatusCase):
    async def test_a_ready_server(self) -> None:
        await self.open()
        assert await self.browser.text("#verdict") == "Ready Claude Code is ready."
        facts = await self.browser.text("#facts")
        assert self.cli in facts
        assert "Logged in (by an API key)." in facts
        assert await self.browser.run("document.title") == "Ready - claudeproxy"
        assert await self.browser.run("document.getElementById('demo').hidden")
        # What `claudeproxy client` prints, for this server.
        port = self.proxy.url.rpartition(":")[2]
        shown = await self.browser.run(
            "document.querySelector('#client-claude-code pre').textContent"
        )
        assert shown == (
            f"ANTHROPIC_BASE_URL=http://localhost:{port} ANTHROPIC_AUTH_TOKEN=not-needed claude"
        )
        await self.browser.run(
            "(() => { const chosen = document.getElementById('use-model');"
            "chosen.value = 'haiku'; chosen.dispatchEvent(new Event('change')); })()"
        )
        shown = await self.browser.run("document.querySelector('#client-codex pre').textContent")
        assert shown.startswith('model = "haiku"\n')
        self.clean()

    async def test_a_server_that_is_not_ready_becomes_ready(self) -> None:
        self.patch(looks, "LOOK_AGAIN", 0.0)
        path = self.home / "claude"
        proxy = await self.start_proxy(cli=str(path))
        await when(lambda: proxy.condition.reason is not None and proxy.condition.cli is None)
        await when(lambda: proxy.condition.error is not None)
        await self.open(proxy, ready=False)
        sentence = faults.no_cli(str(path)).message.partition(" Install")[0]
        assert sentence in await self.browser.text("#verdict")
        assert "Not ready" in await self.browser.text("#verdict")
        assert "It has found no Claude Code CLI yet." in await self.browser.text("#facts")
        path.symlink_to(self.cli)
        await self.browser.until("document.getElementById('verdict').dataset.ready === 'yes'")
        # The models are asked for now.
        await self.browser.until("document.querySelectorAll('#model option').length > 1")
        self.clean()

    async def test_the_demo_is_marked(self) -> None:
        proxy = await self.start_proxy(demo=True)
        await self.open(proxy)
        assert await self.browser.text(".banner") == (
            "Demo: a built-in stand-in answers instead of Claude."
        )
        assert "No login is needed." in await self.browser.text("#facts")
        await self.send("ECHO:from the stand-in")
        await self.done()
        # Its plan has limits, which come with the answer.
        await self.browser.until("document.querySelectorAll('#plan meter').length === 2")
        self.clean()

    async def test_the_demo_takes_the_place_of_a_server(self) -> None:
        await self.open()
        port = int(self.proxy.url.rpartition(":")[2])
        await self.proxy.stopService()
        await self.browser.until("document.getElementById('verdict').dataset.ready === 'no'")
        await self.start_proxy(demo=True, port=port)
        await self.browser.until("document.getElementById('verdict').dataset.ready === 'yes'")
        assert not await self.browser.run("document.getElementById('demo').hidden")
        self.clean("ERR_CONNECTION_REFUSED", "status of 503")

    async def test_without_scripts_the_state_and_the_settings_can_be_read(self) -> None:
        await when(lambda: self.proxy.condition.reason is None)
        self.served = self.proxy
        await self.browser.scripts(run=False)
        await self.browser.visit(self.proxy.url.replace("127.0.0.1", "localhost"))
        text = await self.browser.run("document.body.innerText")
        assert "Claude Code is ready." in text
        assert "This part needs JavaScript" in text
        assert "Codex CLI" in text
        assert "API key" not in text.partition("Use it")[0]
        await self.browser.scripts(run=True)
        self.clean()

    async def test_a_thousand_requests(self) -> None:
        now = time.time()
        for number in range(1000):
            self.proxy.status.history.note(_ended(now - 1000 + number, number))
        await self.open()
        await self.browser.until(f"{ROWS} === 100")
        first = "document.querySelector('#recent tbody tr').innerText"
        assert "model-999" in await self.browser.run(first)
        for number in range(1000, 1250):
            self.proxy.status.history.note(_ended(time.time(), number))
        await self.browser.until(f"{first}.includes('model-1249')")
        assert await self.browser.run(ROWS) == 100
        # Each plot says in words what it shows.
        labels = await self.browser.run(
            "[...document.querySelectorAll('svg.plot')].map((one) => one.ariaLabel)"
        )
        assert [label.partition(":")[0] for label in labels] == [
            *("Requests", "First token", "Tokens", "Errors")
        ]
        await self.browser.until(
            "document.querySelector('svg.plot').ariaLabel.includes('1,250')", 15
        )
        await self.browser.click("input[value=day]")
        await self.browser.until(
            "document.querySelector('svg.plot').ariaLabel.includes('in 15 minutes')"
        )
        self.clean()

    async def test_a_page_that_nobody_sees_costs_nothing(self) -> None:
        await self.open()
        await when(lambda: len(self.proxy.status.streams) == 1)
        await self.browser.hide(hidden=True)
        await when(lambda: len(self.proxy.status.streams) == 0)
        assert not self.proxy.status.streams._timers._calls
        await self.browser.hide(hidden=False)
        await when(lambda: len(self.proxy.status.streams) == 1)
        self.clean()

    async def test_a_page_that_nobody_uses_pauses(self) -> None:
        await self.open()
        await when(lambda: len(self.proxy.status.streams) == 1)
        later = "Date.now = ((now) => () => now() + 2 * 3600e3)(Date.now); 0"
        await self.browser.run(later)
        # As after ten minutes.
        for stream in self.proxy.status.streams._streams:
            stream.end()
        await self.browser.until("!document.getElementById('resume').hidden")
        assert len(self.proxy.status.streams) == 0
        await self.browser.click("#resume")
        await when(lambda: len(self.proxy.status.streams) == 1)
        await self.browser.until("document.getElementById('resume').hidden")
        self.clean()

    async def test_the_server_stops_while_the_page_is_open(self) -> None:
        await self.open()
        await self.proxy.stopService()
        await self.browser.until("document.getElementById('verdict').dataset.ready === 'no'")
        await self.browser.until(
            "document.getElementById('live-told').textContent.startsWith("
            "'The server cannot be reached. If it has stopped, start it again;')"
        )
        self.clean("ERR_CONNECTION_REFUSED", "status of 503")


def _ended(at: float, number: int) -> Ended:
    failed = number % 10 == 0
    return Ended(
        at,
        "POST /v1/messages",
        f"model-{number}",
        "continued",
        "none",
        "error" if failed else "ok",
        529 if failed else 200,
        "overloaded" if failed else None,
        0.5 + number % 7,
        2.0 + number % 7,
        Usage(10, 200, 30, 40),
    )


class WithKeys(StatusCase):
    settings = {"keys": {"browser": KEY}}

    async def open(self, proxy: ProxyService | None = None, *, ready: bool = True) -> None:
        await when(lambda: self.proxy.condition.reason is None)
        await super().open(proxy, ready=False)

    async def use(self, key: str) -> None:
        await self.browser.write("#key", key)
        await self.browser.click("#key-form button")

    async def test_the_page_asks_for_a_key_and_keeps_it_for_the_tab(self) -> None:
        await self.open()
        assert "Ready" in await self.browser.text("#verdict")
        hidden = "['try-form', 'live-part'].every((id) => document.getElementById(id).hidden)"
        assert await self.browser.run(hidden)
        locked = "document.getElementById('try-locked').hidden"
        assert not await self.browser.run(locked)
        assert "With an API key" in await self.browser.text("#plan")
        told = "document.getElementById('key-told').textContent"
        await self.use("wrong")
        await self.browser.until(f"{told}.startsWith('Incorrect API key')")
        assert await self.browser.run(hidden)
        await self.browser.run("document.getElementById('key').value = ''")
        await self.use(KEY)
        await self.browser.until(f"{told} === 'The page uses the key that you gave.'")
        await self.browser.until("document.querySelectorAll('#model option').length > 1")
        assert await self.browser.run(locked)
        await self.send("ECHO:with a key")
        await self.done()
        assert await self.browser.text("#answer") == "with a key"
        row = "document.querySelector('#recent tbody').innerText"
        await self.browser.until(f"{row}.includes('browser')")
        for name in ("request-curl", "request-body"):
            shown = await self.browser.run(f"document.getElementById('{name}').textContent")
            assert KEY not in shown
        assert "Bearer $KEY" in await self.browser.run(
            "document.getElementById('request-curl').textContent"
        )
        assert await self.browser.run("localStorage.length") == 0
        assert KEY not in " ".join(self.browser.asked)
        # It is still there when the page is loaded again, and not after it was forgotten.
        await super().open()
        await self.browser.click("#key-forget")
        await self.browser.until("document.getElementById('key-forget').hidden")
        await self.browser.until(hidden)
        assert await self.browser.run("sessionStorage.length") == 0
        self.clean("status of 401")


class OtherOrigins(StatusCase):
    async def test_a_page_of_another_origin_learns_nothing(self) -> None:
        await when(lambda: self.proxy.condition.reason is None)
        port = self.proxy.url.rpartition(":")[2]
        # A page that this server did not send, with an origin of its own.
        other = await self.start_proxy(allowed_hosts=("other.example",))
        other_port = other.url.rpartition(":")[2]
        await self.browser.visit(f"http://other.example:{other_port}/api/hello")
        script = """
        (async () => {
          const told = {};
          for (const path of ["/", "/status/data", "/status/events", "/status/static/status.js"]) {
            for (const mode of ["cors", "no-cors"]) {
              told[`${mode} ${path}`] = await fetch(`http://localhost:PORT${path}`, {mode}).then(
                async (got) => [got.type, got.status, await got.text()], (error) => error.name);
            }
          }
          const frame = document.createElement("iframe");
          frame.src = "http://localhost:PORT/";
          const loaded = new Promise((resolve) => { frame.onload = resolve; });
          document.body.append(frame);
          await loaded;
          try { told.frame = frame.contentWindow.document.body.innerText; }
          catch (error) { told.frame = error.name; }
          return told;
        })()
        """
        told = await self.browser.run(script.replace("PORT", port))
        assert told.pop("frame") == "SecurityError"
        for asked, found in told.items():
            # An opaque answer has no status and no text; what the server said was a 403.
            assert found == (["opaque", 0, ""] if asked.startswith("no-cors") else "TypeError")
        assert len(self.proxy.status.streams) == 0

    async def test_the_page_works_by_an_allowed_name(self) -> None:
        proxy = await self.start_proxy(allowed_hosts=("my.example",))
        await when(lambda: proxy.condition.reason is None)
        port = proxy.url.rpartition(":")[2]
        await self.browser.visit(f"http://my.example:{port}/")
        await self.browser.until("document.querySelectorAll('#model option').length > 1")
        await self.send("ECHO:by name")
        await self.done()
        assert await self.browser.text("#base-url") == f"http://my.example:{port}/v1"
        assert self.browser.errors == []
