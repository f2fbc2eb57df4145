"""Writing responses: heads, JSON bodies and errors."""

from __future__ import annotations

import json
from http.client import responses
from typing import Any

from ..dialects import Dialect, chat, messages
from ..errors import APIError, retry_headers


# What only one kind of client asks for.
ANTHROPIC_PATHS = ("messages",)
OPENAI_PATHS = ("chat", "completions", "responses")


def dialect_of(request: Any) -> Dialect:
    """In whose words to speak of a request that its route has not taken.

    Where the path does not tell, the headers do: Anthropic's clients name a version of the API, or
    give their key in a header that OpenAI's clients do not have.
    """
    first = request.path.removeprefix(b"/v1").split(b"/")[1:2]
    name = first[0].decode("latin-1") if first else ""
    if name in ANTHROPIC_PATHS or name in OPENAI_PATHS:
        return messages if name in ANTHROPIC_PATHS else chat
    # As bytes: a header that is no text must not keep its own error from being told.
    sent = request.requestHeaders
    key = any(sent.getRawHeaders(b"x-api-key", ()))
    anthropic = sent.hasHeader(b"anthropic-version") or (
        key and not sent.hasHeader(b"authorization")
    )
    return messages if anthropic else chat


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
    if dialect is messages:
        body = messages.error_body(error, f"req_{request.unique}")
    else:
        body = dialect.error_body(error)
    _send(request, error.status, body)


def _send(request: Any, status: int, body: bytes) -> None:
    # Twisted has no words for the newer ones, 429 among them.
    request.setResponseCode(status, responses.get(status, "Error").encode("ascii"))
    send_whole_head(request, "application/json", len(body))
    request.write(b"" if request.method == b"HEAD" else body)
