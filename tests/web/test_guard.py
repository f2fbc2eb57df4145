"""What is refused before anyone serves it, over an in-memory connection."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Site

from claudeproxy.dialects import chat
from claudeproxy.errors import APIError
from claudeproxy.web.access import Access
from claudeproxy.web.connections import Connections
from claudeproxy.web.guard import guarded_request
from claudeproxy.web.respond import send_error


LIMIT = 1000
JSON = "Content-Type: application/json"
ALLOWED = "Origin: https://chat.example"
FOREIGN = "Origin: https://evil.example"
PREFLIGHT = (
    "Access-Control-Request-Method: POST",
    "Access-Control-Request-Headers: authorization, content-type",
    "Access-Control-Request-Private-Network: true",
)


class Served(Resource):
    """Keeps what was let in."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    def render(self, request: Any) -> bytes:
        if request.method == b"POST":
            try:
                self.bodies.append(request.json_body())
            except APIError as error:
                send_error(request, chat, error)
                return b""
        else:
            self.bodies.append(b"")
        return b"served"


def methods_of(path: bytes) -> list[str]:
    return {b"/nothing": [], b"/v1/models": ["GET", "HEAD"]}.get(path, ["DELETE", "GET", "POST"])


class GuardedServer:
    """A guarded server, and a new connection to it for each request."""

    def __init__(self, access: Access) -> None:
        self.served = Served()
        self.access = access
        self.clock = Clock()
        request = guarded_request(LIMIT, lambda: self.access, methods_of)
        site = Site(
            self.served, reactor=self.clock, requestFactory=request, parsePOSTFormSubmission=False
        )
        self.connections = Connections(self.clock, site, 60)
        self.transport = StringTransport()

    def raw(self, data: bytes) -> bytes:
        protocol: Any = self.connections.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        self.transport = StringTransport()
        protocol.makeConnection(self.transport)
        protocol.dataReceived(data)
        answer: bytes = self.transport.value()
        protocol.connectionLost(Failure(ConnectionDone()))
        return answer

    def ask(
        self, method: str, path: str, *headers: str, body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """The answer's status, headers and body."""
        if not any(header.lower().startswith("host:") for header in headers):
            headers = ("Host: localhost:3456", *headers)
        lines = [f"{method} {path} HTTP/1.1", *headers, f"Content-Length: {len(body)}", "", ""]
        head, _, content = self.raw("\r\n".join(lines).encode() + body).partition(b"\r\n\r\n")
        status, *rest = head.decode().split("\r\n")
        named = [line.partition(": ")[::2] for line in rest]
        return int(status.split()[1]), {name.lower(): value for name, value in named}, content


@pytest.fixture
def server() -> GuardedServer:
    origins = frozenset({"https://chat.example", "app://obsidian.md"})
    return GuardedServer(Access(hosts=frozenset({"my-laptop.lan"}), origins=origins))


@pytest.fixture
def keyed() -> GuardedServer:
    return GuardedServer(Access(keys={"mine": "k-1", "hers": "k-2"}))


METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "header",
    [
        *("Host: evil.example", "Host: evil.example:3456", "Host: 192.168.1.5", "Host:"),
        *("Host: localhost.evil.example", FOREIGN, "Origin: null", "Origin:"),
        "Origin: https://chat.example.evil.example",
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/health"])
def test_foreign_hosts_and_origins_are_refused_on_every_route(
    server: GuardedServer, method: str, header: str, path: str
) -> None:
    status, headers, content = server.ask(method, path, header, JSON, *PREFLIGHT)
    assert status == 403
    assert [name for name in headers if name.startswith("access-control")] == []
    assert headers["x-should-retry"] == "false"
    assert headers["x-request-id"].startswith("req_")
    if method == "HEAD":
        assert content == b""
    else:
        error = json.loads(content)["error"]
        assert headers["content-type"] == "application/json"
        allowed = "allowed_hosts" if header.startswith("Host") else "allowed_origins"
        assert allowed in error["message"]
    assert server.served.bodies == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/health"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (("Host: localhost", "Host: evil.example"), "2 Host headers"),
        (("Host: evil.example", "Host: localhost"), "2 Host headers"),
        (("Host: localhost", "host: localhost"), "2 Host headers"),
        (("Host: localhost", ALLOWED, FOREIGN), "2 Origin headers"),
        (("Host: localhost", FOREIGN, ALLOWED), "2 Origin headers"),
        (("Host: localhost", ALLOWED, ALLOWED), "2 Origin headers"),
        ((), "no Host header"),
    ],
)
def test_an_ambiguous_or_missing_host_is_refused(
    server: GuardedServer, path: str, method: str, headers: tuple[str, ...], words: str
) -> None:
    lines = [f"{method} {path} HTTP/1.1", *headers, JSON, *PREFLIGHT, "Content-Length: 2", "", ""]
    head, _, content = server.raw("\r\n".join(lines).encode() + b"{}").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"access-control" not in head.lower()
    assert words in json.loads(content)["error"]["message"]
    assert server.served.bodies == []


def test_http_1_0_needs_no_host(server: GuardedServer) -> None:
    assert server.raw(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 ")
    for more in (b"Host: evil.example\r\n", b"Origin: https://evil.example\r\n"):
        answer = server.raw(b"GET / HTTP/1.0\r\n%s\r\n" % more)
        assert answer.startswith(b"HTTP/1.0 403 ")


EMBEDS = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: image")


def test_what_a_foreign_page_embeds_is_refused(server: GuardedServer) -> None:
    assert server.ask("GET", "/v1/models", *EMBEDS)[0] == 403
    assert server.served.bodies == []


@pytest.mark.parametrize(
    "headers",
    [
        # A link that is followed, the address bar, a page of the server's own, an allowed one.
        ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: document"),
        ("Sec-Fetch-Site: none", "Sec-Fetch-Dest: document"),
        ("Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: empty"),
        (*EMBEDS, ALLOWED),
    ],
)
def test_what_the_user_or_an_allowed_page_asks_for_is_served(
    server: GuardedServer, headers: tuple[str, ...]
) -> None:
    assert server.ask("GET", "/v1/models", *headers)[0] == 200


@pytest.mark.parametrize("host", ["my-laptop.lan", "my-laptop.lan:3456", "[::1]:1", "127.0.0.1"])
def test_allowed_and_own_names_are_served(server: GuardedServer, host: str) -> None:
    assert server.ask("GET", "/", f"Host: {host}")[0] == 200


@pytest.mark.parametrize(
    "origin", ["https://chat.example", "app://obsidian.md", "http://localhost:5173"]
)
def test_a_preflight_of_an_allowed_page_gets_cors_headers(
    server: GuardedServer, origin: str
) -> None:
    path = "/v1/chat/completions"
    status, headers, content = server.ask("OPTIONS", path, f"Origin: {origin}", *PREFLIGHT)
    assert (status, content) == (204, b"")
    assert headers["access-control-allow-origin"] == origin
    assert headers["access-control-allow-methods"] == "DELETE, GET, POST, OPTIONS"
    assert headers["access-control-allow-headers"] == "authorization, content-type"
    assert headers["access-control-allow-private-network"] == "true"
    assert headers["access-control-max-age"] == "600"
    assert headers["vary"] == "origin"
    assert server.served.bodies == []


def test_a_preflight_gets_only_the_headers_that_it_asks_for(server: GuardedServer) -> None:
    _, headers, _ = server.ask("OPTIONS", "/", ALLOWED, PREFLIGHT[0])
    assert "access-control-allow-headers" not in headers
    assert "access-control-allow-private-network" not in headers


def test_options_without_an_origin_is_not_a_preflight(server: GuardedServer) -> None:
    status, headers, _ = server.ask("OPTIONS", "/", *PREFLIGHT)
    assert (status, headers["allow"]) == (204, "DELETE, GET, POST, OPTIONS")
    assert [name for name in headers if name.startswith("access-control")] == []


def test_options_tell_what_a_path_is_served_to(keyed: GuardedServer) -> None:
    status, headers, content = keyed.ask("OPTIONS", "/v1/models?x")
    assert (status, headers["allow"], content) == (204, "GET, HEAD, OPTIONS", b"")
    assert keyed.served.bodies == []
    # The router says that there is no such path, with or without a key.
    _, headers, content = keyed.ask("OPTIONS", "/nothing")
    assert "allow" not in headers
    assert content == b"served"


def test_a_preflight_needs_no_key(keyed: GuardedServer) -> None:
    # A browser sends none with it.
    keyed.access = Access(keys={"mine": "k-1"}, origins=frozenset({"https://chat.example"}))
    assert keyed.ask("OPTIONS", "/v1/models", ALLOWED, *PREFLIGHT)[0] == 204


def test_an_allowed_page_may_read_answers_and_errors(server: GuardedServer) -> None:
    def shared(*asked: str, body: bytes = b"") -> int:
        status, headers, _ = server.ask(*asked, body=body)
        assert headers["access-control-allow-origin"] == "https://chat.example"
        exposed = headers["access-control-expose-headers"].split(", ")
        named = {"x-request-id", "openai-processing-ms", "retry-after", "x-should-retry"}
        assert named <= set(exposed)
        assert headers["vary"] == "origin"
        assert "access-control-allow-credentials" not in headers
        return status

    assert shared("GET", "/", ALLOWED) == 200
    assert shared("POST", "/", ALLOWED, JSON, body=b"{}") == 200
    assert shared("POST", "/", ALLOWED, body=b"{}") == 415
    server.access = Access(keys={"mine": "k-1"}, origins=server.access.origins)
    assert shared("GET", "/v1/models", ALLOWED) == 401


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "text/plain",
        "text/plain; charset=application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "",
    ],
)
def test_content_types_that_any_page_can_send_are_refused(
    server: GuardedServer, sent: str | None
) -> None:
    headers = [] if sent is None else [f"Content-Type: {sent}"]
    status, _, content = server.ask("POST", "/v1/chat/completions", *headers, body=b"{}")
    assert status == 415
    assert "-H 'Content-Type: application/json'" in json.loads(content)["error"]["message"]
    assert server.served.bodies == []


@pytest.mark.parametrize(
    "sent", ["application/json", "application/json; charset=utf-8", "Application/JSON ;x=y"]
)
def test_json_is_read(server: GuardedServer, sent: str) -> None:
    assert server.ask("POST", "/", f"Content-Type: {sent}", body=b"{}")[0] == 200
    assert server.served.bodies == [b"{}"]


@pytest.mark.parametrize(
    "header", ["Authorization: Bearer k-1", "Authorization: Bearer k-2", "x-api-key: k-2"]
)
def test_each_key_is_accepted(keyed: GuardedServer, header: str) -> None:
    assert keyed.ask("GET", "/v1/models", header)[0] == 200


@pytest.mark.parametrize(
    "headers", [(), ("Authorization: Bearer k-3",), ("x-api-key: ",), ("Authorization: Basic k-1",)]
)
@pytest.mark.parametrize(
    "path",
    ["/v1/models", "/v1/usage", "/metrics", "/metrics/", "/health/x", "//metrics", "//", "/api"],
)
def test_without_a_key_only_what_tells_of_the_server_is_open(
    keyed: GuardedServer, headers: tuple[str, ...], path: str
) -> None:
    status, answered, content = keyed.ask("GET", path, *headers)
    assert (status, answered["www-authenticate"]) == (401, "Bearer")
    error = json.loads(content)["error"]
    assert (error["code"], error["type"]) == ("invalid_api_key", "invalid_request_error")
    assert b"k-" not in content
    assert keyed.served.bodies == []
    for open_path in ("/health", "/v1/health", "/health?full", "/", "/api/hello", "//health/"):
        assert keyed.ask("GET", open_path, *headers)[0] == 200


def test_a_key_in_the_path_or_query_does_not_count(keyed: GuardedServer) -> None:
    assert keyed.ask("GET", "/v1/models?api_key=k-1&key=k-1")[0] == 401


def test_the_key_is_checked_before_the_body(keyed: GuardedServer) -> None:
    assert keyed.ask("POST", "/v1/chat/completions", body=b"{}")[0] == 401


def test_changed_keys_apply_to_the_next_request(keyed: GuardedServer) -> None:
    keyed.access = Access(keys={"new": "k-3"})
    assert keyed.ask("GET", "/v1/models", "x-api-key: k-1")[0] == 401
    assert keyed.ask("GET", "/v1/models", "x-api-key: k-3")[0] == 200


@pytest.mark.parametrize("name", ["Host", "Origin", "Authorization", "x-api-key", "Content-Type"])
def test_headers_that_are_not_utf8_get_an_error(keyed: GuardedServer, name: str) -> None:
    keyed.access = Access(keys={"mine": "k-1"}) if name[0] in "Ax" else Access()
    host = "" if name == "Host" else "Host: localhost\r\n"
    head = f"POST / HTTP/1.1\r\n{host}{name}: ".encode() + b"\xff\xfe\r\nContent-Length: 0\r\n\r\n"
    answer = keyed.raw(head)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"not UTF-8" in answer
    assert keyed.served.bodies == []


def test_a_body_far_over_the_limit_aborts_the_connection(server: GuardedServer) -> None:
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nContent-Length: {9 * LIMIT}\r\n\r\n"
    assert server.raw(head.encode() + b"x" * (4 * LIMIT + 1)) == b""
    assert server.transport.disconnected or server.transport.disconnecting
    assert server.served.bodies == []


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/completions", "/v1/responses", "/v1/models", "/v1/unknown"]
)
def test_an_answer_in_openais_format_says_how_long_it_took(
    server: GuardedServer, path: str
) -> None:
    for headers, status in (((), 200), ((FOREIGN,), 403), ((PREFLIGHT[0], ALLOWED), 200)):
        answered, named, _ = server.ask("GET", path, *headers)
        assert (answered, named["openai-processing-ms"]) == (status, "0")


@pytest.mark.parametrize(
    "path", ["/v1/messages", "/messages/count_tokens", "/health", "/metrics", "/openapi.json"]
)
def test_other_answers_do_not_say_how_long_they_took(server: GuardedServer, path: str) -> None:
    for headers, status in (((), 200), ((FOREIGN,), 403)):
        answered, named, _ = server.ask("GET", path, *headers)
        assert (answered, "openai-processing-ms" in named) == (status, False)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/health"])
@pytest.mark.parametrize("name", ["x-request-id", "request-id"])
@pytest.mark.parametrize("sent", ["a", "Trace_1.2-3", "x" * 128])
def test_the_clients_own_id_names_the_answer(
    server: GuardedServer, path: str, name: str, sent: str
) -> None:
    for headers, status in (((), 200), ((FOREIGN,), 403)):
        answered, named, _ = server.ask("GET", path, f"{name}: {sent}", *headers)
        assert (answered, named["x-request-id"], named["request-id"]) == (status, sent, sent)


@pytest.mark.parametrize(
    ("path", "used"), [("/v1/chat/completions", "openai"), ("/v1/messages", "anthropic")]
)
def test_with_two_client_ids_the_one_of_the_routes_api_is_used(
    server: GuardedServer, path: str, used: str
) -> None:
    sent = ("x-request-id: openai", "request-id: anthropic")
    assert server.ask("GET", path, *sent)[1]["x-request-id"] == used


@pytest.mark.parametrize("sent", [b"", b"x" * 129, b"a b", b"a\tb", b"a%0a", "é".encode(), b"\xff"])
@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/messages"])
def test_an_unsafe_client_id_is_replaced(server: GuardedServer, path: bytes, sent: bytes) -> None:
    head = b"GET %s HTTP/1.1\r\nHost: localhost\r\nx-request-id: %s\r\n\r\n" % (path, sent)
    answer = server.raw(head)
    assert answer.startswith(b"HTTP/1.1 200 ")
    [given] = re.findall(rb"(?mi)^x-request-id: (.*)\r$", answer)
    assert re.fullmatch(rb"req_[0-9a-f]{32}", given)
