"""Estimates the number of tokens of a conversation, if no process can count them at once."""

from __future__ import annotations

import json
from math import ceil

import attrs

from ..conversation import Block, Conversation


# Approximate values: of Claude's tokenizer for English text, the maximum for an image (Anthropic's
# page "Vision"), and what a page of a PDF takes at most (its page "PDF support").
BYTES_PER_TOKEN = 3.5
TOKENS_OF_AN_IMAGE = 1600
TOKENS_OF_A_PAGE = 3000
# The number of pages cannot be told from a PDF whose content is compressed.
BYTES_PER_PAGE = 50_000


def estimate(conversation: Conversation) -> int:
    """Return the estimated number of input tokens."""
    profile = conversation.profile
    texts = [
        profile.system,
        *(json.dumps(attrs.asdict(tool)) for tool in profile.tools),
        *(json.dumps(tool.definition) for tool in conversation.limits.server_tools),
        json.dumps(conversation.output_schema or ""),
    ]
    media = 0
    for turn in conversation.turns:
        for block in turn.blocks:
            text, tokens = _parts(block)
            texts.append(text)
            media += tokens
    said = ceil(sum(len(text.encode("utf-8", "replace")) for text in texts) / BYTES_PER_TOKEN)
    return said + media


def _parts(block: Block) -> tuple[str, int]:
    """Return the text of a block, and the tokens of the images and files in it."""
    source = block.get("source")
    match block["type"]:
        case "text":
            return str(block["text"]), 0
        case "image":
            return "", TOKENS_OF_AN_IMAGE
        case "document" if isinstance(source, dict) and source.get("type") == "base64":
            pages = ceil(len(source["data"]) * 3 / 4 / BYTES_PER_PAGE)
            return str(block.get("title", "")), pages * TOKENS_OF_A_PAGE
        case "tool_result" if isinstance(block.get("content"), list):
            parts = [_parts(inner) for inner in block["content"]]
            return "".join(text for text, _ in parts), sum(tokens for _, tokens in parts)
        case _:
            return json.dumps({name: value for name, value in block.items() if name != "type"}), 0
