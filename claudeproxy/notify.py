"""Tells systemd that the server is ready, alive and stopping (sd_notify(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from twisted.application.service import Service
from twisted.internet.task import LoopingCall


LONGEST_STATUS = 200


def sender(environ: Mapping[str, str]) -> Callable[[str], None] | None:
    """A function that sends to the service manager; None if none has started this process."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    # An abstract address begins with a null byte.
    path = "\0" + address[1:] if address[0] == "@" else address

    def send(message: str) -> None:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            # A service manager that does not read must not stop the server.
            channel.setblocking(False)
            channel.sendto(message.encode(), path)

    return send


def watchdog_interval(environ: Mapping[str, str], pid: int) -> float | None:
    """How often to report that the server is alive, in seconds; None if nobody asks."""
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    try:
        limit = int(environ.get("WATCHDOG_USEC", "0")) / 1_000_000
    except ValueError:
        return None
    return limit / 2 if limit > 0 else None


class Notifier(Service):
    """Reports to the service manager; does nothing if `send` is None."""

    def __init__(
        self, clock: Any, send: Callable[[str], None] | None, interval: float | None
    ) -> None:
        """interval: between reports that the server is alive."""
        self._send = send
        self._interval = interval
        self._alive = LoopingCall(self._say, "WATCHDOG=1")
        self._alive.clock = clock

    @classmethod
    def of(cls, reactor: Any, environ: Mapping[str, str] = os.environ) -> Notifier:
        """The one for this process."""
        return cls(reactor, sender(environ), watchdog_interval(environ, os.getpid()))

    def startService(self) -> None:
        """Begin to report that the server is alive."""
        super().startService()
        if self._send is not None and self._interval is not None:
            # The reactor turns only while the server works, so that is what this tells.
            self._alive.start(self._interval)

    def stopService(self) -> None:
        """Report that the server stops; it may still take a while."""
        super().stopService()
        if self._alive.running:
            self._alive.stop()
        self._say("STOPPING=1")

    def told(self, text: str) -> None:
        """The CLI was tried, and the user is told this text; the server is as ready as it gets.

        A server without a working CLI is ready too: it answers, it says what is wrong, and it needs
        no restart when that has been mended.
        """
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        status = " ".join(lines[:3])[:LONGEST_STATUS]
        self._say(f"READY=1\nSTATUS={status}")

    def _say(self, message: str) -> None:
        if self._send is not None:
            self._send(message)
