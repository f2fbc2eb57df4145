"""What the CLI may come to write, and nobody knows yet, changes nothing of an answer.

A newer version writes more than the one before: lines of new types, more fields, new stream events,
blocks and control requests. The recordings are played with all of these among their lines.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claudeproxy.cli.notices import TurnEnded

from .player import RECORDINGS, VERSIONS, Player
from .talk import calm, plain
from .unknown import BLOCKS, LINES, REQUESTS, VALUES, Between, with_fields, without_fields


HERE = Path(__file__).parent
IN_EVERY_STATE = "test_the_plans_limits_are_told_in_every_state"
NAMES = sorted(path.stem for path in (RECORDINGS / VERSIONS[0]).glob("*.jsonl"))
played = pytest.mark.parametrize(("version", "name"), [*itertools.product(VERSIONS, NAMES)])


def told(player: Player) -> list[Any]:
    return [without_fields(item) for item in plain(player.told)]


@cache
def as_recorded(version: str, name: str) -> tuple[list[Any], list[str]]:
    player = Player(version, name)
    return told(player), player.writes


def test_there_is_something_to_compare() -> None:
    kinds = {type(item) for name in NAMES for item in Player("2.1.330", name).told}
    assert len(kinds) > 8
    assert TurnEnded in kinds


@played
def test_every_unknown_line_everywhere(version: str, name: str) -> None:
    player = Player(version, name, rewrite=Between(lambda may: list(LINES.values())))
    assert (told(player), player.writes) == as_recorded(version, name)


@played
def test_every_unknown_block_between_all_blocks(version: str, name: str) -> None:
    blocks = [*itertools.chain(*BLOCKS.values())]
    player = Player(version, name, rewrite=Between(lambda may: blocks if may else []))
    assert (told(player), player.writes) == as_recorded(version, name)


@played
def test_every_unknown_request_everywhere_is_answered(version: str, name: str) -> None:
    numbers = itertools.count(1)

    def asking(may: bool) -> list[Any]:
        return [
            {**request, "request_id": f"never-seen-{next(numbers)}"}
            for request in REQUESTS.values()
        ]

    player = Player(version, name, rewrite=Between(asking))
    expected, writes = as_recorded(version, name)
    assert told(player) == expected
    more = Counter(player.writes)
    more.subtract(writes)
    assert +more == {"control_response": next(numbers) - 1}


@played
def test_unknown_fields_in_every_object(version: str, name: str) -> None:
    values = itertools.cycle(VALUES)
    player = Player(
        version, name, rewrite=lambda message: [with_fields(message, lambda: next(values))]
    )
    assert (told(player), player.writes) == as_recorded(version, name)


@settings(calm, max_examples=60)
@given(
    st.sampled_from(VERSIONS),
    st.sampled_from(NAMES),
    st.lists(st.integers(1, 3000), max_size=3),
    st.data(),
)
def test_some_of_everything(version: str, name: str, sizes: list[int], data: st.DataObject) -> None:
    lines = st.lists(st.sampled_from(list(LINES.values())), max_size=2)
    blocks = st.lists(st.sampled_from(list(BLOCKS.values())), max_size=1).map(
        lambda chosen: [line for block in chosen for line in block]
    )

    def choose(may: bool) -> list[Any]:
        return data.draw(lines) + (data.draw(blocks) if may else [])

    between = Between(choose)

    def rewrite(message: dict[str, Any]) -> Iterable[Any]:
        for each in between(message):
            yield with_fields(each, lambda: data.draw(st.sampled_from(VALUES)))

    player = Player(version, name, sizes, rewrite)
    assert (told(player), player.writes) == as_recorded(version, name)


def test_the_tests_of_the_session_pass_with_unknown_lines_before_each_line() -> None:
    tests = sorted(str(path) for path in HERE.glob("test_session*.py"))
    assert len(tests) > 3
    lines = (LINES[what] for what in ("a type", "a system line", "a stream event"))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests),
            # Of what comes after its end, a session reads one line.
            f"--deselect=tests/cli/test_session.py::{IN_EVERY_STATE}[broken]",
        ],
        env={**os.environ, "BEFORE_EACH_LINE": "\n".join(map(json.dumps, lines))},
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
