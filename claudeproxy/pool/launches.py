"""Finds the CLI once, and remembers how it is started."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
from twisted.internet.defer import CancelledError

from ..cli.launch import Launch
from ..errors import APIError, unavailable
from .shared import Shared


# The user may be installing it at this moment.
ASK_AGAIN_AFTER = 5.0


class LaunchFinder:
    """Looks for the CLI until it is found; concurrent requests share one lookup.

    known: how to start the CLI, None while it has not been found.
    """

    def __init__(self, find: Callable[[], Awaitable[Launch]], seconds: Callable[[], float]) -> None:
        """find: raises APIError if there is no CLI. seconds: the current time."""
        self.known: Launch | None = None
        self._find = find
        self._seconds = seconds
        self._lookup = Shared(self._look)
        self._refused: tuple[float, APIError] | None = None

    async def find(self) -> Launch:
        """Return how to start the CLI, after looking for it if necessary; raises APIError.

        After a failed lookup the same error is raised for some seconds without another lookup.
        """
        if self.known is not None:
            return self.known
        if self._refused is not None and self._seconds() < self._refused[0]:
            # A copy, because an exception collects a traceback each time it is raised.
            raise attrs.evolve(self._refused[1])
        return await self._lookup.result()

    def require(self) -> Launch:
        """Return how to start the CLI; raises APIError if it has not been found."""
        if self.known is None:
            raise unavailable("The Claude Code CLI has not been found yet.", retry_after=5)
        return self.known

    def cancel(self) -> None:
        """Cancel a running lookup; those who wait for it get an APIError."""
        self._lookup.cancel()

    async def _look(self) -> Launch:
        try:
            self.known = await self._find()
        except CancelledError:
            raise unavailable("The server is stopping.", retry_after=5) from None
        except APIError as error:
            self._refused = self._seconds() + ASK_AGAIN_AFTER, error
            raise
        return self.known
