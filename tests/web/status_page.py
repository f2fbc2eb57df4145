"""A status page whose data a test can set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from claudeproxy.web.app import route_of
from claudeproxy.web.status.routes import StatusPage
from claudeproxy.web.status.view import Sources


@attrs.define
class Told:
    """What the page is told."""

    readiness: dict[str, Any] = attrs.field(factory=dict)
    login: str = "Logged in."
    plan: dict[str, Any] = attrs.field(factory=dict)
    pool: dict[str, Any] = attrs.field(factory=lambda: {"processes": [], "waiting": 0})
    running: Iterable[Any] = ()
    with_keys: bool = False
    looked: int = 0
    # How far the time of day is ahead of the clock by which requests arrive.
    ahead: float = 0.0

    def ready(self) -> dict[str, Any]:
        self.looked += 1
        return dict(self.readiness)


def a_status_page(clock: Any, told: Told | None = None) -> StatusPage:
    told = told or Told()
    return StatusPage(
        clock,
        Sources(
            readiness=told.ready,
            login=lambda: told.login,
            plan=lambda: told.plan,
            pool=lambda: told.pool,
            running=lambda: told.running,
            route_of=route_of,
            has_keys=lambda: told.with_keys,
        ),
        lambda: clock.seconds() + told.ahead,
    )
