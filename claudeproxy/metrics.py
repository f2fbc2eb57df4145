"""The metrics of GET /metrics. They contain nothing of any request."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from . import __version__
from .events import Usage
from .plan_usage import Window


# From the 30 ms of a warm worker to the minutes of a slow model.
SECONDS = (0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
# From a result out of a parked process to the longest answers.
DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
# How many models have a label of their own. What there is beyond that, `other` stands for.
MOST_MODELS = 100
OTHER = "other"
# The tools of the API that its usage counts.
SERVER_TOOLS = frozenset({"web_search", "web_fetch", "code_execution"})

# A second sample for each counter, of its time of creation, which no query here needs.
disable_created_metrics()


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
        self._starts_failed = Counter(
            "claudeproxy_cli_starts_failed",
            "CLI processes that were not of use, by what happened at their start",
            ["kind"],
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
        self._server_tools = Counter(
            "claudeproxy_server_tool_uses",
            "Uses of the tools that the API carries out itself, such as web search, by tool",
            ["tool"],
            registry=self._registry,
        )
        self._first = Histogram(
            "claudeproxy_first_event_seconds",
            "Time from the start of a request to the first event of its answer",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._ended = Counter(
            "claudeproxy_http_requests",
            "Requests that have ended, by route, model, status and the name of the API key",
            ["route", "model", "status", "key"],
            registry=self._registry,
        )
        self._first_token = Histogram(
            "claudeproxy_first_token_seconds",
            "Time from a request to the first piece of its answer",
            ["model", "worker"],
            buckets=DURATIONS,
            registry=self._registry,
        )
        self._duration = Histogram(
            "claudeproxy_request_seconds",
            "Time from a request that was assigned to a worker to the end of its response",
            ["model", "worker"],
            buckets=DURATIONS,
            registry=self._registry,
        )
        self._tokens = Counter(
            "claudeproxy_tokens",
            "Tokens as the API counts them; `output` includes `reasoning`",
            ["kind", "model"],
            registry=self._registry,
        )
        self._errors = Counter(
            "claudeproxy_errors",
            "Errors that clients were told, by code",
            ["code"],
            registry=self._registry,
        )
        Info("claudeproxy_build", "The version of this server", registry=self._registry).info(
            {"version": __version__, "python": platform.python_version()}
        )
        self._cli = Gauge(
            "claudeproxy_cli_info",
            "The version of the Claude Code CLI that was found last; the value is always 1",
            ["version"],
            registry=self._registry,
        )
        self._models: set[str] = set()
        self._children: dict[tuple[Any, ...], Any] = {}
        # Memory, CPU time and open files of this process; Python and its garbage collector.
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
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

    def start_failed(self, kind: str) -> None:
        """A process did not become ready, or ended right after that."""
        self._starts_failed.labels(kind).inc()

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

    def request(self, route: str, model: str, status: str, key: str) -> None:
        """A request has ended. All four must be of a limited number, and none a client's text."""
        self._child(self._ended, route, self._label(model), status, key).inc()

    def took(self, model: str, worker: str, seconds: float, first_token: float | None) -> None:
        """A request that had a worker has ended. first_token: None if there was no answer."""
        model = self._label(model)
        self._child(self._duration, model, worker).observe(seconds)
        if first_token is not None:
            self._child(self._first_token, model, worker).observe(first_token)

    def spent(self, model: str, usage: Usage) -> None:
        """These tokens were used."""
        model = self._label(model)
        for kind, tokens in (
            ("input", usage.input_tokens),
            ("cache_read", usage.cache_read_tokens),
            ("cache_creation", usage.cache_creation_tokens),
            ("output", usage.output_tokens),
            ("reasoning", usage.reasoning_tokens),
        ):
            if tokens:
                self._child(self._tokens, kind, model).inc(tokens)
        for name, uses in usage.server_tools.items():
            if uses:
                tool = name.removesuffix("_requests")
                self._server_tools.labels(tool if tool in SERVER_TOOLS else OTHER).inc(uses)

    def error(self, code: str) -> None:
        """A client was told of an error."""
        self._errors.labels(code).inc()

    def found_cli(self, version: str) -> None:
        """A CLI of this version was found."""
        self._cli.clear()
        self._cli.labels(version).set(1)

    def _child(self, metric: Any, *labels: str) -> Any:
        """The metric with these labels; to look one up in the metric takes longer."""
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    def _label(self, model: str) -> str:
        """The model's label; the answering models are named by the API."""
        if model not in self._models:
            if len(self._models) >= MOST_MODELS:
                return OTHER
            self._models.add(model)
        return model

    def watch(self, activities: Mapping[str, Callable[[], int]], queued: Callable[[], int]) -> None:
        """Set the functions that the gauges read."""
        for name, count in activities.items():
            self._workers.labels(name).set_function(count)
        self._queued.set_function(queued)

    def watch_plan(self, windows: Callable[[], Sequence[Window]]) -> None:
        """Set the function that returns what is known about the limits of the plan."""
        self._registry.register(_PlanCollector(windows))

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self._registry)


class _PlanCollector(Collector):
    """The limits of the plan. What is not known has no sample."""

    def __init__(self, windows: Callable[[], Sequence[Window]]) -> None:
        self._windows = windows

    def collect(self) -> Iterator[GaugeMetricFamily]:
        used = GaugeMetricFamily(
            "claudeproxy_plan_used_ratio",
            "The share of the plan's limit that is used, by window; 1 is all of it",
            labels=["window"],
        )
        resets = GaugeMetricFamily(
            "claudeproxy_plan_resets_timestamp_seconds",
            "When the window of the plan's limit resets, in seconds since the epoch",
            labels=["window"],
        )
        for window in self._windows():
            if window.used is not None:
                used.add_metric([window.name], window.used)
            if window.resets_at is not None:
                resets.add_metric([window.name], window.resets_at)
        yield used
        yield resets
