"""The condition of the CLI as a state machine, without a reactor.

The state of the CLI itself, where `-` means that the event changes nothing:

    state      FOUND     CHANGED   NOT_FOUND  TOO_OLD  UNUSABLE  FAILED_ONCE  FAILED_AGAIN  READY
    STARTING   -         -         MISSING    TOO_OLD  BROKEN    BROKEN       BROKEN        WORKING
    MISSING    STARTING  STARTING  MISSING    TOO_OLD  BROKEN    -            -             -
    TOO_OLD    STARTING  STARTING  MISSING    TOO_OLD  BROKEN    -            -             -
    BROKEN     -         STARTING  MISSING    TOO_OLD  BROKEN    BROKEN       BROKEN        WORKING
    WORKING    -         -         MISSING    TOO_OLD  BROKEN    -            BROKEN        -

    FOUND and CHANGED: the lookup found a CLI; CHANGED is another version or path than before.
    NOT_FOUND, TOO_OLD and UNUSABLE: it found none, an old one, or one that tells no version.
    FAILED_ONCE and FAILED_AGAIN: a process did not become ready. Once can be an accident: somebody
    may have killed it.
    READY: a process became ready.

The login. A request that succeeded, or was refused, says more than what a process tells of its
account, because a login can be expired or revoked:

    state      TOLD_YES   TOLD_NO   ANSWERED   REFUSED
    UNSEEN     PRESENT    ABSENT    PRESENT    REJECTED
    PRESENT    PRESENT    ABSENT    PRESENT    REJECTED
    ABSENT     PRESENT    ABSENT    PRESENT    REJECTED
    REJECTED   UNTRIED    ABSENT    PRESENT    REJECTED
    UNTRIED    UNTRIED    ABSENT    PRESENT    REJECTED

A login that is told after a refusal may be the refused one, so it counts as unknown (UNTRIED) until
a request has tried it. If it is another account, it counts as PRESENT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any

import attrs

from ..errors import APIError
from . import faults
from .faults import Reason
from .login import Login


# How long a reached limit is believed in whose end is not known, in seconds.
UNKNOWN_END = 3600.0


class Working(Enum):
    """Whether the CLI can be started."""

    STARTING = auto()
    MISSING = auto()
    TOO_OLD = auto()
    BROKEN = auto()
    WORKING = auto()


class Seen(Enum):
    """What happened to the CLI."""

    FOUND = auto()
    CHANGED = auto()
    NOT_FOUND = auto()
    TOO_OLD = auto()
    UNUSABLE = auto()
    FAILED_ONCE = auto()
    FAILED_AGAIN = auto()
    READY = auto()


class Access(Enum):
    """Whether the CLI is logged in."""

    UNSEEN = auto()
    PRESENT = auto()
    ABSENT = auto()
    REJECTED = auto()
    UNTRIED = auto()


class Witness(Enum):
    """What shows whether it is."""

    TOLD_YES = auto()
    TOLD_NO = auto()
    ANSWERED = auto()
    REFUSED = auto()


_W, _S, _A, _T = Working, Seen, Access, Witness

_STARTS = {_S.FOUND: _W.STARTING, _S.CHANGED: _W.STARTING}
_LOST = {_S.NOT_FOUND: _W.MISSING, _S.TOO_OLD: _W.TOO_OLD, _S.UNUSABLE: _W.BROKEN}
_FAILED = {_S.FAILED_ONCE: _W.BROKEN, _S.FAILED_AGAIN: _W.BROKEN}
TRANSITIONS: Mapping[Working, Mapping[Seen, Working]] = {
    _W.STARTING: {**_LOST, **_FAILED, _S.READY: _W.WORKING},
    _W.MISSING: {**_STARTS, **_LOST},
    _W.TOO_OLD: {**_STARTS, **_LOST},
    _W.BROKEN: {**_LOST, **_FAILED, _S.CHANGED: _W.STARTING, _S.READY: _W.WORKING},
    _W.WORKING: {**_LOST, _S.FAILED_AGAIN: _W.BROKEN},
}
_TOLD = {
    _T.TOLD_YES: _A.PRESENT,
    _T.TOLD_NO: _A.ABSENT,
    _T.ANSWERED: _A.PRESENT,
    _T.REFUSED: _A.REJECTED,
}
LOGINS: Mapping[Access, Mapping[Witness, Access]] = {
    _A.UNSEEN: _TOLD,
    _A.PRESENT: _TOLD,
    _A.ABSENT: _TOLD,
    _A.REJECTED: {**_TOLD, _T.TOLD_YES: _A.UNTRIED},
    _A.UNTRIED: {**_TOLD, _T.TOLD_YES: _A.UNTRIED},
}
_LOOKUPS = {
    Reason.NO_CLI.value: Seen.NOT_FOUND,
    Reason.CLI_TOO_OLD.value: Seen.TOO_OLD,
    Reason.CLI_BROKEN.value: Seen.UNUSABLE,
}
_PUBLIC = {
    Access.UNSEEN: "unknown",
    Access.PRESENT: "yes",
    Access.ABSENT: "no",
    Access.REJECTED: "no",
    Access.UNTRIED: "unknown",
}


@attrs.frozen
class Found:
    """The CLI that the last lookup found."""

    path: str
    version: str
    where: str


@attrs.define(eq=False)
class Condition:
    """The condition of the CLI, from what was seen last.

    seconds: the time since the epoch. monotonic: seconds of a clock that nobody sets, if that of
    `seconds` can be set. cli: the one in use; None while there is none. login: what the newest
    process told. on_change: called after each event.
    """

    seconds: Callable[[], float]
    monotonic: Callable[[], float] = attrs.field(
        kw_only=True, default=attrs.Factory(lambda self: self.seconds, takes_self=True)
    )
    cli: Found | None = None
    login: Login | None = None
    on_change: Callable[[], None] = attrs.field(default=lambda: None)
    _working: Working = attrs.field(init=False, default=Working.STARTING)
    _access: Access = attrs.field(init=False, default=Access.UNSEEN)
    _witnessed: float = attrs.field(init=False, default=0.0)
    _fault: APIError | None = attrs.field(init=False, default=None)
    _limit: APIError | None = attrs.field(init=False, default=None)
    _limit_until: float = attrs.field(init=False, default=0.0)
    _stopping: bool = attrs.field(init=False, default=False)

    # Events

    def found(self, path: str, version: str, where: str) -> None:
        """The lookup found a CLI."""
        found = Found(path, version, where)
        happened = Seen.FOUND if found == self.cli else Seen.CHANGED
        self.cli = found
        self._see(happened)

    def lookup_failed(self, error: APIError) -> None:
        """The lookup found no CLI that can be used; its error is one of `faults`."""
        self.cli = None
        self._see(_LOOKUPS.get(error.code or "", Seen.NOT_FOUND), error)

    def start_failed(self, error: APIError, *, again: bool) -> None:
        """A process did not become ready. again: the one before it did not either."""
        self._see(Seen.FAILED_AGAIN if again else Seen.FAILED_ONCE, error)

    def ready(self, login: Login) -> None:
        """The newest process became ready, with this login."""
        another = self.login is not None and self.login != login
        self.login = login
        if another and login.there:
            self._access = Access.UNSEEN
        self._access = LOGINS[self._access][Witness.TOLD_YES if login.there else Witness.TOLD_NO]
        self._witnessed = self.monotonic()
        self._see(Seen.READY)

    def answered(self, login: Login | None) -> None:
        """A request succeeded on a process that was started with this login."""
        self._limit = None
        self._witness(Witness.ANSWERED, login)

    def unauthorised(self, login: Login | None) -> None:
        """Anthropic or the CLI refused a request for want of a valid login."""
        self._witness(Witness.REFUSED, login)

    def limit_reached(self, error: APIError) -> None:
        """A request was refused because the usage limit of the plan is reached."""
        self._limit = error
        end = self.seconds() + UNKNOWN_END if error.resets_at is None else error.resets_at
        self._limit_until = end
        self.on_change()

    def stopping(self) -> None:
        """The server is stopping."""
        self._stopping = True
        self.on_change()

    # What is told

    @property
    def reason(self) -> Reason | None:
        """Why the server cannot answer now; None if it can."""
        if self._stopping:
            return Reason.STOPPING
        if self._working is not Working.WORKING:
            return _REASONS[self._working]
        if _PUBLIC[self._access] == "no":
            return Reason.NOT_LOGGED_IN
        if self._limit is not None and self.seconds() < self._limit_until:
            return Reason.USAGE_LIMIT
        return None

    @property
    def error(self) -> APIError | None:
        """What is wrong and what to do; None if nothing is, or that is not an error yet."""
        match self.reason:
            case Reason.NO_CLI | Reason.CLI_TOO_OLD | Reason.CLI_BROKEN:
                return self._fault
            case Reason.NOT_LOGGED_IN:
                return faults.log_in(self.cli.path if self.cli else "claude")
            case Reason.USAGE_LIMIT:
                return self._limit
        return None

    @property
    def message(self) -> str:
        """A sentence for people: what the condition is and what to do."""
        if (error := self.error) is not None:
            return error.message
        return _MESSAGES.get(self.reason, "Claude Code is ready.")

    @property
    def until(self) -> int | None:
        """When the reason ends, in seconds since the epoch, if that is known."""
        if self.reason is Reason.USAGE_LIMIT and self._limit is not None:
            return self._limit.resets_at
        return None

    def login_report(self) -> dict[str, Any]:
        """The login for GET /health: `state`, `by`, `plan` and `age`; no address and no secret."""
        state = _PUBLIC[self._access]
        there = self.login if self.login is not None and state != "no" else None
        return {
            "state": state,
            "by": there.by if there else None,
            "plan": there.plan if there else None,
            "age": None
            if self._access is Access.UNSEEN
            else round(self.monotonic() - self._witnessed, 1),
        }

    def cli_report(self) -> dict[str, Any] | None:
        """The CLI in use for GET /health: its version, path, and where it was found."""
        if self.cli is None:
            return None
        logged_in = {"yes": True, "no": False}.get(_PUBLIC[self._access])
        return {**attrs.asdict(self.cli), "logged_in": logged_in}

    def report(self) -> dict[str, Any]:
        """Whether the server can answer, why not, what to do, and until when."""
        reason = self.reason
        return {
            "ready": reason is None,
            "reason": reason.value if reason else None,
            "message": self.message,
            "until": self.until,
        }

    def _see(self, happened: Seen, fault: APIError | None = None) -> None:
        if (after := TRANSITIONS[self._working].get(happened)) is not None:
            self._working, self._fault = after, fault
        self.on_change()

    def _witness(self, witness: Witness, login: Login | None) -> None:
        """Note what a request showed, unless its process had another login than the newest."""
        if login is not None and login != self.login:
            return
        self._access = LOGINS[self._access][witness]
        self._witnessed = self.monotonic()
        self.on_change()


_REASONS = {
    Working.STARTING: Reason.STARTING,
    Working.MISSING: Reason.NO_CLI,
    Working.TOO_OLD: Reason.CLI_TOO_OLD,
    Working.BROKEN: Reason.CLI_BROKEN,
}
_MESSAGES: Mapping[Reason | None, str] = {
    Reason.STARTING: faults.STARTING,
    Reason.STOPPING: faults.STOPPING,
}
