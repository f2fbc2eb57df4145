"""The log: its format, its level and its file.

Events come from twisted.logger, as Twisted's own do. An event of this server's can have `fields`, a
mapping of plain values that are for machines. Its text then is `{summary}{details}`; JSON has the
summary as the message, and the fields beside it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Container, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import IO, Any, cast

import attrs
from twisted.application.service import MultiService, Service
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    formatEvent,
    formatEventAsClassicLogText,
    formatTime,
)
from twisted.python.components import Componentized
from twisted.python.logfile import LogFile
from twisted.web.http import HTTPChannel
from zope.interface import implementer

from .settings import FIELDS, Settings


# A log file is renamed when it has reached this size, and so many renamed ones are kept.
LARGEST_FILE = 5_000_000
MOST_OLD_FILES = 9
# Nobody else may read a new log file.
PRIVATE = 0o600
# Text that needs no quotes in a line of fields.
PLAIN = re.compile(r"[A-Za-z0-9._:/@+,*<>()\[\]~%-]+")
# The levels of syslog, by which the journal of systemd sorts.
PRIORITIES = {
    LogLevel.debug: 7,
    LogLevel.info: 6,
    LogLevel.warn: 4,
    LogLevel.error: 3,
    LogLevel.critical: 2,
}


# Events with fields


def tell(log: Logger, summary: str, fields: Mapping[str, Any], said: Container[str] = ()) -> None:
    """Log an event at info that has fields. said: the fields that the summary has already."""
    details = _Details(fields, said)
    log.info("{summary}{details}", summary=summary, details=details, fields=fields)


@attrs.frozen
class _Details:
    """Fields as text, each as ` name=value`; it is made only if it is asked for."""

    fields: Mapping[str, Any]
    said: Container[str]

    def __str__(self) -> str:
        return "".join(
            [
                f" {name}={_shown(value)}"
                for name, value in self.fields.items()
                if name not in self.said
            ]
        )


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) else json.dumps(value)
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, Mapping):
        return json.dumps(value, default=str)
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    text = str(value)
    return text if PLAIN.fullmatch(text) else json.dumps(text)


def changed(settings: Settings) -> dict[str, Any]:
    """The settings that differ from their defaults. Of API keys it has only the names."""
    different: dict[str, Any] = {}
    for name, field in FIELDS.items():
        value = getattr(settings, name)
        if value != field.default:
            different[name] = list(value) if field.metadata["secret"] else value
    return different


# Formats


def as_text(event: Mapping[str, Any]) -> str | None:
    """An event as a line of text, with its time; a traceback adds lines."""
    if "fields" not in event:
        return formatEventAsClassicLogText(cast(Any, event))
    # The same as Twisted's in a fifth of the time, for every request has such a line.
    return (
        f"{_local(int(event['log_time']))} [{event['log_namespace']}#{event['log_level'].name}] "
        f"{event['summary']}{event['details']}\n"
    )


@lru_cache(1)
def _local(seconds: int) -> str:
    return formatTime(float(seconds))


def as_json(event: Mapping[str, Any]) -> str:
    """An event as a line of JSON."""
    fields = event.get("fields")
    level = event.get("log_level") or LogLevel.info
    told: dict[str, Any] = {
        "time": _time(event.get("log_time")),
        "level": level.name,
        "logger": event.get("log_namespace"),
        "message": formatEvent(cast(Any, event)) if fields is None else event["summary"],
        **(fields or {}),
    }
    if (failure := event.get("log_failure")) is not None:
        told["traceback"] = failure.getTraceback()
    return json.dumps(told, default=str) + "\n"


def for_journal(event: Mapping[str, Any]) -> str | None:
    """An event as text for the journal of systemd, which has the time, and reads the priority."""
    text = formatEventAsClassicLogText(cast(Any, event), formatTime=lambda _: "")
    if text is None:
        return None
    priority = PRIORITIES.get(event.get("log_level") or LogLevel.info, 6)
    # Each line is an entry of its own there.
    lines = text.lstrip(" ").splitlines()
    return "".join(f"<{priority}>{line}\n" for line in lines)


FORMATS: Mapping[str, Callable[[Mapping[str, Any]], str | None]] = {
    "text": as_text,
    "json": as_json,
}


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


# Files


class RotatedFile(LogFile):
    """A log file of limited size. Old ones are kept in a limited number, with the same mode."""

    def __init__(self, path: str) -> None:
        """Open or create the file; raises OSError. An existing file keeps its mode."""
        path = os.path.abspath(path)
        mode = None if os.path.exists(path) else PRIVATE
        super().__init__(
            os.path.basename(path),
            os.path.dirname(path),
            rotateLength=LARGEST_FILE,
            defaultMode=mode,
            maxRotatedFiles=MOST_OLD_FILES,
        )

    def changeover(self) -> None:
        """Begin a new file. If a program such as logrotate has renamed this one, leave that be."""
        try:
            moved = not os.path.samestat(os.stat(self.path), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            moved = True
        if moved:
            self.reopen()
        else:
            self.rotate()


# The observer


def observer(out: IO[str] | LogFile, level: str, format_: str, *, journal: bool = False) -> Any:
    """Make the observer that writes events of this level and above to `out`."""
    written = FileLogObserver(
        cast(Any, out), cast(Any, for_journal if journal else FORMATS[format_])
    )
    least = LogLevelFilterPredicate(LogLevel.levelWithName(level))
    return FilteringLogObserver(written, [least] if level == "debug" else [least, NoTimeouts()])


@implementer(ILogFilterPredicate)
class NoTimeouts:
    """Leaves out what Twisted says, at info, of each connection that it closes as idle."""

    def __call__(self, event: LogEvent) -> Any:
        """A PredicateResult."""
        said = isinstance(event.get("log_source"), HTTPChannel)
        is_one = said and event["log_level"] is LogLevel.info
        return PredicateResult.no if is_one else PredicateResult.maybe


def to_journal(out: IO[str], environ: Mapping[str, str] = os.environ) -> bool:
    """Whether what is written to `out` goes to the journal of systemd (see systemd.exec(5))."""
    stream = environ.get("JOURNAL_STREAM")
    if not stream:
        return False
    try:
        at = os.fstat(out.fileno())
    except (OSError, ValueError):
        return False
    return stream == f"{at.st_dev}:{at.st_ino}"


def _observer_for(twistd: Mapping[str, Any], settings: Settings, reactor: Any) -> Any:
    """Make the observer for these options of twistd's; None if they ask for another one."""
    name, in_foreground = twistd.get("logfile"), twistd.get("nodaemon")
    if twistd.get("logger") or twistd.get("syslog") or (name == "-" and not in_foreground):
        return None
    # What the setting `debug` adds has the level debug.
    level = "debug" if settings.debug else settings.log_level
    format_ = settings.log_format
    if name == "-" or (in_foreground and not name):
        journal = format_ == "text" and to_journal(sys.stdout)
        return observer(sys.stdout, level, format_, journal=journal)
    path = name or "twistd.log"
    try:
        file = RotatedFile(path)
    except OSError as error:
        raise SystemExit(
            f"claudeproxy: cannot write the log file {path}: {error.strerror}"
        ) from None
    signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(file.changeover))
    return observer(file, level, format_)


class _Logged(MultiService):
    """A service whose application logs with an observer of its own.

    twistd looks for the observer among the components of the application.
    """

    def __init__(self, observer: Any) -> None:
        super().__init__()
        self._observer = observer

    def setServiceParent(self, parent: Any) -> None:
        """Join the application, and name the observer."""
        super().setServiceParent(parent)
        if isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)


def logged(
    service: Service, twistd: Mapping[str, Any] | None, settings: Settings, reactor: Any
) -> Service:
    """Return a service that runs `service`, and has twistd log as the settings say.

    twistd: the options of twistd itself; None without twistd. Raises SystemExit if the log file
    cannot be opened.
    """
    made = None if twistd is None else _observer_for(twistd, settings, reactor)
    if made is None:
        return service
    top = _Logged(made)
    service.setServiceParent(top)
    return top
