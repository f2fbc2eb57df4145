"""What happens to a request before anyone serves it: who may ask, and how much of it is read."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from twisted.web.server import Request

from ..errors import APIError
from .access import Access
from .respond import dialect_of, send_error


# So much more than the limit is still read, and thrown away, before the connection is broken
# off: a client that is answered while it still sends often does not see the answer.
DISCARD_FACTOR = 4

# The headers that anyone here reads.
TEXT_HEADERS = (
    *("host", "origin", "authorization", "x-api-key", "content-type", "content-encoding"),
    *("sec-fetch-site", "sec-fetch-dest"),
    *("access-control-request-method", "access-control-request-headers"),
    "access-control-request-private-network",
)

METHODS = "GET, HEAD, POST, DELETE, OPTIONS"
# What anyone may know: that there is a server, not whose.
OPEN_PATHS = (b"/health", b"/v1/health")
# What a page may read of an answer's head.
EXPOSED_HEADERS = (
    "x-request-id, request-id, x-claudeproxy-worker, x-claudeproxy-ignored, x-should-retry, "
    "retry-after, anthropic-ratelimit-unified-status, anthropic-ratelimit-unified-reset, "
    "anthropic-ratelimit-unified-representative-claim"
)


class GuardedRequest(Request):
    """A request whose body is kept in memory, up to a limit, and that not everyone may make.

    Twisted itself has no limit, and would put a large body into a temporary file.
    """

    body_limit = 0
    access: Callable[[], Access]
    content: BytesIO
    unique = ""
    _length = 0

    @property
    def too_large(self) -> bool:
        """Whether the body was larger than the limit; what there is of it is then useless."""
        return self._length > self.body_limit

    def require_json(self) -> None:
        """Raises a 415 for a body that is said to be anything else.

        A page can send other types to any server without asking first.
        """
        coding = self.getHeader("content-encoding") or "identity"
        if coding.strip().lower() != "identity":
            raise APIError(415, f"The request's body must not be encoded, but it is {coding}.")
        sent = self.getHeader("content-type") or "nothing"
        if sent.partition(";")[0].strip().lower() != "application/json":
            raise APIError(
                415,
                f"The request's Content-Type must be application/json, but it is {sent}. With "
                "curl: -H 'Content-Type: application/json'.",
            )

    def gotLength(self, length: int | None) -> None:
        """The headers are read."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """More of the body."""
        self._length += len(data)
        if self._length <= self.body_limit:
            self.content.write(data)
        elif self._length > DISCARD_FACTOR * self.body_limit:
            self.channel.forceAbortClient()

    def process(self) -> None:
        """The request is read; it gets a name of its own before anyone answers it."""
        self.unique = secrets.token_hex(16)
        for name in ("x-request-id", "request-id"):
            # As OpenAI calls it, and as Anthropic does.
            self.setHeader(name, f"req_{self.unique}")
        connection: Any = self.channel.transport
        connection.arrived()
        self.notifyFinish().addBoth(lambda _: connection.served())
        # Who does not read the answers it has is given no further one.
        connection.when_writable(self._serve)

    def _serve(self) -> None:
        try:
            self._require_text()
            if self._let_in():
                super().process()
            else:
                self.finish()
        except APIError as error:
            send_error(self, dialect_of(self), error)
            self.finish()

    def _require_text(self) -> None:
        """What a router or a log could not read is refused before they see it."""
        try:
            unquote_to_bytes(self.path).decode("utf-8")
            for name in TEXT_HEADERS:
                self.getHeader(name)
        except UnicodeDecodeError:
            raise APIError(400, "The request's path or a header of it is not UTF-8.") from None

    def _let_in(self) -> bool:
        """Whether the request is to be served; raises APIError. A preflight is answered here."""
        access, origin = self.access(), self.getHeader("origin")
        if reason := access.refusal_reason(self.getHeader("host"), origin):
            raise APIError(403, reason, should_retry=False)
        if origin is not None:
            self._share_with(origin)
        elif not access.allows_fetch(
            self.getHeader("sec-fetch-site"), self.getHeader("sec-fetch-dest")
        ):
            raise APIError(403, "Other sites' pages may not embed this server.", should_retry=False)
        if self.method == b"OPTIONS":
            self.setResponseCode(204)
            self.setHeader("allow", METHODS)
            return False
        if self.path not in OPEN_PATHS:
            try:
                access.authenticate(self.getHeader("authorization"), self.getHeader("x-api-key"))
            except APIError:
                self.setHeader("www-authenticate", "Bearer")
                raise
        return True

    def _share_with(self, origin: str) -> None:
        """Tell the browser that a page of this origin may read the answer (Fetch, "CORS protocol").

        The page's own headers are allowed as it names them: they can do no harm here.
        """
        self.setHeader("access-control-allow-origin", origin)
        self.setHeader("access-control-expose-headers", EXPOSED_HEADERS)
        self.setHeader("vary", "origin")
        if self.getHeader("access-control-request-method"):
            self.setHeader("access-control-allow-methods", METHODS)
            if wanted := self.getHeader("access-control-request-headers"):
                self.setHeader("access-control-allow-headers", wanted)
            if self.getHeader("access-control-request-private-network"):
                self.setHeader("access-control-allow-private-network", "true")
            self.setHeader("access-control-max-age", "600")


def guarded_request(body_limit: int, access: Callable[[], Access]) -> type[GuardedRequest]:
    """The request class of a site that reads bodies of up to `body_limit` bytes.

    access: asked anew for each request, as keys can change.
    """
    attributes: dict[str, Any] = {"body_limit": body_limit, "access": staticmethod(access)}
    return type("Request", (GuardedRequest,), attributes)
