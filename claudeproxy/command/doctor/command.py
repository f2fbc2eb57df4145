"""The command `doctor`."""

from __future__ import annotations

import os
from typing import Any

import attrs
import click

from ... import __version__
from ...settings import SettingsError
from ..common import address_options, json_option, print_json, run_in_reactor, sources
from .facts import Facts
from .findings import Finding, Level, exit_status, findings_of


MARKS = {Level.GOOD: "ok", Level.WARNING: "WARNING", Level.FAULT: "FAULT"}


@click.command()
@address_options
@click.option("--cli", metavar="FILE", help="path of the claude binary")
@click.option(
    "--self-test/--no-self-test",
    default=True,
    help="whether to try the CLI against the built-in stand-in (some seconds, no token)",
)
@json_option
def doctor(
    config: str | None,
    port: str | None,
    interface: str | None,
    cli: str | None,
    self_test: bool,
    as_json: bool,
) -> int:
    """Look for what is wrong, and say what to do.

    It uses no tokens. The exit status is that of the worst finding: 0 if all is well, 1 for a
    warning, 3 for a fault.
    """
    findings = findings_of(_facts(config, port, interface, cli, with_self_test=self_test))
    status = exit_status(findings)
    if as_json:
        print_json({"status": status, "findings": [_as_dict(finding) for finding in findings]})
    else:
        for finding in findings:
            click.echo(f"{MARKS[finding.level]:8}{finding.check:10}{finding.message}")
            if finding.remedy:
                click.echo(f"{'':18}{finding.remedy}")
    return status


def _facts(
    config: str | None,
    port: str | None,
    interface: str | None,
    cli: str | None,
    *,
    with_self_test: bool,
) -> Facts:
    try:
        found = sources(config, port=port, interface=interface, cli=cli)
    except SettingsError as error:
        return Facts(version=__version__, settings_error=str(error))

    async def look(reactor: Any) -> Facts:
        # It loads the whole server, which most commands do without.
        from .gather import gather

        return await gather(reactor, found, os.environ, with_self_test=with_self_test)

    return run_in_reactor(look)


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {**attrs.asdict(finding), "level": finding.level.value}
