"""The APIs that clients use, called dialects.

A dialect reads a request into a Conversation, and writes the events of the answer as the body of a
response. Each dialect is a package. This module has the interfaces that the rest of claudeproxy
uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii
from typing import Protocol

import attrs

from ..conversation import Conversation, Limits
from ..errors import APIError
from ..events import Event


# The extension by which a stream says at its end why its text does not match the client's schema.
SCHEMA_MISMATCH = "schema_mismatch"
# Writes a string as json.dumps does, in a fifth of the time: for the deltas of a stream.
quoted: Callable[[str], str] = encode_basestring_ascii


class Answer(Protocol):
    """Turns the events of one request into the bytes of its HTTP response body."""

    content_type: str
    # Bytes that may be sent while there are no events, so that no proxy closes the connection.
    # Empty if the format does not allow it.
    keepalive: bytes

    def feed(self, event: Event, choice: int = 0) -> bytes:
        """Return the bytes to send for an event of one choice: none, some, or the whole body.

        Raises APIError if the whole answer is of no use to the client.
        """

    def fail(self, error: APIError) -> bytes:
        """Return the bytes that report an error after the head has been sent."""


class WholeBody:
    """Base of the answers that are one JSON body."""

    __slots__ = ()
    content_type = "application/json"
    keepalive = b""

    def fail(self, error: APIError) -> bytes:
        """Not used: the head is sent with the body, so an error always gets its own response."""
        raise AssertionError("a whole answer has no body to put an error in") from error


@attrs.frozen
class ParsedRequest:
    """One request, parsed and checked.

    conversations: one for each requested choice. All have the same limits, and `limits.model` is
        still the client's name for the model.
    ignored: the names of parameters that have no effect.
    optional: the limits that some models do not support, with the names of their parameters.
    answer: creates the writer of the response, from the unique part of its id and its time of
        creation (seconds since the epoch).
    """

    conversations: tuple[Conversation, ...]
    ignored: tuple[str, ...]
    answer: Callable[[str, int], Answer]
    optional: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def conversation(self) -> Conversation:
        """The first conversation."""
        return self.conversations[0]

    def ignored_for(self, limits: Limits) -> tuple[str, ...]:
        """Return the ignored parameters, including requested limits that `limits` has dropped."""
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
        """Read a request's body; raise an APIError that names the parameter at fault."""

    def error_body(self, error: APIError) -> bytes:
        """The JSON body of an error response."""


@attrs.frozen
class TokenCount:
    """A request that only counts tokens.

    ignored: parameters that change nothing. body: makes the response's body of the count.
    """

    conversation: Conversation
    ignored: tuple[str, ...]
    body: Callable[[int], bytes]


class Counting(Dialect, Protocol):
    """A wire format with a route that counts the tokens of a request."""

    def count_tokens(self, body: bytes) -> TokenCount:
        """Read a request's body; raises APIError that names the parameter at fault."""
