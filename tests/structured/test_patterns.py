"""Patterns are matched as Python does, but for those that could take very long."""

from __future__ import annotations

import pytest

from claudeproxy.structured.check import mismatch
from claudeproxy.structured.patterns import compiled


@pytest.mark.parametrize(
    ("pattern", "unlimited"),
    [
        ("^[a-z]+$", 1),
        (r"^\d{4}-\d{2}-\d{2}$", 0),
        ("a*b*c*", 3),
        (r"(\+49)?[0-9 ]{3,}", 1),
        (r"\(\*\)\+", 0),
        ("[(*+)]{2}", 0),
        ("[]*+]x", 0),
        ("(a|b)c", 0),
        ("(abc)+", 1),
        ("a{2,10}", 0),
        ("a{2,11}", 1),
        ("(a+)+", None),
        ("(a|aa)*", None),
        ("(a?)*", None),
        ("((a+)b)*", None),
        ("(a*){3,}", None),
        (r"(a{1,5}){20}", None),
        ("(x(a+)y)*", None),
    ],
)
def test_the_ways_to_match_are_counted(pattern: str, unlimited: int | None) -> None:
    read = compiled(pattern)
    assert read is not None
    assert read.unlimited == unlimited


@pytest.mark.parametrize("pattern", ["(", r"\p{L}", "(?<year>a)", "a{99999999999}"])
def test_what_python_does_not_know_is_none(pattern: str) -> None:
    assert compiled(pattern) is None


def test_a_pattern_that_could_take_very_long_counts_as_fulfilled() -> None:
    # Python would need years for each of these.
    for pattern, text in (("^(a+)+$", "a" * 50 + "b"), ("^a*a*a*a*a*a*$", "a" * 5000 + "b")):
        schema = {"type": "string", "pattern": pattern}
        assert mismatch(f'"{text}"', schema) is None
        names = {"patternProperties": {pattern: {}}, "additionalProperties": False}
        assert mismatch(f'{{"{text}": "x"}}', names) is None


def test_others_are_checked() -> None:
    schema = {"type": "string", "pattern": "^a*b*$"}
    assert mismatch('"aab"', schema) is None
    assert mismatch('"aba"', schema) is not None
    # It may match anywhere, as in JSON Schema.
    assert mismatch('"xyz"', {"type": "string", "pattern": "y"}) is None
    assert mismatch("5", schema | {"type": "integer"}) is None
