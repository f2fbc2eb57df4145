"""The directory for the temporary files of a server's CLI processes.

A server that is killed cannot remove its directory, so the next server removes it.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path


PREFIX = "claudeproxy-"


def make() -> str:
    """Create a private directory, named after the server's process. The caller must remove it."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        if _is_left_over(folder):
            shutil.rmtree(folder, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")


def _is_left_over(folder: Path) -> bool:
    pid = folder.name.removeprefix(PREFIX).partition("-")[0]
    try:
        status = folder.lstat()
        # Other users can create files in the shared directory.
        if not (pid.isdecimal() and stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()):
            return False
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        # The directory has been removed, or the process belongs to another user.
        return False
    return False
