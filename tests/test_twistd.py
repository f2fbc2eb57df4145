"""The server as people start it: in processes of its own, with a clean environment, on loopback.

Whatever is started has the test's own folder in its environment, which is how what is left over
is found, and ended, also when a test fails.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest

from claudeproxy.cli import launch


TWISTD = Path(sys.executable).parent / "twistd"
PYTHON_M = [sys.executable, "-m", "claudeproxy"]
# Far longer than anything takes, so that it is only reached when something hangs.
DEADLINE = 30.0
# How long anything may take to stop that has nothing left to do.
BOUND = 10.0
NO_CLI = ["--cli", "/nonexistent/claude"]


def wait_for(what: str, look: Callable[[], Any], seconds: float = DEADLINE) -> Any:
    """The first true value of `look`, which is asked again and again."""
    end = time.monotonic() + seconds
    while not (value := look()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:g} seconds for {what}")
        time.sleep(0.05)
    return value


def processes_with(mark: str) -> dict[int, str]:
    """The command lines of all running processes that have `mark` in their environment."""
    if not Path("/proc/self/environ").exists():
        listed = subprocess.run(
            ["ps", "axeww", "-o", "pid=,command="], capture_output=True, check=True
        ).stdout.decode(errors="replace")
        found = [line.split(maxsplit=1) for line in listed.splitlines() if mark in line]
        return {int(pid): rest for pid, rest in found if int(pid) != os.getpid()}
    processes = {}
    for folder in Path("/proc").glob("[0-9]*"):
        # It may be gone, or another user's. That of a zombie is empty.
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                words = (folder / "cmdline").read_bytes().split(b"\0")
                processes[int(folder.name)] = b" ".join(words).decode(errors="replace")
    processes.pop(os.getpid(), None)
    return processes


@attrs.frozen
class Place:
    """Where a test runs its servers, with all that they may touch."""

    root: Path
    port: int

    @property
    def env(self) -> dict[str, str]:
        return {
            "HOME": str(self.root / "home"),
            "PATH": "/usr/bin:/bin",
            "TMPDIR": str(self.root / "tmp"),
        }

    def options(self, *more: str) -> list[str]:
        return ["--port", str(self.port), "--directory", str(self.root / "empty"), *more]

    def start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        """Run a command that stays; its output is in the files `out` and `err`."""
        with (self.root / "out").open("wb") as out, (self.root / "err").open("wb") as err:
            return subprocess.Popen(
                command,
                env=self.env,
                cwd=self.root / "work",
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                # As from a terminal: a group of its own, and SIGINT is not ignored.
                process_group=0,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command that ends by itself."""
        return subprocess.run(
            command,
            env=self.env,
            cwd=self.root / "work",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )

    def said(self) -> str:
        return "".join((self.root / name).read_text("utf-8") for name in ("out", "err"))

    def connect(self) -> closing[http.client.HTTPConnection]:
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE))

    def health(self) -> dict[str, Any] | None:
        """The answer of GET /health; None if there is none yet."""
        with self.connect() as connection:
            try:
                connection.request("GET", "/health")
                answer = connection.getresponse()
                assert answer.status == 200
                about: dict[str, Any] = json.load(answer)
            except OSError:
                return None
        return about

    def healthy(self, server: subprocess.Popen[bytes]) -> dict[str, Any]:
        """GET /health as soon as the server answers."""

        def look() -> dict[str, Any] | None:
            if server.poll() is not None:
                pytest.fail(f"it ended with {server.returncode}: {self.said()}")
            return self.health()

        about: dict[str, Any] = wait_for("GET /health", look)
        return about

    def knows_the_cli(self) -> bool:
        """Whether the server has started a CLI and learnt from it what it needs."""
        cli = (self.health() or {}).get("cli")
        return cli is not None and cli["logged_in"] is not None

    def processes(self) -> dict[int, str]:
        return processes_with(str(self.root))

    def cli_processes(self) -> dict[int, str]:
        return {pid: line for pid, line in self.processes().items() if "stream-json" in line}

    def left_over(self) -> list[str]:
        """Processes and temporary files."""
        return [*self.processes().values(), *map(str, (self.root / "tmp").iterdir())]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    for name in ("home", "tmp", "work", "empty"):
        (tmp_path / name).mkdir()
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        place = Place(tmp_path, probe.getsockname()[1])
    yield place
    for pid in place.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def bundled() -> str:
    """The CLI that the extra `cli` installs: what a server finds in a clean environment."""
    path = launch.bundled()
    if path is None:
        pytest.skip("the extra `cli` is not installed")
    return path


@pytest.fixture
def demo(place: Place, bundled: str) -> subprocess.Popen[bytes]:
    """A demo that has started its CLI once."""
    options = place.options("--demo", "--drain", "1", "--cli", bundled)
    server = place.start(TWISTD, "-n", "--pidfile=", "claudeproxy", *options)
    place.healthy(server)
    wait_for("the CLI", place.knows_the_cli)
    return server


# In the foreground


def test_twistd_lists_claudeproxy_wherever_it_is_started(place: Place) -> None:
    done = place.run(TWISTD, "--help")
    assert done.returncode == 0
    assert re.search(r"^ +claudeproxy +\S", done.stdout, re.M)
    assert done.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "command",
    [[TWISTD, "-n", "--pidfile=", "claudeproxy"], [*PYTHON_M, "serve"]],
    ids=["twistd", "python -m"],
)
def test_it_answers_in_a_clean_environment_and_a_signal_ends_it(
    place: Place, command: Sequence[str | Path], number: signal.Signals
) -> None:
    server = place.start(*command, *place.options(*NO_CLI))
    assert place.healthy(server)["status"] == "ok"
    server.send_signal(number)
    # Also told to a service manager: it was ended, it did not fail.
    assert server.wait(BOUND) == -number
    assert place.left_over() == []
    assert list((place.root / "work").iterdir()) == []
    assert "Traceback" not in place.said()


def test_a_background_process_of_a_shell_still_ignores_sigint(place: Place) -> None:
    command = [*PYTHON_M, "serve", *place.options(*NO_CLI)]
    server = place.start("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *command)
    place.healthy(server)
    server.send_signal(signal.SIGINT)
    assert place.healthy(server)["status"] == "ok"
    server.terminate()
    assert server.wait(BOUND) == -signal.SIGTERM
    assert "Traceback" not in place.said()


def test_it_can_be_ended_while_it_starts_its_cli(place: Place, bundled: str) -> None:
    options = place.options("--demo", "--cli", bundled)
    server = place.start(TWISTD, "-n", "--pidfile=", "claudeproxy", *options)
    wait_for("a CLI process", place.cli_processes)
    server.terminate()
    assert server.wait(BOUND) == -signal.SIGTERM
    assert place.left_over() == []
    assert "Traceback" not in place.said()


def test_the_welcome_message_shows_how_to_try_it(
    place: Place, demo: subprocess.Popen[bytes]
) -> None:
    base = f"http://127.0.0.1:{place.port}/v1"
    wait_for("the welcome", lambda: f"curl {base}/chat/completions" in place.said())
    demo.terminate()
    demo.wait(BOUND)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_command_of_the_welcome_message_works_with_keys_and_every_address(
    place: Place, bundled: str
) -> None:
    keys = place.root / "keys"
    keys.write_text("phone=k-phone\n")
    more = ["--demo", "--cli", bundled, "--keys-file", str(keys), "--interface=0.0.0.0"]
    server = place.start(TWISTD, "-n", "--pidfile=", "claudeproxy", *place.options(*more))
    wait_for("the welcome", lambda: "For an OpenAI client" in place.said())
    assert "http://0.0.0.0" not in place.said()
    [command] = re.findall(r"^  (curl (?:.*\\\n)*.*)$", place.said(), re.M)
    assert "0.0.0.0" not in command
    assert "k-phone" not in place.said()
    for key, told in (("k-phone", "chat.completion"), ("k-other", "Incorrect API key")):
        done = place.run("/usr/bin/env", f"KEY={key}", "/bin/sh", "-c", command)
        assert told in done.stdout
    server.terminate()
    server.wait(BOUND)


# With a daemon


def test_a_daemon_has_its_pid_file_and_log_until_it_is_killed(place: Place) -> None:
    pidfile, log = place.root / "run.pid", place.root / "run.log"
    done = place.run(
        *(TWISTD, f"--pidfile={pidfile}", f"--logfile={log}"),
        *("claudeproxy", *place.options(*NO_CLI)),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # Without any waiting: it listens before the command returns.
    about = place.health()
    assert about is not None
    assert about["status"] == "ok"
    pid = int(pidfile.read_text())
    assert list(place.processes()) == [pid]

    os.kill(pid, signal.SIGUSR1)
    wait_for("a rotated log", (place.root / "run.log.1").exists)
    assert "GET /health 200 req_" in (place.root / "run.log.1").read_text()

    os.kill(pid, signal.SIGTERM)
    wait_for("its end", lambda: not place.processes(), BOUND)
    assert not pidfile.exists()
    assert place.left_over() == []
    assert "Server Shut Down" in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("format_", ["text", "json"])
def test_the_log_of_a_daemon_says_how_it_was_started(place: Place, format_: str) -> None:
    pidfile, log = place.root / "run.pid", place.root / "run.log"
    place.run(
        *("/usr/bin/env", "CLAUDEPROXY_KEYS=phone=sk-secret"),
        *(TWISTD, f"--pidfile={pidfile}", f"--logfile={log}", "claudeproxy"),
        *place.options(*NO_CLI, "--drain", "1", "--log-format", format_),
    )
    wait_for("the start", lambda: "is listening on" in log.read_text())
    assert place.health() is not None
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    os.kill(int(pidfile.read_text()), signal.SIGTERM)
    wait_for("its end", lambda: not place.processes(), BOUND)
    said = log.read_text()
    assert "sk-secret" not in said
    if format_ == "text":
        assert re.search(r"is listening on http://127\.0\.0\.1:\d+ python=3\S+ twisted=\S+ ", said)
        assert re.search(r' settings=\{.*"keys": \["phone"\].*"drain": 1\.0', said)
        assert re.search(r"GET /health 200 req_[0-9a-f]{32} seconds=", said)
        return
    events = [json.loads(line) for line in said.splitlines()]
    assert all({"time", "level", "message"} <= set(event) for event in events)
    [start] = [event for event in events if "settings" in event]
    assert (start["settings"]["drain"], start["settings"]["keys"]) == (1, ["phone"])
    [request] = [event for event in events if "route" in event]
    assert (request["route"], request["status"]) == ("GET /health", 200)


def test_a_log_level_is_kept_to(place: Place) -> None:
    options = place.options(*NO_CLI, "--log-level", "error")
    server = place.start(TWISTD, "-n", "--pidfile=", "claudeproxy", *options)
    place.healthy(server)
    server.terminate()
    server.wait(BOUND)
    assert "GET /health" not in place.said()
    assert "#info]" not in place.said()
    assert "#error]" in place.said()


# What cannot be


@pytest.mark.parametrize(
    "command",
    [
        [TWISTD, "-n", "claudeproxy"],
        [TWISTD, "--pidfile=run.pid", "--logfile=run.log", "claudeproxy"],
        [*PYTHON_M, "serve"],
        [*PYTHON_M, "demo"],
    ],
    ids=["twistd -n", "twistd", "serve", "demo"],
)
def test_a_port_in_use_is_reported_in_one_line(place: Place, command: Sequence[str | Path]) -> None:
    with closing(socket.create_server(("127.0.0.1", place.port))):
        done = place.run(*command, *place.options(*NO_CLI))
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.strip()]
    assert str(place.port) in line
    assert "in use" in line
    assert "Traceback" not in done.stdout
    assert place.left_over() == []
    assert not (place.root / "work" / "run.pid").exists()


@pytest.mark.parametrize(
    ("options", "environ", "names"),
    [
        (["--port", "seventy"], {}, "--port"),
        (["--drain", "-1"], {}, "--drain: must be a number from 0 to 3600"),
        (["--prot", "3456"], {}, "--prot"),
        ([], {"CLAUDEPROXY_BODY_LIMIT": "0"}, "CLAUDEPROXY_BODY_LIMIT: must be an integer"),
        (["--config", "missing.toml"], {}, "missing.toml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, (list, dict)) else "",
)
def test_a_bad_setting_is_a_usage_error_that_names_it(
    place: Place, options: list[str], environ: dict[str, str], names: str
) -> None:
    for command in ([TWISTD, "-n", "claudeproxy"], [*PYTHON_M, "serve"]):
        done = place.run(
            "/usr/bin/env", *(f"{name}={value}" for name, value in environ.items()),
            *command, *options,
        )  # fmt: skip
        assert done.returncode == 1
        # twistd tells usage errors on stdout, after the usage.
        said = (done.stdout + done.stderr).rstrip().splitlines()
        assert names in said[-1]
        assert "Traceback" not in done.stdout + done.stderr


def test_a_key_on_the_command_line_is_refused_and_not_repeated(place: Place) -> None:
    for option in ("--keys=mine=secret", "--keys"):
        done = place.run(*PYTHON_M, "serve", option, "mine=secret")
        assert done.returncode == 1
        assert "--keys-file" in done.stderr
        assert "secret" not in done.stdout + done.stderr


def test_an_invalid_variable_or_file_is_reported_in_one_line(place: Place) -> None:
    done = place.run("/usr/bin/env", "CLAUDEPROXY_PORT=x", *PYTHON_M, "serve")
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("claudeproxy: CLAUDEPROXY_PORT: must be ")


def test_without_a_command_it_prints_the_usage(place: Place) -> None:
    for arguments in ([], ["sevre"], ["--port", "1"]):
        done = place.run(*PYTHON_M, *arguments)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith("usage: claudeproxy serve")


# With the CLI, against the demo API


def ask(
    connection: http.client.HTTPConnection, text: str, status: int = 200
) -> http.client.HTTPResponse:
    """Have the demo answer, as a stream."""
    body = {"model": "sonnet", "stream": True, "messages": [{"role": "user", "content": text}]}
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    answer = connection.getresponse()
    assert answer.status == status
    return answer


def data_of(lines: Iterator[bytes]) -> Iterator[str]:
    """The `data:` of a stream's events."""
    for line in lines:
        if line.startswith(b"data: "):
            yield line.removeprefix(b"data: ").decode().strip()


def text_of(data: str) -> str:
    """The piece of text of a chunk."""
    chunk = json.loads(data)
    return "".join(choice["delta"].get("content") or "" for choice in chunk.get("choices", ()))


def test_the_demo_streams_a_real_answer(place: Place, demo: subprocess.Popen[bytes]) -> None:
    with place.connect() as connection:
        *chunks, last = data_of(iter(ask(connection, "ECHO:one two three")))
    assert last == "[DONE]"
    assert "".join(map(text_of, chunks)) == "one two three"
    demo.terminate()
    assert demo.wait(BOUND) == -signal.SIGTERM
    assert place.left_over() == []


def test_running_requests_finish_before_it_stops(
    place: Place, demo: subprocess.Popen[bytes]
) -> None:
    with place.connect() as connection:
        events = data_of(iter(ask(connection, "LONG:10 SLOW:0.05")))
        first = next(data for data in events if text_of(data))
        demo.terminate()
        *chunks, last = events
    assert last == "[DONE]"
    assert "".join(map(text_of, [first, *chunks])).split() == [f"tok{n}" for n in range(10)]
    assert demo.wait(BOUND) == -signal.SIGTERM
    assert place.left_over() == []


def test_ctrl_c_in_a_running_stream_leaves_nothing_behind(
    place: Place, demo: subprocess.Popen[bytes]
) -> None:
    with place.connect() as connection:
        events = data_of(iter(ask(connection, "LONG:5000 SLOW:0.05")))
        next(data for data in events if text_of(data))
        assert place.cli_processes()
        # To all of the foreground's process group, as a terminal does.
        os.killpg(demo.pid, signal.SIGINT)
        *_, last = events
    # The client is not left to wait, nor told that this was all.
    assert "error" in json.loads(last)
    assert demo.wait(BOUND) == -signal.SIGINT
    assert place.left_over() == []
    assert "Traceback" not in place.said()


# Signals and exposure


def test_a_second_signal_ends_running_requests_at_once(place: Place, bundled: str) -> None:
    options = place.options("--demo", "--drain", "600", "--cli", bundled)
    server = place.start(TWISTD, "-n", "--pidfile=", "claudeproxy", *options)
    place.healthy(server)
    with place.connect() as connection:
        events = data_of(iter(ask(connection, "LONG:5000 SLOW:0.05")))
        next(data for data in events if text_of(data))
        server.terminate()
        wait_for("the drain", lambda: "for running requests to finish" in place.said())
        server.terminate()
        *_, last = events
    assert "error" in json.loads(last)
    assert server.wait(BOUND) == -signal.SIGTERM
    assert place.left_over() == []
    assert "Traceback" not in place.said()


def test_while_it_drains_new_requests_get_a_503(place: Place, bundled: str) -> None:
    options = place.options("--demo", "--drain", "20", "--cli", bundled)
    server = place.start(TWISTD, "-n", "--pidfile=", "claudeproxy", *options)
    place.healthy(server)
    with place.connect() as running, place.connect() as kept:
        kept.request("GET", "/health")
        kept.getresponse().read()
        events = data_of(iter(ask(running, "LONG:60 SLOW:0.05")))
        next(data for data in events if text_of(data))
        server.terminate()
        wait_for("the drain", lambda: "for running requests to finish" in place.said())
        with place.connect() as new:
            for connection in (kept, new):
                answer = ask(connection, "hello", status=503)
                assert int(answer.headers["retry-after"]) > 0
        *_, last = events
    assert last == "[DONE]"
    assert server.wait(BOUND) == -signal.SIGTERM


def test_sighup_reloads_keys(place: Place) -> None:
    keys = place.root / "keys"
    keys.write_text("mine=sk-one\n")
    options = place.options("--keys-file", str(keys), *NO_CLI)
    server = place.start(TWISTD, "-n", "--pidfile=", "claudeproxy", *options)
    place.healthy(server)

    def status(key: str) -> int:
        with place.connect() as connection:
            connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {key}"})
            return connection.getresponse().status

    def reload(text: str, said: str) -> None:
        before = place.said().count(said)
        keys.write_text(text)
        server.send_signal(signal.SIGHUP)
        wait_for(said, lambda: place.said().count(said) > before)

    assert (status("sk-one"), status("sk-two")) == (200, 401)
    reload("hers=sk-two\n", "Reloaded keys")
    assert (status("sk-one"), status("sk-two")) == (401, 200)
    for broken in ("", "sk-three"):
        reload(broken, "Settings not reloaded")
        assert (status("sk-two"), status("")) == (200, 401)
    assert "sk-" not in place.said()
    server.terminate()
    assert server.wait(BOUND) == -signal.SIGTERM


def test_it_does_not_listen_beyond_loopback_without_keys(place: Place) -> None:
    options = place.options("--interface", "0.0.0.0", *NO_CLI)
    done = place.run(TWISTD, "-n", "--pidfile=", "claudeproxy", *options)
    assert done.returncode != 0
    [line] = [line for line in done.stderr.splitlines() if line.strip()]
    assert "Set API keys" in line
    assert "Traceback" not in done.stdout
    server = place.start(TWISTD, "-n", "--pidfile=", "claudeproxy", *options, "--insecure")
    place.healthy(server)
    server.terminate()
    assert server.wait(BOUND) == -signal.SIGTERM
