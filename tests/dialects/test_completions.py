"""OpenAI Completions: what a request says, and how it is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import Completion

from claudeproxy.dialects import Asked
from claudeproxy.dialects.completions import error_body, read
from claudeproxy.errors import bad_request
from claudeproxy.events import Event, Finished, ReasoningDelta, Started, TextDelta, Usage

from .asking import refused, user


END = Finished("stop", Usage(3, 0, 0, 2), "end_turn")
LATE = Finished("length", Usage(3, 0, 0, 2), "max_tokens")


def ask(prompt: Any = "Hello", **more: Any) -> Asked:
    return read(json.dumps({"model": "sonnet", "prompt": prompt, **more}).encode())


def test_each_prompt_is_what_a_user_says() -> None:
    asked = ask(["one", "two"], n=2, max_tokens=5, stop="X", temperature=1)
    turns = [conversation.turns for conversation in asked.conversations]
    assert turns == [(user("one"),), (user("one"),), (user("two"),), (user("two"),)]
    limits = asked.conversation.limits
    assert (limits.max_tokens, limits.stop, limits.temperature) == (5, ("X",), 1)
    assert ask(user="me", seed=1).ignored == ("seed", "user")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        *(({"model": ""}, "model"), ({"prompt": None}, "prompt"), ({"prompt": []}, "prompt")),
        *(
            ({"prompt": " "}, "prompt"),
            ({"prompt": [1, 2]}, "prompt"),
            ({"prompt": [[1]]}, "prompt"),
        ),
        *(({"prompt": ["a"] * 9}, "prompt"), ({"n": 9}, "n"), ({"suffix": "x"}, "suffix")),
        *(({"logprobs": 0}, "logprobs"), ({"best_of": 2}, "best_of"), ({"stop": [""]}, "stop")),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(body: dict[str, Any], param: str) -> None:
    assert refused(lambda: ask(**{"prompt": "Hello", **body}))[1] == param


def test_errors_of_the_core_are_called_by_their_names_here() -> None:
    assert json.loads(error_body(bad_request("why", "messages")))["error"]["param"] == "prompt"


EVENTS: list[tuple[Event, int]] = [
    *((Started("m"), 0), (Started("m"), 1), (ReasoningDelta("hm"), 0)),
    *((TextDelta("a"), 1), (TextDelta("b"), 0), (TextDelta("c"), 1), (END, 0), (LATE, 1)),
]


def test_a_whole_answer() -> None:
    answer = ask(["one", "two"], echo=True).answer("u", 7)
    *before, last = [answer.feed(*event) for event in EVENTS]
    assert not any(before)
    body = json.loads(last)
    Completion.model_validate(body)
    assert [(choice["text"], choice["finish_reason"]) for choice in body["choices"]] == [
        ("oneb", "stop"),
        ("twoac", "length"),
    ]
    assert (body["id"], body["created"], body["usage"]["total_tokens"]) == ("cmpl-u", 7, 10)


@pytest.mark.parametrize("usage", [False, True])
def test_a_stream(usage: bool) -> None:
    options = {"stream_options": {"include_usage": usage}}
    answer = ask(["one", "two"], echo=True, stream=True, **options).answer("u", 7)
    frames = b"".join(answer.feed(*event) for event in EVENTS).decode().split("\n\n")[:-1]
    assert frames.pop() == "data: [DONE]"
    chunks = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    if usage:
        assert (chunks[-1]["choices"], chunks.pop()["usage"]["total_tokens"]) == ([], 10)
    choices = [chunk["choices"][0] for chunk in chunks]
    assert [(choice["index"], choice["text"]) for choice in choices if choice["text"]] == [
        *((0, "one"), (1, "two"), (1, "a"), (0, "b"), (1, "c"))
    ]
    ends = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    assert ends == ["stop", "length"]
