"""The dashboard for Grafana asks for metrics and labels that the server has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from claudeproxy.errors import unavailable
from claudeproxy.events import Failed

from .test_site import ANSWER, HI, Server


DASHBOARD = Path(__file__).parent.parent.parent / "share" / "grafana" / "claudeproxy.json"
# In PromQL: what is no metric and no label.
WORDS = {"sum", "by", "rate", "increase", "histogram_quantile", "label_values"}
# What begins a name of a metric.
METRIC = re.compile(r"\b(?:claudeproxy|process|python)_[a-z_]+")


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text("utf-8"))
    return loaded


def queries() -> list[tuple[str, str]]:
    """Each query with its legend."""
    found = [
        (target["expr"], target["legendFormat"])
        for panel in dashboard()["panels"]
        for target in panel["targets"]
    ]
    variables = dashboard()["templating"]["list"]
    return found + [(one["query"], "") for one in variables if one["type"] == "query"]


def labels_in(query: str, legend: str) -> Iterator[str]:
    """The names of labels in a query and in its legend."""
    yield from re.findall(r"([a-z_]+)\s*(?:=~|!=|!~|=)", query)
    for grouped in re.findall(r"\bby \(([^)]*)\)", query):
        yield from re.split(r",\s*", grouped)
    yield from re.findall(r"label_values\(\w+, (\w+)\)", query)
    yield from re.findall(r"\{\{(\w+)\}\}", legend)


@pytest.fixture(scope="module")
def samples() -> dict[str, set[str]]:
    """The names of all samples after a few requests, each with its labels."""
    server = Server()
    server.metrics.watch({"busy": lambda: 1}, lambda: 0)
    server.metrics.found_cli("2.1.332")
    server.ask(HI)
    server.say(*ANSWER)
    server.ask(HI)
    server.say(Failed(unavailable("Gone.")))
    # What the pool counts, which is a scripted one here.
    server.metrics.placed("spawned")
    server.metrics.retired("idle timeout")
    server.metrics.rewound("done")
    server.metrics.structured_by_api("matched")
    server.metrics.structured_by_tool("setting")
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(server.metrics.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_it_is_a_dashboard() -> None:
    loaded = dashboard()
    assert loaded["title"] == "claudeproxy"
    panels = loaded["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 15
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def test_every_query_asks_for_what_there_is(samples: dict[str, set[str]]) -> None:
    for query, legend in queries():
        names = METRIC.findall(query)
        assert names, query
        for name in names:
            assert name in samples, query
            # Each is of one metric, so its labels are that one's.
            assert set(labels_in(query, legend)) <= samples[name], query


def test_every_word_of_a_query_is_understood_by_this_test() -> None:
    for query, legend in queries():
        bare = re.sub(r'"[^"]*"|\$\w+|\[[^\]]*\]|\d+h?', " ", query)
        known = WORDS | set(METRIC.findall(query)) | set(labels_in(query, legend))
        assert set(re.findall(r"[a-z_]+", bare)) <= known, query


def test_every_metric_of_the_server_is_shown(samples: dict[str, set[str]]) -> None:
    ours = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for name in samples
        if name.startswith("claudeproxy_")
    }
    asked = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for query, _ in queries()
        for name in METRIC.findall(query)
    }
    # It is like the first token, but also counts answers without any text.
    assert ours - asked == {"claudeproxy_first_event_seconds"}


def test_the_process_and_the_platform_are_told_and_no_times_of_creation(
    samples: dict[str, set[str]],
) -> None:
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total"} <= set(samples)
    assert {"python_info", "python_gc_collections_total"} <= set(samples)
    assert samples["claudeproxy_build_info"] == {"version", "python"}
    assert not [name for name in samples if name.endswith("_created")]
