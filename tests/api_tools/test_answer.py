"""Answers that may use the API's own tools, with a scripted pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from claudeproxy.api_tools.answer import MOST_CONTINUATIONS, ApiTools
from claudeproxy.api_tools.found import Found
from claudeproxy.api_tools.refusals import Refusals
from claudeproxy.conversation import Conversation, Profile, Turn, text_block, untold
from claudeproxy.errors import APIError, unavailable
from claudeproxy.events import (
    Event,
    Failed,
    Finished,
    ServerBlockStarted,
    ServerInputDelta,
    Started,
    TextDelta,
    Usage,
)

from ..answering import Pool
from .test_refusals import DISABLED, FETCH, SEARCH, conversation


STARTED = Started("m")
PAUSED = Finished("stop", Usage(output_tokens=1), "pause_turn")
ENDED = Finished("stop", Usage(output_tokens=2), "end_turn")
CALL: dict[str, Any] = {
    "type": "server_tool_use",
    "id": "srvtoolu_1",
    "name": "web_search",
    "input": {},
}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
SEARCHED = (ServerBlockStarted(CALL), ServerInputDelta('{"query":"a"}'), ServerBlockStarted(RESULT))


class AnswerCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.pool = Pool()
        self.tools = ApiTools(self.pool, Refusals(Clock().seconds), Found(Clock().seconds))
        self.told: list[Event] = []

    def received(self, events: Sequence[Event]) -> None:
        self.told += events

    def say(self, *events: Event) -> list[Event]:
        """What the client is told of the newest job's events."""
        before = len(self.told)
        self.pool.listeners[-1].received(events)
        return self.told[before:]

    def ask(self, asked: Conversation) -> Any:
        return self.tools.start(asked, self)


class Refused(AnswerCase):
    def test_a_conversation_without_such_tools_goes_to_the_pool(self) -> None:
        running = self.ask(conversation())
        assert running is self.pool.jobs[0]
        assert self.pool.listeners == [self]

    def test_it_is_asked_again_without_what_was_refused(self) -> None:
        running = self.ask(conversation(SEARCH, FETCH))
        assert running.left_out == ()
        assert self.say(Failed(DISABLED)) == []
        assert self.pool.asked[1] == conversation(FETCH)
        assert (running.left_out, running.reuse) == ((SEARCH.listed,), "rung 1")
        assert self.say(STARTED, TextDelta("a"), ENDED) == [STARTED, TextDelta("a"), ENDED]

    def test_an_error_in_the_middle_is_told(self) -> None:
        self.ask(conversation(SEARCH))
        assert self.say(STARTED) == [STARTED]
        assert self.say(Failed(DISABLED)) == [Failed(DISABLED)]
        self.ask(conversation(SEARCH, model="other"))
        assert self.say(STARTED, Failed(DISABLED)) == [STARTED, Failed(DISABLED)]

    def test_an_error_that_the_request_must_get_is_told(self) -> None:
        self.ask(conversation(SEARCH, profile=Profile()))
        assert self.say(Failed(DISABLED)) == [Failed(DISABLED)]
        self.assertRaises(APIError, self.ask, conversation(SEARCH, profile=Profile()))

    def test_a_full_pool_is_told_if_it_is_asked_again(self) -> None:
        self.ask(conversation(SEARCH))
        self.pool.full = unavailable("Full.")
        assert self.say(Failed(DISABLED)) == [Failed(self.pool.full)]

    def test_what_the_client_does_reaches_the_newest_job(self) -> None:
        running = self.ask(conversation(SEARCH))
        running.pauseProducing()
        self.say(Failed(DISABLED))
        first, second = self.pool.jobs
        assert (first.did, second.did) == (["pause"], ["pause"])
        running.resumeProducing()
        running.cancel("gone")
        assert second.did == ["pause", "resume", "gone"]


class Paused(AnswerCase):
    def test_a_paused_answer_goes_on_as_one(self) -> None:
        self.ask(conversation(SEARCH))
        begun = (STARTED, TextDelta("a"), *SEARCHED)
        assert self.say(*begun, PAUSED) == [*begun]
        _, again = self.pool.asked
        call = {**CALL, "input": {"query": "a"}}
        said = Turn("assistant", (text_block("a"), untold(call), untold(RESULT)))
        assert again.turns[1:] == (said, Turn("user", (text_block("Continue."),)))
        whole = attrs.evolve(ENDED, usage=Usage(output_tokens=3))
        assert self.say(STARTED, TextDelta("b"), ENDED) == [TextDelta("b"), whole]

    def test_a_paused_answer_is_one_turn_of_what_follows(self) -> None:
        asked = conversation(SEARCH)
        self.ask(asked)
        self.say(STARTED, TextDelta("a"), *SEARCHED, PAUSED)
        self.say(STARTED, TextDelta("b"), ENDED)
        said = Turn("assistant", (text_block("ab"),))
        self.ask(attrs.evolve(asked, turns=(*asked.turns, said, *asked.turns)))
        call = {**CALL, "input": {"query": "a"}}
        blocks = (text_block("a"), untold(call), untold(RESULT), text_block("b"))
        assert self.pool.asked[-1].turns[1].blocks == blocks

    def test_the_client_of_messages_goes_on_itself(self) -> None:
        self.ask(attrs.evolve(conversation(SEARCH), shows_blocks=True))
        assert self.say(STARTED, TextDelta("a"), PAUSED)[-1] == PAUSED

    def test_it_does_not_go_on_for_ever(self) -> None:
        self.ask(conversation(SEARCH))
        for _ in range(MOST_CONTINUATIONS):
            assert self.say(STARTED, *SEARCHED, PAUSED)[-1] == SEARCHED[-1]
        *_, last = self.say(STARTED, *SEARCHED, PAUSED)
        assert last == attrs.evolve(PAUSED, usage=Usage(output_tokens=1 + MOST_CONTINUATIONS))

    def test_nothing_cannot_be_continued(self) -> None:
        self.ask(conversation(SEARCH))
        assert self.say(STARTED, PAUSED) == [STARTED, PAUSED]
