"""The server-sent events by which an open status page is kept up to date.

All pages get the same events, which are made once a second. While no page is open, no timer runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from ...errors import rate_limited, unavailable
from ...timers import Timers
from ..respond import send_stream_head
from .history import MINUTE
from .view import View


# How often it is looked for changes, and how often the plots are made at most, in seconds.
TICK = 1.0
PLOTS = 5.0
# When a comment is sent for want of changes, and when a stream ends: a page that is still looked
# at asks again.
KEEPALIVE = 15.0
LONGEST = 600.0
# How many streams there may be at once.
MOST = 16


@implementer(IPushProducer)
@attrs.define(eq=False)
class Stream:
    """The stream of one page. behind: it has missed an event because the client read slowly."""

    request: Any
    ended: Deferred[None] = attrs.field(factory=Deferred)
    paused: bool = False
    behind: bool = False

    def pauseProducing(self) -> None:
        """The client reads slowly."""
        self.paused = True

    def resumeProducing(self) -> None:
        """The client has caught up."""
        self.paused = False

    def stopProducing(self) -> None:
        """Do nothing: `Streams.run` is cancelled when the client disconnects."""

    def end(self) -> None:
        """Say that the stream ends here, and end it."""
        if not self.ended.called:
            if not self.paused:
                self.request.write(_frame("end", {}))
            self.ended.callback(None)


class Streams:
    """All open streams. It owns them and their timers, until `stop`."""

    def __init__(self, clock: Any, view: View) -> None:
        """clock: Twisted's IReactorTime."""
        self._seconds = clock.seconds
        self._view = view
        self._timers = Timers(clock)
        self._streams: list[Stream] = []
        self._stopped = False
        # What the pages have: the parts, the newest request, and the plots of which state.
        self._parts: dict[str, Any] = {}
        self._count = 0
        self._plotted: tuple[int, int] = (0, 0)
        self._plotted_at = 0.0
        self._wrote_at = 0.0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._streams)

    async def run(self, request: Any) -> None:
        """Stream to a page until the time is over; cancelled if the client disconnects.

        Raises APIError if there are too many, or the server stops.
        """
        if self._stopped:
            raise unavailable("The server is stopping.", retry_after=5)
        if len(self._streams) >= MOST:
            raise rate_limited("Too many status pages are open.", retry_after=60)
        stream, snapshot = Stream(request), self._snapshot()
        send_stream_head(request, "text/event-stream; charset=utf-8")
        request.registerProducer(stream, True)
        if not self._streams:
            self._remember()
            self._timers.start("tick", TICK, self._tick)
        self._streams.append(stream)
        self._timers.start(stream, LONGEST, stream.end)
        try:
            request.write(snapshot)
            await stream.ended
            request.unregisterProducer()
        finally:
            self._streams.remove(stream)
            self._timers.cancel(stream)
            if not self._streams:
                self._timers.cancel("tick")

    def stop(self) -> None:
        """Tell the pages that the server stops, and end all streams."""
        self._stopped = True
        if self._streams:
            self._send(self._changes())
        self._timers.close()
        for stream in list(self._streams):
            stream.end()

    def _tick(self) -> None:
        self._timers.start("tick", TICK, self._tick)
        changes = self._changes()
        if changes or self._seconds() - self._wrote_at >= KEEPALIVE:
            self._send(changes)

    def _send(self, changes: Mapping[str, Any]) -> None:
        """Send the changes, or a comment if there are none."""
        self._wrote_at = self._seconds()
        frame = _frame("update", changes) if changes else b": \n\n"
        for stream in list(self._streams):
            if stream.paused:
                stream.behind = True
            elif stream.behind:
                stream.behind = False
                stream.request.write(self._snapshot())
            else:
                stream.request.write(frame)

    def _snapshot(self) -> bytes:
        return _frame("snapshot", self._view.snapshot())

    def _remember(self) -> None:
        """Note what a page has that begins now."""
        self._wrote_at = self._plotted_at = self._seconds()
        self._parts, self._count = self._view.parts(), self._view.history.count
        self._plotted = self._newest()

    def _newest(self) -> tuple[int, int]:
        """What the plots depend on."""
        return self._view.history.count, int(self._view.now() // MINUTE)

    def _changes(self) -> dict[str, Any]:
        """What has changed since this was called last."""
        history, seconds, parts = self._view.history, self._seconds(), self._view.parts()
        changes = {name: part for name, part in parts.items() if part != self._parts.get(name)}
        self._parts = parts
        if history.count != self._count:
            changes["recent"] = history.recent(self._count)
            self._count = history.count
        newest = self._newest()
        if newest != self._plotted and not 0 <= seconds - self._plotted_at < PLOTS:
            changes["plots"] = history.plots(self._view.now())
            self._plotted, self._plotted_at = newest, seconds
        return {"now": self._view.now(), **changes} if changes else {}


def _frame(event: str, data: Mapping[str, Any]) -> bytes:
    return f"event: {event}\ndata: {json.dumps(data)}\n\n".encode("ascii")
