"""A real, headless Chromium that a test drives, by Chromium's own protocol for tools on a pipe.

Every error is kept: what a page logs as one, an exception that nobody caught, and each violation of
the page's Content-Security-Policy.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest

from .harness import PATH, reactor, when


BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    *("--headless", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"),
    # Its sandbox does not work for root, and all pages here are our own.
    "--no-sandbox",
    *("--disable-breakpad", "--disable-crash-reporter"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-default-apps", "--no-proxy-server"),
    "--host-resolver-rules=MAP *.example 127.0.0.1, EXCLUDE 127.0.0.1, EXCLUDE localhost, "
    "MAP * ~NOTFOUND",
)
# What it is killed after, whatever becomes of this process.
LONGEST = 180


class ChromiumError(Exception):
    """Chromium refused a command, or a script in the page failed."""


class Chromium(ProcessProtocol):
    """One browser with one page. The test that starts it calls `stop`."""

    def __init__(self, home: Path) -> None:
        """home: a folder of its own."""
        self._home = home
        self._buffer = b""
        self._number = 0
        self._waiting: dict[int, Deferred[Any]] = {}
        self._session = ""
        self._ended = False
        self.errors: list[str] = []
        # The URLs that it has asked for, and how many pages it has loaded.
        self.asked: list[str] = []
        self.loaded = 0

    async def start(self, width: int = 1280, height: int = 900) -> None:
        """Start the browser, with an empty page."""
        browser = next(filter(None, map(shutil.which, BROWSERS)), None)
        if browser is None:
            raise SkipTest(f"none of {', '.join(BROWSERS)} is installed")
        self._home.mkdir()
        home = str(self._home)
        command = [
            *("timeout", "-s", "KILL", str(LONGEST), browser, *OPTIONS),
            *(f"--user-data-dir={home}/profile", "--remote-debugging-pipe", "about:blank"),
        ]
        reactor.spawnProcess(
            self,
            "/usr/bin/timeout",
            command,
            env={"HOME": home, "TMPDIR": home, "PATH": PATH, "LANG": "C.UTF-8", "TZ": "UTC"},
            path=home,
            childFDs={0: "w", 1: "r", 2: "r", 3: "w", 4: "r"},
        )
        targets = await self._command("Target.getTargets", session="")
        [page] = [each for each in targets["targetInfos"] if each["type"] == "page"]
        attached = await self._command(
            "Target.attachToTarget", session="", targetId=page["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self._command(f"{domain}.enable")
        await self.resize(width, height)

    async def stop(self) -> None:
        """End the browser, and wait for its end."""
        if not self._ended:
            transport: Any = self.transport
            transport.signalProcess("TERM")
        await when(lambda: self._ended)

    # The page

    async def visit(self, url: str) -> None:
        """Load a page, and wait until it has run its scripts."""
        before = self.loaded
        navigated = await self._command("Page.navigate", url=url)
        if "errorText" in navigated:
            raise ChromiumError(navigated["errorText"])
        await when(lambda: self.loaded > before)

    async def run(self, script: str) -> Any:
        """The value of an expression in the page; it may be a promise."""
        told = await self._command(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in told:
            raise ChromiumError(json.dumps(told["exceptionDetails"])[:2000])
        return told["result"].get("value")

    async def until(self, condition: str, seconds: float = 20) -> None:
        """Wait until an expression is true in the page."""
        script = f"""new Promise((resolve, reject) => {{
            const look = () => {{
                let good = false;
                try {{ good = Boolean({condition}); }} catch {{ /* not there yet */ }}
                if (good) resolve();
                else if (performance.now() > end) reject(new Error({json.dumps(condition)}));
                else setTimeout(look, 20);
            }};
            const end = performance.now() + {seconds * 1000};
            look();
        }})"""
        await self.run(script)

    async def text(self, selector: str) -> str:
        """The text of an element, as it is shown."""
        text = await self.run(f"document.querySelector({json.dumps(selector)}).innerText")
        return str(text)

    async def click(self, selector: str) -> None:
        """Click on an element with the mouse."""
        quoted = json.dumps(selector)
        place = await self.run(
            f"(() => {{ const found = document.querySelector({quoted});"
            "found.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = found.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self._command(
                "Input.dispatchMouseEvent",
                type=kind,
                x=place[0],
                y=place[1],
                button="left",
                clickCount=1,
            )

    async def write(self, selector: str, text: str) -> None:
        """Put the cursor into a field, and write."""
        await self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        await self._command("Input.insertText", text=text)

    async def press(self, key: str, code: int, modifiers: int = 0) -> None:
        """Press a key. modifiers: 2 is Ctrl."""
        named: dict[str, Any] = {
            "key": key,
            "code": key,
            "windowsVirtualKeyCode": code,
            "modifiers": modifiers,
        }
        for kind in ("rawKeyDown", "keyUp"):
            await self._command("Input.dispatchKeyEvent", type=kind, **named)

    async def drop(self, selector: str, *paths: Path) -> None:
        """Drop files onto an element."""
        quoted = json.dumps(selector)
        place = await self.run(
            f"(() => {{ const found = document.querySelector({quoted});"
            "found.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = found.getBoundingClientRect(); return [box.x + 20, box.y + 20]; })()"
        )
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            await self._command(
                "Input.dispatchDragEvent", type=kind, x=place[0], y=place[1], data=data
            )

    async def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        """Change the size of the window."""
        await self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    async def prefer(self, scheme: str) -> None:
        """Prefer a `dark` or a `light` page."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        await self._command("Emulation.setEmulatedMedia", features=[feature])

    async def allow_copying(self) -> None:
        """Let the page use the clipboard, as a user would."""
        granted = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        await self._command("Browser.grantPermissions", session="", permissions=granted)

    async def scripts(self, *, run: bool) -> None:
        """Whether the next page may run scripts."""
        await self._command("Emulation.setScriptExecutionDisabled", value=not run)

    async def hide(self, *, hidden: bool) -> None:
        """Show another page over this one, or this one again."""
        state = "hidden" if hidden else "visible"
        await self.run(
            f"Object.defineProperty(document, 'hidden', {{value: {json.dumps(hidden)},"
            f" configurable: true}});"
            f"Object.defineProperty(document, 'visibilityState', {{value: '{state}',"
            " configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )

    async def picture(self, path: Path) -> None:
        """Save what is seen as PNG."""
        taken = await self._command("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(taken["data"]))

    # The protocol

    def _command(self, method: str, session: str | None = None, **parameters: Any) -> Deferred[Any]:
        self._number += 1
        told: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is None:
            told["sessionId"] = self._session
        answered: Deferred[Any] = Deferred()
        self._waiting[self._number] = answered
        transport: Any = self.transport
        transport.writeToChild(3, json.dumps(told).encode() + b"\0")
        return answered

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Take what comes on the pipe; what the browser writes elsewhere is of no interest."""
        if childFD != 4:
            return
        *messages, self._buffer = (self._buffer + data).split(b"\0")
        for message in messages:
            self._take(json.loads(message))

    def _take(self, told: Mapping[str, Any]) -> None:
        if "id" in told:
            answered = self._waiting.pop(told["id"])
            if "error" in told:
                answered.errback(ChromiumError(told["error"]["message"]))
            else:
                answered.callback(told["result"])
            return
        method, parameters = told["method"], told["params"]
        if method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(parameters["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(parameters["exceptionDetails"])[:1000])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "assert"):
            self.errors.append(json.dumps(parameters["args"])[:1000])
        elif method == "Page.loadEventFired":
            self.loaded += 1
        elif method == "Network.requestWillBeSent":
            self.asked.append(parameters["request"]["url"])

    def processEnded(self, reason: Failure) -> None:
        """The browser has ended."""
        self._ended = True
        waiting, self._waiting = self._waiting, {}
        for answered in waiting.values():
            answered.errback(ChromiumError("Chromium has ended."))
