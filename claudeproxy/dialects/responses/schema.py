"""OpenAI Responses: what a request may hold, and what is answered.

Source: OpenAI's OpenAPI document 2.3.0 (CreateResponse, InputItem, Response), and the fields that
the `openai` package 3.54.0 sends back.
"""

from __future__ import annotations

from ..kinds import Anything, Choice, Either, Flag, List, Map, Nothing, Number, Text
from ..openai_content import FILE, NOTHING_STORED, REFUSAL_PART, TEXT_PART, content
from ..openai_request import (
    ACCOUNTING,
    EFFORTS,
    MODEL,
    NAME,
    PENALTIES,
    STREAM,
    TEMPERATURE,
    TOP_P,
    VERBOSITY,
)
from ..openai_tools import ANY_TOOL, format_field, tool_fields
from ..openai_web_search import MOST_CALLS, SOURCES
from ..openapi import COUNT, NOT_EMPTY, TEXT, Schema, all_of, array, optional, or_null, ref, struct
from ..parameters import Field, Object, Use, Variant


SUMMARIES = ("auto", "concise", "detailed")


def _accepted(*names: str) -> tuple[Field, ...]:
    """Fields that clients send back from earlier answers."""
    return tuple(Field(name, Anything(), Use.ACCEPTED) for name in names)


_OF_AN_ITEM = (
    *(Field(name, Text(), Use.ACCEPTED) for name in ("id", "status")),
    *_accepted("created_by"),
)
_IMAGE = Object(
    (
        Field("file_id", Nothing(NOTHING_STORED)),
        Field("image_url", Text(), note="A data URL or an https URL."),
        Field("detail", Text(), Use.IGNORED, harmless=("auto",)),
    )
)
_FILE = Object((*FILE, Field("file_url", Text("https://.*"))))
_SAID = Object((*TEXT_PART.fields, *_accepted("annotations", "logprobs", "parsed")))
_SHOWN = {"input_text": TEXT_PART, "input_image": _IMAGE, "input_file": _FILE}
_ANSWERED = {"output_text": _SAID, "input_text": TEXT_PART, "refusal": REFUSAL_PART}
# Put before the text, so that the model knows the author.
_SPEAKER = Field("name", Text())
_SYSTEM = Object(
    (
        Field("content", content({"input_text": TEXT_PART}), required=True),
        _SPEAKER,
        *_OF_AN_ITEM,
    )
)
_MESSAGE = Variant(
    "role",
    {
        "user": Object((Field("content", content(_SHOWN), required=True), _SPEAKER, *_OF_AN_ITEM)),
        "assistant": Object(
            (
                Field("content", content(_ANSWERED), required=True),
                _SPEAKER,
                *_OF_AN_ITEM,
                *_accepted("phase"),
            )
        ),
        "system": _SYSTEM,
        "developer": _SYSTEM,
    },
)
_CALL_ID = Field("call_id", Text(empty=False), required=True)
_TOOL_NAME = Field("name", Text(NAME), required=True)
_NAMESPACE = Field("namespace", Text())
_CALL = Object(
    (
        _CALL_ID,
        _TOOL_NAME,
        _NAMESPACE,
        Field("arguments", Text(), required=True),
        *_OF_AN_ITEM,
        *_accepted("caller", "parsed_arguments"),
    )
)
_CUSTOM_CALL = Object(
    (_CALL_ID, _TOOL_NAME, _NAMESPACE, Field("input", Text(), required=True), *_OF_AN_ITEM)
)
_OUTPUT = Object(
    (
        _CALL_ID,
        # The model gets objects and unknown parts as JSON.
        Field(
            "output",
            Either(
                (Text(), List(Variant("type", _SHOWN, what="Content parts", other=Map())), Map()),
                "a string, an array of parts or an object",
            ),
            required=True,
        ),
        *_OF_AN_ITEM,
        *_accepted("name", "namespace", "caller"),
    )
)
# One without an id is not of a call in the conversation.
_FUNCTION_OUTPUT = Object((Field("call_id", Text(empty=False)), *_OUTPUT.fields[1:]))
_EXECUTION = Field("execution", Text(), Use.ACCEPTED)
_SEARCH_CALL = Object(
    (Field("call_id", Text()), Field("arguments", Anything()), _EXECUTION, *_OF_AN_ITEM)
)
_SEARCH_OUTPUT = Object(
    (Field("call_id", Text()), Field("tools", List(ANY_TOOL)), _EXECUTION, *_OF_AN_ITEM)
)
_MORE_TOOLS = Object(
    (
        Field("tools", List(ANY_TOOL), required=True),
        Field("role", Text(), Use.ACCEPTED),
        *_OF_AN_ITEM,
    )
)
# Not used: the process that has the conversation still has the model's thinking.
_REASONING = Object(
    (
        Field("summary", List(Map()), Use.ACCEPTED),
        Field("content", List(Map()), Use.ACCEPTED),
        *_OF_AN_ITEM,
        *_accepted("encrypted_content"),
    )
)
_UPDATE = Object(
    (
        Field("reasoning", Object((Field("effort", Choice(EFFORTS)),))),
        Field("text", Object((format_field("format", nested=False),))),
        *_OF_AN_ITEM,
    )
)
_COMPACTION = Object(
    (Field("encrypted_content", Text(), required=True), *_OF_AN_ITEM, *_accepted("summary"))
)
_REFERENCE = Object((Field("id", Text(empty=False), required=True),))
# Actions of an agent or another server. The model gets them as JSON.
TOLD_AS_JSON = (
    *("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"),
    *("computer_call", "computer_call_output", "local_shell_call", "local_shell_call_output"),
    *("shell_call", "shell_call_output", "apply_patch_call", "apply_patch_call_output"),
    *("mcp_call", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response"),
    "agent_message",
)
# Items that only the server that made them can read.
LEFT_OUT = ("compaction_summary", "context_compaction")
ITEM = Variant(
    "type",
    {
        "message": _MESSAGE,
        "function_call": _CALL,
        "function_call_output": _FUNCTION_OUTPUT,
        "custom_tool_call": _CUSTOM_CALL,
        "custom_tool_call_output": _OUTPUT,
        "tool_search_call": _SEARCH_CALL,
        "tool_search_output": _SEARCH_OUTPUT,
        "additional_tools": _MORE_TOOLS,
        "reasoning": _REASONING,
        "item_reference": _REFERENCE,
        "compaction": _COMPACTION,
        "configuration_update": _UPDATE,
        "compaction_trigger": Object(_OF_AN_ITEM),
        **dict.fromkeys(TOLD_AS_JSON, Map()),
    },
    default="message",
    what="Items",
    # An unknown item is not an error, because a client may be unable to remove it from its history.
    other=Map(),
)

REQUEST = Object(
    (
        MODEL,
        Field(
            "input",
            Either((Text(), List(ITEM, least=1)), "a string or an array of items"),
            required=True,
        ),
        Field("instructions", Text()),
        Field("previous_response_id", Text()),
        Field("store", Flag()),
        STREAM,
        Field("stream_options", Object((Field("include_obfuscation", Flag(), Use.ACCEPTED),))),
        *tool_fields(nested=False),
        Field("text", Object((format_field("format", nested=False), VERBOSITY))),
        Field(
            "reasoning",
            Object(
                (
                    Field("effort", Choice(EFFORTS)),
                    Field("summary", Choice(SUMMARIES)),
                    Field(
                        "generate_summary", Choice(SUMMARIES), note="The older name of `summary`."
                    ),
                )
            ),
        ),
        Field("max_output_tokens", Number(-1, whole=True), note="0 and -1 are no limit."),
        Field("metadata", Map(Text())),
        TEMPERATURE,
        TOP_P,
        Field("truncation", Choice(("auto", "disabled")), Use.IGNORED, harmless=("disabled",)),
        Field("include", List(Text()), note=f"Only `{SOURCES}` has an effect."),
        Field("client_metadata", Map(), Use.IGNORED),
        MOST_CALLS,
        *ACCOUNTING,
        *PENALTIES,
        Field(
            "background",
            Nothing("Background responses are not supported.", (False,), Flag()),
            Use.REFUSED,
        ),
        Field("top_logprobs", Number(0, 20, whole=True), Use.IGNORED, harmless=(0,)),
        Field(
            "conversation",
            Nothing("This server does not store conversations. Use 'previous_response_id'."),
            Use.REFUSED,
        ),
        Field(
            "prompt",
            Nothing(
                "This server does not store prompt templates. Send 'instructions' and 'input'."
            ),
            Use.REFUSED,
        ),
        Field("context_management", Nothing("Context management is not supported."), Use.REFUSED),
    )
)


def schemas() -> dict[str, Schema]:
    """What a request and an answer are, for the OpenAPI document."""
    return {**_request(), **_answer()}


def _request() -> dict[str, Schema]:
    """What is asked."""
    schema = REQUEST.schema()
    schema["properties"]["input"] = or_null(NOT_EMPTY, array(ref("InputItem"), minItems=1))
    return {"ResponsesRequest": schema, "InputItem": ITEM.schema()}


def _answer() -> dict[str, Schema]:
    """What is answered."""
    item = struct(("id", "type"), id=NOT_EMPTY, type=NOT_EMPTY)
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
        "CompactedResponse": all_of(
            id=NOT_EMPTY,
            object={"const": "response.compaction"},
            created_at=COUNT,
            output=array(item),
            usage={"type": "object"},
        ),
        "ResponseTokenCount": all_of(object={"const": "response.input_tokens"}, input_tokens=COUNT),
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
    }
