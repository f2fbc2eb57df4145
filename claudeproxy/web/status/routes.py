"""The routes of the status page. They are guarded as all others, and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from klein import Klein
from twisted.web.http import CACHED
from werkzeug.exceptions import NotFound

from ... import __version__
from ...errors import APIError
from ..respond import dialect_of, send_error, send_json, send_whole_head
from .accept import wants_page
from .files import file_of, template
from .history import History
from .page import HEADERS, origin_of, page
from .streams import Streams
from .view import Sources, View


# The routes that only the page uses.
OWN_ROUTES = "/status/"


class StatusPage:
    """What the page needs of the server: the history that it shows, and its streams."""

    def __init__(self, clock: Any, sources: Sources, now: Callable[[], float]) -> None:
        """clock: Twisted's IReactorTime. now: seconds since the epoch. The owner calls `stop`."""
        self.history = History()
        self.view = View(now, clock.seconds, sources, self.history)
        self.streams = Streams(clock, self.view)

    def stop(self) -> None:
        """End all streams; new ones are refused."""
        self.streams.stop()

    def send(self, request: Any) -> None:
        """Write the page."""
        address = request.getHost()
        with_keys = self.view.sources.has_keys()
        body = page(
            template(),
            self.view.state(),
            # Without a key only those who may see it are told the plan.
            None if with_keys else self.view.plan(),
            origin_of(request.getHeader("host"), f"http://localhost:{address.port}"),
            with_keys=with_keys,
        ).encode("utf-8")
        for name, value in HEADERS.items():
            request.setHeader(name, value)
        send_whole_head(request, HEADERS["content-type"], len(body))
        request.write(b"" if request.method == b"HEAD" else body)


def add_routes(router: Klein) -> None:
    """Add the routes to those of an App, which has the StatusPage as `status`."""
    served: dict[str, Any] = {
        "/": root,
        "/status/static/<name>": status_static,
        "/status/data": status_data,
        "/status/events": status_events,
    }
    for path, serve in served.items():
        router.route(path, methods=["GET"])(serve)


def root(app: Any, request: Any) -> None:
    """The status page for a browser; for others the name, the version and the routes."""
    if request.path != b"/":
        # The router matches `//` too.
        raise NotFound
    if wants_page(request.getHeader("accept")):
        app.status.send(request)
        return
    routes = sorted(
        f"{method} {rule.rule}"
        for rule in app.router.url_map.iter_rules()
        if not rule.rule.startswith(OWN_ROUTES)
        for method in (rule.methods or set()) - {"HEAD"}
    )
    send_json(request, {"name": "claudeproxy", "version": __version__, "routes": routes})


def status_static(app: Any, request: Any, name: str) -> None:
    """A file of the page. A browser asks each time whether it has changed."""
    file = file_of(name)
    if file is None:
        error = APIError(404, "The status page has no file of this name.")
        send_error(request, dialect_of(request), error)
        return
    request.setHeader("cache-control", "no-cache")
    request.setHeader("x-content-type-options", "nosniff")
    request.setHeader("cross-origin-resource-policy", "same-origin")
    if request.setETag(file.tag) is CACHED:
        return
    send_whole_head(request, file.type, len(file.content))
    request.write(b"" if request.method == b"HEAD" else file.content)


def status_data(app: Any, request: Any) -> None:
    """What the page shows."""
    request.setHeader("cache-control", "no-store")
    send_json(request, app.status.view.snapshot())


async def status_events(app: Any, request: Any) -> None:
    """The same, and then what changes, as server-sent events."""
    if request.method == b"HEAD":
        request.setHeader("content-type", "text/event-stream; charset=utf-8")
        return
    try:
        await app.status.streams.run(request)
    except APIError as error:
        send_error(request, dialect_of(request), error)
