"""The messages in doc/troubleshooting.md are those of the server, word for word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from claudeproxy.cli import failures
from claudeproxy.condition import faults
from claudeproxy.condition.install_hint import text as install_hint
from claudeproxy.errors import (
    APIError,
    does_not_match,
    internal_error,
    model_not_found,
    model_not_seen,
    model_refused,
    model_without_long_context,
    not_logged_in,
    unsupported,
    usage_limit_reached,
)
from claudeproxy.web.access import Access, header_fault


ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "doc" / "troubleshooting.md").read_text("utf-8")
QUOTED = [line.removeprefix("> ") for line in PAGE.splitlines() if line.startswith("> ")]
# What the CLI, or the system, says.
OF_OTHERS = ("Prompt is too long", "Address already in use")
HINT = install_hint("/usr/bin/python3", "/usr", "/usr", ())
LIMIT = usage_limit_reached("You've hit your 5-hour limit", 1_795_400_000.0, 1_795_300_000.0)


def constants(source: str) -> Iterator[str]:
    """The text of each string of a module, in pieces without what is filled in."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            filled = [
                part.value if isinstance(part, ast.Constant) else "\0" for part in node.values
            ]
            yield from "".join(map(str, filled)).split("\0")


@pytest.fixture(scope="module")
def told() -> set[str]:
    return {
        text
        for path in (ROOT / "claudeproxy").rglob("*.py")
        for text in constants(path.read_text("utf-8"))
    }


def matches(quoted: str, message: str) -> bool:
    """Whether a message is the quoted one, with something in the place of each `…`."""
    whole = ".*".join(re.escape(part) for part in quoted.split("…"))
    return re.fullmatch(rf"{whole}\.?", message, re.DOTALL) is not None


def of_access(host: str | None, origin: str | None) -> str:
    return Access().refusal_reason(host, origin) or ""


def of_key(bearer: str | None) -> str:
    with pytest.raises(APIError) as raised:
        Access(keys={"phone": "k"}).authenticate(bearer, None)
    return raised.value.message


MESSAGES = [
    *(
        error.message
        for error in (
            faults.no_cli("", HINT),
            faults.no_cli("/opt/claude", HINT),
            faults.too_old("Claude Code 2.0.0 (/usr/bin/claude)", "claude update"),
            faults.not_working("/usr/bin/claude", "printed no version", HINT),
            faults.not_started("Claude Code", "exited with status 1", "No such file"),
            faults.not_started("Claude Code", "exited with status 1", ""),
            faults.not_started("Claude Code", "exited with status 1", None),
            faults.no_process("Claude Code", "Cannot allocate memory"),
            not_logged_in("/usr/bin/claude"),
            model_not_found("gpt-4o", ["sonnet", "opus"]),
            model_refused("claude-x"),
            model_without_long_context("haiku[1m]"),
            model_not_seen("claude-x"),
            unsupported(["seed", "logprobs"]),
            usage_limit_reached("You've hit your limit", None, 0.0),
            LIMIT,
            does_not_match(),
            does_not_match("$.age: 36 is greater than the maximum of 30"),
            internal_error(),
            failures.BROKE_OFF,
            failures.BROKE_PROTOCOL,
            failures.NO_ANSWER,
            failures.NOT_REWOUND,
            failures.UNUSABLE_SCHEMA,
            failures.from_retry({"error_status": 529, "retry_delay_ms": 9000}),
            failures.from_retry({"retry_delay_ms": 90_000}),
        )
    ),
    *(faults.STARTING, faults.STOPPING),
    *(of_access("evil.example", None), of_access("ü", None), of_access(None, "https://a.example")),
    *(of_key(None), of_key("Bearer wrong")),
    *(str(header_fault(b"HTTP/1.1", *count)) for count in ((0, 0), (2, 0), (1, 2))),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_the_page_has_the_message(message: str) -> None:
    assert [quoted for quoted in QUOTED if matches(quoted, message)]


# Those that none of the errors above has.
@pytest.mark.parametrize(
    "quoted", [quoted for quoted in QUOTED if not any(matches(quoted, each) for each in MESSAGES)]
)
def test_the_server_has_the_words_of_a_message(quoted: str, told: set[str]) -> None:
    for other in OF_OTHERS:
        quoted = quoted.replace(other, "…")
    # Sentences of one message can come from several places.
    pieces = [piece for part in quoted.split("…") for piece in re.split(r"(?<=[.:]) ", part)]
    words = [piece.strip(" .") for piece in pieces if re.search(r"\w{2}", piece)]
    assert [piece for piece in words if not any(piece in text for text in told)] == []
