"""`status`, `usage` and `models`: what a running server says of itself."""

from __future__ import annotations

import click

from .common import address_options, json_option, print_json, sources, table
from .server import Answer, Unreachable, ask
from .told import Status, as_mapping, model_rows, status_of, usage_rows


NOT_READY, NOT_RUNNING = 1, 3


def _ask(config: str | None, port: str | None, interface: str | None, path: str) -> Answer:
    try:
        return ask(sources(config, port=port, interface=interface).settings, path)
    except Unreachable as error:
        raise _Stopped(str(error)) from None


class _Stopped(click.ClickException):
    exit_code = NOT_RUNNING


@click.command()
@address_options
@json_option
def status(config: str | None, port: str | None, interface: str | None, as_json: bool) -> int:
    """Ask the running server how it is.

    The exit status is 0 if it is ready, 1 if it is not, and 3 if no server runs there.
    """
    health = _ask(config, port, interface, "/health")
    ready = _ask(config, port, interface, "/health/ready")
    found: Status = status_of(health, ready)
    if as_json:
        print_json(found.as_dict())
    else:
        click.echo("\n".join(found.lines()))
    return 0 if found.ready else NOT_READY


@click.command()
@address_options
@json_option
def usage(config: str | None, port: str | None, interface: str | None, as_json: bool) -> int:
    """Ask the running server how much of the plan is used."""
    answer = _ask(config, port, interface, "/v1/usage")
    if answer.status == 404:
        raise click.ClickException("This server does not have GET /v1/usage.")
    answer.check()
    if as_json:
        print_json(answer.body)
        return 0
    rows = usage_rows(answer.body)
    note = as_mapping(answer.body).get("note") or "Nothing is known yet."
    click.echo(table([("window", "used", "resets at"), *rows]) if rows else note)
    return 0


@click.command()
@address_options
@json_option
def models(config: str | None, port: str | None, interface: str | None, as_json: bool) -> int:
    """Ask the running server for its models."""
    answer = _ask(config, port, interface, "/v1/models")
    answer.check()
    if as_json:
        print_json(answer.body)
    else:
        click.echo(table(model_rows(answer.body)))
    return 0
