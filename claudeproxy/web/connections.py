"""The open connections of a server, with timeouts for clients that send or read too slowly."""

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

from ..dialects import Dialect, chat
from ..errors import APIError
from ..timers import Timers
from .paths import canonical
from .respond import dialect_for


# How long a client gets to read the rest of its data when the server stops.
CLOSE_TIMEOUT = 1.0
# How long the rest of a body is read and discarded that was refused before it came: in all, and
# without any data.
LINGER_TIMEOUT = 30.0
LINGER_SILENCE = 5.0


@implementer(IPushProducer)
@attrs.frozen(eq=False)
class _WatchedProducer:
    """Forwards to the producer of a connection, and tells the connection when its buffer fills."""

    producer: Any
    connection: Connection

    def pauseProducing(self) -> None:
        """The write buffer is full."""
        self.producer.pauseProducing()
        self.connection.write_buffer_full()

    def resumeProducing(self) -> None:
        """The write buffer is empty."""
        self.producer.resumeProducing()
        self.connection.write_buffer_empty()

    def stopProducing(self) -> None:
        """The connection is closed."""
        self.producer.stopProducing()


class Connection(ProtocolWrapper):
    """A connection; `serving` counts its requests that were received but not yet answered.

    Twisted closes an idle connection, but keeps one forever on which a byte arrives now and then.
    It also answers pipelined requests even if the client does not read the answers.
    """

    factory: Connections
    serving = 0
    _receiving = False
    # How many more bytes to discard before the connection is closed; None unless it is closing.
    _discarding: int | None = None
    _full = False
    _held: Callable[[], None] | None = None

    def __init__(self, factory: Connections, wrappedProtocol: IProtocol) -> None:
        """factory: has the timeouts."""
        super().__init__(factory, wrappedProtocol)
        self._timers = Timers(factory.reactor)

    def dataReceived(self, data: bytes) -> None:
        """Pass data on; the first bytes of a request start its timeout."""
        if self._discarding is not None:
            self._discard(len(data))
            return
        if not self.serving and not self._receiving:
            self._begin()
        super().dataReceived(data)
        self._begin_next()

    def arrived(self) -> None:
        """A request has been received."""
        self.serving += 1
        self._receiving = False
        self._timers.cancel("deadline")

    def served(self) -> None:
        """A request has been answered. If part of the next has come, its timeout starts."""
        self.serving -= 1
        self._begin_next()

    def linger(self, most: int) -> None:
        """Close the connection after the client has read what was written, or after a timeout.

        Up to `most` bytes that the client still sends are discarded. If they were left unread, the
        system would reset the connection, and the client could lose the answer.
        """
        self._discarding = most
        transport: Any = self.transport
        transport.resumeProducing()
        transport.loseWriteConnection()
        self._timers.start("linger", LINGER_TIMEOUT, self._abort)
        self._timers.start("silence", LINGER_SILENCE, self.loseConnection)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Watch the producer, to know when the client does not read."""
        super().registerProducer(_WatchedProducer(producer, self), streaming)

    def when_writable(self, call: Callable[[], None]) -> None:
        """Call once the write buffer is not full; never, if the client disconnects first."""
        if self._full:
            self._held = call
        else:
            call()

    def write_buffer_full(self) -> None:
        """The write buffer is full; start the timeout for the client to read it."""
        self._full = True
        if (seconds := self.factory.unread_timeout) is not None:
            self._timers.start("unread", seconds, self._abort)

    def write_buffer_empty(self) -> None:
        """The write buffer is empty; cancel that timeout."""
        self._full = False
        self._timers.cancel("unread")
        held, self._held = self._held, None
        if held is not None:
            held()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """The connection is closed; cancel its timers."""
        self._timers.close()
        self._held = None
        super().connectionLost(reason)

    def _begin(self) -> None:
        self._receiving = True
        if (seconds := self.factory.request_timeout) is not None:
            self._timers.start("deadline", seconds, self._too_slow)

    def _begin_next(self) -> None:
        """Start the timeout of a request of which the channel has a part, if none is served.

        It may have been sent during the answer before. That time does not count, because the
        channel does not read then.
        """
        channel = self.wrappedProtocol
        if self.serving or self._receiving or self.disconnecting:
            return
        if isinstance(channel, Channel) and channel.has_part_of_request:
            self._begin()

    def _discard(self, length: int) -> None:
        assert self._discarding is not None
        self._discarding -= length
        if self._discarding < 0:
            self._abort()
        else:
            self._timers.put_off("silence", LINGER_SILENCE)

    def _abort(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()

    def _too_slow(self) -> None:
        self._receiving = False
        self.refuse(APIError(408, "The request did not arrive in time."), "Request Timeout")

    def refuse(self, error: APIError, phrase: str) -> None:
        """Answer an unreadable request with an error, and close the connection."""
        self.factory.on_refused(error)
        channel = self.wrappedProtocol
        dialect = channel.dialect if isinstance(channel, Channel) else chat
        body = dialect.error_body(error)
        head = (
            f"HTTP/1.1 {error.status} {phrase}\r\nconnection: close\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.write(head.encode("ascii") + body)
        self.loseConnection()


class Channel(HTTPChannel):
    """Reads the requests of a connection. Its requests are GuardedRequests."""

    transport: Any
    # How much of a refused body to discard; None if no body was refused.
    _discard_limit: int | None = None

    @property
    def has_part_of_request(self) -> bool:
        """Whether there is a request that has not been answered, or the beginning of one."""
        return bool(self.requests or self._buffer)

    @property
    def dialect(self) -> Dialect:
        """The dialect for an error about the request that is being read."""
        # Twisted has the path until the request has been read.
        path = getattr(self, "_path", None)
        if path is None or not self.requests:
            return chat
        request: Any = self.requests[-1]
        return dialect_for(canonical(path.partition(b"?")[0]), request.requestHeaders)

    def allHeadersReceived(self) -> None:
        """The headers of a request have been read.

        If they announce a body over the limit, the request is answered at once, without its body.
        """
        request: Any = self.requests[-1]
        if not self.length or self.length <= request.body_limit:
            super().allHeadersReceived()
            return
        # Twisted would ask for the body with `100 Continue`.
        request.requestHeaders.removeHeader(b"expect")
        super().allHeadersReceived()
        # The body cannot be told from a next request any more.
        self.persistent = 0
        request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        self._discard_limit = request.discard_limit
        self.length = 0

    def loseConnection(self) -> None:
        """Close the connection; a client that still sends a refused body gets to read first."""
        if self._discard_limit is None:
            super().loseConnection()
        else:
            producer: Any = self._networkProducer
            producer.unregisterProducer()
            self.transport.linger(self._discard_limit)

    def lineLengthExceeded(self, line: bytes) -> None:
        """The request line or a header is longer than Twisted accepts."""
        error = APIError(
            431, f"The request line or a header is longer than {self.MAX_LENGTH:,} bytes."
        )
        self.transport.refuse(error, "Request Header Fields Too Large")

    def _respondToBadRequestAndDisconnect(self) -> None:
        # Twisted itself would send a 400 without a body.
        self.transport.refuse(APIError(400, "The request is not valid HTTP."), "Bad Request")

    def headerReceived(self, line: bytes) -> bool:
        """Read one header; return whether it is valid."""
        try:
            return bool(super().headerReceived(line))
        except ValueError:
            # Twisted does not catch this, for example for a Content-Length of 5,000 digits.
            self._respondToBadRequestAndDisconnect()
            return False


class Connections(WrappingFactory[Connection]):
    """A factory that keeps track of its connections."""

    noisy = False
    protocol = Connection

    def __init__(
        self,
        reactor: Any,
        wrapped: Any,
        request_timeout: float | None = None,
        unread_timeout: float | None = None,
    ) -> None:
        """wrapped: the factory that serves the connections.

        request_timeout: maximum time to receive a request. unread_timeout: maximum time for a
        client to read a full write buffer. Both in seconds.
        """
        super().__init__(wrapped)
        self.reactor = reactor
        self.request_timeout = request_timeout
        self.unread_timeout = unread_timeout
        # Called with the error for a request that could not be read.
        self.on_refused: Callable[[APIError], None] = lambda error: None
        self._all_closed: Deferred[None] | None = None
        self._timers = Timers(reactor)

    def unregisterProtocol(self, p: ProtocolWrapper) -> None:
        """A connection is closed."""
        super().unregisterProtocol(p)
        if not self.protocols and self._all_closed is not None:
            cleared, self._all_closed = self._all_closed, None
            self._timers.close()
            cleared.callback(None)

    def close(self) -> Deferred[None]:
        """Close each connection once its data is sent; fires when the last one is closed."""
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
