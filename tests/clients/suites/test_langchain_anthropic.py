"""langchain-anthropic: structured output."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic

from .. import demo
from ..conftest import Went
from ..models import Person


@pytest.fixture
def model(url: str) -> ChatAnthropic:
    options: Any = {"model": demo.MODEL, "max_tokens": 1000, "max_retries": 0}
    return ChatAnthropic(base_url=url.removesuffix("/v1"), api_key="not-needed", **options)


def parsed(structured: Any, text: str, *, stream: bool) -> Any:
    if not stream:
        return structured.invoke(text)
    *_, last = structured.stream(text)
    return last


@demo.each_way
@demo.both
@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (Person, Person(**demo.PERSON)),
        ({"title": "Person", "description": "Somebody.", **demo.PERSON_SCHEMA}, demo.PERSON),
    ],
    ids=["model", "schema"],
)
def test_an_answer_is_parsed(
    model: ChatAnthropic, schema: Any, expected: Any, stream: bool
) -> None:
    structured = model.with_structured_output(schema, method="json_schema")
    assert parsed(structured, demo.BE_PERSON, stream=stream) == expected


@demo.each_setting
@demo.both
def test_an_answer_is_parsed_from_a_call(model: ChatAnthropic, stream: bool, went: Went) -> None:
    structured = model.with_structured_output(Person, method="function_calling")
    text = demo.call_of("Person", demo.PERSON)
    assert parsed(structured, text, stream=stream) == Person(**demo.PERSON)
    assert not went()
