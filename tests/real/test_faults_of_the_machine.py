"""Faults that a real CLI cannot be made to show: garbage, long lines, no room on the machine.

The CLI's place is taken by a script that becomes the real one, but for as many times as a file
says plays a part instead. So what goes on beside the fault, and after it, is real.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from claudeproxy.cli import incoming
from claudeproxy.pool.slot import Activity

from ..place import processes_with
from .harness import API_KEY, PATH, at_rest, reactor, when
from .test_faults import TOOLS, FaultCase, Stream, asked, request
from .test_lifecycle import Client


WRAPPER = """#!/bin/sh
if [ "$1" != --version ] && rm "{home}/fault-$(ls {home} | grep -c ^fault-)" 2>/dev/null; then
    exec {python} -IS "{home}/part.py"
fi
exec "{cli}" "$@"
"""

# A part is what is done once the process was asked a question, after it has begun to answer.
PART = """
import os, sys, time
def say(line): sys.stdout.write(line + "\\n"); sys.stdout.flush()
def event(text): say('{"type":"stream_event","parent_tool_use_id":null,"event":' + text + "}")
if %(at_start)r: sys.exit(3)
for line in sys.stdin:
    if '"initialize"' in line:
        say('{"type":"control_response","response":{"subtype":"success",'
            '"request_id":"claudeproxy-1","response":{"models":[{"value":"sonnet"}]}}}')
    if '"type":"user"' in line:
        break
event('{"type":"message_start","message":{"model":"m","usage":{"input_tokens":1}}}')
event('{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}')
event('{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"begun"}}')
while not os.path.exists(%(go)r): time.sleep(0.01)
%(then)s
for line in sys.stdin: pass
"""

END = """
event('{"type":"content_block_stop","index":0}')
event('{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}')
say('{"type":"result","is_error":false}')
sys.exit()
"""


class WithParts(FaultCase):
    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.path = self.home / "claude"
        names = {"home": self.home, "python": sys.executable, "cli": self.cli}
        self.path.write_text(WRAPPER.format(**names))
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)
        self.proxy = await self.start_proxy(cli=str(self.path))

    def play(self, then: str = "", *, times: int = 1, at_start: bool = False) -> None:
        """So many of the processes that start from now on play this part."""
        part = self.home / "part.py"
        part.write_text(PART % {"then": then, "at_start": at_start, "go": str(self.home / "go")})
        for number in range(times):
            (self.home / f"fault-{number + 1}").touch()

    async def played(self, then: str = "", **more: Any) -> tuple[Stream, Stream]:
        """A client that goes on, and one that was served by the part."""
        other = await self.send("LONG:60 SLOW:0.02", "other")
        await when(lambda: b"tok1" in other.received)
        self.play(then, **more)
        client = await self.send("hi")
        if then:
            await when(lambda: b"begun" in client.received)
            (self.home / "go").touch()
        await when(lambda: client.gone)
        return other, client


class Misbehaving(WithParts):
    async def test_it_exits_at_its_start_once(self) -> None:
        other, client = await self.played(at_start=True)
        assert (client.status, client.whole) == (200, True)
        await self.all_is_well(other, "exited")

    async def test_it_exits_at_its_start_every_time(self) -> None:
        other, client = await self.played(at_start=True, times=2)
        assert client.status == 503
        assert "could not be started: it exited with code 3" in client.error
        await self.all_is_well(other, "exited")

    async def test_it_prints_garbage_mid_stream(self) -> None:
        other, client = await self.played("say('\\x00garbage')")
        assert (client.status, client.text) == (200, "begun")
        assert "broke the protocol" in client.error
        await self.all_is_well(other, "broke the protocol")
        self.flushLoggedErrors()

    async def test_it_prints_a_line_of_40_mb(self) -> None:
        other, client = await self.played(
            'say(\'{"type":"noise","x":"\' + 40_000_000 * \'x\' + \'"}\')' + END
        )
        assert (client.whole, client.text) == (True, "begun")
        await self.all_is_well(other)

    async def test_it_prints_a_line_without_end(self) -> None:
        self.patch(incoming, "LONGEST_LINE", 1_000_000)
        other, client = await self.played("while True: sys.stdout.write(1000 * 'x')")
        assert client.text == "begun"
        assert "broke the protocol" in client.error
        await self.all_is_well(other, "broke the protocol")
        self.flushLoggedErrors()

    async def test_it_prints_half_a_line_and_exits(self) -> None:
        other, client = await self.played("sys.stdout.write('{\"type\":'); sys.exit()")
        assert (client.text, client.error) == ("begun", "The CLI process ended.")
        await self.all_is_well(other, "exited")

    async def test_its_binary_vanishes_and_comes_back(self) -> None:
        other = await self.send("LONG:60 SLOW:0.02", "other")
        await when(lambda: b"tok1" in other.received)
        self.path.rename(self.home / "gone")
        client = await self.send("hi")
        await when(lambda: client.gone)
        assert client.status == 503
        assert f"There is no Claude Code CLI at {self.path}." in client.error
        (self.home / "gone").rename(self.path)
        await self.all_is_well(other)


class NoRoom(FaultCase):
    """The machine gives no process, or no folder."""

    async def refused(
        self, spoil: Callable[[], None], repair: Callable[[], None], why: str
    ) -> None:
        other = await self.send("LONG:60 SLOW:0.02", "other")
        await when(lambda: b"tok1" in other.received)
        spoil()
        client = await self.send("hi")
        await when(lambda: client.gone)
        assert client.status == 503
        assert client.error.endswith(f"({self.cli}) could not be started: {why}.")
        repair()
        await self.all_is_well(other)

    def scratch(self) -> Path:
        return Path(self.proxy._scratch)

    async def test_there_are_no_processes_left(self) -> None:
        spawn = reactor.spawnProcess

        def fail(*args: Any, **more: Any) -> None:
            raise BlockingIOError(11, "Resource temporarily unavailable")

        await self.refused(
            lambda: setattr(reactor, "spawnProcess", fail),
            lambda: setattr(reactor, "spawnProcess", spawn),
            "Resource temporarily unavailable",
        )

    async def test_a_process_that_is_not_started_leaves_no_folder(self) -> None:
        def fail(*args: Any, **more: Any) -> None:
            raise BlockingIOError(11, "Resource temporarily unavailable")

        await self.answered()
        before = len(list(self.scratch().iterdir()))
        self.patch(reactor, "spawnProcess", fail)
        client = await self.send("hi", "never seen before")
        await when(lambda: client.gone)
        assert len(list(self.scratch().iterdir())) == before

    async def test_the_scratch_folder_cannot_be_used(self) -> None:
        scratch = self.scratch()

        def spoil() -> None:
            shutil.rmtree(scratch)
            scratch.touch()

        await self.refused(spoil, scratch.unlink, "File exists")

    async def test_the_scratch_folder_vanishes(self) -> None:
        other = await self.send("LONG:60 SLOW:0.02", "other")
        await when(lambda: b"tok1" in other.received)
        shutil.rmtree(self.scratch())
        await self.all_is_well(other)
        assert self.proxy.pool.count(Activity.IDLE) >= 2


class Storms(FaultCase):
    """Many clients that connect and vanish."""

    CLIENTS = 200

    async def storm(self, act: Callable[[Stream, int], Any]) -> None:
        await self.answered()
        await when(lambda: at_rest(self.proxy.pool))
        fds, timers = _fds(), len(reactor.getDelayedCalls())
        for number in range(self.CLIENTS):
            client = await self.connect()
            await act(client, number)
        pool, connections = self.proxy.pool, self.proxy._connections
        await when(lambda: not connections.protocols)
        await when(lambda: at_rest(pool) and not pool._queue)
        await self.answered()
        await when(lambda: at_rest(pool))
        # Those that the storm brought may stay: three pipes and a leash, and some timers.
        new = len(self.processes()) - 2
        assert _fds() <= fds + 5 * max(new, 0) + 8
        assert len(reactor.getDelayedCalls()) <= timers + 2 * max(new, 0) + 4
        assert not pool._jobs
        assert not pool._awaiting_first_event
        assert not self.flushLoggedErrors()

    async def test_before_the_body_ends(self) -> None:
        async def act(client: Client, number: int) -> None:
            whole = request(asked("hi", "mine"))
            client.write(whole[: len(whole) * number // self.CLIENTS])
            client.abort()

        await self.storm(act)

    async def test_during_the_wait(self) -> None:
        waiting: list[Client] = []

        async def act(client: Client, number: int) -> None:
            client.write(request(asked("WAIT:60 hi", f"number {number % 3}")))
            waiting.append(client)
            if len(waiting) == 50 or number == self.CLIENTS - 1:
                while waiting:
                    waiting.pop().abort()

        await self.storm(act)

    async def test_mid_stream(self) -> None:
        async def act(client: Client, number: int) -> None:
            client.write(request(asked("LONG:10000 SLOW:0.001", "mine")))
            if number % 4 == 0:
                await when(lambda: b"tok1" in client.received)
            client.abort()

        await self.storm(act)


def _fds() -> int:
    return len(os.listdir("/proc/self/fd"))


class Apart(FaultCase):
    """The proxy in a process of its own; the stand-in for the API stays here."""

    async def begin(self, limit: int = 0) -> None:
        """limit: so many file descriptors it may have."""
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = self.home / "log"
        options = ("--port", str(self.port), "--cli", self.cli, "--directory", str(self.home / "e"))
        passed = ("--pass-environment", "ANTHROPIC_BASE_URL,ANTHROPIC_API_KEY")
        await self.proxy.stopService()
        self.server = self.serve([*options, *passed, "--spares", "1"], limit)
        self.addCleanup(self.end_all)
        await when(lambda: b"curl" in self.log.read_bytes())

    def serve(self, options: list[str], limit: int) -> subprocess.Popen[bytes]:
        self.tmp = self.home / "tmp"
        self.tmp.mkdir(exist_ok=True)
        environ = {
            "HOME": str(self.home),
            "PATH": PATH,
            "TMPDIR": str(self.tmp),
            "ANTHROPIC_BASE_URL": self.api_url,
        }

        def bound() -> None:
            if limit:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

        with self.log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "claudeproxy", "serve", *options],
                env={**environ, **API_KEY},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=bound,
            )

    def end(self) -> None:
        self.server.kill()
        self.server.wait()

    async def end_all(self) -> None:
        self.end()
        # They write into their home until they have ended.
        await when(lambda: not self.clis())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def clis(self) -> list[int]:
        mark = str(self.home)
        return [pid for pid, line in processes_with(mark).items() if "stream-json" in line]

    async def test_if_it_is_killed_hard_no_process_stays(self) -> None:
        """Of those that are idle, blank or wait for tool results."""
        await self.killed_hard()

    async def test_if_it_is_killed_hard_mid_stream_no_process_stays(self) -> None:
        await self.killed_hard("LONG:100000 SLOW:0.01")

    async def killed_hard(self, prompt: str = "") -> None:
        await self.begin()
        calls = await self.send("QUIET CALL:look", "calls", tools=TOOLS)
        idle = await self.send("ECHO:idle", "idle")
        await when(lambda: calls.gone and idle.gone)
        if prompt:
            running = await self.send(prompt, "running")
            await when(lambda: b"tok1" in running.received)
        assert len(self.clis()) >= 3
        self.end()
        killed = reactor.seconds()
        await when(lambda: not self.clis() or reactor.seconds() - killed > 15)
        left = self.clis()
        for pid in left:
            os.kill(pid, 9)
        assert left == []
        folders = set(self.tmp.iterdir())
        assert folders
        # The next one takes away what this one could not.
        await self.begin()
        assert not folders & set(self.tmp.iterdir())

    async def test_without_file_descriptors_it_refuses_and_recovers(self) -> None:
        await self.begin(limit=60)
        other = await self.send("LONG:200 SLOW:0.02", "other")
        await when(lambda: b"tok1" in other.received)
        mine = await self.connect()
        await self.crowd(other)
        mine.write(request(asked("hi", "never seen before")))
        await when(lambda: mine.gone)
        assert mine.status == 503
        assert "could not be started: Too many open files." in mine.error
        assert b"Too many open files" in self.log.read_bytes()
        while self.held:
            self.held.pop().abort()
        # Until it has noticed, there is no room for another connection.
        await when(lambda: self.descriptors() < 50)
        await self.answered()
        await when(lambda: other.gone)
        assert (other.whole, other.text.split()[-1]) == (True, "tok199")

    def descriptors(self) -> int:
        """How many the proxy has."""
        return len(list(Path(f"/proc/{self.server.pid}/fd").iterdir()))

    async def crowd(self, other: Stream) -> None:
        """Connect until there is no descriptor left in the proxy."""
        self.held = [await self.connect() for _ in range(80)]
        await when(lambda: self.descriptors() >= 58)
