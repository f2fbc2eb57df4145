"""Each kind of error has the status and the words of OpenAI's that clients look for."""

from __future__ import annotations

import pytest

from claudeproxy.errors import (
    APIError,
    bad_request,
    internal_error,
    model_not_found,
    not_logged_in,
    rate_limited,
    timed_out,
    unavailable,
    unsupported,
    upstream_failed,
)


@pytest.mark.parametrize(
    ("error", "status", "error_type", "code", "retry_after", "should_retry"),
    [
        (bad_request("x"), 400, "invalid_request_error", None, None, None),
        (not_logged_in(), 401, "invalid_request_error", "invalid_api_key", None, False),
        (model_not_found("x", []), 404, "invalid_request_error", "model_not_found", None, None),
        (rate_limited("x", 7), 429, "rate_limit_error", "rate_limit_exceeded", 7, None),
        (upstream_failed("x"), 502, "server_error", None, None, None),
        (
            upstream_failed("x", retry_after=3, should_retry=False),
            502,
            "server_error",
            None,
            3,
            False,
        ),
        (unavailable("x", 5), 503, "server_error", None, 5, None),
        (internal_error(), 500, "server_error", None, None, None),
        (timed_out("x"), 504, "server_error", None, None, None),
    ],
)
def test_what_each_error_tells(
    error: APIError,
    status: int,
    error_type: str,
    code: str | None,
    retry_after: int | None,
    should_retry: bool | None,
) -> None:
    assert (error.status, error.type, error.code) == (status, error_type, code)
    assert (error.retry_after, error.should_retry) == (retry_after, should_retry)


def test_a_bad_request_names_its_parameter() -> None:
    error = bad_request("Bad.", "messages[0].role", "invalid_value")
    assert (error.message, error.param, error.code) == ("Bad.", "messages[0].role", "invalid_value")


def test_parameters_without_use_are_all_told_and_the_first_is_named() -> None:
    error = unsupported(["seed", "user"])
    assert (error.status, error.param, error.code) == (400, "seed", "unsupported_parameter")
    assert "'seed', 'user'" in error.message


def test_an_unknown_model_is_told_with_the_names_there_are() -> None:
    error = model_not_found("gpt-4o", ["opus", "haiku"])
    assert error.param == "model"
    assert "`gpt-4o`" in error.message
    assert "Available: opus, haiku." in error.message


def test_who_is_not_logged_in_is_told_how_to_log_in() -> None:
    assert "claude auth login" in not_logged_in().message
    assert "CLAUDE_CODE_OAUTH_TOKEN" in not_logged_in().message


def test_an_error_can_be_raised_caught_and_chained() -> None:
    def fail() -> None:
        raise upstream_failed("It broke.") from cause

    cause = ValueError("why")
    with pytest.raises(APIError, match=r"^502: It broke\.$") as caught:
        fail()
    assert caught.value.__cause__ is cause
