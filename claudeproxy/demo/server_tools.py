"""What the Messages API refuses in the tools that it defines itself: web search, web fetch, others.

Pure.  The types, their names and their fields are those of Anthropic's API reference.  Assumed,
because no public text has it: the wording for domains with a scheme, and the ends of the two
messages about models, behind "does not support ...".  That two lists of domains, or an empty one,
are refused with these words is documented for Managed Agents alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import frozen


if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

SEARCH = "web_search"
FETCH = "web_fetch"

_BASH, _OLD_EDITOR, _EDITOR = "bash", "str_replace_editor", "str_replace_based_edit_tool"
_CODE, _COMPUTER = "code_execution", "computer"
_BM25, _REGEX = "tool_search_tool_bm25", "tool_search_tool_regex"

_OF_SERVER = (SEARCH, FETCH, _CODE, _BM25, _REGEX, "advisor")

# Each type with its fixed name, "" for one without a name.
_TYPES = {
    "bash_20250124": _BASH,
    "browser_toolset_20260801": "",
    "code_execution_20250522": _CODE,
    "code_execution_20250825": _CODE,
    "code_execution_20260120": _CODE,
    "code_execution_20260521": _CODE,
    "computer_toolset_20260801": "",
    "memory_20250818": "memory",
    "text_editor_20250124": _OLD_EDITOR,
    "text_editor_20250429": _EDITOR,
    "text_editor_20250728": _EDITOR,
    _BM25: _BM25,
    f"{_BM25}_20251119": _BM25,
    _REGEX: _REGEX,
    f"{_REGEX}_20251119": _REGEX,
    "web_fetch_20250910": FETCH,
    "web_fetch_20260209": FETCH,
    "web_fetch_20260309": FETCH,
    "web_fetch_20260318": FETCH,
    "web_search_20250305": SEARCH,
    "web_search_20260209": SEARCH,
    "web_search_20260318": SEARCH,
}
# Those that need a beta: (beta, name). Without it the API does not know the type at all.
_BETA_TYPES = {
    "advisor_20260301": ("advisor-tool-2026-03-01", "advisor"),
    "bash_20241022": ("computer-use-2024-10-22", _BASH),
    "computer_20241022": ("computer-use-2024-10-22", _COMPUTER),
    "computer_20250124": ("computer-use-2025-01-24", _COMPUTER),
    "computer_20251124": ("computer-use-2025-11-24", _COMPUTER),
    "mcp_toolset": ("mcp-client-2025-11-20", ""),
    "text_editor_20241022": ("computer-use-2024-10-22", _OLD_EDITOR),
}
_CALLERS = (
    *("direct", "code_execution_20250825", "code_execution_20260120"),
    "code_execution_20260521",
)
NEW_CONTAINER = "container_demo"
_SKILLS_BETA = "skills-2025-10-02"
# From this version on, code that the model writes calls the web tools, unless the request says
# otherwise.
_BY_CODE = "20260209"
_NO_WEB = re.compile(r"claude-3-(?:opus|sonnet|haiku)")
_NO_CODE = re.compile(
    r"claude-3|claude-haiku(?!-[5-9])|claude-(?:opus|sonnet)-4(?:-[01])?(?:-latest|-\d{8})?\Z"
)
_SCHEME = re.compile(r"[a-z]+://", re.IGNORECASE)


@frozen
class _Field:
    """A field of a web tool: what it must be, and the message if it is not."""

    fits: Callable[[Any], bool]
    message: str


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_list_of(value: Any, allowed: Collection[str] | None = None) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, str) and (allowed is None or item in allowed) for item in value
    )


_BOOLEAN = _Field(lambda value: isinstance(value, bool), "Input should be a valid boolean")
_COUNT = _Field(_is_count, "Input should be greater than 0")
_DOMAINS = _Field(_is_list_of, "Input should be a valid list")
_OBJECT = _Field(lambda value: isinstance(value, dict), "Input should be a valid dictionary")
_COMMON = {
    "allowed_callers": _Field(
        lambda value: _is_list_of(value, _CALLERS),
        f"Input should be {', '.join(map(repr, _CALLERS[:-1]))} or {_CALLERS[-1]!r}",
    ),
    "allowed_domains": _DOMAINS,
    "blocked_domains": _DOMAINS,
    "defer_loading": _BOOLEAN,
    "max_uses": _COUNT,
    "strict": _BOOLEAN,
}
_OF_SEARCH = {
    "user_location": _OBJECT,
    # In no documentation, but the CLI (2.1.332) may send it.
    "search_profile": _Field(
        lambda value: isinstance(value, str), "Input should be a valid string"
    ),
}
_OF_FETCH = {"citations": _OBJECT, "max_content_tokens": _COUNT, "url_sources": _OBJECT}
# The fields that came later: (name, from which version on, only for this tool or "").
_LATER = (
    ("use_cache", "20260309", FETCH, _BOOLEAN),
    (
        "response_inclusion",
        "20260318",
        "",
        _Field(lambda value: value in ("full", "excluded"), "Input should be 'full' or 'excluded'"),
    ),
)
_NULLABLE = (
    *("allowed_domains", "blocked_domains", "max_uses", "user_location", "citations"),
    *("max_content_tokens", "cache_control", "url_sources"),
)
# cache_control is looked at with all the other marks.
_PLACES = ("type", "name", "cache_control")
_LOCATION = ("city", "country", "region", "timezone")


def is_web(tool: Mapping[str, Any]) -> bool:
    """Whether a tool is one of Anthropic's for the web."""
    return _TYPES.get(str(tool.get("type"))) in (SEARCH, FETCH)


def is_clients(tool: Mapping[str, Any]) -> bool:
    """Whether the client carries a tool out, and the model can call it by its name."""
    if tool.get("type") in (None, "custom"):
        return True
    return bool(tool.get("name")) and tool["name"] not in _OF_SERVER


def web_tool(body: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The web tool of this name that a request offers, None if it offers none."""
    for tool in body.get("tools") or ():
        if is_web(tool) and tool["name"] == name:
            found: Mapping[str, Any] = tool
            return found
    return None


def typed_problems(tool: Mapping[str, Any], where: str, betas: Collection[str]) -> Iterator[str]:
    """What is wrong with a tool that has a type of the API's own."""
    kind = str(tool["type"])
    known = {**_TYPES}
    known.update({name: own for name, (beta, own) in _BETA_TYPES.items() if beta in betas})
    if kind not in known:
        tags = ", ".join(f"'{tag}'" for tag in sorted([*known, "custom"]))
        yield (
            f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected "
            f"tags: {tags}"
        )
    name = known[kind]
    if name and "name" not in tool:
        yield f"{where}.{kind}.name: Field required"
    if name and tool["name"] != name:
        yield f"{where}.{kind}.name: Input should be '{name}'"
    if name in (SEARCH, FETCH):
        yield from _fields(tool, f"{where}.{kind}", _fields_of(kind, name))
        yield from _domains(tool, f"{where}.{kind}")
        yield from _location(tool.get("user_location"), f"{where}.{kind}.user_location")
        yield from _citations(tool.get("citations"), f"{where}.{kind}.citations")


def model_problems(body: Mapping[str, Any]) -> Iterator[str]:
    """What a request's model cannot do of its web tools."""
    model = str(body.get("model"))
    offered = [tool for tool in body.get("tools") or () if is_web(tool)]
    if offered and _NO_WEB.match(model):
        others = ", ".join(kind for kind, name in _TYPES.items() if name not in (SEARCH, FETCH))
        kinds = ", ".join(tool["type"] for tool in offered)
        yield f"'{model}' does not support tool types: {kinds}. Did you mean one of {others}?"
    by_code = [tool["name"] for tool in offered if _is_for_code(tool)]
    if by_code and _NO_CODE.match(model):
        yield (
            f"'{model}' does not support programmatic tool calling. The following tools have "
            f"`allowed_callers` that require it: {', '.join(by_code)}. Explicitly set "
            '`allowed_callers=["direct"]` on them, or use another model.'
        )


def container_of(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The container in which a request's code runs, None if it has no tool that runs code."""
    tools = body.get("tools") or ()
    if not any(
        _TYPES.get(str(tool.get("type"))) == _CODE or (is_web(tool) and _is_for_code(tool))
        for tool in tools
    ):
        return None
    given = body.get("container")
    named = given.get("id") if isinstance(given, dict) else given
    return {"id": named or NEW_CONTAINER, "expires_at": "2030-01-01T00:00:00Z"}


def container_problems(body: Mapping[str, Any], betas: Collection[str]) -> Iterator[str]:
    """What is wrong with a request's ``container``: the id of one, or an object with it."""
    given = body.get("container")
    if isinstance(given, dict):
        if "skills" in given and _SKILLS_BETA not in betas:
            yield "container.skills: Extra inputs are not permitted"
        given = given.get("id")
    if given is not None and not isinstance(given, str):
        yield "container: Input should be a valid string"


def _is_for_code(tool: Mapping[str, Any]) -> bool:
    default = ["direct"] if _version(tool["type"]) < _BY_CODE else ["direct", _CALLERS[-1]]
    return any(caller != "direct" for caller in tool.get("allowed_callers", default))


def has_callers(tool: Mapping[str, Any]) -> bool:
    """Whether the blocks of a web tool of this version say who called it."""
    return _version(tool["type"]) >= _BY_CODE


def _version(kind: str) -> str:
    return kind.rpartition("_")[2]


def _fields_of(kind: str, name: str) -> dict[str, _Field]:
    later = {
        field: check
        for field, since, only, check in _LATER
        if _version(kind) >= since and only in ("", name)
    }
    return {**_COMMON, **(_OF_SEARCH if name == SEARCH else _OF_FETCH), **later}


def _fields(tool: Mapping[str, Any], where: str, known: Mapping[str, _Field]) -> Iterator[str]:
    for name, value in tool.items():
        if name in _PLACES or (value is None and name in _NULLABLE and name in known):
            continue
        if name not in known:
            yield f"{where}.{name}: Extra inputs are not permitted"
        if not known[name].fits(value):
            yield f"{where}.{name}: {known[name].message}"


def _domains(tool: Mapping[str, Any], where: str) -> Iterator[str]:
    names = [name for name in ("allowed_domains", "blocked_domains") if tool.get(name) is not None]
    if len(names) > 1:
        yield f"{where}: Only one of allowed_domains or blocked_domains may be set."
    for name in names:
        if not tool[name]:
            yield (
                f"{where}.{name}: Empty list of domains is ambiguous. Provide at least one domain "
                "or null."
            )
        for index, domain in enumerate(tool[name]):
            if not domain.strip() or _SCHEME.match(domain):
                yield (
                    f'{where}.{name}.{index}: provide a plain hostname like "example.com", '
                    "without a scheme"
                )


def _location(location: Any, where: str) -> Iterator[str]:
    if location is None:
        return
    if location.get("type") != "approximate":
        yield f"{where}.type: Input should be 'approximate'"
    for name, value in location.items():
        if name not in ("type", *_LOCATION):
            yield f"{where}.{name}: Extra inputs are not permitted"
        if value is not None and not isinstance(value, str):
            yield f"{where}.{name}: Input should be a valid string"
    if location.get("country") is not None and len(location["country"]) != 2:
        yield f"{where}.country: String should have 2 characters"


def _citations(citations: Any, where: str) -> Iterator[str]:
    for name, value in (citations or {}).items():
        if name != "enabled":
            yield f"{where}.{name}: Extra inputs are not permitted"
        if not isinstance(value, bool):
            yield f"{where}.{name}: Input should be a valid boolean"
