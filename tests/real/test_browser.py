"""What web pages can and cannot do with the proxy, in a real, headless Chromium.

A foreign page learns nothing and makes nothing reach the API, whichever way it asks. Nor does one
whose own name was made to lead to the proxy (DNS rebinding). A page whose origin is allowed reads
its answer while it is being written.

All is on loopback: Chromium takes every name that ends in `.example` for 127.0.0.1.
"""

from __future__ import annotations

# Trial takes a `suppress` in a module for its own.
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from twisted.internet.defer import DeferredQueue, maybeDeferred
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SkipTest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from claudeproxy.web.connections import Connections

from .chromium import BROWSERS, OPTIONS
from .harness import PATH, RealCLI, reactor, when


KEY = "k-of-the-page"

# What the pages have in common. `given` holds the proxy's URL, that of the page server, and the
# body of a request for a chat completion.
COMMON = """
const chat = given.proxy + "/v1/chat/completions", models = given.proxy + "/v1/models";
const post = (type, options = {}) => {
  const headers = {...options.headers, "content-type": type};
  return fetch(chat, {method: "POST", body: given.body, ...options, headers});
};
const told = async (asking) => {
  try {
    const response = await asking;
    return [response.type, response.status, await response.text()];
  } catch (error) {
    return error.name;
  }
};
const report = (found) => fetch(given.pages, {
  method: "POST", mode: "no-cors", body: JSON.stringify(found),
});
onerror = (message) => report(message);
"""

# Every way to ask that a page has. The form's one field makes JSON of what is no JSON.
FOREIGN = r"""
const loaded = (element, source) => new Promise((resolve) => {
  element.onload = () => resolve("load");
  element.onerror = () => resolve("error");
  element.src = source;
  document.body.append(element);
});
const opened = (source) => new Promise((resolve) => {
  source.onopen = source.onmessage = () => resolve("open");
  source.onerror = () => { source.close(); resolve("error"); };
});
const submitted = () => new Promise((resolve) => {
  const frame = document.createElement("iframe"), form = document.createElement("form");
  const field = document.createElement("input");
  frame.name = form.target = "frame";
  Object.assign(form, {method: "POST", enctype: "text/plain", action: chat});
  Object.assign(field, {name: given.body.slice(0, -1) + ',"user":"', value: '"}'});
  form.append(field);
  document.body.append(frame, form);
  frame.onload = () => resolve(frame.contentDocument);
  form.submit();
});
const sandboxed = () => new Promise((resolve) => {
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts";
  const source = `fetch("${models}").then((got) => got.text(), (error) => error.name)`;
  frame.srcdoc = `<script>${source}.then((got) => parent.postMessage(got, "*"))<\/script>`;
  onmessage = (event) => resolve(event.data);
  document.body.append(frame);
});
const simple = {mode: "no-cors"};
const found = {
  "POST JSON": await told(post("application/json")),
  "POST JSON with a key": await told(post("application/json", {
    headers: {authorization: "Bearer " + given.key},
  })),
  "POST text": await told(post("text/plain")),
  "POST text, no-cors": await told(post("text/plain", simple)),
  "POST JSON, no-cors": await told(post("application/json", simple)),
  "beacon": navigator.sendBeacon(chat, new Blob([given.body], {type: "application/json"})),
  "form": await submitted(),
  "GET": await told(fetch(models)),
  "GET, no-cors": await told(fetch(models, simple)),
  "GET health": await told(fetch(given.proxy + "/health")),
  "DELETE": await told(fetch(given.proxy + "/v1/responses/r", {method: "DELETE"})),
  "image": await loaded(new Image(), models),
  "EventSource": await opened(new EventSource(models)),
  "WebSocket": await opened(new WebSocket(models.replace("http", "ws"))),
  "sandboxed": await sandboxed(),
};
report(found);
"""

# The page server answers the first report once the page's name leads to the proxy.
REBOUND = """
await report("loaded");
report({
  models: await told(fetch("/v1/models")),
  health: await told(fetch("/health")),
  chat: await told(fetch("/v1/chat/completions", {
    method: "POST", headers: {"content-type": "application/json"}, body: given.body,
  })),
});
"""

# Reads until the stream ends, or until the piece `given.enough` is there, and then goes away.
ALLOWED = """
const refused = await told(post("application/json"));
const leaving = new AbortController();
const response = await post("application/json", {
  headers: {authorization: "Bearer " + given.key}, signal: leaving.signal,
});
const pieces = [];
const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
for (;;) {
  const {value, done} = await reader.read();
  if (done) break;
  pieces.push(value);
  if (given.enough && value.includes(given.enough)) {
    leaving.abort();
    break;
  }
}
const {status, headers} = response;
report({refused, status, headers: Object.fromEntries(headers), pieces});
"""


class PageServer(Resource):
    """Answers every GET with one page, and keeps what pages POST until the test answers it."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.page = b""
        self.reports: DeferredQueue[Any] = DeferredQueue()
        self._connections = Connections(reactor, Site(self))
        self._listening = reactor.listenTCP(0, self._connections, interface="127.0.0.1")
        self.port: int = self._listening.getHost().port

    def render_GET(self, request: Any) -> bytes:
        request.setHeader("content-type", "text/html; charset=utf-8")
        return self.page

    def render_POST(self, request: Any) -> int:
        self.reports.put(request)
        return NOT_DONE_YET

    async def report(self) -> Any:
        """What the page reports next."""
        request = await self.reports.get()
        found = json.load(request.content)
        request.finish()
        return found

    async def stop(self) -> None:
        await maybeDeferred(self._listening.stopListening)
        await self._connections.close()


class Browsing(RealCLI):
    timeout = 120

    async def setUp(self) -> None:  # type: ignore[override]
        self.browser = next(filter(None, map(shutil.which, BROWSERS)), "")
        if not self.browser:
            raise SkipTest(f"none of {', '.join(BROWSERS)} is installed")
        await super().setUp()
        self.pages = self.serve()
        # How often each route was answered with each status, whichever proxy did.
        self.answered: Counter[tuple[str, int]] = Counter()
        observer: Any = self._note
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def _note(self, event: Any) -> None:
        fields = event.get("fields", {})
        if "route" in fields and "status" in fields:
            self.answered[fields["route"], fields["status"]] += 1

    def serve(self) -> PageServer:
        server = PageServer()
        self.addCleanup(server.stop)
        return server

    def visit(
        self,
        host: str,
        script: str,
        said: str,
        *,
        server: PageServer | None = None,
        stream: bool = False,
        enough: str = "",
    ) -> None:
        """Open a page with this script at a host of this name."""
        server = server or self.pages
        messages = [{"role": "user", "content": said}]
        given = {
            "proxy": self.proxy.url,
            "pages": f"http://127.0.0.1:{self.pages.port}/",
            "body": json.dumps({"model": "sonnet", "stream": stream, "messages": messages}),
            "key": KEY,
            "enough": enough,
        }
        page = f"const given = {json.dumps(given)};{COMMON}{script}"
        # A module, as only there `await` needs no function around it.
        server.page = f"<!doctype html><body><script type=module>{page}</script>".encode()
        self._start_browser(f"http://{host}:{server.port}/")

    def _start_browser(self, url: str) -> None:
        home = self.home / "browser"
        home.mkdir()
        process = subprocess.Popen(
            # It ends even if this process is killed.
            [
                *("timeout", "-s", "KILL", str(self.timeout)),
                *(self.browser, *OPTIONS, f"--user-data-dir={home / 'profile'}", url),
            ],
            env={"HOME": str(home), "TMPDIR": str(home), "PATH": PATH},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.addCleanup(self._end_browser, process)

    async def _end_browser(self, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # Its crash handlers have sessions of their own, and end when it has.
        await when(lambda: process.poll() is not None and not self._of_browser())

    def _of_browser(self) -> list[str]:
        """The processes with the browser's folder in their command line."""
        home = str(self.home / "browser").encode()
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if home in Path(f"/proc/{entry}/cmdline").read_bytes():
                    found.append(entry)
        return found


NOTHING = ["opaque", 0, ""]


class ForeignPages(Browsing):
    async def test_a_foreign_page_learns_nothing_and_nothing_reaches_the_api(self) -> None:
        self.visit("evil.example", FOREIGN, "ECHO:spent")
        assert await self.pages.report() == {
            "POST JSON": "TypeError",
            "POST JSON with a key": "TypeError",
            "POST text": "TypeError",
            "POST text, no-cors": NOTHING,
            "POST JSON, no-cors": NOTHING,
            # So much as: it will be sent.
            "beacon": True,
            "form": None,
            "GET": "TypeError",
            "GET, no-cors": NOTHING,
            "GET health": "TypeError",
            "DELETE": "TypeError",
            "image": "error",
            "EventSource": "error",
            "WebSocket": "error",
            "sandboxed": "TypeError",
        }
        expected = {
            # The preflights, one of them the beacon's.
            ("OPTIONS /v1/chat/completions", 403): 3,
            ("OPTIONS /v1/responses/<name>", 403): 1,
            ("POST /v1/chat/completions", 403): 4,
            # With "GET, no-cors" and the image the browser names no Origin, but says that the
            # page is of another site.
            ("GET /v1/models", 403): 6,
            ("GET /health", 403): 1,
        }
        # All came, and were not kept back by the browser. Nobody waits for the beacon.
        await when(lambda: self.answered.total() >= sum(expected.values()))
        assert not self.api.requests
        assert self.answered == expected

    async def test_a_page_whose_name_leads_to_the_proxy_is_refused(self) -> None:
        server = self.serve()
        self.visit("rebind.example", REBOUND, "ECHO:spent", server=server)
        loaded = await self.pages.reports.get()
        # From now on its name and port, and so its origin, are those of a proxy.
        await server.stop()
        await self.start_proxy(port=server.port)
        loaded.finish()
        found = await self.pages.report()
        assert {name: answer[:2] for name, answer in found.items()} == {
            # "basic": the page may read all there is, as it is of the same origin.
            "models": ["basic", 403],
            "health": ["basic", 403],
            "chat": ["basic", 403],
        }
        name = f"rebind.example:{server.port}"
        for asked, message in {
            "models": f"The host {name} is not allowed",
            "health": f"The host {name} is not allowed",
            # Only with a POST does a browser name the origin to the origin itself.
            "chat": f"Requests from the origin http://{name} are not allowed ",
        }.items():
            told = json.loads(found[asked][2])
            assert list(told) == ["error"]
            assert told["error"]["message"].startswith(message)
        assert not self.api.requests


class AllowedPages(Browsing):
    """Chromium asks nobody whether a page may reach this machine: the pages are from here too."""

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        origin = f"http://good.example:{self.pages.port}"
        self.proxy = await self.start_proxy(allowed_origins=(origin,), keys={"page": KEY})

    async def test_an_allowed_page_reads_its_answer(self) -> None:
        self.visit("good.example", ALLOWED, "SLOW:0.05 ECHO:one two three four", stream=True)
        found = await self.pages.report()
        kind, status, refused = found["refused"]
        assert (kind, status) == ("cors", 401)
        assert json.loads(refused)["error"]["code"] == "invalid_api_key"
        assert found["status"] == 200
        assert found["headers"]["content-type"] == "text/event-stream; charset=utf-8"
        assert found["headers"]["x-claudeproxy-worker"]
        *chunks, last = _frames(found["pieces"])
        assert _text(chunks) == "one two three four"
        assert last == "[DONE]"
        # The two have the request's own name in common.
        name = found["headers"]["x-request-id"].removeprefix("req_")
        assert json.loads(chunks[0])["id"] == f"chatcmpl-{name}"
        assert len(self.api.requests) == 1
        assert self.answered == {
            ("OPTIONS /v1/chat/completions", 204): 2,
            ("POST /v1/chat/completions", 401): 1,
            ("POST /v1/chat/completions", 200): 1,
        }

    async def test_it_reads_an_answer_that_has_no_end_and_goes_away(self) -> None:
        # What is read from it was read before its end, as it has none.
        self.visit("good.example", ALLOWED, "STALL:2 ECHO:one two three", stream=True, enough="two")
        found = await self.pages.report()
        assert _text(_frames(found["pieces"])) == "one two "
        (received,) = self.api.requests
        assert (await received.ended()).outcome == "disconnected"
        assert len(self.api.requests) == 1


def _frames(pieces: list[str]) -> list[str]:
    """The data of a stream's events."""
    frames = "".join(pieces).split("\n\n")
    assert frames.pop() == ""
    # Others are comments that keep the connection open.
    return [frame.removeprefix("data: ") for frame in frames if frame.startswith("data: ")]


def _text(chunks: list[str]) -> str:
    """What a completion's chunks say."""
    choices = [choice for chunk in chunks for choice in json.loads(chunk)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)
