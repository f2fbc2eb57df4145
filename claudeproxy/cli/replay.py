"""Writes the lines of a conversation to a process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ..conversation import Turn
from . import outgoing
from .marks import Marks
from .outbox import Outbox


class Replay:
    """The lines that a process has yet to get, and the marks of those that it got."""

    def __init__(self, outbox: Outbox) -> None:
        """There is nothing to send yet."""
        self.marks = Marks()
        self._outbox = outbox
        self._unsent: deque[Turn] = deque()
        self._messages = 0

    def load(self, lines: Iterable[Turn]) -> None:
        """Set the lines that are to be sent."""
        self._unsent = deque(lines)

    def next_user_line(self) -> Turn | None:
        """Send the lines up to the next one of the user, and return that; None at the end."""
        while self._unsent:
            line = self._unsent.popleft()
            if line.role == "user":
                return line
            self._messages += 1
            self._outbox.send(outgoing.assistant_line(line, self._messages))
        return None

    @property
    def done(self) -> bool:
        """Whether there is nothing left to send."""
        return not self._unsent

    def history(self, line: Turn) -> None:
        """Send a past user line."""
        self._outbox.send(outgoing.history_line(line, self.marks.add(line)))

    def question(self, line: Turn) -> None:
        """Send the user line that the model is to answer."""
        self._outbox.send(outgoing.question_line(line, self.marks.add(line)))
