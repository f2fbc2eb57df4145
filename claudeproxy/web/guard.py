"""Who may ask, and how much of a request is read.

The proxy spends its user's plan for whoever reaches it. It listens on loopback, where every page
that the user's browser shows can send requests too; so a page's Origin, or a Host that somebody's
name server made point here, is refused unless it is this machine's own.
"""

from __future__ import annotations

import secrets
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from twisted.web.server import Request

from ..dialects import chat
from ..errors import APIError
from .respond import send_error


# So much more than the limit is still read, and thrown away, before the connection is broken
# off: a client that is answered while it still sends often does not see the answer.
PATIENCE = 4


# The names of this machine's loopback.
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def stranger(host: str | None, origin: str | None, interface: str) -> str | None:
    """Why a request with these headers is refused, None if it is not.

    interface: where the server listens. On another than loopback, clients call it by names that
    cannot be known here, so only a browser's Origin is held against it.
    """
    if origin is not None and _name(urlsplit(origin).netloc) not in LOCAL:
        return f"Requests from the web page {origin} are not allowed."
    if _name(interface) in LOCAL and host is not None and _name(host) not in LOCAL:
        return f"This server is not called {host}."
    return None


def _name(netloc: str) -> str:
    """The host's name alone, without port and brackets; "" if it has none."""
    if netloc in LOCAL:
        return netloc
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


class LimitedRequest(Request):
    """A request whose body is kept in memory, up to a limit.

    Twisted itself has no limit, and would put a large body into a temporary file.
    """

    body_limit = 0
    interface = ""
    content: BytesIO
    unique = ""
    _length = 0

    @property
    def too_large(self) -> bool:
        """Whether the body was larger than the limit; what there is of it is then useless."""
        return self._length > self.body_limit

    def gotLength(self, length: int | None) -> None:
        """The headers are read."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """More of the body."""
        self._length += len(data)
        if self._length <= self.body_limit:
            self.content.write(data)
        elif self._length > PATIENCE * self.body_limit:
            self.channel.forceAbortClient()

    def process(self) -> None:
        """The request is read; it gets a name of its own before anyone answers it."""
        self.unique = secrets.token_hex(16)
        self.setHeader("x-request-id", f"req_{self.unique}")
        host, origin = self.getHeader("host"), self.getHeader("origin")
        reason = stranger(host, origin, self.interface)
        if reason is None:
            super().process()
        else:
            send_error(self, chat, APIError(403, reason))
            self.finish()


def limited_request(limit: int, interface: str) -> type[LimitedRequest]:
    """The request class of a site on `interface` that reads bodies of up to `limit` bytes."""
    attributes: dict[str, Any] = {"body_limit": limit, "interface": interface}
    return type("Request", (LimitedRequest,), attributes)
