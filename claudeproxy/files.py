"""Reads the files that settings name, with one line for each thing that can be wrong."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class FileError(Exception):
    """A file cannot be used; the message names it and says why in one line."""


def exists(path: Path) -> bool:
    """Whether there is something at a path; raises FileError if that cannot be seen."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    return True


def text_of(path: Path) -> str:
    """The text of a regular file; raises FileError."""
    try:
        # Without O_NONBLOCK, to open a FIFO would wait for a writer.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(file, "rb") as opened:
            if not stat.S_ISREG(os.fstat(file).st_mode) and str(path) != os.devnull:
                raise FileError(f"{path}: not a regular file")
            return opened.read().decode("utf-8")
    except UnicodeDecodeError:
        raise FileError(f"{path}: not UTF-8") from None
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def read_keys(path: str) -> dict[str, str]:
    """The API keys in a file by name, none without a path; raises FileError."""
    if not path:
        return {}
    lines = [line.strip() for line in text_of(Path(path)).splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    keys = {name.strip(): key.strip() for name, _, key in pairs}
    # The message does not quote the line: it may contain a key.
    if not all(name and key for name, key in keys.items()) or len(keys) < len(pairs):
        raise FileError(
            f"{path}: each line must have the form name=key, and no name may occur twice"
        )
    if not keys:
        # A file that is just being rewritten must not open the server to everyone.
        raise FileError(f"{path}: the file contains no keys")
    return keys


def others_can_read(path: str) -> bool:
    """Whether users other than the owner can read a file."""
    try:
        return bool(os.stat(path).st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False
