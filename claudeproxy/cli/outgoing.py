"""Builds the lines that are written to the CLI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from ..conversation import Block, Limits, Profile, ToolChoice, Turn
from . import mcp, output_schema
from .lines import encode


# The tool that the CLI adds for a `jsonSchema` (2.1.197, 2.1.330).
STRUCTURED_OUTPUT = "StructuredOutput"
MOST_CORRECTIONS = 2
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
    if profile.output_schema is not None:
        wanted["jsonSchema"] = output_schema.for_cli(profile.output_schema)
    return wanted


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
    that the message names, and omits that of a message without a model (2.1.197, 2.1.332).
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
                    else {"model": own["model"], "content": own["content"]}
                ),
            },
            "parent_tool_use_id": None,
        }
    )


def flag_settings(limits: Limits, profile: Profile, turn: Limits | None = None) -> dict[str, Any]:
    """Return the CLI's settings for these limits.

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
        "tool_choice": choice,
        "temperature": limits.temperature,
        "top_p": limits.top_p,
    }
    if turn is not None and limits.max_tokens != turn.max_tokens:
        extra["max_tokens"] = limits.max_tokens
    if turn is not None and limits.effort not in (None, turn.effort):
        extra["output_config"] = {"effort": limits.effort}
    extra = {name: value for name, value in extra.items() if value is not None}
    env = {
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(limits.max_tokens or ""),
        "CLAUDE_CODE_DISABLE_THINKING": "" if thinking else "1",
        EXTRA_BODY: json.dumps(extra) if extra else "",
    }
    if profile.output_schema is not None:
        # Despite its name it includes the first attempt (both versions).
        env["MAX_STRUCTURED_OUTPUT_RETRIES"] = str(1 + corrections(limits))
    return {"effortLevel": limits.effort, "env": env}


def corrections(limits: Limits) -> int:
    """How often the model may correct an answer that does not match its schema."""
    return 0 if limits.streamed else MOST_CORRECTIONS


def _tool_choice(limits: Limits, profile: Profile) -> dict[str, Any] | None:
    choice = limits.tool_choice
    if profile.output_schema is not None and not choice.forced:
        if choice.mode == "none" or (not profile.tools and limits.effort is None):
            return {"type": "tool", "name": STRUCTURED_OUTPUT, "disable_parallel_tool_use": True}
        if limits.effort is None:
            choice = attrs.evolve(choice, mode="any")
        # Otherwise the request enables thinking, and the CLI itself makes the model call the tool.
    if choice == ToolChoice():
        return None
    told: dict[str, Any] = {"type": choice.mode}
    if choice.name is not None:
        told["name"] = mcp.PREFIX + choice.name
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
    if block["type"] == "tool_use":
        return {**block, "name": mcp.PREFIX + block["name"]}
    return dict(block)
