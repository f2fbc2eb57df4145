"""The paths of requests: the spelling that the router knows, and how a message quotes one."""

from __future__ import annotations

import re
from urllib.parse import quote


REPEATED_PREFIX = re.compile(rb"\A(?:/v1){2,}(?=/)")
# What a message quotes of a method and of a path, at most.
LONGEST_METHOD = 32
LONGEST_PATH = 200
# What needs no escape in a message. `%` is here because paths arrive escaped.
PLAIN = "/%:@!$&'()*+,;=-._~[]"


def canonical(path: bytes) -> bytes:
    """Return the path as the routes spell it.

    Clients join a base URL and a path of their own. If the base URL ends in a slash or in `/v1`,
    the result has a slash or a `/v1` too many. Such a path is served and not redirected, because
    clients turn a redirected POST into a GET. A path of slashes only stays as it is.
    """
    joined = re.sub(rb"/{2,}", b"/", path).rstrip(b"/")
    if not joined or not path.startswith(b"/"):
        return path
    return REPEATED_PREFIX.sub(b"/v1", joined)


def asked_for(method: bytes, path: bytes) -> str:
    """Return the method and path of a request for a message."""
    return f"{excerpt(method, LONGEST_METHOD)} {excerpt(path, LONGEST_PATH)}"


def excerpt(text: bytes | str, longest: int) -> str:
    """Return what a client sent for a message: in ASCII, escaped as in a URL, and not too long."""
    return quote(text[:longest], safe=PLAIN) + "..." * (len(text) > longest)
