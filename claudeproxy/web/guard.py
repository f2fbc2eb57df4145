"""What happens to a request before it is routed: body limit, access control and request id."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from twisted.web.server import Request

from ..dialects import messages
from ..errors import APIError, bad_request
from .access import Access, header_fault
from .codings import CODINGS, Unpacker, coding_of
from .facts import UNKNOWN, Facts
from .paths import canonical
from .respond import dialect_of, send_error
from .status.files import TYPES


# A body is read and discarded up to this multiple of the limit, then the connection is aborted. A
# client that is disconnected while it is still sending often does not see the answer.
DISCARD_FACTOR = 4

# The request headers that the server reads.
TEXT_HEADERS = (
    *("host", "origin", "authorization", "x-api-key", "content-type", "content-encoding"),
    *("sec-fetch-site", "sec-fetch-dest"),
    *("access-control-request-method", "access-control-request-headers"),
    "access-control-request-private-network",
)

# Paths that need no API key. Claude Code requests the second line's before it sends its key. A
# browser sends none for the files of the status page, which are the same everywhere.
OPEN_PATHS = (
    *(b"/health", b"/v1/health", b"/health/ready", b"/v1/health/ready"),
    *(b"/", b"/api/hello"),
    *(f"/status/static/{name}".encode("ascii") for name in TYPES),
)
# Paths that are not part of OpenAI's or Anthropic's API.
OWN_PATHS = (*OPEN_PATHS, b"/metrics", b"/openapi.json", b"/status/data", b"/status/events")
# The headers for the id of a request: OpenAI's and Anthropic's.
ID_HEADERS = ("x-request-id", "request-id")
# Client request ids that are safe in a log line and in a header.
CLIENT_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
NOT_TEXT = "The path or a header of the request is not UTF-8."
# The response headers that a page may read.
EXPOSED_HEADERS = ", ".join(
    (
        *("x-request-id", "request-id", "openai-processing-ms", "x-should-retry", "retry-after"),
        *("x-claudeproxy-worker", "x-claudeproxy-ignored", "x-claudeproxy-count"),
        "x-claudeproxy-retry-after",
        *(f"anthropic-ratelimit-unified-{name}" for name in ("status", "reset")),
        "anthropic-ratelimit-unified-representative-claim",
        *(
            f"anthropic-ratelimit-unified-{window}-{name}"
            for window in ("5h", "7d")
            for name in ("status", "reset", "utilization")
        ),
    )
)


class GuardedRequest(Request):
    """A request with a body limit and access control; its body is unpacked and kept in memory.

    Twisted itself has no limit, and would write a large body to a temporary file.
    """

    body_limit = 0
    access: Callable[[], Access]
    methods_of: Callable[[bytes], Sequence[str]]
    content: BytesIO
    unique = ""
    # The client's own id for the request, if it sent one.
    client_id: str | None = None
    # The name of the API key that it came with, "" if no key is required.
    key_name = ""
    # For the log and the metrics.
    facts: Facts
    arrived = 0.0
    _seconds: Callable[[], float]
    # The length of the body as the headers announce it, as it was sent, and unpacked.
    _announced = 0
    _length = 0
    _unpacked = 0
    _unpacker: Unpacker | None = None
    # Why the body is not unpacked.
    _refusal: APIError | None = None

    @property
    def too_large(self) -> bool:
        """Whether the body is larger than the limit, packed or unpacked; `content` is then lost."""
        return max(self._announced, self._length, self._unpacked) > self.body_limit

    @property
    def seconds_since_arrival(self) -> float:
        """How long ago the request was received."""
        return max(self._seconds() - self.arrived, 0.0)  # The clock may be set back.

    @property
    def discard_limit(self) -> int:
        """How much of a body is read at most, counting what is discarded."""
        return DISCARD_FACTOR * self.body_limit

    def json_body(self) -> bytes:
        """The body; raises APIError if it is not JSON, too large, or cannot be unpacked.

        Pages can send other types than JSON to any server without a preflight request.
        """
        if self._refusal is not None:
            if self._refusal.status == 415:
                self.setHeader("accept-encoding", ", ".join(CODINGS))
            raise self._refusal
        sent = self.getHeader("content-type") or "nothing"
        if sent.partition(";")[0].strip().lower() != "application/json":
            raise APIError(
                415,
                f"The Content-Type of the request must be application/json, but it is {sent}. With "
                "curl: -H 'Content-Type: application/json'.",
            )
        if self.too_large:
            raise APIError(413, f"The request body is larger than {self.body_limit:,} bytes.")
        if self._unpacker is not None:
            self._unpacker.finish()
        return self.content.read()

    def gotLength(self, length: int | None) -> None:
        """The headers have been read. `length` is None if they do not tell it."""
        self._announced = length or 0
        self.content = BytesIO()
        self.facts = Facts()
        codings = self.requestHeaders.getRawHeaders(b"content-encoding", ())
        try:
            coding = coding_of([value.decode("latin-1") for value in codings])
            if coding is not None:
                # A few bytes could make much work, so this is not done for everyone.
                self._authenticate()
                self._unpacker = Unpacker(coding)
        except APIError as error:
            self._refusal = error

    def handleContentChunk(self, data: bytes) -> None:
        """Take more of the body."""
        self._length += len(data)
        if self._length > self.discard_limit:
            self.channel.forceAbortClient()
        elif not self.too_large and self._refusal is None:
            for piece in (data,) if self._unpacker is None else self._unpacker.feed(data):
                self._unpacked += len(piece)
                if self.too_large:
                    break
                self.content.write(piece)
        if self.too_large:
            # What is kept of it is of no use.
            self.content = BytesIO()

    def process(self) -> None:
        """The request has been received; give it an id, then serve it."""
        # Access control, the routes and the log must agree on the path.
        self.path = canonical(self.path)
        # Keep the channel: when the client disconnects, the request loses it.
        channel: Any = self.channel
        self._seconds = channel.site.reactor.seconds
        self.arrived = self._seconds()
        self.unique = secrets.token_hex(16)
        self.client_id = self._read_client_id()
        for name in ID_HEADERS:
            self.setHeader(name, self.told_id)
        connection = channel.transport
        connection.arrived()
        # First of all, before what serves the request is cancelled.
        self.notifyFinish().addErrback(lambda _: self._disconnected_early(channel.site))
        self.notifyFinish().addBoth(lambda _: connection.served())
        # Do not serve a client that has not read its previous answers.
        connection.when_writable(self._serve)

    @property
    def told_id(self) -> str:
        """The id by which the client knows the request."""
        return self.client_id or f"req_{self.unique}"

    def write(self, data: bytes) -> None:
        """Write part of the response; the headers are sent with the first part."""
        if not self.startedWriting and self._speaks_openai():
            self.setHeader("openai-processing-ms", str(int(self.seconds_since_arrival * 1000)))
        super().write(data)

    def _disconnected_early(self, site: Any) -> None:
        """The client has left before the end of the response."""
        self.facts.disconnected = True
        site.log(self)

    def _speaks_openai(self) -> bool:
        return self.path not in OWN_PATHS and dialect_of(self) is not messages

    def _read_client_id(self) -> str | None:
        """The client's own id for the request, if it sent a usable one.

        On Anthropic's routes, Anthropic's header is tried first.
        """
        for name in ID_HEADERS if self._speaks_openai() else reversed(ID_HEADERS):
            for value in self.requestHeaders.getRawHeaders(name.encode("ascii"), []):
                if CLIENT_ID.fullmatch(value):
                    return value.decode("ascii")
        return None

    def _serve(self) -> None:
        try:
            self._require_text()
            self._require_one_host()
            if self._let_in():
                super().process()
            else:
                self.finish()
        except APIError as error:
            send_error(self, dialect_of(self), error)
            self.finish()

    def _require_text(self) -> None:
        """Raise a 400 for a path or a header that the router or the log could not decode."""
        try:
            unquote_to_bytes(self.path).decode("utf-8")
            for name in TEXT_HEADERS:
                self.getHeader(name)
        except UnicodeDecodeError:
            raise bad_request(NOT_TEXT) from None

    def _require_one_host(self) -> None:
        """Raise a 400 for a request whose Host or Origin is missing or ambiguous."""
        hosts, origins = (
            len(self.requestHeaders.getRawHeaders(name, ())) for name in (b"host", b"origin")
        )
        if fault := header_fault(self.clientproto, hosts, origins):
            raise APIError(400, fault)

    def _let_in(self) -> bool:
        """Whether to route the request; raises APIError. A preflight is answered here."""
        access, origin = self.access(), self.getHeader("origin")
        if reason := access.refusal_reason(self.getHeader("host"), origin):
            raise APIError(403, reason, should_retry=False)
        if origin is not None:
            self._share_with(origin)
        elif not access.allows_fetch(
            self.getHeader("sec-fetch-site"), self.getHeader("sec-fetch-dest")
        ):
            raise APIError(
                403,
                "Pages of other sites may not embed resources of this server.",
                should_retry=False,
            )
        if self.method == b"OPTIONS":
            # A preflight carries no key. It does nothing, and a path that is not served is a 404.
            methods = self._methods()
            if methods:
                self.setResponseCode(204)
                self.setHeader("allow", methods)
            return not methods
        if self.path not in OPEN_PATHS:
            try:
                self._authenticate()
            except APIError:
                self.setHeader("www-authenticate", "Bearer")
                raise
        return True

    def _authenticate(self) -> None:
        """Raise an APIError unless the headers have a key, or none is required."""
        try:
            authorization, key = self.getHeader("authorization"), self.getHeader("x-api-key")
        except UnicodeDecodeError:
            raise bad_request(NOT_TEXT) from None
        access = self.access()
        if access.keys:
            self.facts.key = UNKNOWN
            self.facts.key = self.key_name = access.authenticate(authorization, key)

    def _methods(self) -> str:
        """What the path is served to, for a header; "" if it is not served."""
        methods = self.methods_of(self.path)
        return ", ".join([*methods, "OPTIONS"]) if methods else ""

    def _share_with(self, origin: str) -> None:
        """Set the CORS headers that let a page of this origin read the response.

        All request headers that the page asks for are allowed; they do no harm here.
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
    """Make the request class of a site that accepts bodies of up to `body_limit` bytes.

    access: called for each request, because keys can change. methods_of: the methods that a path
    supports, none if there is no such path.
    """
    attributes: dict[str, Any] = {
        "body_limit": body_limit,
        "access": staticmethod(access),
        "methods_of": staticmethod(methods_of),
    }
    return type("Request", (GuardedRequest,), attributes)
