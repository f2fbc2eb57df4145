"""The limits of the plan, from the API's headers through the real CLI to the client."""

from __future__ import annotations

import json
import time
from typing import Any

from twisted.logger import LogLevel, capturedLogs

from claudeproxy.demo.limits import FIVE_HOURS, SEVEN_DAYS
from claudeproxy.plan_usage import API_KEY_NOTE, NOTHING_YET_NOTE

from .harness import SUBSCRIPTION, RealCLI, at_rest, on_every_cli, when


UNIFIED = "anthropic-ratelimit-unified"


async def usage_of(case: RealCLI, path: str = "/v1/usage") -> Any:
    await turn_ended(case)
    response, content = await case.http("GET", path)
    assert response.code == 200
    return json.loads(content)


async def turn_ended(case: RealCLI) -> None:
    """The CLI reports the limits at the end of a turn, when the client has its answer."""
    await when(lambda: at_rest(case.proxy.pool))


@on_every_cli(globals())
class OfAPlan(RealCLI):
    credentials = SUBSCRIPTION

    @property
    def is_older(self) -> bool:
        """Whether it reports only the window that decides, and its use only near the limit."""
        return "OnOlder" in type(self).__name__

    async def test_before_the_first_answer_nothing_is_known(self) -> None:
        await self.proxy._catalogue()
        told = await usage_of(self)
        assert (told["plan"], told["windows"], told["fresh"]) == (None, [], False)
        assert told["note"] == NOTHING_YET_NOTE
        # With this login the CLI asks nobody.
        assert not self.api.requests

    async def test_the_windows_of_the_newest_answer_are_told(self) -> None:
        await self.ask("ECHO:one")
        five, *others = (await usage_of(self))["windows"]
        assert (five["name"], five["status"]) == ("five_hour", "allowed")
        assert five["used"] == (None if self.is_older else 0.12)
        assert 0 < five["resets_at"] - time.time() <= FIVE_HOURS
        assert abs(five["seen_at"] - time.time()) < 60
        assert 0 <= five["age"] < 60
        if self.is_older:
            assert others == []
        else:
            [seven] = others
            assert (seven["name"], seven["status"], seven["used"]) == ("seven_day", "allowed", 0.05)
            assert 0 < seven["resets_at"] - time.time() <= SEVEN_DAYS
        await self.ask("WARNING ECHO:two")
        told = await usage_of(self, "/usage")
        assert (told["fresh"], told["note"]) == (True, None)
        assert (told["windows"][0]["status"], told["windows"][0]["used"]) == (
            "allowed_warning",
            0.91,
        )
        # Telling it cost nothing.
        assert len(self.api.requests) == 2

    async def test_a_reached_limit_is_told(self) -> None:
        error = await self.error_of("LIMIT:3000")
        assert error.status_code == 429
        five, *_ = (await usage_of(self))["windows"]
        assert five["status"] == "rejected"
        assert five["used"] == (None if self.is_older else 1)
        assert 2900 < five["resets_at"] - time.time() <= 3001
        _, metrics = await self.http("GET", "/metrics")
        assert b'claudeproxy_plan_resets_timestamp_seconds{window="five_hour"} 1.' in metrics
        used = b'claudeproxy_plan_used_ratio{window="five_hour"} 1.0'
        assert (used in metrics) != self.is_older

    async def test_each_level_is_logged_once(self) -> None:
        with capturedLogs() as logged:
            for words in (
                "hi",
                "WARNING",
                "WARNING again",
                "hi",
                "WARNING",
                "LIMIT:50",
                "LIMIT:50",
            ):
                await self.http(
                    "POST",
                    "/v1/chat/completions",
                    {"model": "sonnet", "messages": [{"role": "user", "content": words}]},
                )
                await turn_ended(self)
        told = [
            (event["log_level"], str(event["change"]).partition(" It resets")[0])
            for event in logged
            if event.get("log_namespace", "").endswith("PlanWatch")
        ]
        assert told == [
            (LogLevel.warn, "The five-hour limit of the plan is near: 91% of it is used."),
            (LogLevel.warn, "The five-hour limit of the plan is reached."),
        ]

    async def test_messages_have_the_headers_of_the_api(self) -> None:
        heads = []
        for words in ("ECHO:one", "WARNING ECHO:two", "ECHO:three"):
            for streamed in (False, True):
                asked = {
                    "model": "sonnet",
                    "max_tokens": 99,
                    "stream": streamed,
                    "messages": [{"role": "user", "content": words}],
                }
                response, _ = await self.http("POST", "/v1/messages", asked)
                heads.append(response.headers)
                await turn_ended(self)
        # The next answer has what the CLI reports at the end of one.
        told = [head.getRawHeaders(f"{UNIFIED}-status", [None])[0] for head in heads]
        assert told == [None, "allowed", "allowed", "allowed_warning", "allowed_warning", "allowed"]
        head = heads[3]
        assert head.getRawHeaders(f"{UNIFIED}-representative-claim") == ["five_hour"]
        assert head.getRawHeaders(f"{UNIFIED}-5h-utilization") == ["0.91"]
        [reset] = head.getRawHeaders(f"{UNIFIED}-5h-reset")
        assert 0 < int(reset) - time.time() <= FIVE_HOURS
        assert head.hasHeader(f"{UNIFIED}-7d-reset") != self.is_older
        _, headers = await self.told("ECHO:four")
        assert not [name for name in headers if "ratelimit" in name]


@on_every_cli(globals())
class OfAKey(RealCLI):
    async def test_a_key_has_no_plan(self) -> None:
        await self.ask("ECHO:one")
        told = await usage_of(self)
        assert (told["plan"], told["windows"], told["fresh"]) == (None, [], False)
        assert told["note"] == API_KEY_NOTE
        assert len(self.api.requests) == 1
