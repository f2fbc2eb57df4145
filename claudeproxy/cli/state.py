"""The states of a session, and what can happen in each.

    BLANK -> INITIALIZING -> IDLE

    IDLE -> SETTING_MODEL -> IDLE      before a turn, each only if the plan needs it, in this order
    IDLE -> REWINDING -> IDLE
    IDLE -> CLEARING -> IDLE
    IDLE -> REPLAYING -> IDLE          once for each user line of the history

    IDLE -> ANSWERING -> ENDING -> IDLE
            ANSWERING <-> PARKED -> ENDING
    IDLE -> COUNTING -> IDLE

BROKEN is reached from every state. What the table does not have breaks the session.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto


class State(Enum):
    """What the CLI does now, as far as the session knows."""

    BLANK = auto()
    INITIALIZING = auto()
    IDLE = auto()
    # The CLI asks the API whether a model that the CLI does not list exists.
    SETTING_MODEL = auto()
    # It takes the conversation back to an earlier line.
    REWINDING = auto()
    CLEARING = auto()
    # It has been sent a line of the history, and has not confirmed it yet.
    REPLAYING = auto()
    ANSWERING = auto()
    # The answer calls the client's tools, and the CLI waits for their results.
    PARKED = auto()
    # The answer is over, but the CLI has not reported the end of the turn yet.
    ENDING = auto()
    # It asks the API to count the tokens of what it remembers.
    COUNTING = auto()
    BROKEN = auto()


class Happening(Enum):
    """What the session sends or receives."""

    INITIALIZE = auto()
    SET_MODEL = auto()
    REWIND = auto()
    CLEAR = auto()
    HISTORY = auto()
    QUESTION = auto()
    RESULTS = auto()
    COUNT = auto()
    # The response to a control request.
    RESPONSE = auto()
    # The answer ended with tool calls; it ended otherwise, or was cut off.
    CALLED = auto()
    ANSWERED = auto()
    # A `result` line.
    RESULT = auto()
    # The CLI broke the protocol, or ended.
    BREAK = auto()


_S, _H = State, Happening

TRANSITIONS: Mapping[State, Mapping[Happening, State]] = {
    _S.BLANK: {_H.INITIALIZE: _S.INITIALIZING},
    _S.INITIALIZING: {_H.RESPONSE: _S.IDLE},
    _S.IDLE: {
        _H.SET_MODEL: _S.SETTING_MODEL,
        _H.REWIND: _S.REWINDING,
        _H.CLEAR: _S.CLEARING,
        _H.HISTORY: _S.REPLAYING,
        _H.QUESTION: _S.ANSWERING,
        _H.COUNT: _S.COUNTING,
    },
    _S.SETTING_MODEL: {_H.RESPONSE: _S.IDLE},
    _S.REWINDING: {_H.RESPONSE: _S.IDLE},
    _S.CLEARING: {_H.RESULT: _S.IDLE},
    _S.REPLAYING: {_H.RESULT: _S.IDLE},
    _S.ANSWERING: {_H.CALLED: _S.PARKED, _H.ANSWERED: _S.ENDING},
    _S.PARKED: {_H.RESULTS: _S.ANSWERING, _H.ANSWERED: _S.ENDING},
    _S.ENDING: {_H.RESULT: _S.IDLE},
    _S.COUNTING: {_H.RESPONSE: _S.IDLE},
    _S.BROKEN: {},
}


class ProtocolError(Exception):
    """Something happened that cannot happen in this state."""


def following(state: State, happening: Happening) -> State:
    """Return the state after something happened; raises ProtocolError."""
    if happening is Happening.BREAK:
        return State.BROKEN
    try:
        return TRANSITIONS[state][happening]
    except KeyError:
        raise ProtocolError(f"{happening.name} in the state {state.name}") from None


def require(state: State, needed: State) -> None:
    """Raise ProtocolError unless a state is the one that is needed."""
    if state is not needed:
        raise ProtocolError(f"needs the state {needed.name}, not {state.name}")
