"""What a session reports to its owner in addition to the events of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs


@attrs.frozen
class Ready:
    """The CLI is initialized. `models` and `account` are from its initialize response."""

    models: Sequence[Mapping[str, Any]]
    account: Mapping[str, Any]

    @property
    def logged_in(self) -> bool:
        """Whether there is a login or a key, which may no longer be valid."""
        none = (None, "none")
        return (
            self.account.get("tokenSource") not in none
            or self.account.get("apiKeySource") not in none
            or "email" in self.account
        )


@attrs.frozen
class TurnEnded:
    """The CLI is idle again.

    clean: its conversation is exactly the one that the client knows. model_usage: what the CLI
    reports about the models that this process has used, by their full ids.
    """

    clean: bool
    model_usage: Mapping[str, Any] = attrs.field(factory=dict, eq=False)


@attrs.frozen
class ProtocolViolation:
    """The CLI sent something unexpected, so the process must not be used any more."""

    reason: str


Notice: TypeAlias = Ready | TurnEnded | ProtocolViolation
