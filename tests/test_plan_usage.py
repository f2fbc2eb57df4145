"""What is known about the limits of the plan, and what the user is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from claudeproxy.plan_usage import (
    API_KEY_NOTE,
    FRESH,
    NOTHING_YET_NOTE,
    UNIFIED,
    Level,
    PlanUsage,
    Window,
)


NOW = 1_795_409_000.0
SOON, LATER = int(NOW) + 1800, int(NOW) + 600_000
# Lines of 2.1.197 and of 2.1.330.
OLDER = {
    "status": "allowed_warning",
    "resetsAt": SOON,
    "rateLimitType": "five_hour",
    "utilization": 0.91,
    "isUsingOverage": False,
}
NEWER = {
    **OLDER,
    "unifiedWindows": {
        "five_hour": {"utilization": 0.91, "resetsAt": SOON, "status": "allowed_warning"},
        "seven_day": {"utilization": 0.4, "resetsAt": LATER, "status": "allowed"},
    },
}
REJECTED = {"status": "rejected", "resetsAt": SOON, "rateLimitType": "five_hour"}
# A response to get_usage, of both.
USAGE = {
    "five_hour": {"utilization": 42, "resets_at": "2026-11-23T05:20:00.123456+00:00"},
    "seven_day": {"utilization": 5.5, "resets_at": None},
    "seven_day_opus": None,
    "seven_day_sonnet": {"utilization": 0, "resets_at": "2026-11-23T05:20:00"},
    "extra_usage": {"is_enabled": False, "monthly_limit": None, "utilization": None},
    "model_scoped": [{"display_name": "Some", "utilization": 1, "resets_at": None}],
}


def event(status: str = "allowed", name: str = "five_hour", resets_at: object = SOON) -> Any:
    return {"status": status, "rateLimitType": name, "resetsAt": resets_at}


@pytest.mark.parametrize(
    ("info", "windows"),
    [
        (OLDER, [Window("five_hour", NOW, 0.91, "allowed_warning", SOON)]),
        (
            NEWER,
            [
                Window("five_hour", NOW, 0.91, "allowed_warning", SOON),
                Window("seven_day", NOW, 0.4, "allowed", LATER),
            ],
        ),
        (REJECTED, [Window("five_hour", NOW, None, "rejected", SOON)]),
        ({}, []),
        ({"rateLimitType": 3, "unifiedWindows": ["x"]}, []),
        ({"unifiedWindows": {"seven_day": "x"}}, []),
        (
            {"rateLimitType": "x", "status": 1, "resetsAt": float("nan"), "utilization": True},
            [Window("x", NOW)],
        ),
    ],
)
def test_what_an_event_says(info: Mapping[str, Any], windows: list[Window]) -> None:
    usage = PlanUsage()
    usage.report_event(info, NOW)
    assert usage.windows(NOW) == windows


def test_what_get_usage_says() -> None:
    usage = PlanUsage()
    assert usage.report_usage(USAGE, NOW) == []
    assert usage.windows(NOW) == [
        Window("five_hour", NOW, 0.42, None, 1_795_411_201),
        Window("seven_day", NOW, 0.055),
        Window("seven_day_sonnet", NOW, 0.0, None, 1_795_411_200),
    ]


def test_get_usage_leaves_the_status_until_the_window_resets() -> None:
    usage = PlanUsage()
    usage.report_event(OLDER, NOW)
    usage.report_usage(USAGE, NOW + 1)
    assert usage.windows(NOW + 1)[0].status == "allowed_warning"
    usage.report_event(OLDER, NOW + 2)
    usage.report_usage({"five_hour": {"utilization": 1, "resets_at": None}}, SOON)
    assert usage.windows(SOON)[0] == Window("five_hour", SOON, 0.01)


def test_a_time_that_cannot_be_read_is_not_known() -> None:
    usage = PlanUsage()
    usage.report_usage({"five_hour": {"utilization": "x", "resets_at": "tomorrow"}}, NOW)
    assert usage.windows(NOW) == [Window("five_hour", NOW)]


def test_after_its_reset_nothing_is_known_about_a_window() -> None:
    usage = PlanUsage()
    usage.report_event(NEWER, NOW)
    assert usage.windows(SOON - 1)[0].used == 0.91
    assert usage.windows(SOON) == [
        Window("five_hour", NOW),
        Window("seven_day", NOW, 0.4, "allowed", LATER),
    ]


def test_a_report_is_fresh_for_some_minutes() -> None:
    usage = PlanUsage()
    assert not usage.fresh(NOW)
    usage.report_event(NEWER, NOW)
    assert usage.fresh(NOW + FRESH)
    assert not usage.fresh(NOW + FRESH + 1)
    # All windows must be.
    usage.report_event(OLDER, NOW + FRESH)
    assert not usage.fresh(NOW + FRESH + 1)
    usage = PlanUsage()
    usage.report_event(event(resets_at=int(NOW) + 2), NOW)
    assert usage.fresh(NOW + 1)
    assert not usage.fresh(NOW + 2)


@pytest.mark.parametrize(
    ("reports", "told"),
    [
        ([(0, event("allowed"))], []),
        ([(0, event("allowed_warning")), (1, event("allowed_warning"))], [(0, Level.NEAR)]),
        (
            [(0, event("allowed_warning")), (1, event("rejected")), (2, event("rejected"))],
            [(0, Level.NEAR), (1, Level.REACHED)],
        ),
        # A process reports late what held before.
        ([(0, event("rejected")), (1, event("allowed_warning"))], [(0, Level.REACHED)]),
        (
            [(0, event("rejected")), (1, event("allowed")), (2, event("rejected"))],
            [(0, Level.REACHED)],
        ),
        (
            [(0, event("rejected")), (1800, event("allowed", resets_at=LATER))],
            [(0, Level.REACHED), (1800, Level.FINE)],
        ),
        (
            [
                (0, event("allowed_warning")),
                (1800, event("allowed", resets_at=LATER)),
                (1801, event("allowed", resets_at=LATER)),
                (1802, event("allowed_warning", resets_at=LATER)),
            ],
            [(0, Level.NEAR), (1800, Level.FINE), (1802, Level.NEAR)],
        ),
        (
            [(0, event("rejected")), (1800, event("rejected", resets_at=LATER))],
            [(0, Level.REACHED), (1800, Level.REACHED)],
        ),
        # Each window has levels of its own.
        (
            [(0, event("rejected")), (1, event("rejected", "seven_day", LATER))],
            [(0, Level.REACHED), (1, Level.REACHED)],
        ),
        # Nobody knows when it ends.
        (
            [
                (0, event("rejected", resets_at=None)),
                (1, event("rejected", resets_at=None)),
                (2, event("allowed")),
            ],
            [(0, Level.REACHED), (2, Level.FINE)],
        ),
    ],
)
def test_each_level_of_a_window_is_told_once(
    reports: list[tuple[int, Any]], told: list[tuple[int, Level]]
) -> None:
    usage = PlanUsage()
    changes = [
        (after, change.level)
        for after, info in reports
        for change in usage.report_event(info, NOW + after)
    ]
    assert changes == told


@pytest.mark.parametrize(
    ("info", "begin", "end"),
    [
        (OLDER, "The five-hour limit of the plan is near: 91% of it is used. It resets at 20", ""),
        (event("rejected"), "The five-hour limit of the plan is reached. It resets at 20", "."),
        (
            event("allowed_warning", "seven_day_opus", None),
            "The seven-day-opus limit of the plan is near.",
            "near.",
        ),
    ],
)
def test_the_sentences_for_the_log(info: Mapping[str, Any], begin: str, end: str) -> None:
    [change] = PlanUsage().report_event(info, NOW)
    assert str(change).startswith(begin)
    assert str(change).endswith(end)


def test_the_sentence_for_a_reset() -> None:
    usage = PlanUsage()
    usage.report_event(event("rejected"), NOW)
    [change] = usage.report_event(event(resets_at=LATER), SOON)
    assert str(change) == "The five-hour limit of the plan has reset."


def test_the_object_for_clients() -> None:
    usage = PlanUsage()
    usage.report_event(NEWER, NOW)
    told = usage.as_object(NOW + 7.5, {"subscriptionType": "Claude Max"})
    assert told == {
        "object": "usage",
        "plan": "Claude Max",
        "windows": [
            {
                "name": "five_hour",
                "used": 0.91,
                "status": "allowed_warning",
                "resets_at": SOON,
                "seen_at": int(NOW),
                "age": 7,
            },
            {
                "name": "seven_day",
                "used": 0.4,
                "status": "allowed",
                "resets_at": LATER,
                "seen_at": int(NOW),
                "age": 7,
            },
        ],
        "fresh": True,
        "note": None,
    }


@pytest.mark.parametrize(
    ("account", "note"),
    [
        ({}, NOTHING_YET_NOTE),
        ({"tokenSource": "CLAUDE_CODE_OAUTH_TOKEN"}, NOTHING_YET_NOTE),
        ({"tokenSource": "none", "apiKeySource": "ANTHROPIC_API_KEY"}, API_KEY_NOTE),
        ({"tokenSource": "x", "apiKeySource": "none"}, NOTHING_YET_NOTE),
        ({"subscriptionType": "Claude Pro", "apiKeySource": "x"}, NOTHING_YET_NOTE),
    ],
)
def test_without_windows_a_note_says_why(account: dict[str, str], note: str) -> None:
    told = PlanUsage().as_object(NOW, account)
    assert (told["windows"], told["fresh"], told["note"]) == ([], False, note)
    assert told["plan"] == account.get("subscriptionType")


def test_the_headers_are_those_of_the_api() -> None:
    usage = PlanUsage()
    assert usage.headers(NOW) == {}
    usage.report_event(NEWER, NOW)
    assert usage.headers(NOW) == {
        f"{UNIFIED}-status": "allowed_warning",
        f"{UNIFIED}-reset": str(SOON),
        f"{UNIFIED}-representative-claim": "five_hour",
        f"{UNIFIED}-5h-status": "allowed_warning",
        f"{UNIFIED}-5h-reset": str(SOON),
        f"{UNIFIED}-5h-utilization": "0.91",
        f"{UNIFIED}-7d-status": "allowed",
        f"{UNIFIED}-7d-reset": str(LATER),
        f"{UNIFIED}-7d-utilization": "0.4",
    }


def test_the_headers_say_only_what_holds_now() -> None:
    usage = PlanUsage()
    usage.report_event(NEWER, NOW)
    assert usage.headers(NOW + FRESH + 1) == {}
    usage = PlanUsage()
    usage.report_event(NEWER, SOON - 1)
    assert set(usage.headers(SOON)) == {
        f"{UNIFIED}-7d-{name}" for name in ("status", "reset", "utilization")
    }
    # get_usage reports no status.
    usage = PlanUsage()
    usage.report_usage(USAGE, NOW)
    assert usage.headers(NOW) == {}
    usage.report_event(event("allowed", resets_at=None), NOW)
    assert usage.headers(NOW) == {
        f"{UNIFIED}-status": "allowed",
        f"{UNIFIED}-representative-claim": "five_hour",
        f"{UNIFIED}-5h-status": "allowed",
    }
