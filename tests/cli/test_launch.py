"""The environment of a CLI process."""

from __future__ import annotations

from claudeproxy.cli import launch


HOME = {"HOME": "/home/u", "ANTHROPIC_BETAS": "mine-2026-01-01"}


def test_the_marks_are_stable_by_default() -> None:
    env = launch.environment(HOME, (), 2, {})
    assert env["CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS"] == "1"
    assert env["ANTHROPIC_BETAS"] == ",".join(launch.KEPT_BETAS)


def test_betas_that_are_passed_on_are_kept() -> None:
    env = launch.environment(HOME, ("ANTHROPIC_BETAS",), 2, {})
    assert env["ANTHROPIC_BETAS"] == ",".join(("mine-2026-01-01", *launch.KEPT_BETAS))


def test_the_marks_can_be_left_to_the_cli() -> None:
    env = launch.environment(HOME, (), 2, {}, stable_cache_marks=False)
    assert "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS" not in env
    assert "ANTHROPIC_BETAS" not in env
    env = launch.environment(HOME, ("ANTHROPIC_BETAS",), 2, {}, stable_cache_marks=False)
    assert env["ANTHROPIC_BETAS"] == "mine-2026-01-01"
