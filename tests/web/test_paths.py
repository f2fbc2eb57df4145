"""Paths that clients put together in other ways, and paths in messages."""

from __future__ import annotations

import pytest

from claudeproxy.web.paths import asked_for, canonical


@pytest.mark.parametrize(
    ("path", "known_as"),
    [
        ("/v1//chat/completions", "/v1/chat/completions"),
        ("//v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/v1//v1/chat/completions//", "/v1/chat/completions"),
        ("/v1/v1/v1/models", "/v1/models"),
        ("/health/", "/health"),
        ("///health", "/health"),
        ("/v1/models/a%2Fb/", "/v1/models/a%2Fb"),
    ],
)
def test_a_slash_or_a_prefix_too_many_is_left_out(path: str, known_as: str) -> None:
    assert canonical(path.encode()) == known_as.encode()


@pytest.mark.parametrize(
    "path",
    [
        *("/", "//", "///", "*", "", "/v1", "/v1/v1", "/v1/models", "/v1/v1x/models"),
        *("/v1/models/v1/v1/x", "/v1/models/a%2F%2Fb", "/x/v1/v1/models", "/v1/../models"),
        *("http://localhost/v1/models/", "a:1"),
    ],
)
def test_other_paths_stay_as_they_are(path: str) -> None:
    assert canonical(path.encode()) == path.encode()


def test_a_message_quotes_the_method_and_the_path() -> None:
    assert asked_for(b"GET", b"/v1/a%20b,(c)") == "GET /v1/a%20b,(c)"


def test_what_a_message_quotes_is_bounded() -> None:
    said = asked_for(b"X" * 1000, b"/" + b"a" * 10_000)
    assert said == "X" * 32 + "... /" + "a" * 199 + "..."
    assert asked_for(b"X" * 32, b"a" * 200) == "X" * 32 + " " + "a" * 200


def test_what_a_message_quotes_is_escaped() -> None:
    assert asked_for(b"A`|", b'/<b>\x7f\xc2\x9b["\\') == "A%60%7C /%3Cb%3E%7F%C2%9B[%22%5C"
