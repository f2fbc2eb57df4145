"""The command that installs a CLI is one that works for how claudeproxy was installed."""

from __future__ import annotations

import os
import sys

import pytest

from claudeproxy.condition import install_hint, installed


VENV = ["bin", "lib", "pyvenv.cfg"]


@pytest.mark.parametrize(
    ("prefix", "base", "files", "command"),
    [
        ("/v", "/usr", VENV, "/v/bin/pip install claude-agent-sdk"),
        ("/my v", "/usr", VENV, "'/my v/bin/pip' install claude-agent-sdk"),
        ("/usr", "/usr", ["bin"], "/python -m pip install claude-agent-sdk"),
        (
            "/h/pipx/venvs/claudeproxy",
            "/usr",
            [*VENV, "pipx_metadata.json"],
            "pipx inject claudeproxy claude-agent-sdk",
        ),
        (
            "/h/pipx/venvs/claudeproxy-next/",
            "/usr",
            [*VENV, "pipx_metadata.json"],
            "pipx inject claudeproxy-next claude-agent-sdk",
        ),
        (
            "/h/uv/tools/claudeproxy",
            "/usr",
            [*VENV, "uv-receipt.toml"],
            "uv pip install --python /h/uv/tools/claudeproxy claude-agent-sdk",
        ),
    ],
    ids=["venv", "a space", "no venv", "pipx", "pipx with a suffix", "uv tool"],
)
def test_the_command_fits_the_installation(
    prefix: str, base: str, files: list[str], command: str
) -> None:
    assert install_hint.install_command("/python", prefix, base, files) == command
    hint = install_hint.text("/python", prefix, base, files)
    assert f"`{command}`" in hint
    assert "--cli" in hint


def test_the_hint_is_for_the_installation_that_runs() -> None:
    command = install_hint.install_command(
        sys.executable, sys.prefix, sys.base_prefix, os.listdir(sys.prefix)
    )
    assert sys.prefix in command
    assert f"`{command}`" in installed.INSTALL_HINT
