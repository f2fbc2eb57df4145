"""The folder for the temporary files of a server's CLI processes.

A server that was killed hard leaves its own behind; the next one takes it away.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path


PREFIX = "claudeproxy-"


def make() -> str:
    """A new, private folder, whose name tells the server's process; its owner removes it."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        if _is_left_over(folder):
            shutil.rmtree(folder, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")


def _is_left_over(folder: Path) -> bool:
    pid = folder.name.removeprefix(PREFIX).partition("-")[0]
    try:
        status = folder.lstat()
        # Anyone may put anything into a folder for all.
        if not (pid.isdecimal() and stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()):
            return False
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        # It is gone meanwhile, or the process is somebody else's.
        return False
    return False
