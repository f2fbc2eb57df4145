"""Builds the lines that are written to the CLI."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..conversation import UNTOLD, Block, Limits, Profile, Tool, ToolChoice, Turn, called_in
from . import mcp
from .lines import encode
from .output_tool import settings as output_tool


# The variable whose JSON object the CLI merges into each API request (both versions).
EXTRA_BODY = "CLAUDE_CODE_EXTRA_BODY"
# The control request that makes the CLI count tokens.
COUNT = "get_context_usage"


# Not `client_composed`: 2.1.330 would then read the command as text. Both versions put a note that
# names the command (0.4 kB) before the next user text.
CLEAR = encode(
    {
        "type": "user",
        "message": {"role": "user", "content": "/clear"},
        "parent_tool_use_id": None,
    }
)


def initialize(profile: Profile) -> dict[str, Any]:
    """Return the fields of the `initialize` request, which cannot be changed later."""
    # [""] means no system prompt. Without the key the CLI would use its own.
    wanted: dict[str, Any] = {"systemPrompt": [profile.system]}
    if profile.tools:
        wanted["sdkMcpServers"] = [mcp.SERVER]
    return {**wanted, **output_tool.of_initialize(profile)}


def control_request(request_id: str, subtype: str, request: Mapping[str, Any]) -> bytes:
    """Send a control request to the CLI."""
    return encode(
        {
            "type": "control_request",
            "request_id": request_id,
            "request": {"subtype": subtype, **request},
        }
    )


def control_refusal(request_id: str) -> bytes:
    """Answer a control request of the CLI that is not supported."""
    return encode(
        {
            "type": "control_response",
            "response": {
                "subtype": "error",
                "request_id": request_id,
                "error": "not available here",
            },
        }
    )


def mcp_reply(request_id: str, message: Mapping[str, Any]) -> bytes:
    """Answer an MCP message that the CLI sent in a control request."""
    return encode(
        {
            "type": "control_response",
            "response": {
                "subtype": "success",
                "request_id": request_id,
                "response": {"mcp_response": message},
            },
        }
    )


def history_line(turn: Turn, uuid: str) -> bytes:
    """A past user turn. The CLI appends it without answering, and confirms it with a `result`.

    Not `client_composed`: 2.1.330 would then put an empty system message into the API request.
    """
    return _user_line(turn, uuid=uuid, shouldQuery=False)


def question_line(turn: Turn, uuid: str) -> bytes:
    """The user turn that the model is to answer."""
    return _user_line(turn, uuid=uuid, client_composed=True)


def assistant_line(turn: Turn, number: int, own: Mapping[str, Any] | None = None) -> bytes:
    """A past assistant turn. The CLI appends it at once and does not confirm it.

    number: unique within the process, because the CLI joins lines with the same id into one
    message. own: the same answer as the CLI reported it. The CLI keeps its thinking for the model
    that the message names, and omits that of a message without a model (2.1.197, 2.1.332). The ids
    of calls are those of the turn, because the results that follow have these.
    """
    return encode(
        {
            "type": "assistant",
            "message": {
                "id": f"msg_replayed_{number}",
                "type": "message",
                "role": "assistant",
                **(
                    {"content": [_for_the_api(block) for block in turn.blocks]}
                    if own is None
                    else {"model": own["model"], "content": _with_ids(own["content"], turn)}
                ),
            },
            "parent_tool_use_id": None,
        }
    )


def _with_ids(content: Iterable[Block], turn: Turn) -> list[Block]:
    ids = iter(called_in((turn,)))
    return [
        {**block, "id": next(ids)} if block["type"] == "tool_use" else block for block in content
    ]


def flag_settings(limits: Limits, profile: Profile, turn: Limits | None = None) -> dict[str, Any]:
    """Return the CLI's settings for these limits. The profile has the inner names of its tools.

    Every setting is always present, so that it replaces the value from an earlier turn. turn: the
    limits that the running turn began with, if there is one. 2.1.330 keeps its max_tokens and its
    effort, so others are put into the API request.
    """
    choice = _tool_choice(limits, profile)
    # The API does not allow thinking together with a forced tool call.
    forced = choice is not None and choice["type"] in ("any", "tool")
    thinking = limits.thinking and not forced
    extra = {
        # The API refuses sequences of white space only. The session itself cuts the text at those.
        "stop_sequences": [stop for stop in limits.stop if stop.strip()] or None,
        "tools": _tools(limits, profile),
        "tool_choice": choice,
        "temperature": limits.temperature,
        "top_p": limits.top_p,
        "container": limits.container,
    }
    if turn is not None and limits.max_tokens != turn.max_tokens:
        extra["max_tokens"] = limits.max_tokens
    effort = limits.effort if turn is not None and limits.effort != turn.effort else None
    output = {"effort": effort, "format": _output_format(limits)}
    extra["output_config"] = {name: told for name, told in output.items() if told} or None
    extra = {name: value for name, value in extra.items() if value is not None}
    env = {
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(limits.max_tokens or ""),
        "CLAUDE_CODE_DISABLE_THINKING": "" if thinking else "1",
        EXTRA_BODY: json.dumps(extra) if extra else "",
    }
    env.update(output_tool.environment(limits, profile))
    return {"effortLevel": limits.effort, "env": env}


def _output_format(limits: Limits) -> dict[str, Any] | None:
    """Messages API, "Structured outputs". The CLI merges it with its own output_config."""
    if limits.output_format is None:
        return None
    return {"type": "json_schema", "schema": limits.output_format}


def _tools(limits: Limits, profile: Profile) -> list[Mapping[str, Any]] | None:
    """Return the `tools` of the API request, which replace those that the CLI would send.

    The CLI cuts descriptions, and does not pass on fields such as `strict`.
    """
    tools = [*map(_defined, profile.tools), *(tool.definition for tool in limits.server_tools)]
    return [*tools, *output_tool.definitions(profile)] if tools else None


def _defined(tool: Tool) -> Mapping[str, Any]:
    return {
        "name": mcp.PREFIX + tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
        **tool.more,
    }


def _tool_choice(limits: Limits, profile: Profile) -> dict[str, Any] | None:
    choice = output_tool.tool_choice(limits, profile)
    if not isinstance(choice, ToolChoice):
        return dict(choice)
    if choice == ToolChoice():
        return None
    told: dict[str, Any] = {"type": choice.mode}
    if choice.name is not None:
        told["name"] = choice.name if choice.of_server else mcp.PREFIX + choice.name
    if not choice.parallel and choice.mode != "none":
        told["disable_parallel_tool_use"] = True
    return told


def _user_line(turn: Turn, **more: Any) -> bytes:
    return encode(
        {
            "type": "user",
            "message": {"role": "user", "content": [_plain(block) for block in turn.blocks]},
            "parent_tool_use_id": None,
            **more,
        }
    )


def _plain(block: Block) -> dict[str, Any]:
    """Return the block with text that the CLI does not read as a slash command.

    A newline before the slash is enough (2.1.197 has no other way).
    """
    if block["type"] == "text" and block["text"].startswith("/"):
        return {**block, "text": "\n" + block["text"]}
    return dict(block)


def _for_the_api(block: Block) -> dict[str, Any]:
    """Return the block with the CLI's name for the client's tool."""
    if block["type"] == UNTOLD:
        return dict(block["block"])
    if block["type"] == "tool_use":
        return {**block, "name": mcp.PREFIX + block["name"]}
    return dict(block)
