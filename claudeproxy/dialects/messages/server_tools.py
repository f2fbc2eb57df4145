"""Anthropic Messages: the tools that the API itself defines.

Source: Anthropic's API reference, "Create a Message", and its pages about each tool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...conversation import ServerTool
from ...errors import bad_request
from ..fields import Fields
from ..kinds import Anything, Choice, Flag, Kind, List, Map, Number, Text
from ..parameters import Field, Object, Use
from ..tools import DOMAINS, MOST_USES, as_listed, read_domains, used_twice
from ..wording import dotted


SEARCH = "web_search"
FETCH = "web_fetch"
CODE = "code_execution"

# The types with their versions, and the name that each has.
_SEARCHES = ("web_search_20250305", "web_search_20260209", "web_search_20260318")
_FETCHES = (
    *("web_fetch_20250910", "web_fetch_20260209", "web_fetch_20260309", "web_fetch_20260318"),
)
_CODES = (
    *("code_execution_20250522", "code_execution_20250825"),
    *("code_execution_20260120", "code_execution_20260521"),
)

_NOT_PASSED_ON = (
    # Ignored, because the CLI sets its own cache breakpoints.
    Field("cache_control", Anything(), Use.IGNORED),
    # All tools are offered from the beginning.
    Field("defer_loading", Flag(), Use.IGNORED, harmless=(False,)),
)
_COUNT = Number(1, MOST_USES, whole=True)
_DOMAINS = List(Text(), least=1)
_LOCATION = Object(
    (
        Field("type", Choice(("approximate",)), required=True),
        Field("country", Text("[A-Za-z]{2}")),
        *(Field(name, Text(empty=False)) for name in ("city", "region", "timezone")),
    )
)
_OF_ALL = (
    Field("allowed_callers", List(Text(empty=False))),
    Field("strict", Flag()),
)
_OF_THE_WEB = (
    *_OF_ALL,
    Field("max_uses", _COUNT),
    *(Field(name, _DOMAINS) for name in DOMAINS),
    # From version 20260318 on.
    Field("response_inclusion", Choice(("full", "excluded"))),
)
_FIELDS: Mapping[str, tuple[Field, ...]] = {
    # The last field is in no documentation, but Claude Code may send it.
    SEARCH: (
        *_OF_THE_WEB,
        Field("user_location", _LOCATION),
        Field("search_profile", Text()),
    ),
    FETCH: (
        *_OF_THE_WEB,
        Field("citations", Object((Field("enabled", Flag()),))),
        Field("max_content_tokens", _COUNT),
        Field("url_sources", Map()),
        # From version 20260309 on.
        Field("use_cache", Flag()),
    ),
    CODE: _OF_ALL,
}


def _declared(name: str) -> Object:
    named = Field("name", Choice((name,)), required=True)
    return Object((named, *_FIELDS[name], *_NOT_PASSED_ON))


def _by_type() -> Iterator[tuple[str, Kind]]:
    for name, types in ((SEARCH, _SEARCHES), (FETCH, _FETCHES), (CODE, _CODES)):
        declared = _declared(name)
        for type_ in types:
            yield type_, declared


TOOLS: Mapping[str, Kind] = dict(_by_type())

_BETA = "They need a beta header that Claude Code does not send."
_OF_CLIENTS = (
    "The client carries them out, and Claude Code does not know them. Define a tool with an "
    "input_schema instead."
)
_ALL_OFFERED = "They are not needed here: the model is offered all tools from the beginning."
# The other types, each with the reason why it is refused.
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("bash_20250124", "memory_20250818", "text_editor_20250124", "text_editor_20250429"),
            *("text_editor_20250728", "browser_toolset_20260801", "computer_toolset_20260801"),
        ),
        _OF_CLIENTS,
    ),
    **dict.fromkeys(
        (
            *("advisor_20260301", "bash_20241022", "computer_20241022", "computer_20250124"),
            *("computer_20251124", "mcp_toolset", "text_editor_20241022"),
        ),
        _BETA,
    ),
    **dict.fromkeys(
        (
            *("tool_search_tool_bm25", "tool_search_tool_bm25_20251119"),
            *("tool_search_tool_regex", "tool_search_tool_regex_20251119"),
        ),
        _ALL_OFFERED,
    ),
}


def read_server_tools(tools: Sequence[Fields]) -> tuple[ServerTool, ...]:
    """Return the tools of the API's own among the tools of a request; raise a 400."""
    named: set[str] = set()
    for tool in tools:
        name = tool.get("name")
        if name in named:
            raise used_twice("tools", name, tool)
        named.add(name)
    return tuple(
        ServerTool(_definition(tool), tool.where("type"), as_listed(tool))
        for tool in tools
        if tool.get("type") in TOOLS
    )


def _definition(tool: Fields) -> dict[str, Any]:
    if all(map(tool.has, DOMAINS)):
        # In the words of Anthropic's API.
        raise bad_request(
            f"{dotted(tool.path)}.{tool.get('type')}: Only one of allowed_domains or "
            "blocked_domains may be set.",
            tool.where("blocked_domains"),
        )
    read_domains(tool)
    fields = _FIELDS[tool.get("name")]
    given = {field.name: _given(field.kind, tool.get(field.name)) for field in fields}
    named = {name: tool.get(name) for name in ("type", "name")}
    return {**named, **{name: value for name, value in given.items() if value is not None}}


def _given(kind: Kind, value: Any) -> Any:
    """The value without the fields that are not declared, which are listed as ignored."""
    if value is None or not isinstance(kind, Object):
        return value
    names = (field.name for field in kind.fields)
    return {name: value[name] for name in names if value.get(name) is not None}
