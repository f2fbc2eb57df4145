"""Finds the CLI, remembers how it is started, and looks again when it has changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
from twisted.internet.defer import CancelledError

from ..cli.launch import Launch, fingerprint
from ..condition.machine import Condition
from ..errors import APIError, unavailable
from .shared import Shared


# The user may be installing it at this moment.
ASK_AGAIN_AFTER = 5.0


class LaunchFinder:
    """Looks for the CLI until it is found; concurrent requests share one lookup.

    known: how to start the CLI, None while there is none.
    """

    def __init__(
        self,
        find: Callable[[], Awaitable[Launch]],
        seconds: Callable[[], float],
        condition: Condition,
    ) -> None:
        """find: raises APIError if there is no CLI. seconds: the current time."""
        self.known: Launch | None = None
        self._find = find
        self._seconds = seconds
        self._condition = condition
        self._lookup = Shared(self._look)
        self._refused: tuple[float, APIError] | None = None
        # The file that was used last, and when the CLI was looked for.
        self._path = ""
        self._fingerprint: tuple[int, ...] | None = None
        self._looked = 0.0
        self._suspect = False

    async def find(self) -> Launch:
        """Return how to start the CLI, after looking for it if necessary; raises APIError.

        It is looked for again if its file has changed, or a process of it did not start. After a
        failed lookup the same error is raised for some seconds without another lookup, unless the
        file that was used last has changed again.
        """
        if self.known is not None and not self._outdated(self.known):
            return self.known
        waits = self._refused is not None and self._seconds() < self._refused[0]
        if self._refused is not None and waits and fingerprint(self._path) == self._fingerprint:
            raise self._refusal(self._refused[1])
        return await self._lookup.result()

    def require(self) -> Launch:
        """Return how to start the CLI; raises APIError if it has not been found."""
        if self.known is None:
            if self._refused is not None:
                raise self._refusal(self._refused[1])
            raise unavailable("The Claude Code CLI has not been found yet.", retry_after=5)
        return self.known

    def suspect(self) -> None:
        """A process did not start: look for the CLI again, at most every few seconds."""
        self._suspect = True
        if self.known is not None and self._outdated(self.known):
            # The condition has been told of an error.
            self._lookup.result().addErrback(lambda failure: failure.trap(APIError))

    def cancel(self) -> None:
        """Cancel a running lookup; those who wait for it get an APIError."""
        self._lookup.cancel()

    def _outdated(self, known: Launch) -> bool:
        if fingerprint(known.cli.path) != self._fingerprint:
            return True
        return self._suspect and self._seconds() - self._looked >= ASK_AGAIN_AFTER

    async def _look(self) -> Launch:
        self._suspect, self._looked = False, self._seconds()
        try:
            known = await self._find()
        except CancelledError:
            raise unavailable("The server is stopping.", retry_after=5) from None
        except APIError as error:
            self.known = None
            self._fingerprint = fingerprint(self._path)
            self._refused = self._seconds() + ASK_AGAIN_AFTER, error
            self._condition.lookup_failed(error)
            raise
        cli = known.cli
        self.known, self._refused = known, None
        self._path, self._fingerprint = cli.path, fingerprint(cli.path)
        self._condition.found(cli.path, cli.version, cli.where)
        return known

    def _refusal(self, error: APIError) -> APIError:
        # A copy, because an exception collects a traceback each time it is raised.
        return attrs.evolve(error)
