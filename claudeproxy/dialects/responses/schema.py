"""OpenAI Responses and Completions, for the OpenAPI document. The bounds are the dialects' own."""

from __future__ import annotations

from ..openai_request import EFFORTS, MOST_CHOICES, MOST_STOPS
from ..openapi import (
    COUNT,
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
from .request import REFUSED, SUMMARIES


IGNORED_TEXTS = (
    *("user", "safety_identifier", "service_tier"),
    *("prompt_cache_key", "prompt_cache_retention"),
)
PENALTY = optional("number", IGNORED, minimum=-2, maximum=2)
PENALTIES = dict.fromkeys(("presence_penalty", "frequency_penalty"), PENALTY)
SAMPLING = {
    "temperature": optional("number", minimum=0, maximum=2),
    "top_p": optional("number", minimum=0, maximum=1),
}


def request() -> dict[str, Schema]:
    """What is asked."""
    kind = {"const": "function"}
    tool = struct(
        ("type", "name"),
        type=kind,
        name=FUNCTION_NAME,
        description=optional("string"),
        parameters=optional("object", "A JSON Schema with an object at its root."),
        strict=optional("boolean", IGNORED),
    )
    named = all_of(type=kind, name=TEXT)
    modes: Schema = {"enum": ["none", "auto", "required"]}
    allowed = all_of(
        type={"const": "allowed_tools"},
        mode={"enum": ["auto", "required"]},
        tools=array(named, minItems=1),
    )
    described = struct(
        ("type", "name", "schema"),
        type={"const": "json_schema"},
        name=FUNCTION_NAME,
        description=optional("string"),
        schema={"type": "object"},
        strict=optional("boolean"),
    )
    form = or_null(all_of(type={"enum": ["text", "json_object"]}), described)
    verbosity = {**one_of("low", "medium", "high"), "description": IGNORED}
    summary = one_of(*SUMMARIES)
    return {
        "ResponsesRequest": struct(
            ("model", "input"),
            model=NOT_EMPTY,
            input={"anyOf": [NOT_EMPTY, array(ref("InputItem"), minItems=1)]},
            instructions=optional("string"),
            previous_response_id=optional("string"),
            store=optional("boolean"),
            stream=optional("boolean"),
            stream_options=or_null(struct((), include_obfuscation=optional("boolean"))),
            tools=optional("array", items=tool, maxItems=MOST_TOOLS),
            tool_choice=or_null(modes, named, allowed),
            parallel_tool_calls=optional("boolean"),
            text=or_null(struct((), format=form, verbosity=verbosity)),
            reasoning=or_null(
                struct((), effort=one_of(*EFFORTS), summary=summary, generate_summary=summary)
            ),
            max_output_tokens=optional("integer", minimum=1),
            metadata=optional("object", additionalProperties=optional("string")),
            truncation=one_of("auto", "disabled"),
            include=optional("array", IGNORED, items=TEXT),
            max_tool_calls=optional("integer", IGNORED, minimum=0),
            **SAMPLING,
            **PENALTIES,
            **dict.fromkeys(IGNORED_TEXTS, optional("string", IGNORED)),
            **dict.fromkeys(("prompt_cache_options", "moderation"), optional("object", IGNORED)),
            background=refused(False),
            top_logprobs=refused(0),
            **dict.fromkeys(REFUSED, refused()),
        ),
        "InputItem": {"anyOf": _items()},
        "CompletionRequest": struct(
            ("model", "prompt"),
            model=NOT_EMPTY,
            prompt={"anyOf": [NOT_EMPTY, array(NOT_EMPTY, minItems=1, maxItems=MOST_CHOICES)]},
            stream=optional("boolean"),
            stream_options=optional("object", "Only with `stream`."),
            n=optional("integer", minimum=1, maximum=MOST_CHOICES),
            max_tokens=optional("integer", "0 is no limit.", minimum=0),
            stop=or_null(NOT_EMPTY, array(NOT_EMPTY, maxItems=MOST_STOPS)),
            echo=optional("boolean"),
            seed=optional("integer", IGNORED),
            logit_bias=optional("object", IGNORED),
            user=optional("string", IGNORED),
            **SAMPLING,
            **PENALTIES,
            suffix=refused(""),
            logprobs=refused(),
            best_of=optional("integer", "At most `n`.", minimum=0, maximum=MOST_CHOICES),
        ),
    }


def _items() -> list[Schema]:
    text = all_of(type={"const": "input_text"}, text=TEXT)
    image = struct(
        ("type", "image_url"),
        type={"const": "input_image"},
        image_url={"type": "string", "pattern": "^(data:|https://)"},
        detail=optional("string"),
    )
    file = struct(
        ("type",),
        type={"const": "input_file"},
        file_data=optional("string", "A data URL, or base64 alone.", minLength=1),
        file_url=optional("string", pattern="^https://"),
        filename=optional("string"),
        file_id=refused(),
    )
    said = all_of(type={"const": "output_text"}, text=TEXT)
    refusal = all_of(type={"const": "refusal"}, refusal=TEXT)
    shown = {"anyOf": [text, image, file]}
    kind = {"enum": ["message", None]}
    return [
        struct(
            ("role", "content"),
            type=kind,
            role={"const": "user"},
            content={"anyOf": [NOT_EMPTY, array(shown, minItems=1)]},
        ),
        struct(
            ("role", "content"),
            type=kind,
            role={"const": "assistant"},
            content={"anyOf": [TEXT, array({"anyOf": [said, text, refusal]})]},
        ),
        struct(
            ("role", "content"),
            type=kind,
            role={"enum": ["system", "developer"]},
            content={"anyOf": [TEXT, array(text)]},
        ),
        all_of(
            type={"const": "function_call"}, call_id=NOT_EMPTY, name=FUNCTION_NAME, arguments=TEXT
        ),
        all_of(
            type={"const": "function_call_output"},
            call_id=NOT_EMPTY,
            output={"anyOf": [TEXT, array(shown)]},
        ),
        all_of(type={"const": "reasoning"}),
        all_of(type={"const": "item_reference"}, id=NOT_EMPTY),
    ]


def answer() -> dict[str, Schema]:
    """What is answered."""
    item = struct(("id", "type"), id=NOT_EMPTY, type=NOT_EMPTY)
    choice = all_of(
        text=TEXT,
        index=COUNT,
        logprobs={"type": "null"},
        finish_reason=one_of("stop", "length", "content_filter"),
    )
    return {
        "Response": struct(
            ("id", "object", "created_at", "status", "model", "output", "error", "usage"),
            id=NOT_EMPTY,
            object={"const": "response"},
            created_at=COUNT,
            status={"enum": ["completed", "incomplete", "failed", "in_progress"]},
            model=TEXT,
            output=array(item),
            error=or_null(all_of(code=TEXT, message=TEXT)),
            usage=optional("object"),
        ),
        "ResponseEvent": struct(("type", "sequence_number"), type=NOT_EMPTY, sequence_number=COUNT),
        "ItemList": struct(
            ("object", "data", "has_more"),
            object={"const": "list"},
            data=array(item),
            first_id=optional("string"),
            last_id=optional("string"),
            has_more={"type": "boolean"},
        ),
        "Deleted": all_of(id=NOT_EMPTY, object={"const": "response"}, deleted={"const": True}),
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
