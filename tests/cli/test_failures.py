"""What the CLI says when it fails, as what a client is told."""

from __future__ import annotations

from math import ceil
from typing import Any

import attrs
import pytest

from claudeproxy.cli.failures import (
    StartFailure,
    from_model_refusal,
    from_result,
    from_retry,
    one_line,
    own_words,
)
from claudeproxy.errors import APIError, usage_limit_reached


NOW = 1_795_400_000.25


def failed(
    text: str = "API Error", status: int | None = None, limit: Any = None, **more: Any
) -> APIError:
    line = {"type": "result", "is_error": True, "result": text, "api_error_status": status, **more}
    return from_result(line, limit, NOW)


@pytest.mark.parametrize(
    ("cli_status", "status", "error_type", "code", "param"),
    [
        (400, 400, "invalid_request_error", None, None),
        (401, 401, "invalid_request_error", "invalid_api_key", None),
        (403, 403, "permission_error", None, None),
        (404, 404, "invalid_request_error", "model_not_found", "model"),
        (413, 413, "invalid_request_error", None, None),
        (429, 429, "rate_limit_error", "rate_limit_exceeded", None),
        (500, 502, "server_error", None, None),
        (502, 502, "server_error", None, None),
        (503, 503, "server_error", "server_is_overloaded", None),
        (529, 503, "server_error", "server_is_overloaded", None),
        (None, 502, "server_error", None, None),
    ],
)
def test_each_status_of_the_api_has_one_here(
    cli_status: int | None, status: int, error_type: str, code: str | None, param: str | None
) -> None:
    error = failed("It says this.", cli_status)
    assert (error.status, error.type, error.code, error.param) == (status, error_type, code, param)
    assert error.retry_after is None
    if status != 401:
        assert error.message == "It says this."


def test_a_model_that_the_api_does_not_know_is_named() -> None:
    line = {"type": "result", "is_error": True, "result": "Pick one.", "api_error_status": 404}
    error = from_result(line, None, NOW, "claude-x")
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert "`claude-x`" in error.message


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ("Model 'claude-x' not found", 404, "model_not_found"),
        ("'haiku[1m]' isn't available: the haiku setting has no 1M form.", 404, "model_not_found"),
        ("Authentication failed. Please check your API credentials.", 401, "invalid_api_key"),
        (
            "Unable to validate model: Could not resolve authentication method. Expected one of "
            "apiKey, authToken, credentials, config, or profile to be set.",
            401,
            "invalid_api_key",
        ),
        ("API error: 429 Slow down \u00b7 model not changed", 429, "rate_limit_exceeded"),
        ("API error: 529 Overloaded \u00b7 model not changed", 503, "server_is_overloaded"),
        ("API error: 500 Internal server error \u00b7 model not changed", 502, None),
        ("API error: 403 No \u00b7 model not changed", 403, None),
        ("API error: 400 No \u00b7 model not changed", 400, None),
        ("Network error.", 502, None),
    ],
)
def test_how_a_try_of_a_model_ended(message: str, status: int, code: str | None) -> None:
    error = from_model_refusal({"subtype": "error", "error": message}, "claude-x")
    assert (error.status, error.code) == (status, code)


def test_a_model_without_a_long_context_is_told_of_in_other_words_than_the_clis() -> None:
    message = "'haiku[1m]' isn't available: it has no 1M form. Run /model haiku."
    error = from_model_refusal({"subtype": "error", "error": message}, "haiku[1m]")
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert error.message.startswith("The model `haiku[1m]` does not exist: ")
    assert "/model" not in error.message


@pytest.mark.parametrize(
    ("cli_status", "should_retry"),
    [
        (400, None),
        (401, False),
        (403, None),
        (429, False),
        (500, False),
        (529, False),
        (None, False),
    ],
)
def test_what_the_cli_has_tried_often_enough_is_not_to_be_tried_again(
    cli_status: int | None, should_retry: bool | None
) -> None:
    assert failed(status=cli_status).should_retry is should_retry


@pytest.mark.parametrize("text", ["API Error: Overloaded", "overloaded_error"])
def test_an_overload_without_a_status_is_one_all_the_same(text: str) -> None:
    error = failed(text, None)
    assert (error.status, error.code) == (503, "server_is_overloaded")


@pytest.mark.parametrize(
    "line",
    [
        {"result": "Prompt is too long"},
        {"result": "Whatever", "terminal_reason": "blocking_limit"},
        {"result": "Prompt is too long", "api_error_status": 400},
    ],
)
def test_a_prompt_that_is_too_long_is_told_as_openai_tells_it(line: dict[str, Any]) -> None:
    error = from_result({"is_error": True, **line}, None, NOW)
    assert (error.status, error.code, error.param) == (400, "context_length_exceeded", "messages")
    assert error.message == line["result"]


def test_who_is_not_logged_in_is_told_how_to() -> None:
    error = failed("Not logged in · Please run /login")
    assert (error.status, error.code, error.should_retry) == (401, "invalid_api_key", False)
    assert "claude auth login" in error.message


def test_a_failed_turn_without_a_result_tells_its_errors() -> None:
    line = {"is_error": True, "subtype": "error_during_execution", "errors": ["one", "two"]}
    error = from_result(line, None, NOW)
    assert (error.status, error.message) == (502, "one; two")


def test_a_failed_turn_that_says_nothing_is_still_told() -> None:
    assert from_result({"is_error": True}, None, NOW).message == "unknown error"


@pytest.mark.parametrize(
    ("resets_at", "seconds"),
    [(1_795_400_060, 60), (1_795_400_000.75, 1), (1_795_400_000, 1), (1_795_399_000, 1)],
)
def test_a_plans_limit_tells_when_it_ends(resets_at: float, seconds: int) -> None:
    limit = {"status": "rejected", "resetsAt": resets_at, "rateLimitType": "five_hour"}
    error = failed("You've hit your limit · resets 4:47am (UTC)", 429, limit)
    expected = usage_limit_reached("You've hit your limit", resets_at, NOW, "five_hour")
    assert attrs.asdict(error) == attrs.asdict(expected)
    assert (error.status, error.type, error.retry_after) == (429, "usage_limit_reached", seconds)


def test_a_plans_limit_without_a_time_is_told_in_the_clis_words() -> None:
    error = failed("You've hit your weekly limit · resets Monday", 429)
    assert (error.type, error.resets_at, error.should_retry) == ("usage_limit_reached", None, False)
    assert error.message.endswith(": You've hit your weekly limit · resets Monday.")


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        (
            "API Error: Server is temporarily limiting requests (not your usage limit)"
            " · Slow down.",
            {"status": "rejected", "resetsAt": NOW + 60},
        ),
        (
            "API Error: Server is temporarily limiting requests (not your usage limit)"
            " · Slow down.",
            {"status": "rejected", "isUsingOverage": False},
        ),
        ("API Error: Request rejected (429) · Slow down.", None),
    ],
)
def test_a_limit_of_the_apis_is_not_one_of_the_plans(text: str, limit: Any) -> None:
    error = failed(text, 429, limit)
    assert (error.type, error.message, error.resets_at) == ("rate_limit_error", "Slow down.", None)


BODY = '{"type":"error","error":{"type":"invalid_request_error","message":"messages.3: no"}}'


@pytest.mark.parametrize(
    ("text", "message", "api_type"),
    [
        (
            "API Error: 400 messages.3.content.0.text: empty",
            "messages.3.content.0.text: empty",
            None,
        ),
        (f"API Error: 400 {BODY}", "messages.3: no", "invalid_request_error"),
        (f"API Error (400 {BODY}) · Retrying", "messages.3: no", "invalid_request_error"),
        ("API Error: 400 {broken", "{broken", None),
        ('API Error: 400 {"error": "text"}', '{"error": "text"}', None),
        (
            "API Error: 400 due to tool use concurrency issues.",
            "400 due to tool use concurrency issues.",
            None,
        ),
        ("Failed to authenticate. API Error: 403 Not you.", "Not you.", None),
        ("API Error: Request rejected (429) · Slow down.", "Slow down.", None),
        ("API Error: Request rejected (429)", "API Error: Request rejected (429)", None),
        (
            "API Error: 500 It broke. This is a server-side issue, usually temporary — try again "
            "in a moment. If it persists, check your inference gateway (127.0.0.1:1).",
            "It broke.",
            None,
        ),
        ("API Error: Overloaded", "Overloaded", None),
        ("API Error: Connection to the API was lost.", "Connection to the API was lost.", None),
        (
            "There's an issue with the selected model (x). Run --model to pick a different model.",
            "There's an issue with the selected model (x).",
            None,
        ),
        ("API Error", "API Error", None),
        ("An API Error: 400 inside", "An API Error: 400 inside", None),
        (
            'Unexpected {"error": {"message": "no"}}',
            'Unexpected {"error": {"message": "no"}}',
            None,
        ),
    ],
)
def test_a_message_is_the_apis_own(text: str, message: str, api_type: str | None) -> None:
    assert own_words(text) == (message, api_type)
    error = failed(text, 400)
    assert (error.message, error.api_type) == (message, api_type)


@pytest.mark.parametrize(
    "limit",
    [
        None,
        {},
        {"status": "allowed_warning", "resetsAt": 1_795_400_060},
        {"status": "allowed", "resetsAt": 1_795_400_060},
        {"status": "rejected"},
    ],
)
def test_without_a_limit_that_was_hit_nobody_knows_when(limit: Any) -> None:
    assert failed(status=429, limit=limit).retry_after is None


@pytest.mark.parametrize(
    ("delay_ms", "seconds"), [(30000, 30), (34984, 35), (500.5, 1), (0, 1), (1000, 1), (1001, 2)]
)
def test_a_retry_tells_how_long_the_cli_would_wait(delay_ms: float, seconds: int) -> None:
    error = from_retry({"error_status": 429, "retry_delay_ms": delay_ms})
    assert (error.status, error.retry_after) == (429, seconds)
    assert error.message == f"Anthropic's API returned status 429; try again in {seconds} s."


@pytest.mark.parametrize(("delay_ms", "minutes"), [(60_001, 2), (120_000, 2), (3_600_000, 60)])
def test_nobody_is_asked_to_wait_for_longer_than_a_minute(delay_ms: int, minutes: int) -> None:
    error = from_retry({"error_status": 429, "retry_delay_ms": delay_ms})
    assert (error.status, error.retry_after, error.should_retry) == (429, None, False)
    assert error.whole_wait == ceil(delay_ms / 1000)
    assert error.message == f"Anthropic's API returned status 429; try again in {minutes} minutes."


@pytest.mark.parametrize(
    ("cli_status", "status"), [(401, 401), (429, 429), (500, 502), (529, 503), (None, 502)]
)
def test_a_retry_has_the_status_of_what_is_behind_it(cli_status: int | None, status: int) -> None:
    assert from_retry({"error_status": cli_status, "retry_delay_ms": 9000}).status == status


def test_a_retry_of_an_overload_tells_when_to_try_again() -> None:
    assert from_retry({"error_status": 529, "retry_delay_ms": 9000}).retry_after == 9


def test_a_retry_of_no_answer_at_all_says_so() -> None:
    error = from_retry({"error_status": None, "retry_delay_ms": 2000})
    assert error.message == "Anthropic's API did not respond; try again in 2 s."


@pytest.mark.parametrize(
    ("stderr", "quoted"),
    [
        (b"", ""),
        (b"error: unknown option '--tools'\n", "error: unknown option '--tools'"),
        (b"\n one \r\n\n two\t3\n", "one two 3"),
        (b"\x1b[31mred\x1b[0m\x07 \xff", "red  \ufffd"),
        (
            b"Error: no\n    at main (a.js:1:2)\n    at run (a.js:3:4)\nNode 16\n",
            "Error: no Node 16",
        ),
        (1000 * b"a" + b"b", 399 * "a" + "b"),
    ],
)
def test_what_a_process_wrote_is_quoted_on_one_line(stderr: bytes, quoted: str) -> None:
    assert one_line(stderr) == quoted


def test_a_start_that_failed_is_a_503_that_says_why() -> None:
    error = StartFailure("exited with code 1", "no").error
    assert (error.status, error.message) == (
        503,
        "Claude Code could not be started: it exited with code 1. It wrote: no",
    )
    assert StartFailure("exited with code 1").error.message.endswith("See the log.")


def test_failures_that_differ_in_numbers_only_are_of_one_kind() -> None:
    first, second, other = (
        StartFailure("exited with code 1", stderr) for stderr in ("pid 1", "pid 23", "id")
    )
    assert first.kind == second.kind != other.kind
