"""Reads the answer of one turn: the events for the client, and how the answer ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Any

from ..errors import APIError
from ..events import Event, Finished, ReasoningDelta, ReasoningSigned, TextDelta
from . import failures
from .answer import MessageReader
from .replay import SYNTHETIC
from .stops import StopCutter


class Ending(Enum):
    """What follows an answer."""

    # The turn waits for the results of the client's tools; it ends by itself; it must be cut off,
    # because the process remembers something else, or the CLI may ask the model again.
    CALLED = auto()
    WHOLE = auto()
    CUT_OFF = auto()


class TurnReader:
    """Reads the stream events of a turn."""

    def __init__(
        self,
        message: MessageReader,
        stops: tuple[str, ...],
        longest_retry: float,
        *,
        reasoning: bool,
    ) -> None:
        """message: the reader of its message. stops: the texts at which the answer ends.

        longest_retry: the maximum delay before a retry by the CLI, in seconds. reasoning: whether
        to report the model's thinking.
        """
        self._message = message
        self._stops = StopCutter(stops)
        self._longest_retry = longest_retry
        self.ending: Ending | None = None
        # Whether the answer reached its token limit.
        self.truncated = False
        # The end of an answer that the CLI has yet to accept.
        self.held: Finished | None = None
        self._reasoning = reasoning

    def repeated(self) -> APIError | None:
        """Return the error if the CLI must not ask the model again, as it now does."""
        # The connection to the API broke during the message.
        return self.broken_off if self._message.has_content else None

    def feed(self, event: Mapping[str, Any]) -> Iterator[Event]:
        """Return the client's events for one stream event; none follow Finished."""
        for told in self._message.feed(event):
            if self.ending is None:
                yield from self._tell(told)

    def feed_text(self, text: str) -> Iterable[Event]:
        """Return the client's events for one piece of text."""
        event = self._message.feed_text(text)
        return () if event is None else self._tell(event)

    @property
    def may_guard(self) -> bool:
        """Whether no other request of this turn may follow the one that is being answered.

        Not before there is anything of the answer: if the connection breaks before that, the CLI
        repeats the request, and the client does not notice.
        """
        return self.ending is not None or self._message.has_content

    def error_in(self, message: Mapping[str, Any]) -> APIError | None:
        """Return the error if a `system` or `assistant` line shows that the turn cannot go on."""
        subtype = message.get("subtype")
        if message["type"] == "assistant":
            # The connection to the API broke after a complete call. The CLI made the call and would
            # wait for its result forever, while the client waits for the end of the message.
            made_up = message.get("message", {}).get("model") == SYNTHETIC
            return failures.BROKE_OFF if made_up and self._message.has_calls else None
        if subtype == "api_retry" and message.get("retry_delay_ms", 0) > self._longest_retry * 1000:
            return failures.from_retry(message)
        return None

    def error_of(
        self,
        result: Mapping[str, Any],
        limit: Mapping[str, Any] | None,
        now: float,
        model: str,
        *,
        guarded: bool,
    ) -> APIError:
        """Return the error that a `result` line reports.

        limit, now, model: see `failures.from_result`. guarded: whether no other request may follow
        the one that is being answered.
        """
        if guarded and result.get("api_error_status") == 400:
            # The API refused what the CLI asked next, which is not the client's request.
            return self.broken_off
        return failures.from_result(result, limit, now, model)

    @property
    def broken_off(self) -> APIError:
        """The error if the CLI may not ask the model again, although the answer is incomplete."""
        return failures.BROKE_OFF

    def _tell(self, event: Event) -> Iterator[Event]:
        if isinstance(event, TextDelta):
            if text := self._stops.feed(event.text):
                yield event if text is event.text else TextDelta(text)
            if stop := self._stops.found:
                self.ending = Ending.CUT_OFF
                yield Finished("stop", self._message.usage(), "stop_sequence", stop)
            return
        if isinstance(event, ReasoningDelta | ReasoningSigned) and not self._reasoning:
            return
        if rest := self._stops.flush():
            yield TextDelta(rest)
        if isinstance(event, Finished):
            yield from self._finish(event)
        else:
            yield event

    def _finish(self, event: Finished) -> Iterator[Event]:
        # After max_tokens and a refusal the CLI may ask again.
        self.ending = _ENDINGS.get(event.reason, Ending.CUT_OFF)
        self.truncated = event.reason == "length"
        yield event


_ENDINGS = {"tool_calls": Ending.CALLED, "stop": Ending.WHOLE}
