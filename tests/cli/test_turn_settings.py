"""The settings of a turn: which are sent when, and the guard against further requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claudeproxy.cli.outbox import Outbox
from claudeproxy.cli.turn_settings import TurnSettings, can_change
from claudeproxy.conversation import Limits, Profile


M = Limits("m")
NOW = 1_795_400_000.0
NO_PROFILE = Profile()
GUARD = {"env": {"CLAUDE_CODE_EXTRA_BODY": '{"messages": []}'}}


class Settings:
    def __init__(self) -> None:
        self.outbox = Outbox()
        self.settings = TurnSettings(self.outbox, "m")

    def sent(self) -> list[dict[str, Any]]:
        """The requests since the last time, without their ids."""
        lines = map(json.loads, self.outbox.take().splitlines())
        return [line["request"] for line in lines]

    def begin(self, limits: Limits) -> list[dict[str, Any]]:
        self.settings.begin(limits, NO_PROFILE)
        return self.sent()

    def go_on(self, limits: Limits) -> list[dict[str, Any]]:
        self.settings.go_on(limits, NO_PROFILE)
        return self.sent()


def extra(requests: list[dict[str, Any]]) -> Any:
    """What the only request puts into the API's requests."""
    (request,) = requests
    body = request["settings"]["env"]["CLAUDE_CODE_EXTRA_BODY"]
    return json.loads(body) if body else None


def limits_in(requests: list[dict[str, Any]]) -> tuple[str, str | None]:
    (request,) = requests
    settings = request["settings"]
    return settings["env"]["CLAUDE_CODE_MAX_OUTPUT_TOKENS"], settings["effortLevel"]


def test_a_process_is_told_only_what_it_does_not_know() -> None:
    told = Settings()
    assert told.begin(M) == []
    assert limits_in(told.begin(Limits("m", max_tokens=5))) == ("5", None)
    assert told.begin(Limits("m", max_tokens=5)) == []
    assert limits_in(told.begin(M)) == ("", None)


def test_the_model_is_told_on_its_own() -> None:
    told = Settings()
    assert told.begin(Limits("n")) == [{"subtype": "set_model", "model": "n"}]
    assert told.begin(Limits("n")) == []


# The guard


def test_the_guard_makes_the_api_refuse_what_follows() -> None:
    told = Settings()
    told.begin(M)
    assert not told.settings.guarded
    told.settings.guard(NOW)
    assert told.settings.guarded
    assert told.sent() == [{"subtype": "apply_flag_settings", "settings": GUARD}]


@pytest.mark.parametrize("following", ["begin", "go_on"])
def test_the_guard_is_taken_back_once_by_what_follows(following: str) -> None:
    told = Settings()
    told.begin(Limits("m", temperature=0.5))
    told.settings.guard(NOW)
    told.sent()
    again = getattr(told, following)
    assert extra(again(Limits("m", temperature=0.5))) == {"temperature": 0.5}
    assert not told.settings.guarded
    assert again(Limits("m", temperature=0.5)) == []


def test_the_guard_is_taken_back_although_there_is_nothing_else_to_tell() -> None:
    told = Settings()
    told.settings.guard(NOW)
    told.sent()
    assert extra(told.begin(M)) is None


# The rest of a turn


def test_another_max_tokens_within_a_turn_goes_to_the_api_itself() -> None:
    told = Settings()
    told.begin(Limits("m", max_tokens=5))
    assert extra(told.go_on(Limits("m", max_tokens=7))) == {"max_tokens": 7}
    assert extra(told.go_on(Limits("m", max_tokens=5))) is None


def test_another_effort_within_a_turn_goes_to_the_api_itself() -> None:
    told = Settings()
    told.begin(Limits("m", effort="low"))
    assert extra(told.go_on(Limits("m", effort="high"))) == {"output_config": {"effort": "high"}}
    assert extra(told.go_on(Limits("m", effort="low"))) is None


def test_a_turn_is_compared_with_how_it_began() -> None:
    told = Settings()
    told.begin(Limits("m", max_tokens=5))
    told.go_on(Limits("m", max_tokens=7))
    # The CLI still has 5 for this turn.
    told.settings.guard(NOW)
    told.sent()
    assert extra(told.go_on(Limits("m", max_tokens=7))) == {"max_tokens": 7}


def test_the_next_turn_has_its_limits_from_the_cli_again() -> None:
    told = Settings()
    told.begin(Limits("m", max_tokens=5, effort="low"))
    told.go_on(Limits("m", max_tokens=7, effort="high"))
    requests = told.begin(Limits("m", max_tokens=7, effort="high"))
    assert extra(requests) is None
    assert limits_in(requests) == ("7", "high")


@pytest.mark.parametrize(
    ("turn", "wanted", "can"),
    [
        (M, M, True),
        (M, Limits("n"), False),
        (M, Limits("m", max_tokens=5), True),
        (Limits("m", max_tokens=5), Limits("m", max_tokens=7), True),
        (Limits("m", max_tokens=5), M, False),
        (M, Limits("m", effort="low"), True),
        (Limits("m", effort="low"), Limits("m", effort="high"), True),
        (Limits("m", effort="low"), M, False),
        (Limits("m", max_tokens=5, effort="low"), Limits("m", max_tokens=7), False),
        (M, Limits("m", budgeted=True), True),
        (M, Limits("m", max_tokens=5, budgeted=True), False),
        (M, Limits("m", effort="low", budgeted=True), False),
        (Limits("m", max_tokens=5), Limits("m", max_tokens=5, budgeted=True), True),
        (M, Limits("m", stop=("a",), temperature=0.1, top_p=0.2, thinking=False), True),
    ],
)
def test_which_limits_a_running_turn_can_change_to(turn: Limits, wanted: Limits, can: bool) -> None:
    assert can_change(turn, wanted) is can


def test_a_guard_acts_after_some_milliseconds() -> None:
    told = Settings()
    told.settings.guard(NOW)
    assert told.settings.too_late(NOW + 0.01)
    assert not told.settings.too_late(NOW + 0.05)


def test_the_guard_can_be_taken_back_before_the_next_turn() -> None:
    told = Settings()
    told.settings.relax()
    assert told.sent() == []
    limited = Limits("m", max_tokens=5)
    told.begin(limited)
    told.settings.guard(NOW)
    told.sent()
    told.settings.relax()
    assert extra(told.sent()) is None
    # The next turn has nothing to set, but for limits of its own.
    assert told.begin(limited) == []
    assert [request["subtype"] for request in told.begin(M)] == ["apply_flag_settings"]
