"""Writing responses: heads, JSON bodies and errors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http.client import responses
from typing import Any

from twisted.web.http_headers import Headers

from ..dialects import Dialect, chat, messages
from ..errors import APIError, retry_headers


# The first segments of paths that belong to one API.
ANTHROPIC_PATHS = ("messages",)
OPENAI_PATHS = ("chat", "completions", "responses")


def dialect_of(request: Any) -> Dialect:
    """Return the dialect for an error about a request that no dialect has read."""
    return dialect_for(request.path, request.requestHeaders)


def dialect_for(path: bytes, sent: Headers) -> Dialect:
    """Return the dialect for an error about a request with this path and these headers.

    The path decides, or else the headers: Anthropic's clients send a version of the API, or their
    key in a header that OpenAI's clients do not use.
    """
    first = path.removeprefix(b"/v1").split(b"/")[1:2]
    name = first[0].decode("latin-1") if first else ""
    if name in ANTHROPIC_PATHS or name in OPENAI_PATHS:
        return messages if name in ANTHROPIC_PATHS else chat
    # Compare bytes, because the error may be about a header that cannot be decoded.
    key = any(sent.getRawHeaders(b"x-api-key", ()))
    anthropic = sent.hasHeader(b"anthropic-version") or (
        key and not sent.hasHeader(b"authorization")
    )
    return messages if anthropic else chat


def wants_websocket(request: Any) -> bool:
    """Whether the client asks to turn the connection into a WebSocket."""
    asked = request.requestHeaders.getRawHeaders(b"upgrade", ())
    protocols = (each.strip().lower() for line in asked for each in line.split(b","))
    return request.method == b"GET" and b"websocket" in protocols


def add_ignored(request: Any, names: Iterable[str]) -> None:
    """Add names of parameters that have no effect to the header that lists them."""
    headers = request.responseHeaders
    listed = ", ".join(headers.getRawHeaders("x-claudeproxy-ignored", ()))
    if told := ", ".join(dict.fromkeys(filter(None, (*listed.split(", "), *names)))):
        request.setHeader("x-claudeproxy-ignored", told)


def send_stream_head(request: Any, content_type: str) -> None:
    """Set the head of a stream. Proxies are asked not to cache or buffer it."""
    request.setHeader("content-type", content_type)
    request.setHeader("cache-control", "no-cache")
    request.setHeader("x-accel-buffering", "no")


def send_whole_head(request: Any, content_type: str, length: int) -> None:
    """Set the head of a body of `length` bytes that is about to be written."""
    request.setHeader("content-type", content_type)
    request.setHeader("content-length", str(length))


def send_json(request: Any, value: object, status: int = 200) -> None:
    """Write a whole JSON response. The caller must finish the request."""
    _send(request, status, json.dumps(value).encode("ascii"))


def send_body(request: Any, body: bytes) -> None:
    """Write a whole JSON response that is encoded already."""
    _send(request, 200, body)


def send_error(request: Any, dialect: Dialect, error: APIError) -> None:
    """Write an error in the format of its dialect, with the headers for retries."""
    request.facts.error = error
    for name, value in retry_headers(error).items():
        request.setHeader(name, value)
    if dialect is messages:
        body = messages.error_body(error, request.told_id)
    else:
        body = dialect.error_body(error)
    _send(request, error.status, body)


def _send(request: Any, status: int, body: bytes) -> None:
    # Twisted has no reason phrases for newer statuses such as 429.
    request.setResponseCode(status, responses.get(status, "Error").encode("ascii"))
    send_whole_head(request, "application/json", len(body))
    request.write(b"" if request.method == b"HEAD" else body)
