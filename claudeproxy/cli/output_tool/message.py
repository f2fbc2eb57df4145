"""Reads the messages of an answer that is the arguments of the CLI's own tool."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from io import StringIO
from typing import Any

from ...events import Event, Finished, TextDelta, Usage, Withdrawn
from ..answer import FINISH_REASONS, MessageReader, nothing
from ..naming import Names
from .settings import STRUCTURED_OUTPUT
from .wrapped import Unwrapper


class OutputReader(MessageReader):
    """Tells the arguments of the StructuredOutput call as the answer's text.

    If a message does not have them, it goes on with the CLI's next message.
    """

    def __init__(self, names: Names, *, unwrap: bool) -> None:
        """unwrap: the text is only the value of the arguments' one property."""
        super().__init__(names)
        self.has_output = False
        self.corrections = 0
        self._unwrap = unwrap
        self._spent = Usage()
        self._arguments = StringIO()

    def feed(self, event: Mapping[str, Any]) -> Iterator[Event]:
        """Return the events of the answer for one stream event."""
        if event["type"] == "message_start" and self.has_output:
            # The arguments did not match, and the model corrects them.
            self._next_message()
            self.corrections += 1
            self.has_output = False
            yield Withdrawn()
        yield from super().feed(event)
        if event["type"] == "message_delta" and self._is_cut_off(event["delta"]):
            yield Finished("length", self.usage(), "max_tokens")

    def usage(self) -> Usage:
        """The tokens of all messages so far."""
        return self._spent + super().usage()

    def _begin(self, block: Mapping[str, Any]) -> Iterator[Event]:
        yield from super()._begin(block)
        if block["type"] == "text":
            # Text beside the JSON that must match a schema would make the answer invalid.
            self._to_event = nothing
            self._is_text = False

    def _begin_call(self, block: Mapping[str, Any]) -> Iterator[Event]:
        if block["name"] != STRUCTURED_OUTPUT:
            yield from super()._begin_call(block)
            return
        # Only the first call counts: nothing may follow the JSON of the answer.
        self._to_event = nothing if self.has_output else self._output()
        self.has_output = True

    def _output(self) -> Callable[[str], Event | None]:
        self._arguments = StringIO()
        unwrapper = Unwrapper() if self._unwrap else None

        def told(text: str) -> Event | None:
            self._arguments.write(text)
            value = text if unwrapper is None else unwrapper.feed(text)
            return TextDelta(value) if value else None

        return told

    def _is_cut_off(self, delta: Mapping[str, Any]) -> bool:
        """Whether the arguments of the call end before their end.

        If it may not ask again, 2.1.332 leaves out the API's stop_reason then.
        """
        if "stop_reason" not in delta or delta["stop_reason"] is not None or not self.has_output:
            return False
        try:
            json.loads(self._arguments.getvalue())
        except ValueError:
            return True
        return False

    def _next_message(self) -> None:
        self._spent, self._usage = self.usage(), {}
        self.has_content = False

    def _message_over(self, reason: str, stop_sequence: str | None) -> Iterator[Event]:
        finish = FINISH_REASONS.get(reason, "stop")
        if finish == "stop" and not self.has_output:
            # The CLI itself asks the model again.
            self._next_message()
            return
        if self.has_output and finish == "tool_calls" and not self._calls:
            finish = "stop"
        yield Finished(finish, self.usage(), reason, stop_sequence)
