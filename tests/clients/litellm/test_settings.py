"""LiteLLM with the settings that `claudeproxy client` prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .. import demo
from ..conftest import Settings


def test_a_program(settings: Settings, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", settings("litellm")], cwd=tmp_path, check=True, capture_output=True
    )
    assert demo.GREETING in done.stdout.decode()
