"""Turns the CLI's error messages into APIErrors.

The messages were seen on 2.1.197, 2.1.330 and 2.1.331.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import ceil
from typing import Any

import attrs

from ..condition.faults import not_started
from ..errors import (
    LONGEST_RETRY_AFTER,
    APIError,
    bad_request,
    does_not_match,
    model_refused,
    model_without_long_context,
    no_model,
    not_logged_in,
    overloaded,
    rate_limited,
    upstream_failed,
    usage_limit_reached,
)


BROKE_OFF = upstream_failed(
    "The connection to Anthropic's API was lost in the middle of the response."
)
BROKE_PROTOCOL = upstream_failed("The CLI broke the protocol; see the log.")
NO_ANSWER = upstream_failed("The CLI ended the turn without an answer.")
NOT_REWOUND = upstream_failed("The CLI process could not be reused.")
DOES_NOT_FIT = does_not_match()
# The CLI does not offer the StructuredOutput tool for such a schema.
UNUSABLE_SCHEMA = bad_request(
    "Invalid schema: Claude Code does not accept it and gives no reason. For example, it does not "
    "accept an empty enum or keywords that contradict each other.",
    "response_format",
    "invalid_schema",
)
# How many characters of a process's stderr an error message quotes.
LONGEST_QUOTE = 400

# What the CLI puts before the API's own message.
_PREFIX = re.compile(
    r"^(?:Failed to authenticate\.\s+)?"
    r"API Error(?::\s*|\s+(?=\())"
    r"(?:Server is temporarily limiting requests \(not your usage limit\)(?:\s+·\s+|$)"
    r"|Request rejected \(429\)(?:\s+·\s+|$)"
    r"|\(?\d{3}\s+(?!due to\b))?"
)
# What it puts after the message: advice for interactive users.
_ADVICE = re.compile(
    r"\s+(?:This is a server-side issue, usually temporary\b.*"
    r"|Run --model to pick a different model\.)$",
    re.DOTALL,
)
_OF_THE_PLAN = re.compile(r"You've (?:hit|reached) your .*\blimit\b", re.IGNORECASE)
_RESETS = re.compile(r"\s+·\s+resets\b.*$", re.DOTALL)


_LABELS = {
    "exited": "exited",
    "was ended by signal": "killed",
    "did not become ready": "not ready in time",
    "broke the protocol": "broke the protocol",
}


@attrs.frozen
class StartFailure:
    """A process that ended, or was ended, before it was ready.

    how: what it did, as the predicate of a sentence. stderr: its error output; None if that may
    contain a client's text. name: the CLI, for a message. was_ready: it ended right after it had
    become ready.
    """

    how: str
    stderr: str | None = None
    name: str = "Claude Code"
    was_ready: bool = False

    @property
    def error(self) -> APIError:
        """The error for the client that waits for the process."""
        return not_started(self.name, self.predicate, self.stderr)

    @property
    def predicate(self) -> str:
        """What it did and when, as the predicate of a sentence."""
        return self.how + (" right after it had become ready" if self.was_ready else "")

    @property
    def label(self) -> str:
        """One of a few words for the kind of failure, for metrics."""
        starts = (how for how in _LABELS if self.how.startswith(how))
        return "ended when ready" if self.was_ready else _LABELS.get(next(starts, ""), "other")

    @property
    def kind(self) -> str:
        """A text that is the same for failures that differ only in numbers, such as process ids."""
        return re.sub(r"\d+", "", f"{self.was_ready} {self.how} {self.stderr}")

    @property
    def logged(self) -> str:
        """Its error output, in a form that may be logged."""
        if self.stderr is None:
            return "not shown because it may contain a client's text; use --debug to log it"
        return repr(self.stderr)


def one_line(stderr: bytes) -> str:
    """Return the end of a process's error output as one line, short enough to quote."""
    text = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", stderr.decode("utf-8", "replace"))
    lines = (line.strip() for line in text.splitlines())
    # Skip the stack trace that Node adds to an error message.
    said = " ".join(line for line in lines if line and not line.startswith("at "))
    printable = "".join(char if char.isprintable() else " " for char in said)
    return printable[-LONGEST_QUOTE:]


def from_result(
    result: Mapping[str, Any], limit: Mapping[str, Any] | None, now: float, model: str = ""
) -> APIError:
    """Return the error that a `result` line with is_error reports.

    limit: the `rate_limit_info` of this turn, if there was one. now: the time in seconds since the
    epoch. model: the requested model.
    """
    if result.get("subtype") == "error_max_structured_output_retries":
        return DOES_NOT_FIT
    whole = str(result.get("result") or "; ".join(result.get("errors") or ()) or "unknown error")
    message, api_type = own_words(whole)
    too_long = "prompt is too long" in message.lower()
    if too_long or result.get("terminal_reason") == "blocking_limit":
        return bad_request(message, "messages", "context_length_exceeded")
    if message.startswith("Not logged in"):
        return not_logged_in()
    status = result.get("api_error_status")
    if status == 404 and model:
        return model_refused(model)
    if status == 429 and (reached := _plan_limit(whole, limit, now)):
        return reached
    # The CLI has already retried as often as its settings allow.
    error = _from_status(status, message, None, should_retry=False)
    return attrs.evolve(error, api_type=api_type)


def own_words(text: str) -> tuple[str, str | None]:
    """Extract the API's own message from the CLI's text, and the error's type if it is there."""
    message = _ADVICE.sub("", _PREFIX.sub("", text)).strip()
    body_text = message.removeprefix("(").lstrip()
    if body_text.startswith("{"):
        # The CLI quotes the whole body of the API's response.
        try:
            body, _ = json.JSONDecoder().raw_decode(body_text)
        except ValueError:
            return message or text, None
        error = body.get("error", body)
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            kind = error.get("type")
            return error["message"], kind if isinstance(kind, str) else None
    return message or text, None


def _plan_limit(message: str, limit: Mapping[str, Any] | None, now: float) -> APIError | None:
    """Return the error if a usage limit of the plan is reached; None for other limits."""
    if "not your usage limit" in message:
        return None
    limit = limit or {}
    rejected = limit.get("status") == "rejected"
    resets_at = limit.get("resetsAt") if rejected else None
    if resets_at is None:
        if not _OF_THE_PLAN.match(message):
            return None
    else:
        # The message of the APIError gives the time with its date.
        message = _RESETS.sub("", message)
    return usage_limit_reached(
        own_words(message)[0], resets_at, now, limit.get("rateLimitType") if rejected else None
    )


def from_model_refusal(response: Mapping[str, Any], model: str) -> APIError:
    """Return the error for a `set_model` that the CLI refused (seen on 2.1.332).

    The CLI tests a model that it does not list with a request for one token, and reports the
    result.
    """
    message = str(response.get("error"))
    # The second one comes if there is no login at all.
    if message.startswith("Authentication failed") or "resolve authentication method" in message:
        return not_logged_in()
    if "not found" in message:
        return model_refused(model)
    if "isn't available" in message:
        if model.endswith("[1m]"):
            return model_without_long_context(model)
        return no_model(message)
    status = re.match(r"API error: (\d{3})\b", message)
    return _from_status(int(status[1]) if status else None, message, None, should_retry=None)


def from_retry(line: Mapping[str, Any]) -> APIError:
    """Return the error in an `api_retry` line, so that the client need not wait for the retry."""
    seconds = max(1, ceil(line.get("retry_delay_ms", 0) / 1000))
    status = line.get("error_status")
    failure = f"returned status {status}" if status else "did not respond"
    said = f"Anthropic's API {failure}; try again in"
    if seconds > LONGEST_RETRY_AFTER:
        message = f"{said} {ceil(seconds / 60)} minutes."
        error = _from_status(status, message, None, should_retry=False)
    else:
        error = _from_status(status, f"{said} {seconds} s.", seconds, should_retry=None)
    return attrs.evolve(error, whole_wait=seconds)


def _from_status(
    status: int | None, message: str, retry_after: int | None, *, should_retry: bool | None
) -> APIError:
    match status:
        case 400:
            return bad_request(message)
        case 401:
            return not_logged_in()
        case 403:
            return APIError(403, message, type="permission_error")
        case 404:
            return no_model(message)
        case 413:
            return APIError(413, message)
        case 429:
            return attrs.evolve(rate_limited(message, retry_after), should_retry=should_retry)
        case 503 | 529:
            return attrs.evolve(overloaded(message, retry_after), should_retry=should_retry)
    if "overloaded" in message.lower():
        # After its retries 2.1.197 gives no status for a 529.
        return attrs.evolve(overloaded(message, retry_after), should_retry=should_retry)
    return upstream_failed(message, retry_after=retry_after, should_retry=should_retry)
