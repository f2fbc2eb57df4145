"""The CLI's lines: those with more text give the text, and all others the whole message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.cli import incoming
from claudeproxy.cli.lines import LONGEST_LINE, BadLine
from claudeproxy.cli.notices import ProtocolViolation
from claudeproxy.events import Finished, ReasoningDelta, TextDelta

from .player import VERSIONS, recording
from .talk import BLOCK_START, OPUS, START, calm, encoded, idle, plan, stop, stream, text, user


TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
HALF = "\ud83e"


def delta(**delta: Any) -> dict[str, Any]:
    return stream({"type": "content_block_delta", "index": 0, "delta": delta})


def line_with(more: bytes) -> bytes:
    """A line with more text, "a", and after it these fields."""
    line = json.dumps(delta(type="text_delta", text="a")).encode()
    return line.removesuffix(b"}") + b", " + more + b"}"


# What msgspec reads


@pytest.mark.parametrize(("kind", "field"), TEXTS.items())
@calm
@given(value=st.text())
def test_a_line_with_more_text_gives_the_text(kind: str, field: str, value: str) -> None:
    line = delta(type=kind, **{field: value})
    assert incoming.read(json.dumps(line).encode()) == value
    assert incoming.read(json.dumps(line, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["text-two-turns", "thinking", "tools-parallel-parked", "unicode"])
def test_only_lines_without_text_need_json(
    version: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line["msg"] for line in recording(version, name) if line["dir"] == "out"]
    whole = [line for line in lines if line.get("event", {}).get("delta", {}).get("type") in TEXTS]
    assert whole
    with monkeypatch.context() as patched:
        patched.setattr(json, "loads", None)
        read = [incoming.read(json.dumps(line, ensure_ascii=False).encode()) for line in whole]
    assert all(isinstance(value, str) for value in read)


@pytest.mark.parametrize(
    "more",
    [
        b'"new": {"type": "text_delta", "text": "b"}',
        b'"new": "\\ud83e\\udd9c", "x": [[], {"a": 1}]',
        b'"new": 1e999',
        b'"new": ' + b"9" * 5000,
        b'"\\u0000": "\xc3\xa9"',
    ],
)
def test_other_fields_of_any_kind_are_skipped(more: bytes) -> None:
    assert incoming.read(line_with(more)) == "a"


def test_characters_that_are_not_utf_8_do_no_harm_in_a_field_that_is_skipped() -> None:
    assert incoming.read(line_with(b'"uuid": "\xff"')) == "a"


def test_of_a_repeated_field_the_last_counts() -> None:
    event = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "b"}}
    line = line_with(b'"event": ' + json.dumps(event).encode())
    assert incoming.read(line) == "b"
    assert json.loads(line)["event"] == event


# What json reads


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": "stream_event"},
        {"type": 1, "event": None},
        {"type": "result", "event": {"type": "content_block_delta"}},
        delta(type="signature_delta", signature="s"),
        delta(type="citations_delta", text="t"),
        delta(type="text_delta"),
        delta(type="text_delta", text=None),
        delta(type="text_delta", text=5),
        delta(type="text_delta", thinking="t"),
        delta(text="t"),
        {**delta(type="text_delta", text="t"), "parent_tool_use_id": "toolu_1"},
        stream({"type": "content_block_delta", "index": 0}),
        stream(START),
        stream(BLOCK_START),
        # Of a whole surrogate pair the two halves can be in two lines.
        delta(type="text_delta", text=HALF),
        delta(type="text_delta", text=f"a{HALF}b"),
        {**delta(type="text_delta", text="t"), "new": HALF},
    ],
)
def test_every_other_line_gives_the_whole_message(message: dict[str, Any]) -> None:
    assert incoming.read(json.dumps(message).encode()) == message


@pytest.mark.parametrize("more", [b'"new": NaN', b'"new": -Infinity', b'"type": "other"'])
def test_what_only_json_accepts_is_not_lost(more: bytes) -> None:
    line = line_with(more)
    assert repr(incoming.read(line)) == repr(json.loads(line))


@pytest.mark.parametrize("line", [b"null", b"[]", b"1", b'"text"'])
def test_a_value_that_is_no_object_has_no_fields(line: bytes) -> None:
    assert incoming.read(line) == {}


@pytest.mark.parametrize(
    "line",
    [
        b"x",
        b"{",
        b'{"type": "result"} {}',
        b"\xef\xbb\xbf{}",
        b'{"type": "\xff"}',
        b"[" * 100_000,
        line_with(b'"new": [1,]'),
        line_with(b'"new": "\x01"'),
        line_with(b'"new": "\\q"'),
        line_with(b'"new": ' + b"[" * 100_000),
        json.dumps(delta(type="text_delta", text="t")).encode().replace(b'"t"', b'"\xed\xa0\xbe"'),
    ],
)
def test_a_line_that_is_not_json_is_refused(line: bytes) -> None:
    with pytest.raises(BadLine, match=r"^a line that is not JSON$"):
        incoming.read(line)


# In a session


def asked() -> Any:
    session = idle()
    session.ask(plan(user("Hello")), OPUS)
    return session


def test_a_line_as_long_as_the_limit_comes_whole_out_of_small_reads() -> None:
    session = asked()
    rest = len(encoded(stream(text("")))) - 1
    long = "x" * (LONGEST_LINE - rest)
    data = encoded(stream(START), stream(BLOCK_START), stream(text(long)), stream(text("end")))
    told = [
        item
        for at in range(0, len(data), 65_536)
        for item in session.receive_data(data[at : at + 65_536])
    ]
    assert told[1:] == [TextDelta(long), TextDelta("end")]


def test_a_longer_line_breaks_the_protocol() -> None:
    session = asked()
    session.receive_data(encoded(stream(START), stream(BLOCK_START)))
    told = session.receive_data(b"x" * (LONGEST_LINE + 1))
    assert isinstance(told[-1], ProtocolViolation)


@pytest.mark.parametrize("bad", [b"x", b'{"type": "\xff"}'])
def test_what_came_before_a_bad_line_is_told_and_nothing_after_it(bad: bytes) -> None:
    session = asked()
    session.receive_data(encoded(stream(START), stream(BLOCK_START)))
    after = encoded(stream(text("b")), stream(stop()))
    told = session.receive_data(encoded(stream(text("a"))) + bad + b"\n" + after)
    assert told[0] == TextDelta("a")
    assert told[-1] == ProtocolViolation("a line that is not JSON")
    assert len(told) == 3
    assert session.receive_data(after) == []


def test_text_that_comes_after_the_answer_or_before_it_is_not_told() -> None:
    session = idle()
    assert session.receive_data(encoded(stream(text("early")))) == []
    session.ask(plan(user("Hello")), OPUS)
    told = session.receive_data(
        encoded(stream(START), stream(BLOCK_START), stream(stop()), stream(text("late")))
    )
    assert isinstance(told[-1], Finished)
    assert not any(isinstance(item, TextDelta | ReasoningDelta) for item in told)


def test_what_a_subagent_says_is_not_told() -> None:
    session = asked()
    session.receive_data(encoded(stream(START), stream(BLOCK_START)))
    line = {**stream(text("a")), "parent_tool_use_id": "toolu_1"}
    assert session.receive_data(encoded(line)) == []
