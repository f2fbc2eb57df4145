"""The regular expressions that structured outputs take, and the texts made up for them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.demo.patterns import PatternError, example


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("", ""),
        ("^$", ""),
        ("demo", "demo"),
        (r"^[A-Z]{3}-\d+$", "AAA-0"),
        ("^(?:yes|no)$", "yes"),
        ("(ab){2,3}?c*d?", "abab"),
        ("x{2}", "xx"),
        ("x{2,}", "xx"),
        ("a{,3}", "a{,3}"),
        ("[^a-z]", "0"),
        ("[]x]", "]"),
        ("[[x]", "["),
        (r"[\]x]", "]"),
        (r"[\d.]", "0"),
        ("[你好]", "你"),
        ("[\u0416]", "\u0416"),
        (r"\w\W\s\S\d\D.", "a  a0ax"),
        (r"\.\/\-\{\\", r"./-{" + "\\"),
        (r"\u0041\x42\n", "AB\n"),
    ],
)
def test_a_text_that_matches(pattern: str, text: str) -> None:
    assert example(pattern) == text
    assert re.search(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        (r"(a)\1", r"'\1'"),
        (r"\bword", r"'\b'"),
        (r"\Bword", r"'\B'"),
        ("(?=a)", "a group that begins with '(?=a'"),
        ("(?!a)", "a group that begins with '(?!a'"),
        ("(?<=a)", "a group that begins with '(?<='"),
        ("(?<!a)", "a group that begins with '(?<!'"),
        ("(?P<name>a)", "a group that begins with '(?P<'"),
        ("(?i)a", "a group that begins with '(?i)'"),
        (r"\p{L}", r"'\p'"),
        (r"[\b]", r"'\b'"),
        ("(a", "an unmatched '('"),
        ("a)", "an unmatched ')'"),
        ("[a", "an unmatched '['"),
        ("[z-a]", "bad character range z-a at position 1"),
        ("*", "nothing to repeat"),
        ("a++", "nothing to repeat"),
        ("a{3,2}", "a quantifier with a maximum below its minimum"),
        ("a{9999}", "a quantifier with a great number"),
        ("((a{100}){100}){100}", "a quantifier with a great number"),
        ("(" * 60 + ")" * 60, "groups that are nested too deeply"),
        ("\\", "a backslash at the end"),
        (r"\x4", r"'\x'"),
        (r"[\x00-\U0010ffff]", r"'\U'"),
    ],
)
def test_what_is_not_plain(pattern: str, problem: str) -> None:
    with pytest.raises(PatternError, match=f"^{re.escape(problem)}$"):
        example(pattern)


@given(st.text(alphabet=r"ab-]^[\d.*+?{2,3}()|", max_size=12))
def test_whatever_comes_is_answered(pattern: str) -> None:
    try:
        text = example(pattern)
    except PatternError:
        return
    # An anchor within the pattern may keep everything from matching.
    assert "^" in pattern or re.search(pattern, text)
