"""What the CLI says when it fails, as an APIError. Seen on 2.1.197, 2.1.330 and 2.1.331."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import ceil
from typing import Any

import attrs

from ..errors import (
    LONGEST_RETRY_AFTER,
    APIError,
    bad_request,
    model_refused,
    not_logged_in,
    rate_limited,
    unavailable,
    upstream_failed,
    usage_limit_reached,
)


BROKE_OFF = upstream_failed(
    "The connection to Anthropic's API was lost in the middle of the response."
)
# By default an SDK would retry twice, and each retry would cost the same again.
DOES_NOT_FIT = upstream_failed(
    "The model's response does not match the schema.", should_retry=False
)
# The CLI does not offer the StructuredOutput tool for such a schema.
UNUSABLE_SCHEMA = bad_request(
    "Invalid schema: Claude Code does not accept it and gives no reason. For example, it does not "
    "accept an empty enum or keywords that contradict each other.",
    "response_format",
    "invalid_schema",
)
# Of what a process that did not start wrote to stderr.
LONGEST_QUOTE = 400

# What the CLI puts before the API's own message. The client adds words of its own.
_PREFIX = re.compile(
    r"^(?:Failed to authenticate\.\s+)?"
    r"API Error(?::\s*|\s+(?=\())"
    r"(?:Server is temporarily limiting requests \(not your usage limit\)(?:\s+·\s+|$)"
    r"|Request rejected \(429\)(?:\s+·\s+|$)"
    r"|\(?\d{3}\s+(?!due to\b))?"
)
# And after it: advice for somebody who sits at the CLI.
_ADVICE = re.compile(
    r"\s+(?:This is a server-side issue, usually temporary\b.*"
    r"|Run --model to pick a different model\.)$",
    re.DOTALL,
)
_OF_THE_PLAN = re.compile(r"You've (?:hit|reached) your .*\blimit\b", re.IGNORECASE)
_RESETS = re.compile(r"\s+·\s+resets\b.*$", re.DOTALL)


@attrs.frozen
class StartFailure:
    """A process that ended, or was ended, before it was ready.

    how: what it did, as a verb. stderr: what it wrote there; None if that may hold a client's text.
    """

    how: str
    stderr: str | None = None

    @property
    def error(self) -> APIError:
        """What a client that waits for the process is told."""
        wrote = f" It wrote: {self.stderr}" if self.stderr else " See the log."
        return unavailable(f"The Claude Code CLI could not be started: it {self.how}.{wrote}")

    @property
    def kind(self) -> str:
        """The same for failures that differ in numbers only, such as times and process ids."""
        return re.sub(r"\d+", "", f"{self.how} {self.stderr}")

    @property
    def logged(self) -> str:
        """What it wrote, as the log may have it."""
        if self.stderr is None:
            return "not shown because it may contain a client's text; use --debug to log it"
        return repr(self.stderr)


def one_line(stderr: bytes) -> str:
    """What a process wrote to stderr, short enough to be quoted."""
    text = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", stderr.decode("utf-8", "replace"))
    lines = (line.strip() for line in text.splitlines())
    # Node ends a message with the calls that led to it, which say less than the message.
    said = " ".join(line for line in lines if line and not line.startswith("at "))
    printable = "".join(char if char.isprintable() else " " for char in said)
    return printable[-LONGEST_QUOTE:]


def from_result(
    result: Mapping[str, Any], limit: Mapping[str, Any] | None, now: float, model: str = ""
) -> APIError:
    """The error that a `result` line with is_error stands for.

    limit: the `rate_limit_info` of this turn, if one came. now: seconds since the epoch. model:
    the one that was asked.
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
    # Whatever it was, the CLI has already tried it again as often as its settings say.
    error = _from_status(status, message, None, should_retry=False)
    return attrs.evolve(error, api_type=api_type)


def own_words(text: str) -> tuple[str, str | None]:
    """The API's own message in a text of the CLI's, and the type of the error if it is told."""
    message = _ADVICE.sub("", _PREFIX.sub("", text)).strip()
    body_text = message.removeprefix("(").lstrip()
    if body_text.startswith("{"):
        # The CLI has not taken the body apart.
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
    """The error of a plan whose limit is reached; None for another limit of the API's."""
    if "not your usage limit" in message:
        return None
    limit = limit or {}
    rejected = limit.get("status") == "rejected"
    resets_at = limit.get("resetsAt") if rejected else None
    if resets_at is None:
        if not _OF_THE_PLAN.match(message):
            return None
    else:
        # It is told again, with its date.
        message = _RESETS.sub("", message)
    return usage_limit_reached(
        own_words(message)[0], resets_at, now, limit.get("rateLimitType") if rejected else None
    )


def from_model_refusal(response: Mapping[str, Any], model: str) -> APIError:
    """The error that the CLI's refusal of a `set_model` stands for (seen on 2.1.332).

    It tries a model that it does not list with a request of one token, and tells how that ended.
    """
    message = str(response.get("error"))
    if message.startswith("Authentication failed"):
        return not_logged_in()
    if "not found" in message:
        return model_refused(model)
    if "isn't available" in message:
        return APIError(404, message, code="model_not_found", param="model")
    status = re.match(r"API error: (\d{3})\b", message)
    return _from_status(int(status[1]) if status else None, message, None, should_retry=None)


def from_retry(line: Mapping[str, Any]) -> APIError:
    """The error behind an `api_retry` line: known now, though the CLI would sleep on it."""
    seconds = max(1, ceil(line.get("retry_delay_ms", 0) / 1000))
    status = line.get("error_status")
    failure = f"returned status {status}" if status else "did not respond"
    said = f"Anthropic's API {failure}; try again in"
    if seconds > LONGEST_RETRY_AFTER:
        message = f"{said} {ceil(seconds / 60)} minutes."
        return _from_status(status, message, None, should_retry=False)
    return _from_status(status, f"{said} {seconds} s.", seconds, should_retry=None)


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
            return APIError(404, message, code="model_not_found", param="model")
        case 413:
            return APIError(413, message)
        case 429:
            return attrs.evolve(rate_limited(message, retry_after), should_retry=should_retry)
        case 503 | 529:
            return attrs.evolve(unavailable(message, retry_after), should_retry=should_retry)
    if "overloaded" in message.lower():
        # After its retries 2.1.197 gives no status for a 529.
        return attrs.evolve(unavailable(message, retry_after), should_retry=should_retry)
    return upstream_failed(message, retry_after=retry_after, should_retry=should_retry)
