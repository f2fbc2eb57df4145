"""Anthropic's own SDK: structured output."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic import Anthropic, APIStatusError, InternalServerError, transform_schema
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from .. import demo
from ..conftest import Went
from ..models import Person
from .test_anthropic import TOOL, client, said


__all__ = ["client"]

SCHEMA = {
    **demo.PERSON_SCHEMA,
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "maximum": 30}},
}
FORM: Any = {"format": {"type": "json_schema", "schema": SCHEMA}}
MISFIT = f"MISFIT {demo.BE_PERSON}"
MISFITS = f"MISFIT:9 {demo.BE_PERSON}"


class Picky(BaseModel):
    name: str
    age: int = Field(le=30)


def ask(client: Anthropic, text: str, output: Any, *, stream: bool, **more: Any) -> Any:
    """The message, with what the helper has parsed in it."""
    asked: Any = {"model": demo.MODEL, "max_tokens": 500, "messages": [said(text)], **more}
    if not stream:
        return client.messages.parse(**asked, output_format=output)
    with client.messages.stream(**asked, output_format=output) as running:
        return running.get_final_message()


@demo.each_way
@demo.both
def test_an_answer_is_parsed(client: Anthropic, stream: bool) -> None:
    message = ask(client, demo.BE_PERSON, Person, stream=stream)
    assert message.parsed_output == Person(**demo.PERSON)
    assert (message.stop_reason, len(message.content)) == ("end_turn", 1)
    assert isinstance(ask(client, "hello", Person, stream=stream).parsed_output, Person)


@demo.each_way
@demo.both
@pytest.mark.parametrize("kind", [list[int], list[Person], Person | None], ids=str)
def test_an_answer_need_not_be_an_object(client: Anthropic, kind: Any, stream: bool) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    value = [1, 2] if kind == list[int] else Person(**demo.PERSON)
    value = [value] if kind == list[Person] else value
    text = f"ECHO:{adapter.dump_json(value).decode()}"
    assert ask(client, text, kind, stream=stream).parsed_output == value


@demo.each_way
@demo.both
def test_a_bare_schema_is_kept_to(client: Anthropic, stream: bool) -> None:
    config: Any = {"format": {"type": "json_schema", "schema": transform_schema(Person)}}
    asked: Any = {"model": demo.MODEL, "max_tokens": 500, "messages": [said(demo.BE_PERSON)]}
    answer: Any = client.messages.create(**asked, output_config=config, stream=stream)
    if stream:
        deltas = [event.delta for event in answer if event.type == "content_block_delta"]
        assert len(deltas) > 1
        text = "".join(delta.text for delta in deltas)
    else:
        text = answer.content[0].text
    assert json.loads(text) == demo.PERSON


@demo.each_way
@demo.both
def test_a_call_comes_before_the_parsed_answer(client: Anthropic, stream: bool) -> None:
    first = ask(client, demo.CALL, Person, stream=stream, tools=[TOOL])
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert (first.stop_reason, call.input) == ("tool_use", {"city": demo.CITY})
    assert first.parsed_output is None
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "18 degrees"}
    turns: Any = [
        said(demo.CALL),
        {"role": "assistant", "content": first.to_dict()["content"]},
        {"role": "user", "content": [result, {"type": "text", "text": demo.BE_PERSON}]},
    ]
    last = ask(client, "", Person, stream=stream, tools=[TOOL], messages=turns)
    assert last.parsed_output == Person(**demo.PERSON)


# What does not match. The helper removes the keywords that the API does not enforce from the
# schema, and checks them itself. So only other clients can see the server's check of those.


@demo.each_way
@demo.both
def test_the_helper_checks_what_it_does_not_ask_for(client: Anthropic, stream: bool) -> None:
    with pytest.raises(ValidationError, match="less than or equal to 30"):
        ask(client, demo.BE_PERSON, Picky, stream=stream)


def test_a_whole_answer_that_does_not_match_is_corrected_unseen(
    client: Anthropic, went: Went
) -> None:
    message = client.messages.create(
        model=demo.MODEL, max_tokens=500, messages=[said(MISFIT)], output_config=FORM
    )
    (block,) = message.content
    assert block.type == "text"
    assert json.loads(block.text)["age"] <= 30
    assert went() == {("api", "corrected"): 1}


@demo.each_way
def test_one_that_never_matches_is_an_error_that_is_not_tried_again(client: Anthropic) -> None:
    # With its default, which is to try again after a 502. The server's header forbids it.
    client = client.with_options(max_retries=2)
    with pytest.raises(InternalServerError, match="does not match the schema") as raised:
        client.messages.create(
            model=demo.MODEL, max_tokens=500, messages=[said(MISFITS)], output_config=FORM
        )
    assert raised.value.status_code == 502
    assert raised.value.response.request.headers["x-stainless-retry-count"] == "0"


def test_the_helper_raises_on_a_stream_that_does_not_match(client: Anthropic, went: Went) -> None:
    events: list[str] = []
    with (
        pytest.raises(ValidationError, match="Field required"),
        client.messages.stream(
            model=demo.MODEL,
            max_tokens=500,
            messages=[said('MISFIT ECHO:{"name": "Ada"}')],
            output_format=Person,
        ) as stream,
    ):
        events.extend(event.type for event in stream)
    # That is before the event that says why it does not match.
    assert "message_delta" not in events
    assert went() == {("api", "mismatched"): 1}


def test_the_events_of_a_stream_say_what_does_not_match(client: Anthropic, went: Went) -> None:
    stream: Any = client.messages.create(
        model=demo.MODEL, max_tokens=500, messages=[said(MISFIT)], output_config=FORM, stream=True
    )
    (last,) = [event for event in stream if event.type == "message_delta"]
    assert last.delta.stop_reason == "end_turn"
    assert last.schema_mismatch == "$.age: 36 is greater than the maximum of 30"
    assert went() == {("api", "mismatched"): 1}


@pytest.mark.parametrize("way", ["tool"], indirect=True)
def test_by_the_tool_such_a_stream_ends_with_an_error(client: Anthropic) -> None:
    stream: Any = client.messages.create(
        model=demo.MODEL, max_tokens=500, messages=[said(MISFIT)], output_config=FORM, stream=True
    )
    with pytest.raises(APIStatusError, match="does not match the schema"):
        list(stream)
