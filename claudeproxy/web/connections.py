"""The open connections of a server: how long clients may take to send and to read, how all end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from zope.interface import implementer

from ..dialects import chat
from ..errors import APIError
from ..timers import Timers


# What has been written may still be on its way to a client; one that does not read it by then
# will not.
CLOSE_TIMEOUT = 1.0


@implementer(IPushProducer)
@attrs.frozen(eq=False)
class _WatchedProducer:
    """What writes to a connection, as the connection's transport sees it."""

    producer: Any
    connection: Connection

    def pauseProducing(self) -> None:
        """More is written than the client has read."""
        self.producer.pauseProducing()
        self.connection.write_buffer_full()

    def resumeProducing(self) -> None:
        """The client has read it all."""
        self.producer.resumeProducing()
        self.connection.write_buffer_empty()

    def stopProducing(self) -> None:
        """The connection is gone."""
        self.producer.stopProducing()


class Connection(ProtocolWrapper):
    """A connection; `serving` counts the requests on it that are read and not yet answered.

    Twisted ends a connection on which nothing comes for a while; one on which a byte comes now and
    then would be kept for ever. And it answers what was read of pipelined requests, whether anyone
    reads the answers or not.
    """

    factory: Connections
    serving = 0
    _receiving = False
    _full = False
    _held: Callable[[], None] | None = None

    def __init__(self, factory: Connections, wrappedProtocol: IProtocol) -> None:
        """factory: says how long a client may take."""
        super().__init__(factory, wrappedProtocol)
        self._timers = Timers(factory.reactor)

    def dataReceived(self, data: bytes) -> None:
        """Something of a request; the first of it starts the clock."""
        if not self.serving and not self._receiving:
            self._receiving = True
            if (seconds := self.factory.request_timeout) is not None:
                self._timers.start("deadline", seconds, self._too_slow)
        super().dataReceived(data)

    def arrived(self) -> None:
        """A request is read."""
        self.serving += 1
        self._receiving = False
        self._timers.cancel("deadline")

    def served(self) -> None:
        """A request is answered."""
        self.serving -= 1

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """What writes here is told when the client does not read."""
        super().registerProducer(_WatchedProducer(producer, self), streaming)

    def when_writable(self, call: Callable[[], None]) -> None:
        """Call when the client has read what was written; never, if it goes away before."""
        if self._full:
            self._held = call
        else:
            call()

    def write_buffer_full(self) -> None:
        """More is written than the client has read; it has its time for that, too."""
        self._full = True
        if (seconds := self.factory.unread_timeout) is not None:
            self._timers.start("unread", seconds, self._abort)

    def write_buffer_empty(self) -> None:
        """The client has read it all."""
        self._full = False
        self._timers.cancel("unread")
        held, self._held = self._held, None
        if held is not None:
            held()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """It is gone."""
        self._timers.close()
        self._held = None
        super().connectionLost(reason)

    def _abort(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()

    def _too_slow(self) -> None:
        self._receiving = False
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

    def lineLengthExceeded(self, line: bytes) -> None:
        """The request's line, or a header, is too long for Twisted."""
        error = APIError(431, f"A line of the request's head is over {self.MAX_LENGTH:,} bytes.")
        self.transport.refuse(error, "Request Header Fields Too Large")

    def _respondToBadRequestAndDisconnect(self) -> None:
        # Twisted itself would say 400 and not a word more.
        self.transport.refuse(APIError(400, "The request cannot be read."), "Bad Request")

    def headerReceived(self, line: bytes) -> bool:
        """One header; whether it can be read."""
        try:
            return bool(super().headerReceived(line))
        except ValueError:
            # Twisted lets pass what it cannot read, as a Content-Length of 5,000 digits.
            self._respondToBadRequestAndDisconnect()
            return False


class Connections(WrappingFactory[Connection]):
    """A factory that knows its connections."""

    noisy = False
    protocol = Connection

    def __init__(
        self,
        reactor: Any,
        wrapped: Any,
        request_timeout: float | None = None,
        unread_timeout: float | None = None,
    ) -> None:
        """wrapped: the factory that serves them.

        request_timeout: seconds for a request to arrive. unread_timeout: for what was written to be
        read.
        """
        super().__init__(wrapped)
        self.reactor = reactor
        self.request_timeout = request_timeout
        self.unread_timeout = unread_timeout
        self._all_closed: Deferred[None] | None = None
        self._timers = Timers(reactor)

    def unregisterProtocol(self, p: ProtocolWrapper) -> None:
        """A connection is gone."""
        super().unregisterProtocol(p)
        if not self.protocols and self._all_closed is not None:
            cleared, self._all_closed = self._all_closed, None
            self._timers.close()
            cleared.callback(None)

    def close(self) -> Deferred[None]:
        """End every connection once its data is sent; fires when the last one is gone."""
        if not self.protocols:
            return succeed(None)
        self._all_closed = cleared = Deferred[None]()
        self._timers.start("abort", CLOSE_TIMEOUT, self._abort_all)
        for protocol in list(self.protocols):
            protocol.transport.loseConnection()
        return cleared

    def _abort_all(self) -> None:
        for protocol in list(self.protocols):
            protocol.transport.abortConnection()
