"""What the API's prompt cache serves of the requests that the real CLI sends."""

from __future__ import annotations

from typing import Any

from claudeproxy.demo.prompt_cache import positions

from .harness import SUBSCRIPTION, RealCLI, on_every_cli


# Some 3,000 tokens.
SYSTEM = {"role": "system", "content": "Be brief, and say what you know. " * 370}


def marks(body: dict[str, Any]) -> list[tuple[str, str]]:
    """(role, ttl) of each marked block."""
    found = [("system", block) for block in body["system"]]
    for message in body["messages"]:
        if isinstance(message["content"], list):
            found += [(message["role"], block) for block in message["content"]]
    return [
        (role, block["cache_control"].get("ttl", "5m"))
        for role, block in found
        if "cache_control" in block
    ]


@on_every_cli(globals())
class Caching(RealCLI):
    async def test_a_client_sees_what_the_cache_served(self) -> None:
        first = await self.ask(SYSTEM, {"role": "user", "content": "ECHO:one"})
        details = first.usage.prompt_tokens_details
        assert details.cached_tokens == 0
        assert details.cache_write_tokens > 3000
        said = [{"role": "user", "content": "ECHO:one"}, {"role": "assistant", "content": "one"}]
        second = await self.ask(SYSTEM, *said, {"role": "user", "content": "ECHO:two"})
        assert second.usage.prompt_tokens_details.cached_tokens > 3000
        # The whole is what the API had to read, wherever it came from.
        assert second.usage.prompt_tokens == positions(self.seen())[-1].tokens

    async def test_a_conversation_that_is_replayed_again_is_served(self) -> None:
        texts = [f"{number} " + "word " * 200 for number in range(4)]
        history = [
            {"role": ("user", "assistant")[index % 2], "content": text}
            for index, text in enumerate(texts)
        ]
        replayed = await self.ask(SYSTEM, *history, {"role": "user", "content": "ECHO:a"})
        history += [{"role": "user", "content": "ECHO:a"}, {"role": "assistant", "content": "a"}]
        self.proxy = await self.start_proxy()
        again = await self.ask(SYSTEM, *history, {"role": "user", "content": "ECHO:b"})
        # All that was sent before, but for a note of the CLI's behind it.
        served = again.usage.prompt_tokens_details.cached_tokens
        assert served > replayed.usage.prompt_tokens - 200
        assert marks(self.seen()) == [("system", "5m"), ("system", "5m"), ("user", "5m")]

    async def test_what_the_stable_marks_take_away(self) -> None:
        await self.ask(SYSTEM, "ECHO:a", model="opus", reasoning_effort="high")
        stable = self.api.requests[-1]
        self.proxy = await self.start_proxy(stable_cache_marks=False)
        await self.ask(SYSTEM, "ECHO:a", model="opus", reasoning_effort="high")
        free = self.api.requests[-1]
        for name in ("model", "thinking", "output_config", "max_tokens", "context_management"):
            assert stable.body[name] == free.body[name], name
        lost = betas(free) - betas(stable)
        assert lost <= {
            "per-turn-control-2026-07-01",
            "thinking-token-count-2026-05-13",
            "prompt-caching-scope-2026-01-05",
        }

    async def test_a_long_context_keeps_its_beta(self) -> None:
        await self.ask(SYSTEM, "ECHO:a", model="claude-sonnet-4-5[1m]")
        assert "context-1m-2025-08-07" in betas(self.api.requests[-1])


@on_every_cli(globals())
class CachingOfASubscription(RealCLI):
    credentials = SUBSCRIPTION

    async def test_marks_live_for_an_hour(self) -> None:
        await self.ask(SYSTEM, "ECHO:a")
        assert marks(self.seen()) == [("system", "1h"), ("system", "1h"), ("user", "1h")]
        assert "extended-cache-ttl-2025-04-11" in betas(self.api.requests[-1])


def betas(received: Any) -> set[str]:
    return set(received.headers["anthropic-beta"].split(","))
