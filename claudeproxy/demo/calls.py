"""Decides which tools the demo API calls: those that words request or the tool choice forces.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from . import guess
from .guess import STRUCTURED
from .words import Call


if TYPE_CHECKING:
    from collections.abc import Mapping

    from .words import Words


@frozen
class Chosen:
    """The calls to make, under the names that the request has for the tools, and a sentence for
    each call that can't be made.
    """

    calls: tuple[Call, ...] = ()
    complaints: tuple[str, ...] = ()


def chosen_calls(body: Mapping[str, Any], words: Words, *, fitting: bool = True) -> Chosen:
    """What to call in answer to a request whose last user message has these words.

    Without ``fitting``, made-up arguments of ``StructuredOutput`` do not fit its schema.
    """
    known = _referenced(body)
    tools: dict[str, Any] = {
        tool["name"]: tool
        for tool in body.get("tools") or ()
        if not tool.get("defer_loading") or tool["name"] in known
    }
    choice = body.get("tool_choice") or {"type": "auto"}
    if choice["type"] == "none":
        tools = {}
    if choice["type"] == "tool":
        tools = {tool["name"]: tool for tool in body["tools"] if tool["name"] == choice["name"]}
    calls: list[Call] = []
    complaints: list[str] = []
    for call in words.calls:
        name = _offered(call.name, list(tools))
        if name is None:
            complaints.append(f"There is no tool named {call.name} that I may call.")
        else:
            calls.append(Call(name, call.text, call.arguments))
    if not calls and tools:
        forced = choice["type"] in ("any", "tool")
        calls.extend(_untold(body, words, tools, forced=forced, fitting=fitting))
        if forced:
            # It cannot answer in text alone here, so there is nothing to say about the others.
            complaints.clear()
    if choice.get("disable_parallel_tool_use"):
        calls = calls[:1]
    return Chosen(tuple(calls), tuple(complaints))


def _untold(
    body: Mapping[str, Any],
    words: Words,
    tools: Mapping[str, Any],
    *,
    forced: bool,
    fitting: bool,
) -> list[Call]:
    """The calls that no word asked for, out of these tools."""
    prompt = guess.prompt_of(body)
    values = guess.values_of(prompt)
    names = [] if words.calls else guess.spoken_of(prompt, tools)
    if not names and forced:
        names = [STRUCTURED if STRUCTURED in tools else next(iter(tools))]
    wanted = STRUCTURED in tools and not words.calls and "PROSE" not in words
    if not names and wanted and not _structured_done(body):
        names = [STRUCTURED]
    return [
        guess.call(tools[name], values, fitting=fitting or name != STRUCTURED) for name in names
    ]


def results_of(content: Any) -> list[dict[str, Any]]:
    """The tool results in a message's content."""
    if isinstance(content, str):
        return []
    return [block for block in content if block["type"] == "tool_result"]


def _referenced(body: Mapping[str, Any]) -> set[str]:
    """The deferred tools that a search has brought up: the model knows no others of them."""
    return {
        inner["tool_name"]
        for message in body["messages"]
        for result in results_of(message["content"])
        if isinstance(result.get("content"), list)
        for inner in result["content"]
        if inner["type"] == "tool_reference"
    }


def _offered(name: str, offered: list[str]) -> str | None:
    if name in offered:
        return name
    return next((full for full in offered if full.endswith(f"__{name}")), None)


def _structured_done(body: Mapping[str, Any]) -> bool:
    """Whether the last user message says that StructuredOutput was called, and took it."""
    messages = body["messages"]
    names = {
        block["id"]: block["name"]
        for message in messages
        if message["role"] == "assistant" and not isinstance(message["content"], str)
        for block in message["content"]
        if block["type"] == "tool_use"
    }
    last = [message["content"] for message in messages if message["role"] == "user"][-1]
    return any(
        names.get(result["tool_use_id"]) == STRUCTURED and not result.get("is_error")
        for result in results_of(last)
    )
