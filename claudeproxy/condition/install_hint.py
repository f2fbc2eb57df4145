"""How the user can get a Claude Code CLI, in words that fit how claudeproxy was installed."""

from __future__ import annotations

import shlex
from collections.abc import Collection


# Has the CLI inside; a dependency of the extra `cli`. The extra itself cannot be named in a
# command: pip would look for claudeproxy on an index, where it need not be.
WHEEL = "claude-agent-sdk"


def text(python: str, prefix: str, base_prefix: str, files: Collection[str]) -> str:
    """The sentence that ends an error about a missing CLI.

    python, prefix, base_prefix: as in the module sys. files: the names of the files in `prefix`.
    """
    command = install_command(python, prefix, base_prefix, files)
    return (
        "Install it with `npm install -g @anthropic-ai/claude-code`, or with "
        f"`{command}`, or set --cli to its path."
    )


def install_command(python: str, prefix: str, base_prefix: str, files: Collection[str]) -> str:
    """The command that installs the wheel with the CLI where this claudeproxy finds it."""
    return shlex.join([*_installer(python, prefix, base_prefix, files), WHEEL])


def _installer(
    python: str, prefix: str, base_prefix: str, files: Collection[str]
) -> tuple[str, ...]:
    if "pipx_metadata.json" in files:
        # pipx calls a virtual environment by the name of its folder.
        return ("pipx", "inject", prefix.rstrip("/").rpartition("/")[2])
    if "uv-receipt.toml" in files:
        # What uv installs as a tool has no pip.
        return ("uv", "pip", "install", "--python", prefix)
    if prefix != base_prefix:
        return (f"{prefix}/bin/pip", "install")
    return (python, "-m", "pip", "install")
