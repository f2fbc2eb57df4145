"""How long clients may take to send and to read: with a clock, over an in-memory connection."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from claudeproxy.web.access import Access
from claudeproxy.web.connections import Channel, Connections
from claudeproxy.web.guard import guarded_request


AWAITING_ANSWER = b"GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n"
LATER = AWAITING_ANSWER.replace(b"now", b"later")
POST = (
    b"POST /now HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100\r\n\r\n"
)
CHUNKED = POST.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked")


class Served(Resource):
    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Any] = []

    def render(self, request: Any) -> Any:
        if request.path == b"/now":
            return b"here"
        self.waiting.append(request)
        return NOT_DONE_YET


class Deadlines(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.served = Served()
        site = Site(
            self.served,
            reactor=self.clock,
            requestFactory=guarded_request(1000, Access, lambda path: ["GET"]),
        )
        site.protocol = Channel  # type: ignore[assignment]
        self.connections = Connections(self.clock, site, 60, 300)
        self.transport = StringTransport()
        self.protocol: Any = self.connections.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def drip(self, seconds: int, data: bytes = b"x") -> None:
        """Send something every ten seconds."""
        for _ in range(seconds // 10):
            self.clock.advance(10)
            if self.transport.disconnecting:
                return
            self.send(data)

    def lose(self) -> None:
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def answers(self) -> int:
        sent: bytes = self.transport.value()
        return sent.count(b"HTTP/1.1 200 ")

    def assert_too_slow(self) -> None:
        head, _, body = self.transport.value().rpartition(b"\r\n\r\n")
        _, _, head = head.rpartition(b"HTTP/1.1 408 ")
        assert b"connection: close" in head
        assert b"content-length: %d" % len(body) in head
        assert "did not arrive in time" in json.loads(body)["error"]["message"]
        assert self.transport.disconnecting
        self.lose()
        assert self.clock.getDelayedCalls() == []

    def assert_fine(self) -> None:
        assert b" 408 " not in self.transport.value()
        assert not self.transport.disconnecting

    def test_headers_that_come_byte_by_byte(self) -> None:
        self.send(b"GET / HTTP/1.1\r\nX: ")
        self.drip(50)
        self.assert_fine()
        self.drip(20)
        self.assert_too_slow()

    def test_a_body_that_comes_byte_by_byte(self) -> None:
        for start in (POST, CHUNKED):
            with self.subTest(start=start):
                self.setUp()
                self.send(start)
                self.drip(70, b"1" if start == POST else b"1\r\nx\r\n")
                self.assert_too_slow()

    def test_empty_lines_before_a_request_start_the_timeout_too(self) -> None:
        self.send(b"\r\n")
        self.drip(70, b"\r\n")
        assert self.transport.disconnecting

    def test_a_request_that_arrives_in_time_is_served(self) -> None:
        self.send(POST)
        self.drip(50, b"x" * 20)
        assert self.answers() == 1
        self.clock.advance(11)
        self.assert_fine()

    def test_an_answer_may_take_longer(self) -> None:
        self.send(LATER)
        self.clock.advance(3000)
        self.assert_fine()
        self.served.waiting[0].write(b"a")
        self.clock.advance(3000)
        self.served.waiting[0].finish()
        assert self.answers() == 1
        self.assert_fine()

    def test_each_request_of_a_connection_has_its_own_timeout(self) -> None:
        for _ in range(5):
            self.send(AWAITING_ANSWER[:20])
            self.clock.advance(40)
            self.send(AWAITING_ANSWER[20:])
            self.clock.advance(15)
        assert self.answers() == 5
        self.assert_fine()
        self.send(AWAITING_ANSWER[:20])
        self.drip(70)
        self.assert_too_slow()

    def test_pipelined_requests_are_served_in_turn(self) -> None:
        self.send(LATER + AWAITING_ANSWER + AWAITING_ANSWER)
        self.clock.advance(3000)
        assert self.answers() == 0
        self.served.waiting[0].finish()
        assert self.answers() == 3
        self.assert_fine()
        self.clock.advance(30)
        self.send(AWAITING_ANSWER)
        assert self.answers() == 4

    def test_an_invalid_length_is_refused_during_a_running_answer_too(self) -> None:
        self.send(LATER)
        self.send(POST.replace(b"100", b"9" * 5000) + AWAITING_ANSWER)
        self.served.waiting[0].finish()
        assert self.answers() == 1
        assert self.transport.value().count(b"HTTP/1.1 400 ") == 1
        assert self.transport.disconnecting

    def test_half_a_request_after_a_whole_one_times_out(self) -> None:
        self.send(AWAITING_ANSWER + POST)
        self.drip(80)
        assert self.answers() == 1
        self.assert_too_slow()

    def test_half_a_request_sent_during_an_answer_times_out(self) -> None:
        self.send(LATER)
        self.send(POST)
        self.drip(200)
        self.assert_fine()
        # Of its hundred bytes there are twenty.
        self.served.waiting[0].finish()
        self.drip(80, b"x")
        self.assert_too_slow()

    def test_half_a_request_sent_behind_an_answer_times_out_without_more_data(self) -> None:
        self.connections.request_timeout = 20
        for half in (
            b"GET",
            AWAITING_ANSWER[:-2],
            AWAITING_ANSWER[:30],
            POST,
            POST + b"x",
            CHUNKED,
        ):
            for parts in (
                (LATER + half,),
                (LATER, half),
                (LATER, half[:1], half[1:]),
                (LATER, AWAITING_ANSWER + half),
            ):
                with self.subTest(parts=parts):
                    self.setUp()
                    self.connections.request_timeout = 20
                    for part in parts:
                        self.send(part)
                    # The time of the answer does not count.
                    self.clock.advance(300)
                    self.assert_fine()
                    self.served.waiting[0].finish()
                    self.clock.advance(19)
                    self.assert_fine()
                    self.clock.advance(1)
                    self.assert_too_slow()

    def test_half_a_request_sent_with_a_whole_one_times_out_without_more_data(self) -> None:
        self.connections.request_timeout = 20
        self.send(AWAITING_ANSWER * 2 + POST)
        assert self.answers() == 2
        self.clock.advance(20)
        self.assert_too_slow()

    def test_the_rest_of_half_a_request_behind_an_answer_is_served(self) -> None:
        self.connections.request_timeout = 20
        self.send(LATER + AWAITING_ANSWER[:20])
        self.clock.advance(300)
        self.served.waiting[0].finish()
        self.clock.advance(19)
        self.send(AWAITING_ANSWER[20:])
        assert self.answers() == 2
        self.clock.advance(30)
        self.assert_fine()

    def test_an_answer_starts_no_timeout_if_nothing_is_behind_it(self) -> None:
        self.connections.request_timeout = 20
        for sent in (AWAITING_ANSWER, LATER, LATER + AWAITING_ANSWER):
            with self.subTest(sent=sent):
                self.setUp()
                self.connections.request_timeout = 20
                self.send(sent)
                for request in self.served.waiting:
                    request.finish()
                self.clock.advance(59)
                self.assert_fine()

    def test_an_idle_connection_is_closed(self) -> None:
        self.clock.advance(61)
        assert self.transport.disconnecting
        self.lose()

    def test_a_client_that_does_not_read_gets_no_more_answers(self) -> None:
        self.send(AWAITING_ANSWER)
        producer: Any = self.transport.producer
        producer.pauseProducing()
        self.send(AWAITING_ANSWER * 1000)
        assert self.answers() == 1
        producer.resumeProducing()
        assert self.answers() == 1001
        self.assert_fine()
        self.lose()
        assert self.clock.getDelayedCalls() == []

    def test_a_client_that_does_not_read_is_disconnected(self) -> None:
        self.transport.abortConnection = self.transport.loseConnection  # type: ignore[method-assign]
        self.send(AWAITING_ANSWER)
        producer: Any = self.transport.producer
        for _ in range(3):
            producer.pauseProducing()
            self.send(AWAITING_ANSWER)
            self.clock.advance(299)
            self.assert_fine()
            producer.resumeProducing()
        assert self.answers() == 4
        producer.pauseProducing()
        self.send(AWAITING_ANSWER)
        self.clock.advance(301)
        assert self.transport.disconnecting
        assert self.answers() == 4
        self.lose()
        assert self.clock.getDelayedCalls() == []

    def test_invalid_headers_are_answered_with_an_error(self) -> None:
        long = b"x" * 17_000
        for sent, status in (
            (b"GET /" + long + b" HTTP/1.1\r\n\r\n", 431),
            (b"GET /now HTTP/1.1\r\nX: " + long + b"\r\n\r\n", 431),
            (b"GET /now HTTP/1.1\r\n" + b"X: y\r\n" * 600 + b"\r\n", 400),
            (b"GET /now\r\n\r\n", 400),
            (b"\x16\x03\x01\r\n\r\n", 400),
            (b"GET /now HTTP/1.1\r\nX\x00: y\r\n\r\n", 400),
        ):
            with self.subTest(sent=sent[:30]):
                self.setUp()
                self.send(sent)
                head, _, body = self.transport.value().partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 %d " % status), head
                assert json.loads(body)["error"]["message"]
                assert self.transport.disconnecting
                self.lose()

    def test_an_unreadable_request_is_answered_in_the_form_of_its_api(self) -> None:
        long = b"X: " + b"x" * 17_000
        # Twisted reads a header when the next one begins.
        version = b"anthropic-version: 2023-06-01\r\nAccept: */*\r\n"
        for path, headers, anthropic in (
            (b"/v1/messages?beta=true", b"", True),
            (b"//v1/messages", b"", True),
            (b"/v1/models", version, True),
            (b"/v1/models", b"", False),
            (b"/v1/chat/completions", version, False),
        ):
            head = b"POST %s HTTP/1.1\r\nHost: localhost\r\n%s" % (path, headers)
            for rest in (long, b"Content-Length: 9\r\n\r\nx", b"X: y\r\n" * 600):
                with self.subTest(path=path, headers=headers, rest=rest[:20]):
                    self.setUp()
                    self.send(head + rest)
                    if not self.transport.disconnecting:
                        self.clock.advance(61)
                    body = json.loads(self.transport.value().partition(b"\r\n\r\n")[2])
                    assert ("type" in body) is anthropic
                    assert ("code" in body["error"]) is not anthropic
                    self.lose()

    def test_a_client_that_goes_away_leaves_no_timer(self) -> None:
        for sent in (
            b"",
            b"GET",
            POST,
            LATER,
            AWAITING_ANSWER,
            AWAITING_ANSWER + POST,
            LATER + AWAITING_ANSWER,
        ):
            with self.subTest(sent=sent):
                self.setUp()
                if sent:
                    self.send(sent)
                self.lose()
                assert self.clock.getDelayedCalls() == []
                assert not self.connections.protocols

    def test_closing_ends_all_connections_and_aborts_the_slow_ones(self) -> None:
        aborted: list[bool] = []
        for lingers in (False, True):
            with self.subTest(lingers=lingers):
                self.setUp()
                self.transport.abortConnection = lambda: aborted.append(True)  # type: ignore[method-assign]
                self.send(LATER)
                closing = self.connections.close()
                assert self.transport.disconnecting
                self.assertNoResult(closing)
                self.clock.advance(2 if lingers else 0.5)
                assert aborted == [True] * lingers
                self.lose()
                self.successResultOf(closing)
                assert self.clock.getDelayedCalls() == []
                self.successResultOf(self.connections.close())

    def test_without_timeouts_nothing_times_out(self) -> None:
        self.connections.request_timeout = None
        self.send(b"GET / HTTP/1.1\r\nX: ")
        self.drip(600)
        self.assert_fine()
