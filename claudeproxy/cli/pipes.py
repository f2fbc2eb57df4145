"""Reads from the pipe of a process what Twisted has left there."""

from __future__ import annotations

import os
from typing import Any


# Twisted reads at most 8 kB at a time. A pipe holds up to 64 kB, and every read has a cost.
TWISTED_READ = 8192
PIPE = 65536


def rest_after(data: bytes, pipe: Any) -> bytes:
    """Return what more there is in a pipe after a read by Twisted; never blocks.

    pipe: Twisted's reader; None if the pipe is closed.
    """
    if pipe is None or len(data) < TWISTED_READ:
        return b""
    try:
        return os.read(pipe.fileno(), PIPE)
    except OSError:
        # There is no more now, or Twisted's own next read reports the error.
        return b""
