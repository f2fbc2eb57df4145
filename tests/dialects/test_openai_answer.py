"""What the answers of OpenAI's dialects have in common."""

from __future__ import annotations

import re

import pytest

from claudeproxy.dialects.openai_answer import plain_id


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("toolu_01AbC9", "toolu01AbC9"),
        ("a-b.c:d e", "abcde"),
        ("x" * 40, "x" * 40),
        ("_" + "x" * 40, "x" * 40),
    ],
)
def test_an_id_is_told_in_letters_and_digits(given: str, told: str) -> None:
    assert plain_id(given) == told


@pytest.mark.parametrize("given", ["x" * 41, "", "_", "é", "toolu_é", "\ud83e"])
def test_an_id_that_would_not_do_gets_another(given: str) -> None:
    told = plain_id(given)
    assert re.fullmatch("call[0-9a-f]{28}", told)
    assert plain_id(given) == told != plain_id(given + "x")
