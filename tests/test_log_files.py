"""Where the log goes."""

from __future__ import annotations

import io
import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogLevel

from claudeproxy.log_files import (
    KEPT_FILES,
    file_observer,
    is_journal,
    journal_observer,
    observer_for,
)


class NoReactor:
    """Signals are not delivered here."""

    def callFromThread(self, call: Any) -> None:
        call()


@pytest.fixture(autouse=True)
def signals() -> Any:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


def event(level: LogLevel, text: str) -> dict[str, Any]:
    return {"log_level": level, "log_format": text, "log_time": 0.0, "log_namespace": "n"}


def test_lines_for_the_journal_have_a_priority_and_no_time() -> None:
    stream = io.StringIO()
    observer = journal_observer(stream)
    for level in (LogLevel.info, LogLevel.warn, LogLevel.error):
        observer(event(level, "text"))
    assert stream.getvalue().splitlines() == [
        "<6>[n#info] text",
        "<4>[n#warn] text",
        "<3>[n#error] text",
    ]


def test_files_are_private_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch(0o644)
    observer = file_observer(str(path), NoReactor())
    for number in range(KEPT_FILES + 3):
        observer(event(LogLevel.info, f"line {number}"))
        signal.raise_signal(signal.SIGUSR1)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["log", *(f"log.{n + 1}" for n in range(KEPT_FILES))]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert "line 7" in (tmp_path / "log.1").read_text()


def test_the_journal_is_recognized_by_the_descriptor(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        status = os.fstat(stream.fileno())
        mine = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert is_journal(mine, stream.fileno())
        assert not is_journal({}, stream.fileno())
        assert not is_journal({"JOURNAL_STREAM": "1:2"}, stream.fileno())
    assert not is_journal(mine, -1)


def test_on_a_terminal_twistd_keeps_its_own_log() -> None:
    assert observer_for("", NoReactor(), {}) is None
    assert observer_for("-", NoReactor(), {}) is None
