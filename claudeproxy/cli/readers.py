"""Chooses the reader for the answer of a turn."""

from __future__ import annotations

from ..conversation import Limits, Profile
from .answer import MessageReader
from .naming import Names
from .output_tool.turn import OutputTurnReader
from .turn_reader import TurnReader


def turn_reader(
    names: Names, profile: Profile, limits: Limits, longest_retry: float, *, reasoning: bool
) -> TurnReader:
    """Return the reader for the answer of a turn; see TurnReader."""
    if profile.output_schema is not None:
        return OutputTurnReader(names, profile, limits, longest_retry, reasoning=reasoning)
    return TurnReader(MessageReader(names), limits.stop, longest_retry, reasoning=reasoning)
