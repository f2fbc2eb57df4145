"""Answers conversations with tools that the API may refuse; others go to the pool as they are."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ..answer_turn import turn_of
from ..answering import Answering, Attempts, Running
from ..conversation import Conversation, Turn, text_block
from ..events import (
    AnswerAccumulator,
    Event,
    Failed,
    Finished,
    Listener,
    Part,
    Started,
    Usage,
)
from .found import Found
from .refusals import Refusals
from .strict import has_strict_tools


# The API ends an answer with this reason after some ten uses of its own tools.
PAUSED = "pause_turn"
# How often a paused answer is continued for clients that do not know of pauses.
MOST_CONTINUATIONS = 5
CONTINUE = text_block("Continue.")


class ApiTools:
    """Asks again without tools that the API refuses, and continues answers that it pauses.

    It also remembers what searches found, and adds it to the conversations that continue.
    """

    def __init__(self, pool: Answering, refusals: Refusals, found: Found) -> None:
        """pool: answers the conversations."""
        self._pool = pool
        self._refusals = refusals
        self._found = found

    def start(self, conversation: Conversation, listener: Listener) -> Running:
        """Begin to answer; raises APIError."""
        conversation = self._found.restored(conversation)
        if not conversation.limits.server_tools and not has_strict_tools(conversation):
            return self._pool.start(conversation, listener)
        return _Answer(self._pool, self._refusals, self._found, conversation, listener)


class _Answer(Attempts):
    """The answer to a conversation with tools that the API may refuse."""

    def __init__(
        self,
        pool: Answering,
        refusals: Refusals,
        found: Found,
        conversation: Conversation,
        listener: Listener,
    ) -> None:
        """Begin; raises APIError."""
        super().__init__(pool, listener)
        self._refusals = refusals
        self._found = found
        self._asked = conversation
        self._continued = 0
        # The parts of the answer before its newest continuation.
        self._before: list[Part] = []
        self._answer = AnswerAccumulator()
        self._spent = Usage()
        allowed = refusals.choose(conversation)
        self._left_out = allowed.left_out
        self._conversation = allowed.conversation
        self.ask(self._conversation)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the API does not get of the tools."""
        return self._left_out

    def received(self, events: Sequence[Event]) -> None:
        """Take events of the answer, and pass on what the client is to be told."""
        last = events[-1]
        if isinstance(last, Failed) and not self.told and len(events) == 1:
            allowed = self._refusals.after(self._conversation, last.error)
            if allowed is not None:
                self._left_out += allowed.left_out
                self._go_on(allowed.conversation)
                return
        self._answer.feed_all(events)
        if isinstance(last, Finished):
            if (again := self._continuation(last)) is not None:
                self.tell(events[:-1])
                self._spent += last.usage
                self._continued += 1
                self._before += self._answer.parts
                self._answer = AnswerAccumulator()
                self._go_on(again)
                return
            last = attrs.evolve(last, usage=self._spent + last.usage)
            events = [*events[:-1], last]
            self._keep()
        self.tell(events)

    def _keep(self) -> None:
        """Remember the answer, which is one turn for the client."""
        whole = AnswerAccumulator()
        whole.parts, whole.finished = [*self._before, *self._answer.parts], self._answer.finished
        if (said := turn_of(whole, self._asked)) is not None:
            self._found.keep(self._asked, said)

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

    def _go_on(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self.ask_again(conversation)

    def tell(self, events: Sequence[Event]) -> None:
        """Pass events on to the listener."""
        if self._continued:
            # For the client it is one answer.
            events = [event for event in events if not isinstance(event, Started)]
        super().tell(events)
