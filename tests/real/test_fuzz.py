"""Whatever the OpenAPI document allows, and what it does not, against the real CLI."""

from __future__ import annotations

import json
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from twisted.internet.threads import deferToThread
from twisted.logger import globalLogPublisher

from claudeproxy.web.openapi import document

from .harness import RealCLI, at_rest, when


DEADLINE = 20
SETTINGS: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "derandomize": True,
    "phases": (Phase.generate,),
    "suppress_health_check": list(HealthCheck),
}
FRAMES = {
    "/v1/chat/completions": "ChatChunk",
    "/v1/completions": "Completion",
    "/v1/messages": "AnthropicEvent",
    "/v1/responses": "ResponseEvent",
}
LAST = {
    *("response.completed", "response.incomplete", "response.failed"),
    *("message_stop", "error"),
}
# What a schema cannot say is refused too.
FINE = {200, 400, 404}


def described() -> dict[str, Any]:
    """The document, with one model and few answers: those are what takes time."""
    told = document()
    few = {"type": "integer", "minimum": 1, "maximum": 5}
    once = {"type": ["integer", "null"], "minimum": 1, "maximum": 1}
    for schema in told["components"]["schemas"].values():
        properties = schema.get("properties", {})
        if "model" in properties and "id" not in properties:
            narrow = {"model": {"const": "sonnet"}, "n": once, "best_of": once}
            narrow |= {"max_tokens": few, "max_output_tokens": few}
            # Ids that nobody has are all that it would think of.
            narrow["previous_response_id"] = {"type": "null"}
            properties.update({name: narrow[name] for name in narrow if name in properties})
    return told


class Fuzz(RealCLI):
    timeout = 100

    async def test_requests_that_fit(self) -> None:
        await self.fuzz(GenerationMode.POSITIVE, 50)

    async def test_requests_that_do_not_fit(self) -> None:
        await self.fuzz(GenerationMode.NEGATIVE, 100)
        assert not [one for one in self.api.requests if one.path == "/v1/messages"]

    async def test_what_can_only_be_read(self) -> None:
        await self.fuzz(GenerationMode.POSITIVE, 10, "GET")
        assert not self.api.requests

    async def fuzz(self, mode: GenerationMode, examples: int, method: str = "POST") -> None:
        """Send what schemathesis makes, and hold the answers against the document."""
        faults: list[Any] = []

        def note(event: Any) -> None:
            if event.get("log_failure") is not None:
                faults.append(event["log_failure"])

        observer: Any = note
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        positive = mode is GenerationMode.POSITIVE
        schema = schemathesis.openapi.from_dict(described() if positive else document())
        examples = max(10, examples // 4) if method == "POST" else examples
        schema.config.generation.update(modes=[mode])
        paths = [
            path
            for path, item in document()["paths"].items()
            if "summary" not in item
            # It does not end soon.
            and path != "/status/events"
            and method.lower() in item
            # What takes no body has nothing that could not fit.
            and (method != "POST" or "requestBody" in item["post"])
        ]
        await deferToThread(self._send, schema, paths, method, mode, examples)
        await when(lambda: at_rest(self.proxy.pool)).addTimeout(DEADLINE, self.proxy._reactor)
        assert faults == []
        before = len(self.api.requests)
        assert (await self.ask("Are you well?")).choices[0].message.content
        del self.api.requests[before]

    def _send(
        self, schema: Any, paths: list[str], method: str, mode: GenerationMode, examples: int
    ) -> None:
        for path in paths:
            strategy = schema[path][method].as_strategy(generation_mode=mode)

            @seed(1)
            @settings(max_examples=examples, **SETTINGS)
            @given(case=strategy)
            def one(case: Any) -> None:
                response = case.call(base_url=self.proxy.url, timeout=DEADLINE)
                self._check(case, response, mode)

            one()

    def _check(self, case: Any, response: Any, mode: GenerationMode) -> None:
        status, content = response.status_code, response.content
        anthropic = case.path.startswith("/v1/messages")
        allowed = FINE if mode is GenerationMode.POSITIVE else {400, 401, 404, 405, 415}
        if case.path.endswith("/ready") and status == 503:
            # The CLI may still be starting.
            fits(json.loads(content), "Readiness")
            return
        told = (status, content[:500], repr(case.body)[:1000])
        assert status in allowed, told
        kind = response.headers["content-type"][0].partition(";")[0]
        declared = document()["paths"][case.path][case.method.lower()]["responses"]
        if status >= 400:
            assert str(status) in declared, told
            get = case.method.upper() == "GET"
            fits(
                json.loads(content),
                "AnyError" if get else "AnthropicError" if anthropic else "Error",
            )
        elif kind == "text/event-stream":
            *frames, last = content.decode().removesuffix("\n\n").split("\n\n")
            if last != "data: [DONE]":
                assert data_of(last).get("type", "error") in LAST or "error" in data_of(last)
            for frame in frames:
                if not frame.startswith(":"):
                    fits(data_of(frame), FRAMES[case.path])
        elif kind == "application/json":
            name = declared["200"]["content"][kind]["schema"]["$ref"].rpartition("/")[2]
            fits(json.loads(content), name)


def data_of(frame: str) -> Any:
    return json.loads(frame.partition("data: ")[2])


def fits(value: Any, name: str) -> None:
    reference = {"$ref": f"#/components/schemas/{name}"}
    Draft202012Validator({**reference, "components": document()["components"]}).validate(value)
