"""How much of a request is read, and what is said to one that is too large."""

from __future__ import annotations

import secrets
from io import BytesIO
from typing import Any

from twisted.web.server import Request


# So much more than the limit is still read, and thrown away, before the connection is broken
# off: a client that is answered while it still sends often does not see the answer.
PATIENCE = 4


class LimitedRequest(Request):
    """A request whose body is kept in memory, up to a limit.

    Twisted itself has no limit, and would put a large body into a temporary file.
    """

    body_limit = 0
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
        super().process()


def limited_request(limit: int) -> type[LimitedRequest]:
    """The request class of a site that reads bodies of up to `limit` bytes."""
    attributes: dict[str, Any] = {"body_limit": limit}
    return type("Request", (LimitedRequest,), attributes)
