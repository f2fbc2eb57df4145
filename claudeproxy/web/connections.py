"""The open connections of a server: how long requests may take to arrive, how all are ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from ..dialects import chat
from ..errors import APIError


# What has been written may still be on its way to a client; one that does not read it by then
# will not.
GRACE = 1.0


class Connection(ProtocolWrapper):
    """A connection; `serving` counts the requests on it that are read and not yet answered.

    Twisted ends a connection on which nothing comes for a while; one on which a byte comes now and
    then would be kept for ever.
    """

    factory: Connections
    serving = 0
    _deadline: IDelayedCall | None = None

    def dataReceived(self, data: bytes) -> None:
        """Something of a request; the first of it starts the clock."""
        if not self.serving and self._deadline is None:
            self._deadline = self.factory.deadline(self._too_slow)
        super().dataReceived(data)

    def arrived(self) -> None:
        """A request is read."""
        self.serving += 1
        self._in_time()

    def served(self) -> None:
        """A request is answered."""
        self.serving -= 1

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """It is gone."""
        self._in_time()
        super().connectionLost(reason)

    def _in_time(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()

    def _too_slow(self) -> None:
        self._deadline = None
        self.refuse(APIError(408, "The request did not arrive in time."), "Request Timeout")

    def refuse(self, error: APIError, words: str) -> None:
        """Answer what is no request, and end the connection."""
        body = chat.error_body(error)
        head = (
            f"HTTP/1.1 {error.status} {words}\r\nconnection: close\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.write(head.encode("ascii") + body)
        self.loseConnection()


class Channel(HTTPChannel):
    """Reads the requests of a connection."""

    transport: Any

    def headerReceived(self, line: bytes) -> bool:
        """One header; whether it can be read."""
        try:
            return bool(super().headerReceived(line))
        except ValueError:
            # Twisted lets pass what it cannot read, as a Content-Length of 5,000 digits.
            self.transport.refuse(APIError(400, "The request cannot be read."), "Bad Request")
            return False


class Connections(WrappingFactory):
    """A factory that knows its connections."""

    noisy = False
    protocol = Connection

    def __init__(self, reactor: Any, wrapped: Any, request_timeout: float | None = None) -> None:
        """wrapped: the factory that serves them. request_timeout: seconds for one to arrive."""
        super().__init__(wrapped)
        self._reactor = reactor
        self._request_timeout = request_timeout
        self._emptied: Deferred[None] | None = None
        self._abort: IDelayedCall | None = None

    def deadline(self, call: Callable[[], None]) -> IDelayedCall | None:
        """Call when a request has taken too long to arrive."""
        if self._request_timeout is None:
            return None
        delayed: IDelayedCall = self._reactor.callLater(self._request_timeout, call)
        return delayed

    def unregisterProtocol(self, p: ProtocolWrapper) -> None:
        """A connection is gone."""
        super().unregisterProtocol(p)
        if not self.protocols and self._emptied is not None:
            emptied, self._emptied = self._emptied, None
            if self._abort is not None and self._abort.active():
                self._abort.cancel()
            emptied.callback(None)

    def close(self) -> Deferred[None]:
        """End every connection once its data is sent; fires when the last one is gone."""
        if not self.protocols:
            return succeed(None)
        self._emptied = emptied = Deferred[None]()
        self._abort = self._reactor.callLater(GRACE, self._abort_all)
        for protocol in list(self.protocols):
            protocol.transport.loseConnection()
        return emptied

    def _abort_all(self) -> None:
        for protocol in list(self.protocols):
            protocol.transport.abortConnection()
