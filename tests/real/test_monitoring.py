"""The log and the metrics of requests in each dialect, held against what the client was told."""

from __future__ import annotations

import json
from typing import Any

from twisted.logger import LogLevel, formatEvent, globalLogPublisher

from claudeproxy.log import as_json, as_text
from claudeproxy.service import ProxyService

from .harness import on_every_cli, when
from .serving import http
from .test_faults import FaultCase, Stream


KEY = "k-of-the-phone"
SECRETS = ("Bread", "and-butter", KEY, "k-wrong")
ANSWERS = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "{text}"}]},
    "/v1/responses": {"input": "{text}"},
    "/v1/messages": {"messages": [{"role": "user", "content": "{text}"}], "max_tokens": 100},
    "/v1/completions": {"prompt": "{text}"},
}


def body(path: str, text: str, **more: Any) -> dict[str, Any]:
    filled = json.dumps(ANSWERS[path]).replace("{text}", f"and-butter {text}")
    return {"model": "sonnet", **json.loads(filled), **more}


def tokens_of(told: dict[str, Any]) -> tuple[int, int]:
    """All tokens of the prompt, and those of the answer, as a client of any dialect adds them."""
    usage = told["usage"]
    if "prompt_tokens" in usage:
        return usage["prompt_tokens"], usage["completion_tokens"]
    cached = usage.get("cache_read_input_tokens", 0) + usage.get("cache_creation_input_tokens", 0)
    return usage["input_tokens"] + cached, usage["output_tokens"]


class Monitored(FaultCase):
    settings = {"keys": {"phone": KEY}, "workers": 2}

    async def setUp(self) -> None:  # type: ignore[override]
        self.events: list[Any] = []
        take: Any = self.events.append
        globalLogPublisher.addObserver(take)
        self.addCleanup(globalLogPublisher.removeObserver, take)
        await super().setUp()
        self.proxy: ProxyService

    async def begin(self, path: str, content: object, key: str = KEY) -> Stream:
        client = await self.connect()
        method = "GET" if content is None else "POST"
        client.write(http(method, path, content, authorization=f"Bearer {key}"))
        return client

    async def asked(self, path: str, content: object, key: str = KEY) -> Stream:
        client = await self.begin(path, content, key)
        await when(lambda: client.gone)
        return client

    def lines(self) -> list[dict[str, Any]]:
        """The fields of the lines of requests, which `last` has not returned yet."""
        return [event["fields"] for event in self.events if "outcome" in event.get("fields", ())]

    async def last(self) -> dict[str, Any]:
        """The fields of the only line since the last call; it is about the phone's key."""
        await when(lambda: bool(self.lines()))
        [fields] = self.lines()
        shown = [event for event in self.events if event["log_level"] is not LogLevel.debug]
        written = "".join(f"{as_text(event)}{as_json(event)}" for event in shown)
        assert not [secret for secret in SECRETS if secret in written], written
        self.events.clear()
        return dict(fields)

    def count(self, name: str, **labels: str) -> float:
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in self.proxy.metrics.exposition().decode().splitlines()
            if line.partition("{")[0] == name and all(pair in line for pair in wanted)
        )

    def model(self) -> str:
        """The model that the API was asked for last."""
        model: str = self.seen()["model"]
        return model


@on_every_cli(globals())
class EachDialect(Monitored):
    async def test_answers(self) -> None:
        for path in ANSWERS:
            route = f"POST {path}"
            client = await self.asked(path, body(path, "ECHO:Bread"))
            told = json.loads(client.received.partition(b"\r\n\r\n")[2])
            assert "Bread" in json.dumps(told)
            fields = await self.last()
            assert (fields["route"], fields["status"], fields["outcome"]) == (route, 200, "ok")
            assert (fields["key"], fields["model"]) == ("phone", "sonnet")
            assert fields["answered"] == told["model"] == self.model()
            assert not fields["stream"]
            [worker] = fields["workers"]
            assert f"x-claudeproxy-worker: {worker}".encode() in client.received.lower()
            prompt = fields["tokens_in"] + fields["tokens_cached"] + fields["tokens_written"]
            assert (prompt, fields["tokens_out"]) == tokens_of(told)
            assert 0 < fields["first_token"] <= fields["seconds"]

            client = await self.asked(path, body(path, "ECHO:Bread", stream=True))
            assert b"Bread" in client.received
            fields = await self.last()
            assert (fields["stream"], fields["outcome"]) == (True, "ok")
            assert fields["tokens_out"] > 0

            ended = {"route": route, "model": self.model(), "status": "200", "key": "phone"}
            assert self.count("claudeproxy_http_requests_total", **ended) == 2
        model = self.model()
        assert self.count("claudeproxy_request_seconds_count", model=model) == 2 * len(ANSWERS)
        assert self.count("claudeproxy_first_token_seconds_count", model=model) == 2 * len(ANSWERS)
        assert self.count("claudeproxy_tokens_total", kind="output", model=model) > 0

    async def test_what_fails(self) -> None:
        for path in ANSWERS:
            await self.asked(path, body(path, "ERR:400"))
            fields = await self.last()
            assert (fields["status"], fields["outcome"]) == (400, "error")
            assert fields["error"] == "invalid_request"

            client = await self.asked(path, body(path, "SSEERR:2", stream=True))
            assert client.status == 200
            fields = await self.last()
            assert (fields["status"], fields["outcome"]) == (200, "error")
            assert fields["answered"] == self.model()

            client = await self.begin(path, body(path, "LONG:9 STALL:3", stream=True))
            await when(lambda client=client: b"tok1" in client.received)  # type: ignore[misc]
            client.abort()
            fields = await self.last()
            assert (fields["status"], fields["outcome"]) == (200, "disconnected")
            assert fields["workers"]
            assert fields["tokens_in"] + fields["tokens_cached"] + fields["tokens_written"] > 0

            assert (await self.asked(path, body(path, "hi"), "k-wrong")).status == 401
            fields = await self.last()
            assert (fields["key"], fields["error"]) == ("unknown", "invalid_api_key")

            client = await self.asked(path, {**body(path, "hi"), "model": "and-butter"})
            assert client.status == 404
            fields = await self.last()
            assert (fields["model"], fields["param"]) == ("unknown", "model")
            assert fields["error"] == "model_not_found"

            status = {"route": f"POST {path}"}
            counted = {
                label: self.count("claudeproxy_http_requests_total", status=label, **status)
                for label in ("200", "400", "401", "404", "disconnected")
            }
            assert counted == {"200": 1, "400": 1, "401": 1, "404": 1, "disconnected": 1}
        assert self.count("claudeproxy_errors_total", code="model_not_found") == len(ANSWERS)
        assert self.count("claudeproxy_http_requests_total", key="unknown") == len(ANSWERS)
        assert b"and-butter" not in self.proxy.metrics.exposition()

    async def test_an_unknown_path(self) -> None:
        assert (await self.asked("/v3/none?key=and-butter", None)).status == 404
        fields = await self.last()
        assert (fields["route"], fields["path"]) == ("(none)", "/v3/none")


class AtTheStart(Monitored):
    async def test_the_log_has_what_the_terminal_is_told(self) -> None:
        await when(lambda: any("cli" in event.get("fields", ()) for event in self.events))
        told = [event["fields"] for event in self.events if "fields" in event]
        start, cli = told
        assert start["url"] == self.proxy.url
        assert start["settings"]["keys"] == ["phone"]
        assert (cli["cli"], cli["demo"], cli["login"]["state"]) == (self.cli, False, "yes")
        version = f'claudeproxy_cli_info{{version="{cli["cli_version"]}"}} 1.0'
        assert version.encode() in self.proxy.metrics.exposition()
        assert KEY not in "".join(formatEvent(event) or "" for event in self.events)


class OwnResponses(Monitored):
    settings = {"keys": {"phone": KEY, "laptop": "k-laptop"}}

    async def test_a_response_is_there_for_the_key_that_made_it(self) -> None:
        made = await self.asked("/v1/responses", {"model": "sonnet", "input": "ECHO:Bread"})
        name = json.loads(made.received.partition(b"\r\n\r\n")[2])["id"]
        before = len(self.api.requests)
        more = {"model": "sonnet", "input": "ECHO:more", "previous_response_id": name}
        theirs = await self.asked("/v1/responses", more, "k-laptop")
        assert (theirs.status, b"Bread" in theirs.received) == (400, False)
        path = f"/v1/responses/{name}"
        theirs = await self.asked(path, None, "k-laptop")
        assert (theirs.status, b"Bread" in theirs.received) == (404, False)
        assert len(self.api.requests) == before
        assert (await self.asked(path, None)).status == 200
        assert (await self.asked("/v1/responses", more)).status == 200
        assert "Bread" in json.dumps(self.seen()["messages"])
