"""`claudeproxy service`, with programs in the place of systemctl and launchctl."""

from __future__ import annotations

import os
import plistlib
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from claudeproxy.command.main import cli
from claudeproxy.command.manage import managers
from claudeproxy.command.manage.files import search_path
from claudeproxy.settings import Settings


# Notes its words, and answers as the file `state` says.
STAND_IN = """\
#!/bin/sh
echo "${0##*/} $*" >>"$HOME/told"
case "$*" in
*is-active*|print*) grep -q running "$HOME/state" ;;
*) ! grep -q broken "$HOME/state" ;;
esac
"""

Service = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("systemctl", "journalctl", "launchctl", "tail", "claude", "node"):
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o700)
    for name in list(os.environ):
        if name.startswith(("CLAUDEPROXY_", "XDG_", "CLAUDE_CODE_OAUTH_TOKEN")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / "state").write_text("")
    return tmp_path


@pytest.fixture
def service(home: Path) -> Service:
    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, ["service", *words])

    return run


def told(home: Path) -> list[str]:
    """What the programs were told since the last call."""
    file = home / "told"
    lines = file.read_text().splitlines() if file.exists() else []
    file.write_text("")
    return lines


def unit_of(home: Path) -> Path:
    return home / ".config" / "systemd" / "user" / "claudeproxy.service"


def test_install_writes_the_unit_and_starts_it(home: Path, service: Service) -> None:
    done = service("install")
    assert done.exit_code == 0, done.output
    unit = unit_of(home)
    assert f"written: {unit}" in done.output
    assert "claudeproxy service uninstall" in done.output
    text = unit.read_text()
    assert f'ExecStart="{sys.executable}" -P -m claudeproxy serve' in text
    # Where the CLI was found.
    assert f'Environment="PATH={home / "bin"}:' in text
    assert f"EnvironmentFile=-{home}/.config/claudeproxy/environment" in text
    assert stat.S_IMODE((home / ".config" / "claudeproxy").stat().st_mode) == 0o700
    assert told(home) == [
        "systemctl --user daemon-reload",
        "systemctl --user enable claudeproxy.service",
        "systemctl --user --quiet is-active claudeproxy.service",
        "systemctl --user start claudeproxy.service",
    ]


def test_to_install_again_changes_nothing(home: Path, service: Service) -> None:
    service("install")
    before = unit_of(home).stat()
    told(home)
    (home / "state").write_text("running")
    done = service("install")
    assert (done.exit_code, "unchanged: " in done.output) == (0, True)
    assert unit_of(home).stat() == before
    assert "systemctl --user restart claudeproxy.service" not in told(home)


def test_an_installation_that_has_changed_is_started_anew(home: Path, service: Service) -> None:
    service("install")
    (home / ".config" / "claudeproxy" / "config.toml").write_text("drain = 100\n")
    (home / "state").write_text("running")
    told(home)
    done = service("install")
    assert "replaced: " in done.output
    assert "TimeoutStopSec=120" in unit_of(home).read_text()
    assert told(home)[-1] == "systemctl --user restart claudeproxy.service"


def test_without_start_only_the_file_is_written(home: Path, service: Service) -> None:
    assert service("install", "--no-start").exit_code == 0
    assert unit_of(home).exists()
    assert told(home) == []


def test_install_says_which_variables_the_service_does_not_get(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDEPROXY_PORT", "4567")
    monkeypatch.setenv("CLAUDE_CODE_OAUTH_TOKEN", "sk-secret")
    output = service("install", "--no-start").output
    assert "does not get CLAUDEPROXY_PORT" in output
    assert "does not get CLAUDE_CODE_OAUTH_TOKEN" in output
    assert "secret" not in output


def test_a_service_manager_that_fails_is_an_error(home: Path, service: Service) -> None:
    (home / "state").write_text("broken")
    done = service("install")
    assert done.exit_code == 1
    assert "`systemctl --user daemon-reload` ended with status 1." in done.output


def test_uninstall_removes_what_was_installed(home: Path, service: Service) -> None:
    service("install")
    told(home)
    done = service("uninstall")
    assert (done.exit_code, f"removed: {unit_of(home)}" in done.output) == (0, True)
    assert not unit_of(home).exists()
    assert told(home) == [
        "systemctl --user disable --now claudeproxy.service",
        "systemctl --user daemon-reload",
    ]
    again = service("uninstall")
    assert (again.exit_code, again.output) == (0, "No service is installed.\n")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["start"], "systemctl --user start claudeproxy.service"),
        (["stop"], "systemctl --user stop claudeproxy.service"),
        (["status"], "systemctl --user --no-pager status claudeproxy.service"),
        (["logs"], "journalctl --user --unit claudeproxy.service"),
        (["logs", "-f"], "journalctl --user --unit claudeproxy.service -f"),
    ],
    ids=" ".join,
)
def test_the_other_commands_need_an_installed_service(
    home: Path, service: Service, words: list[str], command: str
) -> None:
    done = service(*words)
    assert done.exit_code == 1
    assert "claudeproxy service install" in done.output
    service("install", "--no-start")
    assert service(*words).exit_code == 0
    assert told(home) == [command]


def test_without_systemd_it_says_what_to_do(
    home: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(home))
    done = service("install")
    assert done.exit_code == 1
    assert "claudeproxy serve --daemon" in done.output


def test_what_is_installed_is_described(home: Path, service: Service) -> None:
    def described() -> tuple[bool, bool, bool]:
        found = managers.installed_service(Settings(), os.environ)
        assert found is not None
        assert found.file == str(unit_of(home))
        return found.installed, found.current, found.running

    assert described() == (False, True, False)
    service("install")
    assert described() == (True, True, False)
    (home / "state").write_text("running")
    unit_of(home).write_text("[Service]\n")
    assert described() == (True, False, True)


def test_on_macos_the_agent_is_installed(
    home: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    domain = f"gui/{os.getuid()}"
    assert service("install").exit_code == 0
    file = home / "Library" / "LaunchAgents" / "io.github.claudeproxy.plist"
    arguments = plistlib.loads(file.read_bytes())["ProgramArguments"]
    assert arguments[4] == sys.executable
    assert arguments[5].startswith(f"{home / 'bin'}:{home}/.local/bin:/opt/homebrew/bin:")
    assert f"launchctl bootstrap {domain} {file}" in told(home)
    (home / "state").write_text("running")
    assert "It runs already." in service("install").output
    assert service("uninstall").exit_code == 0
    assert f"launchctl bootout {domain}/io.github.claudeproxy" in told(home)
    assert not file.exists()


def test_the_search_path_has_each_folder_once() -> None:
    path = search_path("/home/j", ["/opt/a", "/usr/bin", "/with:colon"], "linux")
    assert path == ["/opt/a", "/usr/bin", "/home/j/.local/bin", "/usr/local/bin", "/bin"]
