"""The command line: its commands, and what happens to their errors."""

from __future__ import annotations

import os
import sys

import click

from .. import __version__
from ..options import OptionError
from ..settings import SettingsError
from .ask import models, status, usage
from .clients import client
from .config import config
from .doctor.command import doctor
from .login import login
from .manage.command import service
from .serve import demo, serve


# Exit status of a wrong command line or setting, and of a command that CTRL-C ended.
WRONG, INTERRUPTED = 2, 130
SECTIONS = {
    "Run": (serve, demo, service),
    "Look": (doctor, status, usage, models, config),
    "Set up": (login, client),
}


class Sections(click.Group):
    """A group that lists its commands in sections."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names of the commands with what each does."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(command.name or "", command.get_short_help_str(80)) for command in commands]
                )


@click.group(cls=Sections, no_args_is_help=True, context_settings={"max_content_width": 100})
@click.version_option(__version__, prog_name="claudeproxy", message="%(prog)s %(version)s")
def cli() -> None:
    """Your own Claude Code CLI as an OpenAI- and Anthropic-compatible API.

    `claudeproxy COMMAND --help` explains a command. Its exit status is 2 if an option or a setting
    is wrong.
    """


for _commands in SECTIONS.values():
    for _command in _commands:
        cli.add_command(_command)


def main() -> None:
    """Run the command line, and end with its exit status."""
    try:
        outcome = cli.main(prog_name="claudeproxy", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(error.ctx.get_help() + "\n" if error.ctx else "")
        sys.exit(WRONG)
    except click.UsageError as error:
        _fail(error.format_message(), WRONG)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except (SettingsError, OptionError) as error:
        _fail(str(error), WRONG)
    except click.Abort:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader has seen enough; Python must not report it once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", 1)
    sys.exit(outcome if isinstance(outcome, int) else 0)


def _fail(message: str, status: int) -> None:
    sys.stderr.write(f"claudeproxy: {' '.join(message.split())}\n")
    sys.exit(status)
