"""`login`: the CLI's own login, and what came of it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import click
from twisted.internet.threads import deferToThread

from ..cli.launch import CLI
from ..cli.lookup import Lookup
from ..errors import APIError
from ..settings import Settings
from .common import config_option, run_in_reactor, sources
from .doctor.account import ELSEWHERE, ask_login
from .doctor.facts import Login


async def find_cli(reactor: Any, settings: Settings) -> CLI:
    """The CLI that the server would use; raises APIError."""
    lookup = Lookup(reactor)
    try:
        return await lookup.find(settings.cli, os.environ)
    finally:
        await lookup.stop()


@click.command()
@config_option
@click.option("--cli", metavar="FILE", help="path of the claude binary")
def login(config: str | None, cli: str | None) -> int:
    """Log in to Claude with the CLI that the server uses.

    It runs `claude auth login`, which opens a browser or prints an address. A server that runs
    needs no restart.
    """
    settings = sources(config, cli=cli).settings

    async def run(reactor: Any) -> tuple[int, Login]:
        found = await find_cli(reactor, settings)
        sys.stdout.write(f"Claude Code {found.version}: {found.path} ({found.where})\n")
        sys.stdout.flush()
        # It needs what opens a browser, but no key that it would use instead of a login.
        env = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
        # The terminal is the CLI's until it ends.
        status = await deferToThread(subprocess.call, [found.path, "auth", "login"], env=env)
        return status, await ask_login(reactor, found, settings, os.environ)

    try:
        status, outcome = run_in_reactor(run)
    except APIError as error:
        raise click.ClickException(error.message) from None
    except OSError as error:
        raise click.ClickException(f"The CLI could not be started: {error}") from None
    if outcome.problem:
        raise click.ClickException(outcome.problem)
    if not outcome.logged_in:
        ended = f" (it ended with status {status})" if status else ""
        raise click.ClickException(f"Not logged in: the CLI reports no login{ended}.")
    sys.stdout.write(f"Logged in: {outcome.by}.\n")
    return 0
