"""The data of the status page, as objects for JSON. They have nothing of any request's content."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from ..facts import Facts
from .history import History


@attrs.frozen
class Sources:
    """Where the data come from.

    readiness: the details for GET /health/ready; asking looks again for a CLI or a login, if there
    was none. login: a sentence about the login. plan: the object of GET /v1/usage. pool: what each
    process does, as `processes`, and how many requests are `waiting`. running: the requests that
    are being answered. route_of: the route of such a request. has_keys: whether clients need a key.
    """

    readiness: Callable[[], Mapping[str, Any]]
    login: Callable[[], str]
    plan: Callable[[], Mapping[str, Any]]
    pool: Callable[[], Mapping[str, Any]]
    running: Callable[[], Iterable[Any]]
    route_of: Callable[[Any], str]
    has_keys: Callable[[], bool]


@attrs.frozen
class View:
    """What the page shows now.

    now: the time in seconds since the epoch. seconds: the clock by which requests arrive, which can
    be another one.
    """

    now: Callable[[], float]
    seconds: Callable[[], float]
    sources: Sources
    history: History

    def state(self) -> dict[str, Any]:
        """Whether the server can answer, and what is known of the CLI, the login and the plan."""
        told = self.sources.readiness()
        return {**told, "login_text": self.sources.login()}

    def plan(self) -> dict[str, Any]:
        """The limits of the plan."""
        return dict(self.sources.plan())

    def parts(self) -> dict[str, Any]:
        """What changes, without what only grows older, so that it can be compared."""
        state, plan = self.state(), self.plan()
        for name in ("uptime", "processes"):
            state.pop(name, None)
        state["login"] = _without(state.get("login") or {}, "age")
        running = sorted(self.sources.running(), key=lambda request: request.arrived)
        windows = [_without(window, "age", "seen_at") for window in plan.get("windows", ())]
        plan = _without({**plan, "windows": windows}, "fresh")
        return {
            "state": state,
            "plan": plan,
            "running": [self._running(request) for request in running],
            **self._pool(),
        }

    def _pool(self) -> dict[str, Any]:
        told = self.sources.pool()
        processes = [{**one, "since": self._at(one["since"])} for one in told["processes"]]
        return {**told, "processes": processes}

    def _at(self, seconds: float) -> float:
        """A time of the clock in seconds since the epoch.

        The difference is in whole seconds, or the time would seem to change whenever it is told.
        """
        return seconds + round(self.now() - self.seconds())

    def snapshot(self) -> dict[str, Any]:
        """All that the page shows."""
        now = self.now()
        return {
            "now": now,
            **self.parts(),
            "uptime": self.state().get("uptime"),
            "recent": self.history.recent(),
            "plots": self.history.plots(now),
        }

    def _running(self, request: Any) -> dict[str, Any]:
        facts: Facts = request.facts
        first_token = facts.first_token
        return {
            "at": self._at(request.arrived),
            "route": self.sources.route_of(request),
            "model": facts.model_label,
            "rung": rung_of(facts),
            "key": facts.key,
            "first_token": None if first_token is None else first_token - request.arrived,
        }


def rung_of(facts: Facts) -> str:
    """How the process of a request was obtained; that of the first choice, if it has several."""
    workers = facts.workers
    return workers[0] if workers else ""


def _without(told: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in names}
