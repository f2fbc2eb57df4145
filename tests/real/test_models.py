"""Names of models on the real CLI: which one answers, and what reaches the API."""

from __future__ import annotations

import json
from typing import Any

import openai

from claudeproxy.pool.slot import Activity

from .harness import RealCLI, at_rest, on_every_cli, when


UNLISTED = "claude-opus-4-6"
NONE = "claude-nonexistent-9"


@on_every_cli(globals())
class Unlisted(RealCLI):
    def asked(self) -> list[tuple[str, int]]:
        """The model and the status of each request that reached the API."""
        return [(request.body["model"], request.status) for request in self.api.requests]

    def tries(self) -> list[str]:
        """The models that the CLI tried with a request of one token, as 2.1.332 does."""
        return [r.body["model"] for r in self.api.requests if r.body["max_tokens"] == 1]

    async def test_a_full_id_that_the_cli_does_not_list(self) -> None:
        response, _ = await self.http("GET", f"/v1/models/{UNLISTED}")
        assert response.code == 404
        answer = await self.ask("ECHO:hello", model=f"anthropic/{UNLISTED}")
        assert (answer.model, answer.choices[0].message.content) == (UNLISTED, "hello")
        assert set(self.asked()) == {(UNLISTED, 200)}
        assert self.tries() in ([], [UNLISTED])
        response, content = await self.http("GET", f"/v1/models/{UNLISTED}")
        assert (response.code, json.loads(content)["id"]) == (200, UNLISTED)

    async def test_a_process_changes_to_it_and_back(self) -> None:
        told: Any = ["ECHO:one"]
        for model in ("sonnet", UNLISTED, "sonnet", UNLISTED):
            answer, headers = await self.told(*told, model=model)
            assert answer.model.startswith("claude-sonnet-" if model == "sonnet" else UNLISTED)
            told += [answer.choices[0].message.content, f"ECHO:{len(told)}"]
        # Each change begins the conversation anew: the CLI would note it there.
        assert headers["x-claudeproxy-worker"] == "recycled"
        assert self.tries() in ([], [UNLISTED])
        assert {status for _, status in self.asked()} == {200}

    async def test_the_try_of_a_model_has_nothing_of_the_turn_before(self) -> None:
        answer = await self.ask("ECHO:one", model="sonnet", stop=["END"], max_tokens=50)
        said = ("ECHO:one", answer.choices[0].message.content, "ECHO:two")
        answer = await self.ask(*said, model=UNLISTED, stop=["STOP"])
        assert answer.choices[0].message.content == "two"
        assert self.seen()["stop_sequences"] == ["STOP"]
        for request in self.api.requests:
            if request.body["max_tokens"] == 1:
                assert "stop_sequences" not in request.body

    async def test_a_call_of_a_tool_and_its_result(self) -> None:
        tool: Any = {"type": "function", "function": {"name": "f", "parameters": {}}}
        answer = await self.ask("QUIET CALL:f", model=UNLISTED, tools=[tool])
        (call,) = answer.choices[0].message.tool_calls
        messages: Any = [
            {"role": "user", "content": "QUIET CALL:f"},
            {"role": "assistant", "tool_calls": [call.model_dump()]},
            {"role": "tool", "tool_call_id": call.id, "content": "ECHO:done"},
        ]
        answer, headers = await self.told(*messages, model=UNLISTED, tools=[tool])
        assert headers["x-claudeproxy-worker"] == "resumed"
        assert answer.model == self.seen()["model"] == UNLISTED

    async def test_a_spare_is_not_started_with_it(self) -> None:
        proxy = await self.start_proxy(spares=1)

        def spares() -> list[str]:
            slots = [s for s in proxy.pool._roster.slots if s.activity is Activity.BLANK]
            return [proxy.pool._workers.at(slot)._model for slot in slots]

        await when(lambda: bool(spares()))
        messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "hi"}]
        response, _ = await self.http(
            *("POST", "/v1/chat/completions", {"model": UNLISTED, "messages": messages}),
            url=proxy.url,
        )
        assert response.headers.getRawHeaders("x-claudeproxy-worker") == ["claimed"]
        await when(lambda: bool(spares()))
        assert spares() == [""]

    async def test_a_model_of_budgets(self) -> None:
        await self.ask("ECHO:hi", model="claude-sonnet-4-20250514", max_tokens=50)
        assert self.seen()["model"] == "claude-sonnet-4-20250514"
        assert self.seen()["max_tokens"] == 50
        assert "thinking" not in self.seen()

    async def test_no_newer_model_takes_the_place_of_an_old_one(self) -> None:
        for model in ("claude-opus-4-1", "claude-opus-4-20250514"):
            for ask in (self.ask("ECHO:hi", model=model), self.streamed_model("ECHO:hi", model)):
                answer = await ask
                assert (answer.model, self.seen()["model"]) == (model, model)

    async def streamed_model(self, text: str, model: str) -> Any:
        return (await self.stream(text, model=model))[0]

    async def test_one_that_the_api_does_not_know_is_asked_for_once(self) -> None:
        for _ in range(2):
            error = await self.error_of("ECHO:hello", model=NONE)
            assert type(error) is openai.NotFoundError
            assert error.code == "model_not_found"
            assert f"`{NONE}`" in error.message
        assert set(self.asked()) == {(NONE, 404)}
        # The CLI itself tries twice.
        assert len(self.asked()) <= 2
        response, _ = await self.http("GET", f"/v1/models/{NONE}")
        assert response.code == 404

    async def test_no_other_model_answers_in_its_place(self) -> None:
        answer = await self.ask("ECHO:one", model="sonnet")
        said = ("ECHO:one", answer.choices[0].message.content, "ECHO:two")
        before = len(self.api.requests)
        error = await self.error_of(*said, model=NONE, stream=True)
        assert (type(error), error.code) == (openai.NotFoundError, "model_not_found")
        assert set(self.asked()[before:]) == {(NONE, 404)}
        answer = await self.ask(*said, model="sonnet")
        assert answer.choices[0].message.content == "two"

    async def test_the_long_context_of_a_model(self) -> None:
        answer, _ = await self.told("ECHO:one", model="sonnet[1m]")
        assert answer.model.startswith("claude-sonnet-")
        answer, _ = await self.told("ECHO:one", model=f"{self.seen()['model']}[1m]")
        assert answer.model == self.seen()["model"]
        assert {status for _, status in self.asked()} == {200}

    async def test_the_alias_of_every_other_name(self) -> None:
        proxy = await self.start_proxy(aliases={"big": UNLISTED, "*": "haiku"})
        for name, model in (
            ("gpt-5.4-nano", "claude-haiku-"),
            ("openai/gpt-5.4", "claude-haiku-"),
            ("sonnet", "claude-sonnet-"),
            ("big", UNLISTED),
            ("claude-sonnet-4-20250514", "claude-sonnet-4-20250514"),
        ):
            body = {"model": name, "messages": [{"role": "user", "content": "hi"}]}
            response, content = await self.http("POST", "/v1/chat/completions", body, url=proxy.url)
            assert response.code == 200, content
            assert json.loads(content)["model"].startswith(model)
            assert self.seen()["model"].startswith(model)
        response, content = await self.http("GET", "/v1/models/gpt-5.4-nano", url=proxy.url)
        assert (response.code, json.loads(content)["id"]) == (200, "gpt-5.4-nano")


class WithoutLongContext(RealCLI):
    """2.1.197 takes the suffix with any model."""

    async def test_a_model_that_has_no_long_context(self) -> None:
        for _ in range(2):
            error = await self.error_of("ECHO:one", model="haiku[1m]")
            assert (type(error), error.code) == (openai.NotFoundError, "model_not_found")
            assert "Omit the suffix `[1m]`" in error.message
        assert not self.api.requests


@on_every_cli(globals())
class Listed(RealCLI):
    async def models(self, query: str = "", **headers: str) -> Any:
        response, content = await self.http("GET", f"/v1/models{query}", headers=headers)
        assert response.code == 200
        return json.loads(content)

    async def test_sizes_are_told_once_the_cli_has_told_them(self) -> None:
        assert [model for model in (await self.models())["data"] if "context_length" in model] == []
        answer = await self.ask("ECHO:hi", model="sonnet", max_tokens=50)
        await when(lambda: at_rest(self.proxy.pool))
        models = {model["id"]: model for model in (await self.models())["data"]}
        for name in ("sonnet", answer.model):
            assert models[name]["context_length"] == models[name]["max_input_tokens"] >= 200_000
            # What the CLI asks for by itself, not what this request asked for.
            assert models[name]["max_tokens"] >= 32_000
        assert "context_length" not in models["haiku"]
        one = await self.models("/sonnet")
        assert one == models["sonnet"]

    async def test_pages(self) -> None:
        whole = await self.models()
        names = [model["id"] for model in whole["data"]]
        first = await self.models("?limit=2")
        assert ([model["id"] for model in first["data"]], first["has_more"]) == (names[:2], True)
        rest = await self.models(f"?after_id={first['last_id'].replace('[', '%5B')}")
        assert [model["id"] for model in rest["data"]] == names[2:]
        response, content = await self.http("GET", "/v1/models?limit=0")
        assert (response.code, json.loads(content)["error"]["param"]) == (400, "limit")
