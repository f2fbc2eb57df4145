"""Anthropic Messages, for the OpenAPI document. The bounds are the dialect's own."""

from __future__ import annotations

from ..openapi import (
    COUNT,
    FUNCTION_NAME,
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
from ..openapi import IGNORED as TOLD_IGNORED
from ..tools import MOST_TOOLS
from .request import (
    ASKS_FOR_NOTHING,
    DISPLAYS,
    EFFORTS,
    IGNORED,
    LEAST_BUDGET,
    REFUSED,
)


def request() -> dict[str, Schema]:
    """What is asked."""
    choice = struct(
        ("type",),
        type={"enum": ["auto", "any", "tool", "none"]},
        name=optional("string"),
        disable_parallel_tool_use=optional("boolean"),
    )
    thinking = [
        struct(("type",), type={"enum": ["disabled", "adaptive"]}, display=one_of(*DISPLAYS)),
        struct(
            ("type", "budget_tokens"),
            type={"const": "enabled"},
            display=one_of(*DISPLAYS),
            budget_tokens={"type": "integer", "minimum": LEAST_BUDGET},
        ),
    ]
    form = struct(("type", "schema"), type={"const": "json_schema"}, schema={"type": "object"})
    config = struct((), effort=one_of(*EFFORTS), format=or_null(form))
    tool = struct(
        ("name", "input_schema"),
        type={"enum": ["custom", None]},
        name=FUNCTION_NAME,
        description=optional("string"),
        input_schema={"type": "object"},
    )
    common: dict[str, Schema] = {
        "model": NOT_EMPTY,
        "messages": array(ref("AnthropicMessage"), minItems=1),
        "system": or_null(TEXT, array(all_of(type={"const": "text"}, text=TEXT))),
        "tools": optional("array", items=tool, maxItems=MOST_TOOLS),
        "tool_choice": or_null(choice),
        "thinking": or_null(*thinking),
        "output_config": or_null(config),
        "output_format": or_null(form),
        "stop_sequences": optional("array", items=NOT_EMPTY),
        "temperature": optional("number", minimum=0, maximum=1),
        "top_p": optional("number", minimum=0, maximum=1),
        **{name: {"description": TOLD_IGNORED} for name in IGNORED},
        **dict.fromkeys(REFUSED, refused(*ASKS_FOR_NOTHING[1:])),
    }
    return {
        "MessagesRequest": struct(
            ("model", "messages", "max_tokens"),
            **common,
            max_tokens={"type": "integer", "minimum": 1},
            stream=optional("boolean"),
        ),
        "CountRequest": struct(("model", "messages"), **common),
        "AnthropicMessage": _message(),
    }


def _message() -> Schema:
    text = all_of(type={"const": "text"}, text=TEXT)
    data = all_of(type={"const": "base64"}, media_type=TEXT, data=NOT_EMPTY)
    url = all_of(type={"const": "url"}, url={"type": "string", "pattern": "^https://"})
    plain = all_of(type={"const": "text"}, media_type=TEXT, data=NOT_EMPTY)
    image = all_of(type={"const": "image"}, source={"anyOf": [data, url]})
    document = struct(
        ("type", "source"),
        type={"const": "document"},
        source={"anyOf": [data, url, plain]},
        title=optional("string"),
        citations=or_null(struct((), enabled={"enum": [False, None]})),
    )
    shown = {"anyOf": [text, image, document]}
    result = struct(
        ("type", "tool_use_id"),
        type={"const": "tool_result"},
        tool_use_id=NOT_EMPTY,
        content=or_null(TEXT, array(shown)),
        is_error=optional("boolean"),
    )
    call = all_of(
        type={"const": "tool_use"}, id=NOT_EMPTY, name=FUNCTION_NAME, input={"type": "object"}
    )
    thought = struct(("type",), type={"enum": ["thinking", "redacted_thinking"]})
    users = {"anyOf": [NOT_EMPTY, array({"anyOf": [text, image, document, result]}, minItems=1)]}
    models = {"anyOf": [TEXT, array({"anyOf": [text, call, thought]})]}
    return {
        "anyOf": [
            all_of(role={"const": "user"}, content=users),
            all_of(role={"const": "assistant"}, content=models),
        ]
    }


def answer() -> dict[str, Schema]:
    """What is answered."""
    blocks: list[Schema] = [
        all_of(type={"const": "text"}, text=TEXT),
        all_of(type={"const": "thinking"}, thinking=TEXT, signature=TEXT),
        all_of(type={"const": "tool_use"}, id=NOT_EMPTY, name=TEXT, input={"type": "object"}),
    ]
    usage = {"type": "object", "additionalProperties": COUNT}
    return {
        "AnthropicAnswer": all_of(
            id=NOT_EMPTY,
            type={"const": "message"},
            role={"const": "assistant"},
            model=TEXT,
            content=array({"anyOf": blocks}),
            stop_reason=optional("string"),
            stop_sequence=optional("string"),
            usage=usage,
        ),
        "AnthropicEvent": struct(("type",), type=NOT_EMPTY),
        "TokenCount": all_of(input_tokens=COUNT),
        "AnthropicError": all_of(
            type={"const": "error"}, error=all_of(type=NOT_EMPTY, message=NOT_EMPTY)
        ),
    }
