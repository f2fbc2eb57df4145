"""Prompts on the status page, in a real Chromium: the answers, stop, files, and what is shown."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from typing import Any

from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest

from .harness import PATH
from .status_case import ROWS, StatusCase


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
        await self.send("THINK:a_deep_thought ECHO:chosen")
        await self.done()
        thought = await self.browser.run("document.getElementById('thinking').textContent")
        assert "a deep thought" in thought
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


def _blocks(message: Any) -> list[Any]:
    return message["content"] if isinstance(message["content"], list) else []
