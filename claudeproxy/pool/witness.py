"""What the outcome of a request shows of the login and of the plan's limit."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ..condition import faults
from ..condition.login import Login
from ..condition.machine import Condition
from ..errors import USAGE_LIMIT, APIError
from ..events import Event, Failed, Finished, Listener


@attrs.frozen
class Witness:
    """Tells the condition how an answer ended, and the listener all of it.

    login: the one that the process was started with. path: of its CLI, for the command that logs
    in.
    """

    listener: Listener
    condition: Condition
    login: Login | None
    path: str

    def received(self, events: Sequence[Event]) -> None:
        """Take the events of one read."""
        last = events[-1]
        if isinstance(last, Finished):
            self.condition.answered(self.login)
        elif isinstance(last, Failed):
            error = self._seen(last.error)
            if error is not last.error:
                events = [*events[:-1], attrs.evolve(last, error=error)]
        self.listener.received(events)

    def _seen(self, error: APIError) -> APIError:
        if faults.is_about_login(error):
            self.condition.unauthorised(self.login)
            return faults.log_in(self.path)
        if error.type == USAGE_LIMIT:
            self.condition.limit_reached(error)
        return error
