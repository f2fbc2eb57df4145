"""Reads the turn of an answer that the CLI's own tool makes match a schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...conversation import Limits, Profile
from ...errors import APIError
from ...events import Event, Finished
from .. import failures
from ..naming import Names
from ..turn_reader import Ending, TurnReader
from .message import OutputReader
from .settings import STRUCTURED_OUTPUT, corrections
from .wrapped import needs_wrapper


class OutputTurnReader(TurnReader):
    """Reads the stream events of a turn, which may be several messages until the schema matches."""

    _message: OutputReader

    def __init__(
        self,
        names: Names,
        profile: Profile,
        limits: Limits,
        longest_retry: float,
        *,
        reasoning: bool,
    ) -> None:
        """As TurnReader."""
        message = OutputReader(names, unwrap=needs_wrapper(profile.output_schema))
        # A value that is cut off fits no schema, so there are no stops.
        super().__init__(message, (), longest_retry, reasoning=reasoning)
        self._corrections = corrections(limits)

    def repeated(self) -> APIError | None:
        """Return the error if the CLI must not ask the model again, as it now does."""
        # The connection to the API broke during the message, or the answer does not match the
        # schema (and the CLI ignored its limit of attempts).
        if not self._message.has_content:
            return None
        if not self.held or self._last_attempt:
            return self.broken_off
        self.held = None
        return None

    @property
    def may_guard(self) -> bool:
        """Whether no other request of this turn may follow the one that is being answered."""
        if self.ending is Ending.CUT_OFF:
            return True
        return self._message.has_output and self._last_attempt

    def error_in(self, message: Mapping[str, Any]) -> APIError | None:
        """Return the error if a `system` or `assistant` line shows that the turn cannot go on."""
        if message.get("subtype") == "init" and STRUCTURED_OUTPUT not in message.get("tools", ()):
            return failures.UNUSABLE_SCHEMA
        return super().error_in(message)

    @property
    def broken_off(self) -> APIError:
        """The error if the CLI may not ask the model again, although the answer is incomplete."""
        return failures.DOES_NOT_FIT if self.held else super().broken_off

    @property
    def _last_attempt(self) -> bool:
        return self._message.corrections >= self._corrections

    def _finish(self, event: Finished) -> Iterator[Event]:
        if self._message.has_output and event.reason == "stop":
            # The CLI validates the answer now; a `result` line follows if it matches the schema.
            self.held = event
        else:
            yield from super()._finish(event)
