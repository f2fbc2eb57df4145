"""Who may ask, and what a client that reads slowly or leaves costs, with the real CLI."""

from __future__ import annotations

from typing import Any

import openai
from twisted.internet.endpoints import clientFromString, connectProtocol

from .harness import RealCLI, at_rest, reactor, when
from .serving import Served, http
from .test_faults import FaultCase, Stream, asked, request


CHAT = "/v1/chat/completions"
KEY = "a-right-key"
PAGE = "https://chat.example"
HI = {"model": "sonnet", "messages": [{"role": "user", "content": "ECHO:hello there"}]}


class Keys(RealCLI):
    async def start_proxy(self, **settings: Any) -> Any:
        return await super().start_proxy(**{"keys": {"phone": KEY}, **settings})

    async def streamed(self, key: str) -> str:
        """What the official client with this key gets."""

        def ask(client: openai.OpenAI) -> str:
            chunks = client.with_options(api_key=key).chat.completions.create(
                model="sonnet",
                messages=[{"role": "user", "content": "ECHO:hello there"}],
                stream=True,
            )
            return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

        return await self.with_openai(ask)

    async def test_a_right_key_streams(self) -> None:
        assert await self.streamed(KEY) == "hello there"

    async def test_a_wrong_key_reaches_nobody(self) -> None:
        try:
            await self.streamed("a-wrong-key")
        except openai.AuthenticationError as error:
            assert (error.status_code, error.code) == (401, "invalid_api_key")
            assert error.response.headers["x-should-retry"] == "false"
        else:
            raise AssertionError("it was let in")
        assert not self.api.requests

    async def test_it_may_come_as_x_api_key(self) -> None:
        for key, status in ((KEY, 200), ("a-wrong-key", 401)):
            response, _ = await self.http("POST", CHAT, HI, headers={"x-api-key": key})
            assert response.code == status
        assert len(self.api.requests) == 1

    async def test_only_health_needs_none(self) -> None:
        for path, status in (("/health", 200), ("/metrics", 401), ("/v1/models", 401)):
            response, _ = await self.http("GET", path)
            assert response.code == status, path
        assert response.headers.getRawHeaders("www-authenticate") == ["Bearer"]


class Containers(RealCLI):
    """A client in a container addresses this machine by a name of its own."""

    async def test_the_refusal_names_the_option_that_helps(self) -> None:
        name = "host.docker.internal"
        headers = {"host": f"{name}:3456", "authorization": f"Bearer {KEY}"}
        for keys in ({}, {"phone": KEY}):
            refusing = await self.start_proxy(keys=keys)
            response, content = await self.http("POST", CHAT, HI, url=refusing.url, headers=headers)
            assert response.code == 403
            assert f"`--allowed-hosts {name}`".encode() in content
            allowing = await self.start_proxy(keys=keys, allowed_hosts=(name,))
            response, content = await self.http("POST", CHAT, HI, url=allowing.url, headers=headers)
            assert (response.code, b"hello there" in content) == (200, True)
        response, _ = await self.http(
            "POST", CHAT, HI, url=allowing.url, headers={"host": f"{name}:3456"}
        )
        assert response.code == 401


class Pages(RealCLI):
    async def start_proxy(self, **settings: Any) -> Any:
        return await super().start_proxy(**{"allowed_origins": (PAGE,), **settings})

    async def posted(self, origin: str, **more: Any) -> tuple[int, list[str], bytes]:
        """Status, CORS headers and body of the answer to a page's request."""
        body = {**HI, "stream": True, **more}
        response, content = await self.http("POST", CHAT, body, headers={"origin": origin})
        headers = {name.decode().lower() for name, _ in response.headers.getAllRawHeaders()}
        cors = sorted(name for name in headers if name.startswith("access-control-"))
        if "access-control-allow-origin" in cors:
            assert response.headers.getRawHeaders("access-control-allow-origin") == [origin]
        return response.code, cors, content

    async def test_an_allowed_page_may_read_a_stream(self) -> None:
        status, cors, content = await self.posted(PAGE)
        assert (status, "access-control-allow-origin" in cors) == (200, True)
        assert b"data: [DONE]" in content

    async def test_an_allowed_page_may_read_an_error(self) -> None:
        status, cors, content = await self.posted(PAGE, model="nobody")
        assert (status, "access-control-allow-origin" in cors) == (404, True)
        assert b"model_not_found" in content

    async def test_a_foreign_page_spends_nothing_and_reads_nothing(self) -> None:
        for origin in ("https://evil.example", f"{PAGE}.evil.example", "null"):
            status, cors, _ = await self.posted(origin)
            assert (status, cors) == (403, [])
        assert not self.api.requests


class Reader(Stream):
    """Takes much: what came is put together when the connection is gone.

    Stream would copy all that it has with every piece, and `when` search it at every turn.
    """

    def connectionMade(self) -> None:
        super().connectionMade()
        self._pieces: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self._pieces.append(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.received = b"".join(self._pieces)
        super().connectionLost(reason)

    def read(self, on: bool) -> None:
        transport: Any = self.transport
        if on:
            transport.resumeProducing()
        else:
            transport.pauseProducing()


class SlowReaders(Served):
    """The proxy shares no reactor with its client here, which would stand in for a slow one."""

    timeout = 120
    # Some 20 MB, of which the system's buffers take up to 10.
    TOKENS = 80_000
    MB = 1024 * 1024

    async def send_long(self, system: str, *, read: bool) -> Reader:
        endpoint = clientFromString(reactor, "tcp:" + self.url.removeprefix("http://"))
        client: Reader = await connectProtocol(endpoint, Reader())
        self.addCleanup(client.abort)
        if not read:
            client.read(False)
        client.write(request(asked(f"LONG:{self.TOKENS}", system)))
        return client

    async def read_long(self) -> None:
        client = await self.send_long("other", read=True)
        await when(lambda: client.gone)
        assert self.is_whole(client)

    def is_whole(self, client: Reader) -> bool:
        texts = client.text.split()
        return client.whole and texts == [f"tok{number}" for number in range(self.TOKENS)]

    async def busy(self) -> bool:
        answer = await self.answer(http("GET", "/metrics"))
        return b'claudeproxy_workers{activity="busy"} 0.0' not in answer.received

    async def test_a_slow_one_is_waited_for_and_gets_everything(self) -> None:
        await self.read_long()
        before = self.server.resident()
        slow = await self.send_long("slow", read=False)
        # As long, at the same time, to someone who reads: by then the slow one's could be over.
        await self.read_long()
        assert await self.busy()
        assert self.server.resident() - before < 10 * self.MB
        slow.read(True)
        await when(lambda: slow.gone)
        assert self.is_whole(slow)
        assert self.server.resident() - before < 10 * self.MB

    async def test_one_that_never_reads_is_given_no_further_answers_and_left(self) -> None:
        server = await self.start_proxy(stall_timeout=2)
        await self.answered()
        before = server.resident()
        client = await self.connect()
        transport: Any = client.transport
        transport.pauseProducing()
        # Its answers would be 200 MB.
        client.write(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3000)
        assert server.has(transport.getHost().port)
        await when(lambda: not server.has(transport.getHost().port))
        assert server.resident() - before < 30 * self.MB
        await self.answered()


class HalfClosed(FaultCase):
    """A client that says it will send no more counts as gone; no client of OpenAI's does that."""

    def shut(self, client: Stream) -> None:
        transport: Any = client.transport
        transport.loseWriteConnection()

    async def test_mid_stream_the_turn_is_interrupted(self) -> None:
        client = await self.send("LONG:100000 SLOW:0.01")
        await when(lambda: b"tok1" in client.received)
        self.shut(client)
        (received,) = await self.api.received()
        await received.ended()
        assert received.outcome == "disconnected"
        await self.nothing_is_left(client)

    async def test_right_after_the_request_it_is_not_answered(self) -> None:
        client = await self.send("LONG:100000 SLOW:0.01")
        self.shut(client)
        await self.nothing_is_left(client)

    async def nothing_is_left(self, client: Stream) -> None:
        await when(lambda: client.gone)
        assert not client.whole
        await when(lambda: at_rest(self.proxy.pool))
        await self.answered()
