"""The clients of this group, each with the settings that `claudeproxy client` prints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .. import demo
from ..conftest import ROOT, Settings


@pytest.mark.parametrize("name", ["anthropic-python", "langchain", "openai-python", "pydantic-ai"])
def test_a_program(name: str, settings: Settings, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", settings(name)], cwd=tmp_path, check=True, capture_output=True
    )
    assert done.stdout.decode().startswith(demo.GREETING)


def test_the_example_of_the_readme(url: str, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert "http://localhost:3456/v1" in example
    program = example.replace("http://localhost:3456/v1", url)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True
    )
    assert done.stdout.decode().startswith(demo.GREETING)


def test_llm(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(settings("llm"))
    done = subprocess.run(
        [Path(sys.executable).parent / "llm", "-m", "claude", demo.SAY],
        env={"LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "not-needed"},
        cwd=tmp_path,
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == demo.TEXT


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl(settings: Settings) -> None:
    done = subprocess.run(["/bin/sh", "-c", settings("curl")], check=True, capture_output=True)
    answer = json.loads(done.stdout)["choices"][0]["message"]["content"]
    assert answer.startswith(demo.GREETING)
