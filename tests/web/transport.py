"""The transport of an in-memory connection."""

from __future__ import annotations

from twisted.internet.testing import StringTransport


class Transport(StringTransport):
    """Half of it can be closed, as of a TCP connection."""

    write_closed = False

    def loseWriteConnection(self) -> None:
        self.write_closed = True
