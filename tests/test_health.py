"""The states of the CLI and what is said of each, which is the same at all ends.

The ends are: the terminal, the log, GET /health/ready, and the error for a client. The service is
whole but for its processes, whose part is taken by the reactor of the pool's tests.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import ensureDeferred
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from claudeproxy.cli.launch import CLI
from claudeproxy.condition import faults
from claudeproxy.condition.versions import OLDEST
from claudeproxy.errors import APIError, usage_limit_reached
from claudeproxy.pool.looks import LOOK_AGAIN
from claudeproxy.service import ProxyService
from claudeproxy.settings import Settings

from .pool.fakes import READY, FakeReactor, Process, becomes_ready


PLAN = {"subscriptionType": "Claude Max", "apiProvider": "firstParty", "email": "me@example.org"}
NOBODY = {"tokenSource": "none", "apiProvider": "firstParty"}

CLAUDE = CLI("/opt/claude", "9.9.9", "PATH")


class Reactor(FakeReactor):
    """It can listen, too: nobody connects."""

    def listenTCP(self, *_: Any, **more: Any) -> Any:
        return Port()


class Port:
    def getHost(self) -> Any:
        return Address("127.0.0.1", 3456)

    def stopListening(self) -> None:
        pass


@attrs.frozen
class Address:
    host: str
    port: int


def tells(account: dict[str, Any]) -> Callable[[FakeReactor, Process], None]:
    """Both kinds of processes: one that tells its version, and one that becomes ready."""
    told = json.loads(READY)
    told["response"]["response"]["account"] = account
    return partial(becomes_ready, line=json.dumps(told).encode() + b"\n")


def exits(reactor: FakeReactor, process: Process) -> None:
    reactor.callLater(0.1, process.end, 1, b"error: no such option\n")


class States(SynchronousTestCase):
    """Each test begins a service in one state."""

    def begin(
        self,
        script: Callable[[FakeReactor, Process], None] | None = None,
        found: CLI | APIError | None = None,
        **settings: Any,
    ) -> None:
        self.reactor = Reactor(script or tells(PLAN))
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.terminal: list[str] = []
        self.logged: list[Any] = []
        observer: Any = self.logged.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.service = ProxyService(
            self.reactor,
            Settings(directory=str(self.folder), spares=0, **settings),
            {"HOME": str(self.folder)},
            self.terminal.append,
        )
        self.found = found or CLAUDE

        async def find(*_: Any) -> CLI:
            if isinstance(self.found, APIError):
                raise attrs.evolve(self.found)
            return self.found

        self.patch(self.service._lookup, "find", find)
        self.service.startService()
        self.addCleanup(shutil.rmtree, self.service._scratch, ignore_errors=True)
        self.addCleanup(self.reactor.processes.clear)
        self.reactor.pass_time(1)

    def ready(self) -> dict[str, Any]:
        return self.service.health.readiness()

    def client(self) -> APIError:
        """The error that a request gets before it has a process."""
        asked = ensureDeferred(self.service._catalogue())
        self.reactor.pass_time(1)
        error = self.failureResultOf(asked, APIError).value
        assert isinstance(error, APIError)
        return error

    def log(self) -> str:
        events = [each for each in self.logged if each["log_level"].name in ("error", "warn")]
        return "\n".join(each["log_format"].format(**each) for each in events)

    def assert_told(self, reason: str, sentence: str) -> None:
        ready = self.ready()
        assert (ready["ready"], ready["reason"]) == (False, reason)
        assert ready["message"] == sentence
        assert sentence in self.terminal[0]
        assert self.log().count(sentence) == 1


class Broken(States):
    def test_no_cli_an_old_one_and_one_that_tells_no_version(self) -> None:
        name = "Claude Code 2.0.37 (/opt/claude)"
        for error in (
            faults.no_cli(""),
            faults.no_cli("/opt/claude"),
            faults.too_old(name, "/opt/claude update"),
            faults.not_working("/opt/claude", "exited with code 1, wrote 'no'"),
        ):
            self.begin(found=error)
            assert error.code is not None
            self.assert_told(error.code, error.message)
            told = self.client()
            assert (told.status, told.code, told.message) == (503, error.code, error.message)
            assert self.ready()["cli"] is None

    def test_what_to_do_about_an_old_one_is_said(self) -> None:
        message = faults.too_old("Claude Code 2.0.37 (/opt/claude)", "/opt/claude update").message
        assert f"needs {OLDEST} or newer. Update it with `/opt/claude update`." in message

    def test_one_that_exits(self) -> None:
        self.begin(exits)
        sentence = (
            "Claude Code 9.9.9 (/opt/claude) could not be started: it exited with code 1. "
            "It wrote: error: no such option"
        )
        ready = self.ready()
        assert (ready["reason"], ready["message"]) == ("cli_broken", sentence)
        assert sentence in self.terminal[0]
        assert "Claude Code 9.9.9 (/opt/claude) could not be started: it exited" in self.log()
        assert "error: no such option" in self.log()
        assert (self.client().status, self.client().message) == (503, sentence)
        assert ready["cli"]["path"] == "/opt/claude"

    def test_one_that_is_installed_later_is_found(self) -> None:
        self.begin(found=faults.no_cli(""))
        self.found = CLAUDE
        self.reactor.pass_time(LOOK_AGAIN)
        assert not self.ready()["ready"]
        self.reactor.pass_time(1)
        assert self.ready()["ready"]


class LoggedIn(States):
    def test_no_login_and_one_that_is_made_later(self) -> None:
        self.begin(tells(NOBODY))
        sentence = faults.log_in("/opt/claude").message
        assert "`/opt/claude auth login`" in sentence
        self.assert_told("not_logged_in", sentence)
        assert self.ready()["login"]["state"] == "no"
        assert self.service.health.about()["cli"]["logged_in"] is False
        self.reactor.script = tells(PLAN)
        self.reactor.pass_time(LOOK_AGAIN)
        self.ready()
        self.reactor.pass_time(1)
        ready = self.ready()
        assert (ready["ready"], ready["reason"], ready["until"]) == (True, None, None)
        assert ready["login"]["by"] == "plan"
        assert "me@example.org" not in json.dumps(ready)

    def test_all_is_well(self) -> None:
        self.begin()
        self.reactor.pass_time(60)
        assert self.ready() == {
            "ready": True,
            "reason": None,
            "message": "Claude Code is ready.",
            "until": None,
            "version": self.service.health.about()["version"],
            "cli": {
                "path": "/opt/claude",
                "version": "9.9.9",
                "where": "PATH",
                "logged_in": True,
            },
            "login": {"state": "yes", "by": "plan", "plan": "Claude Max", "age": 60.9},
            "demo": False,
            "processes": {
                **dict.fromkeys(("blank", "busy", "ending", "parked", "preparing"), 0),
                "idle": 1,
            },
            "uptime": 61.0,
        }
        assert "Logged in (plan: Claude Max)." in self.terminal[0]
        assert self.log() == ""

    def test_a_reached_limit(self) -> None:
        self.begin()
        now = self.reactor.seconds()
        error = usage_limit_reached("You've hit your 5-hour limit", now + 90, now)
        self.service.condition.limit_reached(error)
        ready = self.ready()
        assert (ready["reason"], ready["message"]) == ("usage_limit", error.message)
        assert ready["until"] == error.resets_at
        assert self.log().count(error.message) == 1
        self.reactor.pass_time(91)
        assert self.ready()["ready"]

    def test_a_server_that_stops(self) -> None:
        self.begin()
        self.service.stopService()
        assert self.ready()["reason"] == "stopping"
        assert self.log() == ""


class OnTheStatusPage(States):
    def page(self) -> dict[str, Any]:
        return self.service.status.view.snapshot()

    def test_a_ready_server_and_its_processes(self) -> None:
        self.begin()
        told = self.page()
        assert told["state"]["message"] == "Claude Code is ready."
        assert told["state"]["login_text"] == "Logged in (plan: Claude Max)."
        [process] = told["processes"]
        assert process == {"activity": "idle", "since": process["since"], "turns": 0, "model": None}
        assert (told["waiting"], told["running"], told["recent"]) == (0, [], [])
        assert told["plan"]["plan"] == "Claude Max"

    def test_a_cli_that_is_not_logged_in(self) -> None:
        self.begin(tells(NOBODY))
        state = self.page()["state"]
        assert (state["ready"], state["login_text"]) == (False, "The CLI is not logged in.")
        assert state["message"] == faults.log_in("/opt/claude").message

    def test_a_cli_that_is_not_there(self) -> None:
        error = faults.no_cli("")
        self.begin(found=error)
        state = self.page()["state"]
        assert (state["message"], state["cli"]) == (error.message, None)
        assert state["login_text"] == "The login is not known yet."

    def test_the_terminal_names_the_page_in_any_state(self) -> None:
        for found in (None, faults.no_cli("")):
            self.begin(found=found)
            assert "\nStatus page: http://127.0.0.1:3456/" in self.terminal[0]

    def test_a_server_that_stops_takes_no_new_page(self) -> None:
        self.begin()
        self.service.stopService()
        assert self.page()["state"]["message"] == faults.STOPPING
        failed = ensureDeferred(self.service.status.streams.run(None))
        assert self.failureResultOf(failed, APIError).value.status == 503
