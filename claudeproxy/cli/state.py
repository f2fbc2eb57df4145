"""Where a session can stand."""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """Where a session stands; the docstring of `session` draws the way through them."""

    BLANK = auto()
    INITIALIZING = auto()
    IDLE = auto()
    # The CLI asks the API whether it knows a model that the CLI does not list.
    SETTING_MODEL = auto()
    CLEARING = auto()
    REPLAYING = auto()
    ANSWERING = auto()
    # The client has an answer that calls its tools; the CLI waits for their results.
    PARKED = auto()
    # The client has its answer; the CLI has yet to say that its turn is over.
    ENDING = auto()
    # The answer reached its limit, and only a quick death keeps the CLI from going on with it.
    TRUNCATED = auto()
    BROKEN = auto()


# A client waits for an answer.
AWAITING_ANSWER = (State.SETTING_MODEL, State.CLEARING, State.REPLAYING, State.ANSWERING)
