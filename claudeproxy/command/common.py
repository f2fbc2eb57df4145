"""What the commands share: the options of a running server, and how they print."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.failure import Failure

from ..settings import Sources, load_sources


F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def json_option(command: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="print JSON, for scripts")(command)


def config_option(command: F) -> F:
    """`--config`."""
    return click.option("-c", "--config", metavar="FILE", help="settings file")(command)


def address_options(command: F) -> F:
    """The options that say where the server is."""
    for decorate in (
        click.option("--interface", metavar="TEXT", help="address that the server listens on"),
        click.option("--port", metavar="N", help="port that the server listens on"),
        config_option,
    ):
        command = decorate(command)
    return command


def sources(config: str | None = None, **given: str | None) -> Sources:
    """The settings, as the server would load them; raises SettingsError."""
    named = {name: value for name, value in given.items() if value is not None}
    return load_sources(named, file=Path(config) if config else None)


def print_json(value: object) -> None:
    """Print a value for a script."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def table(rows: Iterable[Sequence[str]]) -> str:
    """Rows in columns, the last of which may be of any length."""
    listed = [list(row) for row in rows]
    if not listed:
        return ""
    widths = [max(len(row[n]) for row in listed) for n in range(len(listed[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]])
        for row in listed
    )


def run_in_reactor(main: Callable[[Any], Awaitable[T]]) -> T:
    """Run a coroutine with the reactor until it ends; its result, or its exception."""
    # Not imported before it is needed: most commands do without.
    from twisted.internet.task import react

    results: list[T] = []
    failures: list[Failure] = []

    async def run(reactor: Any) -> T:
        return await main(reactor)

    def started(reactor: Any) -> Deferred[None]:
        return ensureDeferred(run(reactor)).addCallbacks(results.append, failures.append)

    with suppress(SystemExit):
        react(started)
    if failures:
        failures[0].raiseException()
    if not results:
        raise click.Abort
    return results[0]
