"""The log: its formats, its levels and its files."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import Application, Service
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import ILogObserver, Logger, LogLevel, LogPublisher
from twisted.web.http import HTTPChannel

from claudeproxy import log
from claudeproxy.log import RotatedFile, changed, logged, observer, tell, to_journal
from claudeproxy.settings import Settings


FIELDS: Mapping[str, Any] = {
    "id": "req_1",
    "stream": True,
    "seconds": 0.25,
    "workers": ["spawned", "claimed"],
    "key": "my phone\nx",
    "settings": {"port": 1, "aliases": "a"},
}


def written(format_: str = "text", level: str = "info", *, journal: bool = False) -> Any:
    """A logger, and what is written of its events."""
    out, publisher = StringIO(), LogPublisher()
    publisher.addObserver(observer(out, level, format_, journal=journal))
    return Logger("here", observer=publisher), out


def test_fields_are_named_in_a_line_of_text() -> None:
    logger, out = written()
    tell(logger, "It happened", FIELDS, said={"id"})
    [line] = out.getvalue().splitlines()
    assert line.partition("[")[2] == (
        "here#info] It happened stream=yes seconds=0.250 workers=spawned,claimed "
        'key="my phone\\nx" settings={"port": 1, "aliases": "a"}'
    )


def test_fields_are_values_in_json() -> None:
    logger, out = written("json")
    tell(logger, "It happened", FIELDS, said={"id"})
    [line] = out.getvalue().splitlines()
    told = json.loads(line)
    assert told.pop("time").endswith("+00:00")
    assert told == {"level": "info", "logger": "here", "message": "It happened", **FIELDS}


def test_every_other_event_is_json_too() -> None:
    logger, out = written("json")
    logger.warn("{what}\nof two lines", what="Text")
    try:
        raise ValueError("no")
    except ValueError:
        logger.failure("It failed")
    first, second = [json.loads(line) for line in out.getvalue().splitlines()]
    assert (first["level"], first["message"]) == ("warn", "Text\nof two lines")
    assert (second["level"], second["message"]) == ("critical", "It failed")
    assert "ValueError: no" in second["traceback"]


@pytest.mark.parametrize("level", ["info", "debug"])
def test_a_connection_that_is_closed_because_it_is_idle_is_for_debug(level: str) -> None:
    out, publisher = StringIO(), LogPublisher()
    publisher.addObserver(observer(out, level, "text"))
    channel = HTTPChannel()
    channel.makeConnection(StringTransport())
    channel._log = Logger("there", source=channel, observer=publisher)
    channel.timeoutConnection()
    channel._log.error("The rest is told")
    said = [line.partition("] ")[2] for line in out.getvalue().splitlines()]
    assert said[-1] == "The rest is told"
    assert len(said) == {"info": 1, "debug": 2}[level]


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("debug", ["debug", "info", "warn", "error", "critical"]),
        ("info", ["info", "warn", "error", "critical"]),
        ("warn", ["warn", "error", "critical"]),
        ("error", ["error", "critical"]),
    ],
)
def test_what_is_below_the_level_is_not_written(level: str, told: list[str]) -> None:
    logger, out = written("json", level)
    for one in LogLevel.iterconstants():
        logger.emit(one, "x")
    assert [json.loads(line)["level"] for line in out.getvalue().splitlines()] == told


def test_the_journal_gets_the_priority_instead_of_the_time() -> None:
    logger, out = written(journal=True)
    logger.info("Fine")
    logger.error("two\nlines")
    assert out.getvalue() == "<6>[here#info] Fine\n<3>[here#error] two\n<3>\tlines\n"


def test_the_journal_is_recognised_by_its_file(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        at = os.fstat(out.fileno())
        assert to_journal(out, {"JOURNAL_STREAM": f"{at.st_dev}:{at.st_ino}"})
        assert not to_journal(out, {"JOURNAL_STREAM": f"{at.st_dev}:{at.st_ino + 1}"})
        assert not to_journal(out, {})
    assert not to_journal(StringIO(), {"JOURNAL_STREAM": "1:1"})


def test_settings_that_differ_are_told_without_secrets() -> None:
    settings = Settings(port=1, aliases={"a": "opus"}, keys={"phone": "sk-secret"})
    assert changed(settings) == {"port": 1, "aliases": {"a": "opus"}, "keys": ["phone"]}
    assert changed(Settings()) == {}


# Files


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def loose_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("loose_umask")
def test_a_new_log_file_and_its_successors_are_private(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = RotatedFile(str(path))
    file.write("one")
    file.rotate()
    file.write("two")
    assert (mode(path), mode(tmp_path / "log.1")) == (0o600, 0o600)
    assert (path.read_text(), (tmp_path / "log.1").read_text()) == ("two", "one")
    file.close()


def test_a_log_file_keeps_the_mode_that_it_has(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    path.chmod(0o640)
    file = RotatedFile(str(path))
    file.rotate()
    assert mode(path) == 0o640
    file.close()


def test_the_size_and_the_number_of_log_files_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "LARGEST_FILE", 10)
    file = RotatedFile(str(tmp_path / "log"))
    for number in range(100):
        file.write(f"line {number:5}\n")
    file.close()
    assert {path.name for path in tmp_path.iterdir()} == {
        "log",
        *(f"log.{number}" for number in range(1, log.MOST_OLD_FILES + 1)),
    }
    assert max(path.stat().st_size for path in tmp_path.iterdir()) == len("line 00000\n")


def test_a_file_that_another_program_has_renamed_is_not_renamed_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = RotatedFile(str(path))
    file.write("one")
    path.rename(tmp_path / "log-20260101")
    file.write("two")
    file.changeover()
    file.write("three")
    assert (tmp_path / "log-20260101").read_text() == "onetwo"
    assert (path.read_text(), mode(path)) == ("three", 0o600)
    file.changeover()
    assert (tmp_path / "log.1").read_text() == "three"
    assert len(list(tmp_path.iterdir())) == 3
    file.close()


# With twistd


@pytest.fixture
def same_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("same_signals")
def test_the_application_logs_as_the_settings_say(tmp_path: Path) -> None:
    path = tmp_path / "log"
    service = Service()
    top = logged(service, {"logfile": str(path)}, Settings(log_format="json"), Clock())
    application = Application("x")
    top.setServiceParent(application)
    told = application.getComponent(ILogObserver)
    Logger("here", observer=told).info("Hello")
    Logger("here", observer=told).debug("Not this")
    assert [json.loads(line)["message"] for line in path.read_text().splitlines()] == ["Hello"]
    top.startService()
    assert service.running


@pytest.mark.usefixtures("same_signals")
def test_the_setting_debug_shows_what_it_adds(tmp_path: Path) -> None:
    path = tmp_path / "log"
    application = Application("x")
    options = {"logfile": str(path)}
    logged(Service(), options, Settings(debug=True), Clock()).setServiceParent(application)
    Logger("here", observer=application.getComponent(ILogObserver)).debug("Its stderr")
    assert "Its stderr" in path.read_text()


@pytest.mark.parametrize("options", [None, {"syslog": True}, {"logger": "x"}, {"logfile": "-"}])
def test_another_observer_of_twistds_stays(options: dict[str, Any] | None) -> None:
    service = Service()
    assert logged(service, options, Settings(), Clock()) is service


def test_in_the_foreground_it_logs_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for more in ({}, {"logfile": "-"}):
        top = logged(Service(), {"nodaemon": True, **more}, Settings(), Clock())
        application = Application("x")
        top.setServiceParent(application)
        Logger("here", observer=application.getComponent(ILogObserver)).info("Hello")
        sys.stdout.flush()
        assert capsys.readouterr().out.endswith("[here#info] Hello\n")


def test_a_log_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as error:
        logged(Service(), {"logfile": str(tmp_path)}, Settings(), Clock())
    assert str(error.value) == f"claudeproxy: cannot write the log file {tmp_path}: Is a directory"
