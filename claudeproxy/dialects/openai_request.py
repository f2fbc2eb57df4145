"""The common fields of requests in OpenAI's dialects, and functions that read them.

Source: OpenAI's OpenAPI document 2.3.0 (CreateChatCompletionRequest, CreateCompletionRequest,
CreateResponse).
"""

from __future__ import annotations

from typing import Any

from ..conversation import Limits
from ..errors import APIError, bad_request
from .fields import Fields
from .json_body import parse_object
from .kinds import Choice, Either, Flag, Invalid, List, Map, Number, Text
from .parameters import Field, Object, Use, told
from .wording import openai_error


EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MOST_STOPS = 4
MOST_CHOICES = 8
LONGEST_NAME = 64
NAME = rf"[a-zA-Z0-9_-]{{1,{LONGEST_NAME}}}"

MODEL = Field("model", Text(empty=False), required=True)
STREAM = Field("stream", Flag())
STREAM_OPTIONS = Field(
    "stream_options",
    Object(
        (Field("include_usage", Flag()), Field("include_obfuscation", Flag(), Use.ACCEPTED)),
    ),
    note="Only with `stream`.",
)
STOP = Field("stop", Either((Text(), List(Text(), most=MOST_STOPS)), "a string or an array"))
TEMPERATURE = Field("temperature", Number(0, 2))
TOP_P = Field("top_p", Number(0, 1))
SEED = Field("seed", Number(whole=True), Use.IGNORED)
LOGIT_BIAS = Field("logit_bias", Map(), Use.IGNORED, harmless=({},))
USER = Field("user", Text(), Use.IGNORED)
PENALTIES = tuple(
    Field(name, Number(-2, 2), Use.IGNORED, harmless=(0,))
    for name in ("presence_penalty", "frequency_penalty")
)
# Fields for OpenAI's accounting, caching and moderation. They are not passed on to Anthropic.
ACCOUNTING = (
    USER,
    *(
        Field(name, Text(), Use.IGNORED)
        for name in (
            *("safety_identifier", "service_tier"),
            *("prompt_cache_key", "prompt_cache_retention"),
        )
    ),
    *(Field(name, Map(), Use.IGNORED) for name in ("prompt_cache_options", "moderation")),
)
VERBOSITY = Field("verbosity", Choice(("low", "medium", "high")), Use.IGNORED)


def read_request(body: bytes, declared: Object) -> tuple[Fields, tuple[str, ...]]:
    """Parse and check a request; return it and the names of ignored fields; raise a 400."""
    return check_request(parse_object(body), declared)


def check_request(value: dict[str, Any], declared: Object) -> tuple[Fields, tuple[str, ...]]:
    """Check a parsed request; return it and the names of ignored fields; raise a 400."""
    try:
        ignored = declared.check(value)
    except Invalid as error:
        raise openai_error(error) from None
    return Fields(value), told(ignored)


def wants_usage(fields: Fields) -> bool:
    """Whether a stream must end with the usage; raise a 400 for options without a stream."""
    if fields.has("stream_options") and not fields.get("stream"):
        raise bad_request(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )
    return bool(fields.child("stream_options").get("include_usage"))


def read_stops(fields: Fields) -> tuple[str, ...]:
    """Return the stop sequences that are not empty."""
    given = fields.get("stop", ())
    return tuple(stop for stop in ([given] if isinstance(given, str) else given) if stop)


def effort_of(fields: Fields, name: str) -> dict[str, Any]:
    """Return the fields of Limits for a reasoning effort."""
    effort = fields.get(name)
    levels = {"minimal": "low", "none": None}
    return {"effort": levels.get(effort, effort), "thinking": effort != "none"}


def limits(fields: Fields, **more: Any) -> Limits:
    """Return the limits of an answer, read from the fields that all of these dialects have."""
    return Limits(
        model=fields.get("model"),
        temperature=fields.get("temperature"),
        top_p=fields.get("top_p"),
        streamed=bool(fields.get("stream")),
        **more,
    )


def unsupported_parameter(name: str, why: str) -> APIError:
    """400: a parameter that would change the response and is not supported."""
    return bad_request(f"Unsupported parameter: '{name}'. {why}", name, "unsupported_parameter")
