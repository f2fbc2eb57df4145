"""The errors that say what is wrong with the CLI and what to do.

Each is the same sentence wherever it is read: on the terminal, in the log, in GET /health/ready and
in the response to a client. The codes are the reasons of GET /health/ready.
"""

from __future__ import annotations

from enum import Enum

import attrs

from ..errors import APIError, not_logged_in, unavailable
from .versions import OLDEST


class Reason(Enum):
    """Why the server cannot answer requests now."""

    STARTING = "starting"
    NO_CLI = "no_cli"
    CLI_TOO_OLD = "cli_too_old"
    CLI_BROKEN = "cli_broken"
    NOT_LOGGED_IN = "not_logged_in"
    USAGE_LIMIT = "usage_limit"
    STOPPING = "stopping"


HINT = "Install it, or set --cli to its path."
STARTING = "claudeproxy is starting the Claude Code CLI."
STOPPING = "The server is stopping."


def no_cli(setting: str, hint: str = HINT) -> APIError:
    """503: there is no CLI. `setting`: where the settings say it is, "" for anywhere.

    hint: how the user can get one, see `installed.INSTALL_HINT`.
    """
    if setting:
        return _because(Reason.NO_CLI, f"There is no Claude Code CLI at {setting}. {hint}")
    return _because(Reason.NO_CLI, f"The Claude Code CLI was not found. {hint}")


def too_old(name: str, update: str) -> APIError:
    """503: the CLI is too old. `update` is the command that updates it."""
    return _because(
        Reason.CLI_TOO_OLD,
        f"{name} is too old: claudeproxy needs {OLDEST} or newer. Update it with `{update}`. "
        "No restart of claudeproxy is needed.",
    )


def not_working(path: str, why: str, hint: str = HINT) -> APIError:
    """503: a file is there, but does not tell a version. `why`: what it did instead.

    hint: as in `no_cli`.
    """
    return _because(
        Reason.CLI_BROKEN,
        f"{path} is not a working Claude Code CLI: `{path} --version` {why}. {hint}",
    )


def not_started(name: str, how: str, wrote: str | None) -> APIError:
    """503: a process did not become ready.

    how: what it did. wrote: its stderr; None if that must not be told.
    """
    if wrote is None:
        quoted = " See the log."
    else:
        quoted = f" It wrote: {wrote}" if wrote else " It wrote nothing to stderr."
    return _because(
        Reason.CLI_BROKEN, f"{name} could not be started: it {how.rstrip('.')}.{quoted}"
    )


def no_process(name: str, why: str) -> APIError:
    """503: the system did not start a process. `why`: the system's own message."""
    return _because(Reason.CLI_BROKEN, f"{name} could not be started: {why}.")


def log_in(path: str) -> APIError:
    """401: there is no valid login for the CLI at `path`."""
    return not_logged_in(path)


def is_about_login(error: APIError) -> bool:
    """Whether an error says that the CLI has no valid login."""
    return (error.status, error.code) == (401, not_logged_in().code)


def _because(reason: Reason, message: str) -> APIError:
    return attrs.evolve(unavailable(message), code=reason.value)
