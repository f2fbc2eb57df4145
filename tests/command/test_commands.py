"""The commands in processes of their own, with a CLI that is a script, or the real one."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from claudeproxy import __version__
from claudeproxy.cli import launch

from ..place import BOUND, NO_CLI, PYTHON_M, Place, wait_for
from ..place import place as place


# Answers `initialize`, and is logged in once `auth login` has run.
SCRIPT = """\
#!{python}
import json, os, pathlib, sys
mark = pathlib.Path(os.environ["HOME"], "logged-in")
if sys.argv[1:] == ["--version"]:
    print("{version} (Claude Code)")
elif sys.argv[1:] == ["auth", "login"]:
    print("key: " + os.environ.get("ANTHROPIC_API_KEY", "none"))
    if {succeeds}:
        mark.touch()
    sys.exit({status})
else:
    for line in sys.stdin:
        asked = json.loads(line)
        if asked.get("type") != "control_request":
            continue
        account = {{"tokenSource": "none", "apiKeySource": "none"}}
        if mark.exists():
            account |= {{"email": "me@example.com", "subscriptionType": "max"}}
        answer = {{"models": [], "commands": [], "account": account}}
        response = {{"subtype": "success", "request_id": asked["request_id"], "response": answer}}
        print(json.dumps({{"type": "control_response", "response": response}}), flush=True)
"""

Script = Callable[..., str]


@pytest.fixture
def script(place: Place) -> Script:
    def write(version: str = "2.1.332", *, succeeds: bool = True, status: int = 0) -> str:
        path = place.root / "claude"
        filled = SCRIPT.format(
            python=sys.executable, version=version, succeeds=succeeds, status=status
        )
        path.write_text(filled)
        path.chmod(0o700)
        return str(path)

    return write


@pytest.fixture
def bundled() -> str:
    path = launch.bundled()
    if path is None:
        pytest.skip("the extra `cli` is not installed")
    return path


# login


def test_login_runs_the_login_of_the_cli_and_says_what_came_of_it(
    place: Place, script: Script
) -> None:
    done = place.run(
        *("/usr/bin/env", "ANTHROPIC_API_KEY=sk-secret"),
        *(*PYTHON_M, "login", "--cli", script()),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"Claude Code 2.1.332: {place.root / 'claude'} (settings)",
        "key: none",
        "Logged in: me@example.com, plan: max.",
    ]
    assert place.left_over() == []


def test_a_login_that_fails_is_an_error(place: Place, script: Script) -> None:
    done = place.run(*PYTHON_M, "login", "--cli", script(succeeds=False, status=7))
    assert done.returncode == 1
    assert done.stderr == (
        "claudeproxy: Not logged in: the CLI reports no login (it ended with status 7).\n"
    )


def test_without_a_cli_login_says_how_to_install_it(place: Place) -> None:
    done = place.run(*PYTHON_M, "login", *NO_CLI)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(
        "claudeproxy: There is no Claude Code CLI at /nonexistent/claude. Install it "
    )


# doctor


def findings(place: Place, *words: str, status: int) -> dict[str, tuple[str, str]]:
    """The level and the message of each check; of several, the last."""
    done = place.run(*PYTHON_M, "doctor", "--json", "--port", str(place.port), *words)
    assert "Traceback" not in done.stderr
    told = json.loads(done.stdout)
    assert done.returncode == told["status"] == status, told
    return {each["check"]: (each["level"], each["message"]) for each in told["findings"]}


def test_doctor_finds_a_cli_that_is_not_logged_in(place: Place, script: Script) -> None:
    found = findings(place, "--cli", script(), "--no-self-test", status=3)
    assert found["cli"][0] == "good"
    assert found["login"] == ("fault", "The CLI is not logged in.")
    assert "self-test" not in found
    assert place.left_over() == []


def test_doctor_finds_a_login_and_a_cli_that_is_old(place: Place, script: Script) -> None:
    (place.root / "home" / "logged-in").touch()
    found = findings(place, "--cli", script("2.1.190"), "--no-self-test", status=1)
    assert found["login"] == ("good", "Logged in: me@example.com, plan: max.")
    assert found["cli"][0] == "warning"


def test_doctor_finds_a_cli_that_is_too_old(place: Place, script: Script) -> None:
    level, message = findings(place, "--cli", script("2.1.1"), "--no-self-test", status=3)["cli"]
    assert level == "fault"
    assert "is too old" in message
    assert f"{place.root / 'claude'} update" in message


def test_doctor_tries_the_real_cli_without_a_login(place: Place, bundled: str) -> None:
    done = place.run(*PYTHON_M, "doctor", "--cli", bundled, "--port", str(place.port))
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    for part in ("text", "tools", "rewinding", "limits"):
        assert f"ok      self-test {part}: works." in lines
    assert "FAULT   login     The CLI is not logged in." in lines
    assert done.stderr == ""
    assert place.left_over() == []


def test_doctor_finds_that_a_self_test_fails(place: Place, script: Script) -> None:
    done = place.run(
        *("/usr/bin/env", "CLAUDEPROXY_START_TIMEOUT=1", *PYTHON_M, "doctor"),
        *("--cli", script(), "--port", str(place.port)),
    )
    assert done.returncode == 3
    # The script answers no prompt, and lists no models.
    assert "FAULT   self-test text:" in done.stdout
    assert "self-test tools" not in done.stdout


def test_doctor_finds_who_has_the_port(place: Place, script: Script) -> None:
    words = ("--cli", script(), "--no-self-test")
    with closing(socket.create_server(("127.0.0.1", place.port))):
        level, message = findings(place, *words, status=3)["port"]
    assert (level, "Another program listens" in message) == ("fault", True)
    if Path("/proc/net/tcp").exists():
        assert "(process " in message
    server = place.start(*PYTHON_M, "serve", *place.options(*NO_CLI))
    place.healthy(server)
    level, message = findings(place, *words, status=3)["port"]
    assert (level, message.startswith(f"claudeproxy {__version__} ")) == ("fault", True)
    assert "It is not ready. There is no Claude Code CLI at /nonexistent/claude." in message


def test_doctor_finds_a_wrong_setting(place: Place) -> None:
    done = place.run("/usr/bin/env", "CLAUDEPROXY_DRAIN=x", *PYTHON_M, "doctor")
    assert done.returncode == 3
    assert done.stdout.startswith("FAULT   settings  CLAUDEPROXY_DRAIN: must be a number")


def test_doctor_finds_a_working_directory_that_cannot_be_made(place: Place, script: Script) -> None:
    cli = script()
    done = place.run(
        *("/usr/bin/env", f"CLAUDEPROXY_DIRECTORY={cli}/empty", *PYTHON_M, "doctor"),
        *("--cli", cli, "--port", str(place.port), "--no-self-test"),
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "FAULT   login     The CLI could not be asked: [Errno 20] Not a directory" in done.stdout


# What a running server says


def test_without_a_server_the_status_is_3(place: Place) -> None:
    for command in ("status", "usage", "models"):
        done = place.run(*PYTHON_M, command, "--port", str(place.port))
        assert (done.returncode, done.stdout) == (3, "")
        [line] = done.stderr.splitlines()
        assert f"No server answers on http://127.0.0.1:{place.port}" in line


def test_something_else_on_the_port_is_told(place: Place) -> None:
    with closing(socket.create_server(("127.0.0.1", place.port))) as server:
        done_by: list[str] = []
        asking = place.start(*PYTHON_M, "status", "--port", str(place.port))
        connection, _ = server.accept()
        connection.recv(1000)
        connection.sendall(b"220 mail.example ESMTP\r\n")
        connection.close()
        assert asking.wait(BOUND) == 3
        done_by.append(place.said())
    assert "is not claudeproxy" in done_by[0]


def test_the_commands_tell_what_a_demo_says(place: Place, bundled: str) -> None:
    keys = place.root / "keys"
    keys.write_text("mine=sk-secret\n")
    keys.chmod(0o600)
    config = place.root / "config.toml"
    config.write_text(f'port = {place.port}\nkeys_file = "{keys}"\n')
    options = ["--config", str(config), "--cli", bundled]
    server = place.start(*PYTHON_M, "demo", *options)
    place.healthy(server)
    wait_for("the CLI", place.knows_the_cli)

    def told(*words: str) -> str:
        done = place.run(*PYTHON_M, *words, "--config", str(config))
        assert (done.returncode, done.stderr) == (0, ""), words
        return done.stdout

    assert ": ready" in told("status").splitlines()[0]
    assert json.loads(told("status", "--json"))["running"] is True
    assert any(line.startswith("sonnet") for line in told("models").splitlines())
    assert json.loads(told("models", "--json"))["object"] == "list"
    usage = place.run(*PYTHON_M, "usage", "--config", str(config))
    if usage.returncode:
        assert usage.stderr == "claudeproxy: This server does not have GET /v1/usage.\n"
    assert "sk-secret" not in place.said()
    server.terminate()
    assert server.wait(BOUND) == -signal.SIGTERM


# config


def test_config_shows_where_each_setting_is_from_and_hides_keys(place: Place) -> None:
    config = place.root / "config.toml"
    config.write_text('port = 99\nkeys = "mine=sk-secret"\n')
    config.chmod(0o600)
    env = ["/usr/bin/env", f"CLAUDEPROXY_CONFIG={config}", "CLAUDEPROXY_DRAIN=3"]
    done = place.run(*env, *PYTHON_M, "config")
    assert (done.returncode, done.stderr) == (0, "")
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line}
    assert rows["port"][1:] == ["99", f"{config}:", "port"]
    assert rows["drain"][1:] == ["3", "s", "CLAUDEPROXY_DRAIN"]
    assert rows["keys"][1] == "mine=(hidden)"
    assert rows["workers"][1:] == ["8", "default"]
    assert place.run(*env, *PYTHON_M, "config", "path").stdout == f"{config}\n"
    as_json = place.run(*env, *PYTHON_M, "config", "--json").stdout
    settings = {each["name"]: each for each in json.loads(as_json)["settings"]}
    assert settings["keys"]["value"] == ["mine"]
    assert settings["port"] == {
        "name": "port",
        "value": 99,
        "default": False,
        "source": f"{config}: port",
    }
    for text in (done.stdout, as_json):
        assert "sk-secret" not in text


# The command line itself


def test_the_library_brings_completion(place: Place) -> None:
    done = place.run("/usr/bin/env", "_CLAUDEPROXY_COMPLETE=bash_source", *PYTHON_M)
    assert "_CLAUDEPROXY_COMPLETE=bash_complete" in done.stdout
    words = ["COMP_WORDS=claudeproxy serve --no-recy", "COMP_CWORD=2"]
    done = place.run("/usr/bin/env", "_CLAUDEPROXY_COMPLETE=bash_complete", *words, *PYTHON_M)
    assert done.stdout == "plain,--no-recycling\n"


def test_a_reader_that_stops_early_is_no_error(place: Place) -> None:
    done = place.run("/bin/sh", "-c", f"{sys.executable} -m claudeproxy config | head -1")
    assert done.stdout.startswith("Settings file: ")
    assert done.stderr == ""
