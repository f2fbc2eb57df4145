"""Answers that must match a schema, with a scripted pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from claudeproxy.conversation import Conversation, Limits, Profile, Turn, text_block
from claudeproxy.errors import bad_request, rate_limited
from claudeproxy.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallStarted,
    Usage,
    Withdrawn,
)
from claudeproxy.metrics import Metrics
from claudeproxy.structured.output import StructuredOutput
from claudeproxy.structured.ways import Choice, Ways

from ..answering import Pool


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
STARTED = Started("m")
TOO_COMPLEX = bad_request("Schema is too complex for compilation")


def finished(reason: FinishReason = "stop", tokens: int = 1, **more: Any) -> Finished:
    return Finished(reason, Usage(output_tokens=tokens), **more)


class OutputCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.pool = Pool()
        self.metrics = Metrics()
        self.told: list[Event] = []
        self.use(Choice.AUTO)

    def use(self, choice: Choice, *, retry: bool = True) -> None:
        ways = Ways(choice, Clock().seconds)
        self.output = StructuredOutput(self.pool, ways, self.metrics, retry=retry)

    def received(self, events: Sequence[Event]) -> None:
        self.told += events

    def ask(self, schema: Any = SCHEMA, *, streamed: bool = False) -> Any:
        turns = (Turn("user", (text_block("Hi"),)),)
        asked = Conversation(Profile(), turns, Limits("m", streamed=streamed), schema)
        return self.output.start(self.output.choose(asked, has_feature=True), self)

    def say(self, *events: Event) -> list[Event]:
        """What the client is told of the newest job's events."""
        before = len(self.told)
        self.pool.listeners[-1].received(events)
        return self.told[before:]

    def counted(self, name: str) -> list[str]:
        lines = self.metrics.exposition().decode("ascii").splitlines()
        start = f"claudeproxy_structured_{name}_total"
        return [line.removeprefix(start) for line in lines if line.startswith(start)]


class Matching(OutputCase):
    def test_what_matches_is_told_as_it_comes(self) -> None:
        for streamed in (False, True):
            self.ask(streamed=streamed)
            assert self.say(STARTED, ReasoningDelta("hm")) == [STARTED, ReasoningDelta("hm")]
            assert self.say(TextDelta('{"a"')) == [TextDelta('{"a"')]
            assert self.say(TextDelta(":1}"), finished()) == [TextDelta(":1}"), finished()]
        assert self.counted("answers") == ['{outcome="matched"} 2.0']
        assert len(self.pool.asked) == 2

    def test_a_conversation_without_a_schema_is_the_pools_own(self) -> None:
        assert self.ask(None) is self.pool.jobs[0]
        assert self.pool.listeners == [self]
        assert self.counted("answers") == self.counted("by_tool") == []

    def test_what_the_tool_is_called_with_is_checked_too(self) -> None:
        self.use(Choice.TOOL)
        self.ask()
        told: list[Event] = [STARTED, TextDelta('{"a":1}'), finished()]
        assert self.say(*told) == told
        assert len(self.pool.asked) == 1
        assert self.counted("by_tool") == ['{reason="chosen"} 1.0']
        # Those are of the answers by the API.
        assert self.counted("answers") == []

    def test_what_need_not_match_is_not_checked(self) -> None:
        for end in (
            finished("length"),
            finished("content_filter"),
            finished("stop", stop_sequence="}"),
        ):
            self.ask()
            assert self.say(STARTED, TextDelta('{"a"'), end)[-1] == end
        self.ask()
        call = ToolCallStarted(0, "id", "f")
        assert self.say(STARTED, TextDelta("Well,"), call, finished("tool_calls"))[-2:] == [
            call,
            finished("tool_calls"),
        ]
        assert len(self.pool.asked) == 4

    def test_the_job_is_the_clients_to_pause_and_to_cancel(self) -> None:
        running = self.ask(streamed=True)
        assert running.reuse == "rung 0"
        running.pauseProducing()
        running.resumeProducing()
        running.cancel("gone")
        assert self.pool.jobs[0].did == ["pause", "resume", "gone"]


class NotMatching(OutputCase):
    def test_a_whole_answer_is_asked_for_once_more(self) -> None:
        running = self.ask()
        told = self.say(STARTED, TextDelta('{"a":"x"}'), finished(tokens=5))
        assert told == [STARTED, TextDelta('{"a":"x"}'), Withdrawn()]
        first, second = self.pool.asked
        assert (second.profile, second.limits) == (first.profile, first.limits)
        assert second.turns[:2] == (
            *first.turns,
            Turn("assistant", (text_block('{"a":"x"}'),)),
        )
        (request,) = second.turns[2].blocks
        assert "'x'" in request["text"]
        assert running.reuse == "rung 1"
        assert self.say(STARTED, TextDelta('{"a":1}')) == [TextDelta('{"a":1}')]
        assert self.say(finished(tokens=7)) == [finished(tokens=12)]
        assert self.counted("answers") == ['{outcome="corrected"} 1.0']

    def test_by_the_tool_it_is_asked_for_once_more_in_the_same_way(self) -> None:
        for choice in (Choice.TOOL, Choice.AUTO):
            self.use(choice)
            self.ask()
            if choice is Choice.AUTO:
                self.say(Failed(TOO_COMPLEX))
            assert self.say(STARTED, TextDelta('{"a":"x"}'), finished())[-1] == Withdrawn()
            first, second = self.pool.asked[-2:]
            assert (second.profile, second.limits) == (first.profile, first.limits)
            assert second.profile.output_schema == SCHEMA
            assert second.turns[0] == first.turns[0]
            assert self.say(STARTED, TextDelta('{"a":1}'), finished())[-1] == finished(tokens=2)
        assert self.counted("answers") == []

    def test_the_second_miss_by_the_tool_is_an_error(self) -> None:
        self.use(Choice.TOOL)
        self.ask()
        self.say(STARTED, TextDelta('{"a":"x"}'), finished())
        *_, failed = self.say(STARTED, TextDelta('{"a":"y"}'), finished())
        assert isinstance(failed, Failed)
        assert "'y'" in failed.error.message
        assert len(self.pool.asked) == 2

    def test_the_second_miss_is_an_error_that_is_not_worth_a_retry(self) -> None:
        self.ask()
        self.say(STARTED, TextDelta("Well."), finished())
        (failed,) = self.say(STARTED, finished())
        assert isinstance(failed, Failed)
        # Both were paid for.
        assert failed.usage == Usage(output_tokens=2)
        assert (failed.error.status, failed.error.should_retry) == (502, False)
        assert len(self.pool.asked) == 2
        assert self.counted("answers") == ['{outcome="mismatched"} 1.0']

    def test_a_setting_forbids_the_second_request(self) -> None:
        self.use(Choice.AUTO, retry=False)
        self.ask()
        *_, failed = self.say(STARTED, TextDelta('{"a":"x"}'), finished())
        assert isinstance(failed, Failed)
        assert "'x'" in failed.error.message
        assert len(self.pool.asked) == 1

    def test_nothing_at_all_cannot_be_corrected(self) -> None:
        self.ask()
        *_, failed = self.say(STARTED, finished())
        assert isinstance(failed, Failed)
        assert len(self.pool.asked) == 1

    def test_a_stream_says_so_at_its_end(self) -> None:
        self.ask(streamed=True)
        *before, end = self.say(STARTED, TextDelta('{"a":"x"}'), finished())
        assert before == [STARTED, TextDelta('{"a":"x"}')]
        assert isinstance(end, Finished)
        assert "'x'" in end.schema_mismatch
        assert len(self.pool.asked) == 1
        assert self.counted("answers") == ['{outcome="mismatched"} 1.0']

    def test_a_full_pool_is_the_answer(self) -> None:
        self.ask()
        self.pool.full = rate_limited("Full.", 5)
        *_, failed = self.say(STARTED, TextDelta("no"), finished())
        assert failed == Failed(self.pool.full)


class Refused(OutputCase):
    def test_what_the_api_refuses_goes_the_other_way_unseen(self) -> None:
        running = self.ask(streamed=True)
        running.pauseProducing()
        assert self.say(Failed(TOO_COMPLEX)) == []
        assert self.pool.asked[1].profile.output_schema == SCHEMA
        assert self.pool.asked[1].limits.output_format is None
        assert self.pool.jobs[1].did == ["pause"]
        assert running.reuse == "rung 1"
        told: list[Event] = [STARTED, TextDelta('{"a":1}'), finished()]
        assert self.say(*told) == told
        assert self.counted("by_tool") == ['{reason="schema"} 1.0']
        assert self.counted("answers") == []

    def test_the_next_one_goes_there_at_once(self) -> None:
        self.ask()
        self.say(Failed(TOO_COMPLEX))
        self.ask()
        assert len(self.pool.asked) == 3
        assert self.pool.asked[2].profile.output_schema == SCHEMA

    def test_what_fails_the_other_way_too_is_told(self) -> None:
        self.ask()
        self.say(Failed(TOO_COMPLEX))
        assert self.say(Failed(TOO_COMPLEX)) == [Failed(TOO_COMPLEX)]
        assert len(self.pool.asked) == 2

    def test_other_errors_are_told(self) -> None:
        error = Failed(bad_request("max_tokens: too many"))
        self.ask()
        assert self.say(error) == [error]

    def test_an_answer_that_has_begun_is_not_begun_again(self) -> None:
        self.ask()
        self.say(STARTED)
        assert self.say(Failed(TOO_COMPLEX)) == [Failed(TOO_COMPLEX)]
        assert len(self.pool.asked) == 1
