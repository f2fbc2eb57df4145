"""The pool on the real CLI: who serves what, and that nothing passes from one to the next."""

from __future__ import annotations

import json
import os
import random
import signal
from typing import Any

from twisted.internet.defer import ensureDeferred, gatherResults

from claudeproxy.service import ProxyService

from .harness import RealCLI, as_messages, conversation, on_every_cli, reactor, when


@on_every_cli(globals())
class Pools(RealCLI):
    async def start_proxy(self, **settings: Any) -> ProxyService:
        return await super().start_proxy(**{"spares": 1, **settings})

    async def rung_of(self, *texts: str, system: str = "S", **more: Any) -> tuple[str, Any]:
        """How the worker was found, and the answer."""
        body = {
            "model": "sonnet",
            "messages": [{"role": "system", "content": system}, *as_messages(texts)],
            **more,
        }
        response, content = await self.http("POST", "/v1/chat/completions", body)
        assert response.code == 200, content
        reuse = response.headers.getRawHeaders("x-claudeproxy-worker")[0]
        return reuse, json.loads(content)["choices"][0]

    async def test_a_conversation_goes_on_in_the_process_that_holds_it(self) -> None:
        said = ["ECHO:one"]
        reuses = []
        for more in ("ECHO:two", "ECHO:three", "/clear ECHO:four"):
            reuse, choice = await self.rung_of(*said)
            reuses.append(reuse)
            said += [choice["message"]["content"], more]
        reuse, choice = await self.rung_of(*said)
        assert [*reuses[1:], reuse] == ["continued"] * 3
        assert conversation(self.seen()) == [
            ("user", "ECHO:one"),
            ("assistant", "one"),
            ("user", "ECHO:two"),
            ("assistant", "two"),
            ("user", "ECHO:three"),
            ("assistant", "three"),
            ("user", "\n/clear ECHO:four"),
        ]

    async def test_a_one_shot_request_recycles_and_sends_nothing_of_the_one_before(self) -> None:
        await self.rung_of("CANARY-1")
        reuse, _ = await self.rung_of("second")
        assert reuse == "recycled"
        assert b"CANARY-1" not in self.api.requests[-1].raw
        assert self.seen()["system"][-1]["text"] == "S"

    async def test_a_new_system_prompt_claims_a_spare(self) -> None:
        await when(lambda: len(self.processes()) >= 2)
        reuse, _ = await self.rung_of("hi", system="never seen before")
        assert reuse == "claimed"
        assert self.seen()["system"][-1]["text"] == "never seen before"

    async def test_edited_and_branched_histories_are_right(self) -> None:
        await self.rung_of("a")
        for history in (
            ("a", "another answer", "b"),
            ("edited", "x", "b"),
            ("a", "another answer", "branch"),
            ("a",),
        ):
            await self.rung_of(*history)
            sent = conversation(self.seen())
            roles = ("user", "assistant")
            assert sent == [(roles[i % 2], text) for i, text in enumerate(history)]

    async def test_limits_never_stick(self) -> None:
        _, choice = await self.rung_of("LONG:9", max_tokens=3, stop=["never"], model="haiku")
        assert choice["finish_reason"] == "length"
        first = self.api.requests[0].body
        _, choice = await self.rung_of("LONG:9")
        assert choice["message"]["content"] == "tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 tok8"
        assert first["stop_sequences"] == ["never"]
        assert first["model"].startswith("claude-haiku-")
        assert "stop_sequences" not in self.seen()
        assert self.seen()["max_tokens"] > 1000
        assert self.seen()["model"].startswith("claude-sonnet-")

    async def test_the_effort_may_change_in_the_middle_of_a_conversation(self) -> None:
        said = ["THINK:x ECHO:one"]
        _, choice = await self.rung_of(*said, reasoning_effort="high")
        said += [choice["message"]["content"], "ECHO:two"]
        reuse, choice = await self.rung_of(*said, reasoning_effort="low")
        assert (reuse, choice["message"]["content"]) == ("continued", "two")

    async def test_a_cancelled_turn_leaves_nothing_behind(self) -> None:
        await self.rung_of("hi")
        running = self.http(
            "POST",
            "/v1/chat/completions",
            {
                "model": "sonnet",
                "messages": [
                    {"role": "system", "content": "S"},
                    {"role": "user", "content": "CANARY-2 LONG:10000 SLOW:0.02"},
                ],
            },
        )
        deferred = ensureDeferred(running)
        deferred.addErrback(lambda failure: None)
        requests = await self.api.received(2)
        deferred.cancel()
        await requests[1].ended()
        reuse, _ = await self.rung_of("after")
        assert reuse == "recycled"
        assert b"CANARY-2" not in self.api.requests[-1].raw

    async def test_a_lost_worker_is_made_up_for(self) -> None:
        await self.rung_of("hi")
        before = set(self.processes())
        answered = ensureDeferred(self.rung_of("WAIT:0.3 ECHO:still answered"))
        await self.api.received(2)
        for process in before:
            os.kill(process, signal.SIGKILL)
        _, choice = await answered
        assert choice["message"]["content"] == "still answered"
        _, metrics = await self.http("GET", "/metrics")
        assert b"claudeproxy_requests_retried_total 1.0" in metrics
        assert b'claudeproxy_workers_retired_total{reason="exited"}' in metrics

    async def test_many_conversations_at_once_are_kept_apart(self) -> None:
        """Random interleavings: each API request holds just its own conversation."""
        chance = random.Random(7)
        await gatherResults(
            [ensureDeferred(self.converse(name, chance)) for name in ("A", "B", "C", "D")]
        )
        for received in self.api.requests:
            turns = conversation(received.body)
            name = received.body["system"][-1]["text"][-1]
            texts = [text for _, text in turns]
            assert all(text.removeprefix("ECHO:").startswith(name) for text in texts), texts
            asked = [text.removeprefix("ECHO:") for text in texts[::2]]
            assert asked == [f"{name}{n}" for n in range(len(asked))]
            assert texts[1::2] == asked[:-1]
        assert len(self.api.requests) == 4 * 4

    async def converse(self, name: str, chance: random.Random) -> None:
        said: list[str] = []
        for turn in range(4):
            if chance.random() < 0.3:
                pause: Any = when(passed(chance.random() / 5))
                await pause
            said.append(f"ECHO:{name}{turn}")
            # Two share a system prompt, so that they compete for the same workers.
            _, choice = await self.rung_of(*said, system=f"for {name}")
            said.append(choice["message"]["content"])

    async def test_idle_processes_go_until_the_spares_are_left(self) -> None:
        proxy = await self.start_proxy(idle_time=1)
        await self.proxy.stopService()
        body = {"model": "sonnet", "messages": [{"role": "user", "content": "hi"}]}
        await self.http("POST", "/v1/chat/completions", body, url=proxy.url)
        retired = b'claudeproxy_workers_retired_total{reason="idle timeout"}'
        await when(lambda: retired in proxy.metrics.exposition())
        spare = b'claudeproxy_workers{activity="blank"} 1.0'
        await when(lambda: spare in proxy.metrics.exposition() and len(self.processes()) == 1)

    async def test_a_full_queue_is_a_429(self) -> None:
        proxy = await self.start_proxy(workers=1, queue=1, queue_wait=0.5, spares=0)
        body = {"model": "sonnet", "messages": [{"role": "user", "content": "WAIT:2 hi"}]}

        async def ask() -> int:
            response, _ = await self.http("POST", "/v1/chat/completions", body, url=proxy.url)
            if response.code == 429:
                assert response.headers.getRawHeaders("retry-after") == ["5"]
            return int(response.code)

        first = ensureDeferred(ask())
        await self.api.received()
        statuses = await gatherResults([ensureDeferred(ask()) for _ in range(2)])
        assert statuses == [429, 429]
        assert await first == 200

    async def test_without_a_queue_only_what_would_have_to_wait_is_refused(self) -> None:
        proxy = await self.start_proxy(workers=2, queue=0, spares=0)
        body = {"model": "sonnet", "messages": [{"role": "user", "content": "WAIT:2 hi"}]}

        async def ask() -> int:
            response, _ = await self.http("POST", "/v1/chat/completions", body, url=proxy.url)
            return int(response.code)

        served = [ensureDeferred(ask()) for _ in range(2)]
        await self.api.received(2)
        assert await ask() == 429
        assert await gatherResults(served) == [200, 200]


def passed(seconds: float) -> Any:
    """True from so many seconds on."""
    until = reactor.seconds() + seconds
    return lambda: reactor.seconds() >= until
