"""The neutral request: a conversation in Anthropic's own blocks, and what bounds its answer.

A dialect makes one of these at the door; nothing behind the door knows which wire format the
client spoke. `Profile` is what a CLI process fixes at its first initialize, `Limits` what can
change on a live process (seen on 2.1.197 and 2.1.330).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Literal, TypeAlias

import attrs


# A content block of the Messages API: text, image, document, tool_use or tool_result.
Block: TypeAlias = Mapping[str, Any]
# OpenAI's own bound for the id of a call.
LONGEST_ID = 40
Role: TypeAlias = Literal["user", "assistant"]


@attrs.frozen
class Turn:
    """One message of the conversation; `blocks` is never empty."""

    role: Role
    blocks: tuple[Block, ...]


@attrs.frozen
class Tool:
    """A function of the client's that the model may call."""

    name: str
    description: str
    input_schema: Mapping[str, Any]


@attrs.frozen
class Profile:
    """What a worker is made for, once and for all."""

    system: str = ""
    tools: tuple[Tool, ...] = ()
    output_schema: Mapping[str, Any] | None = None


@attrs.frozen
class ToolChoice:
    """Whether the model may or must call a tool; the Messages API's own terms.

    name: the tool of the mode `tool`. parallel: whether it may call several in one answer.
    """

    mode: Literal["auto", "any", "tool", "none"] = "auto"
    name: str | None = None
    parallel: bool = True

    @property
    def forced(self) -> bool:
        """Whether the answer must be a call."""
        return self.mode in ("any", "tool")


@attrs.frozen
class Limits:
    """What bounds one answer.

    model: the name to give to the CLI. max_tokens: None leaves the CLI's own limit.
    effort: one of the CLI's effort levels, None for the model's default. thinking: whether the
    model may think before it answers. budgeted: it thinks by a budget of tokens, so the API wants
    to see what it thought before the calls that the conversation ends with.
    """

    model: str
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    effort: str | None = None
    thinking: bool = True
    budgeted: bool = False
    tool_choice: ToolChoice = ToolChoice()
    temperature: float | None = None
    top_p: float | None = None


@attrs.frozen
class Conversation:
    """Everything one request asks for. Turns alternate, and the first and last are the user's."""

    profile: Profile
    turns: tuple[Turn, ...]
    limits: Limits

    def key_with(self, answer: Turn) -> bytes:
        """The digest of the conversation and its answer: the next request's `prefix_key`."""
        return digest(self.profile, (*self.turns, answer))

    @cached_property
    def profile_key(self) -> bytes:
        """The digest of its profile alone."""
        return digest(self.profile, ())

    @cached_property
    def prefix_key(self) -> bytes:
        """The digest of all but its newest turn."""
        return digest(self.profile, self.turns[:-1])


def is_results(turn: Turn) -> bool:
    """Whether a turn is results of tool calls and nothing else."""
    return all(block["type"] == "tool_result" for block in turn.blocks)


def has_results(turn: Turn) -> bool:
    """Whether there are results of tool calls in a turn."""
    return any(block["type"] == "tool_result" for block in turn.blocks)


def plain_id(call_id: str) -> str:
    """The id of a tool call in letters and digits alone, at most `LONGEST_ID` of them.

    Some clients take everything else out of an id, or cut it. So calls are compared by this form.
    """
    if call_id.isalnum() and call_id.isascii():
        plain = call_id
    else:
        plain = "".join(filter(str.isalnum, call_id))
    if plain and plain.isascii() and len(plain) <= LONGEST_ID:
        return plain
    return "call" + hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:28]


def text_block(text: str) -> Block:
    """A text block of the Messages API."""
    return {"type": "text", "text": text}


def alternate(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The same blocks with neighbours of one role merged into one turn."""
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role:
            merged[-1] = Turn(turn.role, merged[-1].blocks + turn.blocks)
        else:
            merged.append(turn)
    return tuple(merged)


def digest(profile: Profile, turns: Iterable[Turn]) -> bytes:
    """A hash over a profile and the turns so far: equal for equal conversations only.

    An assistant turn counts as what a client can send back: its text and its tool calls, no
    thinking, no white space at the ends.
    """
    said = [
        profile.system,
        [[tool.name, tool.description, tool.input_schema] for tool in profile.tools],
        profile.output_schema,
        [[turn.role, *_as_sent_back(turn)] for turn in turns],
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode("ascii")).digest()


def _as_sent_back(turn: Turn) -> Iterable[Any]:
    if turn.role == "user":
        return [dict(block) for block in turn.blocks]
    text = "".join(block["text"] for block in turn.blocks if block["type"] == "text")
    calls = [
        [plain_id(block["id"]), block["name"], block["input"]]
        for block in turn.blocks
        if block["type"] == "tool_use"
    ]
    return [text.strip(), *calls]
