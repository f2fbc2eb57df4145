"""The wire formats that clients speak: a request becomes a Conversation, events become bytes.

Each dialect is a package of its own. Here is what the rest of claudeproxy knows of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import attrs

from ..conversation import Conversation, Limits
from ..errors import APIError
from ..events import Event


class Answer(Protocol):
    """Turns the events of one request into the bytes of its HTTP response body."""

    content_type: str
    # What may be sent while nothing happens, so that no one in between closes the connection;
    # empty where the format has no room for it.
    keepalive: bytes

    def feed(self, event: Event, choice: int = 0) -> bytes:
        """The bytes to send for an `event` of one choice: none, some, or the whole body."""

    def fail(self, error: APIError) -> bytes:
        """The bytes that tell of `error` after the head has been sent."""


class WholeBody:
    """What those answers have in common that are one JSON body."""

    __slots__ = ()
    content_type = "application/json"
    keepalive = b""

    def fail(self, error: APIError) -> bytes:
        """Nothing: the head goes out with the body, so an error always has its own response."""
        raise AssertionError("a whole answer has no body to put an error in") from error


@attrs.frozen
class ParsedRequest:
    """One request, read and checked.

    conversations: one for each answer that is wanted; their limits are the same, and
        `limits.model` is still the client's name for the model.
    ignored: parameters that were given and change nothing.
    optional: the limits that a model may not take, and what they are called here.
    answer: makes the writer of the response from its id's unique part and its time of creation
        (seconds since the epoch).
    """

    conversations: tuple[Conversation, ...]
    ignored: tuple[str, ...]
    answer: Callable[[str, int], Answer]
    optional: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def conversation(self) -> Conversation:
        """The first of them, or the only one."""
        return self.conversations[0]

    def ignored_for(self, limits: Limits) -> tuple[str, ...]:
        """What is ignored, with the limits that a model left of those that were asked for."""
        wanted = self.conversation.limits
        left_out = (
            name
            for field, name in self.optional.items()
            if getattr(wanted, field) is not None and getattr(limits, field) is None
        )
        return (*self.ignored, *left_out)


class Dialect(Protocol):
    """One wire format."""

    def read(self, body: bytes) -> ParsedRequest:
        """Read a request's body; raises APIError that names the parameter at fault."""

    def error_body(self, error: APIError) -> bytes:
        """The JSON body of an error response."""


@attrs.frozen
class TokenCount:
    """What a request that only counts tokens is answered with.

    model: the client's name for it. ignored: parameters that change nothing.
    """

    model: str
    ignored: tuple[str, ...]
    body: bytes


class Counting(Dialect, Protocol):
    """A wire format with a route that counts the tokens of a request."""

    def count_tokens(self, body: bytes) -> TokenCount:
        """Read a request's body, and count; raises APIError that names the parameter at fault."""
