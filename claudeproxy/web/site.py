"""The site, which tells the log and the metrics of each request when it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.logger import Logger
from twisted.web.server import Site

from ..errors import APIError
from ..events import Usage
from ..log import tell
from ..metrics import Metrics
from .app import NO_ROUTE, App, route_of
from .connections import Channel
from .facts import DISCONNECTED, NONE, Facts, code_of, param_of
from .guard import OWN_PATHS, GuardedRequest
from .paths import LONGEST_METHOD, LONGEST_PATH, excerpt
from .status.history import Ended
from .status.routes import OWN_ROUTES


# The API's counts of its own tools, and their fields in the log.
USES = {
    "web_search_requests": "web_searches",
    "web_fetch_requests": "web_fetches",
    "code_execution_requests": "code_executions",
}
_OWN = frozenset(path.decode("ascii") for path in OWN_PATHS)
IN_SUMMARY = frozenset({"id", "route", "status", "outcome"})


class ProxySite(Site):
    """A site that logs routes instead of paths: a path can contain text of a client."""

    noisy = False
    protocol = Channel  # type: ignore[assignment]

    log_request = Logger(namespace="claudeproxy.requests")

    def __init__(
        self, app: App, reactor: Any, request_class: type[GuardedRequest], metrics: Metrics
    ) -> None:
        """app: the application to serve."""
        super().__init__(
            app.router.resource(),
            reactor=reactor,
            requestFactory=request_class,
            parsePOSTFormSubmission=False,
        )
        self._app = app
        self._metrics = metrics

    def startFactory(self) -> None:
        """Do without Twisted's own log: it wakes the process up every second."""

    def log(self, request: Any) -> None:
        """Log and count a request that has ended, or whose client has disconnected."""
        try:
            self._tell(request)
        except Exception:
            # The request must end all the same.
            self.log_request.failure("Logging a request failed")

    def _tell(self, request: Any) -> None:
        facts: Facts = request.facts
        route = route_of(request)
        status = DISCONNECTED if facts.disconnected else str(request.code)
        seconds = request.seconds_since_arrival
        fields = fields_of(request, facts, route, seconds)
        tell(self.log_request, f"{route} {status} req_{request.unique}", fields, IN_SUMMARY)
        if facts.error is not None:
            # It can quote the request.
            self.log_request.debug(
                "req_{unique}: {message}", unique=request.unique, message=facts.error.message
            )
        model, workers, usage = facts.model_label, facts.workers, facts.usage
        if is_shown(route, fields):
            self._app.status.history.note(_ended(self._app.now(), fields, model, usage))
        self._metrics.request(route, model, status, facts.key)
        if facts.error is not None:
            self._metrics.error(code_of(facts.error))
        if workers:
            self._metrics.took(model, workers[0], seconds, _first_token(request, facts))
        if usage is not None:
            self._metrics.spent(model, usage)

    def log_refused(self, error: APIError) -> None:
        """Log and count a request that could not be read."""
        code = code_of(error)
        tell(
            self.log_request,
            f"{NO_ROUTE} {error.status}",
            {"route": NO_ROUTE, "status": error.status, "outcome": "error", "error": code},
            IN_SUMMARY,
        )
        self._metrics.request(NO_ROUTE, NONE, str(error.status), NONE)
        self._metrics.error(code)


def fields_of(request: Any, facts: Facts, route: str, seconds: float) -> dict[str, Any]:
    """The fields of a request's line in the log; what it does not have is left out."""
    error, usage = facts.error, facts.usage
    fields: dict[str, Any] = {
        "id": f"req_{request.unique}",
        "client_id": request.client_id,
        "route": route,
        "status": request.code if request.startedWriting or not facts.disconnected else None,
        "outcome": _outcome(facts),
        "key": None if facts.key == NONE else facts.key,
        "model": facts.asked or None,
        "answered": facts.answered or None,
        "stream": facts.streamed,
        "workers": list(facts.workers) or None,
    }
    if usage is not None:
        fields |= {
            "tokens_in": usage.input_tokens,
            "tokens_cached": usage.cache_read_tokens,
            "tokens_written": usage.cache_creation_tokens,
            "tokens_out": usage.output_tokens,
            "tokens_reasoning": usage.reasoning_tokens,
        }
        for name, shown in USES.items():
            fields[shown] = usage.server_tools.get(name) or None
    fields |= {"first_token": _first_token(request, facts), "seconds": round(seconds, 4)}
    if error is not None:
        fields |= {"error": code_of(error), "param": param_of(error)}
    if route == NO_ROUTE:
        fields["method"] = excerpt(request.method, LONGEST_METHOD)
        # As the client spelled it, without the query.
        fields["path"] = excerpt(request.uri.partition(b"?")[0], LONGEST_PATH)
    return {name: value for name, value in fields.items() if value is not None}


def is_shown(route: str, fields: Mapping[str, Any]) -> bool:
    """Whether the status page shows a request: one that sends something, or that was refused.

    What tools ask for again and again, such as the metrics, would hide the others.
    """
    method, _, path = route.partition(" ")
    if path.startswith(OWN_ROUTES) or path in _OWN:
        return False
    return method not in ("GET", "HEAD", "OPTIONS") or fields["outcome"] == "error"


def _ended(at: float, fields: Mapping[str, Any], model: str, usage: Usage | None) -> Ended:
    seconds: float = fields["seconds"]
    return Ended(
        at=at,
        route=fields["route"],
        model=model,
        rung=next(iter(fields.get("workers", ())), ""),
        key=fields.get("key", NONE),
        outcome=fields["outcome"],
        status=fields.get("status"),
        error=fields.get("error"),
        first_token=fields.get("first_token"),
        seconds=seconds,
        usage=usage,
    )


def _outcome(facts: Facts) -> str:
    if facts.disconnected:
        return DISCONNECTED
    return "ok" if facts.error is None else "error"


def _first_token(request: Any, facts: Facts) -> float | None:
    if facts.first_token is None:
        return None
    arrived: float = request.arrived
    return round(max(facts.first_token - arrived, 0.0), 4)
