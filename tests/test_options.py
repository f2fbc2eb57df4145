"""The settings as options."""

from __future__ import annotations

import pytest

from claudeproxy.options import FLAGS, GROUPS, OptionError, groups, shown, tidied
from claudeproxy.settings import FIELDS, Settings


@pytest.mark.parametrize(
    ("words", "tidy"),
    [
        ([], []),
        (["--demo"], ["--demo"]),
        (["--demo", "true"], ["--demo"]),
        (["--demo=false"], ["--no-demo"]),
        (["--recycling", "no", "--port", "1"], ["--no-recycling", "--port", "1"]),
        (["--no-demo", "--demo"], ["--demo"]),
        (["--demo", "--no-demo"], ["--no-demo"]),
        (["--no-demo=false"], ["--demo"]),
        # A value is no flag, whatever it looks like.
        (["--cli", "--demo"], ["--cli", "--demo"]),
        (["--cli=--demo", "--demo"], ["--cli=--demo", "--demo"]),
        (["--unknown", "true"], ["--unknown", "true"]),
    ],
    ids=lambda words: " ".join(words) or "none",
)
def test_flags_are_spelled_in_one_way(words: list[str], tidy: list[str]) -> None:
    assert tidied(words) == tidy


@pytest.mark.parametrize("words", [["--demo", "maybe"], ["--no-demo=maybe"], ["--demo="]])
def test_a_flag_is_true_or_false(words: list[str]) -> None:
    with pytest.raises(OptionError, match=r"^--(no-)?demo: must be true or false$"):
        tidied(words)


def test_every_option_is_in_a_group() -> None:
    titles = [title for title, _ in groups()]
    assert titles == ["Options", *GROUPS.values()]
    options = [row[0].split()[0] for _, rows in groups() for row in rows]
    named = [f"--{name.replace('_', '-')}" for name in FIELDS if name != "keys"]
    assert options == ["--config", *named]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "on"),
        (600.0, "600 s"),
        (32 * 1024**2, "32 MiB"),
        (3456, "3456"),
        (0, "0"),
        ((), ""),
        (("a", "b"), "a,b"),
        ({"a": "b"}, "a=b"),
        ("", ""),
    ],
)
def test_values_are_shown_as_people_write_them(value: object, text: str) -> None:
    assert shown(value) == text


def test_every_flag_is_an_option() -> None:
    assert {name for name in FIELDS if isinstance(getattr(Settings(), name), bool)} == FLAGS
