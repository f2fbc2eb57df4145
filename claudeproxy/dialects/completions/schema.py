"""OpenAI Completions: what a request may hold, and what is answered.

Source: OpenAI's OpenAPI document 2.3.0 (CreateCompletionRequest, CreateCompletionResponse).
"""

from __future__ import annotations

from ..kinds import Either, Flag, List, Nothing, Number, Text
from ..openai_request import (
    LOGIT_BIAS,
    MODEL,
    MOST_CHOICES,
    PENALTIES,
    SEED,
    STOP,
    STREAM,
    STREAM_OPTIONS,
    TEMPERATURE,
    TOP_P,
    USER,
)
from ..openapi import COUNT, NOT_EMPTY, TEXT, Schema, all_of, array, one_of, or_null, ref, struct
from ..parameters import Field, Object, Use


_NO_SUFFIX = "Inserting text before a suffix is not supported."
_PROMPT = Text()

REQUEST = Object(
    (
        MODEL,
        Field(
            "prompt",
            Either(
                (_PROMPT, List(_PROMPT, least=1, most=MOST_CHOICES)),
                "a string or an array of strings",
            ),
            required=True,
        ),
        STREAM,
        STREAM_OPTIONS,
        Field("n", Number(1, MOST_CHOICES, whole=True)),
        Field("max_tokens", Number(-1, whole=True), note="0 and -1 are no limit."),
        STOP,
        Field("echo", Flag()),
        TEMPERATURE,
        TOP_P,
        SEED,
        LOGIT_BIAS,
        USER,
        *PENALTIES,
        Field("suffix", Nothing(_NO_SUFFIX, ("",), Text()), Use.REFUSED),
        Field("logprobs", Number(0, 5, whole=True), Use.IGNORED),
        Field("best_of", Number(0, MOST_CHOICES, whole=True), note="At most `n`."),
    )
)


def schemas() -> dict[str, Schema]:
    """What a request and an answer are, for the OpenAPI document."""
    return {**_request(), **_answer()}


def _request() -> dict[str, Schema]:
    """What is asked."""
    return {"CompletionRequest": REQUEST.schema()}


def _answer() -> dict[str, Schema]:
    """What is answered."""
    choice = all_of(
        text=TEXT,
        index=COUNT,
        logprobs={"type": "null"},
        finish_reason=one_of("stop", "length", "content_filter"),
    )
    return {
        "Completion": struct(
            ("id", "object", "created", "model", "choices"),
            id=NOT_EMPTY,
            object={"const": "text_completion"},
            created=COUNT,
            model=TEXT,
            choices=array(choice),
            usage=or_null(ref("Usage")),
        ),
    }
