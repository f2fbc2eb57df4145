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

from ..scripted import (
    BE_PERSON,
    CALL,
    CALL_TWO,
    CITY,
    COUNT,
    COUNTED,
    MODEL,
    PERSON,
    PIXEL_SOURCE,
    PIXEL_URL,
    SAY,
    TEXT,
    THINK,
    THOUGHT,
    images,
    told_of,
)


HERE = Path(__file__).parent
NODE = Path(sys.executable).parent / "node"

Run = Callable[..., Any]


@pytest.fixture
def run(url: str, tmp_path: Path) -> Run:
    """Runs a script; what it prints."""

    def run(script: str, kind: str, text: str, **options: Any) -> Any:
        asked = {"url": url, "model": MODEL, "kind": kind, "text": text, **options}
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


both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
calling = pytest.mark.parametrize(
    ("text", "cities"), [(CALL, [CITY]), (CALL_TWO, [CITY, "Rome"])], ids=["one", "two"]
)


# The official client


@both
def test_openai_has_text_and_usage(run: Run, stream: bool) -> None:
    answer = run("openai", "plain", COUNT, stream=stream)
    assert answer["choices"][0]["message"]["content"] == COUNTED
    assert answer["usage"]["completion_tokens"] == 12


@both
@calling
def test_openai_runs_tools(run: Run, text: str, cities: list[str], stream: bool) -> None:
    answer = run("openai", "tools", text, stream=stream)
    assert answer["called"] == [{"city": city} for city in cities]
    assert told_of(answer["text"], *cities)


@both
def test_openai_parses_an_answer(run: Run, stream: bool) -> None:
    answer = run("openai", "parsed", BE_PERSON, stream=stream)
    assert answer["choices"][0]["message"]["parsed"] == PERSON
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_an_image_of_openais_reaches_the_api(run: Run) -> None:
    answer = run("openai", "plain", "SEEN", image=PIXEL_URL)
    assert images(answer["choices"][0]["message"]["content"]) == [PIXEL_SOURCE]


def test_openai_knows_the_error(run: Run) -> None:
    assert run("openai", "error", SAY, model="gpt-nothing") == {
        "name": "NotFoundError",
        "status": 404,
        "code": "model_not_found",
    }


@both
def test_openai_speaks_responses(run: Run, stream: bool) -> None:
    answer = run("openai", "responses", COUNT, stream=stream)
    assert answer["text"] == COUNTED
    assert answer.get("last") == ("response.completed" if stream else None)


def test_openais_responses_follow_each_other(run: Run) -> None:
    assert run("openai", "follows", SAY)["text"] == "next"


@both
def test_openai_parses_a_response(run: Run, stream: bool) -> None:
    assert run("openai", "parsedResponse", BE_PERSON, stream=stream) == PERSON


# Anthropic's client


@both
def test_anthropic_has_text_and_usage(run: Run, stream: bool) -> None:
    message = run("anthropic", "plain", COUNT, stream=stream)
    assert message["content"][0]["text"] == COUNTED
    assert (message["usage"]["output_tokens"], message["stop_reason"]) == (12, "end_turn")


@both
@calling
def test_anthropic_runs_tools(run: Run, text: str, cities: list[str], stream: bool) -> None:
    answer = run("anthropic", "tools", text, stream=stream)
    assert answer["called"] == [{"city": city} for city in cities]
    assert told_of(answer["text"], *cities)


# The AI SDK


apis = pytest.mark.parametrize("api", ["chat", "responses"])


@apis
@both
def test_the_ai_sdk_has_text_and_usage(run: Run, stream: bool, api: str) -> None:
    answer = run("ai-sdk", "plain", COUNT, stream=stream, api=api)
    assert answer["text"] == COUNTED
    assert answer["usage"]["outputTokens"] == 12
    if stream:
        assert "".join(answer["pieces"]) == COUNTED
        assert len(answer["pieces"]) > 1


@apis
@both
@calling
def test_the_ai_sdk_runs_tools(
    run: Run, text: str, cities: list[str], stream: bool, api: str
) -> None:
    answer = run("ai-sdk", "tools", text, stream=stream, api=api)
    assert answer["called"] == [{"city": city} for city in cities]
    assert answer["reasons"] == ["tool-calls", "stop"]
    assert told_of(answer["text"], *cities)


@apis
@both
@pytest.mark.parametrize("kind", ["parsed", "object"])
def test_the_ai_sdk_parses_an_answer(run: Run, kind: str, stream: bool, api: str) -> None:
    assert run("ai-sdk", kind, BE_PERSON, stream=stream, api=api) == PERSON


@both
def test_the_ai_sdk_has_reasoning_beside_the_text(run: Run, stream: bool) -> None:
    assert run("ai-sdk", "reasoning", THINK, stream=stream) == {"text": TEXT, "reasoning": THOUGHT}


def test_an_image_of_the_ai_sdks_reaches_the_api(run: Run) -> None:
    answer = run("ai-sdk", "plain", "SEEN", image=PIXEL_URL.partition(",")[2])
    assert images(answer["text"]) == [PIXEL_SOURCE]
