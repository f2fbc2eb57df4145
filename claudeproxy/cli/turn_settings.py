"""What a process has been told about the next answer: the model, and the CLI's settings."""

from __future__ import annotations

import json
from typing import Any

from ..conversation import Limits, Profile
from .outbox import Outbox
from .outgoing import EXTRA_BODY, flag_settings


# The API refuses a request without messages, so it costs nothing.
NO_MESSAGES = json.dumps({"messages": []})
# After max_tokens the CLI asks the model to continue, 15 ms later. Settings act within some ms.
GUARD_MARGIN = 0.025


class TurnSettings:
    """Sends the settings that differ from those that the process has."""

    def __init__(self, outbox: Outbox, model: str) -> None:
        """model: the model that the process was started with, "" for the CLI's default."""
        self.model = model
        self._outbox = outbox
        self._sent: dict[str, Any] = flag_settings(Limits(model), Profile())
        self._turn = Limits(model)
        self.guarded = False
        self._guarded_at = 0.0

    def choose(self, model: str) -> None:
        """Set the model. This comes before the history, or 2.1.332 would note the change in it."""
        if model != self.model:
            self._outbox.control("set_model", model=model)
            self.model = model

    def begin(self, limits: Limits, profile: Profile) -> None:
        """Set what holds for the next turn."""
        self._turn = limits
        self._apply(limits, flag_settings(limits, profile))

    def go_on(self, limits: Limits, profile: Profile) -> None:
        """Set what holds for the rest of a turn, in which the CLI keeps some of its settings."""
        self._apply(limits, flag_settings(limits, profile, self._turn))

    def guard(self, now: float) -> None:
        """Make the API refuse any further request of this turn.

        After max_tokens, a refusal or an unexpected answer the CLI may ask the model again, which
        nobody wants and which costs tokens. now: the time in seconds.
        """
        self.guarded, self._guarded_at = True, now
        settings = {"env": {EXTRA_BODY: NO_MESSAGES}}
        self._outbox.control("apply_flag_settings", settings=settings)

    def relax(self) -> None:
        """Take the guard back, so that the next turn does not have to wait for that."""
        if self.guarded:
            self._outbox.control("apply_flag_settings", settings=self._sent)
            self.guarded = False

    def too_late(self, now: float) -> bool:
        """Whether the CLI may send a request before it acts on the guard."""
        return now - self._guarded_at < GUARD_MARGIN

    def _apply(self, limits: Limits, settings: dict[str, Any]) -> None:
        self.choose(limits.model)
        if settings != self._sent or self.guarded:
            self._outbox.control("apply_flag_settings", settings=settings)
        self._sent, self.guarded = settings, False


def can_change(turn: Limits, wanted: Limits) -> bool:
    """Whether a turn that has begun with these limits can go on with others.

    The CLI keeps max_tokens and the effort of a running turn (2.1.330), so other values are put
    into the API request; but for None the value that the CLI would choose is not known. 2.1.197
    cannot change the model. A budget for thinking must be smaller than max_tokens.
    """
    return turn.model == wanted.model and all(
        now == then or (now is not None and not wanted.budgeted)
        for then, now in ((turn.max_tokens, wanted.max_tokens), (turn.effort, wanted.effort))
    )
