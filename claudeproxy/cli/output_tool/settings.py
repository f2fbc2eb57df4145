"""What the CLI is told so that it offers its own tool for structured answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ...conversation import Limits, Profile, ToolChoice
from . import schema


# The tool that the CLI adds for a `jsonSchema` (2.1.197, 2.1.330).
STRUCTURED_OUTPUT = "StructuredOutput"
DESCRIPTION = (
    "Use this tool to return your final response in the requested structured format. You MUST call "
    "this tool exactly once at the end of your response to provide the structured output."
)
MOST_CORRECTIONS = 2


def of_initialize(profile: Profile) -> dict[str, Any]:
    """Return the fields of the `initialize` request."""
    if profile.output_schema is None:
        return {}
    return {"jsonSchema": schema.for_cli(profile.output_schema)}


def definitions(profile: Profile) -> list[dict[str, Any]]:
    """Return the entry for the tool in the API's `tools` as the CLI itself would send it."""
    if profile.output_schema is None:
        return []
    return [
        {
            "name": STRUCTURED_OUTPUT,
            "description": DESCRIPTION,
            "input_schema": schema.for_cli(profile.output_schema),
        }
    ]


def environment(limits: Limits, profile: Profile) -> dict[str, str]:
    """Return the variables for the settings of a turn."""
    if profile.output_schema is None:
        return {}
    # Despite its name it includes the first attempt (both versions).
    return {"MAX_STRUCTURED_OUTPUT_RETRIES": str(1 + corrections(limits))}


def corrections(limits: Limits) -> int:
    """How often the model may correct an answer that does not match its schema."""
    return 0 if limits.streamed else MOST_CORRECTIONS


def tool_choice(limits: Limits, profile: Profile) -> ToolChoice | Mapping[str, Any]:
    """Return the tool choice that makes the model call the tool, or another of the client's.

    It is the client's own choice if that is forced, or if there is no schema. A Mapping is in the
    API's own form.
    """
    choice = limits.tool_choice
    if profile.output_schema is None or choice.forced:
        return choice
    alone = not profile.tools and not limits.server_tools
    if choice.mode == "none" or (alone and limits.effort is None):
        return {"type": "tool", "name": STRUCTURED_OUTPUT, "disable_parallel_tool_use": True}
    if limits.effort is None:
        return attrs.evolve(choice, mode="any")
    # The request enables thinking, and the CLI itself makes the model call the tool.
    return choice
