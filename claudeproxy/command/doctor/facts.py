"""What `doctor` looks at; nothing here looks itself."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

import attrs


@attrs.frozen
class Login:
    """How the CLI is logged in. problem: why it could not be asked. by: text for the user."""

    logged_in: bool
    by: str = ""
    problem: str = ""


@attrs.frozen
class FoundCLI:
    """The CLI that the server would use."""

    path: str
    version: str
    where: str


class Holder(enum.Enum):
    """Who listens on the port."""

    NOBODY = "nobody"
    CLAUDEPROXY = "claudeproxy"
    OTHER = "other"


@attrs.frozen
class Port:
    """The port of the server. who: the process that has it.

    version: of a claudeproxy there. not_ready: why it cannot answer requests now, "" if it can.
    """

    url: str
    holder: Holder = Holder.NOBODY
    who: str = ""
    version: str = ""
    not_ready: str = ""


@attrs.frozen
class InstalledService:
    """The service. kind: systemd or launchd. current: whether it is what `install` would write."""

    kind: str
    file: str
    installed: bool = False
    current: bool = True
    running: bool = False


@attrs.frozen(kw_only=True)
class Facts:
    """Everything that was found. None: it was not looked at, or could not be seen.

    settings_error: why the settings cannot be loaded; then there is nothing more. self_test: what
    was wrong with each part, "" if it works. variables: those of the environment that would bill
    somewhere else; passed: those of them that the CLI gets. api_key_helpers: settings files of the
    CLI that name a program for an API key, and whether the CLI reads that file under claudeproxy.
    """

    version: str
    settings_error: str = ""
    file_warnings: Sequence[str] = ()
    cli: FoundCLI | None = None
    cli_problem: str = ""
    self_test: Mapping[str, str] | None = None
    demo: bool = False
    login: Login | None = None
    variables: Sequence[str] = ()
    passed: Sequence[str] = ()
    api_key_helpers: Mapping[str, bool] = attrs.field(factory=dict)
    port: Port | None = None
    service: InstalledService | None = None
    memory: int | None = None
    workers: int = 0
