"""A request that the demo API received, and its outcome.

Holds Deferreds, but does no I/O of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import define, field
from twisted.internet.defer import Deferred


if TYPE_CHECKING:
    from collections.abc import Mapping

Outcome = Literal["open", "complete", "refused", "disconnected"]

_SECRET = ("authorization", "cookie", "proxy-authorization", "x-api-key")


@define(eq=False)
class Received:
    """One request.

    ``number`` counts from 1.  ``headers`` have names in lower case.  ``body`` is the parsed JSON,
    None if it's none.  ``status`` is 0 until the answer begins.  ``outcome`` is "open" until it is
    known: "complete" (a success was sent to its end), "refused" (an error was), or "disconnected"
    (the connection went away before the end, whoever closed it).  ``usage`` is what the answer said
    of it, None for an error.
    """

    number: int
    method: str
    path: str
    query: str
    # Not in the repr: keys and tokens would end up in logs.
    headers: Mapping[str, str] = field(repr=False)
    raw: bytes = field(repr=False)
    body: Any = field(default=None, repr=False)
    status: int = 0
    outcome: Outcome = "open"
    usage: Mapping[str, Any] | None = None
    _waiting: list[Deferred[Received]] = field(factory=list, init=False, repr=False)

    def ended(self) -> Deferred[Received]:
        """Fires with this once the outcome is known; at once if it is already."""
        done: Deferred[Received] = Deferred()
        if self.outcome == "open":
            self._waiting.append(done)
        else:
            done.callback(self)
        return done

    def end(self, outcome: Outcome) -> None:
        """The outcome is known.  The first one counts."""
        if self.outcome != "open":
            return
        self.outcome = outcome
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done.callback(self)

    def listing(self) -> dict[str, Any]:
        """The request as JSON for a person to read: credentials are masked."""
        return {
            "number": self.number,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": {k: "***" if k in _SECRET else v for k, v in self.headers.items()},
            "body": self.body,
            "status": self.status,
            "outcome": self.outcome,
            "usage": self.usage,
        }
