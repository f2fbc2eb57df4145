"""Real clients against a demo of its own process: `make test-clients` runs them.

Each group of clients has a virtual environment of its own (`scripts/clients-install`), and only
that one's tests are collected in it. Nothing here reaches outside loopback.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from types import FrameType
from urllib.request import urlopen

import pytest


ROOT = Path(__file__).parent.parent.parent
PYTHON = os.environ.get("CLAUDEPROXY_PYTHON", str(ROOT / ".venv" / "bin" / "python"))
GROUPS = (
    *("newest", "suites", "instructor", "litellm", "llamaindex", "js", "agents"),
    # Not in `make test-clients`.
    *("aider", "home-assistant", "home-assistant-extended", "n8n", "open-webui"),
)
# Far longer than anything takes, so that it is only reached when something hangs.
DEADLINE = 60.0

collect_ignore = [group for group in GROUPS if Path(sys.prefix) != ROOT / ".clients" / group]

# The counters of structured answers, each of which has one label.
STRUCTURED = re.compile(r'claudeproxy_structured_(\w+)_total\{\w+="(\w+)"\} (\S+)')
BY = {"answers": "api", "by_tool": "tool"}

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


Went = Callable[[], Counter[tuple[str, str]]]
Settings = Callable[..., str]


class Output:
    """The lines that a server prints, as they come."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._more = Condition()

    def take(self, line: str) -> None:
        with self._more:
            self.lines.append(line)
            self._more.notify_all()

    def wait_for(self, text: str, start: int) -> None:
        """Returns when a line with this text is there, after so many that don't count."""
        with self._more:
            found = self._more.wait_for(
                lambda: any(text in line for line in self.lines[start:]), timeout=DEADLINE
            )
        assert found, f"no {text!r} in: {''.join(self.lines[start:])}"


@dataclass(frozen=True)
class Demo:
    """A demo that runs: its base URL, and what it has printed."""

    url: str
    output: Output


@contextmanager
def deadline(what: str, seconds: float = DEADLINE) -> Iterator[None]:
    """Fails when it takes too long."""

    def ring(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"waited {seconds:g} seconds for {what}")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
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


@pytest.fixture
def url(demo: Demo) -> str:
    """The base URL of the demo."""
    return demo.url


@pytest.fixture
def way(request: pytest.FixtureRequest) -> str:
    """In which way all answers of the test must be made to fit a schema; "" for any."""
    return getattr(request, "param", "")


@pytest.fixture
def setting(way: str, request: pytest.FixtureRequest) -> str:
    """The setting `structured_output` of the demo: "auto" or "tool"."""
    return getattr(request, "param", "tool" if way == "tool" else "auto")


@pytest.fixture
def demo(setting: str, request: pytest.FixtureRequest) -> Demo:
    """The demo that the test talks to."""
    found: Demo = request.getfixturevalue(f"demo_{setting}")
    return found


@pytest.fixture
def settings(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Tells what `claudeproxy client NAME` prints for the demo: what a page of doc/clients/ has."""
    home = tmp_path_factory.mktemp("settings")
    return lambda name, *options: printed(home, name, demo.url, *options)


def printed(home: Path, name: str, url: str, *options: str) -> str:
    """What `claudeproxy client NAME` prints for the server at a URL, with this home directory."""
    port = url.removesuffix("/v1").rpartition(":")[2]
    return subprocess.run(
        [PYTHON, "-m", "claudeproxy", "client", name, "--port", port, *options],
        env={"HOME": str(home), "PYTHONPATH": str(ROOT)},
        cwd=home,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout


@pytest.fixture
def went(demo: Demo) -> Went:
    """Tells which way the structured answers of this test were made."""
    before = structured(demo)
    return lambda: +(structured(demo) - before)


@pytest.fixture(autouse=True)
def goes_its_way(way: str, request: pytest.FixtureRequest) -> Iterator[None]:
    """A test with `each_way` fails if an answer was not made to fit in that way."""
    # Other tests may not allow requests that are not theirs.
    went: Went | None = request.getfixturevalue("went") if way else None
    yield
    if went is not None:
        assert {by for by, _ in went()} == {way}


@pytest.fixture(scope="session")
def demo_auto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that gives the API the schema where that can be."""
    with running(tmp_path_factory.mktemp("claudeproxy")) as demo:
        yield demo


@pytest.fixture(scope="session")
def demo_tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that makes every answer fit by the CLI's own tool."""
    with running(tmp_path_factory.mktemp("claudeproxy"), "--structured-output", "tool") as demo:
        yield demo


def structured(demo: Demo) -> Counter[tuple[str, str]]:
    """How many structured answers it has made by ("api", outcome) and by ("tool", reason)."""
    with urlopen(f"{demo.url.removesuffix('/v1')}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    found = [match.groups() for line in lines if (match := STRUCTURED.fullmatch(line))]
    return Counter({(BY[name], label): int(float(number)) for name, label, number in found})


@contextmanager
def running(root: Path, *options: str) -> Iterator[Demo]:
    """A demo in a directory of its own, which ends with the tests."""
    for name in ("home", "tmp"):
        (root / name).mkdir()
    command = [PYTHON, "-m", "claudeproxy", "demo", "--port", "0", "--drain", "0", *options]
    env = {
        "HOME": str(root / "home"),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        # Not what the interpreter may have installed of another copy.
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(root / "tmp"),
    }
    output = Output()
    begins = r"claudeproxy \S+ is listening on (http://\S+/v1)\n"
    with started(command, env, root, output, begins) as (server, line):
        yield Demo(line[1], output)
        server.terminate()
        server.wait(DEADLINE)
    said = "".join(output.lines)
    assert server.returncode == -signal.SIGTERM, said
    assert "Traceback" not in said, said


@contextmanager
def started(
    command: Sequence[str | Path],
    env: Mapping[str, str],
    root: Path,
    output: Output,
    begins: str,
    seconds: float = DEADLINE,
) -> Iterator[tuple[subprocess.Popen[str], re.Match[str]]]:
    """A server, once it has printed a line that this pattern matches, and the match.

    It is killed if it has not ended by itself. What it prints is in `output`.
    """
    with subprocess.Popen(
        command,
        env=env,
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            with deadline(f"the start of {command[0]}", seconds):
                line = announced(server, output, begins)
            # It would stop at a full pipe.
            reader = Thread(target=read, args=(server, output))
            reader.start()
            yield server, line
        finally:
            server.kill()
        reader.join()


def read(server: subprocess.Popen[str], output: Output) -> None:
    """Takes what the server prints, to the end."""
    assert server.stdout is not None
    for line in server.stdout:
        output.take(line)


def announced(server: subprocess.Popen[str], output: Output, begins: str) -> re.Match[str]:
    """The line that the server prints once it answers; what it says until then is kept."""
    assert server.stdout is not None
    for line in server.stdout:
        output.take(line)
        if found := re.fullmatch(begins, line):
            return found
    pytest.fail(f"it ended with {server.wait()}: {''.join(output.lines)}")
