"""How many tokens a conversation costs, roughly: the CLI has nothing that counts."""

from __future__ import annotations

import json
from math import ceil

import attrs

from ..conversation import Block, Conversation


# Roughly what Claude's tokenizer makes of English, and the most that an image costs (Anthropic's
# page "Vision").
BYTES_PER_TOKEN = 3.5
TOKENS_OF_AN_IMAGE = 1600


def estimate(conversation: Conversation) -> int:
    """The tokens of everything that the model gets to read."""
    profile = conversation.profile
    texts = [
        profile.system,
        *(json.dumps(attrs.asdict(tool)) for tool in profile.tools),
        json.dumps(profile.output_schema or ""),
    ]
    images = 0
    for turn in conversation.turns:
        for block in turn.blocks:
            images += block["type"] == "image"
            texts.append("" if block["type"] == "image" else _said(block))
    tokens = ceil(sum(len(text.encode("utf-8", "replace")) for text in texts) / BYTES_PER_TOKEN)
    return tokens + images * TOKENS_OF_AN_IMAGE


def _said(block: Block) -> str:
    """What of a block costs tokens, roughly."""
    if block["type"] == "text":
        return str(block["text"])
    return json.dumps({name: value for name, value in block.items() if name != "type"})
