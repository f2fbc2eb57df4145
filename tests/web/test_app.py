"""The routes over an in-memory connection: what needs no CLI."""

from __future__ import annotations

import gzip
import json
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure
from twisted.web.server import Site

from claudeproxy import __version__
from claudeproxy.catalogue import Catalogue, Model, ModelMemory
from claudeproxy.cli.notices import RateLimitEvent
from claudeproxy.conversation import Conversation, Turn, text_block
from claudeproxy.dialects.responses.request import Responses
from claudeproxy.dialects.responses.store import ResponseStore
from claudeproxy.errors import APIError, model_refused, unavailable
from claudeproxy.metrics import Metrics
from claudeproxy.plan_usage import NOTHING_YET_NOTE
from claudeproxy.pool.plan_watch import PlanWatch
from claudeproxy.pool.pool import Pool
from claudeproxy.structured.output import StructuredOutput
from claudeproxy.structured.ways import Choice, Ways
from claudeproxy.web.access import Access
from claudeproxy.web.app import App, route_of
from claudeproxy.web.connections import Connections
from claudeproxy.web.exchange import Timeouts
from claudeproxy.web.guard import guarded_request
from claudeproxy.web.openapi import document

from .status_page import a_status_page


ANTHROPIC = ("anthropic-version: 2023-06-01", "x-api-key: k")
OPENAI = ("authorization: Bearer k",)
USAGE_OBJECTS = Draft202012Validator(
    {"$ref": "#/components/schemas/PlanUsage", "components": document()["components"]}
)


class Server:
    """The routes, with a list of models, and a pool that can only count."""

    def __init__(self) -> None:
        clock = Clock()
        self.access = Access()
        self.memory = ModelMemory(clock.seconds)
        self.catalogue_error: APIError | None = None
        self.tokens: int | None = None
        self.readiness: dict[str, Any] = {"ready": True}
        self.counted: list[Conversation] = []
        self.usage_asked = 0
        self.has_idle = False
        self.plan = PlanWatch(clock, self.ask_usage)
        self.app = App(
            clock=clock,
            pool=cast(Pool, self),
            structured=StructuredOutput(
                cast(Pool, self), Ways(Choice.AUTO, clock.seconds), Metrics(), retry=True
            ),
            catalogue=self.catalogue,
            about=dict,
            readiness=lambda: self.readiness,
            metrics=lambda: b"",
            timeouts=Timeouts(1, 1, 1, 1, 1),
            responses=Responses(ResponseStore(clock.seconds, 1, 1)),
            status=a_status_page(clock),
        )
        site = Site(
            self.app.router.resource(),
            reactor=clock,
            requestFactory=guarded_request(1000, lambda: self.access, self.app.methods_of),
            parsePOSTFormSubmission=False,
        )
        self.connections = Connections(clock, site, 60)
        # The routes that the log of the service would name.
        self.logged: list[str] = []
        site.log = lambda request: self.logged.append(route_of(request))  # type: ignore[method-assign]

    async def catalogue(self) -> Catalogue:
        if self.catalogue_error is not None:
            raise self.catalogue_error
        models = [Model("opus", "claude-opus-5"), Model("sonnet", "claude-sonnet-5")]
        return Catalogue(models, {"best": "claude-opus-4-6"}, self.memory)

    def ask_usage(self) -> bool:
        self.usage_asked += 1
        return self.has_idle

    async def count_tokens(self, conversation: Conversation) -> int | None:
        self.counted.append(conversation)
        return self.tokens

    def ask(
        self, method: str, path: str, *headers: str, content: bytes = b""
    ) -> tuple[int, dict[str, str], Any]:
        """The answer's status, headers and JSON body, None if there is none."""
        protocol: Any = self.connections.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        transport = StringTransport()
        protocol.makeConnection(transport)
        length = f"content-length: {len(content)}"
        lines = [f"{method} {path} HTTP/1.1", "host: localhost", *headers, length]
        protocol.dataReceived("\r\n".join([*lines, "", ""]).encode("latin-1") + content)
        head, _, content = transport.value().partition(b"\r\n\r\n")
        protocol.connectionLost(Failure(ConnectionDone()))
        status, *rest = head.decode().split("\r\n")
        named = [line.partition(": ")[::2] for line in rest]
        told = {name.lower(): value for name, value in named}
        if told.get("content-type") == "application/json":
            return int(status.split()[1]), told, json.loads(content) if content else None
        return int(status.split()[1]), told, content.decode() or None


@pytest.fixture
def server() -> Server:
    return Server()


# What this is


def test_the_root_says_what_is_served(server: Server) -> None:
    status, _, told = server.ask("GET", "/")
    assert (status, told["name"], told["version"]) == (200, "claudeproxy", __version__)
    assert {"POST /v1/messages", "GET /v1/models", "DELETE /v1/responses/<name>"} <= set(
        told["routes"]
    )
    assert set(told) == {"name", "version", "routes"}


@pytest.mark.parametrize("path", ["/", "/api/hello", "/health"])
def test_what_claude_code_asks_first(server: Server, path: str) -> None:
    server.access = Access(keys={"mine": "k"})
    status, headers, content = server.ask("HEAD", path)
    assert (status, content) == (200, None)
    status, told, content = server.ask("GET", path)
    assert (status, told["content-length"]) == (200, headers["content-length"])
    assert content
    assert server.ask("POST", path)[0] == 405


def test_two_slashes_are_not_the_root(server: Server) -> None:
    for path in ("//", "///"):
        for method in ("GET", "PUT", "OPTIONS"):
            status, headers, _ = server.ask(method, path)
            assert (status, "allow" in headers) == (404, False)
    assert set(server.logged) == {"(none)"}


# Paths with a slash or a prefix too many


def routes() -> list[tuple[str, str]]:
    """Each method of each route, with a path of it."""
    return sorted(
        (method, rule.rule.replace("<path:name>", "a").replace("<name>", "a"))
        for rule in App.router.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.rule != "/"
    )


def ways(path: str) -> list[str]:
    """How clients spell this path that have another idea of the base URL."""
    found = ["/" + path, path + "/", path.replace("/", "//"), path + "//?a=b"]
    return [*found, "/v1" + path, "/v1/" + path + "/"] if path.startswith("/v1/") else found


@pytest.mark.parametrize(("method", "path"), routes())
def test_every_route_is_found_with_a_slash_or_a_prefix_too_many(
    server: Server, method: str, path: str
) -> None:
    status, headers, body = server.ask(method, path)
    assert status != 405
    [route] = server.logged
    assert route.startswith(f"{method} /")
    for other in ways(path):
        server.logged.clear()
        got, named, told = server.ask(method, other)
        assert (got, server.logged) == (status, [route]), other
        assert named.keys() == headers.keys()
        if path not in ("/health", "/v1/health"):
            assert told == body or told["request_id"] != body["request_id"]
        allowed = server.ask("OPTIONS", path)[1]["allow"]
        assert server.ask("OPTIONS", other)[1]["allow"] == allowed
        assert server.ask("PUT", other)[1]["allow"] + ", OPTIONS" == allowed


def test_a_prefix_too_many_is_no_way_around_the_key(server: Server) -> None:
    server.access = Access(keys={"mine": "k"})
    for path in ("/v1/v1/models", "//v1/models", "/v1/models/", "//metrics", "/v1/v1/health/x"):
        assert server.ask("GET", path)[0] == 401


@pytest.mark.parametrize("path", ["/v1/v1", "/v1/v1/", "/v1//", "/v1/v1/nothing", "/v2/v1/models"])
def test_other_unknown_paths_stay_unknown(server: Server, path: str) -> None:
    status, _, told = server.ask("GET", path)
    assert (status, server.logged) == (404, ["(none)"])
    assert f"(GET {path})" in told["error"]["message"]


def test_errors_quote_the_path_and_the_method_that_were_asked_for(server: Server) -> None:
    # The query may have a key.
    message = server.ask("GET", "//v1/nothing/<b>?key=k-1")[2]["error"]["message"]
    assert message.startswith("Invalid URL (GET //v1/nothing/%3Cb%3E). ")
    message = server.ask("X" * 1000, "/v1/models/?key=k-1")[2]["error"]["message"]
    assert message.startswith(f"Method not allowed: {'X' * 32}... /v1/models/. ")
    for path in ("/" + "a" * 9000, "/v1/models/" + "a" * 9000):
        assert len(server.ask("PUT", path)[2]["error"]["message"]) < 700


def test_a_model_can_search_unless_the_setting_is_off(server: Server) -> None:
    def can_search() -> bool:
        body = server.ask("GET", "/v1/models/opus")[2]
        supported: bool = body["capabilities"]["server_tools"]["web_search"]["supported"]
        return supported

    assert can_search()
    server.app.web_tools = False
    assert not can_search()


# Counting, and what is not supported


COUNTED = pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses/input_tokens", {"input": "Hello"}),
        ("/responses/input_tokens", {"input": [{"role": "user", "content": "Hello"}]}),
        ("/v1/messages/count_tokens", {"messages": [{"role": "user", "content": "Hello"}]}),
    ],
)


@COUNTED
def test_tokens_are_counted_by_an_estimate_that_is_told_as_one(
    server: Server, path: str, body: dict[str, Any]
) -> None:
    def count(**more: Any) -> tuple[int, dict[str, str], Any]:
        content = json.dumps({**body, **more}).encode()
        return server.ask("POST", path, "content-type: application/json", content=content)

    status, headers, told = count(model="opus")
    assert (status, headers["x-claudeproxy-count"]) == (200, "estimate")
    assert 1 <= told["input_tokens"] <= 10
    assert count(model="nope")[0] == 404
    assert count()[0] == 400


@pytest.mark.parametrize("path", [path for method, path in routes() if method == "POST"])
def test_every_route_unpacks_its_body(server: Server, path: str) -> None:
    json_type = "content-type: application/json"
    # None of them accepts this.
    body = json.dumps({"model": "\0", "input": 7, "messages": 7, "prompt": {}}).encode()
    plain = server.ask("POST", path, json_type, content=body)
    assert plain[0] in (400, 404)
    packed = server.ask(
        "POST", path, json_type, "content-encoding: gzip", content=gzip.compress(body)
    )
    assert (packed[0], packed[2]["error"]) == (plain[0], plain[2]["error"])
    if path.endswith("/cancel"):
        # It reads no body.
        return
    for coding, status in (("br", 415), ("gzip", 400)):
        got, headers, _ = server.ask(
            "POST", path, json_type, f"content-encoding: {coding}", content=body
        )
        assert got == status
        assert ("accept-encoding" in headers) is (status == 415)


@COUNTED
def test_tokens_that_the_api_counted_are_told_as_such(
    server: Server, path: str, body: dict[str, Any]
) -> None:
    server.tokens = 12345
    content = json.dumps({**body, "model": "opus"}).encode()
    status, headers, told = server.ask(
        "POST", path, "content-type: application/json", content=content
    )
    assert (status, headers["x-claudeproxy-count"]) == (200, "exact")
    assert told["input_tokens"] == 12345
    [counted] = server.counted
    assert counted.limits.model == "opus"
    assert counted.turns == (Turn("user", (text_block("Hello"),)),)


def test_a_response_that_cannot_be_cancelled_says_so(server: Server) -> None:
    path = "/v1/responses/resp_x/cancel"
    status, _, told = server.ask("POST", path, "content-type: application/json", content=b"{}")
    assert (status, "not found" in told["error"]["message"]) == (404, True)


# In whose words an error is told


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models/nope", 404),
        ("GET", "/models/nope", 404),
        ("GET", "/v1/models?limit=0", 400),
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/files", 404),
        ("POST", "/v1/models", 405),
        ("DELETE", "/", 405),
        ("PUT", "/v1/messages", 405),
        ("POST", "/v1/messages", 415),
    ],
)
def test_errors_for_anthropics_clients(server: Server, method: str, path: str, status: int) -> None:
    for headers in (ANTHROPIC, ANTHROPIC[:1], ANTHROPIC[1:], (*ANTHROPIC[:1], *OPENAI)):
        code, told, body = server.ask(method, path, *headers)
        assert code == status
        assert set(body) == {"type", "error", "request_id"}
        assert body["type"] == "error"
        assert set(body["error"]) == {"type", "message"}
        assert body["request_id"] == told["request-id"]
        assert body["request_id"].startswith("req_")


@pytest.mark.parametrize("path", ["/v1/models/nope", "/v1/nothing", "/v1/messages"])
@pytest.mark.parametrize("name", ["request-id", "x-request-id"])
def test_an_error_has_the_clients_own_id_for_its_request(
    server: Server, path: str, name: str
) -> None:
    _, told, body = server.ask("GET", path, *ANTHROPIC, f"{name}: mine-1")
    assert (body["request_id"], told["request-id"]) == ("mine-1", "mine-1")


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/models/nope", OPENAI),
        ("/v1/models/nope", ()),
        ("/v1/models/nope", (*OPENAI, "x-api-key: k")),
        ("/v1/models/nope", ("x-api-key: ",)),
        ("/v1/nothing", ()),
        # Only OpenAI's clients ask for these.
        ("/v1/chat/completions", ANTHROPIC),
        ("/v1/responses/nope", ANTHROPIC),
        ("/completions", ANTHROPIC),
    ],
)
def test_errors_for_all_others(server: Server, path: str, headers: tuple[str, ...]) -> None:
    status, _, body = server.ask("GET", path, *headers)
    assert status in (404, 405)
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}


def test_a_wrong_key_is_told_in_the_clients_words(server: Server) -> None:
    server.access = Access(keys={"mine": "other"})
    status, told, body = server.ask("GET", "/v1/models", *ANTHROPIC)
    assert (status, body["error"]["type"]) == (401, "authentication_error")
    assert body["request_id"] == told["request-id"]
    status, _, body = server.ask("GET", "/v1/models", *OPENAI)
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("name", ["x-api-key", "anthropic-version"])
def test_a_header_that_is_no_text_does_not_matter_for_it(server: Server, name: str) -> None:
    status, _, body = server.ask("GET", "/v1/nothing", f"{name}: \xff\xfe")
    assert status in (400, 404)
    assert body["type"] == "error"


def test_no_cli_is_told_in_the_clients_words(server: Server) -> None:
    server.catalogue_error = unavailable("There is no CLI.")
    for path in ("/v1/models", "/v1/models/opus"):
        assert server.ask("GET", path, *ANTHROPIC)[2]["error"]["type"] == "overloaded_error"
        assert server.ask("GET", path, *OPENAI)[2]["error"]["type"] == "server_error"


# What a path is served to


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", "GET, HEAD, OPTIONS"),
        ("/v1/models", "GET, HEAD, OPTIONS"),
        ("/v1/models/a%2Fb?x=y", "GET, HEAD, OPTIONS"),
        ("/v1/messages", "POST, OPTIONS"),
        ("/chat/completions", "POST, OPTIONS"),
        ("/v1/responses/resp_1", "DELETE, GET, HEAD, OPTIONS"),
        ("*", "DELETE, GET, HEAD, POST, OPTIONS"),
    ],
)
@pytest.mark.parametrize("keys", [{}, {"mine": "k"}])
def test_options_say_what_the_router_says(
    server: Server, path: str, allowed: str, keys: dict[str, str]
) -> None:
    server.access = Access(keys=keys)
    status, headers, content = server.ask("OPTIONS", path)
    assert (status, headers["allow"], content) == (204, allowed, None)
    origin = "origin: http://localhost:5173"
    status, headers, _ = server.ask("OPTIONS", path, origin, "access-control-request-method: POST")
    assert (status, headers["access-control-allow-methods"]) == (204, allowed)


# The plan


@pytest.mark.parametrize("path", ["/v1/usage", "/usage"])
def test_the_limits_of_the_plan_are_told(server: Server, path: str) -> None:
    server.plan.received(
        RateLimitEvent({"rateLimitType": "five_hour", "status": "allowed", "resetsAt": 1000})
    )
    status, _, told = server.ask("GET", path)
    assert (status, told["object"], told["fresh"], server.usage_asked) == (200, "usage", True, 0)
    [window] = told["windows"]
    assert (window["name"], window["resets_at"]) == ("five_hour", 1000)
    assert not list(USAGE_OBJECTS.iter_errors(told))


def test_without_limits_of_a_plan_a_note_says_why(server: Server) -> None:
    status, _, told = server.ask("GET", "/v1/usage")
    assert (status, told["windows"], told["note"]) == (200, [], NOTHING_YET_NOTE)
    assert server.usage_asked == 1
    assert not list(USAGE_OBJECTS.iter_errors(told))


def test_a_client_that_waits_for_the_limits_may_disconnect(server: Server) -> None:
    server.has_idle = True
    with capturedLogs() as logged:
        # Nothing is sent before the connection ends.
        with pytest.raises(IndexError):
            server.ask("GET", "/v1/usage")
        server.plan.stop()
    assert [told for told in logged if told["log_level"] >= LogLevel.error] == []


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/health/x", "/%ff"])
@pytest.mark.parametrize("keys", [{}, {"mine": "k"}])
def test_options_of_what_is_not_served(server: Server, path: str, keys: dict[str, str]) -> None:
    server.access = Access(keys=keys)
    status, headers, body = server.ask("OPTIONS", path)
    assert status == (400 if path == "/%ff" else 404)
    assert "allow" not in headers
    assert body["error"]["message"]


def test_a_refused_method_names_those_that_are_served(server: Server) -> None:
    status, headers, _ = server.ask("PUT", "/v1/models")
    assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_a_websocket_is_refused_with_the_status_that_codex_knows(server: Server) -> None:
    asked = ("connection: Upgrade", "upgrade: h2c, WebSocket", "sec-websocket-version: 13")
    for path in ("/v1/responses", "/responses"):
        status, headers, body = server.ask("GET", path, *asked)
        assert (status, headers["x-should-retry"]) == (426, "false")
        assert (headers["connection"], headers["upgrade"]) == ("Upgrade", "HTTP/1.1")
        assert body["error"]["message"].startswith(
            f"This server does not support WebSockets: GET {path}. Use HTTP"
        )


@pytest.mark.parametrize(
    ("method", "path", "upgrade", "status"),
    [
        ("GET", "/v1/responses", "h2c", 405),
        ("PUT", "/v1/responses", "websocket", 405),
        ("GET", "/v1/realtime", "websocket", 404),
        ("GET", "/v1/models", "websocket", 200),
    ],
)
def test_other_requests_are_answered_as_without_a_websocket(
    server: Server, method: str, path: str, upgrade: str, status: int
) -> None:
    assert server.ask(method, path, f"upgrade: {upgrade}")[0] == status


# The list of models


def test_a_model_that_is_not_listed_is_told_of_once_it_has_answered(server: Server) -> None:
    assert server.ask("GET", "/v1/models/best")[0] == 404
    server.memory.accept("claude-opus-4-6")
    server.memory.learn({"claude-opus-4-6": {"contextWindow": 5}})
    status, _, told = server.ask("GET", "/v1/models/best")
    assert (status, told["id"], told["max_input_tokens"]) == (200, "best", 5)


def test_an_alias_of_a_model_that_does_not_exist_leaves_the_list(server: Server) -> None:
    names = [model["id"] for model in server.ask("GET", "/v1/models")[2]["data"]]
    assert names[-1] == "best"
    server.memory.refuse("claude-opus-4-6", model_refused("claude-opus-4-6"))
    told = server.ask("GET", "/v1/models")[2]
    assert [model["id"] for model in told["data"]] == names[:-1]
    assert told["last_id"] == names[-2]
