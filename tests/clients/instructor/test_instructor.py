"""instructor: answers as pydantic models, in each of its modes."""

from __future__ import annotations

from collections.abc import Iterator

import instructor
import openai
import pytest
from instructor import Mode
from pydantic import field_validator

from .. import demo
from ..conftest import Went
from ..models import Person


class Picky(Person):
    @field_validator("age")
    @classmethod
    def young(cls, age: int) -> int:
        if age > 30:
            raise ValueError("too old")
        return age


# What makes the demo answer in the way of the mode, and which way the server makes that fit
# with the setting "auto", if it does.
CALL_PERSON = demo.call_of("Person", demo.PERSON)
MODES = [
    pytest.param(Mode.TOOLS, CALL_PERSON, "", id="tools"),
    # No schema goes with it.
    pytest.param(Mode.JSON, demo.BE_PERSON, "tool", id="json"),
    pytest.param(Mode.JSON_SCHEMA, demo.BE_PERSON, "api", id="json-schema"),
    pytest.param(Mode.MD_JSON, demo.BE_PERSON, "", id="markdown"),
]
BOTH = {Mode.TOOLS: CALL_PERSON, Mode.JSON_SCHEMA: demo.BE_PERSON}


def goes(by: str, setting: str) -> set[str]:
    """The ways that answers go in a mode."""
    return {setting if setting == "tool" else by} if by else set()


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, max_retries=0) as client:
        yield client


def is_ada(person: object) -> bool:
    """It makes a class of its own of each that it is given."""
    return isinstance(person, Person) and person.model_dump() == demo.PERSON


def test_the_default_mode_is_tools(client: openai.OpenAI) -> None:
    person, answer = instructor.from_openai(client).chat.completions.create_with_completion(
        model=demo.MODEL, messages=demo.asking(CALL_PERSON), response_model=Person
    )
    assert is_ada(person)
    assert answer.usage.completion_tokens > 0


@demo.each_setting
@pytest.mark.parametrize(("mode", "text", "by"), MODES)
def test_an_answer_is_parsed(
    client: openai.OpenAI, mode: Mode, text: str, by: str, setting: str, went: Went
) -> None:
    person = instructor.from_openai(client, mode=mode).chat.completions.create(
        model=demo.MODEL, messages=demo.asking(text), response_model=Person, max_retries=0
    )
    assert is_ada(person)
    assert {way for way, _ in went()} == goes(by, setting)


@demo.each_setting
@pytest.mark.parametrize(("mode", "text", "by"), MODES)
def test_a_streamed_answer_is_parsed(
    client: openai.OpenAI, mode: Mode, text: str, by: str, setting: str, went: Went
) -> None:
    # The tool is named after the class, which is another one for a stream.
    text = text.replace("Person", "PartialPerson")
    *_, last = instructor.from_openai(client, mode=mode).chat.completions.create_partial(
        model=demo.MODEL, messages=demo.asking(text), response_model=Person
    )
    assert last.model_dump() == demo.PERSON
    assert {way for way, _ in went()} == goes(by, setting)


@demo.each_setting
@pytest.mark.parametrize("mode", BOTH, ids=["tools", "json-schema"])
def test_what_nobody_scripted_fits_too(client: openai.OpenAI, mode: Mode) -> None:
    person = instructor.from_openai(client, mode=mode).chat.completions.create(
        model=demo.MODEL, messages=demo.asking("hello"), response_model=Person, max_retries=0
    )
    assert isinstance(person, Person)


@demo.each_setting
@pytest.mark.parametrize("mode", BOTH, ids=["tools", "json-schema"])
def test_it_asks_again_until_the_answer_is_valid(client: openai.OpenAI, mode: Mode) -> None:
    # The first answer is too old; what is sent then has no word in it, and the demo makes it up.
    text = BOTH[mode].replace("Person", "Picky")
    person, answer = instructor.from_openai(
        client, mode=mode
    ).chat.completions.create_with_completion(
        model=demo.MODEL, messages=demo.asking(text), response_model=Picky, max_retries=2
    )
    assert isinstance(person, Picky)
    assert person.age <= 30
    assert answer.usage.completion_tokens > 0


def test_plain_text_is_left_alone(client: openai.OpenAI) -> None:
    answer = instructor.from_openai(client).chat.completions.create(
        model=demo.MODEL, messages=demo.asking(f"ECHO:{demo.TEXT}"), response_model=None
    )
    assert answer.choices[0].message.content == demo.TEXT
