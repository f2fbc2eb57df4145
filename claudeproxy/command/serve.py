"""`serve` and `demo`: run the server by twistd, with the options of the settings."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
import platformdirs

from .. import options
from ..hangups import hangups
from ..settings import FIELDS


TWISTD = (
    ("--daemon / --no-daemon", "run in the background; the command returns when it listens [off]"),
    ("--pidfile FILE", "where to write the process id (default with --daemon: see below)"),
    ("--logfile FILE", "where to write the log (default: stdout, and with --daemon see below)"),
)
EPILOG = (
    "A setting can also be given as an environment variable (CLAUDEPROXY_PORT=3456) or in "
    "config.toml (port = 3456); the command line takes precedence. `claudeproxy config` shows them "
    "all. With --daemon, claudeproxy.pid and claudeproxy.log are in your state folder, which is "
    "~/.local/state/claudeproxy on Linux."
)


class ServerCommand(click.Command):
    """A command with every setting as an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options; flags may have a value."""
        return super().parse_args(
            ctx, options.tidied(args, others=("-c", "--pidfile", "--logfile"))
        )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in groups."""
        with formatter.section("Process"):
            formatter.write_dl(TWISTD, col_max=28)
        options.write_groups(formatter)


def _setting(name: str) -> click.Option:
    if name in options.FLAGS:
        return click.Option([f"{options.option(name)}/{options.off(name)}", name], default=None)
    return click.Option([options.option(name), name], metavar=options.metavar(name))


def _refuse_keys(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        # Imported here and below because it loads the whole server.
        from ..tap import refuse_keys

        refuse_keys()


def _command(name: str, text: str, fixed: Sequence[str] = ()) -> click.Command:
    def run(daemon: bool, pidfile: str | None, logfile: str | None, **given: Any) -> None:
        words = [*fixed, *_words(given)]
        run_twistd(words, daemon=daemon, pidfile=pidfile, logfile=logfile)

    settings = [name for name in options.on_command_line() if options.option(name) not in fixed]
    return ServerCommand(
        name,
        callback=run,
        help=text,
        epilog=EPILOG,
        params=[
            click.Option(["--daemon/--no-daemon"], default=False),
            click.Option(["--pidfile"]),
            click.Option(["--logfile"]),
            click.Option(["-c", "--config"]),
            *map(_setting, settings),
            click.Option(
                ["--keys"], hidden=True, is_eager=True, expose_value=False, callback=_refuse_keys
            ),
        ],
    )


def _words(given: Mapping[str, Any]) -> list[str]:
    """The options of `twistd claudeproxy` for the parsed ones."""
    words = []
    for name, value in given.items():
        if isinstance(value, bool) and name in FIELDS:
            words.append(options.option(name) if value else options.off(name))
        elif value is not None:
            words.append(f"{options.option(name)}={value}")
    return words


def run_twistd(
    words: Sequence[str], *, daemon: bool, pidfile: str | None, logfile: str | None
) -> None:
    """Run the server until it ends; `words` are the options after `twistd claudeproxy`."""
    # Before the imports, which take most of the start.
    hangups.hold()
    from twisted.application import app
    from twisted.application.service import ServiceMaker
    from twisted.scripts._twistd_unix import ServerOptions
    from twisted.scripts.twistd import runApp

    from ..tap import FAILED, fail

    maker = ServiceMaker("claudeproxy", "claudeproxy.tap", "", "claudeproxy")

    class OnlyClaudeproxy(ServerOptions):
        """Does not search for plugins, which would write a cache file into the installation."""

        @property
        def subCommands(self) -> list[Any]:
            self.loadedPlugins = {maker.tapname: maker}
            return [(maker.tapname, None, maker.options, maker.description)]

    if daemon:
        folder = platformdirs.user_state_path("claudeproxy")
        try:
            if pidfile is None or logfile is None:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            fail(f"cannot create {folder}: {error.strerror}", FAILED)
        pidfile = pidfile or str(folder / "claudeproxy.pid")
        logfile = logfile or str(folder / "claudeproxy.log")
    own = [f"--pidfile={pidfile or ''}", *([f"--logfile={logfile}"] if logfile else [])]
    foreground = [] if daemon else ["--nodaemon"]
    sys.argv[:] = ["claudeproxy", *foreground, *own, "claudeproxy", *words]
    app.run(runApp, OnlyClaudeproxy)


serve = _command("serve", "Run the server in the foreground, or as a daemon.")
demo = _command(
    "demo",
    "Run the server with a built-in stand-in for Anthropic's API: no login, no quota.",
    ("--demo",),
)
