"""Answers conversations whose answer must match a schema; all others go to the pool as they are."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ..answer_turn import turn_of
from ..answering import Answering, Attempts, Running
from ..conversation import Conversation, Turn, text_block
from ..errors import does_not_match
from ..events import (
    AnswerAccumulator,
    Event,
    Failed,
    Finished,
    Listener,
    Started,
    Usage,
    Withdrawn,
)
from ..metrics import Metrics
from .check import mismatch
from .ways import ByTool, Ways


class StructuredOutput:
    """Makes answers match their schemas, whichever way that is done."""

    def __init__(self, pool: Answering, ways: Ways, metrics: Metrics, *, retry: bool) -> None:
        """retry: whether to ask once more for a whole answer that does not match."""
        self._pool = pool
        self._ways = ways
        self._metrics = metrics
        self._retry = retry

    def choose(
        self, conversation: Conversation, *, has_feature: bool, asks: bool = True
    ) -> Conversation:
        """Return the conversation as it is to be asked; raises a 400 if it cannot be.

        has_feature: whether its model knows the API's feature. asks: whether it is asked, and not
        only counted.
        """
        chosen = self._ways.choose(conversation, has_feature=has_feature)
        if not isinstance(chosen, ByTool):
            return chosen
        if asks:
            self._metrics.structured_by_tool(chosen.reason)
        return chosen.conversation

    def start(self, conversation: Conversation, listener: Listener) -> Running:
        """Begin to answer a conversation that `choose` returned; raises APIError."""
        if conversation.output_schema is None:
            return self._pool.start(conversation, listener)
        return _Checked(self._pool, self._ways, self._metrics, conversation, listener, self._retry)


class _Checked(Attempts):
    """The answer to a conversation with a schema.

    What the CLI's tool is called with is checked too: the CLI compares it with a schema that lacks
    some of the client's keywords.
    """

    def __init__(
        self,
        pool: Answering,
        ways: Ways,
        metrics: Metrics,
        conversation: Conversation,
        listener: Listener,
        retry: bool,
    ) -> None:
        """Begin; raises APIError."""
        super().__init__(pool, listener)
        self._ways = ways
        self._metrics = metrics
        self._conversation = conversation
        self._may_retry = retry and not conversation.limits.streamed
        self._retried = False
        self._by_api = conversation.limits.output_format is not None
        self._answer = AnswerAccumulator()
        self._spent = Usage()
        self.ask(conversation)

    def received(self, events: Sequence[Event]) -> None:
        """Take events of the answer, and pass on what the client is to be told."""
        *told, last = events
        if isinstance(last, Failed):
            other = self._ways.after(self._conversation, last.error) if self._by_api else None
            if other is not None and not (told or self.told):
                self._metrics.structured_by_tool(other.reason)
                self._by_api, self._conversation = False, other.conversation
                self.ask_again(other.conversation)
                return
        elif isinstance(last, Finished):
            self._answer.feed_all(told)
            self._finished(told, last)
            return
        else:
            self._answer.feed_all(events)
        self.tell(events)

    def _finished(self, told: Sequence[Event], finished: Finished) -> None:
        finished = attrs.evolve(finished, usage=self._spent + finished.usage)
        why = self._mismatch(finished)
        if not why:
            self._count("corrected" if self._retried else "matched")
            self.tell([*told, finished])
        elif self._conversation.limits.streamed:
            # The client has the text already.
            self._count("mismatched")
            self.tell([*told, attrs.evolve(finished, schema_mismatch=why)])
        elif self._may_retry and self._answer.last_text.strip():
            self._answer.feed(finished)
            again = asked_again(self._conversation, self._answer, why)
            self.tell([*told, Withdrawn()])
            self._may_retry, self._retried = False, True
            self._spent, self._answer = finished.usage, AnswerAccumulator()
            self.ask_again(again)
        else:
            self._count("mismatched")
            self.tell([*told, Failed(does_not_match(why), usage=finished.usage)])

    def _mismatch(self, finished: Finished) -> str:
        """Why the answer does not match; "" if it does, or if it does not have to.

        An answer that was cut off or refused does not, nor does one that calls tools.
        """
        whole = finished.reason == "stop" and finished.stop_sequence is None
        schema = self._conversation.output_schema
        if not whole or schema is None:
            return ""
        return mismatch(self._answer.last_text, schema) or ""

    def _count(self, outcome: str) -> None:
        if self._by_api:
            self._metrics.structured_by_api(outcome)

    def tell(self, events: Sequence[Event]) -> None:
        """Pass events on to the listener."""
        if self._retried:
            # For the client it is one answer.
            events = [event for event in events if not isinstance(event, Started)]
        super().tell(events)


def asked_again(conversation: Conversation, answer: AnswerAccumulator, why: str) -> Conversation:
    """Return the conversation with an answer that does not match, and the request for another."""
    request = (
        f"This answer does not match the JSON schema that it must match: {why} Answer again, with "
        "nothing but JSON that matches the schema."
    )
    said = turn_of(answer, conversation)
    assert said is not None, "an answer with text is a turn"
    more = (said, Turn("user", (text_block(request),)))
    return attrs.evolve(conversation, turns=(*conversation.turns, *more))
