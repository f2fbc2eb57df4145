"""Checks what comes back of Anthropic's own tools in a history, as the Messages API does.

Pure.  Known from the API's public errors: the pattern of the ids, a result without its call, a call
without its result, and an ``encrypted_content`` that is not the API's own.  Assumed: that such an
``encrypted_index`` is refused as well and with which words, and how the message begins that ends
in "but no `web_search` tool was provided".  Blocks of a tool that a request no longer offers are
taken: the documentation has only the calls that still wait for their result refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .web_results import unseal


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

RESULTS = {"web_search": "web_search_tool_result", "web_fetch": "web_fetch_tool_result"}
"""The type of the block that answers a call, by the name of the tool."""

CODE_RESULTS = {
    "code_execution": "code_execution_tool_result",
    "bash_code_execution": "bash_code_execution_tool_result",
    "text_editor_code_execution": "text_editor_code_execution_tool_result",
    "tool_search_tool_regex": "tool_search_tool_result",
    "tool_search_tool_bm25": "tool_search_tool_result",
}

_ALL = {**RESULTS, **CODE_RESULTS}
_ID = re.compile(r"srvtoolu_[a-zA-Z0-9_]+")
_CITATIONS = (
    *("char_location", "page_location", "content_block_location", "web_search_result_location"),
    "search_result_location",
)


CONTINUE = "Continue."
"""A user's text that asks the model to go on with an answer that ended with ``pause_turn``."""


def going_on(messages: list[Any]) -> list[Any]:
    """The messages, without those that only ask to go on with a paused answer."""
    kept: list[Any] = []
    before: Any = None
    for message in messages:
        if message["role"] == "system":
            kept.append(message)
            continue
        if not (before is not None and _searched(before) and _asks_to_go_on(message)):
            kept.append(message)
        before = message
    return kept


def _searched(message: Any) -> bool:
    content = message["content"]
    return (
        message["role"] == "assistant"
        and not isinstance(content, str)
        and any(block["type"] == "server_tool_use" for block in content)
    )


def _asks_to_go_on(message: Any) -> bool:
    content = message["content"]
    texts = [content] if isinstance(content, str) else [block.get("text") for block in content]
    return message["role"] == "user" and [str(text).strip() for text in texts] == [CONTINUE]


def use_problems(block: Mapping[str, Any], where: str) -> Iterator[str]:
    """What is wrong with a ``server_tool_use`` block by itself."""
    where = f"{where}.server_tool_use"
    use_id = block.get("id")
    if not isinstance(use_id, str) or not _ID.fullmatch(use_id):
        yield f"{where}.id: String should match pattern '^srvtoolu_[a-zA-Z0-9_]+$'"
    if block.get("name") not in _ALL:
        *others, last = map(repr, _ALL)
        yield f"{where}.name: Input should be {', '.join(others)} or {last}"
    if not isinstance(block.get("input"), dict):
        yield f"{where}.input: Input should be a valid dictionary"


def result_problems(block: Mapping[str, Any], where: str) -> Iterator[str]:
    """What is wrong with the result of a server tool by itself."""
    kind = block["type"]
    inside = f"{where}.{kind}"
    if not isinstance(block.get("tool_use_id"), str):
        yield f"{inside}.tool_use_id: Field required"
    content = block.get("content")
    if content is None:
        yield f"{inside}.content: Field required"
    if kind == RESULTS["web_search"] and isinstance(content, list):
        for index, found in enumerate(content):
            yield from _found(found, f"{inside}.content.{index}", where)
    elif not isinstance(content, dict) and kind in RESULTS.values():
        yield f"{inside}.content: Input should be a valid dictionary"
    elif isinstance(content, dict) and kind == RESULTS["web_fetch"]:
        yield from _fetched(content, f"{inside}.content")
    elif isinstance(content, dict) and kind == RESULTS["web_search"]:
        yield from _error(content, f"{kind}_error", f"{inside}.content")


def citation_problems(citations: object, where: str) -> Iterator[str]:
    """What is wrong with the ``citations`` of a text block."""
    if citations is None:
        return
    if not isinstance(citations, list):
        yield f"{where}.text.citations: Input should be a valid list"
        return
    for index, citation in enumerate(citations):
        inside = f"{where}.text.citations.{index}"
        if not isinstance(citation, dict):
            yield f"{inside}: Input should be a valid dictionary"
            return
        kind = citation.get("type")
        if kind not in _CITATIONS:
            known = ", ".join(f"'{name}'" for name in _CITATIONS)
            yield (
                f"{inside}: Input tag '{kind}' found using 'type' does not match any of the "
                f"expected tags: {known}"
            )
        if not isinstance(citation.get("cited_text"), str):
            yield f"{inside}.{kind}.cited_text: Field required"
        if kind == "web_search_result_location":
            if not isinstance(citation.get("url"), str):
                yield f"{inside}.{kind}.url: Field required"
            if unseal(citation.get("encrypted_index")) is None:
                yield f"{where}: Invalid `encrypted_index` in `web_search_result_location` citation"


def pair_problems(turns: Sequence[tuple[int, str, list[dict[str, Any]]]]) -> Iterator[str]:
    """What is wrong with the pairs of calls and results, in turns of (index, role, blocks).

    A result may also come in the assistant's next turn, if the user's turn between has nothing but
    results of the client's tools: the turn went on with them.
    """
    waiting: dict[str, str] = {}
    for number, (index, role, blocks) in enumerate(turns):
        where = f"messages.{index}"
        if role == "user":
            if any(block["type"] != "tool_result" for block in blocks):
                yield from _unanswered(waiting, turns[number - 1][0])
            continue
        before = dict(waiting)
        for place, block in enumerate(blocks):
            kind = block["type"]
            if kind == "server_tool_use":
                waiting[block["id"]] = block["name"]
            elif kind in _ALL.values():
                use_id = block["tool_use_id"]
                if _ALL.get(waiting.pop(use_id, "")) != kind:
                    yield (
                        f"{where}.content.{place}: unexpected `tool_use_id` found in `{kind}` "
                        f"blocks: {use_id}. Each `{kind}` block must have a corresponding "
                        "`server_tool_use` block before it."
                    )
        left = {use_id: name for use_id, name in before.items() if use_id in waiting}
        yield from _unanswered(left, turns[max(0, number - 2)][0])


def waiting_problems(body: Mapping[str, Any]) -> Iterator[str]:
    """Calls that still wait for their result must be of tools that the request offers."""
    offered = {tool.get("name") for tool in body.get("tools") or ()}
    for block in waiting_uses(body["messages"]):
        if block["name"] in RESULTS and block["name"] not in offered:
            name, use_id = block["name"], block["id"]
            yield (
                f"messages: `{name}` tool use with id `{use_id}` is to be carried out, but no "
                f"`{name}` tool was provided"
            )


def waiting_uses(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The calls of server tools that have no result yet, of messages that are as they should be."""
    uses: dict[str, dict[str, Any]] = {}
    for message in messages:
        for block in message["content"] if message["role"] == "assistant" else ():
            if isinstance(block, dict) and block["type"] == "server_tool_use":
                uses[block["id"]] = block
            elif isinstance(block, dict) and block["type"] in _ALL.values():
                uses.pop(block["tool_use_id"], None)
    return list(uses.values())


def _unanswered(waiting: Mapping[str, str], index: int) -> Iterator[str]:
    for use_id, name in waiting.items():
        yield (
            f"messages.{index}: `{name}` tool use with id `{use_id}` was found without a "
            f"corresponding `{_ALL[name]}` block"
        )


def _found(found: object, inside: str, where: str) -> Iterator[str]:
    if not isinstance(found, dict):
        yield f"{inside}: Input should be a valid dictionary"
        return
    if found.get("type") != "web_search_result":
        yield f"{inside}.type: Input should be 'web_search_result'"
    for name in ("title", "url", "encrypted_content"):
        if not isinstance(found.get(name), str):
            yield f"{inside}.{name}: Field required"
    if unseal(found["encrypted_content"]) is None:
        # The real API calls the block by this other name.
        yield f"{where}: Invalid `encrypted_content` in `search_result` block"


def _fetched(content: Mapping[str, Any], inside: str) -> Iterator[str]:
    if content.get("type") != "web_fetch_result":
        yield from _error(content, f"{RESULTS['web_fetch']}_error", inside)
        return
    if not isinstance(content.get("url"), str):
        yield f"{inside}.web_fetch_result.url: Field required"
    document = content.get("content")
    if not isinstance(document, dict) or document.get("type") != "document":
        yield f"{inside}.web_fetch_result.content.type: Input should be 'document'"


def _error(content: Mapping[str, Any], kind: str, inside: str) -> Iterator[str]:
    if content.get("type") != kind:
        yield f"{inside}.type: Input should be '{kind}'"
    if not isinstance(content.get("error_code"), str):
        yield f"{inside}.{kind}.error_code: Field required"
