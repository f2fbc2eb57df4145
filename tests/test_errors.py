"""Each kind of error has the status and the words of OpenAI's that clients look for."""

from __future__ import annotations

from datetime import datetime

import attrs
import pytest

from claudeproxy.errors import (
    APIError,
    bad_request,
    internal_error,
    model_not_found,
    not_logged_in,
    rate_limited,
    retry_headers,
    timed_out,
    unavailable,
    unsupported,
    upstream_failed,
    usage_limit_reached,
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


NOW = 1_795_400_000.25


@pytest.mark.parametrize(
    ("wait", "retry_after", "whole_wait", "should_retry"),
    [
        (-5, 1, 1, None),
        (60, 60, 60, None),
        (61, None, 61, False),
        (86_400, None, 86_400, False),
    ],
)
def test_only_a_short_wait_for_the_plan_is_one_to_wait_for(
    wait: int, retry_after: int | None, whole_wait: int, should_retry: bool | None
) -> None:
    error = usage_limit_reached("You've hit it.", NOW + wait, NOW, "five_hour")
    assert (error.status, error.type) == (429, "usage_limit_reached")
    assert (error.retry_after, error.should_retry) == (retry_after, should_retry)
    assert error.whole_wait == whole_wait
    assert error.resets_at == int(NOW) + wait + 1


def test_the_limit_of_a_plan_begins_with_the_words_that_clients_look_for() -> None:
    message = usage_limit_reached("You've hit it", NOW + 3601, NOW).message
    whole, _, time = message.partition(" It resets at ")
    assert whole == "Usage limit reached (quota exceeded): You've hit it."
    told = datetime.fromisoformat(time.removesuffix("."))
    assert 0 <= told.timestamp() - (NOW + 3601) < 60
    assert "billing" not in message
    assert "insufficient" not in message


def test_a_limit_of_a_plan_without_a_time_is_not_to_be_waited_for() -> None:
    error = usage_limit_reached("You've hit it", None, NOW)
    assert error.message == "Usage limit reached (quota exceeded): You've hit it."
    assert retry_headers(error) == {
        "x-should-retry": "false",
        "anthropic-ratelimit-unified-status": "rejected",
    }


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (bad_request("x"), {"x-should-retry": "false"}),
        (APIError(408, "x"), {}),
        (APIError(413, "x"), {"x-should-retry": "false"}),
        (rate_limited("x", 7), {"retry-after": "7"}),
        (attrs.evolve(bad_request("x"), should_retry=True), {"x-should-retry": "true"}),
        (upstream_failed("x"), {}),
        (upstream_failed("x", should_retry=False), {"x-should-retry": "false"}),
        (
            usage_limit_reached("x", NOW + 3600, NOW, "five_hour"),
            {
                "x-should-retry": "false",
                "x-claudeproxy-retry-after": "3600",
                "anthropic-ratelimit-unified-status": "rejected",
                "anthropic-ratelimit-unified-reset": str(int(NOW) + 3601),
                "anthropic-ratelimit-unified-representative-claim": "five_hour",
            },
        ),
    ],
)
def test_the_headers_tell_whether_and_when_to_ask_again(
    error: APIError, headers: dict[str, str]
) -> None:
    assert retry_headers(error) == headers
