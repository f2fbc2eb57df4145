"""Decides which tools the demo API calls: those that words request or the tool choice forces.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from . import guess
from .guess import STRUCTURED
from .structured import arguments_in
from .words import Call


if TYPE_CHECKING:
    from collections.abc import Mapping

    from .words import Words


@frozen
class Chosen:
    """The calls to make, under the names that the request has for the tools, and a sentence for
    each call that can't be made.  ``echoes``: the text of ``ECHO`` is the arguments of a call.
    """

    calls: tuple[Call, ...] = ()
    complaints: tuple[str, ...] = ()
    echoes: bool = False


def chosen_calls(body: Mapping[str, Any], words: Words, misfitting: Words | None = None) -> Chosen:
    """What to call in answer to a request whose last user message has these words.

    ``misfitting``: by these words the arguments of ``StructuredOutput`` do not fit its schema.
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
    echoes = False
    for call in words.calls:
        name = _offered(call.name, list(tools))
        if name is None:
            complaints.append(f"There is no tool named {call.name} that I may call.")
        else:
            calls.append(Call(name, call.text, call.arguments))
    if not calls and tools:
        forced = choice["type"] in ("any", "tool")
        names = _untold(body, words, tools, forced=forced)
        fitting = misfitting is None
        echo = words.echo if misfitting is None else misfitting.echo
        echoed = _echoed(echo, tools, fitting=fitting) if STRUCTURED in names else None
        echoes = echoed is not None
        values = guess.values_of(guess.prompt_of(body))
        calls.extend(
            echoed
            if echoed is not None and name == STRUCTURED
            else guess.call(tools[name], values, fitting=fitting or name != STRUCTURED)
            for name in names
        )
        if forced:
            # It cannot answer in text alone here, so there is nothing to say about the others.
            complaints.clear()
    if choice.get("disable_parallel_tool_use"):
        calls = calls[:1]
    return Chosen(tuple(calls), tuple(complaints), echoes)


def _untold(
    body: Mapping[str, Any],
    words: Words,
    tools: Mapping[str, Any],
    *,
    forced: bool,
) -> list[str]:
    """The tools to call although no word asks for it, out of these."""
    prompt = guess.prompt_of(body)
    names = [] if words.calls else guess.spoken_of(prompt, tools)
    if not names and forced:
        names = [STRUCTURED if STRUCTURED in tools else next(iter(tools))]
    wanted = STRUCTURED in tools and not words.calls and "PROSE" not in words
    if not names and wanted and not _structured_done(body):
        names = [STRUCTURED]
    return names


def _echoed(echo: str | None, tools: Mapping[str, Any], *, fitting: bool) -> Call | None:
    """The call of ``StructuredOutput`` with the text of ``ECHO``, if that can be its arguments."""
    if echo is None:
        return None
    schema = tools[STRUCTURED].get("input_schema") or {"type": "object"}
    found = arguments_in(echo, schema, fitting=fitting)
    return None if found is None else Call(STRUCTURED, *found)


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
