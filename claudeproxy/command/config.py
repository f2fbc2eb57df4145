"""`config`: each setting, its value, and where it was set."""

from __future__ import annotations

from typing import Any

import click

from ..options import shown
from ..settings import FIELDS, Sources, exposed_files
from .common import config_option, json_option, print_json, sources, table


def described(found: Sources) -> list[dict[str, Any]]:
    """Each setting, without its value if that is secret."""
    return [
        {
            "name": name,
            "value": _value(name, getattr(found.settings, name)),
            "default": name not in found.where,
            "source": found.where.get(name, "default"),
        }
        for name in FIELDS
    ]


def _value(name: str, value: Any) -> Any:
    if FIELDS[name].metadata["secret"]:
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value


def text_of(found: Sources) -> str:
    """The table for people."""
    rows = []
    for setting in described(found):
        value = getattr(found.settings, setting["name"])
        hidden = FIELDS[setting["name"]].metadata["secret"]
        text = ", ".join(f"{name}=(hidden)" for name in sorted(value)) if hidden else shown(value)
        rows.append((setting["name"], text or "-", setting["source"]))
    state = "" if found.exists else " (there is none)"
    return f"Settings file: {found.file}{state}\n\n{table(rows)}"


@click.group(invoke_without_command=True)
@config_option
@json_option
@click.pass_context
def config(ctx: click.Context, config: str | None, as_json: bool) -> None:
    """Show each setting with its value, and where it was set.

    API keys are hidden. The order of precedence is: command line, environment, config.toml.
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = config
        return
    found = sources(config)
    warnings = exposed_files(found)
    if as_json:
        print_json(
            {
                "file": str(found.file),
                "exists": found.exists,
                "settings": described(found),
                "warnings": warnings,
            }
        )
        return
    click.echo(text_of(found))
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


@config.command("path")
@click.pass_context
def config_path(ctx: click.Context) -> None:
    """Print the path of the settings file, which need not exist."""
    click.echo(sources(ctx.obj).file)
