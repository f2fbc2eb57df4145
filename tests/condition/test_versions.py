"""Which versions are too old, and how each is updated."""

from __future__ import annotations

import pytest

from claudeproxy.condition.versions import BREW, NPM, OLDEST, PIP, is_too_old, update_command


@pytest.mark.parametrize(
    ("version", "too_old"),
    [
        ("1.0.128", True),
        ("2.0.37", True),
        ("2.1.186", True),
        (OLDEST, False),
        ("2.1.1000", False),
        ("10.0.0", False),
        ("2.1.9-beta", True),
        ("unknown", False),
        ("", False),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, too_old: bool) -> None:
    assert is_too_old(version) == too_old


@pytest.mark.parametrize(
    ("path", "real_path", "command"),
    [
        (
            "/home/me/.local/bin/claude",
            "/home/me/.local/share/claude/versions/2.1.1",
            "/home/me/.local/bin/claude update",
        ),
        (
            "/usr/local/bin/claude",
            "/usr/local/lib/node_modules/@anthropic-ai/claude-code/cli.js",
            NPM,
        ),
        (
            "/p/node_modules/.bin/claude",
            "/p/node_modules/@anthropic-ai/claude-code/cli.js",
            "/p/node_modules/.bin/claude update",
        ),
        (
            "/v/site-packages/claude_agent_sdk/_bundled/claude",
            "/v/site-packages/claude_agent_sdk/_bundled/claude",
            PIP,
        ),
        ("/opt/homebrew/bin/claude", "/opt/homebrew/Caskroom/claude-code/2.1.1/claude", BREW),
    ],
)
def test_the_command_fits_the_way_it_was_installed(path: str, real_path: str, command: str) -> None:
    assert update_command(path, real_path) == command
