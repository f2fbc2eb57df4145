"""Real OpenAI clients against a demo of its own process: `make test-clients` runs them.

Each group of clients has a virtual environment of its own (`scripts/clients-install`), and only
that one's tests are collected in it. Nothing here reaches outside loopback.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import FrameType

import pytest


ROOT = Path(__file__).parent.parent.parent
PYTHON = os.environ.get("CLAUDEPROXY_PYTHON", str(ROOT / ".venv" / "bin" / "python"))
GROUPS = ("newest", "suites", "instructor", "litellm", "js")
# Far longer than anything takes, so that it is only reached when something hangs.
DEADLINE = 60.0

collect_ignore = [group for group in GROUPS if Path(sys.prefix) != ROOT / ".clients" / group]

# Some read these when they are imported. None may ask the network for anything but an answer,
# nor take the user's own account, proxy or configuration for it.
for name in list(os.environ):
    if name.upper().startswith(
        ("ANTHROPIC_", "OPENAI_", "LANG", "LLM_", "LITELLM_", "LOGFIRE_", "OTEL_")
    ) or name.upper().endswith("_PROXY"):
        del os.environ[name]
os.environ.update(
    LC_ALL="C.UTF-8",
    LANGSMITH_TRACING="false",
    LITELLM_LOCAL_MODEL_COST_MAP="True",
    OPENAI_AGENTS_DISABLE_TRACING="1",
    OPENAI_API_KEY="not-needed",
)


@contextmanager
def deadline(what: str) -> Iterator[None]:
    """Fails when it takes too long."""

    def ring(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"waited {DEADLINE:g} seconds for {what}")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, DEADLINE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def in_time(url: str) -> Iterator[None]:
    """No test waits for ever."""
    with deadline("a test's end"):
        yield


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a demo, which ends with the tests."""
    root = tmp_path_factory.mktemp("claudeproxy")
    for name in ("home", "tmp"):
        (root / name).mkdir()
    with subprocess.Popen(
        [PYTHON, "-m", "claudeproxy", "demo", "--port", "0", "--drain", "0"],
        env={
            "HOME": str(root / "home"),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(root / "tmp"),
        },
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        said: list[str] = []
        try:
            with deadline("the demo"):
                base = announced(server, said)
            # It would stop at a full pipe.
            reader = Thread(target=said.extend, args=(server.stdout,))
            reader.start()
            yield base
            server.terminate()
            server.wait(DEADLINE)
        finally:
            server.kill()
        reader.join()
        output = "".join(said)
        assert server.returncode == -signal.SIGTERM, output
        assert "Traceback" not in output, output


def announced(server: subprocess.Popen[str], said: list[str]) -> str:
    """The base URL that the server tells, once it answers; what it says until then is kept."""
    assert server.stdout is not None
    for line in server.stdout:
        said.append(line)
        if found := re.fullmatch(r"claudeproxy \S+ listens on (http://\S+/v1)\n", line):
            return found[1]
    pytest.fail(f"it ended with {server.wait()}: {''.join(said)}")
