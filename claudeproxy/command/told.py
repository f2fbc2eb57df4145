"""What the answers of a server say, as far as it says it: other versions tell less or more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from math import ceil
from typing import Any

import attrs

from .server import Answer


def as_mapping(value: Any) -> Mapping[str, Any]:
    """A JSON object, or an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


@attrs.frozen
class Status:
    """What is known of a server. facts: what it said, from both routes."""

    version: str
    ready: bool
    reason: str
    facts: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The same for scripts."""
        return {
            "running": True,
            "version": self.version,
            "ready": self.ready,
            "reason": self.reason,
            **{name: value for name, value in self.facts.items() if name not in ("status",)},
        }

    def lines(self) -> Iterator[str]:
        """The same for people."""
        state = "ready" if self.ready else f"not ready. {self.reason}".rstrip()
        yield f"claudeproxy {self.version}: {state}"
        cli = as_mapping(self.facts.get("cli"))
        if cli.get("version"):
            path = f": {cli['path']}" if cli.get("path") else ""
            where = f" ({cli['where']})" if cli.get("where") else ""
            yield f"Claude Code {cli['version']}{path}{where}"
        if self.facts.get("demo"):
            yield "Demo: a built-in stand-in answers instead of Claude."
        elif login := self._login(cli):
            yield login
        processes = self.facts.get("processes")
        if processes is not None:
            yield f"Processes: {_flat(processes)}"
        uptime = self.facts.get("uptime")
        if isinstance(uptime, (int, float)):
            yield f"Running for {duration(uptime)}"

    def _login(self, cli: Mapping[str, Any]) -> str:
        login = as_mapping(self.facts.get("login"))
        known = login.get("logged_in", login.get("state", cli.get("logged_in")))
        words = {True: "yes", False: "no", None: "not known yet"}
        more = [str(login[name]) for name in ("by", "plan") if login.get(name)]
        age = login.get("age")
        if isinstance(age, (int, float)):
            more.append(f"seen {duration(age)} ago")
        text = words.get(known, str(known)) if not isinstance(known, str) else known
        return f"Logged in: {text}" + (f" ({', '.join(more)})" if more else "")


def status_of(health: Answer, ready: Answer) -> Status:
    """What the answers of GET /health and GET /health/ready say."""
    about, more = as_mapping(health.body), as_mapping(ready.body)
    facts = {**about, **{name: value for name, value in more.items() if name != "error"}}
    cli = as_mapping(facts.get("cli"))
    version = str(facts.get("version") or "(unknown version)")
    if "ready" in more:
        # The message has the time of `until`.
        reason = str(more.get("message") or more.get("reason") or "")
        return Status(version, bool(more["ready"]), reason, facts)
    # Before there was /health/ready.
    if health.status >= 400:
        return Status(version, False, health.message, facts)
    if not cli:
        return Status(version, False, "It has found no Claude Code CLI yet.", facts)
    logged_in = cli.get("logged_in")
    reasons = {True: "", False: "The CLI is not logged in.", None: "The login is not known yet."}
    return Status(version, logged_in is True, reasons.get(logged_in, ""), facts)


def usage_rows(body: Any) -> list[tuple[str, str, str]]:
    """The name, the used share and the end of each window of the plan."""
    windows = as_mapping(body).get("windows")
    rows = []
    for window in map(as_mapping, windows if isinstance(windows, list) else ()):
        used = window.get("used")
        name = str(window.get("name") or "?")
        shown = f"{used:.0%}" if isinstance(used, (int, float)) else "?"
        resets = window.get("resets_at")
        rows.append((name, shown, "?" if resets is None else moment(resets)))
    return rows


def model_rows(body: Any) -> list[tuple[str, str]]:
    """The id and the name of each model."""
    models = as_mapping(body).get("data")
    return [
        (str(model.get("id")), str(model.get("display_name") or model.get("name") or ""))
        for model in map(as_mapping, models if isinstance(models, list) else ())
    ]


def moment(value: Any) -> str:
    """A point in time: seconds since the epoch as a date, a text as it is."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # Rounded up: what ends then must have ended.
        return datetime.fromtimestamp(ceil(value / 60) * 60, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return str(value)


def duration(seconds: float) -> str:
    """A length of time in its two largest units."""
    parts = []
    rest = int(seconds)
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name} {_flat(part)}" for name, part in value.items() if part is not None
        )
    return str(value)
