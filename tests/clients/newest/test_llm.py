"""The command line `llm`."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from inspect import getsource
from pathlib import Path

import pytest

from .. import demo


LLM = Path(sys.executable).parent / "llm"
FUNCTION = getsource(demo.get_weather)

Run = Callable[..., tuple[str, str]]


@pytest.fixture
def llm(url: str, tmp_path: Path) -> Run:
    """Runs a prompt; what it says, and what it says beside that."""
    # YAML reads JSON.
    (tmp_path / "extra-openai-models.yaml").write_text(
        json.dumps(
            [
                {
                    "model_id": "claude",
                    "model_name": demo.MODEL,
                    "api_base": url,
                    "supports_schema": True,
                    "supports_tools": True,
                    "vision": True,
                }
            ]
        )
    )

    def run(*arguments: str) -> tuple[str, str]:
        done = subprocess.run(
            [LLM, "-m", "claude", *arguments],
            env={**os.environ, "LLM_USER_PATH": str(tmp_path)},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stderr

    return run


both = pytest.mark.parametrize("options", [["--no-stream"], []], ids=["whole", "streamed"])


@both
def test_it_prints_text_and_usage(llm: Run, options: list[str]) -> None:
    said, usage = llm("--usage", *options, demo.COUNT)
    assert said == demo.COUNTED
    assert "12 output" in usage


def test_it_goes_on_with_a_conversation(llm: Run) -> None:
    llm("My name is Ada.")
    said, _ = llm("--continue", "SEEN")
    assert "My name is Ada." in said


@both
@demo.calling
def test_it_runs_tools(llm: Run, options: list[str], text: str, cities: list[str]) -> None:
    said, _ = llm("--functions", FUNCTION, *options, f"QUIET {text}")
    assert demo.told_of(said, *cities)


@demo.each_way
@both
def test_it_keeps_to_a_schema(llm: Run, options: list[str]) -> None:
    said, _ = llm("--schema", json.dumps(demo.PERSON_SCHEMA), *options, demo.BE_PERSON)
    assert json.loads(said) == demo.PERSON


def test_an_image_reaches_the_api(llm: Run, tmp_path: Path) -> None:
    (tmp_path / "pixel.png").write_bytes(base64.b64decode(demo.PIXEL))
    said, _ = llm("-a", "pixel.png", "SEEN")
    assert demo.images(said) == [demo.PIXEL_SOURCE]
