"""aider with the command that `claudeproxy client` prints. Its installation is large.

`make test-clients` leaves it out; `make test-clients-large` runs it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .. import demo
from ..conftest import Settings


# Without them it asks, looks for a newer version, and reports its use.
OPTIONS = ("--yes-always", "--no-check-update", "--analytics-disable", "--no-show-model-warnings")


def aider(settings: Settings, folder: Path, message: str, *options: str) -> str:
    command = f'{settings("aider").rstrip()} "$@"'
    arguments = (*OPTIONS, "--no-git", "--message", message, *options)
    return subprocess.run(
        ["/bin/sh", "-c", command, "sh", *arguments],
        env={
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        },
        cwd=folder,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def test_a_prompt(settings: Settings, tmp_path: Path) -> None:
    assert f"\n{demo.TEXT}" in aider(settings, tmp_path, demo.SAY)


def test_a_file_is_changed(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("old\n")
    answer = "ECHO:\nnotes.txt\n```\nnew\n```\n"
    aider(settings, tmp_path, answer, "--edit-format", "whole", "--no-auto-lint", "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "new\n"
