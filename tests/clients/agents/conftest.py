"""Coding agents as clients, each run without a terminal, as its users do in scripts."""

from __future__ import annotations

import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from ..conftest import Demo, deadline
from ..demo import PIXEL
from .relay import Relay, relaying


BIN = Path(sys.prefix) / "node_modules" / ".bin"
MCP_SERVER = Path(__file__).parent / "weather.py"
# Longer than the slowest takes on a busy machine.
DEADLINE = 240.0
ANSWERED = re.compile(r"(\(none\)|[A-Z]+ \S+) (?P<status>\d{3}) (?=req_)")
CODEX_SETTINGS = ".codex/config.toml"
OPENCLAW_SETTINGS = ".openclaw/openclaw.json"
# One turn of OpenClaw's agent, always in the same session.
OPENCLAW = ("openclaw", "agent", "--local", "--json", "--session-id", "test")
# Nothing listens there.
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def in_time(url: str) -> Iterator[None]:
    with deadline("a test's end", DEADLINE):
        yield


@pytest.fixture
def refusals() -> list[str]:
    """The errors that the agent is to get: a method, a route and a status each."""
    return []


@pytest.fixture(autouse=True)
def nothing_refused(demo: Demo, refusals: list[str]) -> Iterator[None]:
    """A test fails if the server answered any other request of the agent with an error."""
    start = len(demo.output.lines)
    yield
    # Its line comes after those of all that was answered before.
    with urlopen(f"{demo.url.removesuffix('/v1')}/health"):
        pass
    demo.output.wait_for(" GET /health 200 ", start)
    answers = [found for line in demo.output.lines[start:] if (found := ANSWERED.search(line))]
    assert [found[0].strip() for found in answers if int(found["status"]) >= 400] == refusals


@dataclass(frozen=True)
class Place:
    """Where an agent runs: a HOME and a working directory of its own."""

    home: Path
    work: Path
    temporary: Path

    def run(self, *command: str, typed: str = "", **environment: str) -> str:
        """What an agent prints, when it ends well. typed: what it reads."""
        done = self._end(command, environment, typed)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def fail(self, *command: str, **environment: str) -> tuple[str, str]:
        """What an agent prints, and what it prints of errors, when it ends with an error."""
        done = self._end(command, environment)
        assert done.returncode == 1, f"{done.stdout}\n{done.stderr}"
        return done.stdout, done.stderr

    def _end(
        self, command: tuple[str, ...], environment: dict[str, str], typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN / command[0], *command[1:]],
            env={
                "HOME": str(self.home),
                "HTTPS_PROXY": NOWHERE,
                "LANG": "C.UTF-8",
                "NO_PROXY": "localhost,127.0.0.1",
                "PATH": f"{BIN}:{Path(sys.prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin",
                "TMPDIR": str(self.temporary),
                **environment,
            },
            cwd=self.work,
            input=typed,
            capture_output=True,
            text=True,
        )

    def write(self, path: str, text: str) -> None:
        """Write a file below HOME."""
        file = self.home / path
        file.parent.mkdir(parents=True)
        file.write_text(text)

    def configure_codex(self, url: str, model: str, more: str = "") -> None:
        """Write Codex's settings, with the server at a base URL as its model provider."""
        self.write(
            CODEX_SETTINGS,
            f"""
model = "{model}"
model_provider = "claudeproxy"

[model_providers.claudeproxy]
name = "claudeproxy"
base_url = "{url}"
wire_api = "responses"
{more}""",
        )

    def picture(self) -> Path:
        """A file with one red pixel."""
        path = self.work / "red.png"
        path.write_bytes(b64decode(PIXEL))
        return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path / "home", tmp_path / "work", tmp_path / "tmp")
    for directory in (found.home, found.work, found.temporary):
        directory.mkdir()
    return found


@pytest.fixture
def origin(demo: Demo) -> str:
    """The server's URL without the version's path, by the name that people give it."""
    return demo.url.removesuffix("/v1").replace("127.0.0.1", "localhost")


@pytest.fixture
def relay(origin: str) -> Iterator[Relay]:
    """What the agent of a test asks instead of the server."""
    with relaying(origin) as relay:
        yield relay


def mcp_command() -> dict[str, Any]:
    """How the MCP server of these tests is started."""
    return {"command": sys.executable, "args": [str(MCP_SERVER)]}
