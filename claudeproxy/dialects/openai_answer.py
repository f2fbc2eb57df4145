"""The common parts of answers in OpenAI's dialects.

Source: OpenAI's OpenAPI document 2.3.0 (ErrorResponse, CompletionUsage).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ..errors import APIError
from ..events import Usage


# The maximum length of the id of a call, as in OpenAI's API.
LONGEST_ID = 40
DONE = b"data: [DONE]\n\n"
# The text of a refusal, because the Messages API gives none.
REFUSAL = "Claude declined to answer this request."


def encode_error(error: APIError) -> bytes:
    """Return OpenAI's error object (openai.yaml, ErrorResponse), always with all four keys.

    The error for a plan's usage limit also has `resets_at`, as in ChatGPT's backend.
    """
    body: dict[str, Any] = {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": error.code,
    }
    if error.resets_at is not None:
        body["resets_at"] = error.resets_at
    return json.dumps({"error": body}).encode("ascii")


def usage_object(usage: Usage) -> dict[str, Any]:
    """CompletionUsage: `prompt_tokens` counts cached tokens too."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_creation_tokens,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def plain_id(call_id: str) -> str:
    """Return the id of a tool call as clients get it: letters and digits, at most `LONGEST_ID`.

    Some clients remove everything else from an id, or cut it.
    """
    if call_id.isalnum() and call_id.isascii():
        plain = call_id
    else:
        plain = "".join(filter(str.isalnum, call_id))
    if plain and plain.isascii() and len(plain) <= LONGEST_ID:
        return plain
    return "call" + hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:28]
