"""Errors through the real CLI: the official client raises what it would for OpenAI's API."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import openai

from .harness import RealCLI, on_every_cli


@on_every_cli(globals())
class Errors(RealCLI):
    async def test_upstream_errors_become_the_clients_exceptions(self) -> None:
        expected: dict[str, type[openai.APIStatusError]] = {
            "ERR:400": openai.BadRequestError,
            "ERR:401": openai.AuthenticationError,
            "ERR:403": openai.PermissionDeniedError,
            "ERR:429": openai.RateLimitError,
            "ERR:500": openai.InternalServerError,
            "ERR:529": openai.InternalServerError,
        }
        for prompt, exception in expected.items():
            error = await self.error_of(prompt)
            assert type(error) is exception, prompt
            assert isinstance(error.body, dict)
            assert "API Error" not in error.body["message"]
            if prompt in ("ERR:400", "ERR:403", "ERR:429", "ERR:500"):
                assert error.body["message"] == f"The demo was told to answer {prompt[4:]}."
            assert set(error.body) == {"message", "type", "param", "code"}

    async def test_they_are_real_statuses_for_streams_too(self) -> None:
        error = await self.error_of("ERR:529", stream=True)
        assert type(error) is openai.InternalServerError
        assert error.status_code == 503

    async def test_a_retry_that_takes_long_is_told_at_once(self) -> None:
        proxy = await self.start_proxy(cli_retries=3)
        error = await self.error_of_at(proxy.url, "ERR:429:40")
        assert type(error) is openai.RateLimitError
        assert 30 <= int(error.response.headers["retry-after"]) <= 60
        assert len(self.api.requests) == 1

    async def error_of_at(self, url: str, prompt: str) -> openai.APIStatusError:
        def use(client: openai.OpenAI) -> openai.APIStatusError:
            try:
                client.chat.completions.create(
                    model="opus", messages=[{"role": "user", "content": prompt}]
                )
            except openai.APIStatusError as error:
                return error
            raise AssertionError("no error")

        return await self.with_openai(use, url=url)

    async def test_a_broken_connection_mid_stream_is_an_error_frame(self) -> None:
        try:
            await self.stream("LONG:50 DROP:5")
        except openai.APIError as error:
            assert "connection" in error.message.lower()
        else:
            raise AssertionError("the stream ended as if it were complete")

    async def test_a_prompt_that_is_too_long(self) -> None:
        error = await self.error_of("word " * 1_200_000)
        assert type(error) is openai.BadRequestError
        assert error.code == "context_length_exceeded"
        assert not self.api.requests


@on_every_cli(globals())
class NotLoggedIn(RealCLI):
    credentials: dict[str, str] = {}

    async def test_the_answer_names_the_command_that_logs_in(self) -> None:
        error = await self.error_of("hi")
        assert type(error) is openai.AuthenticationError
        assert f"`{self.cli} auth login`" in error.message
        response, _ = await self.http("GET", "/v1/models")
        assert response.code == 200


class BadRequests(RealCLI):
    """Refused by the proxy: nothing reaches the API."""

    async def test_a_bad_field_is_named(self) -> None:
        for parameters, param in (
            ({"messages": "hi"}, "messages"),
            ({"messages": []}, "messages"),
            ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages[0].role"),
            ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
            ({"max_tokens": -2}, "max_tokens"),
            ({"temperature": "hot"}, "temperature"),
            ({"stream": "yes"}, "stream"),
            ({"n": 9}, "n"),
            ({"model": 4}, "model"),
        ):
            body = {
                "model": "opus",
                "messages": [{"role": "user", "content": "hi"}],
                **parameters,
            }
            response, content = await self.http("POST", "/v1/chat/completions", body)
            error = json.loads(content)["error"]
            assert (response.code, error["param"]) == (400, param), parameters
        assert not self.api.requests

    async def test_an_unknown_model_costs_nothing(self) -> None:
        error = await self.error_of("hi", model="gpt-4o")
        assert type(error) is openai.NotFoundError
        assert error.code == "model_not_found"
        assert "claude-sonnet-4" in error.message
        assert not self.api.requests

    async def test_bad_json(self) -> None:
        response, content = await self.http("POST", "/v1/chat/completions", b'{"model":')
        assert response.code == 400
        assert b"could not parse the JSON body" in content

    async def test_a_body_over_the_limit(self) -> None:
        proxy = await self.start_proxy(body_limit=100_000)
        body = {"model": "opus", "messages": [{"role": "user", "content": "x" * 150_000}]}
        response, content = await self.http("POST", "/v1/chat/completions", body, url=proxy.url)
        assert response.code == 413
        assert b"100,000 bytes" in content

    async def test_a_web_page_is_refused(self) -> None:
        body = {"model": "opus", "messages": [{"role": "user", "content": "hi"}]}
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            response, content = await self.http(
                "POST", "/v1/chat/completions", body, headers=headers
            )
            assert response.code == 403
            assert b"evil.example" in content
        assert not self.api.requests

    async def test_what_is_not_served(self) -> None:
        response, content = await self.http("GET", "/v1/nothing")
        assert (response.code, b"Invalid URL (GET /v1/nothing)" in content) == (404, True)
        response, content = await self.http("GET", "/v1/chat/completions")
        assert response.code == 405
        assert response.headers.getRawHeaders("allow") == ["POST"]
        response, content = await self.http("OPTIONS", "/v1/chat/completions")
        assert (response.code, content) == (204, b"")
        assert response.headers.getRawHeaders("allow") == ["POST, OPTIONS"]

    async def test_anthropics_clients_are_told_in_their_words(self) -> None:
        headers = {"anthropic-version": "2023-06-01", "x-api-key": "any"}
        body = {"model": "gpt-4o", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
        for method, path, sent, status, kind in (
            ("GET", "/v1/models/nope", None, 404, "not_found_error"),
            ("POST", "/v1/messages", body, 404, "not_found_error"),
            ("POST", "/v1/messages", {}, 400, "invalid_request_error"),
            ("GET", "/v1/messages", None, 405, "invalid_request_error"),
            ("GET", "/v1/files", None, 404, "not_found_error"),
        ):
            response, content = await self.http(method, path, sent, headers=headers)
            told = json.loads(content)
            assert (response.code, told["type"], told["error"]["type"]) == (status, "error", kind)
            assert [told["request_id"]] == response.headers.getRawHeaders("request-id")
        assert not self.api.requests

    async def test_what_claude_code_asks_first(self) -> None:
        proxy = await self.start_proxy(keys={"mine": "k"})
        for path in ("/", "/api/hello"):
            response, content = await self.http("HEAD", path, url=proxy.url)
            assert (response.code, content) == (200, b"")
        response, content = await self.http("GET", "/", url=proxy.url)
        assert json.loads(content)["name"] == "claudeproxy"


def retrieve(name: str, client: openai.OpenAI) -> Any:
    return client.models.retrieve(name)


class Models(RealCLI):
    async def test_the_list_holds_the_old_names_and_the_live_ones(self) -> None:
        models = await self.with_openai(lambda client: client.models.list().data)
        names = {model.id for model in models}
        assert {"claude-opus-4", "claude-sonnet-4", "claude-haiku-4"} <= names
        assert {"opus", "sonnet", "haiku"} <= names
        assert {model.owned_by for model in models} == {"anthropic"}
        assert not self.api.requests

    async def test_one_model_with_or_without_a_prefix(self) -> None:
        for name in ("sonnet", "anthropic/claude-sonnet-4"):
            model = await self.with_openai(partial(retrieve, name))
            assert model.id == name
        response, _ = await self.http("GET", "/models/gpt-4o")
        assert response.code == 404

    async def test_the_users_own_names(self) -> None:
        proxy = await self.start_proxy(aliases={"fast": "haiku"})
        answer = await self.with_openai(
            lambda client: client.chat.completions.create(
                model="fast", messages=[{"role": "user", "content": "hi"}]
            ),
            url=proxy.url,
        )
        assert answer.model.startswith("claude-haiku-")

    async def test_health(self) -> None:
        _, content = await self.http("GET", "/health")
        health = json.loads(content)
        assert health["status"] == "ok"
        assert health["provider"] == "claude-code-cli"
        assert health["timestamp"].endswith("Z")

    async def test_the_routes_answer_without_v1(self) -> None:
        body = {"model": "opus", "messages": [{"role": "user", "content": "ECHO:bare"}]}
        response, content = await self.http("POST", "/chat/completions", body)
        assert response.code == 200
        assert b'"content": "bare"' in content
        response, content = await self.http("POST", "/messages", {**body, "max_tokens": 9})
        assert (response.code, json.loads(content)["content"][0]["text"]) == (200, "bare")
        response, content = await self.http("POST", "/messages", {})
        assert (response.code, json.loads(content)["type"]) == (400, "error")
