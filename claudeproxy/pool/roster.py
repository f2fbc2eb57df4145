"""Which worker serves which conversation: the pool's decisions, without its processes.

A worker's process has a place here, a Seat. Each conversation is given the first of these that
there is:

1. resumed: a parked worker, whose running turn waits for just the tool results that come;
2. continued: an idle worker that holds all of the conversation but its newest turn;
3. recycled: an idle worker of the same profile whose conversation does not seem to go on, emptied
   by `/clear`;
4. claimed: a blank spare, whose profile is not fixed yet;
5. recycled: any idle worker of the same profile;
6. spawned: a new process, in the place of the least recently used idle one if there are too many.

If all are busy it must wait. What matters is that a conversation is never given a worker that
remembers anything but the beginning of just this conversation.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TypeAlias

import attrs

from ..cli.mcp import can_carry
from ..conversation import Conversation, Profile, Turn, digest, is_results


class Activity(Enum):
    """What the process at a seat does."""

    BLANK = "blank"
    BUSY = "busy"
    IDLE = "idle"
    PARKED = "parked"


# Model, effort and bound of tokens: 2.1.330 keeps the last two for a whole turn, 2.1.197 the first.
SetTo: TypeAlias = tuple[str, str | None, int | None]


@attrs.define(eq=False)
class Seat:
    """One process. `profile` is None while it is blank.

    holds: the digest of all that the process remembers, None if that is unknown or not what any
    client was told. short: its conversation had no turns before. finishing: its client has the
    whole answer, so it will be idle within milliseconds. since: when its activity began, in
    seconds. set_to: what nothing can change about its running turn.
    """

    activity: Activity
    since: float
    profile: bytes | None = None
    made_for: Profile | None = None
    holds: bytes | None = None
    short: bool = False
    finishing: bool = False
    turns: int = 0
    set_to: SetTo | None = None


@attrs.frozen
class Placement:
    """Where a conversation goes and what is to be done there.

    clear: the process must forget what it holds. turns: those that are to be sent. instead_of:
    the seat that makes room.
    """

    seat: Seat
    rung: str
    turns: tuple[Turn, ...]
    clear: bool = False
    instead_of: Seat | None = None


@attrs.define
class Roster:
    """All seats. most: how many there may be. recycling: whether rungs 3 and 5 are used.

    one_shots: profiles whose requests do not go on from each other, as far as has been seen.
    """

    most: int
    recycling: bool = True
    seats: list[Seat] = attrs.field(init=False, factory=list)
    one_shots: set[bytes] = attrs.field(init=False, factory=set)

    def place(
        self, conversation: Conversation, now: float, *, may_spawn: bool = True, fresh: bool = False
    ) -> Placement | None:
        """Give a conversation a seat, which is busy from now on; None if it must wait.

        may_spawn: False if it should rather wait than have a process started for it. fresh: it has
        lost a process already, and what ended that one may have ended all there are.
        """
        if fresh:
            placement = self._spawned(conversation, now)
        else:
            placement = self._resumed(conversation) or self._found(
                conversation, now, may_spawn=may_spawn
            )
        if placement is not None:
            seat = placement.seat
            seat.activity, seat.since = Activity.BUSY, now
            seat.profile, seat.made_for = conversation.profile_key, conversation.profile
            seat.holds = None
            seat.short = len(conversation.turns) == 1
            seat.set_to = _set_to(conversation)
        return placement

    def _found(
        self, conversation: Conversation, now: float, *, may_spawn: bool
    ) -> Placement | None:
        profile, prefix = conversation.profile_key, conversation.prefix_key
        if len(conversation.turns) > 1:
            self.one_shots.discard(profile)
        finishing = [seat for seat in self.seats if seat.finishing and seat.profile == profile]
        if any(seat.holds == prefix for seat in finishing):
            # A client that asks on at once: its process is all but idle.
            return None
        idle = [
            seat
            for seat in self._ordered(self.seats)
            if seat.activity is Activity.IDLE and seat.profile == profile
        ]
        placement = self._continued(conversation, idle, prefix) or self._recycled(
            conversation, [seat for seat in idle if seat.short or seat.holds in (None, profile)]
        )
        if placement is None and finishing:
            return None
        if placement is None and (blank := self._oldest(Activity.BLANK)):
            placement = Placement(blank, "claimed", conversation.turns)
        # Better a spare than to end what goes on; better that than to start a process.
        placement = placement or self._recycled(conversation, idle)
        if placement is None and may_spawn:
            placement = self._spawned(conversation, now)
        return placement

    def add_blank(self, now: float) -> Seat:
        """A spare that was started for whoever comes."""
        seat = Seat(Activity.BLANK, now)
        self.seats.append(seat)
        return seat

    def finishing(self, seat: Seat, holds: bytes | None) -> None:
        """The answer is told, or not wanted; `holds`: the digest of all that is remembered then.

        None if it cannot be gone on from.
        """
        seat.finishing, seat.holds = True, holds

    def parked(self, seat: Seat, holds: bytes, now: float) -> None:
        """The answer calls the client's tools, and the process waits for their results."""
        seat.activity, seat.since, seat.holds = Activity.PARKED, now, holds

    def superseded(self, conversation: Conversation) -> Seat | None:
        """The parked seat of this very conversation, if its turn cannot be gone on with.

        Nobody else will ever want it, and it can be emptied sooner than a process can be started.
        """
        seat = self._parked_for(conversation)
        return None if seat is None or _can_go_on(seat, conversation) else seat

    def longest_parked(self) -> Seat | None:
        """The seat that has waited longest for tool results, if its place is all that is left."""
        full = len(self.seats) >= self.most and not self.count(Activity.IDLE)
        if full and not any(seat.finishing for seat in self.seats):
            return self._oldest(Activity.PARKED)
        return None

    def idle(self, seat: Seat, now: float, *, clean: bool) -> None:
        """The process is idle; `clean`: it remembers just what its client was told."""
        seat.activity, seat.since, seat.finishing = Activity.IDLE, now, False
        seat.turns += 1
        if not clean:
            seat.holds = None

    def fresh(self, seat: Seat, profile: Profile, now: float) -> None:
        """The seat's process is ready for a profile and remembers nothing."""
        seat.activity, seat.since = Activity.IDLE, now
        seat.profile = seat.holds = digest(profile, ())
        seat.made_for = profile

    def better_empty(self, seat: Seat) -> bool:
        """Whether what an idle process remembers is of no use, so that it may as well forget it.

        Then the next request does not have to wait for that.
        """
        if not self.recycling or seat.holds == seat.profile:
            return False
        return seat.holds is None or (seat.short and seat.profile in self.one_shots)

    def emptying(self, seat: Seat, now: float) -> None:
        """The idle process forgets what it remembers; until it has, it is as good as busy."""
        seat.activity, seat.since, seat.finishing, seat.holds = Activity.BUSY, now, True, None

    def emptied(self, seat: Seat, now: float) -> None:
        """The process remembers nothing."""
        seat.activity, seat.since, seat.finishing = Activity.IDLE, now, False
        seat.holds = seat.profile

    def wants_another(self) -> Profile | None:
        """A profile of one-shots that a single process serves: while it forgets, another could."""
        for profile in self.one_shots:
            seats = [seat for seat in self.seats if seat.profile == profile]
            if len(seats) == 1:
                return seats[0].made_for
        return None

    def remove(self, seat: Seat) -> None:
        """The process is gone, or is not to be used again."""
        if seat in self.seats:
            self.seats.remove(seat)
        if all(other.profile != seat.profile for other in self.seats):
            self.one_shots.discard(seat.profile or b"")

    def serves(self, conversation: Conversation) -> int:
        """How many busy seats could serve the conversation next."""
        return sum(
            seat.activity is Activity.BUSY and seat.profile == conversation.profile_key
            for seat in self.seats
        )

    def count(self, activity: Activity) -> int:
        """How many seats are blank, busy, idle or parked."""
        return sum(seat.activity is activity for seat in self.seats)

    def _parked_for(self, conversation: Conversation) -> Seat | None:
        parked = (seat for seat in self.seats if seat.activity is Activity.PARKED)
        return next((seat for seat in parked if seat.holds == conversation.prefix_key), None)

    def _resumed(self, conversation: Conversation) -> Placement | None:
        seat = self._parked_for(conversation)
        if seat is None or not _can_go_on(seat, conversation):
            return None
        return Placement(seat, "resumed", conversation.turns[-1:])

    def _continued(
        self, conversation: Conversation, idle: list[Seat], prefix: bytes
    ) -> Placement | None:
        for seat in idle:
            if seat.holds == prefix:
                rung = "recycled" if seat.turns else "claimed"
                if len(conversation.turns) > 1:
                    rung = "continued"
                return Placement(seat, rung, conversation.turns[-1:])
        return None

    def _recycled(self, conversation: Conversation, idle: list[Seat]) -> Placement | None:
        if not self.recycling or not idle:
            return None
        profile = conversation.profile_key
        # What holds nothing of value first: never used, then spoilt, then the longest unused.
        worth = {profile: 0, None: 1}
        seat = min(idle, key=lambda seat: worth.get(seat.holds, 2))
        if seat.short and seat.holds not in worth:
            self.one_shots.add(profile)
        return Placement(seat, "recycled", conversation.turns, clear=seat.holds != profile)

    def _spawned(self, conversation: Conversation, now: float) -> Placement | None:
        instead_of = None
        if len(self.seats) >= self.most:
            instead_of = self._oldest(Activity.IDLE)
            if instead_of is None:
                return None
            self.seats.remove(instead_of)
        seat = self.add_blank(now)
        return Placement(seat, "spawned", conversation.turns, instead_of=instead_of)

    def _oldest(self, activity: Activity) -> Seat | None:
        return next(
            iter(self._ordered(seat for seat in self.seats if seat.activity is activity)), None
        )

    def _ordered(self, seats: Iterable[Seat]) -> list[Seat]:
        return sorted(seats, key=lambda seat: seat.since)


def _set_to(conversation: Conversation) -> SetTo:
    limits = conversation.limits
    return limits.model, limits.effort, limits.max_tokens


def _can_go_on(seat: Seat, conversation: Conversation) -> bool:
    """Whether the turn that waits at a seat can take what its conversation brings."""
    newest = conversation.turns[-1]
    return seat.set_to == _set_to(conversation) and is_results(newest) and can_carry(newest)
