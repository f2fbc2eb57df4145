"""The errors that a client can get.

Any part of the server raises an `APIError`. A dialect turns it into the error body that its clients
expect. The headers that say whether and when to retry are the same in all dialects.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from math import ceil

import attrs


# In seconds. Clients sleep for as long as Retry-After says, some for hours without a message.
LONGEST_RETRY_AFTER = 60
# Sending the same request again gives the same error.
FINAL_STATUSES = frozenset({400, 401, 403, 404, 405, 413, 415, 426, 431})
USAGE_LIMIT = "usage_limit_reached"


@attrs.frozen(auto_exc=True, str=False)
class APIError(Exception):
    """The reason why a request fails.

    status: the HTTP status of the response, if its head has not been sent yet.
    type, code, param: as in OpenAI's error object (its API reference, "Error codes").
    retry_after: the number of seconds after which a retry may succeed; None if it is unknown, or if
    clients should not wait for so long.
    whole_wait: the same number, however large it is.
    should_retry: the value of `x-should-retry`, which the official SDKs obey. With None they
    decide themselves, except that the statuses in `FINAL_STATUSES` are not retried.
    resets_at: when the limit of the plan resets, in seconds since the epoch.
    limit: the API's name for that limit (`five_hour`, ...).
    api_type: the type of the error that Anthropic's API returned, if it is known.
    """

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after: int | None = None
    whole_wait: int | None = None
    should_retry: bool | None = None
    resets_at: int | None = None
    limit: str | None = None
    api_type: str | None = None

    def __str__(self) -> str:
        """The status and the message, for tracebacks in the log."""
        return f"{self.status}: {self.message}"


def no_websockets(asked_for: str, methods: Sequence[str]) -> APIError:
    """426: the answer by which Codex knows at once that it has to use HTTP.

    With another status it tries again, for six seconds.
    """
    message = f"This server does not support WebSockets: {asked_for}."
    return APIError(426, f"{message} Use HTTP, with one of these methods: {', '.join(methods)}.")


def bad_request(message: str, param: str | None = None, code: str | None = None) -> APIError:
    """400: the request is not valid. `param` is the name of the field at fault."""
    return APIError(400, message, param=param, code=code)


def unsupported(names: Sequence[str]) -> APIError:
    """400: the request has parameters that this server or the model would ignore."""
    listed = ", ".join(f"'{name}'" for name in names)
    return bad_request(
        f"Unsupported parameter: {listed}. This server or the model would ignore it, and "
        "`strict_parameters` is set.",
        names[0],
        "unsupported_parameter",
    )


def not_logged_in(program: str = "claude") -> APIError:
    """401: the CLI is not logged in, or Anthropic no longer accepts its login.

    program: the path of the CLI.
    """
    return APIError(
        401,
        "Claude Code is not logged in, or its login is no longer valid. "
        f"Run `{program} auth login` as the user who runs claudeproxy (or set "
        f"CLAUDE_CODE_OAUTH_TOKEN to what `{program} setup-token` prints), then try again. "
        "No restart is needed after a login.",
        code="invalid_api_key",
        should_retry=False,
    )


def no_model(message: str, *, should_retry: bool | None = None) -> APIError:
    """404: the model of the request does not exist."""
    return APIError(404, message, param="model", code="model_not_found", should_retry=should_retry)


def model_not_found(model: str, known: list[str]) -> APIError:
    """404: `model` is none of the `known` names."""
    # A name that needs no quoting in a shell.
    name = model if re.fullmatch(r"[A-Za-z0-9][\w./:@-]{0,63}", model) else "NAME"
    return no_model(
        f"The model `{model}` does not exist or you do not have access to it. "
        f"Available: {', '.join(known)}. To accept this name, start the server with "
        f"`--aliases {name}=sonnet`. To accept any name, use `--aliases '*=sonnet'`."
    )


def model_refused(model: str) -> APIError:
    """404: Anthropic's API does not know `model`."""
    return no_model(
        f"The model `{model}` does not exist or you do not have access to it: Anthropic's API "
        "does not know it. `GET /v1/models` lists the models that Claude Code offers.",
        should_retry=False,
    )


def model_without_long_context(model: str) -> APIError:
    """404: the CLI has no form of the model with a context window of a million tokens."""
    return no_model(
        f"The model `{model}` does not exist: Claude Code does not offer it with a context window "
        "of a million tokens. Omit the suffix `[1m]`.",
        should_retry=False,
    )


def model_not_seen(model: str) -> APIError:
    """404: the CLI does not list `model`, and no request has used it successfully yet."""
    return no_model(
        f"Claude Code does not list the model `{model}`, and no request to this server has used "
        "it successfully yet. Requests for it are passed on to Anthropic's API, which decides "
        "whether it exists."
    )


def rate_limited(message: str, retry_after: int | None) -> APIError:
    """429: a rate limit of Anthropic's API. `retry_after` is in seconds."""
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
    """429: the usage limit of the plan is reached.

    resets_at: when it resets, in seconds since the epoch.

    Clients look for `Usage limit reached` and `quota exceeded` in the message, and stop retrying
    when they find them.
    """
    whole = f"Usage limit reached (quota exceeded): {message.rstrip('.')}."
    error = APIError(429, whole, type=USAGE_LIMIT, code="rate_limit_exceeded", limit=limit)
    if resets_at is None:
        return attrs.evolve(error, should_retry=False)
    wait = max(1, ceil(resets_at - now))
    return attrs.evolve(
        error,
        message=f"{whole} It resets at {in_local_time(resets_at)}.",
        resets_at=ceil(resets_at),
        retry_after=wait if wait <= LONGEST_RETRY_AFTER else None,
        whole_wait=wait,
        should_retry=None if wait <= LONGEST_RETRY_AFTER else False,
    )


def in_local_time(instant: float) -> str:
    """A time for a message, to the minute.

    It is rounded up: what happens then must have happened by the minute that the message names.
    """
    minute = datetime.fromtimestamp(ceil(instant / 60) * 60).astimezone()
    return minute.isoformat(" ", "minutes")


def upstream_failed(
    message: str, *, retry_after: int | None = None, should_retry: bool | None = None
) -> APIError:
    """502: Anthropic's API or the CLI failed, and the request is not the cause."""
    return APIError(
        502, message, type="server_error", retry_after=retry_after, should_retry=should_retry
    )


def does_not_match(why: str = "") -> APIError:
    """502: the model's answer does not match the schema that the client gave.

    By default an SDK would retry twice, and each retry would cost the same again.
    """
    where = f": {why}" if why else "."
    message = f"The model's response does not match the schema{where}"
    return attrs.evolve(upstream_failed(message, should_retry=False), code="schema_mismatch")


def unavailable(message: str, retry_after: int | None = None) -> APIError:
    """503: the server cannot serve the request now: it is stopping, or no CLI can be started."""
    return APIError(503, message, type="server_error", retry_after=retry_after)


def overloaded(message: str, retry_after: int | None = None) -> APIError:
    """503: Anthropic's API is overloaded.

    By OpenAI's code for this, Codex gives up after 5 requests, not after 30.
    """
    return attrs.evolve(unavailable(message, retry_after), code="server_is_overloaded")


def internal_error() -> APIError:
    """500: a bug in the proxy. The log has the details."""
    return APIError(500, "The proxy failed to serve this request; see its log.", "server_error")


def timed_out(message: str) -> APIError:
    """504: the CLI or Anthropic's API did not respond before a deadline."""
    return APIError(504, message, type="server_error")


def retry_headers(error: APIError) -> dict[str, str]:
    """Return the headers that tell a client whether and when to retry."""
    headers = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if error.whole_wait is not None:
        headers["x-claudeproxy-retry-after"] = str(error.whole_wait)
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
