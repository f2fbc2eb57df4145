"""The condition of a real CLI while the server runs: a login that comes and goes, a broken file."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import openai

from claudeproxy.pool import launches, looks
from claudeproxy.service import ProxyService

from .harness import RealCLI, on_every_cli, when


# Of a login; no account has it.
CREDENTIALS = {
    "claudeAiOauth": {
        "accessToken": "sk-ant-oat01-anything",
        "refreshToken": "sk-ant-ort01-anything",
        "expiresAt": 4_000_000_000_000,
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
    }
}


class ConditionCase(RealCLI):
    async def ready(self, proxy: ProxyService | None = None) -> tuple[int, dict[str, Any]]:
        """The status and the body of GET /health/ready."""
        url = (proxy or self.proxy).url
        response, content = await self.http("GET", "/health/ready", url=url)
        told: dict[str, Any] = json.loads(content)
        assert told["ready"] == (response.code == 200)
        _, also = await self.http("GET", "/v1/health", url=url)
        health = json.loads(also)
        assert health["status"] == "ok"
        assert health["login"]["state"] == told["login"]["state"]
        return response.code, told

    async def until(self, reason: str | None) -> dict[str, Any]:
        await when(lambda: self.proxy.condition.report()["reason"] == reason)
        status, told = await self.ready()
        assert (status, told["reason"]) == (200 if reason is None else 503, reason)
        return told


@on_every_cli(globals())
class Login(ConditionCase):
    credentials: dict[str, str] = {}

    @property
    def file(self) -> Path:
        return self.home / ".claude" / ".credentials.json"

    async def test_a_login_that_is_made_later_and_taken_away_again(self) -> None:
        self.patch(looks, "LOOK_AGAIN", 0.0)
        told = await self.until("not_logged_in")
        assert f"`{self.cli} auth login`" in told["message"]
        assert told["cli"]["logged_in"] is False
        error = await self.error_of("hi")
        assert type(error) is openai.AuthenticationError
        assert isinstance(error.body, dict)
        assert error.body["message"] == told["message"]
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(json.dumps(CREDENTIALS))
        # Each question looks again.
        await self.ready()
        told = await self.until(None)
        assert (told["login"]["by"], told["login"]["plan"]) == ("plan", "Claude Max")
        assert (await self.ask("ECHO:hello")).choices[0].message.content == "hello"
        assert told["login"]["state"] == "yes"
        self.file.unlink()
        assert (await self.error_of("hi", model="opus")).status_code == 401
        assert (await self.until("not_logged_in"))["login"]["state"] == "no"
        # A request is enough to see the next one.
        self.file.write_text(json.dumps(CREDENTIALS))
        assert (await self.ask("ECHO:again")).choices[0].message.content == "again"
        assert (await self.until(None))["login"]["state"] == "yes"

    async def test_a_model_that_the_cli_does_not_list_is_no_other_error(self) -> None:
        told = await self.until("not_logged_in")
        for model in ("opus", "claude-opus-4-8", "claude-3-5-sonnet-latest"):
            error = await self.error_of("hi", model=model)
            assert type(error) is openai.AuthenticationError, model
            assert isinstance(error.body, dict)
            assert error.body["message"] == told["message"]
            assert error.response.headers["x-should-retry"] == "false"

    async def test_no_token_is_spent(self) -> None:
        await self.until("not_logged_in")
        for _ in range(3):
            await self.ready()
        assert not self.api.requests


class Limit(ConditionCase):
    async def test_a_refused_login_is_told_until_a_request_succeeds(self) -> None:
        assert (await self.error_of("ERR:401")).status_code == 401
        await self.until("not_logged_in")
        await self.ask("ECHO:hello")
        await self.until(None)


class Replaced(ConditionCase):
    """The file of the CLI is replaced by one that does not work, and back."""

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.patch(looks, "LOOK_AGAIN", 0.0)
        self.patch(launches, "ASK_AGAIN_AFTER", 0.0)
        await self.proxy.stopService()
        self.path = self.home / "claude"
        self.write(f'exec "{self.cli}" "$@"')
        self.real = self.cli
        self.cli = str(self.path)
        self.proxy = await self.start_proxy()
        await self.until(None)

    def write(self, script: str) -> None:
        new = self.home / "new"
        new.write_text(f"#!/bin/sh\n{script}\n")
        new.chmod(new.stat().st_mode | stat.S_IXUSR)
        new.rename(self.path)

    async def refused(self) -> str:
        """What a client is told that needs a new process."""
        for process in list(self.proxy.pool._workers):
            self.proxy.pool._workers.retire(process, "for this test")
        await when(lambda: not list(self.proxy.pool._workers))
        error = await self.error_of({"role": "system", "content": "S"}, "hi")
        assert error.status_code == 503
        return str(error.body["message"])

    async def back(self) -> None:
        self.write(f'exec "{self.real}" "$@"')
        assert (await self.ask("ECHO:back")).choices[0].message.content == "back"
        await self.until(None)

    async def test_one_that_does_not_tell_its_version(self) -> None:
        self.write("echo out of order >&2; exit 3")
        message = await self.refused()
        assert "exited with code 3, wrote 'out of order'" in message
        assert (await self.until("cli_broken"))["message"] == message
        await self.back()

    async def test_one_that_exits_at_its_start(self) -> None:
        self.write(
            'if [ "$1" = --version ]; then echo "9.9.8 (Claude Code)"; exit; fi\n'
            "echo out of order >&2; exit 3"
        )
        message = await self.refused()
        assert "Claude Code 9.9.8" in message
        assert "could not be started: it exited with code 3" in message
        told = await self.until("cli_broken")
        assert told["cli"]["version"] == "9.9.8"
        await self.back()

    async def test_one_that_is_too_old(self) -> None:
        self.write('echo "2.0.37 (Claude Code)"')
        message = await self.refused()
        assert f"Claude Code 2.0.37 ({self.path}) is too old" in message
        assert f"Update it with `{self.path} update`" in message
        assert (await self.until("cli_too_old"))["message"] == message
        await self.back()

    async def test_one_that_is_removed(self) -> None:
        self.path.unlink()
        message = await self.refused()
        assert f"There is no Claude Code CLI at {self.path}" in message
        assert (await self.until("no_cli"))["message"] == message
        await self.back()
