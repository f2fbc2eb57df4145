"""What can go wrong, as one value that every room raises and the door words for its client.

Nothing here knows a wire format: a dialect turns an `APIError` into the error body that its
clients expect, and the exchange uses `status` and `retry_after`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs


@attrs.frozen(auto_exc=True, str=False)
class APIError(Exception):
    """A request that ends without an answer.

    status: the HTTP status it is answered with, if nothing was sent yet.
    type, code, param: OpenAI's words for it (its API reference, "Error codes").
    retry_after: seconds after which asking again may help; None if unknown.
    should_retry: what the official SDKs are told (`x-should-retry`); None leaves it to them.
    """

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after: int | None = None
    should_retry: bool | None = None

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
        f"Unsupported parameter: {listed}. The model or this server has no use for it, and "
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
        f"Available: {', '.join(known)}. To have this name served, start the server with "
        f"`--aliases {name}=sonnet`, or with `--aliases '*=sonnet'` to have any name served.",
        param="model",
        code="model_not_found",
    )


def model_refused(model: str) -> APIError:
    """404: Anthropic's API does not know `model`."""
    return APIError(
        404,
        f"The model `{model}` does not exist or you do not have access to it: Anthropic's API "
        "does not know it. `GET /v1/models` lists what Claude Code offers.",
        param="model",
        code="model_not_found",
        should_retry=False,
    )


def model_not_seen(model: str) -> APIError:
    """404: `model` is not listed, and no answer of it has been seen."""
    return APIError(
        404,
        f"Claude Code does not list the model `{model}`, and it has not answered here yet. A "
        "request that names it is passed on to Anthropic's API, which knows whether it exists.",
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
