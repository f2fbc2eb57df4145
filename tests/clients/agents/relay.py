"""Stands between an agent and the server, to see how each request of the agent is served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
from threading import Thread
from typing import Any
from urllib.parse import urlsplit


# These concern one connection, and http.client writes its own.
OWN = ("connection", "content-length", "host", "keep-alive", "transfer-encoding")


@dataclass(frozen=True)
class Served:
    """A request that got a process.

    worker, ignored: the values of `x-claudeproxy-worker` and `x-claudeproxy-ignored`.
    """

    body: dict[str, Any]
    worker: str
    ignored: tuple[str, ...] = ()

    @property
    def profile(self) -> str:
        """What a process is made for: the system prompt and the tools."""
        messages = self.body.get("messages", ())
        system = list(takewhile(lambda message: message["role"] == "system", messages))
        first = [self.body.get(name) for name in ("system", "instructions", "tools")]
        return json.dumps([*first, system])


@dataclass
class Relay:
    """A relay that runs: its URL without a path, and the requests so far."""

    url: str
    served: list[Served] = field(default_factory=list)

    @property
    def longest(self) -> list[str]:
        """How the requests of the profile with the most requests were served, in their order."""
        profiles: dict[str, list[str]] = {}
        for each in self.served:
            profiles.setdefault(each.profile, []).append(each.worker)
        return max(profiles.values(), key=len)

    @property
    def later(self) -> list[str]:
        """How all requests were served but the first one of each profile."""
        seen: set[str] = set()
        found = []
        for each in self.served:
            if each.profile in seen:
                found.append(each.worker)
            seen.add(each.profile)
        return found


@contextmanager
def relaying(url: str) -> Iterator[Relay]:
    """Pass everything on to the server with this URL."""
    server = urlsplit(url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on(b"")

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _pass_on(self, body: bytes) -> None:
            assert server.hostname is not None
            sent = {name: text for name, text in self.headers.items() if name.lower() not in OWN}
            connection = HTTPConnection(server.hostname, server.port)
            try:
                connection.request(self.command, self.path, body or None, sent)
                response = connection.getresponse()
                if worker := response.getheader("x-claudeproxy-worker"):
                    ignored = response.getheader("x-claudeproxy-ignored", "").split(", ")
                    relay.served.append(Served(json.loads(body), worker, tuple(ignored)))
                self.send_response(response.status)
                for name, text in response.getheaders():
                    if name.lower() not in OWN:
                        self.send_header(name, text)
                self.send_header("Connection", "close")
                self.end_headers()
                while piece := response.read1():
                    self.wfile.write(piece)
            finally:
                connection.close()

        def log_message(self, *_: object) -> None:
            """The server has a log."""

    passing = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    relay = Relay(f"http://127.0.0.1:{passing.server_port}")
    thread = Thread(target=passing.serve_forever)
    thread.start()
    try:
        yield relay
    finally:
        passing.shutdown()
        thread.join()
        passing.server_close()
