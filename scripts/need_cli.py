"""Fetches a Claude Code CLI for the claudeproxy that this Python has, unless one is there.

It is there if the server would find it (`claudeproxy.cli.launch`) and it prints its version.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import requires

from claudeproxy.cli import launch
from claudeproxy.settings import SettingsError, load


FETCHING = """\
There is no Claude Code CLI on PATH or where its installers put it, so the one that {wheel} has
inside is fetched: some 170 MB, and 400 MB on disk. To use one of your own instead, stop this
(Ctrl-C), install it, and start again.
"""
VERSION_TIMEOUT = 20.0


def wheel() -> str:
    """What the extra `cli` requires."""
    [needed] = [need for need in requires("claudeproxy") or () if 'extra == "cli"' in need]
    return needed.partition(";")[0].strip()


def works(path: str, environ: Mapping[str, str]) -> bool:
    """Whether this is a CLI that prints its version."""
    try:
        done = subprocess.run(
            [path, "--version"],
            check=False,
            env=launch.allowed(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERSION_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and launch.read_version(done.stdout) is not None


def main(environ: Mapping[str, str], install: Callable[[str], int]) -> int:
    """Returns the exit status. install: installs a requirement, and returns an exit status."""
    try:
        cli = load({}, environ).cli
    except SettingsError:
        # The server says what is wrong with them.
        cli = ""
    # One that is set is used, whatever there is.
    if cli or any(works(path, environ) for path, _ in launch.candidates("", environ)):
        return 0
    sys.stdout.write(FETCHING.format(wheel=wheel()))
    sys.stdout.flush()
    return install(wheel())


def install(requirement: str) -> int:
    """With pip's own progress bar."""
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", requirement]
    return subprocess.run(pip, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(os.environ, install))
    except KeyboardInterrupt:
        sys.exit(130)
