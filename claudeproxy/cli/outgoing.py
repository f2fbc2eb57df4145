"""The lines that are written to the CLI, each a function of what it says."""

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


# A plain user line: with `client_composed` it would be text (2.1.330). The CLI leaves a note that
# names the command in front of the next user text (0.4 kB, both versions).
CLEAR = encode(
    {
        "type": "user",
        "message": {"role": "user", "content": "/clear"},
        "parent_tool_use_id": None,
    }
)


def initialize(profile: Profile) -> dict[str, Any]:
    """What the first control request says: what the process is for, once and for all."""
    # [""] is no system prompt at all; without the key the CLI would use its own.
    wanted: dict[str, Any] = {"systemPrompt": [profile.system]}
    if profile.tools:
        wanted["sdkMcpServers"] = [mcp.SERVER]
    if profile.output_schema is not None:
        wanted["jsonSchema"] = output_schema.for_cli(profile.output_schema)
    return wanted


def control_request(request_id: str, subtype: str, request: Mapping[str, Any]) -> bytes:
    """Ask the CLI for something beside the conversation."""
    return encode(
        {
            "type": "control_request",
            "request_id": request_id,
            "request": {"subtype": subtype, **request},
        }
    )


def control_refusal(request_id: str) -> bytes:
    """Answer a request of the CLI's that has no answer here."""
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
    """Answer an MCP message that came in a control request."""
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


def history_line(turn: Turn) -> bytes:
    """A past user turn: appended, not answered; the CLI confirms it with a `result`.

    Without `client_composed`: with it 2.1.330 puts an empty system message into the API request.
    """
    return _user_line(turn, shouldQuery=False)


def question_line(turn: Turn) -> bytes:
    """The user turn that the model is to answer."""
    return _user_line(turn, client_composed=True)


def assistant_line(turn: Turn, number: int) -> bytes:
    """A past assistant turn: appended at once, unconfirmed.

    number: unique within the process; lines that share an id are taken for parts of one message.
    """
    return encode(
        {
            "type": "assistant",
            "message": {
                "id": f"msg_replayed_{number}",
                "type": "message",
                "role": "assistant",
                "content": [_for_the_api(block) for block in turn.blocks],
            },
            "parent_tool_use_id": None,
        }
    )


def flag_settings(limits: Limits, profile: Profile) -> dict[str, Any]:
    """The CLI's settings for these limits, each with what takes it back where it is not wanted."""
    choice = _tool_choice(limits, profile)
    # The API refuses to think when it is told what to call.
    forced = choice is not None and choice["type"] in ("any", "tool")
    thinking = limits.thinking and not forced
    extra = {
        # A sequence of white space only is refused by the API, and cut by the session.
        "stop_sequences": [stop for stop in limits.stop if stop.strip()] or None,
        "tool_choice": choice,
        "temperature": limits.temperature,
        "top_p": limits.top_p,
    }
    extra = {name: value for name, value in extra.items() if value is not None}
    env = {
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(limits.max_tokens or ""),
        "CLAUDE_CODE_DISABLE_THINKING": "" if thinking else "1",
        "CLAUDE_CODE_EXTRA_BODY": json.dumps(extra) if extra else "",
    }
    if profile.output_schema is not None:
        # It counts all attempts, the first one too (both versions).
        env["MAX_STRUCTURED_OUTPUT_RETRIES"] = str(1 + corrections(limits))
    return {"effortLevel": limits.effort, "env": env}


def corrections(limits: Limits) -> int:
    """How often the model may correct an answer that does not fit its schema."""
    return 0 if limits.streamed else MOST_CORRECTIONS


def thinks(settings: Mapping[str, Any]) -> bool:
    """Whether these flag settings let the model think."""
    return not settings["env"]["CLAUDE_CODE_DISABLE_THINKING"]


def _tool_choice(limits: Limits, profile: Profile) -> dict[str, Any] | None:
    choice = limits.tool_choice
    if profile.output_schema is not None and not choice.forced:
        if choice.mode == "none" or (not profile.tools and limits.effort is None):
            return {"type": "tool", "name": STRUCTURED_OUTPUT, "disable_parallel_tool_use": True}
        if limits.effort is None:
            choice = attrs.evolve(choice, mode="any")
        # Else thinking was asked for, and the CLI itself sees to it that the tool is called.
    if choice == ToolChoice():
        return None
    told: dict[str, Any] = {"type": choice.mode}
    if choice.name is not None:
        told["name"] = mcp.PREFIX + choice.name
    if not choice.parallel and choice.mode != "none":
        told["disable_parallel_tool_use"] = True
    return told


def _user_line(turn: Turn, **flags: bool) -> bytes:
    return encode(
        {
            "type": "user",
            "message": {"role": "user", "content": [_plain(block) for block in turn.blocks]},
            "parent_tool_use_id": None,
            **flags,
        }
    )


def _plain(block: Block) -> dict[str, Any]:
    """The block with text that the CLI will not take for a command of its own.

    Text that begins with a slash is one; a newline before it is all it takes (2.1.197 knows no
    other way).
    """
    if block["type"] == "text" and block["text"].startswith("/"):
        return {**block, "text": "\n" + block["text"]}
    return dict(block)


def _for_the_api(block: Block) -> dict[str, Any]:
    """The block with the name that the CLI gives to the client's tool."""
    if block["type"] == "tool_use":
        return {**block, "name": mcp.PREFIX + block["name"]}
    return dict(block)
