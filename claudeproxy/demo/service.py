"""Runs the demo API on a loopback port, as a Twisted service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred, succeed
from twisted.web.server import Site

from ..web.connections import Connections
from .server import DemoAPI


if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IListeningPort

HOST = "127.0.0.1"


class DemoSite(Site):
    """The factory that serves an API.  Logs no line for each request: the API keeps what came."""

    noisy = False

    def __init__(self, api: DemoAPI, reactor: Any) -> None:
        super().__init__(api.app.resource(), reactor=reactor, parsePOSTFormSubmission=False)

    def startFactory(self) -> None:
        """Do without Twisted's own log: it wakes the process up every second."""

    def log(self, request: Any) -> None:
        """Nothing."""


@define(eq=False, slots=False)
class DemoService(Service):
    """Serves ``api`` on 127.0.0.1.

    ``port`` 0 is any free one; ``url`` is None unless it listens.  CannotListenError from
    ``startService`` if the port is taken.  ``key`` is the only one it takes, "" for any.  ``now``
    is the time since the epoch, if the reactor has another clock.
    """

    reactor: Any
    port: int = 0
    key: str = ""
    now: Callable[[], float] | None = None
    api: DemoAPI = field()
    url: str | None = field(default=None, init=False)
    _listening: IListeningPort | None = field(default=None, init=False)
    _connections: Connections | None = field(default=None, init=False)

    @api.default
    def _new_api(self) -> DemoAPI:
        return DemoAPI(self.reactor, self.key, self.now or self.reactor.seconds)

    def startService(self) -> None:
        """Listens, and has a ``url`` when this returns."""
        self._connections = Connections(self.reactor, DemoSite(self.api, self.reactor))
        listening = self.reactor.listenTCP(self.port, self._connections, interface=HOST)
        self._listening = listening
        self.url = f"http://{HOST}:{listening.getHost().port}"
        Service.startService(self)

    def stopService(self) -> Deferred[None]:
        """Fires when the port and every connection are closed, and no timer is left."""
        Service.stopService(self)
        listening, self._listening = self._listening, None
        connections, self._connections = self._connections, None
        self.url = None
        if listening is None or connections is None:
            return succeed(None)
        closing = maybeDeferred(listening.stopListening)
        self.api.stop()
        both: list[Deferred[Any]] = [closing, connections.close()]
        return gatherResults(both).addCallback(lambda _: None)
