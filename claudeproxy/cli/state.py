"""The states of a session."""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """The state of a session. The docstring of `session` shows the transitions."""

    BLANK = auto()
    INITIALIZING = auto()
    IDLE = auto()
    # The CLI asks the API whether a model that the CLI does not list exists.
    SETTING_MODEL = auto()
    CLEARING = auto()
    REPLAYING = auto()
    ANSWERING = auto()
    # The answer calls the client's tools, and the CLI waits for their results.
    PARKED = auto()
    # The answer is complete, but the CLI has not reported the end of the turn yet.
    ENDING = auto()
    # The answer reached its token limit. The process must be ended, or the CLI would continue it.
    TRUNCATED = auto()
    BROKEN = auto()


# The states in which a client waits for an answer.
AWAITING_ANSWER = (State.SETTING_MODEL, State.CLEARING, State.REPLAYING, State.ANSWERING)
