"""Faults of a CLI process and of the API: what the client sees, and that nobody else sees it.

Each test has another conversation running in a process of its own, which must end as if nothing
had happened; then the next request is answered, and the reason is counted. doc/reliability.md has
the table.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.endpoints import clientFromString, connectProtocol

from claudeproxy.pool.slot import Activity

from .harness import RealCLI, at_rest, reactor, when
from .test_lifecycle import Client


TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
OTHER = "LONG:60 SLOW:0.02"
OTHERS_TEXT = " ".join(f"tok{n}" for n in range(60))


def request(content: dict[str, Any]) -> bytes:
    """A whole request as bytes."""
    body = json.dumps(content).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )


def asked(prompt: str, system: str, **more: Any) -> dict[str, Any]:
    """The body of a streamed request."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
    return {"model": "sonnet", "stream": True, "messages": messages, **more}


class Stream(Client):
    """A bare connection that has sent a request for a stream, and what came of it."""

    gone = False

    def connectionLost(self, reason: Any = None) -> None:
        self.gone = True

    @property
    def status(self) -> int:
        return int(self.received.split(b" ", 2)[1])

    @property
    def whole(self) -> bool:
        return b"data: [DONE]" in self.received

    @property
    def frames(self) -> list[Any]:
        lines = self.received.splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]

    @property
    def text(self) -> str:
        choices = [choice for frame in self.frames for choice in frame.get("choices", ())]
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    @property
    def error(self) -> str:
        """What it was told that went wrong, by an error frame or by the body of an error."""
        if self.status != 200:
            told = json.loads(self.received.partition(b"\r\n\r\n")[2])
        else:
            told = self.frames[-1]
        return str(told["error"]["message"])


class FaultCase(RealCLI):
    """There are no spares, so it is known which process serves whom."""

    @property
    def url(self) -> str:
        return self.proxy.url

    async def connect(self) -> Stream:
        """A client that has said nothing yet."""
        endpoint = clientFromString(reactor, "tcp:" + self.url.removeprefix("http://"))
        client: Stream = await connectProtocol(endpoint, Stream())
        return client

    async def send(self, prompt: str, system: str = "mine", **more: Any) -> Stream:
        """A client that has sent its request and reads."""
        client = await self.connect()
        self.addCleanup(client.abort)
        client.write(request(asked(prompt, system, **more)))
        return client

    async def with_another(self, prompt: str, **more: Any) -> tuple[Stream, Stream]:
        """A client in the middle of a stream, and then one that has just sent `prompt`."""
        other = await self.send(OTHER, "other")
        await when(lambda: b"tok1" in other.received or other.gone)
        assert not other.gone, other.received
        self.before = set(self.processes())
        return other, await self.send(prompt, **more)

    def mine(self) -> set[int]:
        """The processes that came since `with_another`."""
        return set(self.processes()) - self.before

    def kill(self, pids: Iterable[int], number: int = signal.SIGKILL) -> None:
        pids = list(pids)
        assert pids
        for pid in pids:
            os.kill(pid, number)

    def counted(self, line: str) -> Callable[[], bool]:
        return lambda: line.encode() in self.proxy.metrics.exposition()

    def retired(self, reason: str) -> Callable[[], bool]:
        return self.counted(f'workers_retired_total{{reason="{reason}"}}')

    async def all_is_well(self, other: Stream, reason: str = "") -> None:
        """The other client noticed nothing, the next one is answered, the reason is counted."""
        await self.answered()
        await when(lambda: other.gone)
        assert (other.whole, other.text) == (True, OTHERS_TEXT)
        if reason:
            await when(self.retired(reason))
        await when(lambda: at_rest(self.proxy.pool))

    async def answered(self) -> None:
        """The next request is answered."""
        client = await self.send("ECHO:and on it goes")
        await when(lambda: client.gone)
        assert (client.whole, client.text) == (True, "and on it goes"), client.received


class Killed(FaultCase):
    """The CLI process is killed hard."""

    async def test_before_the_first_byte_nobody_sees_it(self) -> None:
        other, client = await self.with_another("WAIT:0.5 ECHO:still answered")
        await self.api.received(2)
        self.kill(self.mine())
        await when(lambda: client.gone)
        assert (client.status, client.whole, client.text) == (200, True, "still answered")
        assert self.counted("claudeproxy_requests_retried_total 1.0")()
        await self.all_is_well(other, "exited")

    async def test_mid_stream_it_is_an_error_frame(self) -> None:
        other, client = await self.with_another("LONG:1000 SLOW:0.02")
        await when(lambda: b"tok1" in client.received)
        self.kill(self.mine())
        await when(lambda: client.gone)
        assert (client.whole, client.error) == (False, "The CLI process ended.")
        # What the model has begun to say is not asked for again.
        assert len(self.api.requests) == 2
        await self.all_is_well(other, "exited")


class KilledAtOtherTimes(FaultCase):
    async def test_twice_before_the_first_byte_is_a_502(self) -> None:
        other, client = await self.with_another("WAIT:0.5 ECHO:never said")
        for requests in (2, 3):
            await self.api.received(requests)
            self.kill(self.mine())
        await when(lambda: client.gone)
        assert (client.status, client.error) == (502, "The CLI process ended.")
        await self.all_is_well(other, "exited")

    async def test_after_the_answer_the_conversation_is_replayed(self) -> None:
        other, client = await self.with_another("ECHO:one")
        # The other one may have ended too, on a machine that is busy.
        await when(lambda: client.gone and self.proxy.pool.count(Activity.BUSY) <= 1)
        assert client.text == "one"
        self.kill(self.mine())
        await when(self.retired("exited"))
        messages = [
            *asked("ECHO:one", "mine")["messages"],
            {"role": "assistant", "content": "one"},
            {"role": "user", "content": "ECHO:two"},
        ]
        again = await self.send("", messages=messages)
        await when(lambda: again.gone)
        assert again.text == "two"
        assert b"x-claudeproxy-worker: spawned" in again.received.lower()
        await self.all_is_well(other, "exited")

    async def test_all_at_once_nobody_sees_it(self) -> None:
        clients = [await self.send("ECHO:one") for _ in range(3)]
        await when(lambda: all(client.gone for client in clients))
        await when(lambda: at_rest(self.proxy.pool))
        idle = self.processes()
        assert len(idle) > 1
        client = await self.connect()
        self.addCleanup(client.abort)
        self.kill(idle)
        # The proxy may have yet to learn of it; a second one of them would serve it no better.
        client.write(request(asked("ECHO:two", "mine")))
        await when(lambda: client.gone)
        assert (client.status, client.whole, client.text) == (200, True, "two")

    async def test_while_it_waits_for_tool_results_the_history_is_replayed(self) -> None:
        other, client = await self.with_another("QUIET CALL:look", tools=TOOLS)
        await when(lambda: client.gone)
        assert self.proxy.pool.count(Activity.PARKED) == 1
        self.kill(self.mine())
        await when(lambda: not self.proxy.pool.count(Activity.PARKED))
        calls = [
            call
            for frame in client.frames
            for choice in frame["choices"]
            for call in choice["delta"].get("tool_calls", ())
        ]
        call = {"type": "function", "function": {"name": "look", "arguments": "{}"}}
        messages = [
            *asked("QUIET CALL:look", "mine")["messages"],
            {"role": "assistant", "tool_calls": [{**call, "id": calls[0]["id"]}]},
            {"role": "tool", "tool_call_id": calls[0]["id"], "content": "a tree"},
        ]
        again = await self.send("", messages=messages, tools=TOOLS)
        await when(lambda: again.gone)
        assert "a tree" in again.text
        await self.all_is_well(other, "exited")


class Frozen(FaultCase):
    async def start_proxy(self, **settings: Any) -> Any:
        return await super().start_proxy(**{"stall_timeout": 2, **settings})

    async def test_a_stopped_process_is_given_up_and_ended(self) -> None:
        other, client = await self.with_another("LONG:1000 SLOW:0.02")
        await when(lambda: b"tok1" in client.received)
        [pid] = self.mine()
        self.kill([pid], signal.SIGSTOP)
        await when(lambda: client.gone)
        assert (client.whole, client.error) == (False, "No answer came in time.")
        # It can answer neither the interrupt nor SIGTERM.
        await when(self.retired("did not settle"))
        assert pid not in self.processes()
        await self.all_is_well(other)

    async def test_a_stopped_process_does_not_hold_up_the_server(self) -> None:
        client = await self.send("LONG:1000 SLOW:0.02")
        await when(lambda: b"tok1" in client.received)
        self.kill(self.processes(), signal.SIGSTOP)
        began = reactor.seconds()
        self.proxy._settings = self.proxy._settings.__class__(drain=0.1)
        await self.proxy.stopService()
        # SIGTERM, and after 3 s SIGKILL.
        assert reactor.seconds() - began < 6
        assert self.processes() == []


class API(FaultCase):
    """Faults of Anthropic's API, or of the way to it; the process is not to blame and is kept."""

    async def start_proxy(self, **settings: Any) -> Any:
        return await super().start_proxy(**{"stall_timeout": 1, **settings})

    async def faulty(self, prompt: str) -> Stream:
        """What became of a request beside which another went on, and that all was well then."""
        other, client = await self.with_another(prompt)
        await when(lambda: client.gone)
        pids = self.mine()
        assert not client.whole
        await self.all_is_well(other)
        assert self.mine() == pids
        return client

    async def test_the_connection_drops_mid_stream(self) -> None:
        client = await self.faulty("LONG:50 DROP:5")
        assert client.status == 200
        assert client.text.startswith("tok0 tok1")
        assert "connection" in client.error.lower()

    async def test_it_stalls_mid_stream(self) -> None:
        client = await self.faulty("LONG:50 STALL:5")
        assert (client.status, client.error) == (200, "No answer came in time.")
        # The turn is interrupted, so that nothing waits at the API either.
        await when(lambda: all(received.outcome for received in self.api.requests))

    async def test_it_tells_an_error_mid_stream(self) -> None:
        client = await self.faulty("LONG:50 SSEERR:5")
        assert client.status == 200
        assert client.error

    async def test_it_answers_with_a_page_of_html(self) -> None:
        client = await self.faulty("HTML")
        assert client.status == 502
        assert "<" not in client.error

    async def test_it_stalls_before_it_says_anything(self) -> None:
        self.proxy = await self.start_proxy(first_token_timeout=6)
        client = await self.faulty("WAIT:60 hi")
        assert (client.status, client.error) == (504, "No answer came in time.")


class Choices(FaultCase):
    async def test_a_choice_that_is_done_may_lose_its_process(self) -> None:
        """It is killed on purpose at max_tokens, while the other has yet to be started."""
        client = await self.send("LONG:50", n=2, max_tokens=3)
        await when(lambda: client.gone)
        assert client.whole, client.error
