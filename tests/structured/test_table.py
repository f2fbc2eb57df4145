"""The table in doc/structured-output.md agrees with the table in the code."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from jsonschema import Draft202012Validator

from claudeproxy.structured.keywords import KEYWORDS, Becomes


PAGE = Path(__file__).parent.parent.parent / "doc" / "structured-output.md"
HEADING = "## What becomes of a schema"


def rows() -> list[list[str]]:
    lines = PAGE.read_text("utf-8").splitlines()
    after = lines[lines.index(HEADING) :]
    begun = next(n for n, line in enumerate(after) if line.startswith("| --- |"))
    table = itertools.takewhile(lambda line: line.startswith("|"), after[begun + 1 :])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_table_names_every_keyword_once_with_what_becomes_of_it() -> None:
    uses = sorted((use.value for use in Becomes), key=len, reverse=True)
    written = [
        (word, next(use for use in uses if text.startswith(use)))
        for words, text in rows()
        for word in re.findall(r"`([^`]+)`", words)
    ]
    assert sorted(written) == sorted((word, use.value) for word, use in KEYWORDS.items())


def test_every_keyword_that_the_check_knows_is_in_the_table() -> None:
    assert set(Draft202012Validator.VALIDATORS) <= set(KEYWORDS)
