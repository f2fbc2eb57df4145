"""The open connections of a server, so that stopping it can end them."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory


# What has been written may still be on its way to a client; one that does not read it by then
# will not.
GRACE = 1.0


class Connections(WrappingFactory):
    """A factory that knows its connections."""

    noisy = False

    def __init__(self, reactor: Any, wrapped: Any) -> None:
        """wrapped: the factory that serves them."""
        super().__init__(wrapped)
        self._reactor = reactor
        self._emptied: Deferred[None] | None = None
        self._abort: IDelayedCall | None = None

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
