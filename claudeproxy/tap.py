"""What twistd asks for: the options of `twistd claudeproxy` and the service they make."""

from __future__ import annotations

import errno
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.internet import reactor as global_reactor
from twisted.python import usage

from .service import ProxyService
from .settings import FIELDS, Settings, SettingsError, load
from .web.access import is_loopback


FLAGS = [name for name, field in FIELDS.items() if field.default is False]


class Options(usage.Options):
    """Every setting as an option. Also: CLAUDEPROXY_NAME variables and config.toml."""

    optParameters = [
        ["config", "c", None, "settings file (default: config.toml in your configuration folder)"],
        *(
            [name.replace("_", "-"), None, None, f"{field.metadata['help']} [{field.default}]"]
            for name, field in FIELDS.items()
            if name not in FLAGS and not field.metadata["secret"]
        ),
    ]
    optFlags = [[name.replace("_", "-"), None, FIELDS[name].metadata["help"]] for name in FLAGS]
    settings: Settings

    def opt_keys(self, _: str) -> None:
        """Refused, as every user of the machine can read it: see --keys-file."""
        # Without this option twistd would take it for --keys-file, and tell the key.
        raise SystemExit(
            "claudeproxy: --keys: keys are not taken from the command line, which "
            "every user of this machine can read. Use --keys-file or CLAUDEPROXY_KEYS."
        )

    def postOptions(self) -> None:
        """Make settings of them; SystemExit that says why for one that cannot be.

        A UsageError would be preceded by all options, and a mistake may be in a file.
        """
        try:
            self.settings = self.load()
        except SettingsError as error:
            raise SystemExit(f"claudeproxy: {error}") from None
        _check_exposure(self.settings)
        _check_port(self.settings)

    def load(self) -> Settings:
        """The settings as they are now; raises SettingsError."""
        given = {name: self.get(name.replace("_", "-")) for name in FIELDS}
        given = {name: value for name, value in given.items() if value not in (None, 0)}
        config = self["config"]
        return load(
            {name: bool(value) if name in FLAGS else value for name, value in given.items()},
            file=Path(config) if config else None,
        )


def _check_exposure(settings: Settings) -> None:
    if is_loopback(settings.interface) or settings.keys or settings.insecure:
        return
    raise SystemExit(
        f"claudeproxy: {settings.interface} can be reached from other machines, so whoever comes "
        "could spend your plan. Set keys (doc/security.md), or --insecure if you must."
    )


def _check_port(settings: Settings) -> None:
    """Say in one line what would be a traceback when the service starts."""
    family = socket.AF_INET6 if ":" in settings.interface else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.interface, settings.port))
        except OSError as error:
            hint = " Does claudeproxy run already? --port names another port."
            raise SystemExit(
                f"claudeproxy: cannot listen on {settings.interface} port {settings.port}: "
                f"{error.strerror}.{hint if error.errno == errno.EADDRINUSE else ''}"
            ) from None


def makeService(options: Options, reactor: Any = global_reactor) -> IService:
    """The proxy with these options; it listens when it is started."""
    service = ProxyService(reactor, options.settings, announce=announce)
    reactor.callWhenRunning(_heed_signals, reactor, service, options)
    return service


def _heed_signals(reactor: Any, service: ProxyService, options: Options) -> None:
    """SIGTERM and SIGINT stop, a second one stops at once; SIGHUP reads keys and aliases anew."""

    def stop_by(first: Any) -> Callable[..., None]:
        def stop(number: int, frame: object) -> None:
            if service.running:
                first(number, frame)
            else:
                # To the reactor, which stops already, it would be an error.
                reactor.callFromThread(service.stop_now)

        return stop

    def reload(*_: object) -> None:
        reactor.callFromThread(service.reload, options.load)

    for number in (signal.SIGTERM, signal.SIGINT):
        first = signal.getsignal(number)
        # A shell makes a command that it starts in the background ignore SIGINT.
        if callable(first):
            signal.signal(number, stop_by(first))
    signal.signal(signal.SIGHUP, reload)


def announce(text: str) -> None:
    """Tell whoever started this in a terminal; a daemon has none and the log has it all."""
    stdout = sys.__stdout__
    if stdout is not None:
        stdout.write(text + "\n")
        stdout.flush()
