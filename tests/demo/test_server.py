"""The demo API over HTTP, in memory and on a clock that the tests move."""

from __future__ import annotations

import json
import re
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from claudeproxy.demo import rules, script
from claudeproxy.demo.received import Received
from claudeproxy.demo.server import DemoAPI
from claudeproxy.demo.service import DemoSite


KEY = {"x-api-key": "secret"}
BEARER = {"authorization": "Bearer secret"}
COUNT = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
FORMATTED = {"output_config": {"format": {"type": "json_schema", "schema": COUNT}}}


def body(content: Any, **changes: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": content}]
    return {"model": "claude-opus", "max_tokens": 100, "messages": messages, **changes}


class Wire(StringTransport):
    """A transport that knows which writes there were."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        super().write(data)


class Exchange:
    """One request over a connection of its own.

    As it is HTTP/1.0, the answer's body is what comes, without chunks.
    """

    def __init__(self, api: DemoAPI, clock: Clock, line: str, headers: Any, raw: bytes) -> None:
        self.transport = Wire()
        site: Any = DemoSite(api, clock)
        site.timeOut = None
        self.channel: Any = site.buildProtocol(None)
        self.channel.makeConnection(self.transport)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        length = f"content-length: {len(raw)}\r\n"
        self.channel.dataReceived(f"{line} HTTP/1.0\r\n{head}{length}\r\n".encode() + raw)

    @property
    def head(self) -> tuple[int, dict[str, str]]:
        lines = self.transport.value().partition(b"\r\n\r\n")[0].decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), {name.lower(): v for name, v in headers.items()}

    @property
    def content(self) -> bytes:
        body: bytes = self.transport.value().partition(b"\r\n\r\n")[2]
        return body

    @property
    def value(self) -> Any:
        return json.loads(self.content)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that came, each of which must be whole and named as its data says."""
        events = []
        for part in self.content.decode().split("\n\n")[:-1]:
            name, data = part.split("\n")
            event = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            events.append(event)
        return events

    @property
    def text(self) -> str:
        return "".join(
            e["delta"].get("text", "") for e in self.events if "index" in e and "delta" in e
        )

    def pause(self) -> None:
        """The client does not read, so the transport's buffer is full."""
        self.producer.pauseProducing()

    def resume(self) -> None:
        self.producer.resumeProducing()

    @property
    def producer(self) -> Any:
        return self.transport.producer

    def disconnect(self) -> None:
        self.channel.connectionLost(Failure(ConnectionDone()))


class Locked(SynchronousTestCase):
    """With a key of its own, as inside the proxy."""

    def ask(self, line: str, auth: Any, value: Any = b"") -> Exchange:
        clock = Clock()
        api = DemoAPI(clock, "the key")
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        headers = {**auth, "anthropic-version": "2023-06-01"}
        exchange = Exchange(api, clock, line, headers, raw)
        assert not api.requests
        return exchange

    def test_it_answers_who_has_the_key(self) -> None:
        for auth in ({"x-api-key": "the key"}, {"authorization": "Bearer the key"}):
            assert self.ask("POST /v1/messages", auth, body("ECHO:a")).head[0] == 200

    def test_it_answers_nobody_else(self) -> None:
        for auth in ({}, KEY, BEARER, {"x-api-key": "the ke\xe9"}):
            for path in ("/v1/messages", "/v1/messages/count_tokens"):
                assert self.ask(f"POST {path}", auth, body("ECHO:a")).head[0] == 401

    def test_it_tells_nobody_what_came(self) -> None:
        for method in ("GET", "DELETE"):
            assert self.ask(f"{method} /requests", {"x-api-key": "the key"}).head[0] == 404


class ServerTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.api = DemoAPI(self.clock)

    def tearDown(self) -> None:
        assert self.clock.getDelayedCalls() == []

    def ask(
        self,
        value: Any = b"",
        line: str = "POST /v1/messages",
        auth: Any = KEY,
        version: str = "2023-06-01",
    ) -> Exchange:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        headers = {**auth, "anthropic-version": version}
        return Exchange(self.api, self.clock, line, headers, raw)

    def stream(self, content: Any, **changes: Any) -> Exchange:
        return self.ask(body(content, stream=True, **changes))

    @property
    def last(self) -> Received:
        return self.api.requests[-1]

    def refused(self, exchange: Exchange, status: int, kind: str, message: str) -> None:
        code, headers = exchange.head
        assert code == status
        assert headers["content-type"] == "application/json"
        assert exchange.value == {
            "type": "error",
            "error": {"type": kind, "message": message},
            "request_id": headers["request-id"],
        }
        assert headers["request-id"].startswith("req_")
        assert (self.last.status, self.last.outcome) == (status, "refused")


class AnswerTest(ServerTest):
    def test_whole(self) -> None:
        exchange = self.ask(body("ECHO:héllo"))
        status, headers = exchange.head
        assert (status, headers["content-type"]) == (200, "application/json")
        made = exchange.value
        assert made["content"] == [{"type": "text", "text": "héllo"}]
        assert re.fullmatch("msg_[0-9a-f]{24}", made["id"])
        assert "anthropic-ratelimit-unified-status" not in headers
        assert (self.last.status, self.last.outcome) == (200, "complete")

    def test_stream(self) -> None:
        exchange = self.stream("ECHO:one two")
        status, headers = exchange.head
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert [event["type"] for event in exchange.events] == [
            "message_start",
            "ping",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        assert exchange.text == "one two"
        for event in exchange.content.split(b"\n\n")[:-1]:
            assert event + b"\n\n" in exchange.transport.writes
        assert exchange.transport.disconnecting
        assert (self.last.status, self.last.outcome) == (200, "complete")

    def test_a_search_and_its_result_have_one_id(self) -> None:
        tools = [{"type": "web_search_20250305", "name": "web_search"}]
        whole = self.ask(body("SEARCH:a SEARCH:b", tools=tools)).value["content"]
        events = self.stream("SEARCH:a SEARCH:b", tools=tools).events
        streamed = [e["content_block"] for e in events if e["type"] == "content_block_start"]
        for blocks in (whole, streamed):
            calls = [b["id"] for b in blocks if b["type"] == "server_tool_use"]
            results = [b["tool_use_id"] for b in blocks if "tool_use_id" in b]
            assert calls == results
            assert len(set(calls)) == 2
            for use_id in calls:
                assert re.fullmatch("srvtoolu_[0-9a-f]{24}", use_id)
        counts = {"web_search_requests": 2, "web_fetch_requests": 0}
        assert events[-2]["usage"]["server_tool_use"] == counts
        assert self.last.usage is not None
        assert self.last.usage["server_tool_use"] == counts
        self.refused(
            self.ask(body("NOWEB", tools=tools)),
            403,
            "permission_error",
            "Web search is disabled for this organization.",
        )

    def test_a_beta_that_the_headers_ask_for_makes_its_tools_known(self) -> None:
        computer = {"type": "computer_20250124", "name": "computer"}
        beta = {"anthropic-beta": "a-beta, computer-use-2025-01-24"}
        assert self.ask(body("ECHO:a", tools=[computer]), auth={**KEY, **beta}).head[0] == 200
        assert self.ask(body("ECHO:a", tools=[computer])).head[0] == 400

    def test_ids_are_unique(self) -> None:
        tools = [{"name": "f", "input_schema": {"type": "object"}}]
        blocks = [
            block
            for _ in range(2)
            for block in self.ask(body("QUIET CALL:f CALL:f", tools=tools)).value["content"]
        ]
        assert len({block["id"] for block in blocks}) == 4
        for block in blocks:
            assert re.fullmatch("toolu_[0-9a-f]{24}", block["id"])

    def test_limits_of_a_subscription(self) -> None:
        _, headers = self.ask(body("Hi"), auth=BEARER).head
        unified = {k: v for k, v in headers.items() if k.startswith("anthropic-ratelimit")}
        assert unified == {
            "anthropic-ratelimit-unified-status": "allowed",
            "anthropic-ratelimit-unified-reset": "1008000",
            "anthropic-ratelimit-unified-representative-claim": "five_hour",
            "anthropic-ratelimit-unified-5h-status": "allowed",
            "anthropic-ratelimit-unified-5h-reset": "1008000",
            "anthropic-ratelimit-unified-5h-utilization": "0.12",
            "anthropic-ratelimit-unified-7d-status": "allowed",
            "anthropic-ratelimit-unified-7d-reset": "1209600",
            "anthropic-ratelimit-unified-7d-utilization": "0.05",
        }
        _, headers = self.ask(body("WARNING", stream=True), auth=BEARER).head
        assert headers["anthropic-ratelimit-unified-status"] == "allowed_warning"
        assert headers["anthropic-ratelimit-unified-5h-utilization"] == "0.91"
        assert headers["anthropic-ratelimit-unified-5h-surpassed-threshold"] == "0.9"

    def test_a_window_keeps_its_end_until_then(self) -> None:
        ends = []
        for seconds in (0, 7999, 1):
            self.clock.advance(seconds)
            _, headers = self.ask(body("Hi"), auth=BEARER).head
            ends.append(headers["anthropic-ratelimit-unified-5h-reset"])
        assert ends == ["1008000", "1008000", "1026000"]

    def test_limit_reached(self) -> None:
        exchange = self.ask(body("LIMIT:60"), auth=BEARER)
        message = "This request would exceed your account's rate limit."
        self.refused(exchange, 429, "rate_limit_error", message)
        _, headers = exchange.head
        assert headers["anthropic-ratelimit-unified-status"] == "rejected"
        assert headers["anthropic-ratelimit-unified-reset"] == "1000060"
        assert headers["anthropic-ratelimit-unified-5h-utilization"] == "1"
        assert headers["anthropic-ratelimit-unified-7d-status"] == "allowed"
        assert headers["retry-after"] == "60"

    def test_count_tokens(self) -> None:
        value = body("x" * 9, system="yyy")
        del value["max_tokens"]
        line = "POST /v1/messages/count_tokens?beta=true"
        assert self.ask(value, line).value == {"input_tokens": 3}
        assert (self.last.path, self.last.query) == (line.split()[1][:-10], "beta=true")
        problem = "messages: at least one message is required"
        self.refused(
            self.ask({**value, "messages": []}, line), 400, "invalid_request_error", problem
        )

    def test_count_tokens_takes_a_format(self) -> None:
        value = body("x" * 8, **FORMATTED)
        del value["max_tokens"]
        line = "POST /v1/messages/count_tokens"
        assert self.ask(value, line).value["input_tokens"] > 2
        value["output_config"] = {"format": {"type": "json_schema", "schema": {}}}
        assert self.ask(value, line).head[0] == 400

    def test_an_answer_that_fits_a_format(self) -> None:
        whole = self.ask(body("Hi", **FORMATTED)).value
        assert whole["content"] == [{"type": "text", "text": '{"n":0}'}]
        assert self.stream('ECHO:{"n": 12}', **FORMATTED).text == '{"n": 12}'
        assert self.stream("MISFIT ECHO:no", **FORMATTED).text == "no"

    def test_a_format_that_is_refused(self) -> None:
        kind = "invalid_request_error"
        too_old = "output_config.format: Extra inputs are not permitted"
        for value in (
            body("Hi", **{**FORMATTED, "model": "claude-opus-4-1"}),
            body("FORMATLESS", **FORMATTED),
        ):
            self.refused(self.ask(value), 400, kind, too_old)
        complicated = "output_config.format.schema: Schema is too complex for compilation."
        self.refused(self.stream("COMPLEX", **FORMATTED), 400, kind, complicated)
        assert self.stream("COMPLEX ECHO:a").text == "a"

    def test_what_was_refused_is_not_in_the_cache(self) -> None:
        system = [{"type": "text", "text": "x" * 8000, "cache_control": {"type": "ephemeral"}}]
        self.ask(body("COMPLEX", system=system, **FORMATTED))
        usage = self.ask(body("Hi", system=system, **FORMATTED)).value["usage"]
        assert usage["cache_read_input_tokens"] == 0
        assert usage["cache_creation_input_tokens"] > 2000

    def test_the_second_turn_reads_what_the_first_put_into_the_cache(self) -> None:
        mark = {"cache_control": {"type": "ephemeral"}}
        system = [{"type": "text", "text": "x" * 8000, **mark}]
        first = self.ask(body("Hi", system=system)).value["usage"]
        second = self.ask(body("Hi", system=system)).value["usage"]
        assert [first["cache_creation_input_tokens"], first["cache_read_input_tokens"]] == [2000, 0]
        assert [second["cache_creation_input_tokens"], second["cache_read_input_tokens"]] == [
            0,
            2000,
        ]

    def test_a_refused_request_puts_nothing_into_the_cache(self) -> None:
        mark = {"cache_control": {"type": "ephemeral"}}
        system = [{"type": "text", "text": "x" * 8000, **mark}]
        self.refused(
            self.ask(body("ERR:529", system=system)), 529, "overloaded_error", "Overloaded"
        )
        usage = self.ask(body("Hi", system=system)).value["usage"]
        assert usage["cache_read_input_tokens"] == 0

    def test_what_is_in_the_cache_can_be_read_once_the_answer_has_begun(self) -> None:
        mark = {"cache_control": {"type": "ephemeral"}}
        system = [{"type": "text", "text": "x" * 8000, **mark}]
        self.ask(body("WAIT:1", system=system))
        before = self.ask(body("Hi", system=[*system, {"type": "text", "text": "y"}]))
        # What it created itself is of no use to the other, which began first.
        assert before.value["usage"]["cache_read_input_tokens"] == 0
        self.clock.advance(1)
        after = self.ask(body("Hi", system=system))
        assert after.value["usage"]["cache_read_input_tokens"] == 2000

    def test_head(self) -> None:
        assert self.ask(line="HEAD /", auth={}).head[0] == 200
        assert len(self.api.requests) == 0


class RefusalTest(ServerTest):
    def test_no_credentials(self) -> None:
        for auth in (
            {},
            {"x-api-key": " "},
            {"authorization": "Bearer "},
            {"authorization": "Basic x"},
        ):
            exchange = self.ask(body("Hi"), auth=auth)
            self.refused(exchange, 401, "authentication_error", "x-api-key header is required")

    def test_no_version(self) -> None:
        exchange = self.ask(body("Hi"), version="")
        message = "anthropic-version: header is required"
        self.refused(exchange, 400, "invalid_request_error", message)

    def test_not_found(self) -> None:
        for line in ("GET /v1/models", "POST /v1/message", "GET /v1/messages", "PUT /"):
            self.refused(self.ask(b"", line), 404, "not_found_error", "Not found")
        assert self.last.method == "PUT"

    def test_unknown_model(self) -> None:
        exchange = self.ask(body("Hi", model="gpt-4"))
        self.refused(exchange, 404, "not_found_error", "model: gpt-4")

    def test_bad_body(self) -> None:
        message = "messages.0: text content blocks must contain non-whitespace text"
        self.refused(self.ask(body(" ")), 400, "invalid_request_error", message)
        exchange = self.ask(b'{"model": ')
        message = "The request body is not valid JSON: Expecting value: line 1 column 11 (char 10)"
        self.refused(exchange, 400, "invalid_request_error", message)
        assert self.last.body is None
        message = "Input should be a valid dictionary"
        self.refused(self.ask(b"null"), 400, "invalid_request_error", message)

    def test_too_large(self) -> None:
        patch: Any = self.patch
        patch(rules, "MAX_BODY_BYTES", 200)
        value = body("")
        fill = 200 - len(json.dumps(value))
        assert self.ask(body("x" * fill)).head[0] == 200
        exchange = self.ask(body("x" * (fill + 1)))
        self.refused(exchange, 413, "request_too_large", "Request exceeds the maximum size")

    def test_told_to(self) -> None:
        exchange = self.ask(body("ERR:403", stream=True))
        self.refused(exchange, 403, "permission_error", "The demo was told to answer 403.")
        exchange = self.ask(body("ERR:429:9"))
        self.refused(exchange, 429, "rate_limit_error", "The demo was told to answer 429.")
        assert exchange.head[1]["retry-after"] == "9"

    def test_once(self) -> None:
        exchange = self.ask(body("ERRONCE:529 ECHO:a"))
        self.refused(exchange, 529, "overloaded_error", "Overloaded")
        assert self.ask(body("ERRONCE:529 ECHO:a")).head[0] == 200
        assert self.ask(body("ERRONCE:529 ECHO:b")).head[0] == 529

    def test_html(self) -> None:
        exchange = self.stream("HTML")
        status, headers = exchange.head
        assert (status, headers["content-type"]) == (502, "text/html; charset=utf-8")
        assert exchange.content.startswith(b"<html>")

    def test_a_mistake_of_its_own(self) -> None:
        def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("mistake")

        patch: Any = self.patch
        patch(script, "plan", broken)
        flush: Any = self.flushLoggedErrors
        exchange = self.ask(body("Hi"))
        assert exchange.head[0] == 500
        assert self.last.outcome == "refused"
        assert exchange.value["error"]["type"] == "api_error"
        assert len(flush(RuntimeError)) == 1


class TimeTest(ServerTest):
    def test_wait(self) -> None:
        exchange = self.stream("WAIT:5 ECHO:a")
        self.clock.advance(4.9)
        assert exchange.transport.value() == b""
        self.clock.advance(0.1)
        assert exchange.text == "a"

    def test_slow(self) -> None:
        exchange = self.stream("SLOW:2 LONG:3")
        assert exchange.text == "tok0 "
        assert (self.last.status, self.last.outcome) == (200, "open")
        self.clock.advance(2)
        assert exchange.text == "tok0 tok1 "
        self.clock.advance(2)
        assert exchange.events[-1] == {"type": "message_stop"}

    def test_slow_without_a_stream(self) -> None:
        exchange = self.ask(body("SLOW:2 LONG:3"))
        self.clock.advance(3.9)
        assert exchange.transport.value() == b""
        self.clock.advance(0.1)
        assert exchange.value["content"][0]["text"] == "tok0 tok1 tok2"

    def test_drop(self) -> None:
        exchange = self.stream("DROP:2 LONG:5")
        assert exchange.text == "tok0 tok1 "
        assert not exchange.transport.disconnecting
        self.clock.advance(0.1)
        assert exchange.transport.disconnecting
        exchange.disconnect()
        assert exchange.text == "tok0 tok1 "
        assert self.last.outcome == "disconnected"

    def test_drop_without_a_stream(self) -> None:
        exchange = self.ask(body("DROP:2 LONG:5"))
        self.clock.advance(0.1)
        assert exchange.transport.disconnecting
        assert exchange.transport.value() == b""
        exchange.disconnect()

    def test_stall(self) -> None:
        for streamed, text in ((True, "tok0 "), (False, "")):
            exchange = self.ask(body("STALL:1 LONG:5", stream=streamed))
            self.clock.advance(10_000)
            assert exchange.text == text
            assert self.last.status == (200 if streamed else 0)
            assert not self.last.ended().called
            exchange.disconnect()
            assert self.last.outcome == "disconnected"

    def test_error_in_the_stream(self) -> None:
        exchange = self.stream("SSEERR:1 LONG:5")
        assert exchange.events[-2:] == [
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "tok0 "},
            },
            {
                "type": "error",
                "error": {"type": "overloaded_error", "message": "Overloaded"},
            },
        ]
        assert exchange.transport.disconnecting
        exchange = self.ask(body("SSEERR:1 LONG:5"))
        self.refused(exchange, 529, "overloaded_error", "Overloaded")

    def test_a_client_that_goes_away(self) -> None:
        for words in ("SLOW:5 LONG:3", "WAIT:5", "PAUSE:5 LONG:2"):
            for streamed in (True, False):
                exchange = self.ask(body(words, stream=streamed))
                ended = self.last.ended()
                assert not ended.called
                assert len(self.clock.getDelayedCalls()) == 1
                before = exchange.transport.value()
                exchange.disconnect()
                assert self.successResultOf(ended) is self.last
                assert self.last.outcome == "disconnected"
                assert self.clock.getDelayedCalls() == []
                assert exchange.transport.value() == before

    def test_a_client_that_does_not_read(self) -> None:
        exchange = self.stream("SLOW:1 LONG:3")
        exchange.pause()
        self.clock.pump([1, 1, 1])
        assert exchange.text == "tok0 "
        exchange.resume()
        assert exchange.text == "tok0 tok1 "
        self.clock.advance(1)
        assert exchange.text == "tok0 tok1 tok2"
        exchange = self.stream("SLOW:1 LONG:3")
        exchange.pause()
        self.clock.advance(1)
        exchange.disconnect()
        assert self.last.outcome == "disconnected"

    def test_stop(self) -> None:
        exchanges = [self.stream(words) for words in ("SLOW:5 LONG:3", "STALL:1 LONG:3", "WAIT:5")]
        before = [exchange.transport.value() for exchange in exchanges]
        self.api.stop()
        assert self.clock.getDelayedCalls() == []
        assert {r.outcome for r in self.api.requests} == {"disconnected"}
        for exchange in exchanges:
            assert exchange.transport.disconnected
            exchange.disconnect()
        assert [exchange.transport.value() for exchange in exchanges] == before
        assert self.ask(body("ECHO:again")).head[0] == 200


class RecordTest(ServerTest):
    def test_what_is_kept(self) -> None:
        value = body("Hi")
        self.ask(value, "POST /v1/messages?beta=true", {"X-Api-Key": "k", "X-Other": "o"})
        received = self.last
        assert (received.number, received.method, received.path, received.query) == (
            1,
            "POST",
            "/v1/messages",
            "beta=true",
        )
        assert received.body == value
        assert json.loads(received.raw) == value
        assert (received.headers["x-api-key"], received.headers["x-other"]) == ("k", "o")
        assert self.successResultOf(received.ended()) is received
        assert "'k'" not in repr(received)

    def test_received(self) -> None:
        one, two = self.api.received(), self.api.received(2)
        self.ask(b"", "GET /elsewhere")
        assert not one.called
        self.ask(body("a"))
        assert [r.number for r in self.successResultOf(one)] == [2]
        assert not two.called
        self.ask(b"bad")
        assert [r.number for r in self.successResultOf(two)] == [2, 3]
        assert len(self.successResultOf(self.api.received(2))) == 2
        self.api.requests.clear()
        assert not self.api.received().called

    def test_a_cancelled_wait_is_forgotten(self) -> None:
        waiting = self.api.received()
        waiting.cancel()
        waiting.addErrback(lambda failure: failure.trap(CancelledError))
        assert self.ask(body("Hi")).head[0] == 200

    def test_only_so_many_are_kept(self) -> None:
        for _ in range(1001):
            self.ask(b"", "GET /x")
        assert (len(self.api.requests), self.api.requests[0].number) == (1000, 2)

    def test_listing(self) -> None:
        value = body("Hi")
        self.ask(value, auth={**BEARER, "X-Api-Key": "secret"})
        exchange = self.ask(b"", "GET /requests", auth={})
        assert b"secret" not in exchange.content
        [listed] = exchange.value
        headers = listed.pop("headers")
        assert (headers["authorization"], headers["x-api-key"]) == ("***", "***")
        assert headers["anthropic-version"] == "2023-06-01"
        assert listed == {
            "number": 1,
            "method": "POST",
            "path": "/v1/messages",
            "query": "",
            "body": value,
            "status": 200,
            "outcome": "complete",
            "usage": {
                "input_tokens": 1,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "output_tokens": 31,
            },
        }
        assert self.ask(b"", "DELETE /requests", auth={}).head[0] == 204
        assert self.ask(b"", "GET /requests", auth={}).value == []
