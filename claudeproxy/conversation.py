"""The neutral request: a conversation in Anthropic's content blocks, and the limits of its answer.

A dialect makes a Conversation from each request; no other package knows which wire format the
client used. A CLI process fixes the `Profile` at its first initialize; the `Limits` can change on a
running process (seen on 2.1.197 and 2.1.330).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import takewhile
from typing import Any, Literal, TypeAlias

import attrs


# A content block of the Messages API: text, image, document, tool_use or tool_result.
Block: TypeAlias = Mapping[str, Any]
Role: TypeAlias = Literal["user", "assistant"]
# See `untold`.
UNTOLD = "untold"
# How the types of blocks with results end: `web_search_tool_result`, and the client's own.
RESULT = "tool_result"


@attrs.frozen
class Turn:
    """One message of the conversation; `blocks` is never empty."""

    role: Role
    blocks: tuple[Block, ...]


@attrs.frozen
class Tool:
    """A function of the client's that the model may call.

    more: further fields of its definition in the Messages API, such as `strict`.
    """

    name: str
    description: str
    input_schema: Mapping[str, Any]
    more: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class ServerTool:
    """A tool that Anthropic's API carries out itself, such as web search.

    definition: the entry in the `tools` of the Messages API. param: the parameter of the client's
    request that asks for it, for errors. listed: the same, as the header `x-claudeproxy-ignored`
    names it.
    """

    definition: Mapping[str, Any]
    param: str
    listed: str

    @property
    def type(self) -> str:
        """The type with its version: `web_search_20250305`."""
        return str(self.definition["type"])

    @property
    def name(self) -> str:
        """The name by which the model calls it."""
        return str(self.definition["name"])


@attrs.frozen
class Profile:
    """What a worker is made for, once and for all.

    output_schema: the JSON schema that every answer must match, if the CLI's own tool is to see to
    that.
    """

    system: str = ""
    tools: tuple[Tool, ...] = ()
    output_schema: Mapping[str, Any] | None = None


@attrs.frozen
class ToolChoice:
    """Whether the model may or must call a tool; the Messages API's own terms.

    name: the tool of the mode `tool`. parallel: whether it may call several in one answer.
    of_server: whether that tool is one of the API's own.
    """

    mode: Literal["auto", "any", "tool", "none"] = "auto"
    name: str | None = None
    parallel: bool = True
    of_server: bool = False

    @property
    def forced(self) -> bool:
        """Whether the answer must be a call."""
        return self.mode in ("any", "tool")


@attrs.frozen
class Limits:
    """What bounds one answer.

    model: the name to give to the CLI. unlisted: it is not among those that the CLI lists, so the
    CLI may refuse it. max_tokens: None leaves the CLI's own limit.
    effort: one of the CLI's effort levels, None for the model's default. thinking: whether the
    model may think before it answers. budgeted: it thinks by a budget of tokens, so the API wants
    to see what it thought before the calls that the conversation ends with. streamed: the client
    is told the answer while it is made, so nothing of it can be taken back. output_format: the
    JSON schema that the API makes the answer match, in the keywords that the API takes.
    server_tools: the tools of the API's own that the model may use. container: the id of the
    container in which the API runs code.
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
    streamed: bool = False
    unlisted: bool = False
    output_format: Mapping[str, Any] | None = None
    server_tools: tuple[ServerTool, ...] = ()
    container: str | None = None


@attrs.frozen
class Conversation:
    """Everything one request asks for. Turns alternate, and the first and last are the user's.

    output_schema: the JSON schema that the answer must match, in the client's own keywords.
    shows_blocks: whether the client is told the blocks of the API's own tools as they are, and
    sends them back. separator: what the client gets between two texts that such a block separates.
    strict_as: how the header `x-claudeproxy-ignored` names the field `strict` of a tool; "" if the
    API itself is to refuse what it does not take of it.
    """

    profile: Profile
    turns: tuple[Turn, ...]
    limits: Limits
    output_schema: Mapping[str, Any] | None = None
    shows_blocks: bool = False
    separator: str = ""
    strict_as: str = ""

    @cached_property
    def lines(self) -> tuple[Turn, ...]:
        """The turns as a CLI process gets them: tool results stand apart from what follows them.

        Then the process can be taken back to the place between them.
        """
        return tuple(line for turn in self.turns for line in _lines(turn))

    @property
    def newest(self) -> int:
        """The index of the newest turn's first line."""
        return len(self.lines) - len(_lines(self.turns[-1]))

    @cached_property
    def keys(self) -> tuple[bytes, ...]:
        """For each line, the digest of all that comes before it; then the digest of all lines."""
        return keys_of(profile_key(self.profile), self.lines)

    @cached_property
    def places(self) -> Mapping[bytes, int]:
        """The keys, each with its index."""
        return {key: index for index, key in enumerate(self.keys)}

    @property
    def profile_key(self) -> bytes:
        """The digest of its profile alone."""
        return self.keys[0]

    @property
    def prefix_key(self) -> bytes:
        """The digest of all but its newest turn."""
        return self.keys[self.newest]

    def key_with(self, answer: Turn) -> bytes:
        """The digest of the conversation and its answer: the next request's `prefix_key`."""
        return next_key(self.keys[-1], answer)


def _lines(turn: Turn) -> tuple[Turn, ...]:
    results = tuple(takewhile(_is_result, turn.blocks))
    if not results or len(results) == len(turn.blocks):
        return (turn,)
    return Turn(turn.role, results), Turn(turn.role, turn.blocks[len(results) :])


def _is_result(block: Block) -> bool:
    return bool(block["type"] == "tool_result")


def is_results(turn: Turn) -> bool:
    """Whether a turn is results of tool calls and nothing else."""
    return all(map(_is_result, turn.blocks))


def has_results(turn: Turn) -> bool:
    """Whether there are results of tool calls in a turn."""
    return any(map(_is_result, turn.blocks))


def answers_calls(lines: Sequence[Turn]) -> bool:
    """Whether there are results of tool calls in the newest turn of some lines."""
    newest = takewhile(lambda line: line.role == "user", reversed(lines))
    return any(map(has_results, newest))


def text_block(text: str) -> Block:
    """A text block of the Messages API."""
    return {"type": "text", "text": text}


def untold(block: Block) -> Block:
    """A block of an answer that the model gets, and that clients do not send back."""
    return {"type": UNTOLD, "block": block}


def is_of_server_tool(block: Block) -> bool:
    """Whether a block is a call of one of the API's own tools, or the result of one."""
    kind = block["type"]
    return bool(kind == "server_tool_use" or (kind != "tool_result" and kind.endswith(RESULT)))


def has_server_blocks(turn: Turn) -> bool:
    """Whether there are blocks of the API's own tools in a turn, told or untold."""
    return turn.role == "assistant" and any(
        is_of_server_tool(block["block"] if block["type"] == UNTOLD else block)
        for block in turn.blocks
    )


def alternate(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The same blocks with neighbours of one role merged into one turn."""
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role:
            merged[-1] = Turn(turn.role, merged[-1].blocks + turn.blocks)
        else:
            merged.append(turn)
    return tuple(merged)


def profile_key(profile: Profile) -> bytes:
    """A digest of a profile: equal for equal profiles only."""
    tools = [[tool.name, tool.description, tool.input_schema, tool.more] for tool in profile.tools]
    said = _encode([profile.system, tools, profile.output_schema])
    return hashlib.sha256(said.encode("ascii")).digest()


def called_in(turns: Iterable[Turn]) -> tuple[str, ...]:
    """The ids of the calls in some turns, in their order."""
    return tuple(
        block["id"] for turn in turns for block in turn.blocks if block["type"] == "tool_use"
    )


def next_key(before: bytes, turn: Turn, called: Sequence[str] = ()) -> bytes:
    """A digest of a turn and of all that comes before it, whose digest `before` is.

    An assistant turn counts as what a client can send back: its text, its tool calls and the blocks
    of the API's own tools; no thinking, no citations, no white space at the ends. called: the ids
    of the calls in the turn before. Clients spell ids in their own way, so of an id only counts
    which call it belongs to.
    """
    said = _encode([turn.role, *_as_sent_back(turn, called)])
    return hashlib.sha256(before + said.encode("ascii")).digest()


def keys_of(before: bytes, lines: Iterable[Turn]) -> tuple[bytes, ...]:
    """For each line, the digest of all that comes before it; then the digest of all lines.

    before: the digest of what comes before the first line, which has no results of earlier calls.
    """
    keys = [before]
    called: tuple[str, ...] = ()
    for line in lines:
        keys.append(next_key(keys[-1], line, called))
        if line.role == "assistant":
            called = called_in((line,))
    return tuple(keys)


# The order of the names in an object does not count.
_encode = json.JSONEncoder(sort_keys=True).encode


def _as_sent_back(turn: Turn, called: Sequence[str]) -> Iterable[Any]:
    if turn.role == "user":
        return [_without_id(block, called) for block in turn.blocks]
    text = "".join(block["text"] for block in turn.blocks if block["type"] == "text")
    calls = [
        [block["name"], block["input"]] for block in turn.blocks if block["type"] == "tool_use"
    ]
    of_server = [
        {name: value for name, value in block.items() if name not in _NOT_COUNTED}
        for block in turn.blocks
        if is_of_server_tool(block)
    ]
    return [text.strip(), *calls, *of_server]


# The fields of the blocks of the API's own tools that clients may change or leave out.
_NOT_COUNTED = frozenset({"id", "tool_use_id", "cache_control", "caller"})


def _without_id(block: Block, called: Sequence[str]) -> dict[str, Any]:
    told = dict(block)
    if block["type"] == "tool_result" and block["tool_use_id"] in called:
        told["tool_use_id"] = called.index(block["tool_use_id"])
    return told
