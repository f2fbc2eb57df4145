"""The scripts behind `make serve`, `make install` and `make uninstall`, without the network."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from claudeproxy.cli import launch


SCRIPTS = Path(__file__).parent.parent.parent / "scripts"
CLI = "#!/bin/sh\necho '2.1.300 (Claude Code)'\n"


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


# Which CLI make serve uses


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without settings, on a machine without any CLI."""
    monkeypatch.setattr(launch, "bundled", lambda: None)
    monkeypatch.setattr(launch, "USUAL_PLACES", ("~/.local/bin/claude",))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def fetched(home: Path) -> Callable[..., list[str]]:
    """Runs scripts/need_cli.py; what it had installed."""
    main: Any = runpy.run_path(str(SCRIPTS / "need_cli.py"))["main"]

    def fetched(**environ: str) -> list[str]:
        wheels: list[str] = []

        def install(requirement: str) -> int:
            wheels.append(requirement)
            return 7

        status = main({"HOME": str(home), "PATH": str(home / "bin"), **environ}, install)
        assert status == (7 if wheels else 0)
        return wheels

    return fetched


def test_without_a_cli_it_says_what_it_fetches(
    fetched: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    [wheel] = fetched()
    assert re.fullmatch(r"claude-agent-sdk ?>=.*", wheel)
    assert "claude-agent-sdk" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["bin/claude", ".local/bin/claude"])
def test_a_cli_that_works_is_not_fetched_again(
    home: Path,
    fetched: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
    place: str,
) -> None:
    executable(home / place, CLI)
    assert fetched() == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "text",
    ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho 1.0\n", CLI + "exit 3\n", "#!/nonexistent/sh\n"],
    ids=["fails", "is something else", "fails after its version", "cannot start"],
)
def test_a_claude_that_does_not_work_is_none(
    home: Path, fetched: Callable[..., list[str]], text: str
) -> None:
    executable(home / "bin" / "claude", text)
    assert fetched()
    executable(home / ".local" / "bin" / "claude", CLI)
    assert fetched() == []


def test_where_a_cli_is_set_none_is_fetched(home: Path, fetched: Callable[..., list[str]]) -> None:
    assert fetched(CLAUDEPROXY_CLI="/elsewhere/claude") == []
    assert fetched(CLAUDEPROXY_PORT="none")


# A virtual environment


def make_venv(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Run make-venv where there is no apt-get."""
    for name in ("sh", "id"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return subprocess.run(
        [SCRIPTS / "make-venv", python, folder / "venv"],
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("name", "package"),
    [("python3", "python3-venv"), ("python", "python3-venv"), ("python3.13", "python3.13-venv")],
)
def test_debians_package_is_named_if_venv_is_not_complete(
    tmp_path: Path, name: str, package: str
) -> None:
    python = (
        '#!/bin/sh\ncase $2 in *ensurepip*) exit 1;; *version_info*) exit 0;; esac\necho "$@"\n'
    )
    executable(tmp_path / name, python)
    done = make_venv(tmp_path, name)
    assert done.returncode == 1
    assert f"sudo apt install {package}\n" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("python", "said"),
    [("#!/bin/sh\nexit 1\n", "make PYTHON=..."), ("", "There is no python3 here")],
    ids=["an old Python", "no Python"],
)
def test_a_python_that_cannot_be_used_is_reported(tmp_path: Path, python: str, said: str) -> None:
    if python:
        executable(tmp_path / "python3", python)
    done = make_venv(tmp_path, "python3")
    assert done.returncode == 1
    assert said in done.stderr
    assert "3.11" in done.stderr


# Installing and uninstalling


def run(script: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTS / script, *arguments],
        env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def installed(home: Path) -> tuple[Path, Path]:
    """What scripts/install leaves: the command and the link to it."""
    command = executable(home / ".local/share/claudeproxy/venv/bin/claudeproxy", "#!/bin/sh\n")
    link = home / ".local" / "bin" / "claudeproxy"
    link.parent.mkdir(parents=True)
    link.symlink_to(command)
    return command, link


def test_another_claudeproxy_is_not_replaced(tmp_path: Path) -> None:
    other = executable(tmp_path / ".local" / "bin" / "claudeproxy", "#!/bin/sh\n")
    done = run("install", tmp_path, "python3")
    assert done.returncode == 1
    assert f"{other} is there already" in done.stderr
    assert not (tmp_path / ".local" / "share").exists()


def test_uninstalling_leaves_nothing_but_other_peoples(tmp_path: Path) -> None:
    _, link = installed(tmp_path)
    settings = executable(tmp_path / ".config" / "claudeproxy" / "config.toml", "port = 4567\n")
    assert run("uninstall", tmp_path).returncode == 0
    assert not link.is_symlink()
    assert not (tmp_path / ".local" / "share" / "claudeproxy").exists()
    assert settings.exists()
    other = executable(link, "#!/bin/sh\n")
    again = run("uninstall", tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    assert other.exists()


@pytest.mark.parametrize(
    "service",
    [
        ".config/systemd/user/claudeproxy.service",
        "Library/LaunchAgents/io.github.claudeproxy.plist",
    ],
)
def test_what_a_service_starts_is_not_uninstalled(tmp_path: Path, service: str) -> None:
    command, link = installed(tmp_path)
    executable(tmp_path / service, "")
    done = run("uninstall", tmp_path)
    assert done.returncode == 1
    assert service in done.stderr
    assert command.exists()
    assert link.exists()
