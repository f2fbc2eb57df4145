"""The official Python client: structured output, on Chat Completions and on Responses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel, Field, ValidationError

from .. import demo
from ..conftest import Went
from ..models import GetWeather, Person
from .test_openai import TOOL, results


class Picky(BaseModel):
    """A schema with a keyword that the API does not enforce."""

    name: str
    age: int = Field(le=30)


MISFIT = f"MISFIT {demo.BE_PERSON}"
MISFITS = f"MISFIT:9 {demo.BE_PERSON}"

Ask = Callable[..., Any]


@pytest.fixture(params=["chat", "responses"])
def api(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=["whole", "streamed"])
def ask(client: OpenAI, api: str, request: pytest.FixtureRequest) -> Ask:
    """Asks for a model; what was parsed."""
    streamed = request.param == "streamed"

    def chat(text: str, form: Any, **more: Any) -> Any:
        asked: Any = {"model": demo.MODEL, "messages": demo.asking(text), "response_format": form}
        asked |= more
        if not streamed:
            return client.chat.completions.parse(**asked).choices[0].message.parsed
        with client.chat.completions.stream(**asked) as stream:
            return stream.get_final_completion().choices[0].message.parsed

    def responses(text: str, form: Any, **more: Any) -> Any:
        asked: Any = {"model": demo.MODEL, "input": text, "text_format": form, **more}
        if not streamed:
            return client.responses.parse(**asked).output_parsed
        with client.responses.stream(**asked) as stream:
            return stream.get_final_response().output_parsed

    return chat if api == "chat" else responses


@demo.each_way
def test_an_answer_is_parsed(ask: Ask) -> None:
    assert ask(demo.BE_PERSON, Person) == Person(**demo.PERSON)


@demo.each_way
def test_an_answer_that_nobody_scripted_fits_too(ask: Ask) -> None:
    assert isinstance(ask("hello", Person), Person)


class Circle(BaseModel):
    kind: Literal["circle"]
    radius: float


class Square(BaseModel):
    kind: Literal["square"]
    side: float
    label: str | None


class Drawing(BaseModel):
    title: str
    shapes: list[Circle | Square]


@demo.each_way
def test_unions_and_nested_models_are_parsed(ask: Ask) -> None:
    drawn = Drawing(
        title="two",
        shapes=[
            Circle(kind="circle", radius=1.5),
            Square(kind="square", side=2, label=None),
        ],
    )
    assert ask(f"ECHO:{drawn.model_dump_json()}", Drawing) == drawn
    assert isinstance(ask("hello", Drawing), Drawing)


@demo.each_way
def test_a_model_after_a_thought(ask: Ask, api: str) -> None:
    more: Any = {"reasoning": {"effort": "high"}} if api == "responses" else {}
    more = more or {"reasoning_effort": "high"}
    assert ask(f"THINK {demo.BE_PERSON}", Person, **more) == Person(**demo.PERSON)


@demo.each_way
def test_the_text_streams_in_pieces(client: OpenAI, api: str) -> None:
    if api == "chat":
        with client.chat.completions.stream(
            model=demo.MODEL, messages=demo.asking(demo.BE_PERSON), response_format=Person
        ) as chat:
            deltas = [event.delta for event in chat if event.type == "content.delta"]
    else:
        with client.responses.stream(
            model=demo.MODEL, input=demo.BE_PERSON, text_format=Person
        ) as stream:
            deltas = [e.delta for e in stream if e.type == "response.output_text.delta"]
    assert json.loads("".join(deltas)) == demo.PERSON
    assert len(deltas) > 1


def parse(client: OpenAI, asked: dict[str, Any], *, stream: bool) -> None:
    """Have the helper parse an answer to its end."""
    if stream:
        with client.chat.completions.stream(**asked) as running:
            running.until_done()
    else:
        client.chat.completions.parse(**asked)


@demo.each_way
@demo.both
def test_an_answer_that_is_cut_off_is_not_parsed(client: OpenAI, stream: bool) -> None:
    asked: Any = {
        "model": demo.MODEL,
        "messages": demo.asking(demo.BE_PERSON),
        "response_format": Person,
        "max_completion_tokens": 1,
    }
    with pytest.raises(openai.LengthFinishReasonError):
        parse(client, asked, stream=stream)


@demo.each_way
def test_a_response_that_is_cut_off_is_incomplete(client: OpenAI) -> None:
    answer = client.responses.create(
        model=demo.MODEL,
        input=demo.BE_PERSON,
        max_output_tokens=1,
        text={"format": {"type": "json_schema", "name": "person", "schema": demo.PERSON_SCHEMA}},
    )
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


@demo.each_way
@demo.both
def test_a_refusal_is_not_parsed(client: OpenAI, stream: bool) -> None:
    asked: Any = {
        "model": demo.MODEL,
        "messages": demo.asking(f"STOP:refusal {demo.BE_PERSON}"),
        "response_format": Person,
    }
    with pytest.raises(openai.ContentFilterFinishReasonError):
        parse(client, asked, stream=stream)


@demo.each_way
@demo.both
def test_a_response_that_is_a_refusal_is_incomplete(client: OpenAI, stream: bool) -> None:
    form: Any = {"type": "json_schema", "name": "person", "schema": demo.PERSON_SCHEMA}
    answer: Any = client.responses.create(
        model=demo.MODEL,
        input=f"STOP:refusal {demo.BE_PERSON}",
        text={"format": form},
        stream=stream,
    )
    if stream:
        *_, last = answer
        answer = last.response
    assert answer.status == "incomplete"
    assert answer.incomplete_details.reason == "content_filter"


@demo.each_way
def test_tools_go_with_structured_output(client: OpenAI) -> None:
    asked: Any = {"model": demo.MODEL, "tools": [TOOL], "response_format": Person}
    called = (
        client.chat.completions.parse(messages=demo.asking(demo.CALL), **asked).choices[0].message
    )
    assert called.tool_calls is not None
    assert called.tool_calls[0].function.parsed_arguments == GetWeather(city=demo.CITY)
    # With a word for it, since the demo would go on calling the first tool that there is.
    messages = [
        *demo.asking(demo.CALL),
        called.model_dump(exclude_none=True),
        *results(called.tool_calls),
        *demo.asking(demo.BE_PERSON),
    ]
    last = client.chat.completions.parse(messages=messages, **asked).choices[0]
    assert last.finish_reason == "stop"
    assert last.message.parsed == Person(**demo.PERSON)


@demo.each_way
def test_a_bare_schema_is_kept_to(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=demo.MODEL,
        messages=demo.asking(demo.BE_PERSON),
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "person", "schema": demo.PERSON_SCHEMA, "strict": True},
        },
    )
    assert json.loads(answer.choices[0].message.content or "") == demo.PERSON


@demo.each_way
@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ([1, 2], {"type": "array", "items": {"type": "integer"}}),
        ("red", {"type": "string", "enum": ["green", "red"]}),
        (demo.PERSON, {"anyOf": [{"type": "null"}, demo.PERSON_SCHEMA]}),
    ],
    ids=["array", "enum", "union"],
)
def test_a_value_need_not_be_an_object(client: OpenAI, value: Any, schema: Any) -> None:
    answer = client.chat.completions.create(
        model=demo.MODEL,
        messages=demo.asking(f"ECHO:{json.dumps(value)}"),
        response_format={"type": "json_schema", "json_schema": {"name": "it", "schema": schema}},
    )
    assert json.loads(answer.choices[0].message.content or "") == value


def test_any_json_object_goes_by_the_tool(client: OpenAI, went: Went) -> None:
    answer = client.chat.completions.create(
        model=demo.MODEL,
        messages=demo.asking(demo.BE_PERSON),
        response_format={"type": "json_object"},
    )
    assert json.loads(answer.choices[0].message.content or "") == demo.PERSON
    assert went() == {("tool", "not_sayable"): 1}


# What does not match


def test_a_whole_answer_that_does_not_match_is_corrected_unseen(
    client: OpenAI, api: str, went: Went
) -> None:
    assert isinstance(whole(client, api, MISFIT), Picky)
    assert went() == {("api", "corrected"): 1}


@demo.each_way
def test_one_that_never_matches_is_an_error_that_is_not_tried_again(
    client: OpenAI, api: str
) -> None:
    # With its default, which is to try again after a 502. The server's header forbids it.
    client = client.with_options(max_retries=2)
    with pytest.raises(openai.InternalServerError, match="does not match the schema") as raised:
        whole(client, api, MISFITS)
    assert raised.value.status_code == 502
    assert raised.value.response.request.headers["x-stainless-retry-count"] == "0"


def whole(client: OpenAI, api: str, text: str) -> Any:
    if api == "responses":
        return client.responses.parse(model=demo.MODEL, input=text, text_format=Picky).output_parsed
    answer = client.chat.completions.parse(
        model=demo.MODEL, messages=demo.asking(text), response_format=Picky
    )
    return answer.choices[0].message.parsed


@pytest.mark.parametrize("ask", ["streamed"], indirect=True)
def test_the_helpers_raise_on_a_stream_that_does_not_match(ask: Ask, went: Went) -> None:
    # They validate the text before they hand on the event that says why it does not match.
    with pytest.raises(ValidationError, match="less than or equal to 30"):
        ask(MISFIT, Picky)
    assert went() == {("api", "mismatched"): 1}


def test_the_events_of_a_stream_say_what_does_not_match(client: OpenAI, api: str) -> None:
    form: Any = {"name": "picky", "schema": Picky.model_json_schema()}
    last: Any
    if api == "chat":
        *_, chunk = client.chat.completions.create(
            model=demo.MODEL,
            messages=demo.asking(MISFIT),
            response_format={"type": "json_schema", "json_schema": form},
            stream=True,
        )
        last = chunk.choices[0]
        assert last.finish_reason == "stop"
    else:
        *_, event = client.responses.create(
            model=demo.MODEL,
            input=MISFIT,
            text={"format": {"type": "json_schema", **form}},
            stream=True,
        )
        assert event.type == "response.completed"
        last = event.response
    assert last.schema_mismatch == "$.age: 36 is greater than the maximum of 30"


@pytest.mark.parametrize("way", ["tool"], indirect=True)
def test_by_the_tool_such_a_stream_ends_with_an_error(client: OpenAI, api: str) -> None:
    if api == "chat":
        with (
            pytest.raises(openai.APIError, match="does not match the schema"),
            client.chat.completions.stream(
                model=demo.MODEL, messages=demo.asking(MISFIT), response_format=Picky
            ) as stream,
        ):
            stream.until_done()
        return
    with client.responses.stream(model=demo.MODEL, input=MISFIT, text_format=Picky) as running:
        *_, last = running
        assert last.type == "response.failed"
        assert last.response.error is not None
        assert "does not match the schema" in last.response.error.message
        with pytest.raises(RuntimeError, match=r"response\.completed"):
            running.get_final_response()
