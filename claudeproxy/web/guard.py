"""What happens to a request before anyone serves it: who may ask, and how much of it is read."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from twisted.web.server import Request

from ..dialects import messages
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

# What anyone may know: that there is a server, not whose. Claude Code asks for the last of them
# before it sends a key.
OPEN_PATHS = (b"/health", b"/v1/health", b"/", b"/api/hello")
# What is neither OpenAI's nor Anthropic's.
OWN_PATHS = (*OPEN_PATHS, b"/metrics", b"/openapi.json")
# The headers that name a request: as OpenAI calls it, and as Anthropic does.
ID_HEADERS = ("x-request-id", "request-id")
# What a client may call its request, so that a log line or a header can hold it.
CLIENT_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# What a page may read of an answer's head.
EXPOSED_HEADERS = (
    "x-request-id, request-id, openai-processing-ms, x-claudeproxy-worker, x-claudeproxy-ignored, "
    "x-should-retry, retry-after, anthropic-ratelimit-unified-status, "
    "anthropic-ratelimit-unified-reset, anthropic-ratelimit-unified-representative-claim"
)


class GuardedRequest(Request):
    """A request whose body is kept in memory, up to a limit, and that not everyone may make.

    Twisted itself has no limit, and would put a large body into a temporary file.
    """

    body_limit = 0
    access: Callable[[], Access]
    methods_of: Callable[[bytes], Sequence[str]]
    content: BytesIO
    unique = ""
    # What the client calls the request, if it says so.
    client_id: str | None = None
    _arrived = 0.0
    _seconds: Callable[[], float]
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
        # Kept, as a client that goes away takes the channel along.
        channel: Any = self.channel
        self._seconds = channel.site.reactor.seconds
        self._arrived = self._seconds()
        self.unique = secrets.token_hex(16)
        self.client_id = self._read_client_id()
        for name in ID_HEADERS:
            self.setHeader(name, self.client_id or f"req_{self.unique}")
        connection = channel.transport
        connection.arrived()
        self.notifyFinish().addBoth(lambda _: connection.served())
        # Who does not read the answers it has is given no further one.
        connection.when_writable(self._serve)

    def write(self, data: bytes) -> None:
        """Some of the answer; its head goes out with the first of it."""
        if not self.startedWriting and self._speaks_openai():
            taken = max(self._seconds() - self._arrived, 0.0)  # The clock may be set back.
            self.setHeader("openai-processing-ms", str(int(taken * 1000)))
        super().write(data)

    def _speaks_openai(self) -> bool:
        return self.path not in OWN_PATHS and dialect_of(self) is not messages

    def _read_client_id(self) -> str | None:
        """The client's own id for the request, if it has a usable one.

        Anthropic's routes look for Anthropic's header first.
        """
        for name in ID_HEADERS if self._speaks_openai() else reversed(ID_HEADERS):
            for value in self.requestHeaders.getRawHeaders(name.encode("ascii"), []):
                if CLIENT_ID.fullmatch(value):
                    return value.decode("ascii")
        return None

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
            # A preflight carries no key. It does nothing, and a path that is not served is a 404.
            methods = self._methods()
            if methods:
                self.setResponseCode(204)
                self.setHeader("allow", methods)
            return not methods
        if self.path not in OPEN_PATHS:
            try:
                access.authenticate(self.getHeader("authorization"), self.getHeader("x-api-key"))
            except APIError:
                self.setHeader("www-authenticate", "Bearer")
                raise
        return True

    def _methods(self) -> str:
        """What the path is served to, for a header; "" if it is not served."""
        methods = self.methods_of(self.path)
        return ", ".join([*methods, "OPTIONS"]) if methods else ""

    def _share_with(self, origin: str) -> None:
        """Tell the browser that a page of this origin may read the answer (Fetch, "CORS protocol").

        The page's own headers are allowed as it names them: they can do no harm here.
        """
        self.setHeader("access-control-allow-origin", origin)
        self.setHeader("access-control-expose-headers", EXPOSED_HEADERS)
        self.setHeader("vary", "origin")
        if self.getHeader("access-control-request-method"):
            self.setHeader("access-control-allow-methods", self._methods())
            if wanted := self.getHeader("access-control-request-headers"):
                self.setHeader("access-control-allow-headers", wanted)
            if self.getHeader("access-control-request-private-network"):
                self.setHeader("access-control-allow-private-network", "true")
            self.setHeader("access-control-max-age", "600")


def guarded_request(
    body_limit: int, access: Callable[[], Access], methods_of: Callable[[bytes], Sequence[str]]
) -> type[GuardedRequest]:
    """The request class of a site that reads bodies of up to `body_limit` bytes.

    access: asked anew for each request, as keys can change. methods_of: the methods that a path is
    served to, none if it is not served.
    """
    attributes: dict[str, Any] = {
        "body_limit": body_limit,
        "access": staticmethod(access),
        "methods_of": staticmethod(methods_of),
    }
    return type("Request", (GuardedRequest,), attributes)
