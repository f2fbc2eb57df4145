"""CLI processes that are stopped while they have nothing to do: they can be used all the same."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest

from claudeproxy.cli import rest
from claudeproxy.demo.service import DemoService
from claudeproxy.service import ProxyService

from .harness import conversation, on_every_cli, reactor, when
from .serving import Served, http, of
from .test_tools import TOOLS, ToolCase, result


BODY = {"model": "sonnet", "messages": [{"role": "user", "content": "hi"}]}


def stopped(pid: int) -> bool:
    return of(pid, "stat").rpartition(b")")[2].split()[:1] == [b"T"]


class Skipped:
    def setUp(self) -> Any:
        if not rest.CAN_LEASH:
            raise SkipTest("processes are stopped on Linux only")
        return super().setUp()  # type: ignore[misc]


@on_every_cli(globals())
class Resting(Skipped, ToolCase):
    async def start_proxy(self, **settings: Any) -> ProxyService:
        self.patch(rest, "REST_AFTER", 0.3)
        return await super().start_proxy(**settings)

    async def all_stopped(self, count: int = 1) -> None:
        await when(lambda: [stopped(pid) for pid in self.processes()] == [True] * count)

    async def test_an_idle_one_goes_on_with_its_conversation(self) -> None:
        said: list[Any] = []
        for turn in range(3):
            said.append(f"ECHO:{turn}")
            answer, headers = await self.told(*said)
            said.append(answer.choices[0].message.content)
            assert said[-1] == str(turn)
            await self.all_stopped()
        assert headers["x-claudeproxy-worker"] == "continued"
        assert len(conversation(self.seen())) == 5

    async def test_a_spare_is_claimed(self) -> None:
        self.proxy = await self.start_proxy(spares=1)
        # The first proxy has one that was asked for the models.
        await self.all_stopped(3)
        _, headers = await self.told({"role": "system", "content": "New."}, "hi")
        assert headers["x-claudeproxy-worker"] == "claimed"

    async def test_a_turn_that_waits_for_a_result_goes_on(self) -> None:
        said, calls = await self.call("CALL:get_time")
        # The other was asked for the models.
        await self.all_stopped(2)
        answer, headers = await self.told(*said, result(calls[0], "noon"), tools=TOOLS)
        assert "noon" in answer.choices[0].message.content
        assert headers["x-claudeproxy-worker"] == "resumed"

    async def test_its_connection_to_the_api_may_be_closed_meanwhile(self) -> None:
        api = DemoService(reactor)
        api.startService()
        self.addCleanup(api.stopService)
        self.api_url = str(api.url)
        await self.proxy.stopService()
        self.proxy = await self.start_proxy()
        await self.ask("hi")
        await self.all_stopped()
        port = int(self.api_url.rpartition(":")[2])
        await api.stopService()
        api.port = port
        api.startService()
        answer = await self.ask("ECHO:again")
        assert answer.choices[0].message.content == "again"

    async def test_it_ends_after_its_idle_time(self) -> None:
        await self.proxy.stopService()
        self.proxy = await self.start_proxy(idle_time=2.0)
        await self.ask("hi")
        await self.all_stopped()
        await self.all_stopped(0)

    async def test_it_ends_with_the_server_without_force(self) -> None:
        await self.ask("hi")
        await self.all_stopped()
        await self.proxy.stopService()
        assert self.processes() == []
        # It has removed its own files, so it was not killed.
        assert list(Path(self.home).rglob("sessions/*.json")) == []


class Killed(Skipped, Served):
    async def test_none_is_left_when_the_proxy_is_killed(self) -> None:
        await self.answer(http("POST", "/v1/chat/completions", BODY))
        clis = self.server.clis()
        await when(lambda: all(map(stopped, clis)))
        os.kill(self.server.popen.pid, signal.SIGKILL)
        await when(lambda: not any(of(pid, "cmdline") for pid in clis))
        assert list(self.home.rglob("sessions/*.json")) == []
