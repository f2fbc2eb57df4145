"""The command `service` and its subcommands."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from ...settings import CONFIG, PREFIX
from ..common import config_option, sources
from .managers import Manager, Trouble, environment_file, manager_for, run


TOKEN = "CLAUDE_CODE_OAUTH_TOKEN"  # noqa: S105


@click.group()
def service() -> None:
    """Install and control claudeproxy as a service that starts at login."""


def _manager(config: str | None = None) -> Manager:
    try:
        return manager_for(sources(config).settings)
    except Trouble as error:
        raise click.ClickException(str(error)) from None


def _run_all(commands: Sequence[Sequence[str]], *, ignore: bool = False) -> None:
    for command in commands:
        try:
            status = run(*command)
        except Trouble as error:
            raise click.ClickException(str(error)) from None
        if status and not ignore:
            raise click.ClickException(
                f"`{' '.join(command)}` ended with status {status}. `claudeproxy service logs` may "
                "tell why."
            )


def write(manager: Manager) -> str:
    """Write the service's file; what became of it: "written", "replaced" or "unchanged"."""
    before: bytes | None
    try:
        before = manager.file.read_bytes()
    except FileNotFoundError:
        before = None
    if before == manager.content:
        return "unchanged"
    manager.file.parent.mkdir(parents=True, exist_ok=True)
    new = manager.file.with_suffix(".new")
    new.write_bytes(manager.content)
    new.replace(manager.file)
    return "written" if before is None else "replaced"


def left_behind(environ: Mapping[str, str]) -> list[str]:
    """The variables of this shell that the service does not get."""
    own = [name for name in environ if name.startswith(PREFIX) and name != CONFIG]
    return sorted([*own, *([TOKEN] if TOKEN in environ else [])])


@service.command()
@config_option
@click.option("--start/--no-start", default=True, help="whether to start it as well")
def install(config: str | None, start: bool) -> None:
    """Install the service for this installation and the CLI found now, and start it.

    To install it again does no harm: it then starts with what has changed. Settings come from
    config.toml and from the file `environment` beside it.
    """
    manager = _manager(config)
    try:
        outcome = write(manager)
        environment_file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        name = error.filename or manager.file
        raise click.ClickException(f"cannot write {name}: {error.strerror}") from None
    click.echo(f"{outcome}: {manager.file}")
    click.echo(f"settings: {sources(config).file}, and variables: {environment_file()}")
    for name in left_behind(os.environ):
        click.echo(
            f"warning: the service does not get {name} of this shell. Put it into "
            f"{environment_file()}.",
            err=True,
        )
    if start:
        _run_all(manager.reload)
        was_running = manager.describe().running
        changed = was_running and outcome != "unchanged"
        if manager.kind == "launchd" and was_running and not changed:
            click.echo("It runs already.")
        else:
            _run_all(manager.restart if changed else manager.start)
            click.echo("It runs. Look at it: claudeproxy service status, claudeproxy status")
    if manager.kind == "systemd":
        click.echo("To run it from boot on, without a login: loginctl enable-linger")
    click.echo("To undo this: claudeproxy service uninstall")


@service.command()
def uninstall() -> None:
    """Stop the service and remove its file; settings and logs stay."""
    manager = _manager()
    if not manager.file.exists():
        click.echo("No service is installed.")
        return
    _run_all(manager.remove, ignore=True)
    try:
        manager.file.unlink()
    except OSError as error:
        raise click.ClickException(f"cannot remove {manager.file}: {error.strerror}") from None
    click.echo(f"removed: {manager.file}")
    if manager.kind == "systemd":
        _run_all(manager.reload[:1], ignore=True)
    kept: list[Path] = [environment_file().parent]
    click.echo(f"kept: {', '.join(map(str, kept))}")


def _installed() -> Manager:
    manager = _manager()
    if not manager.file.exists():
        raise click.ClickException("No service is installed. Run: claudeproxy service install")
    return manager


@service.command()
def start() -> None:
    """Start the service."""
    _run_all(_installed().start)


@service.command()
def stop() -> None:
    """Stop the service until the next login."""
    _run_all(_installed().stop)


@service.command()
def status() -> int:
    """Show what the service manager knows of the service."""
    try:
        return run(*_installed().status)
    except Trouble as error:
        raise click.ClickException(str(error)) from None


@service.command()
@click.option("-f", "--follow", is_flag=True, help="go on with new lines, until Ctrl-C")
def logs(follow: bool) -> int:
    """Show the log of the service."""
    command = [*_installed().logs, *(["-f"] if follow else [])]
    sys.stdout.flush()
    try:
        return run(*command)
    except Trouble as error:
        raise click.ClickException(str(error)) from None
