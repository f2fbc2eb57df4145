"""The service files and their documentation: what they start is what there is."""

from __future__ import annotations

import configparser
import os
import plistlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from twisted.python.usage import UsageError
from twisted.scripts._twistd_unix import ServerOptions

from claudeproxy import command
from claudeproxy.cli import process
from claudeproxy.settings import FIELDS, Settings, load
from claudeproxy.tap import Options
from claudeproxy.web import connections


ROOT = Path(__file__).parent.parent
PLIST = ROOT / "share" / "launchd" / "io.github.claudeproxy.plist"
UNIT = ROOT / "share" / "systemd" / "claudeproxy.service"
DOC = ROOT / "doc" / "service.md"
VENV = ".local/share/claudeproxy/venv"
TWISTD = f"{VENV}/bin/twistd"
# After the drain: CLI processes that have to be killed, then clients that do not read.
ENDING = process.KILL_AFTER + process.PIPE_LINGER + connections.CLOSE_TIMEOUT


@pytest.fixture(autouse=True)
def nothing_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options are parsed without the user's settings, and without a look at the port."""
    for name in list(os.environ):
        if name.startswith(("CLAUDEPROXY_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("claudeproxy.tap._check_port", lambda settings: None)


def twistd_options(arguments: list[str]) -> ServerOptions:
    """What the real twistd understands; UsageError if it does not."""
    options = ServerOptions()
    options.parseOptions(arguments)
    assert options.subCommand == "claudeproxy"
    assert isinstance(options.subOptions, Options)
    return options


# macOS


def plist() -> dict[str, Any]:
    parsed: dict[str, Any] = plistlib.loads(PLIST.read_bytes())
    return parsed


def run_plist(home: Path, environment: str = "") -> list[str]:
    """Run what launchd would, with a stand-in for twistd; its environment and arguments."""
    stand_in = home / TWISTD
    stand_in.parent.mkdir(parents=True)
    stand_in.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$PATH" "$TMPDIR" "$CLAUDEPROXY_PORT" "$@" >"$HOME/seen"\n'
        'echo "said"; echo "complained" >&2\n'
    )
    stand_in.chmod(0o700)
    if environment:
        file = home / ".config" / "claudeproxy" / "environment"
        file.parent.mkdir(parents=True)
        file.write_text(environment)
    done = subprocess.run(
        plist()["ProgramArguments"],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        check=True,
        capture_output=True,
        timeout=30,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
    return (home / "seen").read_text().splitlines()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder as some are called."""
    home = tmp_path / "J. Doe's home"
    home.mkdir()
    return home


def test_the_agent_starts_at_login_and_again_after_a_failure() -> None:
    agent = plist()
    assert agent["Label"] == PLIST.stem
    assert agent["RunAtLoad"] is True
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["Umask"] == 0o077


def test_the_agent_needs_no_editing() -> None:
    """The only thing that expands a home folder is the shell."""
    agent = plist()
    assert agent["ProgramArguments"][:2] == ["/bin/sh", "-c"]
    others = {name: value for name, value in agent.items() if name != "ProgramArguments"}
    assert not re.search(r"[~$]|/Users/|/home/", repr(others))
    assert not re.search(r"~|/Users/|/home/", agent["ProgramArguments"][2])


def test_the_agent_waits_for_the_drain() -> None:
    assert plist()["ExitTimeOut"] > Settings().drain + ENDING


def test_the_agent_runs_twistd_with_its_log(home: Path) -> None:
    path, tmp, _, *arguments = run_plist(home)
    options = twistd_options(arguments)
    logs = home / "Library" / "Logs" / "claudeproxy"
    assert options["nodaemon"]
    assert options["pidfile"] == ""
    assert options["logfile"] == str(logs / "claudeproxy.log")
    assert options.subOptions.settings == Settings()
    assert (logs / "start.log").read_text().splitlines() == ["said", "complained"]
    assert Path(tmp).is_dir()
    assert Path(tmp).is_relative_to(home / "Library" / "Caches" / "claudeproxy")
    assert path.split(":") == [
        str(home / ".local" / "bin"),
        *("/opt/homebrew/bin", "/usr/local/bin", "/usr/bin", "/bin"),
    ]


def test_the_agent_reads_the_environment_file(home: Path) -> None:
    assert run_plist(home, "CLAUDEPROXY_PORT=4567\n")[2] == "4567"


# Linux


def unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return parser


def exec_start() -> list[str]:
    return shlex.split(unit()["Service"]["ExecStart"])


def test_the_unit_starts_with_the_session_and_again_after_a_failure() -> None:
    assert unit()["Install"]["WantedBy"] == "default.target"
    assert unit()["Service"]["Restart"] == "on-failure"


def test_the_unit_waits_for_the_drain_and_signals_only_the_server() -> None:
    service = unit()["Service"]
    assert float(service["TimeoutStopSec"]) > Settings().drain + ENDING
    assert service["KillMode"] == "mixed"


def test_the_unit_runs_twistd_in_the_foreground() -> None:
    binary, *arguments = exec_start()
    options = twistd_options(arguments)
    assert binary == f"%h/{TWISTD}"
    assert options["nodaemon"]
    assert options["pidfile"] == ""
    assert options.subOptions.settings == Settings()


def test_the_unit_finds_a_claude_of_the_users() -> None:
    assert "Environment=PATH=%h/.local/bin:/usr/local/bin:/usr/bin:/bin" in UNIT.read_text()


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    copy = tmp_path / UNIT.name
    # It also looks whether the binary exists.
    copy.write_text(UNIT.read_text().replace(exec_start()[0], "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(copy)],
        env={"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode and "Failed to initialize manager" in done.stderr:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()}")
    assert UNIT.name not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


# The documentation


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOC.read_text("utf-8"), re.M | re.S)


def commands() -> list[list[str]]:
    """The doc's shell commands as words; those in a pipe or a substitution as they stand."""
    lines = "".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines]


def test_the_docs_shell_is_shell() -> None:
    for block in blocks("sh"):
        done = subprocess.run(["/bin/sh", "-n"], input=block, text=True, capture_output=True)
        assert done.returncode == 0, (block, done.stderr)


def test_the_docs_daemon_can_be_started() -> None:
    [words] = [words for words in commands() if words[0] == f"$HOME/{TWISTD}"]
    options = twistd_options(words[1:])
    assert options.subOptions.settings == Settings()
    folder = "$HOME/.local/state/claudeproxy"
    assert f"--pidfile={folder}/twistd.pid" in words
    assert f"--logfile={folder}/twistd.log" in words
    text = DOC.read_text("utf-8")
    assert f'kill "$(cat "{folder}/twistd.pid")"' in text
    assert f'tail -f "{folder}/twistd.log"' in text


def test_the_docs_claudeproxy_commands_exist(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    used = [words[1:] for words in commands() if words[0] == f"$HOME/{VENV}/bin/claudeproxy"]
    assert used
    for arguments in used:
        monkeypatch.setattr("sys.argv", ["claudeproxy", *arguments])
        with pytest.raises(SystemExit) as stopped:
            command.main()
        assert stopped.value.code in (None, 0)
        assert "--first-token-timeout" in capsys.readouterr().out


def test_the_docs_options_and_variables_exist() -> None:
    text = DOC.read_text("utf-8")
    table = re.findall(r"^\| .* \| `([^`]+)` \|$", text, re.M)
    on_the_line, variable, in_the_file = table
    expected = load({"first_token_timeout": 600})
    assert expected != Settings()
    assert twistd_options(["claudeproxy", *on_the_line.split()]).subOptions.settings == expected
    assert load({}, dict([variable.split("=")])) == expected
    assert in_the_file.split(" = ") == ["first_token_timeout", "600"]
    names = {name.lower() for name in re.findall(r"CLAUDEPROXY_([A-Z_]+)", text)}
    assert names <= set(FIELDS)


def test_the_docs_config_is_read(tmp_path: Path) -> None:
    [example] = blocks("toml")
    file = tmp_path / "config.toml"
    file.write_text(example)
    settings = load({}, {}, file)
    assert settings.port == 4567
    assert settings.aliases == {"gpt-4o": "sonnet"}


def test_a_misspelt_option_would_be_found() -> None:
    with pytest.raises(UsageError):
        twistd_options(["--nodaemon", "claudeproxy", "--prot", "3456"])


def test_the_docs_files_are_there() -> None:
    text = DOC.read_text("utf-8")
    for path in re.findall(r"(?<![\w./])(?:share|tests)/[\w./]*\w", text):
        assert (ROOT / path).is_file(), path
    for name in (UNIT.name, PLIST.name, PLIST.stem, f"$HOME/{VENV}"):
        assert name in text


@pytest.mark.parametrize("file", [DOC, UNIT, PLIST], ids=lambda file: str(file.name))
def test_nothing_names_a_place_of_one_machine(file: Path) -> None:
    text = file.read_text("utf-8")
    assert str(ROOT) not in text
    assert not re.search(r"/(?:home|Users|root)/|pypi|npmjs", text)
