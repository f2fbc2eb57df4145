"""What bounds an answer, and what is ignored, through the real CLI, seen at both ends."""

from __future__ import annotations

import json
import time
from typing import Any

from claudeproxy.pool.slot import Activity

from .harness import SUBSCRIPTION, RealCLI, bundled, conversation, on_every_cli, when


@on_every_cli(globals())
class Limits(RealCLI):
    async def test_after_max_tokens_nothing_more_is_asked_of_the_api(self) -> None:
        """The API holds back its last event, as no real answer comes all at once."""
        for size in (1, 5):
            for streamed in (False, True):
                said = f"LONG:50 HOLD:1 SIZE {size} {streamed}"
                if streamed:
                    chunks = await self.stream(said, max_tokens=size)
                    reason = chunks[-1].choices[0].finish_reason
                else:
                    answer = await self.ask(said, max_tokens=size)
                    reason = answer.choices[0].finish_reason
                assert reason == "length"
        await when(lambda: not self.busy())
        # What the CLI asks on its own has no messages, and the API refuses it.
        assert len(self.answered()) == 4
        assert {len(request.body["messages"]) for request in self.refused()} <= {0}

    async def test_after_max_tokens_the_process_goes_on(self) -> None:
        said = ("ECHO:one", "one", "LONG:50 SLOW:0.05")
        await self.ask(*said[:1])
        answer = await self.ask(*said, max_tokens=2)
        before = self.processes()
        text = answer.choices[0].message.content
        answer, headers = await self.told(*said, text, "ECHO:more")
        assert headers["x-claudeproxy-worker"] in self.goes_on
        assert answer.choices[0].message.content == "more"
        texts = [text for _, text in conversation(self.seen())]
        assert texts == [*said, text, "ECHO:more"]
        assert self.processes() == before

    async def test_a_cut_off_call_is_told_as_it_is(self) -> None:
        function = {"name": "look", "parameters": {"type": "object", "properties": {}}}
        answer = await self.ask(
            'QUIET HOLD:1 CALL:look:{"long":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',
            tools=[{"type": "function", "function": function}],
            max_tokens=2,
        )
        choice = answer.choices[0]
        assert choice.finish_reason == "length"
        assert choice.message.tool_calls[0].function.arguments.startswith('{"long"')
        assert len(self.answered()) == 1

    async def test_stop_sequences_of_white_space_are_cut_here(self) -> None:
        for streamed in (False, True):
            said = "ECHO:one\ntwo\n\nthree"
            if streamed:
                chunks = await self.stream(said, stop=["\n\n", "never"])
                text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
                assert chunks[-1].choices[0].finish_reason == "stop"
            else:
                answer = await self.ask(said, stop=["\n\n", "never"])
                text = answer.choices[0].message.content
                assert answer.choices[0].finish_reason == "stop"
            assert text == "one\ntwo"
            assert self.seen()["stop_sequences"] == ["never"]

    async def test_several_choices_are_several_answers(self) -> None:
        answer = await self.ask("ECHO:same", n=3)
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        assert [choice.message.content for choice in answer.choices] == ["same"] * 3
        assert len(self.api.requests) == 3
        single = await self.ask("ECHO:same")
        assert answer.usage.completion_tokens == 3 * single.usage.completion_tokens

    async def test_several_choices_may_all_reach_their_limit(self) -> None:
        answer = await self.ask("LONG:50", n=3, max_tokens=2)
        assert [choice.message.content for choice in answer.choices] == ["tok0 tok1 "] * 3
        assert {choice.finish_reason for choice in answer.choices} == {"length"}

    async def test_several_choices_stream_side_by_side(self) -> None:
        chunks = await self.stream("ECHO:a b c", n=2, stream_options={"include_usage": True})
        *said, usage = chunks
        for index in (0, 1):
            mine = [chunk.choices[0] for chunk in said if chunk.choices[0].index == index]
            assert "".join(choice.delta.content or "" for choice in mine) == "a b c"
            assert [choice.finish_reason for choice in mine if choice.finish_reason] == ["stop"]
        assert usage.usage.completion_tokens == 6

    async def test_an_error_of_one_choice_is_the_answers(self) -> None:
        error = await self.error_of("ERR:400", n=2)
        assert error.status_code == 400
        answer = await self.ask("ECHO:and on it goes")
        assert answer.choices[0].message.content == "and on it goes"

    async def test_sampling_goes_where_the_model_takes_it(self) -> None:
        models = (await self.proxy._catalogue()).models
        for model in models:
            _, headers = await self.told(
                "hi", model=model.value, temperature=0.3, top_p=0.9, reasoning_effort="none"
            )
            ignored = headers.get("x-claudeproxy-ignored", "").split(", ")
            assert "top_p" in ignored
            assert ("temperature" in ignored) == model.adaptive
            assert (self.seen().get("temperature") == 0.3) == (not model.adaptive)
            assert "top_p" not in self.seen()

    async def test_what_is_ignored_is_told_or_refused(self) -> None:
        ignored: dict[str, Any] = {
            "seed": 1,
            "presence_penalty": 1,
            "frequency_penalty": -1,
            "logit_bias": {"50256": -100},
            "verbosity": "low",
            "prediction": {"type": "content", "content": "hi"},
            "moderation": {"model": "any"},
            "user": "me",
            "safety_identifier": "me",
            "metadata": {"a": "b"},
            "store": True,
            "service_tier": "auto",
            "prompt_cache_key": "k",
            "prompt_cache_retention": "24h",
            "prompt_cache_options": {},
            "logprobs": True,
            "top_logprobs": 2,
        }
        answer, headers = await self.told("ECHO:all the same", extra_body=ignored)
        assert set(headers["x-claudeproxy-ignored"].split(", ")) == set(ignored)
        assert answer.choices[0].message.content == "all the same"
        assert not set(ignored) - {"metadata"} & set(self.seen())
        self.proxy = await self.start_proxy(strict_parameters=True)
        before = len(self.api.requests)
        error = await self.error_of("hi", seed=1)
        assert (error.status_code, error.param) == (400, "seed")
        assert len(self.api.requests) == before
        # What many clients send with every request.
        nothing: dict[str, Any] = {
            "presence_penalty": 0,
            "frequency_penalty": 0.0,
            "logit_bias": {},
            "store": False,
            "metadata": {},
            "logprobs": False,
        }
        answer, headers = await self.told("ECHO:nothing", extra_body=nothing)
        assert answer.choices[0].message.content == "nothing"
        assert "x-claudeproxy-ignored" not in headers

    async def test_what_cannot_be_had_is_refused(self) -> None:
        for name, value in (
            ("n", 9),
            ("audio", {"voice": "alloy", "format": "wav"}),
            ("modalities", ["text", "audio"]),
            ("web_search_options", {"search_context_size": "huge"}),
            ("reasoning_effort", "enormous"),
            ("temperature", 2.5),
            ("max_tokens", -2),
            ("stop", ["a", "b", "c", "d", "e"]),
        ):
            error = await self.error_of("hi", extra_body={name: value})
            params = {
                "modalities": "modalities[1]",
                "web_search_options": "web_search_options.search_context_size",
            }
            param = params.get(name, name)
            assert (error.status_code, error.param) == (400, param)
        answer = await self.ask("ECHO:ok", extra_body={"modalities": ["text"], "logprobs": False})
        assert answer.choices[0].message.content == "ok"
        assert len(self.api.requests) == 1

    @property
    def goes_on(self) -> tuple[str, ...]:
        """How a conversation goes on in a process that has to go back first."""
        return ("rewound",) if self.find_cli is bundled else ("rewound", "recycled")

    def busy(self) -> bool:
        return any(slot.activity is not Activity.IDLE for slot in self.proxy.pool._roster.slots)

    def answered(self) -> list[Any]:
        """The requests that the API answered, and so counts."""
        return [request for request in self.api.requests if request.status == 200]

    def refused(self) -> list[Any]:
        return [request for request in self.api.requests if request.status != 200]


@on_every_cli(globals())
class PlanLimits(RealCLI):
    """The limit of a subscription, in each dialect."""

    credentials = SUBSCRIPTION

    async def test_a_reached_limit_says_when_it_ends_and_that_waiting_is_no_use(self) -> None:
        # The third is of a process that has told its limit before.
        for path in ("chat/completions", "responses", "messages", "completions"):
            for streamed in (False, True):
                error, headers = await self.limited(path, "LIMIT:3600", streamed)
                assert error["message"].startswith("Usage limit reached (quota exceeded): You've")
                assert "It resets at 20" in error["message"]
                assert 3500 < error["resets_at"] - time.time() < 3700
                kind = "rate_limit_error" if path == "messages" else "usage_limit_reached"
                assert error["type"] == kind
                assert headers.getRawHeaders("x-should-retry") == ["false"]
                assert not headers.hasHeader("retry-after")
                [whole] = headers.getRawHeaders("x-claudeproxy-retry-after")
                assert 3500 < int(whole) <= 3601
                reset = headers.getRawHeaders("anthropic-ratelimit-unified-reset")
                assert reset == [str(error["resets_at"])]

    async def test_a_limit_that_ends_soon_is_waited_for(self) -> None:
        _, headers = await self.limited("chat/completions", "LIMIT:20", False)
        assert 10 <= int(headers.getRawHeaders("retry-after")[0]) <= 21
        assert not headers.hasHeader("x-should-retry")

    async def test_a_limit_of_the_api_is_not_one_of_the_plan(self) -> None:
        error, headers = await self.limited("chat/completions", "ERR:429:7", False)
        assert (error["type"], error["message"]) == (
            "rate_limit_error",
            "The demo was told to answer 429.",
        )
        assert "resets_at" not in error
        assert not headers.hasHeader("anthropic-ratelimit-unified-status")

    async def limited(self, path: str, text: str, streamed: bool) -> tuple[Any, Any]:
        """The error of a 429, and the headers it came with."""
        asked: dict[str, Any] = {"model": "sonnet", "stream": streamed, "max_tokens": 99}
        if path == "responses":
            asked = {"model": "sonnet", "stream": streamed, "input": text}
        elif path == "completions":
            asked["prompt"] = text
        else:
            asked["messages"] = [{"role": "user", "content": text}]
        response, content = await self.http("POST", f"/v1/{path}", asked)
        assert response.code == 429
        return json.loads(content)["error"], response.headers
