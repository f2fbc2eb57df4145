"""Handles one HTTP request to the demo API: reads it, refuses it, or writes JSON."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Any

from . import answer, rules
from .received import Received


if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.web.server import Request


def new_id(prefix: str) -> str:
    """An id that no other answer has."""
    return prefix + secrets.token_hex(12)


class RefusedError(Exception):
    """The request is answered with the HTTP error in ``refusal``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.refusal = answer.Refusal(status, message)


def read(number: int, request: Request) -> Received:
    """What came in: its body is parsed if it can be."""
    raw = request.content.read() if request.content is not None else b""
    try:
        body = rules.parse(raw) if len(raw) <= rules.MAX_BODY_BYTES else None
    except rules.NotJSONError:
        body = None
    path, _, query = request.uri.decode("ascii", "replace").partition("?")
    headers = {
        name.decode("latin-1").lower(): values[-1].decode("latin-1")
        for name, values in request.requestHeaders.getAllRawHeaders()
    }
    method = request.method.decode("ascii", "replace")
    return Received(number, method, path, query, headers, raw, body)


def checked(received: Received, key: str, *, counting: bool) -> dict[str, Any]:
    """The body of a request that may be answered; RefusedError for any other.

    ``key``: the only one that is taken, "" for any.
    """
    kind, _, token = received.headers.get("authorization", "").partition(" ")
    given = received.headers.get("x-api-key", "").strip()
    if kind.lower() == "bearer":
        given = given or token.strip()
    if not given:
        raise RefusedError(401, "x-api-key header is required")
    if key and not hmac.compare_digest(given.encode(), key.encode()):
        raise RefusedError(401, "invalid x-api-key")
    if not received.headers.get("anthropic-version"):
        raise RefusedError(400, "anthropic-version: header is required")
    if len(received.raw) > rules.MAX_BODY_BYTES:
        raise RefusedError(413, "Request exceeds the maximum size")
    try:
        body: Any = rules.parse(received.raw) if received.body is None else received.body
    except rules.NotJSONError as error:
        raise RefusedError(400, str(error)) from error
    betas = received.headers.get("anthropic-beta", "").replace(" ", "").split(",")
    problem = rules.refusal(body, counting=counting, betas=betas)
    if problem is not None:
        raise RefusedError(400, problem)
    checked: dict[str, Any] = body
    unknown = rules.unknown_model(checked)
    if unknown is not None:
        raise RefusedError(404, unknown)
    return checked


def refuse(request: Request, received: Received, refusal: answer.Refusal) -> bytes:
    """The body of an HTTP error; its status and headers are set."""
    received.status = refusal.status
    request_id = new_id("req_")
    request.setResponseCode(refusal.status)
    set_headers(request, {"request-id": request_id, **refusal.headers})
    if refusal.html:
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        return refusal.html.encode()
    return send_json(request, answer.error(refusal.status, refusal.message, request_id))


def send_json(request: Request, value: object) -> bytes:
    """The body of an answer in JSON; its content-type is set."""
    request.setHeader(b"content-type", b"application/json")
    return answer.compact(value).encode()


def set_headers(request: Request, headers: Mapping[str, str]) -> None:
    """Sets headers of an answer."""
    for name, value in headers.items():
        request.setHeader(name.encode(), value.encode())
