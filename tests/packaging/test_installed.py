"""claudeproxy as pipx installs it from the wheel: scripts/installed-test makes that, and runs this.

INSTALLED_CLAUDEPROXY is the folder that pipx has put the commands into.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import claudeproxy


BIN = Path(os.environ["INSTALLED_CLAUDEPROXY"])
# As a user has it, who has added pipx's folder.
PATH = f"{BIN}:/usr/bin:/bin"
# Far longer than anything takes, so that it is only reached when something hangs.
DEADLINE = 60.0


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    return {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "PATH": PATH,
        "PYTHONUNBUFFERED": "1",
    }


def run(env: dict[str, str], *command: str) -> str:
    """The output of a command that ends by itself."""
    done = subprocess.run(
        command, env=env, cwd=env["HOME"], capture_output=True, text=True, timeout=DEADLINE
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@contextmanager
def server(env: dict[str, str], *command: str) -> Iterator[int]:
    """The port of a server that runs in the foreground; it is ended with SIGTERM."""
    with subprocess.Popen(
        [*command, "--port", "0"],
        env=env,
        cwd=env["HOME"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        timer = threading.Timer(DEADLINE, process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                # The log names the address earlier, without the path.
                if "http://127.0.0.1:" in line and "/v1" in line:
                    break
            else:
                pytest.fail(f"it has ended: {said}")
            # Its pipe must not fill up.
            rest = threading.Thread(target=process.stdout.read)
            rest.start()
            yield int(said[-1].partition("http://127.0.0.1:")[2].partition("/")[0])
            process.terminate()
            assert process.wait(DEADLINE) == -signal.SIGTERM
            rest.join()
        finally:
            timer.cancel()
            process.kill()


def ask(port: int, text: str) -> tuple[int, Any]:
    """The status and the body of an answer."""
    body = {"model": "sonnet", "messages": [{"role": "user", "content": text}]}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)) as connection:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.load(answer)


def test_it_tells_its_version(env: dict[str, str]) -> None:
    assert run(env, "claudeproxy", "--version") == f"claudeproxy {claudeproxy.__version__}\n"


def test_it_is_not_the_checkout() -> None:
    assert not (BIN / "claudeproxy").resolve().is_relative_to(Path(claudeproxy.__file__).parents[1])


def test_the_demo_answers(env: dict[str, str]) -> None:
    with server(env, "claudeproxy", "demo") as port:
        status, answer = ask(port, "ECHO:one two three")
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == "one two three"


def test_without_a_cli_it_says_how_pipx_installs_one(env: dict[str, str]) -> None:
    with server(env, "claudeproxy", "serve", "--cli", "/nonexistent/claude") as port:
        status, answer = ask(port, "hello")
    assert status == 503
    assert "`pipx inject claudeproxy claude-agent-sdk`" in answer["error"]["message"]


def test_it_runs_as_a_daemon_without_a_twistd_on_path(env: dict[str, str], tmp_path: Path) -> None:
    assert shutil.which("twistd", path=PATH) is None
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    pidfile = tmp_path / "run.pid"
    daemon = ("claudeproxy-twistd", f"--pidfile={pidfile}", f"--logfile={tmp_path / 'run.log'}")
    options = ("--demo", "--port", str(port), "--drain", "0")
    assert run(env, *daemon, "claudeproxy", *options) == ""
    # It is not a child of this process, so its end is seen with a descriptor.
    process = os.pidfd_open(int(pidfile.read_text()))
    try:
        assert ask(port, "ECHO:hello")[1]["choices"][0]["message"]["content"] == "hello"
    finally:
        signal.pidfd_send_signal(process, signal.SIGTERM)
        ended, _, _ = select.select([process], [], [], DEADLINE)
        os.close(process)
    assert ended
    assert not pidfile.exists()


def test_the_plugin_is_found_where_no_cache_can_be_written(env: dict[str, str]) -> None:
    packages = (BIN / "claudeproxy").resolve().parents[1] / "lib"
    [cache] = [found.parent / "dropin.cache" for found in packages.rglob("claudeproxy_plugin.py")]
    cache.unlink(missing_ok=True)
    # Not even root can write a file here.
    cache.mkdir()
    try:
        assert "\n    claudeproxy " in run(env, "claudeproxy-twistd", "--help")
    finally:
        cache.rmdir()
