"""The folder for temporary files, and those that other servers left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from claudeproxy.cli import scratch


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_it_is_private(place: Path) -> None:
    folder = Path(scratch.make())
    assert folder.parent == place
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_a_server_left_that_is_gone_is_removed(place: Path) -> None:
    left = place / f"claudeproxy-{dead()}-abc"
    (left / "tmp1" / "socket").mkdir(parents=True)
    made = scratch.make()
    assert [str(folder) for folder in place.iterdir()] == [made]


def test_everything_else_stays(place: Path) -> None:
    pid = dead()
    elsewhere = place / "elsewhere"
    (elsewhere / "file").mkdir(parents=True)
    (place / f"claudeproxy-{pid}-link").symlink_to(elsewhere)
    (place / f"claudeproxy-{pid}-file").write_text("")
    for name in (str(pid), "x-y", "test-abc", "-1-x", f"{os.getpid()}-other", "1-init"):
        (place / f"claudeproxy-{name}").mkdir()
    before = set(place.rglob("*"))
    made = Path(scratch.make())
    assert set(place.rglob("*")) == before | {made}


def test_of_somebody_elses_it_removes_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = place / f"claudeproxy-{dead()}-abc"
    left.mkdir()
    monkeypatch.setattr("os.getuid", lambda: left.stat().st_uid + 1)
    scratch.make()
    assert left.exists()
