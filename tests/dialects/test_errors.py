"""What each kind of error is in each dialect, and that the manual's table says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from claudeproxy.cli import failures
from claudeproxy.condition import faults
from claudeproxy.dialects.completions.answer import error_body as completions_body
from claudeproxy.dialects.messages.answer import StreamedMessage
from claudeproxy.dialects.messages.answer import encode_error as messages_body
from claudeproxy.dialects.openai_answer import encode_error as openai_body
from claudeproxy.dialects.responses.answer import StreamedResponse
from claudeproxy.dialects.responses.writer import ResponseContext
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
    upstream_failed,
    usage_limit_reached,
)


MANUAL = Path(__file__).parent.parent.parent / "doc" / "errors.md"
NOW = 1_795_400_000.0
PLAN = usage_limit_reached("You've hit your 5-hour limit", NOW + 3600, NOW, "five_hour")


def of_result(status: int | None, text: str = "API Error: 000 x", **more: Any) -> APIError:
    return failures.from_result({"api_error_status": status, "result": text, **more}, None, NOW)


# In the order of the table.
SITUATIONS = {
    "a field is wrong": bad_request("x", "model"),
    "the API refused the request": of_result(400),
    "the prompt is too long": of_result(None, "Prompt is too long"),
    "the CLI cannot use the schema": failures.UNUSABLE_SCHEMA,
    "the CLI is not logged in": not_logged_in(),
    "Anthropic refuses the account": of_result(403),
    "there is no such model": model_not_found("x", []),
    "the API calls the request too large": of_result(413),
    "the limit of the plan is reached, for a minute or less": usage_limit_reached(
        "x", NOW + 9, NOW
    ),
    "the limit of the plan is reached, for longer": PLAN,
    "a limit of the API, and when it ends is known": failures.from_retry(
        {"error_status": 429, "retry_delay_ms": 9000}
    ),
    "a limit of the API that lasts over a minute": failures.from_retry(
        {"error_status": 429, "retry_delay_ms": 90000}
    ),
    "a limit of the API, after the CLI's own retries": of_result(429),
    "too many requests wait here": rate_limited("x", 5),
    "a fault of this server": internal_error(),
    "the API failed, after the CLI's own retries": of_result(500),
    "the connection to the API, or the CLI, broke off": failures.BROKE_OFF,
    "the model's response does not match the schema": failures.DOES_NOT_FIT,
    "the API is overloaded, after the CLI's own retries": of_result(529),
    "there is no CLI": faults.no_cli(""),
    "the CLI is too old": faults.too_old("x", "x"),
    "the CLI does not start": faults.not_started("x", "exited with code 1", "x"),
    "this server is stopping": unavailable("x", 5),
    "no answer in time": timed_out("x"),
}


def row(situation: str, error: APIError) -> str:
    openai = json.loads(openai_body(error))["error"]
    anthropic = json.loads(messages_body(error))["error"]
    headers = retry_headers(error)
    told = [
        f"`{name}: {headers[name]}`" if name == "x-should-retry" else f"`{name}`"
        for name in ("retry-after", "x-should-retry")
        if name in headers
    ]
    code = f"`{openai['code']}`" if openai["code"] else ""
    cells = (str(error.status), f"`{openai['type']}`", code, f"`{anthropic['type']}`")
    return " ".join(("|", " | ".join((situation, *cells, ", ".join(told))), "|")).replace(
        "|  |", "| |"
    )


def test_the_table_of_the_manual_is_what_is_sent() -> None:
    lines = MANUAL.read_text("utf-8").splitlines()
    begun = next(n for n, line in enumerate(lines) if line.startswith("| ---")) + 1
    told = lines[begun : lines.index("", begun)]
    assert told == [row(*item) for item in SITUATIONS.items()]


def test_the_limit_of_a_plan_is_told_in_openais_words() -> None:
    body = {
        "message": PLAN.message,
        "type": "usage_limit_reached",
        "param": None,
        "code": "rate_limit_exceeded",
        "resets_at": int(NOW) + 3600,
    }
    assert json.loads(openai_body(PLAN)) == {"error": body}
    assert completions_body(PLAN) == openai_body(PLAN)


def test_the_limit_of_a_plan_is_told_in_anthropics_words() -> None:
    error = {
        "type": "rate_limit_error",
        "message": PLAN.message,
        "resets_at": int(NOW) + 3600,
    }
    assert json.loads(messages_body(PLAN)) == {"type": "error", "error": error}
    assert messages_body(PLAN) in StreamedMessage("u", 0).fail(PLAN)


def test_the_apis_own_type_is_told() -> None:
    error = of_result(500, 'API Error: 500 {"error":{"type":"billing_error","message":"No."}}')
    assert json.loads(messages_body(error))["error"] == {"type": "billing_error", "message": "No."}


def failed(error: APIError) -> Any:
    writer = StreamedResponse(ResponseContext({"model": "opus"}), "u", 0)
    last = writer.fail(error).decode().split("data: ")[-1]
    return json.loads(last)["response"]["error"]


def test_a_response_that_fails_names_the_limit_of_a_plan() -> None:
    assert failed(PLAN) == {
        "code": "rate_limit_exceeded",
        "message": PLAN.message,
        "type": "usage_limit_reached",
        "resets_at": int(NOW) + 3600,
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (rate_limited("x", None), "rate_limit_exceeded"),
        (of_result(None, "Prompt is too long"), "context_length_exceeded"),
        (model_not_found("x", []), "server_error"),
        (upstream_failed("x"), "server_error"),
    ],
)
def test_a_response_that_fails_has_a_code_that_clients_know(error: APIError, code: str) -> None:
    assert failed(error) == {"code": code, "message": error.message}
