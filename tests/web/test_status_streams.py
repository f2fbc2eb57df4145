"""The events of an open status page: what is sent when, and that each stream ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from claudeproxy.web.status import streams
from claudeproxy.web.status.streams import KEEPALIVE, LONGEST, MOST, PLOTS

from .test_site import ANSWER, CHAT, HI, Client, Server
from .test_status_history import ended


class Page:
    """A client that reads the events."""

    def __init__(self, server: Server) -> None:
        self.client = Client(server.connections)
        self.client.send(b"GET /status/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        self._read = 0

    def new(self) -> list[tuple[str, Any]]:
        """What has come since this was called last, without the comments."""
        _, _, body = self.client.transport.value().partition(b"\r\n\r\n")
        # Twisted writes one chunk for each write.
        pieces = body.split(b"\r\n")[1::2]
        new, self._read = pieces[self._read :], len(pieces)
        frames = [piece.decode() for piece in new if piece.startswith(b"event: ")]
        return [
            (name, json.loads(data))
            for name, data in (frame[7:].strip().split("\ndata: ") for frame in frames)
        ]

    @property
    def comments(self) -> int:
        written: bytes = self.client.transport.value()
        return written.count(b"\r\n: \n\n\r\n")


@pytest.fixture
def server() -> Server:
    return Server()


def pending(server: Server) -> int:
    """The timers; that of an idle connection is not ours."""
    calls: Sequence[Any] = server.clock.getDelayedCalls()
    return len(calls)


def test_a_page_gets_everything_and_then_what_changes(server: Server) -> None:
    page = Page(server)
    [(name, told)] = page.new()
    assert name == "snapshot"
    assert set(told) == {
        *("now", "state", "plan", "running", "processes", "waiting", "uptime", "recent", "plots")
    }
    assert page.client.transport.value().count(b"text/event-stream") == 1
    server.clock.advance(1)
    assert page.new() == []
    server.told.readiness = {"ready": False, "message": "No."}
    server.clock.advance(1)
    [(name, told)] = page.new()
    assert (name, set(told)) == ("update", {"now", "state"})
    assert told["state"]["message"] == "No."


def test_a_request_is_seen_while_it_runs_and_when_it_has_ended(server: Server) -> None:
    page = Page(server)
    page.new()
    client = server.ask({**HI, "stream": True})
    server.clock.advance(1)
    [(_, told)] = page.new()
    [running] = told["running"]
    assert running == {
        "at": 0,
        "route": f"POST {CHAT}",
        "model": "claude-sonnet-9",
        "rung": "spawned",
        "key": "none",
        "first_token": None,
    }
    server.say(*ANSWER[:2])
    server.clock.advance(1)
    assert page.new()[0][1]["running"][0]["first_token"] == 1
    server.told.ahead = 1000.3
    server.clock.advance(1)
    [(_, told)] = page.new()
    assert (told["now"], told["running"][0]["at"]) == (1003.3, 1000)
    server.say(ANSWER[2])
    server.clock.advance(1)
    [(_, told)] = page.new()
    assert told["running"] == []
    [request] = told["recent"]
    assert (request["number"], request["rung"], request["outcome"]) == (1, "spawned", "ok")
    assert request["tokens"] == {"input": 3, "cached": 40, "written": 5, "output": 7}
    assert client.status == 200


def test_what_only_grows_older_is_no_change(server: Server) -> None:
    window = {"name": "five_hour", "used": 0.1, "seen_at": 1, "age": 1}
    server.told.readiness = {"ready": True, "uptime": 1.0, "login": {"state": "yes", "age": 1.0}}
    server.told.plan = {"windows": [window], "fresh": True}
    page = Page(server)
    [(_, told)] = page.new()
    assert (told["uptime"], told["state"]["login"]) == (1.0, {"state": "yes"})
    server.told.readiness = {"ready": True, "uptime": 2.0, "login": {"state": "yes", "age": 2.0}}
    server.told.plan = {"windows": [{**window, "age": 2}], "fresh": False}
    server.clock.advance(1)
    assert page.new() == []


def test_the_plots_come_when_they_change_but_not_each_second(server: Server) -> None:
    page = Page(server)
    seen = []
    for _ in range(10):
        server.status.history.note(ended(server.clock.seconds()))
        server.clock.advance(1)
        seen += ["plots" in told for _, told in page.new()]
    assert len(seen) == 11
    assert sum(seen) == 1 + 10 // PLOTS
    server.clock.pump([1] * 60)
    assert sum("plots" in told for _, told in page.new()) >= 1


def test_without_changes_a_comment_keeps_the_connection_open(server: Server) -> None:
    page = Page(server)
    server.clock.pump([1] * (int(KEEPALIVE) - 1))
    assert page.comments == 0
    server.clock.pump([1] * 2)
    assert page.comments == 1


def test_no_timer_runs_while_nobody_listens(server: Server) -> None:
    idle = pending(server)
    server.ask(HI)
    server.say(*ANSWER)
    asked = pending(server)
    page = Page(server)
    assert pending(server) >= asked + 2
    page.client.leave()
    assert len(server.status.streams) == 0
    assert pending(server) == asked
    assert not server.status.streams._timers._calls
    assert idle == 0


def test_a_stream_ends_by_itself(server: Server) -> None:
    page = Page(server)
    server.clock.advance(LONGEST)
    assert page.new()[-1][0] == "end"
    assert page.client.transport.value().endswith(b"0\r\n\r\n")
    assert len(server.status.streams) == 0
    assert not server.status.streams._timers._calls


def test_the_server_that_stops_says_so_and_ends_all_streams(server: Server) -> None:
    pages = [Page(server), Page(server)]
    server.told.readiness = {"ready": False, "message": "The server is stopping."}
    server.status.stop()
    for page in pages:
        (_, _), (_, told), (end, _) = page.new()
        assert told["state"]["message"] == "The server is stopping."
        assert end == "end"
        assert page.client.transport.value().endswith(b"0\r\n\r\n")
    assert len(server.status.streams) == 0
    assert not server.status.streams._timers._calls
    assert Page(server).client.status == 503


def test_there_are_not_too_many(server: Server) -> None:
    pages = [Page(server) for _ in range(MOST)]
    assert {page.client.status for page in pages} == {200}
    assert Page(server).client.status == 429
    pages[0].client.leave()
    assert Page(server).client.status == 200


def test_a_client_that_reads_slowly_misses_updates_and_then_gets_everything(server: Server) -> None:
    page = Page(server)
    page.new()
    producer: Any = page.client.transport.producer
    producer.pauseProducing()
    for number in range(20):
        server.told.login = f"Login {number}."
        server.clock.advance(1)
    assert page.new() == []
    producer.resumeProducing()
    server.told.login = "Another."
    server.clock.advance(1)
    [(name, told)] = page.new()
    assert (name, told["state"]["login_text"]) == ("snapshot", "Another.")


def test_an_open_page_makes_the_server_look_again(server: Server) -> None:
    Page(server)
    looked = server.told.looked
    server.clock.pump([1] * 3)
    assert server.told.looked == looked + 3


def test_head_has_no_events(server: Server) -> None:
    client = Client(server.connections)
    client.send(b"HEAD /status/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert client.status == 200
    assert len(server.status.streams) == 0


def test_a_fault_while_the_data_are_made_leaves_no_stream(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_frame", lambda event, data: 1 / 0)
    assert Page(server).client.status == 500
    assert len(server.status.streams) == 0
    assert not server.status.streams._timers._calls
