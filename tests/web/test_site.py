"""What the log and the metrics say of a request, with a scripted pool."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.python.failure import Failure

from claudeproxy.catalogue import ANY, Catalogue, Model, ModelMemory
from claudeproxy.dialects.responses.request import Responses
from claudeproxy.dialects.responses.store import ResponseStore
from claudeproxy.errors import rate_limited, unavailable
from claudeproxy.events import Event, Failed, Finished, Started, TextDelta, Usage
from claudeproxy.log import as_json
from claudeproxy.metrics import Metrics
from claudeproxy.structured.output import StructuredOutput
from claudeproxy.structured.ways import Choice, Ways
from claudeproxy.web.access import Access
from claudeproxy.web.app import App
from claudeproxy.web.connections import Connections
from claudeproxy.web.exchange import Timeouts
from claudeproxy.web.guard import guarded_request
from claudeproxy.web.site import ProxySite

from .status_page import Told, a_status_page
from .test_exchange import FakePool
from .transport import Transport


CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
HI: Mapping[str, Any] = {"model": "sonnet", "messages": [{"role": "user", "content": "hi"}]}
ANSWER = (
    Started("claude-sonnet-9", Usage(3, 40, 5)),
    TextDelta("Hello"),
    Finished("stop", Usage(3, 40, 5, 7, 2)),
)


class Client:
    """A connection of its own for one request."""

    def __init__(self, connections: Connections) -> None:
        self._protocol: Any = connections.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        self.transport = Transport()
        self.transport.abortConnection = self.leave  # type: ignore[method-assign]
        self._protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        self._protocol.dataReceived(data)

    def leave(self) -> None:
        self._protocol.connectionLost(Failure(ConnectionLost()))

    @property
    def status(self) -> int:
        return int(self.transport.value().split()[1])

    @property
    def body(self) -> Any:
        return json.loads(self.transport.value().partition(b"\r\n\r\n")[2])


class Server:
    """The routes, and what they log."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.pool = FakePool()
        self.metrics = Metrics()
        self.access = Access()
        self.aliases: dict[str, str] = {"best": "sonnet"}
        self.memory = ModelMemory(self.clock.seconds)
        self.events: list[Any] = []
        ways = Ways(Choice.AUTO, self.clock.seconds)
        self.told = Told()
        self.status = a_status_page(self.clock, self.told)
        app = App(
            clock=self.clock,
            pool=cast(Any, self.pool),
            structured=StructuredOutput(self.pool, ways, self.metrics, retry=True),
            catalogue=self.catalogue,
            about=dict,
            readiness=dict,
            metrics=self.metrics.exposition,
            timeouts=Timeouts(first_token=60, stall=30, total=300, hold_head=10, keepalive=15),
            responses=Responses(ResponseStore(self.clock.seconds, 10, 3600)),
            status=self.status,
        )
        # As the service does.
        self.told.running = app.running
        requests = guarded_request(1000, lambda: self.access, app.methods_of)
        site = ProxySite(app, self.clock, requests, self.metrics)
        self.connections = Connections(self.clock, site, 60)
        self.connections.on_refused = site.log_refused

    async def catalogue(self) -> Catalogue:
        models = [Model("sonnet", "claude-sonnet-9"), Model("opus", "claude-opus-9")]
        return Catalogue(models, self.aliases, self.memory)

    def ask(self, body: object = None, path: str = CHAT, method: str = "", key: str = "") -> Client:
        client = Client(self.connections)
        content = b"" if body is None else json.dumps(body).encode()
        lines = [
            f"{method or ('GET' if body is None else 'POST')} {path} HTTP/1.1",
            "host: localhost",
            "content-type: application/json",
            f"content-length: {len(content)}",
            *([f"authorization: Bearer {key}"] if key else []),
        ]
        client.send("\r\n".join([*lines, "", ""]).encode("latin-1") + content)
        return client

    def say(self, *events: Event) -> None:
        self.pool.say(*events)
        self.clock.advance(0)

    def fields(self) -> dict[str, Any]:
        """The fields of the only line since the last call."""
        [fields] = [dict(event["fields"]) for event in self.events if "fields" in event]
        self.events.clear()
        return fields

    def count(self, name: str, **labels: str) -> float:
        """The sum of the samples of a metric that have these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in self.metrics.exposition().decode().splitlines()
            if line.partition("{")[0].partition(" ")[0] == name
            if all(pair in line for pair in wanted)
        )


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    with capturedLogs() as events:
        made.events = cast(Any, events)
        yield made


# An answer


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer(server: Server, stream: bool) -> None:
    client = server.ask({**HI, "stream": stream})
    server.clock.advance(0.25)
    server.say(ANSWER[0])
    server.clock.advance(0.25)
    server.say(ANSWER[1])
    server.clock.advance(1)
    server.say(ANSWER[2])
    assert client.status == 200
    [line] = [formatEvent(event) for event in server.events]
    fields = server.fields()
    unique = fields.pop("id")
    assert fields == {
        "route": f"POST {CHAT}",
        "status": 200,
        "outcome": "ok",
        "model": "sonnet",
        "answered": "claude-sonnet-9",
        "stream": stream,
        "workers": ["spawned"],
        "tokens_in": 3,
        "tokens_cached": 40,
        "tokens_written": 5,
        "tokens_out": 7,
        "tokens_reasoning": 2,
        "first_token": 0.5,
        "seconds": 1.5,
    }
    assert line == (
        f"POST {CHAT} 200 {unique} model=sonnet answered=claude-sonnet-9 "
        f"stream={'yes' if stream else 'no'} workers=spawned tokens_in=3 tokens_cached=40 "
        "tokens_written=5 tokens_out=7 tokens_reasoning=2 first_token=0.500 seconds=1.500"
    )
    labels = {"model": "claude-sonnet-9", "worker": "spawned"}
    assert server.count("claudeproxy_first_token_seconds_sum", **labels) == 0.5
    assert server.count("claudeproxy_request_seconds_sum", **labels) == 1.5
    assert server.count("claudeproxy_request_seconds_bucket", le="2.5", **labels) == 1
    kinds = {"input": 3, "cache_read": 40, "cache_creation": 5, "output": 7, "reasoning": 2}
    for kind, tokens in kinds.items():
        assert (
            server.count("claudeproxy_tokens_total", kind=kind, model="claude-sonnet-9") == tokens
        )
    ended = {"route": f"POST {CHAT}", "model": "claude-sonnet-9", "status": "200", "key": "none"}
    assert server.count("claudeproxy_http_requests_total", **ended) == 1
    assert server.count("claudeproxy_errors_total") == 0


def test_the_tokens_of_all_choices_are_added(server: Server) -> None:
    server.ask({**HI, "n": 2})
    for job in (0, 1):
        server.pool.say(*ANSWER, job=job)
    server.clock.advance(0)
    fields = server.fields()
    assert (fields["tokens_cached"], fields["tokens_out"]) == (80, 14)
    assert fields["workers"] == ["spawned", "spawned"]


def test_a_request_without_a_model(server: Server) -> None:
    server.ask(path="/health")
    fields = server.fields()
    del fields["id"]
    assert fields == {"route": "GET /health", "status": 200, "outcome": "ok", "seconds": 0}
    ended = {"route": "GET /health", "model": "none", "status": "200", "key": "none"}
    assert server.count("claudeproxy_http_requests_total", **ended) == 1


# Errors


def test_a_request_that_is_not_valid(server: Server) -> None:
    assert server.ask({**HI, "temperature": "secret"}).status == 400
    [told] = [formatEvent(e) for e in server.events if e["log_level"] is LogLevel.info]
    assert "secret" not in told
    [more] = [formatEvent(e) for e in server.events if e["log_level"] is LogLevel.debug]
    assert "temperature" in more
    fields = server.fields()
    assert (fields["status"], fields["outcome"]) == (400, "error")
    assert fields["param"] == "temperature"
    assert fields["error"] == "invalid_type"
    assert server.count("claudeproxy_errors_total", code="invalid_type") == 1


def test_an_answer_that_fails(server: Server) -> None:
    server.ask(HI)
    server.say(Failed(rate_limited("Later.", 5)))
    fields = server.fields()
    assert (fields["status"], fields["error"]) == (429, "rate_limit_exceeded")
    assert "first_token" not in fields
    assert server.count("claudeproxy_first_token_seconds_count") == 0
    ended = {"model": "claude-sonnet-9", "status": "429"}
    assert server.count("claudeproxy_http_requests_total", **ended) == 1


def test_a_stream_that_fails_has_its_error_beside_the_status_that_was_sent(server: Server) -> None:
    server.ask({**HI, "stream": True})
    server.say(*ANSWER[:2])
    server.say(Failed(unavailable("Gone.")))
    fields = server.fields()
    assert (fields["status"], fields["outcome"], fields["error"]) == (200, "error", "unavailable")
    assert (fields["tokens_in"], fields["tokens_out"]) == (3, 0)
    assert server.count("claudeproxy_errors_total", code="unavailable") == 1


@pytest.mark.parametrize("begun", [False, True])
def test_a_client_that_disconnects_has_its_line(server: Server, begun: bool) -> None:
    client = server.ask({**HI, "stream": True})
    server.clock.advance(0.5)
    if begun:
        server.say(*ANSWER[:2])
    client.leave()
    [line] = [formatEvent(e) for e in server.events if e["log_level"] is LogLevel.info]
    assert line.startswith(f"POST {CHAT} disconnected req_")
    fields = server.fields()
    assert fields["outcome"] == "disconnected"
    assert fields.get("status") == (200 if begun else None)
    assert fields["workers"] == ["spawned"]
    assert fields["seconds"] == 0.5
    assert server.count("claudeproxy_http_requests_total", status="disconnected") == 1


def test_a_client_that_does_not_read_is_told_from_one_that_leaves(server: Server) -> None:
    client = server.ask({**HI, "stream": True})
    server.say(*ANSWER[:2])
    producer: Any = client.transport.producer
    producer.pauseProducing()
    server.clock.advance(31)
    fields = server.fields()
    assert (fields["outcome"], fields["error"]) == ("disconnected", "client_too_slow")


def test_what_cannot_be_read_has_its_line(server: Server) -> None:
    client = Client(server.connections)
    client.send(b"secret\r\n\r\n")
    assert client.status == 400
    assert server.fields() == {
        "route": "(none)",
        "status": 400,
        "outcome": "error",
        "error": "invalid_request",
    }
    client.leave()
    client = Client(server.connections)
    client.send(b"GET /health HTTP/1.1\r\n")
    server.clock.advance(61)
    assert server.fields()["error"] == "request_timeout"
    assert server.count("claudeproxy_http_requests_total", route="(none)") == 2


# What a client has chosen


def test_an_unknown_path_is_told_escaped_and_without_its_query(server: Server) -> None:
    server.ask(path="/v2/%0amodels?key=secret")
    fields = server.fields()
    assert (fields["route"], fields["method"], fields["error"]) == ("(none)", "GET", "not_found")
    assert fields["path"] == "/v2/%0amodels"
    server.ask(path="/" + "x" * 5000)
    assert len(server.fields()["path"]) < 250
    assert server.count("claudeproxy_http_requests_total") == 2
    assert b"v2" not in server.metrics.exposition()


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/v1/responses/secret", "GET /v1/responses/<name>"),
        ("GET", "/v1/models/secret", "GET /v1/models/<path:name>"),
        ("PUT", "/v1/models/secret", "PUT /v1/models/<path:name>"),
        ("SECRET", CHAT, f"(other) {CHAT}"),
        ("OPTIONS", CHAT, f"OPTIONS {CHAT}"),
        ("POST", "/v1/responses/input_tokens", "POST /v1/responses/input_tokens"),
    ],
)
def test_a_known_path_is_told_as_its_route(
    server: Server, method: str, path: str, route: str
) -> None:
    server.ask(None, path, method)
    fields = server.fields()
    assert fields["route"] == route
    assert "path" not in fields
    assert "secret" not in str(fields).lower()
    assert b"secret" not in server.metrics.exposition().lower()


@pytest.mark.parametrize(
    ("name", "asked", "label"),
    [
        ("best", "best", "claude-sonnet-9"),
        ("openai/sonnet", "openai/sonnet", "claude-sonnet-9"),
        ("secret", "unknown", "unknown"),
        ("claude-of-mine", "claude-of-mine", "unknown"),
    ],
)
def test_the_name_of_a_model(server: Server, name: str, asked: str, label: str) -> None:
    server.ask({**HI, "model": name})
    if server.pool.jobs:
        server.say(Failed(unavailable("Gone.")))
    assert server.fields()["model"] == asked
    assert server.count("claudeproxy_http_requests_total", model=label) == 1


def test_a_name_that_only_the_star_accepts_is_not_told(server: Server) -> None:
    server.aliases = {"best": "opus", ANY: "sonnet"}
    for name, asked in (("secret", "unknown"), ("best", "best"), ("opus", "opus")):
        server.ask({**HI, "model": name})
        server.say(*ANSWER)
        assert server.fields()["model"] == asked


def test_a_model_that_is_not_listed_is_counted_by_its_name_once_it_answers(server: Server) -> None:
    server.ask({**HI, "model": "claude-x-1"})
    server.say(Started("claude-x-1"), *ANSWER[1:])
    server.ask({**HI, "model": "claude-x-1"})
    server.say(Failed(unavailable("Gone.")))
    assert server.count("claudeproxy_http_requests_total", model="claude-x-1") == 2


# Keys


KEYS = {"phone": "k-phone", "laptop": "k-laptop"}


def test_the_name_of_the_key(server: Server) -> None:
    server.access = Access(keys=KEYS)
    for key, name in (("k-phone", "phone"), ("k-laptop", "laptop"), ("secret", "unknown")):
        server.ask(None, "/v1/models", key=key)
        fields = server.fields()
        assert fields["key"] == name
        assert server.count("claudeproxy_http_requests_total", key=name) == 1
    assert (fields["status"], fields["error"]) == (401, "invalid_api_key")
    server.ask(path="/health")
    assert "key" not in server.fields()
    assert b"k-phone" not in server.metrics.exposition()


def test_a_name_of_a_key_cannot_break_the_line(server: Server) -> None:
    server.access = Access(keys={'a "b\n': "k"})
    server.ask(None, "/v1/models", key="k")
    [event] = server.events
    assert r' key="a \"b\n" ' in formatEvent(event)
    assert json.loads(as_json(event))["key"] == 'a "b\n'
    assert as_json(event).count("\n") == 1


def test_stored_responses_are_there_for_the_key_that_made_them(server: Server) -> None:
    server.access = Access(keys=KEYS)
    made = server.ask({"model": "sonnet", "input": "hi"}, RESPONSES, key="k-phone")
    server.say(*ANSWER)
    name = made.body["id"]
    more = {"model": "sonnet", "input": "more", "previous_response_id": name}
    item = made.body["output"][0]["id"]
    referring = {"model": "sonnet", "input": [{"type": "item_reference", "id": item}]}

    def answers(key: str, name: str, more: object, referring: object) -> list[tuple[int, Any]]:
        clients = [
            server.ask(None, f"{RESPONSES}/{name}", key=key),
            server.ask(None, f"{RESPONSES}/{name}/input_items", key=key),
            server.ask(None, f"{RESPONSES}/{name}/cancel", "POST", key=key),
            server.ask(more, f"{RESPONSES}", key=key),
            server.ask(referring, f"{RESPONSES}", key=key),
            server.ask(None, f"{RESPONSES}/{name}", "DELETE", key=key),
        ]
        return [(client.status, client.body) for client in clients]

    asked = len(server.pool.conversations)
    theirs = answers("k-laptop", name, more, referring)
    assert [status for status, _ in theirs] == [404, 404, 404, 400, 404, 404]
    # To them it is as unknown as one that never was.
    other = json.loads(json.dumps([more, referring]).replace(name, "resp_x").replace(item, "msg_x"))
    unknown = answers("k-laptop", "resp_x", *other)
    plain = json.dumps(theirs).replace(name, "resp_x").replace(item, "msg_x")
    assert json.loads(plain) == json.loads(json.dumps(unknown))
    assert len(server.pool.conversations) == asked

    assert server.ask(None, f"{RESPONSES}/{name}", key="k-phone").status == 200
    for body in (more, referring):
        server.ask(body, RESPONSES, key="k-phone")
        server.say(*ANSWER)
    assert len(server.pool.conversations) == asked + 2
    assert server.ask(None, f"{RESPONSES}/{name}", "DELETE", key="k-phone").status == 200
    assert server.ask(None, f"{RESPONSES}/{name}", key="k-phone").status == 404


# Faults


def test_a_fault_in_the_counting_does_not_keep_a_request_from_its_end(server: Server) -> None:
    client = server.ask(HI)
    server.say(Started("m"), Finished("stop", Usage(-1)))
    assert client.status == 200
    [failed] = [event for event in server.events if event["log_level"] is LogLevel.critical]
    assert "Logging a request failed" in formatEvent(failed)
    client.leave()
    assert server.ask(path="/health").status == 200


# Without end


def test_the_number_of_models_is_bounded() -> None:
    metrics = Metrics()
    for number in range(150):
        metrics.request("GET /", f"claude-{number}", "200", "none")
    told = metrics.exposition().decode()
    assert 'model="claude-99"' in told
    assert 'model="claude-100"' not in told
    assert '{key="none",model="other",route="GET /",status="200"} 50.0' in told


def test_the_manual_describes_every_field(server: Server) -> None:
    server.access = Access(keys=KEYS)
    asked = [
        *(server.ask({**HI, "stream": True}, key="k-phone"), server.ask(path="/none", key="k")),
        server.ask({**HI, "temperature": "x"}, key="k-phone"),
    ]
    server.say(*ANSWER)
    assert len(asked) == 3
    named = {name for event in server.events for name in event.get("fields", ())}
    manual = (Path(__file__).parent.parent.parent / "doc" / "monitoring.md").read_text("utf-8")
    first_cells = [line.split("|")[1] for line in manual.splitlines() if line.startswith("| `")]
    described = {name for cell in first_cells for name in re.findall(r"`([a-z_]+)`", cell)}
    assert {"param", "path", "first_token"} <= named
    assert named <= described
