"""A proxy in a process of its own; the stand-in for the API, and the clients, stay in this one.

What can only be seen from outside is tested with it: what other users of the machine can see, and
what becomes of a client that does not read, whose proxy must not share a reactor with it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.endpoints import clientFromString, connectProtocol

from .harness import PATH, SUBSCRIPTION, reactor, when
from .test_faults import FaultCase, Stream


@attrs.frozen
class Server:
    """A proxy that runs, and where its output goes."""

    url: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8")

    def tree(self) -> list[int]:
        """Its process and all that came of it, its own first."""
        pids = [self.popen.pid]
        for pid in pids:
            pids += [child for child, parent in _parents().items() if parent == pid]
        return pids

    def clis(self) -> list[int]:
        """The CLI processes among them."""
        return [pid for pid in self.tree() if b"stream-json" in of(pid, "cmdline")]

    def resident(self) -> int:
        """Bytes of the proxy's own process in memory."""
        return int(of(self.popen.pid, "statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def has(self, port: int) -> bool:
        """Whether it has a connection to a client's port."""
        ends = [f":{end:04X}" for end in (int(self.url.rpartition(":")[2]), port)]
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        # 01 is ESTABLISHED.
        return any([line[1][-5:], line[2][-5:], line[3]] == [*ends, "01"] for line in lines)

    async def stop(self) -> None:
        if self.popen.poll() is None:
            self.popen.terminate()
        await when(lambda: self.popen.poll() is not None)


def of(pid: int, what: str) -> bytes:
    """A file of a process, empty if the process is gone."""
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""


def _parents() -> dict[int, int]:
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    stats = {pid: of(pid, "stat").rpartition(b")")[2].split() for pid in pids}
    return {pid: int(stat[1]) for pid, stat in stats.items() if stat}


def http(method: str, path: str, body: object = None, **headers: str) -> bytes:
    """A whole request; an underscore in a header's name is a hyphen."""
    content = b"" if body is None else json.dumps(body).encode()
    told = {"host": "localhost", "connection": "close", "content-length": str(len(content))}
    if body is not None:
        told["content-type"] = "application/json"
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Served(FaultCase):
    """Each test has a server of its own as `self.server`."""

    server: Server
    credentials = SUBSCRIPTION
    # What Python runs.
    program: tuple[str, ...] = ("-m", "claudeproxy")

    async def start_proxy(self, **settings: Any) -> Server:  # type: ignore[override]
        """settings: as in the settings' own names; environ: more variables for the proxy."""
        environ: Mapping[str, str] = settings.pop("environ", {})
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = {
            "port": port,
            "cli": self.cli,
            "directory": str(self.home / "empty"),
            "pass_environment": "ANTHROPIC_BASE_URL",
            "cli_retries": 0,
            "spares": 0,
            "drain": 0.1,
            **settings,
        }
        (self.home / "tmp").mkdir(exist_ok=True)
        log = self.home / f"log-{port}"
        with log.open("wb") as out:
            popen = subprocess.Popen(  # noqa: ASYNC220
                [
                    *(sys.executable, *self.program, "serve"),
                    *(f"--{name.replace('_', '-')}={value}" for name, value in options.items()),
                ],
                env={
                    "HOME": str(self.home),
                    "TMPDIR": str(self.home / "tmp"),
                    "PATH": PATH,
                    "ANTHROPIC_BASE_URL": self.api_url,
                    **self.credentials,
                    **environ,
                },
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.server = Server(f"http://127.0.0.1:{port}", popen, log)
        self.addCleanup(self.server.stop)
        # It tells how to try it once it has started a CLI.
        await when(lambda: "curl" in self.server.said or popen.poll() is not None)
        assert popen.poll() is None, self.server.said
        return self.server

    async def connect(self) -> Stream:
        endpoint = clientFromString(reactor, "tcp:" + self.server.url.removeprefix("http://"))
        client: Stream = await connectProtocol(endpoint, Stream())
        self.addCleanup(client.abort)
        return client

    async def begin(self, request: bytes) -> Stream:
        """A client that has sent this and reads."""
        client = await self.connect()
        client.write(request)
        return client

    async def answer(self, request: bytes) -> Stream:
        """A client that has its whole answer."""
        client = await self.begin(request)
        await when(lambda: client.gone)
        return client

    async def metrics(self, **headers: str) -> str:
        return (await self.answer(http("GET", "/metrics", **headers))).received.decode()
