"""What becomes of processes: when clients leave, when the server stops, when the CLI misbehaves."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path
from typing import Any

import openai
from twisted.internet.defer import ensureDeferred
from twisted.internet.endpoints import clientFromString, connectProtocol
from twisted.internet.protocol import Protocol

from claudeproxy.cli import lookup, process
from claudeproxy.service import ProxyService

from .harness import RealCLI, reactor, when


def body(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "sonnet", "messages": [{"role": "user", "content": prompt}], **more}


class Client(Protocol):
    """A bare connection, which can be dropped at any point."""

    def connectionMade(self) -> None:
        self.received = b""

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def abort(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()


class Clients(RealCLI):
    async def test_a_client_that_leaves_mid_stream_interrupts_the_turn(self) -> None:
        await self.leave_during("LONG:100000 SLOW:0.01", stream=True)

    async def test_a_client_that_leaves_before_the_answer_interrupts_the_turn(self) -> None:
        await self.leave_during("LONG:100000 SLOW:0.01", stream=False)

    async def leave_during(self, prompt: str, *, stream: bool) -> None:
        client = await self.send(body(prompt, stream=stream))
        (received,) = await self.api.received()
        if stream:
            await when(lambda: b"tok1" in client.received)
        left = reactor.seconds()
        client.abort()
        await received.ended()
        assert received.outcome == "disconnected"
        assert reactor.seconds() - left < 1

    async def send(self, message: dict[str, Any]) -> Client:
        """A client that has sent its request and listens."""
        endpoint = clientFromString(reactor, "tcp:" + self.proxy.url.removeprefix("http://"))
        client: Client = await connectProtocol(endpoint, Client())
        content = json.dumps(message).encode()
        client.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(content), content)
        )
        return client

    async def test_a_cli_that_is_killed_mid_stream_ends_it_with_an_error_frame(self) -> None:
        client = await self.send(body("LONG:1000 SLOW:0.05", stream=True))
        await when(lambda: b"tok1" in client.received)
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        await when(lambda: client.received.endswith(b"0\r\n\r\n"))
        assert b"The CLI process ended." in client.received
        assert b"[DONE]" not in client.received
        client.abort()


class Stopping(RealCLI):
    async def test_running_requests_end_and_nothing_is_left(self) -> None:
        proxy = await self.start_proxy()
        answered = ensureDeferred(
            self.with_openai(
                lambda client: client.chat.completions.create(
                    model="haiku", messages=[{"role": "user", "content": "LONG:20 SLOW:0.03"}]
                ),
                url=proxy.url,
            )
        )
        await self.api.received()
        await proxy.stopService()
        answer = await answered
        assert str(answer.choices[0].message.content).endswith("tok19")
        await self.proxy.stopService()
        assert self.processes() == []

    async def test_a_request_that_takes_too_long_is_broken_off(self) -> None:
        proxy = await self.start_proxy(drain=0.2)
        answered = ensureDeferred(
            self.with_openai(
                lambda client: list(
                    client.chat.completions.create(
                        model="haiku",
                        messages=[{"role": "user", "content": "LONG:10000 SLOW:0.03"}],
                        stream=True,
                    )
                ),
                url=proxy.url,
            )
        )
        await self.api.received()
        await proxy.stopService()
        try:
            await answered
        except openai.APIError as error:
            assert "stopping" in error.message
        else:
            raise AssertionError("the stream ended as if it were complete")


class Misbehaving(RealCLI):
    """A scripted process in the CLI's place, for what a real one cannot be made to do."""

    def script(self, does: str) -> str:
        path = self.home / "claude"
        path.write_text(
            "#!/bin/sh\n"
            'if [ "$1" = --version ]; then echo "9.9.9 (Claude Code)"; exit; fi\n'
            f"{does}\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    async def status_with(self, does: str, **settings: Any) -> tuple[int, bytes]:
        proxy = await self.start_proxy(cli=self.script(does), **settings)
        response, content = await self.http(
            "POST", "/v1/chat/completions", body("hi", stream=True), url=proxy.url
        )
        await proxy.stopService()
        self.cli = str(self.home / "claude")
        assert self.processes() == []
        return response.code, content

    async def test_it_is_not_there(self) -> None:
        proxy = await self.start_proxy(cli="/nonexistent/claude")
        response, content = await self.http(
            "POST", "/v1/chat/completions", body("hi"), url=proxy.url
        )
        assert response.code == 503
        assert b"npm install -g @anthropic-ai/claude-code" in content

    async def hanging(self) -> ProxyService:
        """A proxy whose CLI does not even say its version, and has begun not to."""
        path = self.home / "claude"
        path.write_text(f"#!/bin/sh\necho $$ >{self.home}/pid\nexec sleep 600\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        proxy = await self.start_proxy(cli=str(path), drain=0.1)
        await when(lambda: (self.home / "pid").exists() and (self.home / "pid").read_text() != "")
        self.pid = int((self.home / "pid").read_text())
        return proxy

    async def test_it_does_not_say_its_version(self) -> None:
        self.patch(lookup, "VERSION_TIMEOUT", 2.0)
        proxy = await self.hanging()
        asked = [
            ensureDeferred(self.http("POST", "/v1/chat/completions", body("hi"), url=proxy.url))
            for _ in range(2)
        ]
        response, content = await self.http("GET", "/health", url=proxy.url)
        assert response.code == 200
        assert not any(one.called for one in asked)
        for one in asked:
            response, content = await one
            assert response.code == 503
            assert b"is not a working Claude Code CLI" in content
        # All of them waited for one process.
        assert int((self.home / "pid").read_text()) == self.pid
        await when(lambda: not Path(f"/proc/{self.pid}").exists())

    async def test_it_does_not_say_its_version_when_the_server_stops(self) -> None:
        proxy = await self.hanging()
        asked = ensureDeferred(self.http("POST", "/v1/chat/completions", body("hi"), url=proxy.url))
        await self.http("GET", "/health", url=proxy.url)
        await proxy.stopService()
        assert not Path(f"/proc/{self.pid}").exists()
        response, content = await asked
        assert response.code == 503
        assert b"The server is stopping." in content

    async def test_it_exits_at_its_start(self) -> None:
        status, content = await self.status_with(
            "echo \"error: unknown option '--tools'\" >&2; exit 1"
        )
        assert status == 503
        assert b"could not be started: it exited with code 1" in content
        assert b"error: unknown option '--tools'" in content

    async def test_it_exits_at_its_start_though_nobody_asks(self) -> None:
        """Spares are started again, but each time after a longer wait."""
        starts = self.home / "starts"
        starts.touch()
        proxy = await self.start_proxy(
            cli=self.script(f"echo >>{starts}; echo too old >&2; exit 1"), spares=1
        )

        def count() -> int:
            return starts.read_text().count("\n")

        await when(lambda: count() == 3)
        third = reactor.seconds()
        await when(lambda: count() == 4)
        assert reactor.seconds() - third > 1.5
        response, content = await self.http(
            "POST", "/v1/chat/completions", body("hi"), url=proxy.url
        )
        assert response.code == 503
        assert b"It wrote: too old" in content
        assert count() == 5

    async def test_it_never_becomes_ready(self) -> None:
        status, content = await self.status_with("exec sleep 60", start_timeout=1)
        assert status == 503
        assert b"did not become ready within 1 s" in content

    async def test_it_ignores_a_polite_end(self) -> None:
        self.patch(process, "KILL_AFTER", 0.2)
        status, _ = await self.status_with(
            "trap '' TERM; while :; do sleep 1; done", start_timeout=1
        )
        assert status == 503

    READY = (
        '{"type":"control_response","response":{"subtype":"success",'
        '"request_id":"claudeproxy-1","response":{"models":[{"value":"sonnet"}]}}}'
    )

    async def test_it_says_nothing_after_its_start(self) -> None:
        status, content = await self.status_with(
            f"read -r line; echo '{self.READY}'; exec cat >/dev/null", first_token_timeout=1
        )
        assert status == 504
        assert b"No answer came in time" in content

    async def test_it_prints_garbage_before_it_is_asked(self) -> None:
        status, content = await self.status_with(
            f"read -r line; printf '%s\\ngarbage\\n' '{self.READY}'; exec cat >/dev/null"
        )
        assert status == 503
        assert b"broke the protocol: a line that is not JSON" in content

    async def test_it_prints_text_instead_of_json(self) -> None:
        status, content = await self.status_with("echo Welcome; exec sleep 60", spares=1)
        assert status == 503
        assert b"broke the protocol: a line that is not JSON" in content

    async def test_it_prints_garbage(self) -> None:
        status, content = await self.status_with(
            "read -r initialize; read -r settings; "
            f"echo '{self.READY}'; read -r question; echo garbage; exec cat >/dev/null"
        )
        assert status == 502
        assert b"broke the protocol" in content
        self.flushLoggedErrors()
