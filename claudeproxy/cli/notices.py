"""What a session tells its owner beside the events of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs


@attrs.frozen
class Ready:
    """The CLI is initialised. `models` and `account` are as its initialize response has them."""

    models: Sequence[Mapping[str, Any]]
    account: Mapping[str, Any]

    @property
    def logged_in(self) -> bool:
        """Whether there is a login or a key; not whether it is good."""
        none = (None, "none")
        return (
            self.account.get("tokenSource") not in none
            or self.account.get("apiKeySource") not in none
            or "email" in self.account
        )


@attrs.frozen
class TurnEnded:
    """The CLI is idle again. `clean`: what it remembers is just what the client was told.

    model_usage: what the CLI says of the models that this process has used, by their full ids.
    """

    clean: bool
    model_usage: Mapping[str, Any] = attrs.field(factory=dict, eq=False)


@attrs.frozen
class ProtocolViolation:
    """The CLI said something that makes no sense here; it must not be used any more."""

    reason: str


Notice: TypeAlias = Ready | TurnEnded | ProtocolViolation
