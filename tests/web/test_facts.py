"""What may be told of an error that quotes a request."""

from __future__ import annotations

import pytest

from claudeproxy.errors import APIError, bad_request
from claudeproxy.events import (
    Failed,
    Finished,
    ServerBlockStarted,
    Started,
    TextDelta,
    Usage,
)
from claudeproxy.web.facts import Facts, code_of, param_of


@pytest.mark.parametrize(
    ("param", "told"),
    [
        ("messages[1].content[0].image_url.url", "messages[1].content[0].image_url.url"),
        ("messages.0.content.1.text", "messages.0.content.1.text"),
        ("tools[0].function.parameters", "tools[0].function.parameters"),
        ("text.format.schema.properties.secret", "text.format.schema.*.*"),
        ("secret", "*"),
        ("sec ret\nname[0]", "*[0]"),
        ("\u0664", "*"),
        ("before_id", "before_id"),
        ("", ""),
        (None, None),
    ],
)
def test_a_parameter_is_told_by_the_names_that_an_api_declares(
    param: str | None, told: str | None
) -> None:
    assert param_of(bad_request("x", param)) == told


def test_the_path_of_a_parameter_is_bounded() -> None:
    assert len(param_of(bad_request("x", "input." * 1000)) or "") <= 100


def test_an_error_is_counted_by_one_of_a_limited_number_of_words() -> None:
    assert code_of(APIError(400, "x", code="invalid_type")) == "invalid_type"
    assert code_of(APIError(400, "x", code="What the API says!")) == "invalid_request"
    assert code_of(APIError(418, "x")) == "status_418"
    assert code_of(APIError(429, "x", "usage_limit_reached")) == "usage_limit_reached"


def test_a_first_token_is_not_the_start_of_an_answer_nor_its_end() -> None:
    facts = Facts()
    facts.saw([Started("m", Usage(1))], 0, 1.0)
    assert facts.first_token is None
    facts.saw([Failed(APIError(502, "x"))], 0, 2.0)
    assert facts.first_token is None
    facts.saw([Started("m", Usage(1)), TextDelta("a"), Finished("stop", Usage(1))], 0, 3.0)
    facts.saw([TextDelta("b")], 0, 4.0)
    assert facts.first_token == 3.0


def test_the_searches_of_an_answer_that_is_cut_off_are_counted() -> None:
    result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    found = ServerBlockStarted(result)
    failed = ServerBlockStarted({**result, "content": {"error_code": "unavailable"}})
    facts = Facts()
    facts.saw([Started("m", Usage(1)), found, failed], 0, 1.0)
    facts.saw([TextDelta("a"), found], 0, 2.0)
    assert facts.usage == Usage(1, server_tools={"web_search_requests": 2})
    facts.saw([Failed(APIError(502, "x"))], 0, 3.0)
    assert facts.usage == Usage(1, server_tools={"web_search_requests": 2})
    # What the API has counted itself is not counted again.
    facts.saw([Finished("stop", Usage(1, server_tools={"web_search_requests": 3}))], 0, 4.0)
    assert facts.usage == Usage(1, server_tools={"web_search_requests": 3})


def test_a_model_whose_name_is_no_name_has_no_label_of_its_own() -> None:
    assert Facts(answered="a b").model_label == "unknown"
    assert Facts(answered="claude-sonnet-5[1m]").model_label == "claude-sonnet-5[1m]"
    assert Facts(asked="unknown").model_label == "unknown"
    assert Facts().model_label == "none"
