"""Sends an answer step by step, with its delays and with flow control.

The caller must cancel the coroutine when the connection is lost. This ends every wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import deferLater
from zope.interface import implementer

from .answer import Refusal, Step, sse


if TYPE_CHECKING:
    from collections.abc import Iterable

    from twisted.internet.interfaces import IReactorTime
    from twisted.web.server import Request

DROP_DELAY = 0.1
"""Seconds between the last piece and the break, so that the client has seen the piece."""


@implementer(IPushProducer)
@define(eq=False)
class Flow:
    """Holds a stream back while the client does not read."""

    _held: Deferred[None] | None = None

    def pauseProducing(self) -> None:
        """The transport has enough for now."""
        self._held = self._held or Deferred()

    def resumeProducing(self) -> None:
        """The transport wants more."""
        held, self._held = self._held, None
        if held is not None:
            held.callback(None)

    def stopProducing(self) -> None:
        """The connection is gone.  The request says so too, and that ends the answer."""

    async def ready(self) -> None:
        """Waits until the transport wants more."""
        if self._held is not None:
            await self._held


async def stream(request: Request, steps: Iterable[Step], clock: IReactorTime) -> None:
    """Sends the steps, each event in a write of its own, and meets the fault if there's one."""
    flow = Flow()
    request.registerProducer(flow, True)
    try:
        for step in steps:
            await sleep(clock, step.delay)
            await flow.ready()
            if step.fault in ("drop", "stall"):
                await _fail(request, step, clock)
            request.write(sse(step.event))
    finally:
        # A connection that is gone has let go of its producer already.
        if request.channel is not None:
            request.unregisterProducer()


async def silently(request: Request, steps: Iterable[Step], clock: IReactorTime) -> Refusal | None:
    """Waits for the total time of the steps, before an answer that is sent as a whole.

    Returns a refusal where a stream would have an ``error`` event.
    """
    steps = list(steps)
    await sleep(clock, sum(step.delay for step in steps))
    last = steps[-1]
    if last.fault in ("drop", "stall"):
        await _fail(request, last, clock)
    return Refusal(529, "Overloaded") if last.fault == "error" else None


async def sleep(clock: IReactorTime, seconds: float) -> None:
    """Waits on the clock; not at all for 0."""
    if seconds > 0:
        await deferLater(clock, seconds, lambda: None)


def abort(request: Request) -> None:
    """Breaks the connection off, without sending what is still on its way."""
    transport: Any = request.transport
    if request.channel is not None:
        transport.abortConnection()


async def _fail(request: Request, step: Step, clock: IReactorTime) -> NoReturn:
    if step.fault == "drop":
        await sleep(clock, DROP_DELAY)
        # In the middle of a chunked body, so the client cannot take it for the end.
        request.loseConnection()
    # Waits for the end of the connection, which cancels this.
    await Deferred[None]()
    raise AssertionError
