"""The files of the service: pure functions from templates and values to text."""

from __future__ import annotations

import plistlib
from collections.abc import Sequence

import attrs


# The server needs it to end its CLI processes, after its requests have finished (`drain`).
ENDING = 20.0
# How long systemd waits beyond the start of the CLI.
STARTING = 60.0
UNIT, LABEL = "claudeproxy.service", "io.github.claudeproxy"
AGENT = f"{LABEL}.plist"


@attrs.frozen
class Installation:
    """What the files need to know. environment: the path of the file with more variables."""

    python: str
    path: Sequence[str]
    environment: str
    drain: float
    start_timeout: float


def unit(template: str, installed: Installation) -> str:
    """The systemd unit."""
    values = {
        # `$` begins a variable in a command line, but not in Environment=.
        "@PYTHON@": _quoted(installed.python).replace("$", "$$"),
        "@PATH@": _quoted(f"PATH={':'.join(installed.path)}"),
        # This one is not unquoted by systemd.
        "@ENVIRONMENT@": installed.environment.replace("%", "%%"),
        "@START@": f"{installed.start_timeout + STARTING:g}",
        "@STOP@": f"{installed.drain + ENDING:g}",
    }
    for name, value in values.items():
        template = template.replace(name, value)
    return template


def _quoted(word: str) -> str:
    """A word of a unit file: `%` would be replaced, and white space would split it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def agent(template: bytes, installed: Installation) -> bytes:
    """The LaunchAgent."""
    parsed = plistlib.loads(template)
    parsed["ProgramArguments"] += [
        installed.python,
        ":".join(installed.path),
        installed.environment,
    ]
    # Seconds from SIGTERM to SIGKILL.
    parsed["ExitTimeOut"] = round(installed.drain + ENDING)
    return plistlib.dumps(parsed, sort_keys=False)


def search_path(home: str, found: Sequence[str], platform: str) -> list[str]:
    """The folders of PATH: first those where programs were found, then the usual ones."""
    homebrew = ["/opt/homebrew/bin"] if platform == "darwin" else []
    usual = [f"{home}/.local/bin", *homebrew, "/usr/local/bin", "/usr/bin", "/bin"]
    # A colon would divide the path.
    return list(dict.fromkeys(folder for folder in [*found, *usual] if ":" not in folder))
