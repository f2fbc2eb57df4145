"""Chat Completions, for the OpenAPI document. The bounds are the dialect's own."""

from __future__ import annotations

from ..openai_request import EFFORTS, MOST_CHOICES, MOST_STOPS
from ..openapi import (
    FUNCTION_NAME,
    IGNORED,
    NOT_EMPTY,
    TEXT,
    Schema,
    all_of,
    array,
    one_of,
    optional,
    or_null,
    ref,
    refused,
    struct,
)
from ..tools import MOST_TOOLS


IGNORED_TEXTS = (
    *("user", "safety_identifier", "service_tier"),
    *("prompt_cache_key", "prompt_cache_retention"),
)
IGNORED_OBJECTS = ("logit_bias", "metadata", "moderation", "prediction", "prompt_cache_options")


def request() -> dict[str, Schema]:
    """What is asked."""
    function = struct(
        ("name",),
        name=FUNCTION_NAME,
        description=optional("string"),
        parameters=optional("object", "A JSON Schema with an object at its root."),
        strict=optional("boolean", IGNORED),
    )
    tool = struct(("type", "function"), type={"const": "function"}, function=function)
    named = struct(("name",), name=TEXT)
    named_choice = struct(("type", "function"), type={"const": "function"}, function=named)
    allowed = struct(
        ("mode", "tools"),
        mode={"enum": ["auto", "required"]},
        tools=array(named_choice, minItems=1),
    )
    options = dict.fromkeys(("include_usage", "include_obfuscation"), optional("boolean"))
    modes: Schema = {"enum": ["none", "auto", "required"]}
    choice = or_null(
        modes,
        named_choice,
        struct(("type", "allowed_tools"), type={"const": "allowed_tools"}, allowed_tools=allowed),
    )
    penalty = optional("number", IGNORED, minimum=-2, maximum=2)
    return {
        "ChatRequest": struct(
            ("model", "messages"),
            model=NOT_EMPTY,
            messages=array(ref("Message"), minItems=1),
            stream=optional("boolean"),
            stream_options=optional("object", "Only with `stream`.", properties=options),
            max_tokens=optional("integer", "0 is no limit.", minimum=0),
            max_completion_tokens=optional("integer", "0 is no limit.", minimum=0),
            stop=or_null(NOT_EMPTY, array(NOT_EMPTY, maxItems=MOST_STOPS)),
            n=optional("integer", minimum=1, maximum=MOST_CHOICES),
            tools=optional("array", items=tool, maxItems=MOST_TOOLS),
            tool_choice=choice,
            parallel_tool_calls=optional("boolean"),
            functions=optional("array", items=function, maxItems=MOST_TOOLS, deprecated=True),
            function_call={**or_null(modes, named), "deprecated": True},
            response_format=or_null(*_formats()),
            reasoning_effort=one_of(*EFFORTS),
            temperature=optional("number", minimum=0, maximum=2),
            top_p=optional("number", minimum=0, maximum=1),
            **dict.fromkeys(("presence_penalty", "frequency_penalty"), penalty),
            seed=optional("integer", IGNORED),
            verbosity={**one_of("low", "medium", "high"), "description": IGNORED},
            store=optional("boolean", IGNORED),
            **dict.fromkeys(IGNORED_TEXTS, optional("string", IGNORED)),
            **dict.fromkeys(IGNORED_OBJECTS, optional("object", IGNORED)),
            logprobs=refused(False),
            top_logprobs=refused(0),
            audio=refused(),
            modalities=optional("array", items={"type": "string", "not": {"const": "audio"}}),
            web_search_options=refused(),
        ),
        "Message": {"anyOf": _messages()},
    }


def _formats() -> list[Schema]:
    described = struct(
        ("name", "schema"),
        name=FUNCTION_NAME,
        description=optional("string"),
        schema={"type": "object", "description": "A JSON Schema with an object at its root."},
        strict=optional("boolean"),
    )
    return [
        struct(("type",), type={"enum": ["text", "json_object"]}),
        struct(("type", "json_schema"), type={"const": "json_schema"}, json_schema=described),
    ]


def _messages() -> list[Schema]:
    text = _part("text", text=TEXT)
    picture = _part(
        "image_url",
        image_url=struct(
            ("url",),
            url={"type": "string", "pattern": "^(data:|https://)"},
            detail=optional("string"),
        ),
    )
    file = _part(
        "file",
        file=struct(
            ("file_data",),
            file_data={**NOT_EMPTY, "description": "A data URL, or base64 alone."},
            filename=optional("string"),
            file_id=refused(),
        ),
    )
    refusal = _part("refusal", refusal=TEXT)
    shown = {"anyOf": [text, picture, file]}
    called = all_of(name=FUNCTION_NAME, arguments=TEXT)
    call = all_of(id=NOT_EMPTY, type={"const": "function"}, function=called)
    any_result = or_null(TEXT, array(shown))
    return [
        struct(
            ("role",), role={"enum": ["system", "developer"]}, content=or_null(TEXT, array(text))
        ),
        struct(
            ("role", "content"),
            role={"const": "user"},
            content={"anyOf": [NOT_EMPTY, array(shown, minItems=1)]},
        ),
        struct(
            ("role",),
            role={"const": "assistant"},
            content=or_null(TEXT, array({"anyOf": [text, refusal]})),
            refusal=optional("string"),
            tool_calls=optional("array", items=call),
            function_call={**or_null(called), "deprecated": True},
        ),
        struct(
            ("role", "tool_call_id"),
            role={"const": "tool"},
            tool_call_id=NOT_EMPTY,
            content=any_result,
        ),
        struct(("role", "name"), role={"const": "function"}, name=NOT_EMPTY, content=any_result),
    ]


def _part(kind: str, **properties: Schema) -> Schema:
    return struct(("type", kind), type={"const": kind}, **properties)


def answer() -> dict[str, Schema]:
    """What is answered."""
    count: Schema = {"type": "integer", "minimum": 0}
    counts: Schema = {"type": "object", "additionalProperties": count}
    role, kind, null = {"const": "assistant"}, {"const": "function"}, {"type": "null"}
    reasons = ["stop", "length", "tool_calls", "function_call", "content_filter"]
    function, piece = all_of(name=TEXT, arguments=TEXT), struct(name=TEXT, arguments=TEXT)
    call = all_of(id=NOT_EMPTY, type=kind, function=function)
    of_call = struct(("index", "function"), index=count, id=TEXT, type=kind, function=piece)
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
