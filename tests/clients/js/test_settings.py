"""The JavaScript clients, each with the settings that `claudeproxy client` prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .. import demo
from ..conftest import Settings


# Node looks for packages beside what it runs.
HERE = Path(__file__).parent
NODE = Path(sys.executable).parent / "node"


@pytest.mark.parametrize("name", ["ai-sdk", "anthropic-js", "openai-js"])
def test_a_program(name: str, settings: Settings, tmp_path: Path) -> None:
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", settings(name)],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        cwd=HERE,
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith(demo.GREETING)
