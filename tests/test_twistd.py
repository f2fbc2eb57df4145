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
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from claudeproxy.cli import launch

from .place import BOUND, DEADLINE, NO_CLI, PYTHON_M, ROOT, TWISTD, Place, wait_for
from .place import place as place


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


def test_a_second_daemon_is_told_of_the_first(place: Place) -> None:
    pidfile = place.root / "run.pid"
    pidfile.write_text(str(os.getpid()))
    done = place.run(
        *(TWISTD, f"--pidfile={pidfile}", f"--logfile={place.root / 'run.log'}"),
        *("claudeproxy", *place.options(*NO_CLI)),
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"claudeproxy: process {os.getpid()} is running already")
    assert str(pidfile) in line


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
    # While it looks for the CLI, it has a child for a moment.
    wait_for("one process", lambda: list(place.processes()) == [pid])

    os.kill(pid, signal.SIGUSR1)
    wait_for("a rotated log", (place.root / "run.log.1").exists)
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.root.glob("run.log*")} == {0o600}
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
    # There is no CLI.
    wait_for("an error", lambda: "#error]" in place.said())
    server.terminate()
    server.wait(BOUND)
    assert "GET /health" not in place.said()
    assert "#info]" not in place.said()


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
    assert "Use --port, or PORT=NUMBER with make," in line
    assert "Traceback" not in done.stdout
    assert place.left_over() == []
    assert not (place.root / "work" / "run.pid").exists()


@pytest.mark.parametrize(
    ("options", "environ", "names"),
    [
        (["--port", "seventy"], {}, "--port"),
        (["--drain", "-1"], {}, "--drain: must be a number from 0 to 3600"),
        (["--prot", "3456"], {}, "--prot"),
        (["--strict-parameters", "maybe"], {}, "--strict-parameters: must be true or false"),
        (["--interface", "nonsense"], {}, "--interface: 'nonsense' is not an address"),
        (["--interface", "0.0.0.0"], {}, "Set API keys"),
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
        assert (done.returncode, done.stdout) == (2, "")
        [line] = done.stderr.splitlines()
        assert line.startswith("claudeproxy: ")
        assert names in line


def test_a_key_on_the_command_line_is_refused_and_not_repeated(place: Place) -> None:
    for option in ("--keys=mine=secret", "--keys"):
        for command in ([*PYTHON_M, "serve"], [TWISTD, "-n", "claudeproxy"]):
            done = place.run(*command, option, "mine=secret")
            assert done.returncode == 2
            [line] = done.stderr.splitlines()
            assert "--keys-file" in line
            assert "secret" not in done.stdout + done.stderr


def test_an_invalid_variable_or_file_is_reported_in_one_line(place: Place) -> None:
    done = place.run("/usr/bin/env", "CLAUDEPROXY_PORT=x", *PYTHON_M, "serve")
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("claudeproxy: CLAUDEPROXY_PORT: must be ")


def test_without_a_command_it_prints_the_usage(place: Place) -> None:
    done = place.run(*PYTHON_M)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: claudeproxy [OPTIONS] COMMAND")
    assert re.search(r"^  doctor +\S", done.stderr, re.M)


@pytest.mark.parametrize("arguments", [["sevre"], ["--port", "1"], ["serve", "now"]])
def test_a_wrong_command_is_one_line(place: Place, arguments: list[str]) -> None:
    done = place.run(*PYTHON_M, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


# Files and folders that cannot be used


def one_line(done: subprocess.CompletedProcess[str], status: int) -> str:
    assert (done.returncode, done.stdout) == (status, "")
    [line] = [line for line in done.stderr.splitlines() if line.strip()]
    assert line.startswith("claudeproxy: ")
    return line


@pytest.mark.parametrize("kind", ["pidfile", "logfile"])
def test_a_daemon_names_the_file_that_it_cannot_write(place: Place, kind: str) -> None:
    files = {"pidfile": "run.pid", "logfile": "run.log", kind: "missing/file"}
    own = [f"--{name}={file}" for name, file in files.items()]
    done = place.run(TWISTD, *own, "claudeproxy", *place.options(*NO_CLI))
    line = one_line(done, 1)
    assert f"{place.root / 'work' / 'missing' / 'file'}: No such file or directory" in line
    assert f"--{kind}=" in line
    assert list((place.root / "work").iterdir()) == []


def test_in_the_foreground_no_pid_file_is_needed(place: Place) -> None:
    # A folder is there, and so the file cannot be written by anyone.
    (place.root / "work" / "twistd.pid").mkdir()
    server = place.start(TWISTD, "-n", "claudeproxy", *place.options(*NO_CLI))
    place.healthy(server)
    server.terminate()
    assert server.wait(BOUND) == -signal.SIGTERM
    assert "Traceback" not in place.said()


def test_serve_can_be_a_daemon_with_its_files_in_the_state_folder(place: Place) -> None:
    done = place.run(*PYTHON_M, "serve", "--daemon", *place.options(*NO_CLI))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert place.health() is not None
    state = place.root / "home" / ".local" / "state" / "claudeproxy"
    if sys.platform == "darwin":
        state = place.root / "home" / "Library" / "Application Support" / "claudeproxy"
    pid = int((state / "claudeproxy.pid").read_text())
    wait_for("one process", lambda: list(place.processes()) == [pid])
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    os.kill(pid, signal.SIGTERM)
    wait_for("its end", lambda: not place.processes(), BOUND)
    assert "Server Shut Down" in (state / "claudeproxy.log").read_text()
    assert [path.name for path in state.iterdir()] == ["claudeproxy.log"]


def test_a_home_that_is_not_there_is_one_line(place: Place) -> None:
    home = place.root / "file"
    home.touch()
    for command in ([TWISTD, "-n", "claudeproxy"], [*PYTHON_M, "serve"]):
        done = place.run(
            *("/usr/bin/env", f"HOME={home}", *command),
            *("--port", str(place.port), *NO_CLI),
        )
        line = one_line(done, 1)
        assert str(home) in line
        assert "HOME" in line


@pytest.mark.parametrize("option", ["--config", "--keys-file"])
def test_a_fifo_does_not_block(place: Place, option: str) -> None:
    fifo = place.root / "fifo"
    os.mkfifo(fifo)
    line = one_line(place.run(*PYTHON_M, "serve", option, str(fifo)), 2)
    assert line == f"claudeproxy: {fifo}: not a regular file"


def test_keys_that_others_can_read_are_a_warning_in_the_log(place: Place) -> None:
    keys = place.root / "keys"
    keys.write_text("mine=sk-secret\n")
    keys.chmod(0o644)
    options = place.options("--keys-file", str(keys), *NO_CLI)
    server = place.start(*PYTHON_M, "serve", *options)
    wait_for("the warning", lambda: f"{keys}: other users can read" in place.said())
    assert "secret" not in place.said()
    server.terminate()
    assert server.wait(BOUND) == -signal.SIGTERM


# Under a service manager


@pytest.mark.parametrize("options", [NO_CLI, ["--demo"]], ids=["no CLI", "demo"])
def test_a_service_manager_is_told_when_it_is_ready(
    place: Place, options: list[str], bundled: str
) -> None:
    address = str(place.root / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(DEADLINE)
        server = place.start(
            *("/usr/bin/env", f"NOTIFY_SOCKET={address}", "WATCHDOG_USEC=600000000"),
            *(*PYTHON_M, "serve", *place.options("--cli", bundled, *options)),
        )
        assert manager.recv(1000) == b"WATCHDOG=1"
        ready, status = manager.recv(1000).decode().split("\n")
        assert ready == "READY=1"
        expected = "Demo" if options == ["--demo"] else "There is no Claude Code CLI at"
        assert expected in status
        server.terminate()
        assert manager.recv(1000) == b"STOPPING=1"
    assert server.wait(BOUND) == -signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="there is no journal")
def test_lines_for_the_journal_have_one_time_stamp_only(place: Place) -> None:
    stream = 'JOURNAL_STREAM="$(stat -L -c %d:%i /proc/self/fd/3)"; export JOURNAL_STREAM'
    command = [*PYTHON_M, "serve", *place.options(*NO_CLI)]
    shell = f'exec 3>&1; {stream}; exec "$@" 3>&-'
    server = place.start("/bin/sh", "-c", shell, "sh", *command)
    wait_for("the log", lambda: "is listening on" in place.said())
    server.terminate()
    assert server.wait(BOUND) == -signal.SIGTERM
    lines = (place.root / "out").read_text().splitlines()
    logged = [line for line in lines if "is listening on http" in line and "version" not in line]
    assert any(re.match(r"<6>\[\S+#info\] claudeproxy \S+ is listening", line) for line in logged)
    assert not any(re.match(r"(<\d>)?\d{4}-\d\d-\d\d", line) for line in lines)


# What a flag can be


@pytest.mark.parametrize("command", [[TWISTD, "-n", "claudeproxy"], [*PYTHON_M, "serve"]])
@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (["--no-insecure"], True),
        (["--insecure", "false"], True),
        (["--insecure", "--no-insecure"], True),
        (["--insecure=no"], True),
        (["--no-insecure", "--insecure", "--prot"], False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_flag_of_the_settings_file_can_be_undone(
    place: Place, command: Sequence[str | Path], words: list[str], refused: bool
) -> None:
    config = place.root / "config.toml"
    config.write_text('insecure = true\ninterface = "0.0.0.0"\n')
    done = place.run("/usr/bin/env", f"CLAUDEPROXY_CONFIG={config}", *command, *words)
    assert ("Set API keys" in one_line(done, 2)) is refused


def test_both_commands_explain_the_same_options(place: Place) -> None:
    served = place.run(*PYTHON_M, "serve", "--help")
    plain = place.run(TWISTD, "claudeproxy", "--help")
    assert (served.returncode, plain.returncode) == (0, 0)
    for text in (served.stdout, plain.stdout):
        assert "--recycling / --no-recycling" in text
        assert "maximum size of a request body [32 MiB]" in text
        assert "[()]" not in text
    begin = plain.stdout.index("Address and access:")
    assert plain.stdout[begin:].strip() in served.stdout


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


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_sighup_while_it_starts_does_not_end_it(place: Place) -> None:
    server = place.start(*PYTHON_M, "serve", *place.options(*NO_CLI))
    status = Path(f"/proc/{server.pid}/status")

    def heeded() -> bool:
        [caught] = re.findall(r"^SigCgt:\s*([0-9a-f]+)", status.read_text(), re.M)
        return bool(int(caught, 16) & 1 << (signal.SIGHUP - 1))

    wait_for("a handler for SIGHUP", heeded)
    # It reads its settings later.
    server.send_signal(signal.SIGHUP)
    place.healthy(server)
    wait_for("the reload", lambda: "Reloaded keys" in place.said())
    server.terminate()
    assert server.wait(BOUND) == -signal.SIGTERM


@pytest.mark.parametrize("target", ["serve", "demo"])
def test_ctrl_c_in_make_ends_without_an_error(place: Place, target: str) -> None:
    if shutil.which("make") is None:
        pytest.skip("there is no make")
    work = place.root / "work"
    shutil.copy(ROOT / "Makefile", work)
    (work / "setup.cfg").touch()
    (work / ".venv" / "bin").mkdir(parents=True)
    # As the server does: it ends by the signal itself.
    command = work / ".venv" / "bin" / "claudeproxy"
    command.write_text("#!/bin/sh\necho started\nexec sleep 60\n")
    command.chmod(0o700)
    # It looks for a CLI.
    python = work / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o700)
    for made in (".python", ".package"):
        (work / ".venv" / made).touch()
    make = place.start("make", target)
    wait_for("the server", lambda: "started" in place.said())
    os.killpg(make.pid, signal.SIGINT)
    make.wait(BOUND)
    # make itself can be surprised that its child has ended already.
    own = "make: *** wait: No child processes", "make: *** Waiting for unfinished jobs"
    said = [line for line in place.said().splitlines() if not line.startswith(own)]
    assert said == ["started"]
