"""The demo API on a real port."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest
from twisted.internet import error, reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from claudeproxy.demo.__main__ import main
from claudeproxy.demo.service import DemoService


class Client(Protocol):
    """Sends something and notes what comes and when the connection is gone."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.came = b""
        self.begun: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self.data)

    def dataReceived(self, data: bytes) -> None:
        self.came += data
        if b"tok0" in self.came and not self.begun.called:
            self.begun.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(None)


class ServiceTest(TestCase):
    def service(self, port: int = 0) -> DemoService:
        service = DemoService(reactor, port)
        self.addCleanup(service.stopService)
        return service

    async def connect(self, service: DemoService, data: bytes, url: str | None = None) -> Client:
        url = url or service.url
        assert url is not None
        port = int(url.rpartition(":")[2])
        client = Client(data)
        await connectProtocol(HostnameEndpoint(reactor, "127.0.0.1", port), client)
        return client

    async def test_serves_until_it_is_stopped(self) -> None:
        service = self.service()
        assert service.url is None
        service.startService()
        url = service.url
        assert url is not None
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*", url)
        client = await self.connect(service, b"GET /requests HTTP/1.0\r\n\r\n")
        await client.lost
        assert client.came.endswith(b"\r\n\r\n[]")
        await service.stopService()
        assert service.url is None
        with pytest.raises(error.ConnectionRefusedError):
            await self.connect(service, b"", url)

    async def test_stopping_closes_what_is_open(self) -> None:
        service = self.service()
        service.startService()
        idle = await self.connect(service, b"")
        body = (
            b'{"model":"claude-opus-5","max_tokens":9,"stream":true,'
            b'"messages":[{"role":"user","content":"SLOW:600 LONG:9"}]}'
        )
        head = (
            b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: k\r\nanthropic-version: 1\r\n"
            b"content-length: %d\r\n\r\n" % len(body)
        )
        busy = await self.connect(service, head + body)
        await busy.begun
        [received] = await service.api.received()
        assert not received.ended().called
        await service.stopService()
        assert received.outcome == "disconnected"
        await idle.lost
        await busy.lost
        assert busy.came.endswith(b"\n\n\r\n"), busy.came[-80:]

    async def test_alone(self) -> None:
        memory: Any = MemoryReactorClock()
        output = StringIO()
        with redirect_stdout(output):
            main(memory, "--port", "1234")
        assert output.getvalue() == "http://127.0.0.1:1234\n"
        [(port, _, _, interface)] = memory.tcpServers
        assert (port, interface) == (1234, "127.0.0.1")

    async def test_starts_again(self) -> None:
        service = self.service()
        service.startService()
        await service.stopService()
        service.startService()
        assert service.url is not None

    async def test_a_port_that_is_taken(self) -> None:
        service = self.service()
        service.startService()
        assert service.url is not None
        with pytest.raises(error.CannotListenError):
            self.service(int(service.url.rpartition(":")[2])).startService()
