"""The twistd plugin: the options of `twistd claudeproxy`, and the service made from them."""

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

from .log import logged
from .service import ProxyService
from .settings import FIELDS, Settings, SettingsError, load
from .web.access import is_loopback


FLAGS = [name for name, field in FIELDS.items() if field.default is False]


class Options(usage.Options):
    """Every setting is an option; CLAUDEPROXY_* variables and config.toml are read too."""

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
        """Refused, because every user of this machine can read it: use --keys-file."""
        # Without this option twistd would take --keys for --keys-file, and print the key.
        raise SystemExit(
            "claudeproxy: --keys is not accepted on the command line, because every user of this "
            "machine can read it. Use --keys-file or CLAUDEPROXY_KEYS."
        )

    def postOptions(self) -> None:
        """Load the settings; raises SystemExit with a message for an invalid one.

        A UsageError would print all options first, and the mistake may be in a file.
        """
        try:
            self.settings = self.load()
        except SettingsError as error:
            raise SystemExit(f"claudeproxy: {error}") from None
        _check_exposure(self.settings)
        _check_port(self.settings)

    def load(self) -> Settings:
        """Load the settings anew; raises SettingsError."""
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
        f"claudeproxy: {settings.interface} can be reached from other machines, so anyone there "
        "could use your plan. Set API keys (doc/security.md), or --insecure to allow it."
    )


def _check_port(settings: Settings) -> None:
    """Report in one line what would be a traceback when the service starts."""
    family = socket.AF_INET6 if ":" in settings.interface else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.interface, settings.port))
        except OSError as error:
            hint = " Is claudeproxy already running? Use --port to choose another port."
            raise SystemExit(
                f"claudeproxy: cannot listen on {settings.interface} port {settings.port}: "
                f"{error.strerror}.{hint if error.errno == errno.EADDRINUSE else ''}"
            ) from None


def makeService(options: Options, reactor: Any = global_reactor) -> IService:
    """Make the proxy with these options; it listens once it is started."""
    service = ProxyService(reactor, options.settings, announce=announce)
    reactor.callWhenRunning(_heed_signals, reactor, service, options)
    return logged(service, options.parent, options.settings, reactor)


def _heed_signals(reactor: Any, service: ProxyService, options: Options) -> None:
    """SIGTERM and SIGINT stop, a second one stops at once; SIGHUP reloads keys and aliases."""

    def stop_by(first: Any) -> Callable[..., None]:
        def stop(number: int, frame: object) -> None:
            if service.running:
                first(number, frame)
            else:
                # The reactor is already stopping; to stop it again would be an error.
                reactor.callFromThread(service.stop_now)

        return stop

    def reload(*_: object) -> None:
        reactor.callFromThread(service.reload, options.load)

    for number in (signal.SIGTERM, signal.SIGINT):
        first = signal.getsignal(number)
        # A shell starts background commands with SIGINT ignored; leave it so.
        if callable(first):
            signal.signal(number, stop_by(first))
    signal.signal(signal.SIGHUP, reload)


def announce(text: str) -> None:
    """Print a text for the user; a daemon has no terminal, and the log has the same facts."""
    stdout = sys.__stdout__
    if stdout is not None:
        stdout.write(text + "\n")
        stdout.flush()
