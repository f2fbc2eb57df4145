"""Answers conversations that may use the API's own tools; all others go to the pool as they are."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ..answer_turn import turn_of
from ..answering import Answering, Running
from ..conversation import Conversation, Turn, text_block
from ..errors import APIError
from ..events import (
    AnswerAccumulator,
    Event,
    Failed,
    Finished,
    Listener,
    Started,
    Usage,
)
from .refusals import Refusals


# The API ends an answer with this reason after some ten uses of its own tools.
PAUSED = "pause_turn"
# How often a paused answer is continued for clients that do not know of pauses.
MOST_CONTINUATIONS = 5
CONTINUE = text_block("Continue.")


class ServerTools:
    """Asks again without a tool that the API refuses, and continues answers that it pauses."""

    def __init__(self, pool: Answering, refusals: Refusals) -> None:
        """pool: answers the conversations."""
        self._pool = pool
        self._refusals = refusals

    def start(self, conversation: Conversation, listener: Listener) -> Running:
        """Begin to answer; raises APIError."""
        if not conversation.limits.server_tools:
            return self._pool.start(conversation, listener)
        return _Answer(self._pool, self._refusals, conversation, listener)


class _Answer:
    """The answer to a conversation that may use the API's own tools."""

    def __init__(
        self, pool: Answering, refusals: Refusals, conversation: Conversation, listener: Listener
    ) -> None:
        """Begin; raises APIError."""
        self._pool = pool
        self._refusals = refusals
        self._listener = listener
        self._began = False
        self._paused = False
        self._continued = 0
        self._answer = AnswerAccumulator()
        self._spent = Usage()
        allowed = refusals.choose(conversation)
        self.left_out: tuple[str, ...] = tuple(tool.listed for tool in allowed.left_out)
        self._conversation = allowed.conversation
        self._running = pool.start(self._conversation, self)

    @property
    def reuse(self) -> str:
        """How the process of the last request was obtained."""
        return self._running.reuse

    def cancel(self, reason: str) -> None:
        """Stop the answer."""
        self._running.cancel(reason)

    def pauseProducing(self) -> None:
        """Pause the process: the client reads slowly."""
        self._paused = True
        self._running.pauseProducing()

    def resumeProducing(self) -> None:
        """Resume the process: the client has caught up."""
        self._paused = False
        self._running.resumeProducing()

    def received(self, events: Sequence[Event]) -> None:
        """Take events of the answer, and pass on what the client is to be told."""
        last = events[-1]
        if isinstance(last, Failed) and not self._began and len(events) == 1:
            allowed = self._refusals.after(self._conversation, last.error)
            if allowed is not None:
                self.left_out += tuple(tool.listed for tool in allowed.left_out)
                self._ask(allowed.conversation)
                return
        self._answer.feed_all(events)
        if isinstance(last, Finished):
            if (again := self._continuation(last)) is not None:
                self._tell(events[:-1])
                self._spent += last.usage
                self._continued += 1
                self._answer = AnswerAccumulator()
                self._ask(again)
                return
            last = attrs.evolve(last, usage=self._spent + last.usage)
            events = [*events[:-1], last]
        self._tell(events)

    def _continuation(self, finished: Finished) -> Conversation | None:
        """The conversation that continues a paused answer; None if the client does that itself."""
        conversation = self._conversation
        if finished.stop_reason != PAUSED or conversation.shows_blocks:
            return None
        said = turn_of(self._answer, conversation)
        if said is None or self._continued == MOST_CONTINUATIONS:
            return None
        return attrs.evolve(
            conversation, turns=(*conversation.turns, said, Turn("user", (CONTINUE,)))
        )

    def _ask(self, conversation: Conversation) -> None:
        self._conversation = conversation
        try:
            self._running = self._pool.start(conversation, self)
        except APIError as error:
            self._tell([Failed(error)])
            return
        if self._paused:
            self._running.pauseProducing()

    def _tell(self, events: Sequence[Event]) -> None:
        if self._continued:
            # For the client it is one answer.
            events = [event for event in events if not isinstance(event, Started)]
        if events:
            self._began = True
            self._listener.received(events)
