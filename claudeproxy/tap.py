"""What twistd asks for: the options of `twistd claudeproxy` and the service they make."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.internet import reactor as global_reactor
from twisted.python import usage

from .service import ProxyService
from .settings import FIELDS, Settings, SettingsError, load


FLAGS = [name for name, field in FIELDS.items() if field.default is False]


class Options(usage.Options):
    """Every setting as an option. Also: CLAUDEPROXY_NAME variables and config.toml."""

    optParameters = [
        ["config", "c", None, "settings file (default: config.toml in your configuration folder)"],
        *(
            [name.replace("_", "-"), None, None, f"{field.metadata['help']} [{field.default}]"]
            for name, field in FIELDS.items()
            if name not in FLAGS
        ),
    ]
    optFlags = [[name.replace("_", "-"), None, FIELDS[name].metadata["help"]] for name in FLAGS]
    settings: Settings

    def postOptions(self) -> None:
        """Make settings of them; UsageError for one that cannot be."""
        given = {name: self[name.replace("_", "-")] for name in FIELDS}
        given = {name: value for name, value in given.items() if value not in (None, 0)}
        config = self["config"]
        try:
            self.settings = load(
                {name: bool(value) if name in FLAGS else value for name, value in given.items()},
                file=Path(config) if config else None,
            )
        except SettingsError as error:
            raise usage.UsageError(str(error)) from None
        _check_port(self.settings)


def _check_port(settings: Settings) -> None:
    """Say in one line what would be a traceback when the service starts."""
    family = socket.AF_INET6 if ":" in settings.interface else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.interface, settings.port))
        except OSError as error:
            hint = " Does claudeproxy run already? --port names another port."
            # A UsageError would be preceded by all options; this is no mistake in them.
            raise SystemExit(
                f"claudeproxy: cannot listen on {settings.interface} port {settings.port}: "
                f"{error.strerror}.{hint if error.errno == errno.EADDRINUSE else ''}"
            ) from None


def makeService(options: Options, reactor: Any = global_reactor) -> IService:
    """The proxy with these options; it listens when it is started."""
    return ProxyService(reactor, options.settings, announce=announce)


def announce(text: str) -> None:
    """Tell whoever started this in a terminal; a daemon has none and the log has it all."""
    stdout = sys.__stdout__
    if stdout is not None:
        stdout.write(text + "\n")
        stdout.flush()
