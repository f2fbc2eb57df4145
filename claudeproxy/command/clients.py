"""`client NAME`: ready settings for a client."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from ..client_texts import CLIENTS, NO_KEY, YOUR_KEY, filled
from .common import address_options, sources, table
from .server import LOCAL, url


def _names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in CLIENTS if name.startswith(incomplete)]


@click.command()
@click.argument("name", required=False, shell_complete=_names)
@address_options
@click.option("--model", metavar="NAME", help="the model to name")
@click.option("--key", metavar="TEXT", help="a placeholder for the API key, such as $KEY")
def client(
    name: str | None,
    config: str | None,
    port: str | None,
    interface: str | None,
    model: str | None,
    key: str | None,
) -> None:
    """Print ready settings for a client; without NAME, list the clients.

    What is to be copied is on stdout, the rest on stderr. The API key is a placeholder.
    """
    if name is None:
        click.echo(table((name, each.title) for name, each in CLIENTS.items()))
        return
    if name not in CLIENTS:
        raise click.UsageError(f"unknown client {name!r}. Known: {', '.join(CLIENTS)}")
    settings = sources(config, port=port, interface=interface).settings
    local = LOCAL.get(settings.interface, settings.interface) == "127.0.0.1"
    origin = f"http://localhost:{settings.port}" if local else url(settings)
    chosen = CLIENTS[name]
    click.echo(f"{chosen.title}. {chosen.where}:\n", err=True)
    text = filled(chosen, origin, key or (YOUR_KEY if settings.keys else NO_KEY), model)
    click.echo(text)
    names = ", ".join(sorted(settings.keys))
    if chosen.give and (settings.keys or key):
        called = f" They are called: {names}." if names else ""
        click.echo(f"\n{chosen.give}{called}", err=True)
    elif settings.keys and not key:
        click.echo(f"\nReplace {YOUR_KEY} by one of this server's keys: {names}.", err=True)
    if not chosen.tried:
        click.echo("\nThe project's tests do not run this client.", err=True)
