"""What can go wrong, as one value that any part raises and a dialect words for its client.

Nothing here knows the format of a body: a dialect turns an `APIError` into the error body that its
clients expect. The headers that say when to ask again are the same in all dialects.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from math import ceil

import attrs


# Clients sleep for as long as Retry-After says, some for hours and without a word.
LONGEST_RETRY_AFTER = 60
# The same request gets the same answer again.
FINAL_STATUSES = frozenset({400, 401, 403, 404, 405, 413, 415, 431})
USAGE_LIMIT = "usage_limit_reached"


@attrs.frozen(auto_exc=True, str=False)
class APIError(Exception):
    """A request that ends without an answer.

    status: the HTTP status it is answered with, if nothing was sent yet.
    type, code, param: OpenAI's words for it (its API reference, "Error codes").
    retry_after: seconds after which asking again may help; None if unknown.
    should_retry: what the official SDKs are told (`x-should-retry`); None leaves it to them, but
    for the statuses of `FINAL_STATUSES`.
    resets_at: when the limit of a plan ends, in seconds since the epoch. limit: the API's name of
    that limit (`five_hour`, ...).
    api_type: the type that Anthropic's API gave its error, where it is known.
    """

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after: int | None = None
    should_retry: bool | None = None
    resets_at: int | None = None
    limit: str | None = None
    api_type: str | None = None

    def __str__(self) -> str:
        """The status and the message, for logs of a traceback."""
        return f"{self.status}: {self.message}"


def bad_request(message: str, param: str | None = None, code: str | None = None) -> APIError:
    """400: the request cannot be served as it stands; `param` names the field."""
    return APIError(400, message, param=param, code=code)


def unsupported(names: Sequence[str]) -> APIError:
    """400: parameters that this server, or the model, would ignore."""
    listed = ", ".join(f"'{name}'" for name in names)
    return bad_request(
        f"Unsupported parameter: {listed}. This server or the model would ignore it, and "
        "`strict_parameters` is set.",
        names[0],
        "unsupported_parameter",
    )


def not_logged_in() -> APIError:
    """401: the CLI has no login, or one that Anthropic no longer takes."""
    return APIError(
        401,
        "Claude Code is not logged in, or its login is no longer valid. Run `claude auth login` as "
        "the user who runs claudeproxy (or set CLAUDE_CODE_OAUTH_TOKEN to what "
        "`claude setup-token` prints), then try again.",
        code="invalid_api_key",
        should_retry=False,
    )


def model_not_found(model: str, known: list[str]) -> APIError:
    """404: `model` is none of the `known` names."""
    # As it can be typed in a shell.
    name = model if re.fullmatch(r"[A-Za-z0-9][\w./:@-]{0,63}", model) else "NAME"
    return APIError(
        404,
        f"The model `{model}` does not exist or you do not have access to it. "
        f"Available: {', '.join(known)}. To accept this name, start the server with "
        f"`--aliases {name}=sonnet`. To accept any name, use `--aliases '*=sonnet'`.",
        param="model",
        code="model_not_found",
    )


def model_refused(model: str) -> APIError:
    """404: Anthropic's API does not know `model`."""
    return APIError(
        404,
        f"The model `{model}` does not exist or you do not have access to it: Anthropic's API "
        "does not know it. `GET /v1/models` lists the models that Claude Code offers.",
        param="model",
        code="model_not_found",
        should_retry=False,
    )


def model_not_seen(model: str) -> APIError:
    """404: `model` is not listed, and no answer of it has been seen."""
    return APIError(
        404,
        f"Claude Code does not list the model `{model}`, and no request to this server has used "
        "it successfully yet. Requests for it are passed on to Anthropic's API, which decides "
        "whether it exists.",
        param="model",
        code="model_not_found",
    )


def rate_limited(message: str, retry_after: int | None) -> APIError:
    """429: Anthropic's limits, or the plan's; `retry_after` in seconds."""
    return APIError(
        429,
        message,
        type="rate_limit_error",
        code="rate_limit_exceeded",
        retry_after=retry_after,
    )


def usage_limit_reached(
    message: str, resets_at: float | None, now: float, limit: str | None = None
) -> APIError:
    """429: the limit of the plan is reached; it ends at `resets_at`, in seconds since the epoch.

    `Usage limit reached` and `quota exceeded` are what clients look for in a message: they end
    their retries then.
    """
    whole = f"Usage limit reached (quota exceeded): {message.rstrip('.')}."
    error = APIError(429, whole, type=USAGE_LIMIT, code="rate_limit_exceeded", limit=limit)
    if resets_at is None:
        return attrs.evolve(error, should_retry=False)
    # A minute that is told must not be over before the limit is.
    minute = datetime.fromtimestamp(ceil(resets_at / 60) * 60).astimezone()
    wait = max(1, ceil(resets_at - now))
    return attrs.evolve(
        error,
        message=f"{whole} It resets at {minute.isoformat(' ', 'minutes')}.",
        resets_at=ceil(resets_at),
        retry_after=wait if wait <= LONGEST_RETRY_AFTER else None,
        should_retry=None if wait <= LONGEST_RETRY_AFTER else False,
    )


def upstream_failed(
    message: str, *, retry_after: int | None = None, should_retry: bool | None = None
) -> APIError:
    """502: Anthropic or the CLI failed, through no fault of the request."""
    return APIError(
        502, message, type="server_error", retry_after=retry_after, should_retry=should_retry
    )


def unavailable(message: str, retry_after: int | None = None) -> APIError:
    """503: this server cannot take the request now: no CLI, or it is stopping."""
    return APIError(503, message, type="server_error", retry_after=retry_after)


def internal_error() -> APIError:
    """500: a fault of the proxy's own; what it was is in the log."""
    return APIError(500, "The proxy failed to serve this request; see its log.", "server_error")


def timed_out(message: str) -> APIError:
    """504: the CLI or Anthropic did not answer within a deadline."""
    return APIError(504, message, type="server_error")


def retry_headers(error: APIError) -> dict[str, str]:
    """The headers that tell a client whether, and when, to ask again."""
    headers = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    again = error.should_retry
    if again is None and error.status in FINAL_STATUSES:
        again = False
    if again is not None:
        headers["x-should-retry"] = "true" if again else "false"
    if error.type == USAGE_LIMIT:
        headers["anthropic-ratelimit-unified-status"] = "rejected"
        if error.resets_at is not None:
            headers["anthropic-ratelimit-unified-reset"] = str(error.resets_at)
        if error.limit is not None:
            headers["anthropic-ratelimit-unified-representative-claim"] = error.limit
    return headers
