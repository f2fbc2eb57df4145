"""The service files and their documentation: what they start is what there is."""

from __future__ import annotations

import configparser
import os
import plistlib
import re
import shlex
import shutil
import subprocess
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner
from twisted.scripts._twistd_unix import ServerOptions

from claudeproxy.cli import process
from claudeproxy.command.main import cli
from claudeproxy.command.manage import files
from claudeproxy.hangups import hangups
from claudeproxy.settings import FIELDS, Settings, load
from claudeproxy.tap import WRONG, Options
from claudeproxy.web import connections


ROOT = Path(__file__).parent.parent
TEMPLATES = resources("claudeproxy.command.manage") / "templates"
DOC = ROOT / "doc" / "service.md"
GOLDEN = Path(__file__).parent / "command" / "golden"
# After the drain: CLI processes that have to be killed, then clients that do not read.
LONGEST_END = process.KILL_AFTER + process.PIPE_LINGER + connections.CLOSE_TIMEOUT
# A path as some are.
PYTHON = "/opt/J. Doe's 100% $HOME/bin/python3"
INSTALLED = files.Installation(
    python=PYTHON,
    path=["/opt/node 22/bin", "/usr/bin", "/bin"],
    environment="/home/j/.config/claudeproxy/environment",
    drain=10.0,
    start_timeout=30.0,
)


@pytest.fixture(autouse=True)
def nothing_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options are parsed without the user's settings, and without a look at the port."""
    for name in list(os.environ):
        if name.startswith(("CLAUDEPROXY_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("claudeproxy.tap._check_port", lambda settings: None)
    monkeypatch.setattr(hangups, "hold", lambda: None)


def twistd_options(arguments: list[str]) -> ServerOptions:
    """What the real twistd understands; UsageError if it does not."""
    options = ServerOptions()
    options.parseOptions(arguments)
    assert options.subCommand == "claudeproxy"
    assert isinstance(options.subOptions, Options)
    return options


def unit_text(installed: files.Installation = INSTALLED) -> str:
    return files.unit((TEMPLATES / files.UNIT).read_text("utf-8"), installed)


def agent_bytes(installed: files.Installation = INSTALLED) -> bytes:
    return files.agent((TEMPLATES / files.AGENT).read_bytes(), installed)


@pytest.mark.parametrize(
    ("name", "content"), [(files.UNIT, unit_text().encode()), (files.AGENT, agent_bytes())]
)
def test_the_files_are_as_they_were_seen(name: str, content: bytes) -> None:
    """What is installed changes only on purpose: then write the new one here."""
    assert (GOLDEN / name).read_bytes() == content


# macOS


def agent() -> dict[str, Any]:
    parsed: dict[str, Any] = plistlib.loads(agent_bytes())
    return parsed


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder as some are called."""
    home = tmp_path / "J. Doe's home"
    home.mkdir()
    return home


def run_agent(home: Path, environment: str = "") -> list[str]:
    """Run what launchd would, with a stand-in for Python; its environment and arguments."""
    stand_in = home / "the python"
    stand_in.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$PATH" "$TMPDIR" "$CLAUDEPROXY_PORT" "$@" >"$HOME/seen"\n'
        'echo "said"; echo "complained" >&2\n'
    )
    stand_in.chmod(0o700)
    file = home / "environment"
    if environment:
        file.write_text(environment)
    installed = attrs.evolve(INSTALLED, python=str(stand_in), environment=str(file))
    done = subprocess.run(
        plistlib.loads(agent_bytes(installed))["ProgramArguments"],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        check=True,
        capture_output=True,
        timeout=30,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
    return (home / "seen").read_text().splitlines()


def test_the_agent_starts_at_login_and_again_after_a_failure() -> None:
    parsed = agent()
    assert parsed["Label"] == files.LABEL
    assert parsed["RunAtLoad"] is True
    assert parsed["KeepAlive"] == {"SuccessfulExit": False}
    assert parsed["ProcessType"] == "Interactive"
    assert parsed["Umask"] == 0o077


def test_the_agent_waits_for_the_drain() -> None:
    assert agent()["ExitTimeOut"] > INSTALLED.drain + LONGEST_END


def test_the_agent_runs_the_server_with_its_log(home: Path) -> None:
    path, tmp, _, *arguments = run_agent(home)
    logs = home / "Library" / "Logs" / "claudeproxy"
    assert arguments == [
        *("-P", "-m", "claudeproxy", "serve", "--logfile", str(logs / "claudeproxy.log")),
    ]
    assert (logs / "start.log").read_text().splitlines() == ["said", "complained"]
    assert Path(tmp).is_dir()
    assert Path(tmp).is_relative_to(home / "Library" / "Caches" / "claudeproxy")
    assert path == "/opt/node 22/bin:/usr/bin:/bin"


def test_the_agent_reads_the_environment_file(home: Path) -> None:
    assert run_agent(home, "CLAUDEPROXY_PORT=4567\n")[2] == "4567"


# Linux


def unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit_text())
    return parser


def test_nothing_is_left_to_fill_in() -> None:
    assert not re.search(r"@[A-Z]+@", unit_text())


def test_the_unit_starts_with_the_session_and_again_after_a_failure() -> None:
    assert unit()["Install"]["WantedBy"] == "default.target"
    assert unit()["Service"]["Restart"] == "on-failure"
    assert unit()["Service"]["RestartPreventExitStatus"] == str(WRONG)


def test_the_unit_waits_for_the_start_and_the_drain_and_signals_only_the_server() -> None:
    service = unit()["Service"]
    assert float(service["TimeoutStopSec"]) > INSTALLED.drain + LONGEST_END
    assert float(service["TimeoutStartSec"]) > INSTALLED.start_timeout
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert service["KillMode"] == "mixed"


def test_the_unit_runs_this_installation() -> None:
    # systemd replaces %% by %, and $$ by $.
    words = shlex.split(unit()["Service"]["ExecStart"].replace("%%", "%").replace("$$", "$"))
    assert words == [PYTHON, "-P", "-m", "claudeproxy", "serve"]
    assert 'Environment="PATH=/opt/node 22/bin:/usr/bin:/bin"' in unit_text().splitlines()


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    copy = tmp_path / files.UNIT
    # It also looks whether the binary exists.
    copy.write_text(unit_text(attrs.evolve(INSTALLED, python="/bin/true")))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(copy)],
        env={"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode and "Failed to initialize manager" in done.stderr:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()}")
    assert files.UNIT not in done.stderr, done.stderr
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


def test_the_docs_twistd_can_be_started() -> None:
    [words] = [words for words in commands() if words[0] == "twistd"]
    assert twistd_options(words[1:]).subOptions.settings == Settings()


def test_the_docs_claudeproxy_commands_exist() -> None:
    used = [words[1:] for words in commands() if words[0] == "claudeproxy"]
    assert len(used) > 8
    for arguments in used:
        # With --help nothing is done, and a wrong name is still an error.
        done = CliRunner().invoke(cli, [*arguments, "--help"])
        assert done.exit_code == 0, (arguments, done.output)


def test_the_docs_variables_exist() -> None:
    text = DOC.read_text("utf-8")
    variables = dict(re.findall(r"`(CLAUDEPROXY_[A-Z_]+)=([0-9]+)`", text))
    assert load({}, variables) == load({"port": 4567})
    names = {name.lower() for name in re.findall(r"CLAUDEPROXY_([A-Z_]+)", text)}
    assert names <= set(FIELDS)


def test_the_three_places_of_a_setting_are_read(tmp_path: Path) -> None:
    text = (DOC.parent / "configuration.md").read_text("utf-8")
    [on_the_line] = re.findall(r"^1\. the command line: `(.+)`$", text, re.M)
    [variable] = re.findall(r"^2\. the environment: `(.+)`$", text, re.M)
    [in_the_file] = re.findall(r"^ +(body_limit = .+)$", text, re.M)
    file = tmp_path / "config.toml"
    file.write_text(in_the_file)
    expected = load({"body_limit": 1_000_000})
    assert expected != Settings()
    assert twistd_options(["claudeproxy", *on_the_line.split()]).subOptions.settings == expected
    assert load({}, dict([variable.split("=")])) == expected
    assert load({}, {}, file) == expected


def test_the_docs_config_is_read(tmp_path: Path) -> None:
    [example] = blocks("toml")
    file = tmp_path / "config.toml"
    file.write_text(example)
    settings = load({}, {}, file)
    assert settings.port == 4567
    assert settings.aliases == {"gpt-4o": "sonnet"}


def test_a_misspelt_option_would_be_found() -> None:
    with pytest.raises(SystemExit):
        twistd_options(["--nodaemon", "claudeproxy", "--prot", "3456"])
    assert CliRunner().invoke(cli, ["service", "instal", "--help"]).exit_code != 0


def test_the_docs_files_are_there() -> None:
    text = DOC.read_text("utf-8")
    for path in re.findall(r"(?<![\w./])(?:share|tests)/[\w./]*\w", text):
        assert (ROOT / path).is_file(), path
    for name in (files.UNIT, files.AGENT):
        assert name in text


@pytest.mark.parametrize(
    "file",
    [DOC, TEMPLATES / files.UNIT, TEMPLATES / files.AGENT],
    ids=lambda file: str(file.name),
)
def test_nothing_names_a_place_of_one_machine(file: Traversable) -> None:
    text = file.read_text("utf-8")
    assert str(ROOT) not in text
    assert not re.search(r"/(?:home|Users|root)/|pypi|npmjs", text)
