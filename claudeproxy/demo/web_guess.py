"""Decides for searches and fetches that no word asks for.

Pure.  The tool choice may force one.  Every model makes the search that the CLI's own WebSearch
asks for.  The demo's model that chooses tools makes one if the user speaks of it and no tool of the
client's fits better.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from . import guess
from .server_tools import FETCH, SEARCH, is_clients, web_tool
from .words import WebUse, own_texts


if TYPE_CHECKING:
    from collections.abc import Mapping

    from .words import Words

_LONGEST_QUERY = 100
_ANY_QUERY = "demo"
_ANY_URL = "https://example.com/"
_SEARCHES = re.compile(r"\b(?:search(?:es|ing)?|look(?:s|ing)? up|web_search)\b", re.IGNORECASE)
_FETCHES = re.compile(r"\b(?:fetch(?:es|ing)?|open|read|web_fetch)\b", re.IGNORECASE)
# What the CLI (2.1.332) says to the model in the request of its own that is one search.
_OF_CLI = re.compile(r"Perform a web search for the query: (.+)", re.DOTALL)
_URL = re.compile(r"https?://[^\s\"'<>“”]+[^\s\"'<>“”.,;:!?)]")


def forced_use(body: Mapping[str, Any]) -> WebUse | None:
    """The call that the tool choice forces, if it forces one of a web tool."""
    choice = body.get("tool_choice") or {}
    tools = body.get("tools") or ()
    if choice.get("type") == "tool":
        name = choice["name"]
    elif choice.get("type") == "any" and not any(map(is_clients, tools)):
        name = next((name for name in (SEARCH, FETCH) if web_tool(body, name)), "")
    else:
        return None
    if web_tool(body, name) is None or _answers_results(body):
        return None
    prompt = _prompt(body)
    of_cli = _OF_CLI.fullmatch(prompt.strip())
    return _use(name, prompt) if of_cli is None else WebUse(name, of_cli[1])


def guessed_use(body: Mapping[str, Any], words: Words) -> WebUse | None:
    """The call that the model decides for."""
    choice = (body.get("tool_choice") or {"type": "auto"})["type"]
    if words.calls or choice != "auto":
        return None
    of_cli = _OF_CLI.fullmatch(_prompt(body).strip())
    if of_cli is not None and web_tool(body, SEARCH):
        return WebUse(SEARCH, of_cli[1])
    prompt = guess.prompt_of(body)
    if not prompt:
        return None
    clients = {tool["name"]: tool for tool in body.get("tools") or () if is_clients(tool)}
    if guess.spoken_of(prompt, clients):
        return None
    if web_tool(body, FETCH) and _FETCHES.search(prompt) and _URL.search(prompt):
        return _use(FETCH, prompt)
    if web_tool(body, SEARCH) and _SEARCHES.search(prompt):
        return _use(SEARCH, prompt)
    return None


def _use(name: str, prompt: str) -> WebUse:
    if name == FETCH:
        url = _URL.search(prompt)
        return WebUse(name, url[0] if url else _ANY_URL)
    texts = guess.values_of(prompt).texts
    query = " ".join((texts[0] if texts else prompt).split())
    return WebUse(name, query[:_LONGEST_QUERY].strip() or _ANY_QUERY)


def _prompt(body: Mapping[str, Any]) -> str:
    """What the user says in the last message."""
    content = _last(body)
    if isinstance(content, str):
        return content
    return "\n".join(own_texts(block["text"] for block in content if block["type"] == "text"))


def _answers_results(body: Mapping[str, Any]) -> bool:
    content = _last(body)
    return not isinstance(content, str) and all(b["type"] == "tool_result" for b in content)


def _last(body: Mapping[str, Any]) -> Any:
    return [message["content"] for message in body["messages"] if message["role"] == "user"][-1]
