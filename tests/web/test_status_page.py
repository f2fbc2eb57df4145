"""`GET /`: who gets the page and who the JSON, what is in the page, and its files."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from claudeproxy.client_texts import CLIENTS, filled
from claudeproxy.web.access import Access
from claudeproxy.web.site import is_shown
from claudeproxy.web.status.accept import wants_page
from claudeproxy.web.status.files import TYPES, file_of, template
from claudeproxy.web.status.page import origin_of, page, with_code

from .test_site import ANSWER, CHAT, HI, Client, Server


CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
READY: dict[str, Any] = {
    "ready": True,
    "message": "Claude Code is ready.",
    "cli": {"version": "9.9.9", "path": "/opt/claude", "where": "PATH"},
    "login_text": "Logged in (plan: max).",
    "demo": False,
}
WINDOWS = {
    "windows": [
        {"name": "five_hour", "used": 0.123, "resets_at": 1_700_000_000},
        {"name": "seven_day", "used": None, "resets_at": None},
    ]
}


def shown(state: dict[str, Any] | None = None, plan: Any = None, **more: Any) -> str:
    told = {**READY, **(state or {})}
    origin = more.pop("origin", "http://localhost:3456")
    return page(template(), told, plan, origin, with_keys=more.pop("with_keys", False))


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (CHROMIUM, True),
        ("text/html", True),
        ("TEXT/HTML; charset=utf-8", True),
        ("application/json;q=0.5, text/html", True),
        (None, False),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/json, text/plain, */*", False),
        ("application/json, text/html;q=0.9", False),
        ("text/html;q=0", False),
        ("text/html;q=x", False),
        ("text/htmlx, text/*", False),
    ],
)
def test_who_wants_the_page(accept: str | None, wanted: bool) -> None:
    assert wants_page(accept) is wanted


class Answer:
    """The parts of an answer."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {name.lower(): value for name, value in (x.split(": ", 1) for x in lines)}


def ask(server: Server, path: str, *headers: str, method: str = "GET") -> Answer:
    client = Client(server.connections)
    lines = [f"{method} {path} HTTP/1.1", *headers]
    if not any(each.startswith("host:") for each in headers):
        lines.insert(1, "host: localhost:99")
    client.send("\r\n".join([*lines, "", ""]).encode())
    client._protocol.connectionLost(Failure(ConnectionDone()))
    return Answer(client.transport.value())


def test_others_get_the_same_json_as_ever() -> None:
    server = Server()
    for headers in ((), ("accept: */*",), ("accept: application/json",)):
        answer = ask(server, "/", *headers)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers.keys() <= {
            *("x-request-id", "request-id", "server", "date", "content-type", "content-length")
        }
        told = json.loads(answer.body)
        assert list(told) == ["name", "version", "routes"]
        assert not [route for route in told["routes"] if "/status/" in route]
        assert "GET /" in told["routes"]


def test_a_browser_gets_the_page_and_is_told_to_load_nothing_else() -> None:
    server = Server()
    answer = ask(server, "/", f"accept: {CHROMIUM}")
    assert (answer.status, answer.headers["vary"]) == (200, "accept")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    length = answer.headers["content-length"]
    assert len(answer.body) == int(length)
    head = ask(server, "/", f"accept: {CHROMIUM}", method="HEAD")
    assert (head.headers["content-length"], head.body) == (length, b"")
    text = answer.body.decode()
    assert "http://localhost:99/v1" in text
    # All that it loads comes from here.
    assert set(re.findall(r'(?:src|href)="([^"#]+)"', text)) == {
        *("/status/static/icon.svg", "/status/static/status.css", "/status/static/status.js")
    }
    assert not re.search(
        r"\son\w+=|<style|<script(?! type=module| type=\"module\" src)|style=", text
    )


def test_the_page_of_a_host_that_is_not_allowed_is_not_shown() -> None:
    answer = ask(Server(), "/", "host: evil.example", f"accept: {CHROMIUM}")
    assert answer.status == 403
    assert b"<html" not in answer.body


def test_a_page_of_another_site_may_link_to_it_and_not_embed_it() -> None:
    crossing = (f"accept: {CHROMIUM}", "sec-fetch-site: cross-site")
    assert ask(Server(), "/", *crossing, "sec-fetch-dest: document").status == 200
    assert ask(Server(), "/", *crossing, "sec-fetch-dest: iframe").status == 403
    assert ask(Server(), "/status/static/status.js", *crossing).status == 403


def test_every_file_is_served_and_not_sent_twice() -> None:
    server = Server()
    server.access = Access(keys={"mine": "k"})
    for name, kind in TYPES.items():
        answer = ask(server, f"/status/static/{name}")
        assert (answer.status, answer.headers["content-type"]) == (200, kind)
        assert answer.headers["x-content-type-options"] == "nosniff"
        known = file_of(name)
        assert known is not None
        assert answer.body == known.content
        again = ask(server, f"/status/static/{name}", f"if-none-match: {answer.headers['etag']}")
        assert (again.status, again.body) == (304, b"")
        assert ask(server, f"/status/static/{name}", method="HEAD").body == b""


def test_every_file_of_the_folder_is_served_but_the_template() -> None:
    folder = files("claudeproxy.web.status").joinpath("static")
    assert {each.name for each in folder.iterdir()} == {*TYPES, "page.html"}
    for name in TYPES:
        text = folder.joinpath(name).read_text("utf-8")
        assert len(text.splitlines()) <= 400
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)[a-z]", text)


@pytest.mark.parametrize("name", ["page.html", "..%2fpage.py", "none.js", "status.js%00", "."])
def test_no_other_file_is_served(name: str) -> None:
    assert ask(Server(), f"/status/static/{name}").status == 404


@pytest.mark.parametrize("path", ["/status/data", "/status/events"])
def test_the_data_are_guarded_as_all_routes(path: str) -> None:
    server = Server()
    server.access = Access(keys={"mine": "k"})
    assert ask(server, path).status == 401
    assert ask(server, path, "authorization: Bearer other").status == 401
    assert ask(server, path, "authorization: Bearer k").status == 200
    assert ask(server, path, "x-api-key: k").status == 200
    foreign = ask(server, path, "authorization: Bearer k", "origin: https://evil.example")
    assert foreign.status == 403
    assert "access-control-allow-origin" not in foreign.headers
    assert ask(server, path, "authorization: Bearer k", "host: evil.example").status == 403
    assert ask(server, path, "authorization: Bearer k", method="POST").status == 405


def test_with_keys_the_page_needs_none_and_shows_nothing_of_the_plan() -> None:
    server = Server()
    server.access = Access(keys={"mine": "k"})
    assert ask(server, "/", f"accept: {CHROMIUM}").status == 200
    text = shown(plan=None, with_keys=True)
    assert "With an API key this page shows the limits of the plan." in text
    assert 'data-keys="yes"' in text
    assert '<form id="key-form" class="key" >' in text
    assert '<form id="key-form" class="key" hidden>' in shown(plan=WINDOWS)
    assert "apiKey: YOUR_KEY" in html.unescape(text)
    assert "apiKey: not-needed" in html.unescape(shown(plan=WINDOWS))


def test_with_keys_the_settings_say_where_a_key_goes() -> None:
    with_keys, without = shown(plan=None, with_keys=True), shown(plan=WINDOWS)
    # Both in what is read without JavaScript and in what it fills in.
    assert with_keys.count("env_key = &quot;CODEX_KEY&quot;") == 2
    assert "env_key" not in without
    for client in CLIENTS.values():
        if client.give:
            assert with_code(client.give) in with_keys
            assert with_code(client.give) not in without


# What it says


def test_a_ready_server() -> None:
    text = shown(plan=WINDOWS)
    assert "<title>Ready - claudeproxy</title>" in text
    assert "<strong>Ready</strong> <span>Claude Code is ready.</span>" in text
    assert "Claude Code 9.9.9: /opt/claude (PATH)" in text
    assert "Logged in (plan: max)." in text
    assert 'value="0.1230" aria-label="five-hour"' in text
    assert "12% used, resets at" in text
    assert '<time datetime="2023-11-14T22:13:20+00:00">2023-11-14 22:13 UTC</time>' in text
    assert "<span>seven-day</span><span>not known</span>" in text
    assert "<title>Ready - claudeproxy</title>" in text
    assert '<p class="banner" id="demo" hidden>' in text


def test_a_server_that_is_not_ready_says_what_to_do() -> None:
    message = "Run `/opt/claude auth login` <now>."
    text = shown({"ready": False, "message": message, "cli": None}, {"windows": [], "note": "N&"})
    assert "<title>Not ready - claudeproxy</title>" in text
    assert "Run <code>/opt/claude auth login</code> &lt;now&gt;." in text
    assert "It has found no Claude Code CLI yet." in text
    assert "<p>N&amp;</p>" in text


def test_the_demo_is_marked() -> None:
    text = shown({"demo": True}, WINDOWS)
    said = "Demo: a built-in stand-in answers instead of Claude."
    assert f'<p class="banner" id="demo" >{said}</p>' in text
    assert "<title>Demo - claudeproxy</title>" in text


def test_everything_is_escaped() -> None:
    evil = "<script>alert(1)</script>\"'&"
    text = shown(
        {
            "message": evil,
            "login_text": evil,
            "cli": {"version": evil, "path": evil, "where": evil},
        },
        {"windows": [{"name": evil, "used": 0.5, "resets_at": None}]},
        origin=f"http://{evil}",
    )
    assert "<script>" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;") >= 6


class Settings(HTMLParser):
    """The texts for the clients, as a browser reads them: what is shown, and what is kept."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shown: dict[str, str] = {}
        self.kept: dict[str, str | None] = {}
        self._client = ""
        self._in_text = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if told.get("class") == "client":
            self._client = (told["id"] or "").removeprefix("client-")
        self._in_text = tag == "pre" and bool(self._client)
        if self._in_text:
            self.kept[self._client] = told["data-text"]

    def handle_endtag(self, tag: str) -> None:
        self._in_text = False
        if tag == "details":
            self._client = ""

    def handle_data(self, data: str) -> None:
        if self._in_text:
            self.shown[self._client] = self.shown.get(self._client, "") + data


def test_every_client_has_the_text_of_the_command() -> None:
    found = Settings(shown(origin="http://[::1]:99"))
    assert found.kept == {name: client.text for name, client in CLIENTS.items()}
    assert found.shown == {
        name: filled(client, "http://[::1]:99", "not-needed") for name, client in CLIENTS.items()
    }


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:3456", "http://localhost:3456"),
        ("[::1]:3456", "http://[::1]:3456"),
        ("[::1]", "http://[::1]:80"),
        ("my.lan", "http://my.lan:80"),
        (None, "http://localhost:1"),
    ],
)
def test_the_origin(host: str | None, origin: str) -> None:
    assert origin_of(host, "http://localhost:1") == origin


def test_code_in_a_sentence() -> None:
    assert with_code("a `b` <c>") == "a <code>b</code> &lt;c&gt;"
    assert with_code("a `b <c>") == "a `b &lt;c&gt;"


# What of the requests it shows


def noted(server: Server) -> Sequence[tuple[str, str, str]]:
    shown = server.status.history.recent()
    return [(each["route"], each["outcome"], each["key"]) for each in shown]


def test_what_asks_for_an_answer_and_what_is_refused_is_shown() -> None:
    server = Server()
    server.access = Access(keys={"phone": "k"})
    server.ask(HI, key="k")
    server.say(*ANSWER)
    server.ask(HI, key="secret")
    server.ask({**HI, "temperature": "secret"}, key="k")
    server.ask(path="/v1/models")
    server.ask(path="/secret", key="k")
    for path in ("/", "/health", "/health/ready", "/metrics", "/v1/models", "/openapi.json"):
        server.ask(path=path, key="k")
    for path in ("/metrics", "/status/data", "/status/events", "/status/static/x"):
        server.ask(path=path)
    server.ask(None, CHAT, "OPTIONS")
    assert noted(server) == [
        (f"POST {CHAT}", "ok", "phone"),
        (f"POST {CHAT}", "error", "unknown"),
        (f"POST {CHAT}", "error", "phone"),
        ("GET /v1/models", "error", "unknown"),
        ("(none)", "error", "phone"),
    ]
    told = server.status.history.recent()
    assert [each["error"] for each in told] == [
        *(None, "invalid_api_key", "invalid_type", "invalid_api_key", "not_found")
    ]
    assert "secret" not in str(told)
    assert "hi" not in {str(value) for each in told for value in each.values()}


def test_what_only_counts_tokens_is_shown() -> None:
    assert is_shown("POST /v1/messages/count_tokens", {"outcome": "ok"})
    assert is_shown("DELETE /v1/responses/<name>", {"outcome": "ok"})
    assert not is_shown("GET /v1/responses/<name>", {"outcome": "ok"})


def test_a_client_that_left_is_shown() -> None:
    server = Server()
    client = server.ask({**HI, "stream": True})
    server.say(*ANSWER[:2])
    client.leave()
    [told] = server.status.history.recent()
    assert (told["outcome"], told["rung"], told["status"]) == ("disconnected", "spawned", 200)
