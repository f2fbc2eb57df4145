"""A proxy in this process, on the real CLI, against our own stand-in for Anthropic's API.

Everything is on loopback, and the CLI gets a clean environment with a HOME of its own. Tests look
at both ends: what the client got, and what reached the API (`self.api.requests`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import openai
import treq
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest, TestCase
from twisted.web.client import HTTPConnectionPool

from benchmarks.soak_texts import conversation as conversation
from claudeproxy.cli import launch
from claudeproxy.demo.server import DemoAPI
from claudeproxy.demo.service import DemoService
from claudeproxy.pool.pool import Pool
from claudeproxy.pool.slot import Activity
from claudeproxy.service import ProxyService
from claudeproxy.settings import Settings


reactor: Any = global_reactor
T = TypeVar("T")

ROOT = Path(__file__).parent.parent.parent
PATH = "/usr/local/bin:/usr/bin:/bin"
# The one that pip brings, whatever its version, and an older one from npm (`make test` installs
# it where there is npm).
OLDER = ROOT / ".cli" / "node_modules" / "@anthropic-ai" / "claude-code" / "bin" / "claude.exe"
API_KEY = {"ANTHROPIC_API_KEY": "sk-ant-api03-anything"}
SUBSCRIPTION = {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-anything"}


# Another one to run the tests on: `make test-cli` sets it.
CHOSEN = os.environ.get("TEST_CLI", "")
# From here on a CLI is expected to do what the bundled one does; before, what 2.1.197 does.
NEWER = (2, 1, 198)


@cache
def chosen_is_older() -> bool:
    """Whether the cases for the older CLI are the ones for TEST_CLI."""
    asked = subprocess.run(
        [CHOSEN, "--version"], env={"PATH": PATH}, capture_output=True, timeout=60, check=True
    )
    version = launch.read_version(asked.stdout)
    assert version is not None, asked
    return tuple(int(number) for number in version.split(".")) < NEWER


def bundled() -> str:
    """The CLI that the extra `cli` installs, or TEST_CLI."""
    if CHOSEN:
        if chosen_is_older():
            raise SkipTest("TEST_CLI is an older CLI")
        return CHOSEN
    path = launch.bundled()
    if path is None:
        raise SkipTest("the extra `cli` is not installed")
    return path


def older() -> str:
    """Claude Code 2.1.197, or TEST_CLI."""
    if CHOSEN:
        if not chosen_is_older():
            raise SkipTest("TEST_CLI is no older CLI")
        return CHOSEN
    if not OLDER.exists():
        raise SkipTest("Claude Code 2.1.197 is not installed (`make test` does, where npm is)")
    return str(OLDER)


def on_every_cli(namespace: dict[str, Any]) -> Callable[[type[TestCase]], None]:
    """Make a test case for each CLI version of the decorated one."""

    def decorate(case: type[TestCase]) -> None:
        for name, find in {"Bundled": bundled, "Older": older}.items():
            attributes = {"find_cli": staticmethod(find), "__module__": case.__module__}
            namespace[f"{case.__name__}On{name}"] = type(
                f"{case.__name__}On{name}", (case,), attributes
            )

    return decorate


class RealCLI(TestCase):
    """Runs a proxy and the stand-in around each test."""

    timeout = 120
    find_cli = staticmethod(bundled)
    credentials: Mapping[str, str] = API_KEY
    # Of every proxy of the case.
    settings: Mapping[str, Any] = {}

    async def setUp(self) -> None:  # type: ignore[override]
        self.cli = self.find_cli()
        self.home = Path(tempfile.mkdtemp(prefix="claudeproxy-test-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        demo = DemoService(reactor)
        demo.startService()
        self.addCleanup(demo.stopService)
        self.api: DemoAPI = demo.api
        assert demo.url is not None
        self.api_url = demo.url
        self.proxy = await self.start_proxy()

    async def start_proxy(self, **settings: Any) -> ProxyService:
        """A further proxy, or the only one, with settings of its own."""
        environ = {
            "HOME": str(self.home),
            "PATH": PATH,
            "ANTHROPIC_BASE_URL": self.api_url,
            **self.credentials,
        }
        proxy = ProxyService(
            reactor,
            Settings(
                **{
                    "port": 0,
                    "cli": self.cli,
                    "directory": str(self.home / "empty"),
                    "pass_environment": ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"),
                    "cli_retries": 0,
                    # Starting one costs a second of CPU, and few tests need any.
                    "spares": 0,
                    **self.settings,
                    **settings,
                }
            ),
            environ,
        )
        proxy.startService()
        self.addCleanup(proxy.stopService)
        return proxy

    # The official client

    async def with_openai(self, use: Callable[[openai.OpenAI], T], **options: Any) -> T:
        """What `use` returns, run in a thread with an official client."""
        url = options.pop("url", self.proxy.url)

        def run() -> T:
            with openai.OpenAI(
                base_url=f"{url}/v1", api_key="not-needed", max_retries=0, **options
            ) as client:
                return use(client)

        result: T = await deferToThread(run)
        return result

    async def ask(self, *messages: str | dict[str, Any], **parameters: Any) -> Any:
        """The answer to messages; plain texts are the user's and the assistant's in turn."""
        listed = as_messages(messages)
        parameters.setdefault("model", "sonnet")
        return await self.with_openai(
            lambda client: client.chat.completions.create(messages=listed, **parameters)
        )

    async def told(self, *messages: str | dict[str, Any], **parameters: Any) -> tuple[Any, Any]:
        """The answer to messages, and the response's headers."""
        listed = as_messages(messages)
        parameters.setdefault("model", "sonnet")
        response: Any = await self.with_openai(
            lambda client: client.chat.completions.with_raw_response.create(
                messages=listed, **parameters
            )
        )
        return response.parse(), response.headers

    async def stream(self, *messages: str | dict[str, Any], **parameters: Any) -> list[Any]:
        """The chunks of a streamed answer."""
        listed = as_messages(messages)
        parameters.setdefault("model", "sonnet")
        return await self.with_openai(
            lambda client: list(
                client.chat.completions.create(messages=listed, stream=True, **parameters)
            )
        )

    async def error_of(self, *messages: str | dict[str, Any], **parameters: Any) -> Any:
        """The exception that the official client raises."""
        try:
            answer = await self.ask(*messages, **parameters)
        except openai.APIError as error:
            return error
        raise AssertionError(f"no error but {answer}")

    # Plain HTTP

    async def http(
        self, method: str, path: str, body: object = None, **options: Any
    ) -> tuple[Any, bytes]:
        """The response to a plain request, and its body."""
        pool = HTTPConnectionPool(reactor, persistent=False)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        url = options.pop("url", self.proxy.url)
        headers: Any = {"content-type": "application/json"} if data is not None else {}
        headers.update(options.pop("headers", {}))
        response = await treq.request(
            method, f"{url}{path}", data=data, headers=headers, pool=pool, **options
        )
        content: bytes = await response.content()
        return response, content

    # The other end

    def seen(self) -> dict[str, Any]:
        """The body of the last request that reached the API."""
        body: dict[str, Any] = self.api.requests[-1].body
        return body

    def processes(self) -> list[int]:
        """The CLI processes that are alive and children of ours."""
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and _parent(entry) == os.getpid() and _is_cli(entry, self.cli)
        ]


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _is_cli(process: Path, cli: str) -> bool:
    try:
        return cli.encode() in (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def as_messages(messages: tuple[str | dict[str, Any], ...]) -> list[Any]:
    """Plain texts as messages of the user and the assistant in turn."""
    roles = ("user", "assistant")
    return [
        {"role": roles[index % 2], "content": message} if isinstance(message, str) else message
        for index, message in enumerate(messages)
    ]


def at_rest(pool: Pool) -> bool:
    """Whether no process does anything, though some may wait for tool results."""
    active = (Activity.BUSY, Activity.ENDING, Activity.PREPARING)
    return not any(pool.count(activity) for activity in active)


def when(happened: Callable[[], bool]) -> Deferred[None]:
    """Fires soon after `happened` becomes true.

    To look at every turn of the reactor would take a core from those who make it happen.
    """
    done: Deferred[None] = Deferred()

    def look() -> None:
        if happened():
            done.callback(None)
        else:
            reactor.callLater(0.002, look)

    look()
    return done
