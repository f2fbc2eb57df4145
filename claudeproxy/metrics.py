"""What the server counts, for GET /metrics. Nothing of a request is in any of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


# From a warm worker's 30 ms to a slow model's minutes.
SECONDS = (0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        """All are at zero."""
        self._registry = CollectorRegistry()
        self._answered = Counter(
            "claudeproxy_requests",
            "Requests given to a worker, by how it was found",
            ["worker"],
            registry=self._registry,
        )
        self._retired = Counter(
            "claudeproxy_workers_retired",
            "CLI processes that ended, by reason",
            ["reason"],
            registry=self._registry,
        )
        self._retried = Counter(
            "claudeproxy_requests_retried",
            "Requests that lost their worker before they had an answer and got another",
            registry=self._registry,
        )
        self._refused = Counter(
            "claudeproxy_requests_refused",
            "Requests that found no worker in time",
            registry=self._registry,
        )
        self._first = Histogram(
            "claudeproxy_first_event_seconds",
            "From a request's start to the first event of its answer",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._workers = Gauge(
            "claudeproxy_workers",
            "CLI processes, by what they do",
            ["activity"],
            registry=self._registry,
        )
        self._queued = Gauge(
            "claudeproxy_requests_waiting",
            "Requests that wait for a worker",
            registry=self._registry,
        )

    def placed(self, reuse: str) -> None:
        """A request got a worker."""
        self._answered.labels(reuse).inc()

    def retired(self, reason: str) -> None:
        """A process ended; of the reason only what stands before a colon is kept."""
        self._retired.labels(reason.partition(":")[0]).inc()

    def retried(self) -> None:
        """A request is given a second worker."""
        self._retried.inc()

    def refused(self) -> None:
        """A request is told that there is no room."""
        self._refused.inc()

    def began(self, seconds: float) -> None:
        """An answer began so long after its request."""
        self._first.observe(seconds)

    def watch(self, activities: Mapping[str, Callable[[], int]], queued: Callable[[], int]) -> None:
        """Where to read what is not counted but looked at."""
        for name, count in activities.items():
            self._workers.labels(name).set_function(count)
        self._queued.set_function(queued)

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
