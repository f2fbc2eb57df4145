"""The files of the page. Each is read once, when it is first asked for."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

import attrs


TEMPLATE = "page.html"
_SCRIPT, _STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
# What is served, by name, with its type. The page itself is filled in first.
TYPES = {
    "status.css": _STYLE,
    "icon.svg": "image/svg+xml",
    **dict.fromkeys(
        ("status.js", "dom.js", "state.js", "live.js", "plot.js", "try.js", "markdown.js"), _SCRIPT
    ),
}


@attrs.frozen
class File:
    """A file with its type. tag: changes when the content does."""

    content: bytes
    type: str
    tag: bytes


@cache
def file_of(name: str) -> File | None:
    """The file of this name, None if there is none that is served."""
    if name not in TYPES:
        return None
    content = _read(name)
    tag = hashlib.sha256(content).hexdigest()[:16]
    return File(content, TYPES[name], f'"{tag}"'.encode())


@cache
def template() -> str:
    """The page before it is filled in."""
    return _read(TEMPLATE).decode("utf-8")


def _read(name: str) -> bytes:
    return files(__package__).joinpath("static", name).read_bytes()
