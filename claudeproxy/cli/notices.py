"""What a session reports to its owner in addition to the events of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from ..condition.login import Login


@attrs.frozen
class Ready:
    """The CLI is initialized. `models` and `account` are from its initialize response."""

    models: Sequence[Mapping[str, Any]]
    account: Mapping[str, Any]

    @classmethod
    def of(cls, response: Mapping[str, Any]) -> Ready:
        """Read the initialize response; raises TypeError if its shape is unknown."""
        models, account = response.get("models", ()), response.get("account", {})
        if not isinstance(account, Mapping):
            raise TypeError("account is not an object")
        if not isinstance(models, (list, tuple)) or not all(isinstance(m, Mapping) for m in models):
            raise TypeError("models is not a list of objects")
        return cls(models, account)

    @property
    def login(self) -> Login:
        """The login or the key that the process has found; it may no longer be valid."""
        return Login.of(self.account)

    @property
    def logged_in(self) -> bool:
        """Whether there is one."""
        return self.login.there


@attrs.frozen
class TurnEnded:
    """The CLI is idle again.

    clean: its conversation is exactly the one that the client knows. marks: how many places it can
    be taken back to. model_usage: what the CLI reports about the models that this process has used,
    by their full ids.
    """

    clean: bool
    marks: int = 0
    model_usage: Mapping[str, Any] = attrs.field(factory=dict, eq=False)


@attrs.frozen
class RewindRefused:
    """The CLI did not take its conversation back, or was not believed. `reason`: for metrics."""

    reason: str


@attrs.frozen
class Rewound:
    """The CLI took its conversation back."""


@attrs.frozen
class Counted:
    """The tokens of what the process remembers, as the API counts them; None if it failed."""

    tokens: int | None

    @classmethod
    def of(cls, response: Mapping[str, Any]) -> Counted:
        """Read the response to `get_context_usage` (2.1.197, 2.1.332).

        With `apiUsage` the CLI has estimated what came after the last answer.
        """
        told = response.get("response") or {}
        tokens = told.get("totalTokens")
        return cls(tokens if isinstance(tokens, int) and not told.get("apiUsage") else None)


@attrs.frozen
class RateLimitEvent:
    """The limits of the plan, as the CLI reports them with a turn. info: its `rate_limit_info`."""

    info: Mapping[str, Any]


@attrs.frozen
class UsageResponse:
    """The response to `get_usage`. limits: its `rate_limits`; empty if the CLI has none."""

    limits: Mapping[str, Any]


@attrs.frozen
class ProtocolViolation:
    """The CLI sent something unexpected, so the process must not be used any more."""

    reason: str


PlanReport: TypeAlias = RateLimitEvent | UsageResponse
Notice: TypeAlias = (
    Ready | TurnEnded | Rewound | RewindRefused | Counted | PlanReport | ProtocolViolation
)
