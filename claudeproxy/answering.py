"""The interface of what answers conversations: the pool, and what is in front of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .conversation import Conversation
from .events import Listener


class Running(Protocol):
    """An answer in progress."""

    @property
    def reuse(self) -> str:
        """How its process was obtained, as in the header `x-claudeproxy-worker`; "" at first."""

    @property
    def left_out(self) -> Sequence[str]:
        """The parameters that have no effect, as in the header `x-claudeproxy-ignored`."""

    def cancel(self, reason: str) -> None:
        """Stop the answer, so that it uses no more tokens."""

    def pauseProducing(self) -> None:
        """The client reads slowly."""

    def resumeProducing(self) -> None:
        """The client has caught up."""


class Answering(Protocol):
    """What answers conversations."""

    def start(self, conversation: Conversation, listener: Listener) -> Running:
        """Begin to answer; raises APIError. Any later error reaches the listener as Failed."""
