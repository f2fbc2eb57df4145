"""What agents do and say at the limit of the plan: they ask once, and tell the user."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ..conftest import Demo, Settings, running
from .conftest import CODEX_SETTINGS, OPENCLAW, OPENCLAW_SETTINGS, Place


LIMIT = "You've hit your 5-hour limit. It resets at "


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo of these tests' own: a limit concerns every request after it."""
    with running(tmp_path_factory.mktemp("limited")) as demo:
        yield demo


@pytest.fixture
def demo(limited: Demo) -> Demo:
    return limited


@pytest.fixture(autouse=True)
def nothing_refused(demo: Demo) -> Iterator[None]:
    """In the place of the one that lets no request be refused: one is, and no other is made."""
    start = len(demo.output.lines)
    yield
    demo.output.wait_for(" 429 ", start)
    answers = [line for line in demo.output.lines[start:] if " POST /v1/" in f" {line}"]
    assert len(answers) == 1
    assert "error=usage_limit_reached" in answers[0]


def test_codex(place: Place, settings: Settings) -> None:
    place.write(CODEX_SETTINGS, settings("codex"))
    _, errors = place.fail("codex", "exec", "--skip-git-repo-check", "LIMIT")
    assert "hit your usage limit. Try again at " in errors


def test_claude_code(place: Place, origin: str) -> None:
    own = {"ANTHROPIC_BASE_URL": origin, "ANTHROPIC_AUTH_TOKEN": "not-needed"}
    said, _ = place.fail("claude", "-p", "LIMIT", **own)
    assert said.startswith("API Error: Request rejected (429)")
    assert LIMIT in said


def test_openclaw(place: Place, settings: Settings) -> None:
    place.write(OPENCLAW_SETTINGS, settings("openclaw"))
    said, _ = place.fail(*OPENCLAW, "--message", "LIMIT")
    assert LIMIT in json.loads(said)["error"]["message"]
