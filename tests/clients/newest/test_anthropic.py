"""Anthropic's own SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic, BadRequestError, NotFoundError, beta_tool

from .. import demo


TOOL: Any = {
    "name": "get_weather",
    "description": "How warm it is.",
    "input_schema": demo.WEATHER_SCHEMA,
}


@pytest.fixture
def client(url: str) -> Iterator[Anthropic]:
    base = url.removesuffix("/v1")
    with Anthropic(base_url=base, api_key="not-needed", max_retries=0) as made:
        yield made


def said(text: str) -> Any:
    return {"role": "user", "content": text}


def test_a_message(client: Anthropic) -> None:
    message = client.messages.create(model=demo.MODEL, max_tokens=100, messages=[said(demo.COUNT)])
    assert [block.text for block in message.content] == [demo.COUNTED]
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 12)


def test_models(client: Anthropic) -> None:
    listed = client.models.list().data
    assert {"claude-opus-4", "sonnet"} <= {model.id for model in listed}
    assert {(model.type, bool(model.display_name)) for model in listed} == {("model", True)}
    assert {model.lifecycle for model in listed} == {"active"}
    assert [model.id for model in client.models.list(limit=2)] == [model.id for model in listed]
    assert client.models.list(lifecycle=["retired"]).data == []
    capabilities = client.models.retrieve("sonnet").capabilities
    assert capabilities is not None
    assert capabilities.effort.high.supported
    assert not capabilities.thinking.types.between_tools.supported
    assert client.models.retrieve("sonnet").created_at == listed[0].created_at


def test_a_stream(client: Anthropic) -> None:
    with client.messages.stream(
        model=demo.MODEL, max_tokens=100, messages=[said(demo.COUNT)]
    ) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(pieces) > 1
    assert "".join(pieces) == demo.COUNTED
    assert message.usage.output_tokens == 12


@demo.both
def test_a_tool_is_called_and_its_result_answered(client: Anthropic, stream: bool) -> None:
    def ask(messages: list[Any]) -> Any:
        told: Any = {
            "model": demo.MODEL,
            "max_tokens": 500,
            "messages": messages,
            "tools": [TOOL],
        }
        if not stream:
            return client.messages.create(**told)
        with client.messages.stream(**told) as running:
            return running.get_final_message()

    first = ask([said(demo.CALL)])
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert (call.name, call.input, first.stop_reason) == (
        "get_weather",
        {"city": demo.CITY},
        "tool_use",
    )
    result = {
        "type": "tool_result",
        "tool_use_id": call.id,
        "content": demo.get_weather(demo.CITY),
    }
    messages = [
        said(demo.CALL),
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    last = ask(messages)
    assert demo.told_of(last.content[-1].text, demo.CITY)


def test_errors_are_its_own(client: Anthropic) -> None:
    with pytest.raises(NotFoundError):
        client.messages.create(model="nope", max_tokens=9, messages=[said("x")])
    with pytest.raises(BadRequestError, match="max_tokens"):
        client.messages.create(model=demo.MODEL, max_tokens=0, messages=[said("x")])


def test_counting(client: Anthropic) -> None:
    counted = client.messages.count_tokens(model=demo.MODEL, messages=[said("word " * 100)])
    assert 50 < counted.input_tokens < 500


# Its threads are kept by a server, and this one keeps none.


@demo.both
def test_the_tool_runner_goes_on_without_a_thread(client: Anthropic, stream: bool) -> None:
    @beta_tool(name="get_weather")
    def look(city: str) -> str:
        """How warm it is.

        Args:
            city: where
        """
        return demo.get_weather(city)

    asked: Any = {
        "model": demo.MODEL,
        "max_tokens": 500,
        "messages": [said(demo.CALL)],
        "tools": [look],
    }
    runner: Any = client.beta.messages.tool_runner(stream=stream, **asked)
    answers = [turn.get_final_message() if stream else turn for turn in runner]
    assert [answer.stop_reason for answer in answers] == ["tool_use", "end_turn"]
    assert demo.told_of(answers[-1].content[0].text, demo.CITY)


def test_a_thread_of_its_own_is_refused(client: Anthropic) -> None:
    with pytest.raises(BadRequestError) as raised:
        client.beta.messages.create(
            model=demo.MODEL,
            max_tokens=50,
            messages=[said(demo.COUNT)],
            thread={"type": "create"},
        )
    assert "does not store threads" in str(raised.value)
