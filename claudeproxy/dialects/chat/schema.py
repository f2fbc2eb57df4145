"""OpenAI Chat Completions: what a request may hold, and what is answered.

Source: OpenAI's OpenAPI document 2.3.0 (CreateChatCompletionRequest,
ChatCompletionRequestMessage), and the fields that the `openai` package 3.54.0 sends back.
"""

from __future__ import annotations

from ..kinds import Anything, Choice, Flag, List, Map, Nothing, Number, Text
from ..openai_content import FILE, REFUSAL_PART, TEXT_PART, content
from ..openai_request import (
    ACCOUNTING,
    EFFORTS,
    LOGIT_BIAS,
    MODEL,
    MOST_CHOICES,
    NAME,
    PENALTIES,
    SEED,
    STOP,
    STREAM,
    STREAM_OPTIONS,
    TEMPERATURE,
    TOP_P,
    VERBOSITY,
)
from ..openai_tools import LEGACY, format_field, tool_fields
from ..openai_web_search import OPTIONS
from ..openapi import (
    NOT_EMPTY,
    TEXT,
    Schema,
    all_of,
    array,
    optional,
    or_null,
    ref,
    struct,
)
from ..parameters import Field, Object, Use, Variant


def _part(kind: str, *fields: Field) -> Object:
    return Object((Field(kind, Object(fields), required=True),))


IMAGE_PART = _part(
    "image_url",
    Field("url", Text(), required=True, note="A data URL or an https URL."),
    Field("detail", Text(), Use.IGNORED, harmless=("auto",)),
)
_TEXTS = {"text": TEXT_PART}
_SHOWN = {**_TEXTS, "image_url": IMAGE_PART, "file": _part("file", *FILE)}
_SAID = {**_TEXTS, "refusal": REFUSAL_PART}

_OTHERS = Field("provider_specific_fields", Anything(), Use.ACCEPTED)
_CALLED = Object(
    (
        Field("name", Text(NAME, empty=False), required=True),
        Field("arguments", Text(), required=True),
        Field("parsed_arguments", Anything(), Use.ACCEPTED),
        _OTHERS,
    )
)
_CUSTOM_CALLED = Object(
    (
        Field("name", Text(NAME, empty=False), required=True),
        Field("input", Text(), required=True),
    )
)


def _call(kind: str, called: Object) -> Object:
    return Object(
        (
            Field("id", Text(empty=False), required=True),
            Field(kind, called, required=True),
            Field("index", Anything(), Use.ACCEPTED),
            _OTHERS,
        )
    )


_CALL = _call("function", _CALLED)
_CUSTOM_CALL = _call("custom", _CUSTOM_CALLED)
# Put before the text, so that the model knows the author.
_SPEAKER = Field("name", Text())
_SYSTEM = Object((Field("content", content(_TEXTS)), _SPEAKER))
_USER = Object((Field("content", content(_SHOWN), required=True), _SPEAKER))
# Clients send back whole messages of answers, this server's and others'.
_ASSISTANT = Object(
    (
        Field("content", content(_SAID)),
        Field("refusal", Text()),
        Field("tool_calls", List(Variant("type", {"function": _CALL, "custom": _CUSTOM_CALL}))),
        Field("function_call", _CALLED, note="Deprecated: see `tool_calls`."),
        _SPEAKER,
        *(
            Field(name, Anything(), Use.ACCEPTED)
            for name in (
                *("annotations", "audio", "parsed", "provider_specific_fields"),
                *("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks"),
            )
        ),
    )
)
_TOOL = Object(
    (
        Field("tool_call_id", Text(empty=False), required=True),
        Field("content", content(_SHOWN)),
        # Some clients repeat the name of the tool.
        Field("name", Text(), Use.ACCEPTED),
    )
)
_FUNCTION = Object(
    (Field("name", Text(empty=False), required=True), Field("content", content(_SHOWN)))
)
MESSAGE = Variant(
    "role",
    {
        "developer": _SYSTEM,
        "system": _SYSTEM,
        "user": _USER,
        "assistant": _ASSISTANT,
        "tool": _TOOL,
        "function": _FUNCTION,
    },
)

_NO_AUDIO = "Audio is not supported."
_BOUND = Number(-1, whole=True)

REQUEST = Object(
    (
        MODEL,
        Field("messages", List(MESSAGE, least=1), required=True),
        STREAM,
        STREAM_OPTIONS,
        Field("max_tokens", _BOUND, note="0 and -1 are no limit."),
        Field("max_completion_tokens", _BOUND, note="0 and -1 are no limit."),
        STOP,
        Field("n", Number(1, MOST_CHOICES, whole=True)),
        *tool_fields(nested=True),
        *LEGACY,
        format_field("response_format", nested=True),
        Field("reasoning_effort", Choice(EFFORTS)),
        TEMPERATURE,
        TOP_P,
        *PENALTIES,
        SEED,
        LOGIT_BIAS,
        VERBOSITY,
        Field("prediction", Map(), Use.IGNORED),
        Field("store", Flag(), Use.IGNORED, harmless=(False,)),
        Field("metadata", Map(), Use.IGNORED, harmless=({},)),
        *ACCOUNTING,
        # Not available. Some clients ask for them by default, so they get an answer without them.
        Field("logprobs", Flag(), Use.IGNORED, harmless=(False,)),
        Field("top_logprobs", Number(0, 20, whole=True), Use.IGNORED, harmless=(0,)),
        Field("audio", Nothing(_NO_AUDIO), Use.REFUSED),
        Field("modalities", List(Nothing(_NO_AUDIO, ("text",), Text()))),
        Field("web_search_options", OPTIONS),
    )
)


def schemas() -> dict[str, Schema]:
    """What a request and an answer are, for the OpenAPI document."""
    return {**_request(), **_answer()}


def _request() -> dict[str, Schema]:
    """What is asked."""
    schema = REQUEST.schema()
    schema["properties"]["messages"]["items"] = ref("Message")
    return {"ChatRequest": schema, "Message": MESSAGE.schema()}


def _answer() -> dict[str, Schema]:
    """What is answered."""
    count: Schema = {"type": "integer", "minimum": 0}
    counts: Schema = {"type": "object", "additionalProperties": count}
    role, null = {"const": "assistant"}, {"type": "null"}
    reasons = ["stop", "length", "tool_calls", "function_call", "content_filter"]
    function, piece = all_of(name=TEXT, arguments=TEXT), struct(name=TEXT, arguments=TEXT)
    called = {"function": function, "custom": all_of(name=TEXT, input=TEXT)}
    call: Schema = {
        "anyOf": [
            all_of(id=NOT_EMPTY, type={"const": tag}, **{tag: of}) for tag, of in called.items()
        ]
    }
    pieces = {"function": piece, "custom": struct(name=TEXT, input=TEXT)}
    of_call = struct(("index",), index=count, id=TEXT, type={"enum": [*called]}, **pieces)
    more = {"annotations": array({}), "reasoning_content": TEXT, "function_call": function}
    message = all_of(role=role, content=optional("string"), refusal=optional("string"))
    message["properties"].update(more, tool_calls=array(call, minItems=1))
    changed = {"tool_calls": array(of_call, minItems=1), "function_call": piece}
    delta = {"type": "object", "properties": {**message["properties"], **changed}}
    ends: Schema = {"enum": reasons}
    whole = all_of(index=count, message=message, finish_reason=ends, logprobs=null)
    part = all_of(index=count, delta=delta, finish_reason={"enum": [*reasons, None]}, logprobs=null)
    common = {"id": NOT_EMPTY, "created": count, "model": TEXT, "service_tier": TEXT}
    return {
        "ChatCompletion": all_of(
            object={"const": "chat.completion"},
            choices=array(whole, minItems=1),
            usage=ref("Usage"),
            **common,
        ),
        "ChatChunk": struct(
            ("id", "object", "created", "model", "service_tier", "choices"),
            object={"const": "chat.completion.chunk"},
            choices=array(part),
            usage=or_null(ref("Usage")),
            **common,
        ),
        "Usage": all_of(
            **dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), count),
            **dict.fromkeys(("prompt_tokens_details", "completion_tokens_details"), counts),
        ),
    }
