"""Anthropic Messages: what a request may hold, and what is answered.

Source: Anthropic's API reference, "Create a Message", and the `anthropic` package 2.12.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..kinds import Anything, Choice, Either, Flag, Kind, List, Map, Nothing, Number, Text
from ..openapi import COUNT, NOT_EMPTY, TEXT, Schema, all_of, array, optional, ref, struct
from ..parameters import Field, Object, Use, Variant
from . import server_tools


EFFORTS = ("low", "medium", "high", "xhigh", "max")
LEAST_BUDGET = 1024
DISPLAYS = ("summarized", "omitted", "updates")
# The fields of a tool that reach the API as they are.
MORE_OF_TOOLS: Mapping[str, Kind] = {
    "strict": Flag(),
    "input_examples": List(Map()),
    "eager_input_streaming": Flag(),
}
TOOL_NAME = "[a-zA-Z0-9_-]{1,128}"

# Ignored, because the CLI sets its own cache breakpoints.
_CACHE = Field("cache_control", Anything(), Use.IGNORED)
_CITATIONS = "Citations are not supported."


def _needed(name: str, kind: Kind) -> Field:
    return Field(name, kind, required=True)


_FILLED = Text(empty=False)
_CITED = Field("citations", List(Map()))
_TEXT = Object((_needed("text", Text()), _CACHE, Field("citations", Anything(), Use.ACCEPTED)))
_SAID = Object((_needed("text", Text()), _CACHE, _CITED))
_BASE64 = Object((_needed("media_type", Text()), _needed("data", _FILLED)))
_PLAIN = Object((Field("media_type", Text()), _needed("data", _FILLED)))
_URL = Object((_needed("url", Text("https://.*")),))
_IMAGE = Object((_needed("source", Variant("type", {"base64": _BASE64, "url": _URL})), _CACHE))
# A document of texts and images.
_PIECES = Object(
    (
        _needed(
            "content",
            Either(
                (Text(), List(Variant("type", {"text": _TEXT, "image": _IMAGE}, what="Blocks"))),
                "a string or an array of blocks",
            ),
        ),
    )
)
_SOURCES = {"base64": _BASE64, "text": _PLAIN, "url": _URL, "content": _PIECES}
_DOCUMENT = Object(
    (
        _needed("source", Variant("type", _SOURCES)),
        Field("title", Text()),
        Field("context", Text()),
        Field("citations", Object((Field("enabled", Nothing(_CITATIONS, (False,), Flag())),))),
        _CACHE,
    )
)
_SHOWN: dict[str, Kind] = {"text": _TEXT, "image": _IMAGE, "document": _DOCUMENT}


def _content(blocks: dict[str, Kind], *, least: int = 0, empty: bool = True) -> Kind:
    listed = List(Variant("type", blocks, what="Blocks"), least=least)
    return Either((Text(empty=empty), listed), "a string or an array of blocks")


# Search results and references to tools. The model gets them as text.
_FOUND = Object(
    (
        _needed("source", Text()),
        _needed("title", Text()),
        _needed("content", List(Variant("type", {"text": _TEXT}, what="Blocks"))),
        _CACHE,
        Field("citations", Anything(), Use.IGNORED),
    )
)
_REFERENCE = Object((_needed("tool_name", Text()), _CACHE))
_AS_TEXT: dict[str, Kind] = {"search_result": _FOUND, "tool_reference": _REFERENCE}
_RESULT = Object(
    (
        _needed("tool_use_id", _FILLED),
        Field("content", _content({**_SHOWN, **_AS_TEXT})),
        Field("is_error", Flag()),
        _CACHE,
    )
)
_CALL = Object(
    (
        _needed("id", _FILLED),
        _needed("name", Text(TOOL_NAME, empty=False)),
        _needed("input", Map()),
        _CACHE,
        Field("caller", Anything(), Use.ACCEPTED),
    )
)
# Not used: the process that has the conversation still has the model's thinking.
_THOUGHT = Object(
    tuple(Field(name, Text(), Use.ACCEPTED) for name in ("thinking", "signature", "data"))
)
# Calls and results of Anthropic's server tools. They are sent back to the API unchanged.
SERVER_BLOCKS = (
    *("server_tool_use", "web_search_tool_result", "web_fetch_tool_result"),
    *("code_execution_tool_result", "bash_code_execution_tool_result"),
    *("text_editor_code_execution_tool_result", "tool_search_tool_result"),
)
_TOOL = Object(
    (
        _needed("name", Text(TOOL_NAME, empty=False)),
        Field("description", Text()),
        _needed("input_schema", Map()),
        _CACHE,
        # All tools are offered from the beginning.
        Field("defer_loading", Flag(), Use.IGNORED, harmless=(False,)),
        # The API checks these itself.
        *(Field(name, kind) for name, kind in MORE_OF_TOOLS.items()),
    )
)
TOOL = Variant(
    "type",
    {"custom": _TOOL, **server_tools.TOOLS},
    default="custom",
    what="Tools",
    refused=server_tools.REFUSED,
)
# Changes of the tools in the middle of a conversation (betas mid-conversation-tool-changes and
# inline-tools). A definition is a tool as in `tools`.
_BY_NAME = Object((_needed("name", Text()),))
_BY_DEFINITION = Object((_needed("definition", TOOL),))
_CHANGES = {
    "tool_addition": {"tool_reference": _BY_NAME, "tool_definition": _BY_DEFINITION},
    "tool_removal": {"tool_reference": _BY_NAME},
}
_SYSTEM = Object(
    (
        _needed(
            "content",
            _content(
                {
                    "text": _TEXT,
                    **{
                        change: Object((_needed("tool", Variant("type", tools)), _CACHE))
                        for change, tools in _CHANGES.items()
                    },
                }
            ),
        ),
        # The effort of a single turn is ignored. Only the effort of the request is used.
        Field("output_config", Anything(), Use.IGNORED),
    )
)
MESSAGE = Variant(
    "role",
    {
        "user": Object(
            (_needed("content", _content({**_SHOWN, **_AS_TEXT, "tool_result": _RESULT})),)
        ),
        "assistant": Object(
            (
                _needed(
                    "content",
                    _content(
                        {
                            "text": _SAID,
                            "thinking": _THOUGHT,
                            "redacted_thinking": _THOUGHT,
                            "tool_use": _CALL,
                            **dict.fromkeys(SERVER_BLOCKS, Map()),
                            # Says that another model wrote the rest. The API leaves it out too.
                            "fallback": Map(),
                        }
                    ),
                ),
            )
        ),
        "system": _SYSTEM,
    },
)

_PARALLEL = Field("disable_parallel_tool_use", Flag())
_MODE = Object((_PARALLEL,))
_CHOICE = Variant(
    "type",
    {
        "auto": _MODE,
        "any": _MODE,
        "tool": Object((_needed("name", Text()), _PARALLEL)),
        "none": Object(()),
    },
)
_DISPLAY = Field("display", Choice(DISPLAYS), Use.IGNORED, harmless=("summarized",))
_PLAIN_THINKING = Object((_DISPLAY,))
_BUDGET = Field(
    "budget_tokens",
    Number(LEAST_BUDGET, whole=True),
    Use.IGNORED,
    required=True,
    note="The CLI sets its own budgets.",
)
_THINKING = Variant(
    "type",
    {
        "enabled": Object((_BUDGET, _DISPLAY)),
        "disabled": _PLAIN_THINKING,
        "adaptive": _PLAIN_THINKING,
    },
)
_FORM = Variant("type", {"json_schema": Object((_needed("schema", Map()),))})
_SKILLS = "Skills need a beta header that Claude Code does not send."
_CONTAINER = Either(
    (
        _FILLED,
        Object((Field("id", _FILLED), Field("skills", Nothing(_SKILLS, ([],)), Use.REFUSED))),
    ),
    "a string or an object",
)
# Asks to keep all thinking, which is what the CLI does.
_KEEP_THOUGHTS = tuple(
    {"type": "clear_thinking_20251015", "keep": keep} for keep in ("all", {"type": "all"})
)
_ASKS_FOR_NOTHING: tuple[Any, ...] = (
    *([], {}, {"edits": None}, {"edits": []}),
    *({"edits": [edit]} for edit in _KEEP_THOUGHTS),
)

COUNTED = Object(
    (
        _needed("model", _FILLED),
        _needed("messages", List(MESSAGE, least=1)),
        Field("system", _content({"text": _TEXT})),
        Field("tools", List(TOOL)),
        Field("tool_choice", _CHOICE),
        Field("thinking", _THINKING),
        Field("output_config", Object((Field("effort", Choice(EFFORTS)), Field("format", _FORM)))),
        Field("output_format", _FORM, note="The beta's name for `output_config.format`."),
        Field("stop_sequences", List(_FILLED)),
        Field("temperature", Number(0, 1)),
        Field("top_p", Number(0, 1)),
        Field("container", _CONTAINER),
        *(
            Field(name, Anything(), Use.IGNORED)
            for name in ("metadata", "service_tier", "top_k", "inference_geo", "cache_control")
        ),
        *(
            Field(name, Nothing(why, _ASKS_FOR_NOTHING), Use.REFUSED)
            for name, why in (
                ("mcp_servers", "MCP servers are not supported."),
                ("context_management", "Context management is not supported."),
                ("thread", "This server does not store threads. Send the whole conversation."),
            )
        ),
    )
)
REQUEST = COUNTED.and_also(_needed("max_tokens", Number(1, whole=True)), Field("stream", Flag()))


def schemas() -> dict[str, Schema]:
    """What a request and an answer are, for the OpenAPI document."""
    return {**_request(), **_answer()}


def _request() -> dict[str, Schema]:
    """What is asked."""
    asked = {"MessagesRequest": REQUEST.schema(), "CountRequest": COUNTED.schema()}
    for schema in asked.values():
        schema["properties"]["messages"]["items"] = ref("AnthropicMessage")
    return {**asked, "AnthropicMessage": MESSAGE.schema()}


_OF_SERVER: Schema = struct(("type",), type={"enum": [*SERVER_BLOCKS]})


def _answer() -> dict[str, Schema]:
    """What is answered."""
    blocks: list[Schema] = [
        all_of(type={"const": "text"}, text=TEXT),
        all_of(type={"const": "thinking"}, thinking=TEXT, signature=TEXT),
        all_of(type={"const": "tool_use"}, id=NOT_EMPTY, name=TEXT, input={"type": "object"}),
    ]
    counts = {"type": "object", "additionalProperties": COUNT}
    usage = {"type": "object", "additionalProperties": {"anyOf": [COUNT, counts]}}
    return {
        "AnthropicAnswer": all_of(
            id=NOT_EMPTY,
            type={"const": "message"},
            role={"const": "assistant"},
            model=TEXT,
            content=array({"anyOf": [*blocks, _OF_SERVER]}),
            stop_reason=optional("string"),
            stop_sequence=optional("string"),
            usage=usage,
        ),
        "AnthropicEvent": struct(("type",), type=NOT_EMPTY),
        "TokenCount": all_of(input_tokens=COUNT),
        "AnthropicError": struct(
            ("type", "error"),
            type={"const": "error"},
            error=all_of(type=NOT_EMPTY, message=NOT_EMPTY),
            request_id=TEXT,
        ),
    }
