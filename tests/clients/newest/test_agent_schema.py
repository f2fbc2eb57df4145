"""The large schema of an agent's actions, by each client that takes a pydantic model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from anthropic import Anthropic
from langchain_openai import ChatOpenAI
from openai import OpenAI
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from .. import demo
from ..agent_models import STEP, AgentOutput, LooseAgentOutput
from ..conftest import Went


Ask = Callable[[str, Any], Any]

MODELS = pytest.mark.parametrize(
    ("form", "by"),
    [(AgentOutput, ("api", "matched")), (LooseAgentOutput, ("tool", "not_sayable"))],
    ids=["union", "loose"],
)


def by_chat(url: str, text: str, form: Any) -> Any:
    with OpenAI(base_url=url, max_retries=0) as client:
        answer = client.chat.completions.parse(
            model=demo.MODEL, messages=demo.asking(text), response_format=form
        )
    return answer.choices[0].message.parsed


def by_chat_stream(url: str, text: str, form: Any) -> Any:
    with (
        OpenAI(base_url=url, max_retries=0) as client,
        client.chat.completions.stream(
            model=demo.MODEL, messages=demo.asking(text), response_format=form
        ) as stream,
    ):
        return stream.get_final_completion().choices[0].message.parsed


def by_a_bare_schema(url: str, text: str, form: Any) -> Any:
    wanted: Any = {"name": "output", "schema": form.model_json_schema(), "strict": True}
    with OpenAI(base_url=url, max_retries=0) as client:
        answer = client.chat.completions.create(
            model=demo.MODEL,
            messages=demo.asking(text),
            response_format={"type": "json_schema", "json_schema": wanted},
        )
    return form.model_validate_json(answer.choices[0].message.content)


def by_responses(url: str, text: str, form: Any) -> Any:
    with OpenAI(base_url=url, max_retries=0) as client:
        return client.responses.parse(model=demo.MODEL, input=text, text_format=form).output_parsed


def by_messages(url: str, text: str, form: Any) -> Any:
    base = url.removesuffix("/v1")
    with Anthropic(base_url=base, api_key="not-needed", max_retries=0) as client:
        return client.messages.parse(
            model=demo.MODEL,
            max_tokens=2000,
            messages=[{"role": "user", "content": text}],
            output_format=form,
        ).parsed_output


def by_langchain(url: str, text: str, form: Any) -> Any:
    model = ChatOpenAI(base_url=url, model=demo.MODEL, max_retries=0)
    return model.with_structured_output(form, method="json_schema").invoke(text)


def by_pydantic_ai(url: str, text: str, form: Any) -> Any:
    provider = OpenAIProvider(base_url=url, api_key="not-needed")
    agent: Agent[None, Any] = Agent(
        OpenAIChatModel(demo.MODEL, provider=provider), output_type=NativeOutput(form)
    )
    return asyncio.run(agent.run(text)).output


@pytest.fixture(
    params=[
        by_chat,
        by_chat_stream,
        by_a_bare_schema,
        by_responses,
        by_messages,
        by_langchain,
        by_pydantic_ai,
    ],
    ids=lambda ask: ask.__name__.removeprefix("by_"),
)
def ask(request: pytest.FixtureRequest, url: str) -> Ask:
    return lambda text, form: request.param(url, text, form)


def test_the_schemas_are_as_large_as_such_an_agents() -> None:
    assert len(json.dumps(AgentOutput.model_json_schema())) > 15_000


@demo.each_setting
@MODELS
def test_a_step_of_the_agent(
    ask: Ask, form: Any, by: tuple[str, str], setting: str, went: Went
) -> None:
    step = form(**STEP)
    assert ask(f"ECHO:{step.model_dump_json()}", form) == step
    # With this setting it is not even tried by the API.
    assert went() == {("tool", "chosen") if setting == "tool" else by: 1}


@demo.each_setting
@MODELS
def test_a_step_that_nobody_scripted(
    ask: Ask, form: Any, by: tuple[str, str], setting: str, went: Went
) -> None:
    assert ask("hello", form).action
    assert {way for way, _ in went()} == {"tool" if setting == "tool" else by[0]}


def test_what_the_api_finds_too_complex_goes_by_the_tool(
    ask: Ask, went: Went, request: pytest.FixtureRequest
) -> None:
    # A schema of the test's own, because the server remembers that the API refused it.
    form: Any = type("Complex", (AgentOutput,), {"__doc__": f"For {request.node.name}."})
    step = form(**STEP)
    assert ask(f"COMPLEX ECHO:{step.model_dump_json()}", form) == step
    assert went() == {("tool", "schema"): 1}
