"""The twistd plugin: the options of `twistd claudeproxy`, and the service made from them."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from twisted.application.service import IService, MultiService
from twisted.internet import reactor as global_reactor
from twisted.logger import Logger
from twisted.python import usage

from . import options as command_line
from .hangups import hangups
from .log import logged
from .notify import Notifier
from .service import ProxyService
from .settings import FIELDS, Settings, SettingsError, Sources, exposed_files, load_sources
from .web.access import is_loopback


# Exit status: what the user asked for is wrong, or it is right but cannot be done here.
WRONG, FAILED = 2, 1
# twistd's own defaults, with which it writes into the current folder.
PIDFILE, LOGFILE = "twistd.pid", "twistd.log"


def fail(message: str, status: int = WRONG) -> NoReturn:
    """End with one line on stderr.

    A UsageError would print all options first, and the mistake may be in a file.
    """
    sys.stderr.write(f"claudeproxy: {message}\n")
    raise SystemExit(status)


class Options(usage.Options):
    """Every setting is an option; CLAUDEPROXY_* variables and config.toml are read too."""

    optParameters = [
        ["config", "c", None, command_line.CONFIG[2]],
        *(
            [name.replace("_", "-"), None, None, command_line.help_text(name)]
            for name in command_line.on_command_line()
            if name not in command_line.FLAGS
        ),
    ]
    optFlags = [
        [spelling.removeprefix("--"), None, ""]
        for name in FIELDS
        if name in command_line.FLAGS
        for spelling in (command_line.option(name), command_line.off(name))
    ]
    sources: Sources

    @property
    def settings(self) -> Settings:
        """The settings, once the options are parsed."""
        return self.sources.settings

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the words after `claudeproxy`; ends with one line and status 2 if one is wrong."""
        hangups.hold()
        try:
            super().parseOptions(command_line.tidied(options or ()))
        except (usage.UsageError, command_line.OptionError) as error:
            fail(str(error))

    def parseArgs(self, *words: str) -> None:
        """There are no arguments but options."""
        if words:
            # A key can be in it, if it was meant for an option.
            raise usage.UsageError(f"unexpected argument {words[0].partition('=')[0]!r}")

    def getSynopsis(self) -> str:
        """The first line of `--help`."""
        return "Usage: twistd [options of twistd] claudeproxy [options]"

    def getUsage(self, width: int | None = None) -> str:
        """The rest of `--help`, in groups."""
        return "\n" + command_line.usage_text()

    def opt_keys(self, _: str) -> None:
        """Refused, because every user of this machine can read it: use --keys-file."""
        # Without this option twistd would take --keys for --keys-file, and print the key.
        refuse_keys()

    def postOptions(self) -> None:
        """Load the settings, and see whether the server can start with them; ends if not."""
        try:
            self.sources = self._load()
        except SettingsError as error:
            fail(str(error))
        _check_interface(self.settings)
        _check_exposure(self.settings)
        _check_port(self.settings)
        _check_folders(self.settings)
        parent = getattr(self, "parent", None)
        if parent is not None:
            _check_files(parent)

    def load(self) -> Settings:
        """Load the settings anew; raises SettingsError."""
        return self._load().settings

    def _load(self) -> Sources:
        given: dict[str, Any] = {}
        for name in command_line.on_command_line():
            value = self.get(name.replace("_", "-"))
            if name in command_line.FLAGS:
                value = True if value else False if self[f"no-{name.replace('_', '-')}"] else None
            if value is not None:
                given[name] = value
        config = self["config"]
        return load_sources(given, file=Path(config) if config else None)


def refuse_keys() -> NoReturn:
    """End with the reason why a key is not accepted on the command line."""
    fail(
        "--keys is not accepted on the command line, because every user of this machine can read "
        "it. Use --keys-file or CLAUDEPROXY_KEYS."
    )


def _check_interface(settings: Settings) -> None:
    try:
        socket.getaddrinfo(settings.interface or None, 0, flags=socket.AI_PASSIVE)
    except (OSError, ValueError):
        fail(f"--interface: {settings.interface!r} is not an address of this machine.")


def _check_exposure(settings: Settings) -> None:
    if is_loopback(settings.interface) or settings.keys or settings.insecure:
        return
    fail(
        f"{settings.interface} can be reached from other machines, so anyone there could use your "
        "plan. Set API keys (doc/security.md), or --insecure to allow it."
    )


def _check_port(settings: Settings) -> None:
    """Report in one line what would be a traceback when the service starts."""
    family = socket.AF_INET6 if ":" in settings.interface else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.interface, settings.port))
        except OSError as error:
            hint = (
                " Is claudeproxy already running? "
                "Use --port, or PORT=NUMBER with make, to choose another port."
            )
            fail(
                f"cannot listen on {settings.interface} port {settings.port}: "
                f"{error.strerror}.{hint if error.errno == errno.EADDRINUSE else ''}",
                FAILED,
            )


def _check_folders(settings: Settings) -> None:
    """CLI processes need a working directory and a temporary one."""
    try:
        os.makedirs(settings.cli_directory, mode=0o700, exist_ok=True)
    except OSError as error:
        fail(
            f"cannot create the working directory of the CLI, {settings.cli_directory}: "
            f"{error.strerror}. Set "
            "HOME to a folder that you can write to, or --directory to an empty folder.",
            FAILED,
        )
    try:
        tempfile.gettempdir()
    except OSError:
        fail("there is no temporary folder that can be written to. Set TMPDIR to one.", FAILED)


def _check_files(twistd: MutableMapping[str, Any]) -> None:
    """The files that twistd will write, as far as its options name them."""
    pidfile, logfile = twistd.get("pidfile"), twistd.get("logfile")
    daemon = not twistd.get("nodaemon")
    if pidfile and daemon and (running := _running(pidfile)):
        fail(
            f"process {running} is running already, says {os.path.abspath(pidfile)}. End it, or "
            "choose another pid file: --pidfile=FILE",
            FAILED,
        )
    if pidfile and (reason := _write_fault(pidfile)):
        if pidfile == PIDFILE and not daemon:
            # In the foreground it is not needed, and nobody has asked for it.
            twistd["pidfile"] = ""
        else:
            fail(_cannot_write("pid file", pidfile, reason, "--pidfile=FILE"), FAILED)
    if daemon and not twistd.get("syslog"):
        logfile = logfile or LOGFILE
    if logfile and logfile != "-" and (reason := _write_fault(logfile)):
        fail(_cannot_write("log file", logfile, reason, "--logfile=FILE"), FAILED)


def _running(pidfile: str) -> int:
    """The process that a pid file names, if there is one; else 0."""
    try:
        pid = int(Path(pidfile).read_text("ascii"))
        os.kill(pid, 0)
    except (OSError, ValueError, OverflowError):
        return 0
    return pid


def _cannot_write(what: str, path: str, reason: str, remedy: str) -> str:
    return f"cannot write the {what} {os.path.abspath(path)}: {reason}. Choose another: {remedy}"


def _write_fault(path: str) -> str | None:
    """Why a file cannot be written, None if it can; a file that was not there is not left."""
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600))
            os.unlink(path)
            return None
        os.close(os.open(path, flags))
    except OSError as error:
        return error.strerror
    return None


def makeService(options: Options, reactor: Any = global_reactor) -> IService:
    """Make the proxy with these options; it listens once it is started."""
    notifier = Notifier.of(reactor)

    def announce(text: str) -> None:
        if options.settings.log_format != "json":
            # Each line of that log is JSON, and it has the same facts.
            say(text)
        notifier.told(text)

    # Twisted takes the wall clock, which can be set: that would end requests, or delay what waits.
    reactor.seconds = time.monotonic
    service = ProxyService(reactor, options.settings, announce=announce, now=time.time)
    reactor.callWhenRunning(_heed_signals, reactor, service, options)
    reactor.callWhenRunning(_warn, exposed_files(options.sources))
    both = MultiService()
    service.setServiceParent(both)
    notifier.setServiceParent(both)
    return logged(both, options.parent, options.settings, reactor)


def _warn(warnings: Sequence[str], log: Logger = Logger("claudeproxy")) -> None:  # noqa: B008
    for warning in warnings:
        log.warn("{warning}", warning=warning)


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
    if hangups.missed:
        reload()


def say(text: str) -> None:
    """Print a text for the user; a daemon has no terminal, and the log has the same facts."""
    stdout = sys.__stdout__
    if stdout is not None:
        stdout.write(text + "\n")
        stdout.flush()
