"""What the roster knows of one process, and what can happen to it.

    BLANK -> BUSY <-> PARKED            a request is assigned to it; its answer calls tools
             BUSY -> IDLE               the turn has ended
             BUSY -> ENDING -> IDLE     the answer is over before the turn
             PARKED -> ENDING           nobody will resume the turn
    BLANK -> PREPARING -> IDLE          made ready for a profile, without a request
    IDLE -> PREPARING -> IDLE           emptied, taken back, or made ready for the next request
    IDLE -> BUSY

What the table does not have is an error in the pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Any

import attrs

from ..conversation import Limits, Profile, Turn, has_server_blocks


class Activity(Enum):
    """What the process of a slot does; the labels of the metric claudeproxy_workers."""

    BLANK = "blank"
    BUSY = "busy"
    # Its client has the whole answer or is gone, so it will be idle within milliseconds.
    ENDING = "ending"
    # It waits for the results of tool calls.
    PARKED = "parked"
    # It is made ready for the request that will probably come.
    PREPARING = "preparing"
    IDLE = "idle"


class Happening(Enum):
    """What happens to a slot."""

    PLACED = auto()
    ANSWERED = auto()
    PARKED = auto()
    ENDED = auto()
    PREPARE = auto()
    PREPARED = auto()


_A, _H = Activity, Happening

TRANSITIONS: Mapping[Activity, Mapping[Happening, Activity]] = {
    _A.BLANK: {_H.PLACED: _A.BUSY, _H.PREPARE: _A.PREPARING},
    _A.BUSY: {
        _H.ANSWERED: _A.ENDING,
        _H.PARKED: _A.PARKED,
        _H.ENDED: _A.IDLE,
        # Its request was cancelled before the process was ready.
        _H.PREPARED: _A.IDLE,
    },
    _A.ENDING: {_H.ANSWERED: _A.ENDING, _H.ENDED: _A.IDLE, _H.PREPARED: _A.IDLE},
    # The CLI may stop waiting by itself.
    _A.PARKED: {_H.PLACED: _A.BUSY, _H.ANSWERED: _A.ENDING, _H.ENDED: _A.IDLE},
    _A.PREPARING: {_H.PREPARED: _A.IDLE},
    _A.IDLE: {_H.PLACED: _A.BUSY, _H.PREPARE: _A.PREPARING},
}

# A process in one of these will be idle within milliseconds.
SETTLING = (Activity.ENDING, Activity.PREPARING)


class Habit(Enum):
    """How a client changes a conversation before it sends it again.

    It shows in what stands where the newest question and its answer stood.
    """

    # Both as they were: the process itself has something else, or the client adds words to the
    # results of tool calls.
    KEEPS_BOTH = auto()
    # The answer alone: the question was a note that stands at the end of each request.
    MOVES_QUESTION = auto()
    # The question, and another answer.
    CHANGES_ANSWER = auto()


@attrs.frozen
class Told:
    """The newest answer of a process, as its client knows it.

    mark: the newest mark. since: the lines from there to the answer. keys: for each habit, the
    digest of what the client sends back if it has that habit.
    """

    mark: bytes
    since: tuple[Turn, ...]
    answer: Turn
    keys: Mapping[Habit, bytes]


@attrs.define(eq=False)
class Slot:
    """The state of one process. `profile` is None while it is blank.

    since: when its activity began, in seconds. history_key: the digest of all that the process
    remembers, or will remember when it is idle again; None if that is unknown, or differs from what
    a client received. marks: for each place that it can be taken back to, the digest of what it
    remembers then. first_key: the digest of its first line. single_turn: its conversation began
    with this turn. turns: how many it has served. limits: those that its turn began with. calls:
    the ids of the tool calls that its newest line has, in order. told: its newest answer. habit:
    the habit that it was prepared for. searched: it may remember blocks of the API's own tools.
    worn: it has sent such blocks back to the API. If the API refuses one, 2.1.332 asks again
    without any, and leaves them out for the rest of its life; nothing shows that it does. So the
    process must not serve another conversation.
    """

    activity: Activity
    since: float
    profile_key: bytes | None = None
    profile: Profile | None = None
    history_key: bytes | None = None
    marks: list[bytes] = attrs.field(factory=list)
    first_key: bytes | None = None
    single_turn: bool = False
    turns: int = 0
    limits: Limits | None = None
    calls: tuple[str, ...] = ()
    told: Told | None = None
    habit: Habit | None = None
    searched: bool = False
    worn: bool = False

    def enter(self, happening: Happening, now: float) -> None:
        """Change the activity; raises KeyError if that cannot happen now."""
        self.activity, self.since = TRANSITIONS[self.activity][happening], now

    def report(self) -> dict[str, Any]:
        """What the process does, with nothing of what it remembers."""
        named = self.limits is not None and not self.limits.unlisted
        return {
            "activity": self.activity.value,
            "since": self.since,
            "turns": self.turns,
            "model": self.limits.model if named and self.limits else None,
        }

    def remember(self, lines: Iterable[Turn], *, emptied: bool = False) -> None:
        """Note lines that the process remembers now. emptied: it has forgotten all others."""
        self.searched = (self.searched and not emptied) or any(map(has_server_blocks, lines))

    @property
    def settling(self) -> bool:
        """Whether the process will be idle within milliseconds."""
        return self.activity in SETTLING

    @property
    def empty(self) -> bool:
        """Whether the process remembers nothing but its profile."""
        return self.history_key is not None and self.history_key == self.profile_key
