"""Writing responses: heads, JSON bodies and errors."""

from __future__ import annotations

import json
from http.client import responses
from typing import Any

from ..dialects import Dialect, chat, messages
from ..errors import APIError, retry_headers


def dialect_of(request: Any) -> Dialect:
    """In whose words to speak of a request that its route has not taken."""
    return messages if request.path.startswith((b"/v1/messages", b"/messages")) else chat


def send_stream_head(request: Any, content_type: str) -> None:
    """Set the head of a stream; whoever stands in between is asked to neither store nor hold it."""
    request.setHeader("content-type", content_type)
    request.setHeader("cache-control", "no-cache")
    request.setHeader("x-accel-buffering", "no")


def send_whole_head(request: Any, content_type: str, length: int) -> None:
    """Set the head of a body of `length` bytes that is about to be written."""
    request.setHeader("content-type", content_type)
    request.setHeader("content-length", str(length))


def send_json(request: Any, value: object, status: int = 200) -> None:
    """Write a whole JSON response; the request is not finished by this."""
    _send(request, status, json.dumps(value).encode("ascii"))


def send_body(request: Any, body: bytes) -> None:
    """Write a whole JSON response that is encoded already."""
    _send(request, 200, body)


def send_error(request: Any, dialect: Dialect, error: APIError) -> None:
    """Write an error as its dialect words it, with what tells clients when to try again."""
    for name, value in retry_headers(error).items():
        request.setHeader(name, value)
    _send(request, error.status, dialect.error_body(error))


def _send(request: Any, status: int, body: bytes) -> None:
    # Twisted has no words for the newer ones, 429 among them.
    request.setResponseCode(status, responses.get(status, "Error").encode("ascii"))
    send_whole_head(request, "application/json", len(body))
    request.write(b"" if request.method == b"HEAD" else body)
