"""The protocol's state machine on recordings of real CLIs."""

from __future__ import annotations

from functools import cache
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claudeproxy.cli.notices import RateLimitEvent, Ready, TurnEnded
from claudeproxy.errors import not_logged_in, usage_limit_reached
from claudeproxy.events import (
    Finished,
    FinishReason,
    ReasoningDelta,
    ReasoningSigned,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
)
from claudeproxy.plan_usage import PlanUsage

from .player import RECORDINGS, VERSIONS, Player, recording
from .talk import NOW, calm, failed, plain, texts


# What the recordings' stand-in for the API counts for every message.
USAGE = Usage(11, 5, 3, 7, 0)
# What is written before anything is asked.
READY = ["initialize", "apply_flag_settings"]
both_versions = pytest.mark.parametrize("version", VERSIONS)


def model_of(version: str, name: str = "opus") -> str:
    return {
        ("2.1.197", "opus"): "claude-opus-4-8",
        ("2.1.330", "opus"): "claude-opus-5-5",
        ("2.1.197", "sonnet"): "claude-sonnet-5",
        ("2.1.330", "sonnet"): "claude-sonnet-5-5",
    }[version, name]


def finished(reason: FinishReason, stop_reason: str) -> Finished:
    return Finished(reason, USAGE, stop_reason)


END_TURN = finished("stop", "end_turn")


@both_versions
def test_two_turns_of_text(version: str) -> None:
    started = Started(model_of(version))
    words = [f"tok{n} " for n in range(11)]
    assert Player(version, "text-two-turns").answer == [
        started,
        *texts(*words, "tok11"),
        END_TURN,
        TurnEnded(clean=True, marks=1),
        started,
        *texts("second"),
        END_TURN,
        TurnEnded(clean=True, marks=2),
    ]


@both_versions
def test_ready_tells_the_models_and_the_account(version: str) -> None:
    ready = Player(version, "text-two-turns").told[0]
    assert isinstance(ready, Ready)
    assert ready.models[0]["value"] == "default"
    assert len(ready.models) == 5
    assert ready.account["apiKeySource"] == "ANTHROPIC_API_KEY"
    assert ready.logged_in


@both_versions
def test_text_beyond_ascii(version: str) -> None:
    assert Player(version, "unicode").answer == [
        Started(model_of(version)),
        TextDelta("héllo→🦜漢字"),
        END_TURN,
        TurnEnded(clean=True, marks=1),
    ]


@both_versions
def test_thinking_comes_as_reasoning(version: str) -> None:
    assert Player(version, "thinking").answer == [
        Started(model_of(version)),
        ReasoningDelta("hmm let me think"),
        ReasoningSigned("c2ln"),
        *texts("done ", "thinking"),
        END_TURN,
        TurnEnded(clean=True, marks=1),
    ]


@both_versions
def test_a_stop_sequence_is_a_plain_stop(version: str) -> None:
    assert Player(version, "stop-sequence").answer == [
        Started(model_of(version)),
        *texts("before ", "stop"),
        finished("stop", "stop_sequence"),
        TurnEnded(clean=True, marks=1),
    ]


@both_versions
def test_what_the_cli_goes_on_with_after_max_tokens_is_not_told(version: str) -> None:
    player = Player(version, "max-tokens-continues")
    end = finished("length", "max_tokens")
    assert player.answer == [
        Started(model_of(version)),
        *texts("cut ", "off ", "here"),
        end,
        TurnEnded(clean=False, marks=1),
    ]
    # With the guard, which was written before, the API would have refused to go on.
    assert player.writes_after(lambda item: item == end) == ["interrupt", "interrupt"]


@both_versions
def test_a_max_tokens_answer_is_asked_for_with_its_limit(version: str) -> None:
    player = Player(version, "max-tokens-continues")
    asked = [*READY, "apply_flag_settings", "question"]
    assert player.writes == [*asked, "guard", "interrupt", "interrupt"]


@both_versions
def test_a_refusal_ends_the_answer_and_what_the_cli_makes_of_it_is_cut_off(version: str) -> None:
    player = Player(version, "refusal")
    end = finished("content_filter", "refusal")
    assert player.answer == [
        Started(model_of(version)),
        *texts("no"),
        end,
        TurnEnded(clean=False, marks=1),
    ]
    assert player.log[player.log.index(end) + 1] == "interrupt"


@both_versions
def test_after_an_interrupt_the_next_question_is_answered(version: str) -> None:
    player = Player(version, "interrupt")
    started = Started(model_of(version))
    assert player.answer == [
        started,
        *texts(*(f"tok{n} " for n in range(7))),
        TurnEnded(clean=False, marks=1),
        started,
        *texts("after"),
        END_TURN,
        TurnEnded(clean=True, marks=2),
    ]
    asked = ["question", "guard", "interrupt", "apply_flag_settings", "question", "guard"]
    assert player.writes == [*READY, *asked]


LOGIN = attrs.asdict(not_logged_in())


@both_versions
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("api-error-400", failed(status=400, message="fake 400")),
        ("api-error-401", ("Failed", LOGIN)),
        ("subscription-login-expired", ("Failed", LOGIN)),
        (
            "api-error-429",
            failed(
                status=429,
                message="fake 429",
                type="rate_limit_error",
                code="rate_limit_exceeded",
                should_retry=False,
            ),
        ),
        (
            "api-error-500",
            failed(
                status=502,
                message="fake 500.",
                type="server_error",
                should_retry=False,
            ),
        ),
        (
            "api-error-529",
            failed(
                status=503,
                message="fake 529.",
                type="server_error",
                code="server_is_overloaded",
                should_retry=False,
            ),
        ),
    ],
)
def test_an_error_of_the_api_fails_the_answer(version: str, name: str, error: object) -> None:
    player = Player(version, name)
    assert player.answer == [error, TurnEnded(clean=False, marks=1)]
    # The turn is over already: there is nothing to interrupt, and a short retry is waited for.
    assert player.writes == [*READY, "question"]


@both_versions
def test_a_long_retry_fails_the_answer_at_once(version: str) -> None:
    player = Player(version, "api-retry-429")
    seconds = {"2.1.197": 30, "2.1.330": 35}[version]
    error = failed(
        status=429,
        message=f"Anthropic's API returned status 429; try again in {seconds} s.",
        type="rate_limit_error",
        code="rate_limit_exceeded",
        retry_after=seconds,
        whole_wait=seconds,
    )
    assert player.answer == [error, TurnEnded(clean=False, marks=1)]
    assert player.log[2:] == [
        player.told[0],
        "question",
        error,
        "interrupt",
        TurnEnded(clean=False, marks=1),
    ]


def partitioned(told: list[object]) -> tuple[list[RateLimitEvent], list[object]]:
    """What was told of the plan, and the rest."""
    events = [item for item in told if isinstance(item, RateLimitEvent)]
    return events, [item for item in told if item not in events]


def windows_of(event: object) -> dict[str, object]:
    assert isinstance(event, RateLimitEvent)
    usage = PlanUsage()
    usage.report_event(event.info, NOW)
    return {
        window.name: (window.used, window.status, window.resets_at) for window in usage.windows(NOW)
    }


@both_versions
def test_a_plans_limit_tells_when_it_ends(version: str) -> None:
    resets_at = {"2.1.197": 1795409238, "2.1.330": 1795409242}[version]
    period = {"2.1.197": "session", "2.1.330": "5-hour"}[version]
    error = usage_limit_reached(f"You've hit your {period} limit", resets_at, NOW, "five_hour")
    assert error.resets_at == resets_at
    event, *answer = Player(version, "subscription-limit-reached").answer
    assert answer == [("Failed", attrs.asdict(error)), TurnEnded(clean=False, marks=1)]
    assert windows_of(event) == {"five_hour": (None, "rejected", resets_at)}


@both_versions
def test_a_warning_of_the_plans_limit_changes_nothing(version: str) -> None:
    [event], answer = partitioned(Player(version, "subscription-rate-limit-warning").answer)
    assert answer == [
        Started(model_of(version, "sonnet")),
        TextDelta("hello"),
        END_TURN,
        TurnEnded(clean=True, marks=1),
    ]
    older = version == "2.1.197"
    resets_at = 1795409237 if older else 1795409241
    seven_days = {} if older else {"seven_day": (0.4, "allowed", 1795492041)}
    assert windows_of(event) == {"five_hour": (0.91, "allowed_warning", resets_at), **seven_days}


def test_a_prompt_that_is_too_long_is_told_by_2_1_330() -> None:
    assert Player("2.1.330", "prompt-too-long").answer == [
        failed(
            status=400,
            message="Prompt is too long",
            param="messages",
            code="context_length_exceeded",
        ),
        TurnEnded(clean=False, marks=1),
    ]


def test_a_prompt_that_is_too_long_is_left_to_the_api_by_2_1_197() -> None:
    assert Player("2.1.197", "prompt-too-long").answer == [
        Started(model_of("2.1.197")),
        TextDelta("big"),
        END_TURN,
        TurnEnded(clean=True, marks=1),
    ]


@both_versions
def test_history_is_replayed_before_the_question(version: str) -> None:
    player = Player(version, "history-replay")
    assert player.answer == [
        Started(model_of(version)),
        TextDelta('TOOL_RESULT:["sunny"]'),
        END_TURN,
        TurnEnded(clean=True, marks=1),
    ]
    ours = [item for item in player.writes if item != "control_response"]
    expected = [*READY, "history", "assistant", "apply_flag_settings", "question", "guard"]
    assert ours == expected


@both_versions
def test_what_was_cleared_is_not_gone_on_with(version: str) -> None:
    player = Player(version, "clear-and-reuse")
    started = Started(model_of(version))
    assert player.answer == [
        *(started, TextDelta("one"), END_TURN, TurnEnded(clean=True, marks=1)),
        *(started, TextDelta("two"), END_TURN, TurnEnded(clean=True, marks=1)),
    ]


@both_versions
def test_calls_are_told_and_the_turn_goes_on_with_their_results(version: str) -> None:
    player = Player(version, "tools-parallel-parked")
    unique = {"2.1.197": 1795400100065, "2.1.330": 1795400121800}[version]
    called = finished("tool_calls", "tool_use")
    # The order in which the API got the results.
    echoed = {
        "2.1.197": ['"3"}], ', '[{"type": ', '"text", ', '"text": ', '"22 ', 'degrees"}]]'],
        "2.1.330": ['"22 ', 'degrees"}], ', '[{"type": ', '"text", ', '"text": ', '"3"}]]'],
    }[version]
    assert player.answer == [
        Started(model_of(version)),
        *texts("Let ", "me ", "call."),
        ToolCallStarted(0, f"toolu_1_{unique}", "get_weather"),
        ToolArgumentsDelta(0, '{"city":'),
        ToolArgumentsDelta(0, '"Paris"}'),
        ToolCallStarted(1, f"toolu_2_{unique}", "add"),
        ToolArgumentsDelta(1, '{"a":1,"'),
        ToolArgumentsDelta(1, 'b":2}'),
        called,
        Started(model_of(version)),
        *texts('TOOL_RESULT:[[{"type": ', '"text", ', '"text": ', *echoed),
        END_TURN,
        TurnEnded(clean=True, marks=1),
    ]
    assert player.writes_after(lambda item: item == called) == [
        "apply_flag_settings",
        *["control_response"] * 2,
        "guard",
    ]


@both_versions
def test_the_clis_mcp_messages_are_answered_as_they_were_there(version: str) -> None:
    player = Player(version, "tools-parallel-parked")
    there = {
        line["msg"]["response"]["request_id"]: line["msg"]["response"]["response"]["mcp_response"]
        for line in recording(version, "tools-parallel-parked")
        if line["dir"] == "in" and line["msg"]["type"] == "control_response"
    }
    assert len(there) == 5
    assert player.replies.keys() == there.keys()
    for request_id, reply in there.items():
        assert player.replies[request_id]["id"] == reply["id"]
        assert contained(reply["result"], player.replies[request_id]["result"])


def contained(less: Any, more: Any) -> bool:
    """Whether all of one is in the other, but for how the server calls itself."""
    match less, more:
        case dict(), dict():
            names = less.keys() - {"serverInfo"}
            return all(name in more and contained(less[name], more[name]) for name in names)
        case list(), list():
            return len(less) == len(more) and all(map(contained, less, more))
    return bool(less == more)


@both_versions
def test_an_object_that_fits_its_schema_is_the_text(version: str) -> None:
    player = Player(version, "structured-output")
    assert player.answer == [
        Started(model_of(version)),
        *texts('{"name":', '"bob","n', '":3}'),
        finished("stop", "tool_use"),
        TurnEnded(clean=False, marks=1),
    ]
    # By itself the model would rather say something: it is told to call.
    assert player.writes == [*READY, "apply_flag_settings", "question"]


PLAYED = sorted(
    (version, path.stem) for version in VERSIONS for path in (RECORDINGS / version).glob("*.jsonl")
)


@cache
def by_lines(version: str, name: str) -> list[object]:
    return plain(Player(version, name).told)


@settings(calm, max_examples=60)
@given(st.sampled_from(PLAYED), st.lists(st.integers(1, 3000), min_size=1, max_size=5))
def test_portions_change_nothing(played: tuple[str, str], sizes: list[int]) -> None:
    version, name = played
    assert plain(Player(version, name, sizes).told) == by_lines(version, name)


@both_versions
@pytest.mark.parametrize("size", [1, 7, 10**9], ids=["bytes", "sevens", "all-at-once"])
@pytest.mark.parametrize("name", ["unicode", "refusal", "tools-parallel-parked"])
def test_single_bytes_and_single_reads_change_nothing(version: str, name: str, size: int) -> None:
    assert plain(Player(version, name, [size]).told) == by_lines(version, name)


def test_all_recordings_are_played() -> None:
    assert len(PLAYED) == 42
