"""Bodies that are announced to be too large, and bodies with a Content-Encoding."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from claudeproxy.dialects import chat
from claudeproxy.errors import APIError
from claudeproxy.web.access import Access
from claudeproxy.web.connections import LINGER_SILENCE, LINGER_TIMEOUT, Channel, Connections
from claudeproxy.web.guard import guarded_request
from claudeproxy.web.respond import send_error

from .transport import Transport


LIMIT = 1000
NEXT = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def head(length: int, *more: str, path: str = "/v1/chat/completions") -> bytes:
    """The head of a request, without a length if that is negative."""
    if length < 0:
        return head(0, *more, path=path).replace(
            b"Content-Length: 0", b"Transfer-Encoding: chunked"
        )
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    return "\r\n".join([*lines, f"Content-Length: {length}", *more, "", ""]).encode()


class Served(Resource):
    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Any] = []

    def render(self, request: Any) -> Any:
        if request.path == b"/later":
            self.waiting.append(request)
            return NOT_DONE_YET
        if request.method == b"POST":
            try:
                return request.json_body()
            except APIError as error:
                send_error(request, chat, error)
        return b""


class LargeBodies(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.served = Served()
        self.access = Access(origins=frozenset({"https://chat.example"}))
        site = Site(
            self.served,
            reactor=self.clock,
            requestFactory=guarded_request(LIMIT, lambda: self.access, lambda path: ["POST"]),
            parsePOSTFormSubmission=False,
        )
        site.protocol = Channel  # type: ignore[assignment]
        self.connections = Connections(self.clock, site, 60, 300)
        self.connect()

    def connect(self) -> None:
        self.transport = Transport()
        self.protocol: Any = self.connections.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> bytes:
        """What has been written once this has been received."""
        self.protocol.dataReceived(data)
        return self.transport.value()  # type: ignore[no-any-return]

    def lose(self) -> None:
        self.protocol.connectionLost(Failure(ConnectionDone()))
        assert self.clock.getDelayedCalls() == []
        assert not self.connections.protocols

    def assert_refused(self, answer: bytes) -> None:
        lines, _, body = answer.lower().partition(b"\r\n\r\n")
        assert lines.startswith(b"http/1.1 413 ")
        assert b"\r\nconnection: close\r\n" in lines + b"\r\n"
        assert b"larger than 1,000 bytes" in json.loads(body)["error"]["message"].encode()
        # The client reads to the end, while the server still reads what it sends.
        assert self.transport.write_closed
        assert not self.transport.disconnecting
        assert self.transport.producerState == "producing"

    def test_it_is_refused_before_it_comes(self) -> None:
        for length in (LIMIT + 1, 2 * LIMIT, 100 * LIMIT, 10**15):
            for more in (b"", b"x", b"x" * LIMIT):
                with self.subTest(length=length, more=len(more)):
                    self.setUp()
                    self.assert_refused(self.send(head(length) + more))
                    self.lose()

    def test_the_limit_itself_is_not_too_large(self) -> None:
        assert self.send(head(LIMIT)) == b""
        answer = self.send(b"x" * LIMIT)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"x" * LIMIT)
        assert not self.transport.write_closed

    def test_it_is_not_asked_for(self) -> None:
        answer = self.send(head(LIMIT + 1, "Expect: 100-continue"))
        assert b"100 Continue" not in answer
        self.assert_refused(answer)
        self.connect()
        assert self.send(head(LIMIT, "Expect: 100-continue")) == b"HTTP/1.1 100 Continue\r\n\r\n"

    def test_who_may_ask_is_checked_before(self) -> None:
        for more, status in (
            ("Origin: https://evil.example", 403),
            ("Host: localhost", 400),
            ("Content-Type: text/plain", 415),
        ):
            with self.subTest(more=more):
                self.setUp()
                answer = self.send(head(LIMIT + 1, more))
                assert answer.startswith(b"HTTP/1.1 %d " % status)
                assert self.transport.write_closed
        self.access = Access(keys={"mine": "k"})
        self.connect()
        assert self.send(head(LIMIT + 1)).startswith(b"HTTP/1.1 401 ")

    def test_a_page_may_read_the_refusal(self) -> None:
        answer = self.send(head(LIMIT + 1, "Origin: https://chat.example"))
        self.assert_refused(answer)
        assert b"access-control-allow-origin: https://chat.example" in answer.lower()

    def test_what_still_comes_is_discarded_and_is_no_request(self) -> None:
        answer = self.send(head(2 * LIMIT) + NEXT)
        for _ in range(3):
            assert self.send(NEXT) == answer
        self.assert_refused(answer)
        self.lose()

    def test_more_than_the_discarded_amount_aborts(self) -> None:
        self.assert_refused(self.send(head(100 * LIMIT)))
        for _ in range(4):
            self.send(b"x" * LIMIT)
            assert not self.transport.disconnected
        self.send(b"x")
        assert self.transport.disconnected
        self.lose()

    def test_a_client_that_stops_sending_is_disconnected(self) -> None:
        self.assert_refused(self.send(head(LIMIT + 1)))
        for _ in range(3):
            self.clock.advance(LINGER_SILENCE - 1)
            self.send(b"x")
            assert not self.transport.disconnecting
        self.clock.advance(LINGER_SILENCE)
        assert self.transport.disconnecting
        self.lose()

    def test_a_client_that_sends_slowly_is_disconnected(self) -> None:
        self.assert_refused(self.send(head(LIMIT + 1)))
        for _ in range(int(LINGER_TIMEOUT) - 1):
            self.clock.advance(1)
            self.send(b"x")
        assert not self.transport.disconnecting
        self.clock.advance(1)
        assert self.transport.disconnected
        self.lose()

    def test_a_client_that_does_not_take_the_answer_is_disconnected(self) -> None:
        self.assert_refused(self.send(head(LIMIT + 1)))
        # It is not closed before everything is written.
        self.clock.advance(LINGER_SILENCE)
        assert not self.transport.disconnected
        self.clock.advance(LINGER_TIMEOUT - LINGER_SILENCE)
        assert self.transport.disconnected
        self.lose()

    def test_a_route_that_reads_no_body_answers_as_ever(self) -> None:
        answer = self.send(head(LIMIT + 1, path="/later") + b"x" * 100_000)
        assert answer == b""
        # While it is served, the rest is neither read nor kept.
        assert self.transport.producerState == "paused"
        self.served.waiting[0].finish()
        assert self.transport.value().startswith(b"HTTP/1.1 200 ")
        assert self.transport.write_closed
        assert self.transport.producerState == "producing"

    def test_it_may_come_behind_another_request(self) -> None:
        self.send(head(0, path="/later"))
        assert self.send(head(LIMIT + 1) + b"x") == b""
        self.served.waiting[0].finish()
        _, between, answer = self.transport.value().partition(b"HTTP/1.1 413 ")
        self.assert_refused(between + answer)

    def test_stopping_the_server_closes_it(self) -> None:
        self.send(head(LIMIT + 1))
        closing = self.connections.close()
        assert self.transport.disconnecting
        self.lose()
        self.successResultOf(closing)

    # Packed bodies

    def packed(self, data: bytes, *more: str, coding: str = "gzip") -> tuple[int, bytes, bytes]:
        """Status, head and body of the answer to a packed body."""
        more = (f"Content-Encoding: {coding}", *more)
        answer = self.send(head(len(data), *more) + data)
        lines, _, body = answer.partition(b"\r\n\r\n")
        return int(lines.split()[1]), lines.lower() + b"\r\n", body

    def assert_message(self, told: bytes, words: str) -> None:
        message = json.loads(told)["error"]["message"]
        assert words in message, message

    def test_a_packed_body_is_read(self) -> None:
        for coding, data in (
            ("gzip", gzip.compress(b"{}")),
            ("x-gzip", gzip.compress(b"{}")),
            ("deflate", zlib.compress(b"{}")),
            ("deflate", zlib.compress(b"{}")[2:-4]),
            ("identity", b"{}"),
            ("", b"{}"),
        ):
            with self.subTest(coding=coding):
                self.setUp()
                status, _, body = self.packed(data, coding=coding)
                assert (status, body) == (200, b"{}")

    def test_a_packed_body_is_read_as_it_comes(self) -> None:
        data = gzip.compress(bytes(range(250)) * 4)
        for start, pieces in (
            (
                head(len(data), "Content-Encoding: gzip"),
                [data[n : n + 1] for n in range(len(data))],
            ),
            (
                head(-1, "Content-Encoding: gzip"),
                [*(b"1\r\n%c\r\n" % byte for byte in data), b"0\r\n\r\n"],
            ),
        ):
            with self.subTest(start=start):
                self.setUp()
                for part in (start, *pieces[:-1]):
                    assert self.send(part) == b""
                assert self.send(pieces[-1]).endswith(bytes(range(250)) * 4)

    def test_the_limit_holds_for_what_is_unpacked(self) -> None:
        for size, expected in ((LIMIT, 200), (LIMIT + 1, 413), (1_000_000, 413)):
            for coding, data in (
                ("gzip", gzip.compress(b"x" * size)),
                ("deflate", zlib.compress(b"x" * size)),
            ):
                with self.subTest(size=size, coding=coding):
                    self.setUp()
                    if len(data) > LIMIT:
                        # Otherwise its own length is too large.
                        data = data[:LIMIT]
                    status, _, body = self.packed(data, coding=coding)
                    assert status == expected
                    if status == 413:
                        self.assert_message(body, "larger than 1,000 bytes")
                        assert not self.transport.write_closed
                    else:
                        assert body == b"x" * size

    def test_nothing_is_kept_of_a_body_that_becomes_too_large(self) -> None:
        data = gzip.compress(b"x" * 100_000)
        self.send(head(len(data), "Content-Encoding: gzip") + data[:-1])
        [request] = self.protocol.wrappedProtocol.requests
        assert request.too_large
        assert request.content.getvalue() == b""
        assert self.send(data[-1:]).startswith(b"HTTP/1.1 413 ")
        # The connection goes on.
        assert self.send(NEXT).count(b"HTTP/1.1 200 ") == 1

    def test_a_damaged_packed_body_is_a_400(self) -> None:
        data = gzip.compress(b"{}")
        for sent, words in (
            (data[:-1], "cut short"),
            (b"", "cut short"),
            (data + b"x", "more data behind its end"),
            (data + data, "more data behind its end"),
            (b"{}", "damaged or has another format"),
        ):
            with self.subTest(sent=sent):
                self.setUp()
                status, _, body = self.packed(sent)
                assert status == 400
                self.assert_message(body, words)
                assert self.send(NEXT).count(b"HTTP/1.1 200 ") == 1

    def test_other_codings_and_several_are_a_415_that_says_what_is_taken(self) -> None:
        data = gzip.compress(gzip.compress(b"{}"))
        for coding, more in (
            ("br", ()),
            ("gzip, gzip", ()),
            ("gzip", ("Content-Encoding: gzip",)),
            ("deflate, gzip", ()),
            ("\xff", ()),
        ):
            with self.subTest(coding=coding):
                self.setUp()
                status, lines, body = self.packed(data, *more, coding=coding)
                assert status == 415
                assert b"\r\naccept-encoding: gzip, deflate" in lines
                self.assert_message(body, "takes one of gzip, deflate")

    def test_a_packed_body_has_to_be_json(self) -> None:
        answer = self.send(
            head(2, "Content-Encoding: gzip").replace(b"application/json", b"text/plain") + b"{}"
        )
        assert answer.startswith(b"HTTP/1.1 415 ")
        assert b"accept-encoding" not in answer.lower()

    def test_nothing_is_unpacked_without_a_key(self) -> None:
        self.access = Access(keys={"mine": "k"})
        data = gzip.compress(b"{}" * 400)
        for more, expected in (((), 401), (("x-api-key: x",), 401), (("x-api-key: k",), 200)):
            with self.subTest(more=more):
                self.setUp()
                self.access = Access(keys={"mine": "k"})
                start = head(len(data), "Content-Encoding: gzip", *more)
                self.send(start + data[:-1])
                [request] = self.protocol.wrappedProtocol.requests
                assert bool(request.content.getvalue()) is (expected == 200)
                assert self.send(data[-1:]).startswith(b"HTTP/1.1 %d " % expected)

    def test_a_key_that_is_no_text_does_no_harm(self) -> None:
        data = gzip.compress(b"{}")
        start = head(len(data), "Content-Encoding: gzip", "x-api-key: ?").replace(b"?", b"\xff")
        assert self.send(start + data).startswith(b"HTTP/1.1 400 ")
