"""The JavaScript clients: each test runs a script of this folder with Node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .. import demo


HERE = Path(__file__).parent
NODE = Path(sys.executable).parent / "node"

Run = Callable[..., Any]


@pytest.fixture
def run(url: str, tmp_path: Path) -> Run:
    """Runs a script; what it prints."""

    def run(script: str, kind: str, text: str, **options: Any) -> Any:
        asked = {"url": url, "model": demo.MODEL, "kind": kind, "text": text, **options}
        done = subprocess.run(
            [NODE, HERE / f"{script}.mjs", json.dumps(asked)],
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


# The official client


@demo.both
def test_openai_has_text_and_usage(run: Run, stream: bool) -> None:
    answer = run("openai", "plain", demo.COUNT, stream=stream)
    assert answer["choices"][0]["message"]["content"] == demo.COUNTED
    assert answer["usage"]["completion_tokens"] == 12


@demo.both
@demo.calling
def test_openai_runs_tools(run: Run, text: str, cities: list[str], stream: bool) -> None:
    answer = run("openai", "tools", text, stream=stream)
    assert answer["called"] == [{"city": city} for city in cities]
    assert demo.told_of(answer["text"], *cities)


@demo.both
def test_openai_parses_an_answer(run: Run, stream: bool) -> None:
    answer = run("openai", "parsed", demo.BE_PERSON, stream=stream)
    assert answer["choices"][0]["message"]["parsed"] == demo.PERSON
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_an_image_of_openais_reaches_the_api(run: Run) -> None:
    answer = run("openai", "plain", "SEEN", image=demo.PIXEL_URL)
    assert demo.images(answer["choices"][0]["message"]["content"]) == [demo.PIXEL_SOURCE]


def test_openai_knows_the_error(run: Run) -> None:
    assert run("openai", "error", demo.SAY, model="gpt-nothing") == {
        "name": "NotFoundError",
        "status": 404,
        "code": "model_not_found",
    }


@demo.both
def test_openai_speaks_responses(run: Run, stream: bool) -> None:
    answer = run("openai", "responses", demo.COUNT, stream=stream)
    assert answer["text"] == demo.COUNTED
    assert answer.get("last") == ("response.completed" if stream else None)


def test_openais_responses_follow_each_other(run: Run) -> None:
    assert run("openai", "follows", demo.SAY)["text"] == "next"


@demo.both
def test_openai_parses_a_response(run: Run, stream: bool) -> None:
    assert run("openai", "parsedResponse", demo.BE_PERSON, stream=stream) == demo.PERSON


# Anthropic's client


@demo.both
def test_anthropic_has_text_and_usage(run: Run, stream: bool) -> None:
    message = run("anthropic", "plain", demo.COUNT, stream=stream)
    assert message["content"][0]["text"] == demo.COUNTED
    assert (message["usage"]["output_tokens"], message["stop_reason"]) == (12, "end_turn")


@demo.both
@demo.calling
def test_anthropic_runs_tools(run: Run, text: str, cities: list[str], stream: bool) -> None:
    answer = run("anthropic", "tools", text, stream=stream)
    assert answer["called"] == [{"city": city} for city in cities]
    assert demo.told_of(answer["text"], *cities)


# The AI SDK


apis = pytest.mark.parametrize("api", ["chat", "responses"])


@apis
@demo.both
def test_the_ai_sdk_has_text_and_usage(run: Run, stream: bool, api: str) -> None:
    answer = run("ai-sdk", "plain", demo.COUNT, stream=stream, api=api)
    assert answer["text"] == demo.COUNTED
    assert answer["usage"]["outputTokens"] == 12
    if stream:
        assert "".join(answer["pieces"]) == demo.COUNTED
        assert len(answer["pieces"]) > 1


@apis
@demo.both
@demo.calling
def test_the_ai_sdk_runs_tools(
    run: Run, text: str, cities: list[str], stream: bool, api: str
) -> None:
    answer = run("ai-sdk", "tools", text, stream=stream, api=api)
    assert answer["called"] == [{"city": city} for city in cities]
    assert answer["reasons"] == ["tool-calls", "stop"]
    assert demo.told_of(answer["text"], *cities)


@apis
@demo.both
@pytest.mark.parametrize("kind", ["parsed", "object"])
def test_the_ai_sdk_parses_an_answer(run: Run, kind: str, stream: bool, api: str) -> None:
    assert run("ai-sdk", kind, demo.BE_PERSON, stream=stream, api=api) == demo.PERSON


@demo.both
def test_the_ai_sdk_has_reasoning_beside_the_text(run: Run, stream: bool) -> None:
    assert run("ai-sdk", "reasoning", demo.THINK, stream=stream) == {
        "text": demo.TEXT,
        "reasoning": demo.THOUGHT,
    }


def test_an_image_of_the_ai_sdks_reaches_the_api(run: Run) -> None:
    answer = run("ai-sdk", "plain", "SEEN", image=demo.PIXEL_URL.partition(",")[2])
    assert demo.images(answer["text"]) == [demo.PIXEL_SOURCE]
