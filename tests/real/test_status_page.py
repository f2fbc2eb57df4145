"""The status page in a real, headless Chromium, against the real CLI and the stand-in for the API.

Whatever the page logs as an error, and each violation of its Content-Security-Policy, is a failure.
Nothing is asked of another host. With CLAUDEPROXY_SCREENSHOTS=1 the pictures in doc/images are
made.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest

from claudeproxy.condition import faults
from claudeproxy.events import Usage
from claudeproxy.pool import looks
from claudeproxy.service import ProxyService
from claudeproxy.web.status.history import Ended

from .chromium import Chromium
from .harness import PATH, ROOT, RealCLI, when


AXE = ROOT / ".cli" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
IMAGES = ROOT / "doc" / "images"
KEY = "k-of-the-page"
ROWS = "document.querySelectorAll('#recent tbody tr').length"
CTRL = 2


def png(width: int = 24, height: int = 16) -> bytes:
    """A picture."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checked = name + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    lines = b"".join(b"\0" + b"\x1d\x4f\x91" * width for _ in range(height))
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


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
        assert await self.browser.run("document.querySelector('.banner')") is None
        # What `claudeproxy client` prints, for this server.
        port = self.proxy.url.rpartition(":")[2]
        shown = await self.browser.run(
            "document.querySelector('#client-claude-code pre').textContent"
        )
        assert shown == (
            f"ANTHROPIC_BASE_URL=http://localhost:{port} ANTHROPIC_API_KEY=not-needed claude"
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
            "document.getElementById('live-told').textContent === 'The server cannot be reached.'"
        )
        self.clean("ERR_CONNECTION_REFUSED", "status of 503")


def _blocks(message: Any) -> list[Any]:
    return message["content"] if isinstance(message["content"], list) else []


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


class Trying(StatusCase):
    async def test_an_answer_is_shown_while_it_is_written(self) -> None:
        await self.open()
        await self.send("PAUSE:1 ECHO:First words **bold** and `code`.")
        await self.browser.until("document.getElementById('answer').innerText.includes('First')")
        # It is not over yet, and is among those that run.
        assert await self.browser.run("document.getElementById('stop').disabled") is False
        running = "document.querySelector('#running tbody').innerText"
        await self.browser.until(f"{running}.includes('/v1/chat/completions')")
        told = await self.done()
        assert "process " in told
        assert "tokens in" in told
        answer = "document.getElementById('answer')"
        assert await self.browser.run(f"{answer}.querySelector('strong').innerText") == "bold"
        assert await self.browser.run(f"{answer}.querySelector('code').innerText") == "code"
        await self.browser.until(f"{ROWS} === 1 && {running}.includes('None.')")
        row = await self.browser.text("#recent tbody tr")
        assert "claude-sonnet-5-5" in row
        assert "ok" in row
        self.clean()

    async def test_stop_interrupts_the_turn(self) -> None:
        await self.open()
        await self.send("STALL:2 ECHO:one two three")
        await self.browser.until("document.getElementById('answer').innerText.includes('two')")
        await self.browser.click("#stop")
        assert (await self.done("Stopped")).startswith("Stopped after")
        (received,) = self.api.requests
        assert (await received.ended()).outcome == "disconnected"
        row = "document.querySelector('#recent tbody tr').innerText"
        await self.browser.until(f"{row}.includes('disconnected')")
        # Another one may follow at once.
        await self.send("ECHO:again")
        await self.done()
        assert await self.browser.text("#answer") == "again"
        self.clean()

    async def test_a_dropped_picture_and_a_pdf_reach_the_api(self) -> None:
        picture, pdf, other = (self.home / name for name in ("a.png", "b.pdf", "c.zip"))
        picture.write_bytes(png())
        pdf.write_bytes(b"%PDF-1.4\n%nothing\n")
        other.write_bytes(b"PK")
        await self.open()
        await self.browser.drop("#prompt", picture, pdf)
        await self.browser.until("document.querySelectorAll('#attached li').length === 2")
        await self.browser.until("document.querySelector('#attached img').naturalWidth === 24")
        await self.browser.drop("#prompt", other)
        await self.browser.until(
            "document.getElementById('answer-told').textContent.includes('c.zip is neither')"
        )
        shown = await self.browser.run("document.getElementById('request-body').textContent")
        assert [part["type"] for part in json.loads(shown)["messages"][0]["content"]] == [
            *("image_url", "file", "text")
        ]
        await self.send("ECHO:seen")
        await self.done()
        blocks = [block for each in self.seen()["messages"] for block in _blocks(each)]
        sent = [block for block in blocks if block["type"] in ("image", "document")]
        assert [block["type"] for block in sent] == ["image", "document"]
        await self.browser.click("#attached button")
        await self.browser.until("document.querySelectorAll('#attached li').length === 1")
        self.clean()

    async def test_the_keyboard_is_enough(self) -> None:
        await self.open()
        await self.browser.write("#prompt", "ECHO:by keys")
        await self.browser.press("Enter", 13, CTRL)
        await self.done()
        assert await self.browser.text("#answer") == "by keys"
        self.clean()

    async def test_the_chosen_model_and_effort_are_sent(self) -> None:
        await self.open()
        await self.browser.run(
            "(() => { document.getElementById('model').value = 'opus';"
            "document.getElementById('effort').value = 'low'; })()"
        )
        await self.send("ECHO:chosen")
        await self.done()
        assert "opus" in self.seen()["model"]
        assert self.seen()["output_config"]["effort"] == "low"
        shown = await self.browser.run("document.getElementById('request-curl').textContent")
        assert '"model":"opus"' in shown
        assert '"reasoning_effort":"low"' in shown
        assert "Bearer" not in shown
        self.clean()

    async def test_the_copied_curl_is_a_command_that_works(self) -> None:
        curl = shutil.which("curl")
        if curl is None:
            raise SkipTest("curl is not installed")
        await self.open()
        await self.browser.allow_copying()
        await self.browser.write("#prompt", 'ECHO:it\'s $HOME `pwd` \\ "quoted"\nEOF\nend')
        await self.browser.run("document.getElementById('request').open = true")
        await self.browser.click("#request button[aria-label='Copy: the request with curl']")
        await self.browser.until("document.querySelector('#request').innerText.includes('Copied')")
        command = await self.browser.run("navigator.clipboard.readText()")
        out, _, status = await getProcessOutputAndValue(
            "/bin/sh", ["-c", command], env={"PATH": PATH, "HOME": str(self.home)}
        )
        assert status == 0
        frames = [json.loads(line[6:]) for line in out.decode().splitlines() if "choices" in line]
        deltas = [choice["delta"] for frame in frames for choice in frame["choices"]]
        said = "".join(delta.get("content") or "" for delta in deltas)
        assert said == 'it\'s $HOME `pwd` \\ "quoted"\nEOF\nend'
        self.clean()

    async def test_an_error_is_told_in_the_servers_words(self) -> None:
        await self.open()
        await self.send("ERR:529")
        told = "document.getElementById('answer-told')"
        await self.browser.until(f"{told}.className === 'error'")
        assert "verloaded" in await self.browser.run(f"{told}.textContent")
        row = "document.querySelector('#recent tbody tr').innerText"
        await self.browser.until(f"{row}.includes('error')")
        self.clean("Failed to load resource: the server responded with a status of 5")

    async def test_markdown_becomes_elements_and_never_html(self) -> None:
        evil = "\n".join(
            (
                "<img src=x onerror=alert(1)> <script>alert(2)</script>",
                "",
                "[bad](javascript:alert(3)) [worse](data:text/html,x) [good](https://a.example/?q)",
                "",
                "1. one *it*",
                "2. two",
                "   - below",
                "",
                "```html",
                "<b>code</b>",
                "```",
                "snake_case_name, 2 * 3 * 4 and **open",
            )
        )
        await self.open()
        shown = await self.browser.run(
            "import('/status/static/markdown.js').then(({markdown}) => {"
            f"const into = document.getElementById('answer');"
            f"into.replaceChildren(...markdown({json.dumps(evil)})); return into.innerHTML; }})"
        )
        assert "&lt;img src=x onerror=alert(1)&gt; &lt;script&gt;" in shown
        assert await self.browser.run(
            "[...document.querySelectorAll('#answer a')].map((one) => one.href)"
        ) == ["https://a.example/?q"]
        assert "[bad](javascript:alert(3))" in shown
        assert '<ol start="1"><li>one <em>it</em></li><li>two<ul><li>below</li></ul>' in shown
        assert "&lt;b&gt;code&lt;/b&gt;</code></pre>" in shown
        assert "snake_case_name, 2 * 3 * 4 and **open" in shown
        self.clean()


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
        assert "With an API key" in await self.browser.text("#plan")
        told = "document.getElementById('key-told').textContent"
        await self.use("wrong")
        await self.browser.until(f"{told}.startsWith('Incorrect API key')")
        assert await self.browser.run(hidden)
        await self.browser.run("document.getElementById('key').value = ''")
        await self.use(KEY)
        await self.browser.until(f"{told} === 'The page uses the key that you gave.'")
        await self.browser.until("document.querySelectorAll('#model option').length > 1")
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
