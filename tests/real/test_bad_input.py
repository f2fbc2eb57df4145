"""What no good client sends, on raw sockets: refused with the right status, in time, at no cost.

After each of them the proxy has no busy worker, has logged no fault, and answers the next request.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import time
import zlib
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import openai
from twisted.internet.threads import deferToThread
from twisted.logger import LogLevel, globalLogPublisher

from claudeproxy.service import ProxyService

from .harness import RealCLI, at_rest, conversation, when


CHAT = "/v1/chat/completions"
# So long may anything take here that is not an answer of the model's.
DEADLINE = 10.0
LIMIT = 200_000
HELLO = {"role": "user", "content": "hi"}
DEEP = 20_000
# What would be taken, of the values that are tried everywhere.
RIGHT: dict[str, tuple[Any, ...]] = {
    "model": (),
    "messages": (),
    "stream": (True,),
    "max_tokens": (7,),
    "temperature": (1.5,),
    "tools": ([],),
    "tool_choice": (),
    "stop": ("x", "\0", []),
    "response_format": (),
    "reasoning_effort": (),
    "n": (7,),
    "metadata": ({}, {"x": 1}),
}


def good(**changes: Any) -> dict[str, Any]:
    return {"model": "sonnet", "messages": [HELLO], "max_tokens": 20, **changes}


def encoded(**changes: Any) -> bytes:
    return json.dumps(good(**changes)).encode()


def with_text(text: str) -> bytes:
    """A request with a JSON text in the place of one of its values."""
    return b'{"model": "sonnet", "messages": [{"role": "user", "content": "hi"}], %s}' % (
        text.encode()
    )


def head(method: str = "POST", path: str = CHAT, *more: str, version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *more]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


JSON = "Content-Type: application/json"


def post(body: bytes, *more: str, path: str = CHAT) -> bytes:
    return head("POST", path, JSON, f"Content-Length: {len(body)}", *more) + body


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return head("POST", CHAT, JSON, "Transfer-Encoding: chunked") + coded + end


def function(parameters: object) -> list[object]:
    return [{"type": "function", "function": {"name": "f", "parameters": parameters}}]


def statuses(answer: bytes) -> list[int]:
    """The statuses of the responses in what came on a connection."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]


class Talk:
    """One raw connection, used in a thread."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port or 0), DEADLINE)

    def say(self, *pieces: bytes) -> None:
        """Send, as far as the other side still listens."""
        try:
            for piece in pieces:
                self.socket.sendall(piece)
        except OSError:
            pass

    def rest(self) -> bytes:
        """All that comes until the connection is closed, within the deadline."""
        until, got = time.monotonic() + DEADLINE, b""
        while True:
            left = until - time.monotonic()
            if left <= 0:
                raise AssertionError(f"still open after {DEADLINE} s, got {got[:300]!r}")
            self.socket.settimeout(left)
            try:
                piece = self.socket.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return got
            if not piece:
                return got
            got += piece

    def answers(self, count: int = 1) -> bytes:
        """What comes until that many responses have begun, or the connection is closed."""
        until, got = time.monotonic() + DEADLINE, b""
        while len(statuses(got)) < count:
            self.socket.settimeout(max(until - time.monotonic(), 0.01))
            try:
                piece = self.socket.recv(65536)
            except TimeoutError:
                raise AssertionError(f"no answer in {DEADLINE} s, got {got[:300]!r}") from None
            except OSError:
                return got
            if not piece:
                return got
            got += piece
        return got

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()


class BadInput(RealCLI):
    """The proxy reads small bodies only, and not for long."""

    async def start_proxy(self, **settings: Any) -> ProxyService:
        return await super().start_proxy(**{"body_limit": LIMIT, "request_timeout": 2, **settings})

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.faults: list[Any] = []
        observer: Any = self._note
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def _note(self, event: Any) -> None:
        if event.get("log_failure") is not None or event["log_level"] >= LogLevel.error:
            self.faults.append(event.get("log_failure") or event.get("log_format"))

    # How they ask

    async def talk(self, use: Callable[[Talk], bytes]) -> bytes:
        """What `use` got on a connection of its own, in a thread."""

        def run() -> bytes:
            talk = Talk(self.proxy.url)
            try:
                return use(talk)
            finally:
                talk.close()

        got: bytes = await deferToThread(run)
        return got

    async def answer_to(self, *pieces: bytes) -> bytes:
        """The first response to these bytes; b"" if the connection is closed without."""

        def use(talk: Talk) -> bytes:
            talk.say(*pieces)
            return talk.answers()

        return await self.talk(use)

    async def refused(self, cases: Iterable[tuple[str, bytes]], *allowed: int) -> None:
        """Each is answered with one of the statuses (0: closed unanswered), costing nothing."""
        before = len(self.api.requests)
        wrong = []
        for name, sent in cases:
            since = time.monotonic()
            got = await self.answer_to(sent)
            status = (statuses(got) or [0])[0]
            took = time.monotonic() - since
            if status not in allowed or took > DEADLINE:
                wrong.append(f"{name}: {status} after {took:.1f} s: {got[-200:]!r}")
        logged = self.flushLoggedErrors()
        assert not wrong, "\n".join(wrong)
        assert not logged
        assert len(self.api.requests) == before
        await self.still_well()

    async def still_well(self) -> None:
        """Nothing is left of what was asked, and the next one is answered."""
        await when(lambda: at_rest(self.proxy.pool)).addTimeout(DEADLINE, self.proxy._reactor)
        answer = await self.ask("Are you well?")
        assert answer.choices[0].message.content
        assert self.faults == []
        assert self.flushLoggedErrors() == []

    # Bodies

    async def test_a_body_over_the_limit_is_a_413_that_the_client_sees(self) -> None:
        large = b'{"model": "' + b"x" * LIMIT + b'"}'
        pieces = [large[at : at + 8192] for at in range(0, len(large), 8192)]
        await self.refused([("length", post(large)), ("chunked", chunked(*pieces))], 413)
        error = await self.error_of("x" * (2 * LIMIT))
        assert (type(error), error.status_code) == (openai.APIStatusError, 413)
        assert "200,000 bytes" in error.message

    async def test_a_body_that_is_announced_to_be_too_large_is_not_waited_for(self) -> None:
        await self.refused(
            [
                (f"{length} {more}", head("POST", CHAT, JSON, f"Content-Length: {length}", *more))
                for length in (LIMIT + 1, 1000 * LIMIT)
                for more in ((), ("Expect: 100-continue",), ("Connection: keep-alive",))
            ],
            413,
        )
        got = await self.answer_to(
            head("POST", CHAT, JSON, f"Content-Length: {LIMIT + 1}", "Expect: 100-continue")
        )
        assert b"100 Continue" not in got

    async def test_a_client_that_is_still_sending_reads_the_refusal(self) -> None:
        def use(talk: Talk) -> bytes:
            talk.say(head("POST", CHAT, JSON, f"Content-Length: {3 * LIMIT}"))
            got = talk.answers()
            # A connection that is reset would raise an error here.
            for _ in range(3 * LIMIT // 1000):
                talk.socket.sendall(b"x" * 1000)
            talk.half_close()
            return got + talk.rest()

        got = await self.talk(use)
        assert statuses(got) == [413], got[:300]
        assert b"200,000 bytes" in got
        for factor in (2, 20):
            error = await self.error_of("x" * (factor * LIMIT))
            assert (type(error), error.status_code) == (openai.APIStatusError, 413)
        await self.still_well()

    async def test_a_body_far_over_the_limit_is_not_read_to_its_end(self) -> None:
        await self.refused([("length", post(b"x" * (20 * LIMIT)))], 413)
        await self.refused([("chunked", chunked(*[b"x" * 8192] * 200, end=b""))], 0)

    async def test_half_a_request_behind_an_answer_is_not_waited_for(self) -> None:
        for half in (b"POST", head("POST", CHAT, JSON)[:-2], post(encoded())[:-1]):

            def use(talk: Talk, half: bytes = half) -> bytes:
                messages = [{"role": "user", "content": "SLOW:0.02 one"}]
                talk.say(post(encoded(messages=messages)) + half)
                return talk.rest()

            assert statuses(await self.talk(use)) == [200, 408]
        await self.still_well()

    async def test_deep_nesting(self) -> None:
        arrays, objects = "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP
        tools = '"tools": [{"type": "function", "function": {"name": "f", "parameters": %s}}]'
        form = (
            '"response_format": {"type": "json_schema", "json_schema": '
            '{"name": "f", "schema": {"properties": %s}}}'
        )
        await self.refused(
            [
                ("arrays", post(with_text(f'"metadata": {{"a": {arrays}}}'))),
                ("objects", post(with_text(f'"metadata": {objects}'))),
                ("the body", post(arrays.encode())),
                ("open", post(b"[" * DEEP)),
                ("a tool's schema", post(with_text(tools % objects))),
                ("an answer's schema", post(with_text(form % objects))),
            ],
            400,
        )

    async def test_nesting_that_python_can_just_read_in_schemas(self) -> None:
        wrong = []
        for depth in (50, 100, 150, 200, 300, 450):
            schema: dict[str, Any] = {"type": "object"}
            for _ in range(depth):
                schema = {"type": "object", "properties": {"a": schema}}
            got = await self.answer_to(post(encoded(tools=function(schema))))
            status = statuses(got)
            if status not in ([200], [400]):
                wrong.append(f"{depth}: {got[-300:]!r}")
        assert not wrong, "\n".join(wrong)
        await self.still_well()

    async def test_nesting_that_ends_where_python_does(self) -> None:
        # There the one who reads it can, and the one who writes it on cannot. What cannot be
        # written must not stand in the way of others'.
        asked = {"model": "sonnet", "max_tokens": 9}
        called = {"type": "tool_use", "id": "a", "name": "f", "input": {"a": "NESTED"}}
        told = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
        schema = {"type": "object", "properties": {"q": {"enum": ["NESTED"]}}}
        call = {
            **asked,
            "messages": [
                HELLO,
                {"role": "assistant", "content": [called]},
                {"role": "user", "content": [told]},
            ],
        }
        tool = {**asked, "messages": [HELLO], "tools": [{"name": "f", "input_schema": schema}]}
        await self.refused(
            [
                (f"{kind} {path} {depth}", post(body.encode(), path=path))
                for depth in (130, 480, *range(900, 960, 9))
                for kind, value in (("call", call), ("tool", tool))
                for body in [json.dumps(value).replace('"NESTED"', "[" * depth + "]" * depth)]
                for path in ("/v1/messages", "/v1/messages/count_tokens")
            ],
            400,
        )

    async def test_nesting_in_a_calls_arguments(self) -> None:
        wrong = []
        for depth in (100, 400, 900, DEEP):
            messages = [
                HELLO,
                {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "id": "a",
                            "type": "function",
                            "function": {
                                "name": "f",
                                "arguments": '{"a":' + "[" * depth + "]" * depth + "}",
                            },
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "a", "content": "x"},
            ]
            got = await self.answer_to(post(encoded(messages=messages)))
            if statuses(got) not in ([200], [400]):
                wrong.append(f"{depth}: {got[-300:]!r}")
        assert not wrong, "\n".join(wrong)
        await self.still_well()

    async def test_text_that_is_not_json(self) -> None:
        await self.refused(
            [
                ("nothing", post(b"")),
                ("white space", post(b" \n ")),
                ("cut short", post(encoded()[:-1])),
                ("more than one", post(encoded() * 2)),
                ("NaN", post(with_text('"temperature": NaN'))),
                ("Infinity", post(with_text('"seed": Infinity'))),
                ("-Infinity", post(with_text('"metadata": {"a": [-Infinity]}'))),
                ("a name twice", post(with_text('"model": "opus"'))),
                ("a name twice, deep", post(with_text('"metadata": {"a": 1, "a": 2}'))),
                ("a whole number of 10,000 digits", post(with_text(f'"seed": {"9" * 10_000}'))),
                ("a number too large", post(with_text('"temperature": 1e400'))),
                ("ends of lines in a string", post(b'{"model": "a\nb"}')),
                ("NUL between", post(encoded() + b"\0")),
                ("single quotes", post(b"{'model': 'sonnet'}")),
                ("latin-1", post('{"model": "\xe9"}'.encode("latin-1"))),
                ("a surrogate in UTF-8", post(b'{"model": "\xed\xa0\x80"}')),
                ("gzip that is not declared", post(gzip.compress(encoded()))),
            ],
            400,
        )

    async def test_a_packed_body_is_read(self) -> None:
        for path in (CHAT, "/v1/messages", "/v1/messages/count_tokens"):
            for coding, body in (
                ("gzip", gzip.compress(encoded())),
                ("deflate", zlib.compress(encoded())),
                ("deflate", zlib.compress(encoded())[2:-4]),
            ):
                got = await self.answer_to(post(body, f"Content-Encoding: {coding}", path=path))
                assert statuses(got) == [200], (path, coding, got[:300])
        await self.still_well()

    async def test_a_coding_that_is_not_known_is_told(self) -> None:
        body = gzip.compress(encoded())
        cases = ("br", "gzip, gzip", "gzip\r\nContent-Encoding: gzip", "\xff")
        await self.refused(
            [(coding, post(body, f"Content-Encoding: {coding}")) for coding in cases[:3]], 415
        )
        got = await self.answer_to(post(body, "Content-Encoding: br"))
        assert b"\r\naccept-encoding: gzip, deflate" in got.lower()
        await self.refused([("no text", post(body, f"Content-Encoding: {cases[3]}"))], 400)

    async def test_a_packed_body_that_is_damaged_or_cut_short(self) -> None:
        body = gzip.compress(encoded())
        await self.refused(
            [
                (repr(sent[:20]), post(sent, "Content-Encoding: gzip"))
                for sent in (body[:-1], body + b"x", body * 2, encoded(), b"", body[5:])
            ],
            400,
        )

    async def test_a_packed_body_that_becomes_too_large(self) -> None:
        # A hundred times the limit, in a tenth of it.
        bomb = gzip.compress(b" " * (100 * LIMIT))
        assert len(bomb) < LIMIT // 5
        pieces = [bomb[at : at + 1000] for at in range(0, len(bomb), 1000)]
        coding = "Content-Encoding: gzip"
        sent = chunked(*pieces).replace(JSON.encode(), f"{JSON}\r\n{coding}".encode())
        await self.refused([("length", post(bomb, coding)), ("chunked", sent)], 413)

    async def test_other_unicode_than_utf_8_is_read_or_refused(self) -> None:
        wrong = []
        for name in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
            got = await self.answer_to(post(json.dumps(good()).encode(name)))
            if statuses(got) not in ([200], [400]):
                wrong.append(f"{name}: {got[-200:]!r}")
        assert not wrong
        await self.still_well()

    async def test_wrong_types_everywhere(self) -> None:
        wrong: list[object] = [True, 7, 1.5, "", "x", [], [[]], [7], {}, {"x": 1}, "\0"]
        cases = [
            (f"{name}: {value!r}", post(encoded(**{name: value})))
            for name, right in RIGHT.items()
            for value in wrong
            # `True == 1`, and the like.
            if (type(value), repr(value)) not in [(type(its), repr(its)) for its in right]
            and (name, value) not in (("model", "x"), ("model", "\0"), ("stop", ""))
        ]
        await self.refused(cases, 400)
        for part in ("role", "content"):
            await self.refused(
                [
                    (f"{part}: {value!r}", post(encoded(messages=[{**HELLO, part: value}])))
                    for value in wrong
                    # A blank message is left out.
                    if not (part == "content" and value in ("x", "\0", "", []))
                ],
                400,
            )

    async def test_empty_everything(self) -> None:
        await self.refused(
            [
                ("{}", post(b"{}")),
                ("[]", post(b"[]")),
                ("null", post(b"null")),
                ("false", post(b"false")),
                ("0", post(b"0")),
                ('""', post(b'""')),
                *((name, post(encoded(**{name: None}))) for name in ("model", "messages")),
                ("no message", post(encoded(messages=[]))),
                ("a message of nothing", post(encoded(messages=[{}]))),
                ("no content", post(encoded(messages=[{"role": "user"}]))),
                ("no tool", post(encoded(tools=[{}]))),
            ],
            400,
        )

    # Odd characters and numbers

    async def odd(self, cases: Iterable[tuple[str, dict[str, Any]]], *allowed: int) -> None:
        wrong = []
        for name, changes in cases:
            got = await self.answer_to(post(encoded(**changes)))
            if (statuses(got) or [0])[0] not in allowed:
                wrong.append(f"{name}: {got[-300:]!r}")
        assert not wrong, "\n".join(wrong)
        await self.still_well()

    async def test_half_a_surrogate_pair(self) -> None:
        half = "a\ud800b"
        schema = {"type": "object", "properties": {half: {"type": "string"}}}
        await self.odd(
            [
                ("text", {"messages": [{"role": "user", "content": half}]}),
                ("system", {"messages": [{"role": "system", "content": half}, HELLO]}),
                ("schema", {"tools": function(schema)}),
                ("stop", {"stop": half}),
            ],
            200,
            400,
        )
        before = len(self.api.requests)
        await self.odd(
            [
                ("tool", {"tools": [{"type": "function", "function": {"name": half}}]}),
                ("format", {"response_format": {"type": half}}),
                ("effort", {"reasoning_effort": half}),
            ],
            400,
        )
        await self.odd([("model", {"model": half})], 404)
        assert len(self.api.requests) == before + 2

    async def test_half_a_surrogate_pair_never_reaches_the_api(self) -> None:
        got = await self.answer_to(
            post(encoded(messages=[{"role": "user", "content": "a\ud800b"}]))
        )
        refused = [one for one in self.api.requests if one.status == 400]
        assert statuses(got) in ([200], [400])
        assert refused == []

    async def test_nul(self) -> None:
        nul = "a\0b"
        schema = {"type": "object", "properties": {nul: {"type": "string"}}}
        await self.odd(
            [
                ("text", {"messages": [{"role": "user", "content": nul}]}),
                ("system", {"messages": [{"role": "system", "content": nul}, HELLO]}),
                ("schema", {"tools": function(schema)}),
                ("stop", {"stop": nul}),
            ],
            200,
        )
        texts = [text for _, text in conversation(self.api.requests[0].body)]
        assert texts == [nul]
        await self.refused([("model", post(encoded(model=nul)))], 404)

    async def test_huge_numbers(self) -> None:
        await self.odd(
            [
                ("seed", {"seed": 10**4000}),
                ("metadata", {"metadata": {"a": -(10**4000)}}),
                ("max_tokens", {"max_tokens": 10**4000}),
                ("max_tokens, 64 bits", {"max_tokens": 2**63}),
                ("schema", {"tools": function({"type": "object", "maxProperties": 10**400})}),
            ],
            200,
            400,
        )
        await self.refused(
            [
                (name, post(encoded(**{name: value})))
                for name in ("temperature", "top_p", "n", "presence_penalty", "top_logprobs")
                for value in (10**4000, -(10**4000), 1e308, -1e308)
            ],
            400,
        )

    # Long conversations

    async def test_ten_thousand_messages_of_one_role_are_one_turn(self) -> None:
        self.proxy = await self.start_proxy(body_limit=32_000_000)
        texts = [f"m{number}" for number in range(10_000)]
        answer = await self.ask(*({"role": "user", "content": text} for text in texts))
        assert answer.choices[0].message.content
        assert conversation(self.seen()) == [("user", "|".join(texts))]
        await self.still_well()

    async def test_three_hundred_turns_are_replayed(self) -> None:
        texts = [f"m{number}" for number in range(301)]
        answer = await self.ask(*texts)
        assert answer.choices[0].message.content
        assert [text for _, text in conversation(self.seen())] == texts
        await self.still_well()

    # How requests arrive

    async def test_a_body_that_does_not_come_is_not_waited_for(self) -> None:
        body = encoded()
        await self.refused(
            [
                ("length too long", head("POST", CHAT, JSON, "Content-Length: 999") + body),
                ("chunked, no end", chunked(body, end=b"")),
                ("chunk cut short", chunked(end=b"ff\r\n{")),
                ("half a head", b"POST /v1/chat/comp"),
                ("no end of the head", head("POST", CHAT, JSON)[:-2]),
            ],
            408,
        )

    async def test_a_body_that_does_not_come_is_refused_in_the_form_of_its_api(self) -> None:
        for path, wanted in ((CHAT, {"error"}), ("/v1/messages", {"type", "error"})):
            got = await self.answer_to(head("POST", path, JSON, "Content-Length: 999") + encoded())
            assert statuses(got) == [408]
            assert set(json.loads(got.partition(b"\r\n\r\n")[2])) == wanted

    async def test_a_body_cut_off_by_the_client_is_dropped(self) -> None:
        def use(talk: Talk) -> bytes:
            talk.say(head("POST", CHAT, JSON, "Content-Length: 999") + encoded())
            talk.half_close()
            return talk.rest()

        assert statuses(await self.talk(use)) in ([], [400], [408])

        def use_chunks(talk: Talk) -> bytes:
            talk.say(chunked(encoded(), end=b"ff\r\n{"))
            talk.half_close()
            return talk.rest()

        assert statuses(await self.talk(use_chunks)) in ([], [400], [408])
        assert not self.api.requests
        await self.still_well()

    async def test_what_follows_a_length_too_short_is_no_request(self) -> None:
        body = encoded()
        await self.refused(
            [("short", head("POST", CHAT, JSON, f"Content-Length: {len(body) - 5}") + body)], 400
        )

    async def test_lengths_that_cannot_be(self) -> None:
        body = encoded()
        length = f"Content-Length: {len(body)}"
        chunks = "Transfer-Encoding: chunked"
        await self.refused(
            [
                (repr(more), head("POST", CHAT, JSON, *more) + body)
                for more in (
                    ("Content-Length: -1",),
                    ("Content-Length: +5",),
                    ("Content-Length: 0x10",),
                    ("Content-Length: 1 1",),
                    ("Content-Length: ",),
                    (length, "Content-Length: 5"),
                    (length, length),
                    (f"{length}, 5",),
                    (length, chunks),
                    (chunks, length),
                    ("Transfer-Encoding: gzip",),
                    ("Transfer-Encoding: chunked, chunked",),
                    ("Transfer-Encoding: xchunked",),
                )
            ],
            0,
            400,
            413,
            501,
        )

    async def test_chunks_that_cannot_be(self) -> None:
        await self.refused(
            [
                (repr(end), chunked(end=end))
                for end in (
                    b"zz\r\n{}\r\n0\r\n\r\n",
                    b"-1\r\n{}\r\n0\r\n\r\n",
                    b"0x2\r\n{}\r\n0\r\n\r\n",
                    b"2\r\n{}xx0\r\n\r\n",
                    b"f" * 2000 + b"\r\n{}",
                    b"2;" + b"x" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
                )
            ],
            0,
            400,
        )

    async def test_heads_that_cannot_be(self) -> None:
        await self.refused(
            [
                ("no version", b"GET /health\r\n\r\n"),
                ("only white space", b"   \r\n\r\n"),
                ("binary", bytes(range(256)) + b"\r\n\r\n"),
                ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
                ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
                ("HTTP/9", head("GET", "/health", version="9.9")),
                ("no colon", head("GET", "/health", "nothing")),
                ("a space in a name", head("GET", "/health", "a b: c")),
                ("a name of nothing", head("GET", "/health", ": c")),
                ("NUL in a value", head("GET", "/health", "a: b\0c")),
                ("10,000 headers", head("GET", "/health", *(f"a{n}: b" for n in range(10_000)))),
                ("a header of 1 MB", head("GET", "/health", "a: " + "b" * 1_000_000)),
                ("a path of 1 MB", head("GET", "/" + "a" * 1_000_000)),
            ],
            0,
            400,
            404,
            413,
            414,
            431,
            505,
        )

    async def test_paths_that_are_not_served(self) -> None:
        paths = (
            *("/..", "/../../etc/passwd", "/v1/../v1/health/x", "/%2e%2e/%2e%2e/etc/passwd"),
            *("/%00", "/v1/%00", "/%", "/%zz", "//", "/v1/v1"),
            *("/" + "a" * 10_000, "/v1/chat"),
            *("/v1/models/" + "a" * 10_000, "/v1/models/%00", "/v1/models/.."),
            *("/v1/models/a/b/../c", "/v1/models/%F0%9F%98%80"),
        )
        await self.refused([(path, head("GET", path)) for path in paths], 400, 404)

    async def test_a_path_with_a_slash_or_a_prefix_too_many_is_served(self) -> None:
        for path in ("/v1//chat/completions", "/v1/chat/completions/", "/v1/v1/chat/completions"):
            got = await self.answer_to(post(encoded(), path=path))
            assert statuses(got) == [200], (path, got[:300])
        for base in ("/v1", "/v1/"):
            url = self.proxy.url + base
            page = await self.with_openai(lambda client: client.models.list(), url=url)
            assert page.data
        await self.still_well()

    async def test_a_path_that_is_not_utf_8(self) -> None:
        await self.refused(
            [(path, head("GET", path)) for path in ("/\xe9", "/%ff%fe", "/v1/models/%ff")], 400, 404
        )

    async def test_an_ambiguous_or_missing_host(self) -> None:
        body = encoded()
        length = f"Content-Length: {len(body)}"
        host, foreign = "Host: localhost", "Host: evil.example"
        page, other = "Origin: http://localhost:1", "Origin: https://evil.example"
        await self.refused(
            [
                (
                    repr(headers),
                    "\r\n".join([f"POST {CHAT} HTTP/1.1", *headers, JSON, length, "", ""]).encode()
                    + body,
                )
                for headers in (
                    (host, foreign),
                    (foreign, host),
                    (host, host),
                    (host, page, other),
                    (host, other, page),
                    (),
                )
            ],
            400,
        )
        old = f"POST {CHAT} HTTP/1.0\r\n{JSON}\r\n{length}\r\n\r\n".encode() + body
        assert statuses(await self.answer_to(old)) == [200]

    async def test_a_header_that_is_not_utf_8(self) -> None:
        body, length = encoded(), f"Content-Length: {len(encoded())}"
        await self.refused(
            [("type", head("POST", CHAT, length, "Content-Type: \xff") + body)], 400, 415
        )

    async def test_a_length_of_5000_digits(self) -> None:
        sent = head("POST", CHAT, JSON, "Content-Length: " + "9" * 5000) + encoded()
        await self.refused([("length", sent)], 0, 400, 413)

    async def test_methods(self) -> None:
        await self.refused([("GET", head("GET", CHAT)), ("HEAD", head("HEAD", CHAT))], 405)
        await self.refused(
            [
                (method, head(method, path))
                for method in ("PUT", "DELETE", "PATCH", "TRACE", "BREW", "X" * 1000)
                for path in (CHAT, "/health")
            ],
            405,
        )
        await self.refused([("CONNECT", head("CONNECT", "a:1"))], 400, 404, 405)
        assert statuses(await self.answer_to(head("OPTIONS", CHAT))) == [204]
        assert statuses(await self.answer_to(head("OPTIONS", "*"))) == [204]
        for path in ("/health", "/v1/models", "/openapi.json", "/metrics"):
            got = await self.answer_to(head("HEAD", path))
            assert statuses(got) == [200]
            assert got.endswith(b"\r\n\r\n")

    async def test_types_of_content(self) -> None:
        body = encoded()
        length = f"Content-Length: {len(body)}"
        await self.refused(
            [
                (repr(more), head("POST", CHAT, length, *more) + body)
                for more in (
                    (),
                    ("Content-Type: text/plain",),
                    ("Content-Type: ",),
                    ("Content-Type: application/x-www-form-urlencoded",),
                    ("Content-Type: multipart/form-data; boundary=x",),
                )
            ],
            415,
        )

    async def test_a_client_that_half_closes_gets_its_answer_or_none(self) -> None:
        def use(talk: Talk) -> bytes:
            talk.say(post(encoded(), "Connection: close"))
            talk.half_close()
            return talk.rest()

        assert statuses(await self.talk(use)) in ([200], [])
        await self.still_well()

    async def test_a_client_that_goes_away_at_once(self) -> None:
        for sent in (post(encoded()), post(encoded(stream=True)), b"", b"POST", post(b"{}")):

            def use(talk: Talk, sent: bytes = sent) -> bytes:
                talk.say(sent)
                return b""

            await self.talk(use)
        await self.still_well()

    async def test_requests_in_a_row_are_answered_in_their_order(self) -> None:
        # Both reach max_tokens, and no answer of the real API comes all at once.
        def use(talk: Talk) -> bytes:
            talk.say(
                post(encoded(messages=[{"role": "user", "content": "SLOW:0.02 one"}]))
                + post(b"{}")
                + head("GET", "/health")
                + post(encoded(messages=[{"role": "user", "content": "SLOW:0.02 two"}]))
                + head("GET", "/nowhere", "Connection: close")
            )
            return talk.rest()

        got = await self.talk(use)
        assert statuses(got) == [200, 400, 200, 200, 404], got[-500:]
        # What the CLI asks after max_tokens has no messages, and is refused.
        answered = [one for one in self.api.requests if one.status == 200]
        assert [conversation(one.body)[-1][1] for one in answered] == [
            "SLOW:0.02 one",
            "SLOW:0.02 two",
        ]
        await self.still_well()

    async def test_http_1_0(self) -> None:
        def use(talk: Talk) -> bytes:
            body = encoded(stream=True)
            sent = head("POST", CHAT, JSON, f"Content-Length: {len(body)}", version="1.0")
            talk.say(sent + body)
            return talk.rest()

        got = await self.talk(use)
        assert statuses(got) == [200]
        assert b"chunked" not in got.lower().partition(b"\r\n\r\n")[0]
        assert got.endswith(b"data: [DONE]\n\n")
        body = b"GET /health HTTP/1.0\r\n\r\n"
        assert statuses(await self.answer_to(body)) == [200]
        await self.still_well()
