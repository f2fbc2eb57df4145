"""What the CLI has reported about the usage limits of the user's plan.

A plan has a limit for each of several windows of time. The CLI reports them in `rate_limit_event`
lines, which come with the turns, and in its response to `get_usage`. Times are in seconds since the
epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import IntEnum
from math import ceil, isfinite
from typing import Any

import attrs

from .errors import in_local_time


# A report that is not older than this many seconds is taken for what holds now.
FRESH = 300.0
# The windows of Anthropic's response headers, and their names there.
HEADER_NAMES = {"five_hour": "5h", "seven_day": "7d"}
UNIFIED = "anthropic-ratelimit-unified"

API_KEY_NOTE = "Claude Code uses an API key. An API key has no plan, so there are no windows."
NOTHING_YET_NOTE = (
    "Claude Code has not reported any limits of a plan yet. It does so with the next answer."
)


class Level(IntEnum):
    """How much of a window is left, as the API's `status` says."""

    FINE = 0
    NEAR = 1
    REACHED = 2


_LEVELS = {"allowed_warning": Level.NEAR, "rejected": Level.REACHED}


@attrs.frozen
class Window:
    """The newest report about one window.

    name: the API's name (`five_hour`, `seven_day`, ...). used: the share that is used; 1 is all of
    it. status: `allowed`, `allowed_warning` or `rejected`. Each is None if it was not reported.
    """

    name: str
    seen_at: float
    used: float | None = None
    status: str | None = None
    resets_at: int | None = None

    @property
    def title(self) -> str:
        """The name for a sentence."""
        return self.name.replace("_", "-")

    def over(self, now: float) -> bool:
        """Whether the window has ended, so that the report does not hold any more."""
        return self.resets_at is not None and self.resets_at <= now

    def at(self, now: float) -> Window:
        """What is known about the window now: nothing, if the one of the report has ended."""
        return Window(self.name, self.seen_at) if self.over(now) else self


@attrs.frozen
class Change:
    """A window whose level is new, and has not been reported to the user yet."""

    window: Window
    level: Level

    def ended(self, newest: Level, now: float) -> bool:
        """Whether it holds no more, if `newest` is what the CLI reports now."""
        unknown_end = self.window.resets_at is None
        return self.window.over(now) or (unknown_end and newest is Level.FINE)

    def __str__(self) -> str:
        """A sentence for the log."""
        window = self.window
        ends = f" It resets at {in_local_time(window.resets_at)}." if window.resets_at else ""
        match self.level:
            case Level.REACHED:
                return f"The {window.title} limit of the plan is reached.{ends}"
            case Level.NEAR:
                used = "" if window.used is None else f": {window.used:.0%} of it is used"
                return f"The {window.title} limit of the plan is near{used}.{ends}"
        return f"The {window.title} limit of the plan has reset."


@attrs.define
class PlanUsage:
    """The windows of the plan, each as last reported."""

    _windows: dict[str, Window] = attrs.field(factory=dict, init=False)
    # For each window, the highest level that the user has been told, and in which window that was.
    _told: dict[str, Change] = attrs.field(factory=dict, init=False)
    # The window that the newest report named as the one that decides.
    _deciding: str | None = attrs.field(default=None, init=False)

    def report_event(self, info: Mapping[str, Any], now: float) -> list[Change]:
        """Take the `rate_limit_info` of a `rate_limit_event`; returns what the user must be told.

        2.1.197 reports only the window that decides. Newer versions report all.
        """
        found: dict[str, Window] = {}
        deciding = info.get("rateLimitType")
        if isinstance(deciding, str):
            self._deciding = deciding
            found[deciding] = _of_event(deciding, info, now)
        windows = info.get("unifiedWindows")
        for name, told in (windows if isinstance(windows, Mapping) else {}).items():
            if isinstance(told, Mapping):
                found[name] = _of_event(name, told, now)
        return self._take(found.values(), now)

    def report_usage(self, limits: Mapping[str, Any], now: float) -> list[Change]:
        """Take the `rate_limits` of a response to `get_usage`, which reports no status."""
        found = []
        for name, told in limits.items():
            # `extra_usage` is no window: it does not reset.
            if not isinstance(told, Mapping) or "resets_at" not in told:
                continue
            percent = _number(told.get("utilization"))
            used = None if percent is None else percent / 100
            window = Window(name, now, used, None, _instant(told["resets_at"]))
            before = self._windows.get(name)
            if before is not None and not before.over(now):
                window = attrs.evolve(window, status=before.status)
            found.append(window)
        return self._take(found, now)

    def windows(self, now: float) -> list[Window]:
        """What is known about each window now."""
        order = [*HEADER_NAMES, *sorted(self._windows.keys() - HEADER_NAMES.keys())]
        return [self._windows[name].at(now) for name in order if name in self._windows]

    def fresh(self, now: float) -> bool:
        """Whether all that is known is new enough to hold now."""
        windows = self._windows.values()
        return bool(windows) and all(
            now - window.seen_at <= FRESH and not window.over(now) for window in windows
        )

    def as_object(self, now: float, account: Mapping[str, Any]) -> dict[str, Any]:
        """The body for GET /v1/usage. account: as the CLI reports it when it is initialized."""
        windows = self.windows(now)
        plan = account.get("subscriptionType")
        key = account.get("apiKeySource") not in (None, "none") and plan is None
        nothing = API_KEY_NOTE if key else NOTHING_YET_NOTE
        return {
            "object": "usage",
            "plan": plan if isinstance(plan, str) else None,
            "windows": [
                {
                    "name": window.name,
                    "used": window.used,
                    "status": window.status,
                    "resets_at": window.resets_at,
                    "seen_at": int(window.seen_at),
                    "age": max(0, int(now - window.seen_at)),
                }
                for window in windows
            ],
            "fresh": self.fresh(now),
            "note": None if windows else nothing,
        }

    def headers(self, now: float) -> dict[str, str]:
        """The headers in which Anthropic's API reports the same, as far as it holds now."""
        known = {
            window.name: window
            for window in self.windows(now)
            if window.status is not None and now - window.seen_at <= FRESH
        }
        headers = {}
        if deciding := known.get(self._deciding or ""):
            headers = _headers_of(UNIFIED, deciding)
            headers[f"{UNIFIED}-representative-claim"] = deciding.name
        for name, short in HEADER_NAMES.items():
            if window := known.get(name):
                headers |= _headers_of(f"{UNIFIED}-{short}", window)
                if window.used is not None:
                    headers[f"{UNIFIED}-{short}-utilization"] = f"{window.used:g}"
        return headers

    def _take(self, reported: Iterable[Window], now: float) -> list[Change]:
        changes = []
        for window in reported:
            self._windows[window.name] = window
            level = _LEVELS.get(window.status or "", Level.FINE)
            told = self._told.get(window.name)
            if told is not None and told.ended(level, now):
                del self._told[window.name]
                told = None
                if level is Level.FINE:
                    changes.append(Change(window, level))
            # Processes report at about the same time, so a level may go down and up again.
            if level > (told.level if told is not None else Level.FINE):
                self._told[window.name] = Change(window, level)
                changes.append(self._told[window.name])
        return changes


def _of_event(name: str, told: Mapping[str, Any], now: float) -> Window:
    status = told.get("status")
    return Window(
        name,
        now,
        _number(told.get("utilization")),
        status if isinstance(status, str) else None,
        _instant(told.get("resetsAt")),
    )


def _headers_of(prefix: str, window: Window) -> dict[str, str]:
    headers = {f"{prefix}-status": window.status or ""}
    if window.resets_at is not None:
        headers[f"{prefix}-reset"] = str(window.resets_at)
    return headers


def _number(told: object) -> float | None:
    if isinstance(told, bool) or not isinstance(told, int | float) or not isfinite(told):
        return None
    return float(told)


def _instant(told: object) -> int | None:
    """Read a time: seconds since the epoch, or a text as in RFC 3339."""
    if isinstance(told, str):
        try:
            when = datetime.fromisoformat(told)
        except ValueError:
            return None
        told = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    seconds = _number(told)
    return None if seconds is None else ceil(seconds)
