"""A test of the CLI's protocol against the built-in stand-in: no login, no token."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.threads import deferToThread

from ...service import ProxyService
from ...settings import Settings


TIMEOUT = 60.0
TOOL = {
    "type": "function",
    "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}},
}
PARTS = ("text", "tools", "rewinding", "limits")


async def self_test(reactor: Any, cli: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with each part, "" if it works."""
    settings = Settings(port=0, cli=cli, demo=True, spares=0, idle_workers=2, workers=2, drain=0.0)
    service = ProxyService(reactor, settings, environ)
    service.startService()
    try:
        return await deferToThread(_test, _Client(service.url))
    finally:
        await ensureDeferred(service.stopService())


class _Client:
    """A client of Chat Completions that waits for its answers."""

    def __init__(self, url: str) -> None:
        self._host = url.removeprefix("http://")

    def ask(self, messages: list[Any], **more: Any) -> tuple[dict[str, Any], str]:
        """The first choice of an answer, and how the request got its process."""
        connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT)
        try:
            body = json.dumps({"model": "sonnet", "messages": messages, **more})
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/v1/chat/completions", body, headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise _Wrong(answer["error"]["message"])
        return answer["choices"][0], response.headers.get("x-claudeproxy-worker", "")


class _Wrong(Exception):
    """A part does not work; the message says how."""


def _test(client: _Client) -> dict[str, str]:
    tests = dict(zip(PARTS, (_text, _tools, _rewinding, _limits), strict=True))
    outcome: dict[str, str] = {}
    for part, test in tests.items():
        try:
            test(client)
            outcome[part] = ""
        except _Wrong as error:
            outcome[part] = str(error).rstrip(".")
        except (OSError, ValueError, LookupError, TypeError) as error:
            outcome[part] = f"{type(error).__name__}: {error}"
        if outcome["text"]:
            # What needs text would only say the same again.
            break
    return outcome


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise _Wrong(f"{what} is {found!r} instead of {expected!r}")


def _text(client: _Client) -> None:
    choice, _ = client.ask([_user("ECHO:it works")])
    _expect("the answer", choice["message"]["content"], "it works")


def _tools(client: _Client) -> None:
    asked = _user("QUIET CALL:get_time:{} THEN ECHO:done")
    choice, _ = client.ask([asked], tools=[TOOL])
    _expect("the finish_reason", choice["finish_reason"], "tool_calls")
    called = choice["message"]
    result = {"role": "tool", "tool_call_id": called["tool_calls"][0]["id"], "content": "noon"}
    choice, worker = client.ask([asked, called, result], tools=[TOOL])
    _expect("the answer to the result", choice["message"]["content"], "done")
    _expect("the process for the result", worker, "resumed")


def _rewinding(client: _Client) -> None:
    begin = [{"role": "system", "content": "Rewinding."}, _user("ECHO:one")]
    history = [*begin, client.ask(begin)[0]["message"]]
    client.ask([*history, _user("ECHO:two")])
    choice, worker = client.ask([*history, _user("ECHO:three")])
    _expect("the answer", choice["message"]["content"], "three")
    _expect("the process for an edited conversation", worker, "rewound")


def _limits(client: _Client) -> None:
    choice, _ = client.ask([_user("LONG:50")], max_tokens=5)
    _expect("the finish_reason with max_tokens", choice["finish_reason"], "length")
