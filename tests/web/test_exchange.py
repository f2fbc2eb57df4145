"""An exchange on a real Site over an in-memory connection, with a clock and a scripted pool."""

from __future__ import annotations

import json
import re
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from claudeproxy.catalogue import Catalogue, Model, ModelMemory
from claudeproxy.cli.notices import RateLimitEvent
from claudeproxy.conversation import Conversation
from claudeproxy.dialects.responses.request import Responses
from claudeproxy.dialects.responses.store import ResponseStore
from claudeproxy.errors import (
    APIError,
    model_refused,
    rate_limited,
    unavailable,
    usage_limit_reached,
)
from claudeproxy.events import Event, Failed, Finished, Started, TextDelta, Usage
from claudeproxy.metrics import Metrics
from claudeproxy.pool.plan_watch import PlanWatch
from claudeproxy.structured.output import StructuredOutput
from claudeproxy.structured.ways import Choice, Ways
from claudeproxy.web.access import Access
from claudeproxy.web.app import App
from claudeproxy.web.connections import Connections
from claudeproxy.web.exchange import Timeouts
from claudeproxy.web.guard import guarded_request
from claudeproxy.web.site import ProxySite

from .status_page import a_status_page
from .transport import Transport


class FakeJob:
    reuse = "spawned"
    left_out: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.did: list[str] = []

    def cancel(self, reason: str) -> None:
        self.did.append(f"cancel: {reason}")

    def pauseProducing(self) -> None:
        self.did.append("pause")

    def resumeProducing(self) -> None:
        self.did.append("resume")


class FakePool:
    """Starts jobs that say what the test tells them to."""

    def __init__(self) -> None:
        self.conversations: list[Conversation] = []
        self.jobs: list[FakeJob] = []
        self.listeners: list[Any] = []
        # How many more jobs there is room for, and whether they fail while they are started.
        self.room = 100
        self.full: Exception = rate_limited("Full.", 5)
        self.fails: list[APIError] = []
        self.plan = PlanWatch(Clock(), lambda: False)

    def start(self, conversation: Conversation, listener: Any) -> FakeJob:
        if len(self.jobs) >= self.room:
            raise self.full
        self.conversations.append(conversation)
        self.jobs.append(FakeJob())
        self.listeners.append(listener)
        if self.fails:
            self.say(Failed(self.fails.pop()))
        return self.jobs[-1]

    def say(self, *events: Event, job: int = -1) -> None:
        self.listeners[job].received(list(events))

    def did(self) -> list[list[str]]:
        return [job.did for job in self.jobs]


class ExchangeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.pool = FakePool()
        self.metrics = Metrics()

        self.memory = memory = ModelMemory(self.clock.seconds)

        async def catalogue() -> Catalogue:
            return Catalogue([Model("sonnet", "claude-sonnet-9")], {}, memory)

        self.app = App(
            clock=self.clock,
            pool=self.pool,  # type: ignore[arg-type]
            structured=StructuredOutput(
                self.pool, Ways(Choice.AUTO, self.clock.seconds), Metrics(), retry=True
            ),
            catalogue=catalogue,
            about=dict,
            readiness=dict,
            metrics=bytes,
            timeouts=Timeouts(first_token=60, stall=30, total=300, hold_head=10, keepalive=15),
            responses=Responses(ResponseStore(self.clock.seconds, 10, 60)),
            status=a_status_page(self.clock),
        )
        requests = guarded_request(1000, Access, lambda path: ["POST"])
        site = ProxySite(self.app, self.clock, requests, self.metrics)
        connections = Connections(self.clock, site, request_timeout=20)
        connections.doStart()
        self.addCleanup(connections.doStop)
        self.channel: Any = connections.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        self.transport = Transport()
        self.transport.abortConnection = self.transport.loseConnection  # type: ignore[method-assign]
        self.channel.makeConnection(self.transport)
        # A request that nobody ends would be ended while another test runs, as garbage.
        self.over = False
        self.addCleanup(self.end)

    def end(self) -> None:
        if not self.over:
            self.gone()

    def post(self, **more: Any) -> None:
        body = {"model": "sonnet", "messages": [{"role": "user", "content": "hi"}], **more}
        self.send(json.dumps(body).encode())

    def send(self, content: bytes, header: bytes = b"", path: bytes = b"chat/completions") -> None:
        self.channel.dataReceived(
            b"POST /v1/%s HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\n"
            % path
            + header
            + b"Content-Length: %d\r\n\r\n%s" % (len(content), content)
        )

    def sent(self) -> bytes:
        """All that the client got since it was last asked."""
        self.clock.advance(0)
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def gone(self) -> None:
        self.over = True
        self.channel.connectionLost(Failure(ConnectionError()))

    def timers(self) -> int:
        """Timers of the exchange; the site has one for its log's date."""
        return len(self.clock.getDelayedCalls())

    # Models that the CLI does not list

    def test_a_model_that_the_api_does_not_know_is_not_asked_for_again(self) -> None:
        self.post(model="claude-x")
        self.pool.say(Failed(model_refused("claude-x")))
        assert self.sent().startswith(b"HTTP/1.1 404 ")
        self.post(model="claude-x", stream=True)
        assert self.sent().startswith(b"HTTP/1.1 404 ")
        assert len(self.pool.jobs) == 1
        self.clock.advance(600)
        assert self.memory.refusal("claude-x") is None

    def test_only_such_a_model_is_remembered_as_refused(self) -> None:
        for model, error in (
            ("sonnet", model_refused("sonnet")),
            ("claude-x", rate_limited("Later.", 90)),
        ):
            self.post(model=model)
            self.pool.say(Failed(error))
            self.sent()
            assert self.memory.refusal(model) is None
            assert not self.memory.is_accepted(model)

    def test_a_model_that_has_answered_is_remembered(self) -> None:
        self.post(model="claude-x", stream=True)
        self.pool.say(Started("claude-x"), TextDelta("a"))
        assert not self.memory.is_accepted("claude-x")
        self.pool.say(Finished("stop", Usage()))
        self.sent()
        assert self.memory.is_accepted("claude-x")

    # Heads

    def test_nothing_is_sent_before_the_answer_begins(self) -> None:
        self.post(stream=True)
        assert self.sent() == b""
        self.pool.say(Started("m"))
        assert self.sent().startswith(b"HTTP/1.1 200 OK\r\n")

    def post_message(self, **more: Any) -> None:
        """Ask Anthropic's API."""
        body = {"model": "sonnet", "messages": [{"role": "user", "content": "hi"}], **more}
        self.send(json.dumps({**body, "max_tokens": 9}).encode(), path=b"messages")

    def limits(self, status: str) -> None:
        info = {"status": status, "rateLimitType": "five_hour", "resetsAt": 99}
        self.pool.plan.received(RateLimitEvent(info))

    def test_answers_of_messages_have_the_limits_of_the_plan_as_they_are_then(self) -> None:
        for stream in (False, True):
            self.limits("rejected")
            self.post_message(stream=stream)
            self.limits("allowed_warning")
            self.pool.say(Started("m"), TextDelta("a"), Finished("stop", Usage()))
            head = self.sent().partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
            assert b"anthropic-ratelimit-unified-status: allowed_warning" in head
            assert b"anthropic-ratelimit-unified-5h-reset: 99" in head

    def test_other_answers_do_not(self) -> None:
        self.limits("allowed")
        self.post()
        self.pool.say(Started("m"), TextDelta("a"), Finished("stop", Usage()))
        assert b"ratelimit" not in self.sent().lower()

    def test_an_error_says_itself_that_the_limit_is_reached(self) -> None:
        self.limits("allowed_warning")
        self.post_message()
        self.pool.say(Failed(usage_limit_reached("x", 5000, 0, "seven_day")))
        head = self.sent().partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
        told = [line.rpartition(b"unified-")[2] for line in head if b"unified-" in line]
        assert set(told) == {
            b"status: rejected",
            b"reset: 5000",
            b"representative-claim: seven_day",
            b"5h-status: allowed_warning",
            b"5h-reset: 99",
        }

    def test_the_events_of_one_read_are_one_write(self) -> None:
        self.post(stream=True)
        self.pool.say(Started("m"))
        self.sent()
        self.pool.say(TextDelta("a"), TextDelta("b"))
        chunk = self.sent()
        size, _, rest = chunk.partition(b"\r\n")
        assert len(rest) == int(size, 16) + 2
        assert rest.count(b"data: ") == 2

    def test_a_failure_before_the_answer_has_its_own_status(self) -> None:
        for stream in (True, False):
            self.post(stream=stream)
            self.pool.say(Failed(rate_limited("Later.", 90)))
            response = self.sent()
            assert response.startswith(b"HTTP/1.1 429 ")
            assert b"Retry-After: 90\r\n" in response
            assert b'"message": "Later."' in response

    def test_a_failure_after_the_beginning_is_an_error_frame(self) -> None:
        self.post(stream=True)
        self.pool.say(Started("m"), TextDelta("par"))
        self.sent()
        self.pool.say(TextDelta("t"), Failed(unavailable("Gone.")))
        ending = self.sent()
        assert ending.index(b'"content":"t"') < ending.index(b'data: {"error": {"message": "Gone."')
        assert b"[DONE]" not in ending
        assert ending.endswith(b"0\r\n\r\n")

    def test_a_whole_answer_that_fails_halfway_has_a_status_too(self) -> None:
        self.post()
        self.pool.say(Started("m"), TextDelta("par"))
        self.pool.say(Failed(unavailable("Gone.")))
        assert self.sent().startswith(b"HTTP/1.1 503 ")

    def test_a_whole_answer_has_a_content_length(self) -> None:
        self.post()
        self.pool.say(Started("m"), TextDelta("hi"), Finished("stop", Usage()))
        head, _, body = self.sent().partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % len(body) in head
        assert json.loads(body)["choices"][0]["message"]["content"] == "hi"

    def test_nothing_is_left_when_it_is_done(self) -> None:
        before = self.timers()
        for stream in (True, False):
            self.post(stream=stream)
            self.pool.say(Started("m"), Finished("stop", Usage()))
            self.sent()
        # The idle timeout of the connection is Twisted's.
        assert self.timers() == before
        assert [job.did for job in self.pool.jobs] == [[], []]

    def test_the_headers_have_the_processing_time(self) -> None:
        self.post(stream=True)
        self.clock.advance(1.2345)
        self.pool.say(Started("m"))
        self.clock.advance(5)
        self.pool.say(TextDelta("x"), Finished("stop", Usage()))
        assert b"\r\nOpenai-Processing-Ms: 1234\r\n" in self.sent()
        self.post()
        self.clock.advance(2)
        self.pool.say(Failed(unavailable("Gone.")))
        assert b"\r\nOpenai-Processing-Ms: 2000\r\n" in self.sent()

    def test_a_clock_that_is_set_back_makes_no_negative_time(self) -> None:
        self.post()
        self.clock.rightNow -= 3600
        self.pool.say(Failed(unavailable("Gone.")))
        assert b"\r\nOpenai-Processing-Ms: 0\r\n" in self.sent()

    def test_the_log_has_the_servers_id_and_the_clients(self) -> None:
        lines = []
        for header in (b"", b"x-request-id: mine-1\r\n", b"x-request-id: {secret}\r\n"):
            with capturedLogs() as events:
                self.send(b"{", header)
                self.sent()
            lines += [formatEvent(event) for event in events if "fields" in event]
        ours = "POST /v1/chat/completions 400 req_[0-9a-f]{32}"
        for line, theirs in zip(lines, ("", " client_id=mine-1", ""), strict=True):
            assert re.fullmatch(f"{ours}{theirs} seconds=0.000 error=invalid_request", line), line

    # Silence

    def test_a_silent_stream_gets_its_headers_and_then_comments(self) -> None:
        self.post(stream=True)
        self.clock.advance(9.9)
        assert self.sent() == b""
        self.clock.advance(0.2)
        held = self.sent()
        assert held.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b": keep-alive\n\n" in held
        self.clock.advance(15)
        assert self.sent().count(b": keep-alive\n\n") == 1
        self.pool.say(Started("m"), TextDelta("x"))
        self.sent()
        self.clock.advance(14)
        assert self.sent() == b""

    def test_no_first_event_is_a_504(self) -> None:
        self.post()
        self.clock.advance(60)
        assert self.sent().startswith(b"HTTP/1.1 504 ")
        assert self.pool.jobs[0].did == ["cancel: no events in time"]

    def test_a_stall_ends_a_stream_with_an_error(self) -> None:
        self.post(stream=True)
        self.pool.say(Started("m"), TextDelta("x"))
        for _ in range(3):
            self.clock.advance(29)
            self.pool.say(TextDelta("x"))
        self.sent()
        self.clock.advance(30)
        assert b"No answer came in time" in self.sent()
        assert self.pool.jobs[0].did == ["cancel: no events in time"]

    def test_an_answer_without_end_hits_the_total_timeout(self) -> None:
        self.post(stream=True)
        self.pool.say(Started("m"))
        for _ in range(15):
            self.clock.advance(20)
            self.pool.say(TextDelta("x"))
        assert b"The answer took too long" in self.sent()
        assert self.pool.jobs[0].did == ["cancel: total timeout"]

    # Clients

    def test_a_client_that_goes_away_cancels_the_job(self) -> None:
        before = self.timers()
        self.post(stream=True)
        self.pool.say(Started("m"), TextDelta("x"))
        self.gone()
        assert self.pool.jobs[0].did == ["cancel: the client disconnected"]
        assert self.timers() <= before

    def test_a_client_that_goes_away_before_the_answer_cancels_the_job_too(self) -> None:
        self.post()
        self.gone()
        assert self.pool.jobs[0].did == ["cancel: the client disconnected"]

    def test_a_client_that_stops_reading_is_disconnected(self) -> None:
        self.post(stream=True)
        self.pool.say(Started("m"), TextDelta("x"))
        self.clock.advance(0)
        self.transport.producer.pauseProducing()  # type: ignore[union-attr]
        self.clock.advance(31)
        assert self.pool.jobs[0].did == ["pause", "cancel: the client does not read"]
        assert self.transport.disconnecting

    def test_a_slow_reader_pauses_the_worker_and_is_not_a_stall(self) -> None:
        self.post(stream=True)
        self.pool.say(Started("m"), TextDelta("x"))
        self.clock.advance(0)
        producer: Any = self.transport.producer
        producer.pauseProducing()
        self.clock.advance(29)
        assert self.pool.jobs[0].did == ["pause"]
        producer.resumeProducing()
        assert self.pool.jobs[0].did == ["pause", "resume"]
        self.clock.advance(29)
        assert self.pool.jobs[0].did == ["pause", "resume"]

    def test_an_internal_error_is_reported_and_ends_the_job(self) -> None:
        self.post(stream=True)
        self.pool.say(Started("m"))
        self.pool.say(TextDelta(object()))  # type: ignore[arg-type]
        assert b"see its log" in self.sent()
        assert self.pool.jobs[0].did == ["cancel: internal error"]
        assert len(self.flushLoggedErrors(TypeError)) == 1

    # Choices

    def test_each_choice_is_a_job_of_its_own_and_the_last_one_ends_the_response(self) -> None:
        self.post(n=2)
        assert len(self.pool.conversations) == 2
        assert self.pool.conversations[0] == self.pool.conversations[1]
        self.pool.say(Started("m"), TextDelta("b"), Finished("stop", Usage(1, 0, 0, 2)), job=1)
        assert self.sent() == b""
        self.pool.say(Started("m"), TextDelta("a"), job=0)
        self.pool.say(Finished("stop", Usage(1, 0, 0, 3)), job=0)
        head, _, body = self.sent().partition(b"\r\n\r\n")
        assert b"X-Claudeproxy-Worker: spawned, spawned" in head
        choices = json.loads(body)["choices"]
        assert [choice["message"]["content"] for choice in choices] == ["a", "b"]
        assert self.pool.did() == [[], []]

    def test_choices_are_streamed_side_by_side(self) -> None:
        self.post(stream=True, n=2)
        self.pool.say(Started("m"), TextDelta("b"), job=1)
        assert b'"index":1' in self.sent()
        self.pool.say(Started("m"), TextDelta("a"), Finished("stop", Usage()), job=0)
        first = self.sent()
        assert b'"index":0' in first
        assert b"[DONE]" not in first
        self.pool.say(Finished("stop", Usage()), job=1)
        assert b"[DONE]" in self.sent()

    def test_a_choice_that_fails_ends_the_others(self) -> None:
        self.post(n=3)
        self.pool.say(Started("m"), TextDelta("a"), job=0)
        self.pool.say(Failed(unavailable("Gone.")), job=1)
        assert self.sent().startswith(b"HTTP/1.1 503 ")
        ended = ["cancel: another choice failed"]
        assert self.pool.did() == [ended, [], ended]
        self.pool.say(TextDelta("b"), Finished("stop", Usage()), job=0)
        assert self.sent() == b""

    def test_a_rejected_choice_cancels_the_others(self) -> None:
        before = self.timers()
        self.pool.room = 2
        self.post(n=3)
        assert self.sent().startswith(b"HTTP/1.1 429 ")
        assert self.pool.did() == [["cancel: another choice was rejected"]] * 2
        assert self.timers() <= before

    def test_an_internal_error_at_the_beginning_cancels_all_choices(self) -> None:
        before = self.timers()
        self.pool.room, self.pool.full = 2, RuntimeError("A fault.")
        self.post(n=3)
        assert self.sent().startswith(b"HTTP/1.1 500 ")
        assert self.pool.did() == [["cancel: internal error"]] * 2
        assert self.timers() <= before
        for job in (0, 1):
            self.pool.say(Started("m"), TextDelta("late"), Finished("stop", Usage()), job=job)
        assert self.sent() == b""
        (failure,) = self.flushLoggedErrors(RuntimeError)
        assert failure.getErrorMessage() == "A fault."

    def test_a_client_that_goes_away_ends_all_choices(self) -> None:
        self.post(stream=True, n=2)
        self.pool.say(Started("m"), job=0)
        self.gone()
        assert self.pool.did() == [["cancel: the client disconnected"]] * 2

    def test_a_slow_reader_pauses_all_choices(self) -> None:
        self.post(stream=True, n=2)
        self.pool.say(Started("m"), job=0)
        self.clock.advance(0)
        producer: Any = self.transport.producer
        producer.pauseProducing()
        producer.resumeProducing()
        assert self.pool.did() == [["pause", "resume"]] * 2

    def test_the_error_of_a_job_that_fails_at_once_is_sent(self) -> None:
        self.pool.fails.append(unavailable("Gone."))
        self.post()
        assert self.sent().startswith(b"HTTP/1.1 503 ")

    def test_after_a_choice_that_fails_at_once_no_other_is_begun(self) -> None:
        self.pool.fails.append(unavailable("Gone."))
        self.post(n=2)
        assert self.sent().startswith(b"HTTP/1.1 503 ")
        assert len(self.pool.jobs) == 1

    # Bodies

    def test_a_body_over_the_limit_is_refused(self) -> None:
        self.send(b"x" * 1001)
        assert self.sent().startswith(b"HTTP/1.1 413 ")

    def test_a_body_over_the_limit_that_did_not_tell_is_read_and_refused(self) -> None:
        head = (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        self.channel.dataReceived(head + b"fa0\r\n" + b"x" * 4000 + b"\r\n")
        assert self.sent() == b""
        self.channel.dataReceived(b"0\r\n\r\n")
        assert self.sent().startswith(b"HTTP/1.1 413 ")
        assert not self.transport.disconnecting
        self.channel.dataReceived(head + b"fa1\r\n" + b"x" * 4001)
        assert self.sent() == b""
        assert self.transport.disconnecting

    def test_stopping_refuses_new_ones_and_waits_for_old_ones(self) -> None:
        self.post(stream=True)
        drained = self.app.drain()
        self.assertNoResult(drained)
        self.pool.say(Started("m"), Finished("stop", Usage()))
        self.sent()
        self.successResultOf(drained)
        self.post()
        refused = self.sent()
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 5\r\n" in refused

    def test_a_server_that_nobody_asks_does_nothing(self) -> None:
        # The connection has one, after which it is closed.
        [call] = self.clock.getDelayedCalls()
        assert call.getTime() >= 60
