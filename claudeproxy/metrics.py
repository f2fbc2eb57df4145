"""The metrics of GET /metrics. They contain nothing of any request."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


# From the 30 ms of a warm worker to the minutes of a slow model.
SECONDS = (0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        """All counters start at zero."""
        self._registry = CollectorRegistry()
        self._answered = Counter(
            "claudeproxy_requests",
            "Requests assigned to a worker, by how the worker was obtained",
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
            "Requests assigned to a second worker because the first ended before it answered",
            registry=self._registry,
        )
        self._rewound = Counter(
            "claudeproxy_rewinds",
            "Attempts to take a process back to an earlier line, by outcome",
            ["outcome"],
            registry=self._registry,
        )
        self._refused = Counter(
            "claudeproxy_requests_refused",
            "Requests rejected because no worker was available",
            registry=self._registry,
        )
        self._structured = Counter(
            "claudeproxy_structured_answers",
            "Structured answers that the API was asked for, by how they match their schema",
            ["outcome"],
            registry=self._registry,
        )
        self._structured_by_tool = Counter(
            "claudeproxy_structured_by_tool",
            "Structured answers made by the CLI's tool instead of the API, by reason",
            ["reason"],
            registry=self._registry,
        )
        self._first = Histogram(
            "claudeproxy_first_event_seconds",
            "Time from the start of a request to the first event of its answer",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._workers = Gauge(
            "claudeproxy_workers",
            "CLI processes, by activity",
            ["activity"],
            registry=self._registry,
        )
        self._queued = Gauge(
            "claudeproxy_requests_waiting",
            "Requests in the queue for a worker",
            registry=self._registry,
        )

    def placed(self, reuse: str) -> None:
        """A request was assigned to a worker."""
        self._answered.labels(reuse).inc()

    def retired(self, reason: str) -> None:
        """A process ended; the label is the part of the reason before a colon."""
        self._retired.labels(reason.partition(":")[0]).inc()

    def retried(self) -> None:
        """A request is assigned to a second worker."""
        self._retried.inc()

    def rewound(self, outcome: str) -> None:
        """A process was taken back (`done`), or was not; the label is the reason then."""
        self._rewound.labels(outcome).inc()

    def structured_by_api(self, outcome: str) -> None:
        """The API was asked for an answer that matches a schema, and it ended so."""
        self._structured.labels(outcome).inc()

    def structured_by_tool(self, reason: str) -> None:
        """A structured answer is made by the CLI's tool, for this reason."""
        self._structured_by_tool.labels(reason).inc()

    def refused(self) -> None:
        """A request is rejected: the queue is full, or it waited there too long."""
        self._refused.inc()

    def began(self, seconds: float) -> None:
        """An answer began this many seconds after its request."""
        self._first.observe(seconds)

    def watch(self, activities: Mapping[str, Callable[[], int]], queued: Callable[[], int]) -> None:
        """Set the functions that the gauges read."""
        for name, count in activities.items():
            self._workers.labels(name).set_function(count)
        self._queued.set_function(queued)

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self._registry)
