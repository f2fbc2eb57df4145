"""The paths and queries of requests, and how a message quotes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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


def query_of(arguments: Mapping[bytes, Sequence[bytes]]) -> dict[str, str]:
    """Return the parameters of a query, each with its first value."""
    return {name: values[0] for name, values in lists_of(arguments).items()}


def lists_of(arguments: Mapping[bytes, Sequence[bytes]]) -> dict[str, list[str]]:
    """Return the parameters of a query, each with all of its values. arguments: as Twisted's."""
    return {
        key.decode("utf-8", "replace"): [value.decode("utf-8", "replace") for value in values]
        for key, values in arguments.items()
    }
