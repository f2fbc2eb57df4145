"""The lines that are written to the CLI, each a function of what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..conversation import Block, Limits, Turn
from .lines import encode


# A plain user line: with `client_composed` it would be text (2.1.330). The CLI leaves a note that
# names the command in front of the next user text (0.4 kB, both versions).
CLEAR = encode(
    {
        "type": "user",
        "message": {"role": "user", "content": "/clear"},
        "parent_tool_use_id": None,
    }
)


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
                "content": [dict(block) for block in turn.blocks],
            },
            "parent_tool_use_id": None,
        }
    )


def limits_env(limits: Limits) -> dict[str, str]:
    """The CLI's variables for these limits; an empty string takes one back."""
    extra = {"stop_sequences": list(limits.stop)} if limits.stop else {}
    return {
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(limits.max_tokens or ""),
        "CLAUDE_CODE_DISABLE_THINKING": "" if limits.thinking else "1",
        "CLAUDE_CODE_EXTRA_BODY": json.dumps(extra) if extra else "",
    }


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
