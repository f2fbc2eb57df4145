"""What the requests of OpenAI's dialects have in common.

Source: OpenAI's OpenAPI document 2.3.0 (CreateChatCompletionRequest, CreateCompletionRequest).
"""

from __future__ import annotations

from ..errors import bad_request
from .fields import Fields


EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MOST_STOPS = 4
MOST_CHOICES = 8


def wants_usage(fields: Fields, *, stream: bool) -> bool:
    """Whether a stream is to end with what it cost; raises a 400."""
    options = fields.object("stream_options")
    if options is None:
        return False
    if not stream:
        raise bad_request(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )
    options.boolean("include_obfuscation")
    return options.boolean("include_usage") or False


def read_stops(fields: Fields) -> tuple[str, ...]:
    """The stop sequences; raises a 400."""
    value = fields.value.get("stop")
    stops = (value,) if isinstance(value, str) else fields.strings("stop")
    if len(stops) > MOST_STOPS:
        raise bad_request(
            f"Invalid 'stop': array too long. Expected at most {MOST_STOPS} stop sequences, but "
            f"got {len(stops)} instead.",
            "stop",
            "array_above_max_length",
        )
    if not all(stops):
        raise bad_request(
            "Invalid 'stop': a stop sequence must not be empty.", "stop", "invalid_value"
        )
    return stops
