"""Tools whose arguments the API itself makes match their schema (`strict`), for OpenAI's dialects.

The API takes only some keywords in the schema of a strict tool (its page "Structured outputs"). A
client of OpenAI's APIs does not know that, so a tool with another schema is offered without
`strict`. What a client of Messages asks for reaches the API as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from ..conversation import Conversation, Tool
from ..errors import APIError
from ..structured.api_schema import Sayable, for_api


STRICT = "strict"
MOST_STRICT = 20
# A 400 about strict tools: of the model, of a schema, or of all schemas together.
_OF_STRICT_TOOLS = re.compile(
    r"\bstrict\b|grammar|too complex|^tools\.\d+\.custom\.input_schema", re.IGNORECASE
)


def is_strict(tool: Tool) -> bool:
    """Whether the arguments of a tool must match its schema."""
    return bool(tool.more.get(STRICT))


def has_strict_tools(conversation: Conversation) -> bool:
    """Whether a client of OpenAI's APIs has asked for strict tools."""
    return bool(conversation.strict_as) and strict_tools(conversation) > 0


def with_strict_tools(conversation: Conversation, *, most: int = MOST_STRICT) -> Conversation:
    """Return the conversation with at most so many strict tools, whose schemas the API takes."""
    tools = []
    for tool in conversation.profile.tools:
        schema = _schema_for_api(tool) if is_strict(tool) and most else None
        most -= schema is not None
        if schema is None:
            tools.append(attrs.evolve(tool, more=_without_strict(tool.more)))
        else:
            tools.append(attrs.evolve(tool, input_schema=schema))
    profile = attrs.evolve(conversation.profile, tools=tuple(tools))
    return attrs.evolve(conversation, profile=profile)


def strict_tools(conversation: Conversation) -> int:
    """The number of strict tools."""
    return sum(map(is_strict, conversation.profile.tools))


def is_of_strict_tools(error: APIError) -> bool:
    """Whether the API refused a request because of its strict tools."""
    return error.status == 400 and _OF_STRICT_TOOLS.search(error.message) is not None


def _schema_for_api(tool: Tool) -> Mapping[str, Any] | None:
    """The schema in the API's keywords; None if they cannot express all of it."""
    said = for_api(tool.input_schema)
    return said.schema if isinstance(said, Sayable) and not said.checked else None


def _without_strict(more: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in more.items() if name != STRICT}
