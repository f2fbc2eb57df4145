"""What Open Responses, in its version 2026-04-24, requires of a response and of a stream.

Source: the OpenAPI document of that version and the specification (openresponses.org). Here are
the fields that must be there, and their types; a server may send more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from jsonschema import Draft202012Validator


Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}


def one_of(*values: str) -> Schema:
    return {"enum": list(values)}


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def having(**fields: Schema) -> Schema:
    """An object with all of these fields."""
    return {"type": "object", "required": list(fields), "properties": fields}


def by_type(schemas: Mapping[str, Schema]) -> Schema:
    """An object of one of these types, which its field `type` tells."""
    return {
        **having(type=one_of(*schemas)),
        "allOf": [
            {"if": {"properties": {"type": {"const": name}}}, "then": schema}
            for name, schema in schemas.items()
        ],
    }


PART = by_type(
    {
        "output_text": having(text=STRING, annotations={"type": "array"}),
        "refusal": having(refusal=STRING),
        "summary_text": having(text=STRING),
        "reasoning_text": having(text=STRING),
    }
)
STATUS = one_of("in_progress", "completed", "incomplete")
MESSAGE = having(id=STRING, status=STATUS, role=one_of("assistant"), content=list_of(PART))
# It may be absent, not null.
MESSAGE["properties"]["phase"] = one_of("commentary", "final_answer")
ITEM = by_type(
    {
        "message": MESSAGE,
        "function_call": having(
            id=STRING, call_id=STRING, name=STRING, arguments=STRING, status=STATUS
        ),
        "reasoning": having(id=STRING, summary=list_of(PART)),
    }
)
TOOL = having(
    type=one_of("function"),
    name=STRING,
    description=or_null(STRING),
    parameters=or_null(OBJECT),
    strict=or_null(BOOLEAN),
)
MODE = one_of("none", "auto", "required")
CHOICE: Schema = {
    "anyOf": [
        MODE,
        having(type=one_of("function")),
        having(type=one_of("allowed_tools"), tools=list_of(OBJECT), mode=MODE),
    ]
}
FORMAT = by_type(
    {
        "text": OBJECT,
        "json_object": OBJECT,
        # The document has `schema` as null; what is meant is the schema.
        "json_schema": having(
            name=STRING, description=or_null(STRING), schema=or_null(OBJECT), strict=BOOLEAN
        ),
    }
)
EFFORT = one_of("none", "low", "medium", "high", "xhigh")
SUMMARY = one_of("concise", "detailed", "auto")
USAGE = having(
    input_tokens=INTEGER,
    input_tokens_details=having(cached_tokens=INTEGER),
    output_tokens=INTEGER,
    output_tokens_details=having(reasoning_tokens=INTEGER),
    total_tokens=INTEGER,
)
RESPONSE = having(
    id=STRING,
    object=one_of("response"),
    created_at=INTEGER,
    completed_at=or_null(INTEGER),
    status=STRING,
    incomplete_details=or_null(having(reason=STRING)),
    model=STRING,
    previous_response_id=or_null(STRING),
    instructions=or_null(STRING),
    output=list_of(ITEM),
    error=or_null(having(code=STRING, message=STRING)),
    tools=list_of(TOOL),
    tool_choice=CHOICE,
    truncation=one_of("auto", "disabled"),
    parallel_tool_calls=BOOLEAN,
    text=having(format=FORMAT),
    top_p=NUMBER,
    presence_penalty=NUMBER,
    frequency_penalty=NUMBER,
    top_logprobs=INTEGER,
    temperature=NUMBER,
    reasoning=or_null(having(effort=or_null(EFFORT), summary=or_null(SUMMARY))),
    usage=or_null(USAGE),
    max_output_tokens=or_null(INTEGER),
    max_tool_calls=or_null(INTEGER),
    store=BOOLEAN,
    background=BOOLEAN,
    service_tier=STRING,
    metadata={},
    safety_identifier=or_null(STRING),
    prompt_cache_key=or_null(STRING),
)

IN_ITEM = {"item_id": STRING, "output_index": INTEGER}
IN_PART = {**IN_ITEM, "content_index": INTEGER}
IN_SUMMARY = {**IN_ITEM, "summary_index": INTEGER}
# By type, without the `response.` in front; each has a sequence_number too.
EVENTS = {
    "created": {"response": RESPONSE},
    "queued": {"response": RESPONSE},
    "in_progress": {"response": RESPONSE},
    "completed": {"response": RESPONSE},
    "failed": {"response": RESPONSE},
    "incomplete": {"response": RESPONSE},
    "output_item.added": {"output_index": INTEGER, "item": ITEM},
    "output_item.done": {"output_index": INTEGER, "item": ITEM},
    "content_part.added": {**IN_PART, "part": PART},
    "content_part.done": {**IN_PART, "part": PART},
    "output_text.delta": {**IN_PART, "delta": STRING},
    "output_text.done": {**IN_PART, "text": STRING},
    "refusal.delta": {**IN_PART, "delta": STRING},
    "refusal.done": {**IN_PART, "refusal": STRING},
    "reasoning_summary_part.added": {**IN_SUMMARY, "part": PART},
    "reasoning_summary_part.done": {**IN_SUMMARY, "part": PART},
    "reasoning_summary_text.delta": {**IN_SUMMARY, "delta": STRING},
    "reasoning_summary_text.done": {**IN_SUMMARY, "text": STRING},
    "function_call_arguments.delta": {**IN_ITEM, "delta": STRING},
    "function_call_arguments.done": {**IN_ITEM, "arguments": STRING},
}
EVENT = by_type(
    {
        f"response.{name}": having(sequence_number=INTEGER, **fields)
        for name, fields in EVENTS.items()
    }
)
ERROR = having(
    error=having(type=STRING, code=or_null(STRING), message=STRING, param=or_null(STRING))
)


def faults(value: Any, schema: Schema) -> list[str]:
    """What is wrong with a value: each place, and why."""
    found = Draft202012Validator(schema).iter_errors(value)
    return sorted(f"{fault.json_path}: {fault.message[:200]}" for fault in found)


def events_of(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The events of a stream: each has its type in the line `event` too, and one line of data.

    A `[DONE]` may follow them.
    """
    blocks = [block.splitlines() for block in "\n".join(lines).strip().split("\n\n")]
    if blocks[-1] == ["data: [DONE]"]:
        blocks.pop()
    events = []
    for block in blocks:
        name, data = [line for line in block if not line.startswith(":")]
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def replayed(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The finished items that a stream tells of; fails where its events are not in order."""
    items: list[dict[str, Any]] = []
    due = {"created"}
    text = ""
    for number, event in enumerate(events):
        name = event["type"].removeprefix("response.")
        assert event["sequence_number"] == number
        assert name in due, f"{name} where {sorted(due)} may come"
        assert event.get("output_index", len(items)) == len(items)
        due = _may_follow(name, event)
        if name == "output_item.done":
            items.append(event["item"])
        elif name.endswith(".added"):
            text = ""
        elif name.endswith(".delta"):
            text += event["delta"]
        elif name.endswith(".done"):
            assert _told(event) == text
    assert not due, f"the stream ends where {sorted(due)} may come"
    return items


BETWEEN_ITEMS = {"output_item.added", "completed", "incomplete", "failed"}
# What may follow an event of this name.
FOLLOWING = {
    "created": {"in_progress"},
    "in_progress": BETWEEN_ITEMS,
    "output_item.done": BETWEEN_ITEMS,
    "content_part.done": {"content_part.added", "output_item.done"},
    "reasoning_summary_part.done": {"reasoning_summary_part.added", "output_item.done"},
    "output_text.done": {"content_part.done"},
    "refusal.done": {"content_part.done"},
    "reasoning_summary_text.done": {"reasoning_summary_part.done"},
    "function_call_arguments.done": {"output_item.done"},
}
# What may follow `added`, by the type of the item or the part.
BEGINNING = {
    "message": {"content_part.added"},
    "reasoning": {"reasoning_summary_part.added"},
    "function_call": {"function_call_arguments.delta", "function_call_arguments.done"},
    "output_text": {"output_text.delta", "output_text.done"},
    "refusal": {"refusal.delta", "refusal.done"},
    "summary_text": {"reasoning_summary_text.delta", "reasoning_summary_text.done"},
}


def _may_follow(name: str, event: Mapping[str, Any]) -> set[str]:
    if name.endswith(".added"):
        return BEGINNING[(event.get("item") or event["part"])["type"]]
    if name.endswith(".delta"):
        return {name, name.replace(".delta", ".done")}
    return FOLLOWING.get(name, set())


def _told(event: Mapping[str, Any]) -> str:
    """The whole text in an event that ends it."""
    told = event.get("part", event)
    return next(told[key] for key in ("text", "refusal", "arguments") if key in told)
