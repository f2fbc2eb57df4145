"""Which versions of Claude Code are new enough, and how an older one is updated."""

from __future__ import annotations

import re


# The oldest version that does all that claudeproxy needs; doc/cli-protocol.md has what is missing
# in older ones.
OLDEST = "2.1.187"
NPM = "npm install -g @anthropic-ai/claude-code@latest"
PIP = "pip install --upgrade claude-agent-sdk"
BREW = "brew upgrade claude-code"


def is_too_old(version: str) -> bool:
    """Whether a version is older than `OLDEST`; one that cannot be read counts as new."""
    numbers, oldest = _numbers(version), _numbers(OLDEST)
    return bool(numbers) and numbers < oldest


def update_command(path: str, real_path: str) -> str:
    """The command that updates a CLI, by the way it was installed.

    real_path: the path without symbolic links.
    """
    if "claude_agent_sdk" in real_path:
        return PIP
    if "/node_modules/" in real_path:
        # What npm installed in a folder of its own is not reached by a global install.
        return NPM if _is_global(path, real_path) else f"{path} update"
    if "/Caskroom/" in real_path or "/Cellar/" in real_path:
        return BREW
    return f"{path} update"


def _is_global(path: str, real_path: str) -> bool:
    return "/lib/node_modules/" in real_path and "/node_modules/.bin/" not in path


def _numbers(version: str) -> tuple[int, ...]:
    read = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return tuple(int(number) for number in read.groups()) if read else ()
