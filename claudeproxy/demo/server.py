"""The demo API over HTTP: checks each request, answers it as the script says, and records it.

Every delay is the clock's, and ends with the connection that it was for.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen
from klein import Klein
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from werkzeug.exceptions import HTTPException, NotFound

from . import answer, exchange, limits, script
from .delivery import abort, silently, sleep, stream
from .prompt_cache import PromptCache, input_tokens
from .received import Outcome, Received


if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure
    from twisted.web.server import Request

KEPT_REQUESTS = 1000

_MESSAGES = "/v1/messages"


@frozen(eq=False)
class InFlight:
    """A request that is being answered."""

    request: Request
    received: Received
    task: Deferred[bytes | None]

    def end(self, outcome: Outcome) -> None:
        """The answer is over: whatever it still waits for is not waited for."""
        self.received.end(outcome)
        self.task.cancel()


# With slots, Klein could not keep the app that is bound to an instance in it.
@define(eq=False, slots=False)
class DemoAPI:
    """The API.  ``requests`` are the latest that came, the oldest first.

    With a ``key`` it takes no other one, keeps no request, and tells nobody what came.  ``now`` is
    the time since the epoch, in seconds.
    """

    app = Klein()
    _log = Logger()

    clock: IReactorTime
    key: str = ""
    now: Callable[[], float] = field()
    requests: deque[Received] = field(factory=lambda: deque(maxlen=KEPT_REQUESTS))
    _cache: PromptCache = field(factory=PromptCache, init=False)
    _count: int = field(default=0, init=False)
    _in_flight: list[InFlight] = field(factory=list, init=False)
    _seen: set[str] = field(factory=set, init=False)
    _waiting: list[tuple[int, Deferred[list[Received]]]] = field(factory=list, init=False)

    @now.default
    def _clocks_own(self) -> Callable[[], float]:
        return self.clock.seconds

    def received(self, n: int = 1) -> Deferred[list[Received]]:
        """Fires with the ``/v1/messages`` requests, once ``requests`` holds ``n`` of them."""
        done: Deferred[list[Received]] = Deferred()
        self._waiting.append((n, done))
        self._tell()
        return done

    def stop(self) -> None:
        """Breaks off every answer that has not ended: its connection and its timers."""
        in_flight, self._in_flight = self._in_flight, []
        for one in in_flight:
            one.end("disconnected")
            abort(one.request)

    @app.route(_MESSAGES, methods=["POST"])
    def _post_messages(self, request: Request) -> Deferred[bytes | None]:
        received = self._record(request)
        return self._run(request, received, self._message(request, received))

    @app.route(f"{_MESSAGES}/count_tokens", methods=["POST"])
    def _post_count_tokens(self, request: Request) -> Deferred[bytes | None]:
        received = self._record(request)
        return self._run(request, received, self._counted(request, received))

    @app.route("/", methods=["HEAD"])
    def _head(self, request: Request) -> bytes:
        return b""

    @app.route("/requests", methods=["GET"])
    def _list(self, request: Request) -> bytes:
        self._only_without_a_key()
        return exchange.send_json(request, [received.listing() for received in self.requests])

    @app.route("/requests", methods=["DELETE"])
    def _clear(self, request: Request) -> bytes:
        self._only_without_a_key()
        self.requests.clear()
        request.setResponseCode(204)
        return b""

    @app.handle_errors(HTTPException)
    def _unknown(self, request: Any, failure: Failure) -> Deferred[bytes | None]:
        received = self._record(request)
        return self._run(request, received, self._not_found(request, received))

    @app.handle_errors(Exception)
    def _broken(self, request: Any, failure: Failure) -> bytes | Deferred[bytes]:
        self._log.failure("The demo API failed", failure)
        if request.startedWriting:
            # Not a byte of an error page may get into a stream.
            abort(request)
            return Deferred()
        request.setResponseCode(500)
        return exchange.send_json(
            request, answer.error(500, "Internal server error", exchange.new_id("req_"))
        )

    async def _message(self, request: Request, received: Received) -> bytes | None:
        try:
            body = exchange.checked(received, self.key, counting=False)
        except exchange.RefusedError as error:
            return exchange.refuse(request, received, error.refusal)
        key = script.once_key(body)
        now = self.now()
        use = self._cache.look_up(body, now)
        plan = script.plan(body, now=now, first_time=key not in self._seen, use=use)
        if key is not None:
            self._seen.add(key)
        await sleep(self.clock, plan.wait)
        outcome = plan.outcome
        if isinstance(outcome, answer.Refusal):
            return exchange.refuse(request, received, outcome)
        self._cache.remember(use)
        received.usage = outcome.usage
        steps = answer.steps(outcome, body["model"], exchange.new_id)
        if body.get("stream"):
            self._accept(request, received, warning=plan.warning)
            request.setHeader(b"content-type", b"text/event-stream; charset=utf-8")
            request.setHeader(b"cache-control", b"no-cache")
            await stream(request, steps, self.clock)
            return None
        refusal = await silently(request, steps, self.clock)
        if refusal is not None:
            return exchange.refuse(request, received, refusal)
        self._accept(request, received, warning=plan.warning)
        return exchange.send_json(request, answer.message(outcome, body["model"], exchange.new_id))

    async def _counted(self, request: Request, received: Received) -> bytes:
        try:
            body = exchange.checked(received, self.key, counting=True)
        except exchange.RefusedError as error:
            return exchange.refuse(request, received, error.refusal)
        self._accept(request, received, warning=False)
        return exchange.send_json(request, {"input_tokens": input_tokens(body)})

    async def _not_found(self, request: Request, received: Received) -> bytes:
        return exchange.refuse(request, received, answer.Refusal(404, "Not found"))

    def _accept(self, request: Request, received: Received, *, warning: bool) -> None:
        """The status and headers of a success."""
        received.status = 200
        headers = {"request-id": exchange.new_id("req_")}
        if "authorization" in received.headers:
            headers |= limits.allowed_headers(self.now(), warning=warning)
        exchange.set_headers(request, headers)

    def _record(self, request: Request) -> Received:
        self._count += 1
        received = exchange.read(self._count, request)
        if not self.key:
            self.requests.append(received)
            self._tell()
        return received

    def _only_without_a_key(self) -> None:
        if self.key:
            raise NotFound

    def _tell(self) -> None:
        """Fires the Deferreds of ``received`` that have enough."""
        messages = [one for one in self.requests if one.path == _MESSAGES]
        waiting, self._waiting = self._waiting, []
        for n, done in waiting:
            if done.called:
                continue
            if len(messages) >= n:
                done.callback(messages)
            else:
                self._waiting.append((n, done))

    def _run(
        self,
        request: Request,
        received: Received,
        work: Coroutine[Deferred[Any], Any, bytes | None],
    ) -> Deferred[bytes | None]:
        """Runs an answer so that it ends with its connection.

        What this gives to Klein does not fire if the answer was broken off: Klein would write an
        error page where there's nothing more to say.
        """
        task = Deferred.fromCoroutine(work)
        one = InFlight(request, received, task)
        self._in_flight.append(one)

        def ended(outcome: Outcome) -> None:
            if one in self._in_flight:
                self._in_flight.remove(one)
            one.end(outcome)

        request.notifyFinish().addCallbacks(
            lambda _: ended("complete" if received.status == 200 else "refused"),
            lambda _: ended("disconnected"),
        )
        result: Deferred[bytes | None] = Deferred()
        task.addCallbacks(
            result.callback,
            lambda failure: None if failure.check(CancelledError) else result.errback(failure),
        )
        return result
