"""The service managers: where their files are, and which commands they are given."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files as resources
from pathlib import Path

import attrs
import platformdirs

from ...settings import Settings
from ..doctor.facts import InstalledService
from .files import AGENT, LABEL, UNIT, Installation, agent, search_path, unit


TEMPLATES = "claudeproxy.command.manage"


class Trouble(Exception):
    """A service manager cannot do what was asked; the message says why and what to do."""


def run(*command: str) -> int:
    """Run a command with this terminal; its exit status. Raises Trouble if it is not there."""
    try:
        return subprocess.call(command)
    except OSError as error:
        raise Trouble(f"{command[0]} could not be started: {error.strerror}.") from None


def succeeds(*command: str) -> bool:
    """Whether a command ends with 0; what it says is not shown."""
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@attrs.frozen
class Manager:
    """What systemd and launchd have in common. content: of the file; folder: where it belongs."""

    kind: str
    file: Path
    content: bytes
    # What each subcommand runs; a status other than 0 is told, except where it is listed.
    reload: Sequence[Sequence[str]]
    start: Sequence[Sequence[str]]
    restart: Sequence[Sequence[str]]
    stop: Sequence[Sequence[str]]
    remove: Sequence[Sequence[str]]
    status: Sequence[str]
    logs: Sequence[str]
    running: Sequence[str]

    def describe(self) -> InstalledService:
        """What is installed and whether it runs."""
        try:
            current = self.file.read_bytes()
        except OSError:
            return InstalledService(self.kind, str(self.file))
        return InstalledService(
            kind=self.kind,
            file=str(self.file),
            installed=True,
            current=current == self.content,
            running=succeeds(*self.running),
        )


def installation(settings: Settings, environ: Mapping[str, str]) -> Installation:
    """The installation that runs now, with the programs that are on PATH now."""
    # The CLI from npm is a script for node.
    found = [
        str(Path(path).parent)
        for name in ("claude", "node")
        if (path := shutil.which(name, path=environ.get("PATH")))
    ]
    home = environ.get("HOME") or str(Path("~").expanduser())
    return Installation(
        python=sys.executable,
        path=search_path(home, found, sys.platform),
        environment=str(environment_file()),
        drain=settings.drain,
        start_timeout=settings.start_timeout,
    )


def environment_file() -> Path:
    """The file with environment variables for the service."""
    return Path(platformdirs.user_config_path("claudeproxy")) / "environment"


def systemd(installed: Installation, environ: Mapping[str, str]) -> Manager:
    """The user's systemd."""
    config = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '')}/.config"
    control = ("systemctl", "--user")
    template = resources(TEMPLATES).joinpath("templates", UNIT).read_text("utf-8")
    return Manager(
        kind="systemd",
        file=Path(config) / "systemd" / "user" / UNIT,
        content=unit(template, installed).encode(),
        reload=[(*control, "daemon-reload"), (*control, "enable", UNIT)],
        start=[(*control, "start", UNIT)],
        restart=[(*control, "restart", UNIT)],
        stop=[(*control, "stop", UNIT)],
        remove=[(*control, "disable", "--now", UNIT)],
        status=(*control, "--no-pager", "status", UNIT),
        logs=("journalctl", "--user", "--unit", UNIT),
        running=(*control, "--quiet", "is-active", UNIT),
    )


def launchd(installed: Installation, environ: Mapping[str, str]) -> Manager:
    """The user's launchd."""
    home = Path(environ.get("HOME", ""))
    domain = f"gui/{os.getuid()}"
    file = home / "Library" / "LaunchAgents" / AGENT
    template = resources(TEMPLATES).joinpath("templates", AGENT).read_bytes()
    boot = ("launchctl", "bootstrap", domain, str(file))
    unboot = ("launchctl", "bootout", f"{domain}/{LABEL}")
    logs = home / "Library" / "Logs" / "claudeproxy"
    return Manager(
        kind="launchd",
        file=file,
        content=agent(template, installed),
        reload=[],
        start=[boot],
        restart=[unboot, boot],
        stop=[unboot],
        remove=[unboot],
        status=("launchctl", "print", f"{domain}/{LABEL}"),
        logs=("tail", "-n", "200", str(logs / "start.log"), str(logs / "claudeproxy.log")),
        running=("launchctl", "print", f"{domain}/{LABEL}"),
    )


def manager_for(settings: Settings, environ: Mapping[str, str] = os.environ) -> Manager:
    """The service manager of this machine; raises Trouble if there is none."""
    if str(sys.platform) == "darwin":
        return launchd(installation(settings, environ), environ)
    if shutil.which("systemctl", path=environ.get("PATH")) is None:
        raise Trouble(
            "There is no systemd here. To run in the background: claudeproxy serve --daemon"
        )
    return systemd(installation(settings, environ), environ)


def installed_service(settings: Settings, environ: Mapping[str, str]) -> InstalledService | None:
    """The service as it is; None where there is no service manager."""
    try:
        return manager_for(settings, environ).describe()
    except Trouble:
        return None
