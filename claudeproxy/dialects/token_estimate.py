"""Estimates the number of tokens of a conversation, if no process can count them at once."""

from __future__ import annotations

import json
from math import ceil

import attrs

from ..conversation import Block, Conversation


# Approximate values: of Claude's tokenizer for English text, and the maximum for an image
# (Anthropic's page "Vision").
BYTES_PER_TOKEN = 3.5
TOKENS_OF_AN_IMAGE = 1600


def estimate(conversation: Conversation) -> int:
    """Return the estimated number of input tokens."""
    profile = conversation.profile
    texts = [
        profile.system,
        *(json.dumps(attrs.asdict(tool)) for tool in profile.tools),
        *(json.dumps(tool.definition) for tool in conversation.limits.server_tools),
        json.dumps(conversation.output_schema or ""),
    ]
    images = 0
    for turn in conversation.turns:
        for block in turn.blocks:
            images += block["type"] == "image"
            texts.append("" if block["type"] == "image" else _said(block))
    tokens = ceil(sum(len(text.encode("utf-8", "replace")) for text in texts) / BYTES_PER_TOKEN)
    return tokens + images * TOKENS_OF_AN_IMAGE


def _said(block: Block) -> str:
    """Return the text of a block that counts as tokens."""
    if block["type"] == "text":
        return str(block["text"])
    return json.dumps({name: value for name, value in block.items() if name != "type"})
