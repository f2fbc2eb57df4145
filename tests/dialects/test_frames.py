"""The frames of streams, byte for byte: those of the recordings, and those of awkward texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.cli.lines import WholeCharacters
from claudeproxy.cli.notices import ProtocolViolation, Ready, TurnEnded
from claudeproxy.conversation import Profile, Tool
from claudeproxy.dialects import Answer
from claudeproxy.dialects.chat.answer import StreamedAnswer
from claudeproxy.dialects.messages.answer import StreamedMessage
from claudeproxy.dialects.responses.answer import StreamedResponse
from claudeproxy.dialects.responses.writer import ResponseContext
from claudeproxy.events import Event, Failed, Finished, Started, TextDelta, Usage

from ..cli.player import RECORDINGS, VERSIONS, Player
from ..cli.talk import (
    BLOCK_START,
    BLOCK_STOP,
    OPUS,
    START,
    call_start,
    idle,
    plan,
    stop,
    stream,
    user,
)
from .asking import calm


CREATED = 1_795_400_000
CONTEXT = ResponseContext({"model": "m"}, summary=True)
DIALECTS: dict[str, Callable[[], Answer]] = {
    "chat": lambda: StreamedAnswer("unique", CREATED, with_usage=True),
    "responses": lambda: StreamedResponse(CONTEXT, "unique", CREATED),
    "messages": lambda: StreamedMessage("unique", CREATED),
}
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)


# Recordings


def events(told: Iterable[object]) -> Iterator[Event]:
    for item in told:
        assert not isinstance(item, ProtocolViolation)
        if not isinstance(item, (Ready, TurnEnded)):
            yield item  # type: ignore[misc]


def frames(dialect: str, told: Iterable[object]) -> bytes:
    """The bodies of all answers, one after the other; without those that failed at once."""
    answer: Answer | None = None
    body = bytearray()
    for event in events(told):
        if isinstance(event, Started):
            answer = DIALECTS[dialect]()
        if answer is not None:
            if isinstance(event, Failed):
                body += answer.fail(event.error)
            else:
                body += answer.feed(event)
    return bytes(body)


PLAYED = [
    (version, path.stem)
    for version in VERSIONS
    for path in sorted((RECORDINGS / version).glob("*.jsonl"))
]


def recorded(dialect: str, sizes: list[int]) -> str:
    """The frames of all recordings, each after its name."""
    bodies = [
        f"# {version} {name}\n\n" + frames(dialect, Player(version, name, sizes).told).decode()
        for version, name in PLAYED
    ]
    return "".join(bodies)


@every_dialect
@pytest.mark.parametrize("sizes", [[], [8192], [61]], ids=["lines", "reads", "pieces"])
def test_recordings_give_the_frames_that_they_always_gave(dialect: str, sizes: list[int]) -> None:
    expected = (Path(__file__).parent / "frames" / f"{dialect}.txt").read_bytes()
    assert recorded(dialect, sizes).encode() == expected


# Awkward texts

TOOL = Tool("f", "", {"type": "object"})
# The code points that JSON, UTF-8, UTF-16 or server-sent events treat in their own way.
AWKWARD = [
    '"',
    "\\",
    "/",
    "\n",
    "\r",
    "\0",
    "\x7f",
    "\x85",
    "\u2028",
    "é",
    "🦜",
    "\ud83e",
    "\udd9c",
]
TEXTS = st.lists(
    st.text(st.characters(codec=None) | st.sampled_from(AWKWARD), max_size=8), max_size=6
)
# The field of each kind of delta that has its text.
FIELDS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
STARTS = {
    "text_delta": BLOCK_START,
    "thinking_delta": {
        "type": "content_block_start",
        "content_block": {"type": "thinking", "thinking": ""},
    },
    "input_json_delta": call_start("toolu_1", "mcp__client__f"),
}


def sent_by_the_api(kind: str, texts: Iterable[str]) -> list[dict[str, Any]]:
    """The stream events of a message with one block."""
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": kind, FIELDS[kind]: text}}
        for text in texts
    ]
    return [START, STARTS[kind], *deltas, BLOCK_STOP, stop()]


def in_ascii(line: dict[str, Any]) -> bytes:
    return json.dumps(line).encode("ascii")


def in_utf_8(line: dict[str, Any]) -> bytes:
    """With all characters as they are, but for lone surrogates, which UTF-8 cannot have."""
    written = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    return "".join(
        f"\\u{ord(one):04x}" if "\ud800" <= one <= "\udfff" else one for one in written
    ).encode("utf-8")


def in_another_form(line: dict[str, Any]) -> bytes:
    """With new fields, in another order, and with white space."""
    more = {"new": [10**400, {"type": "stream_event", "event": None}], **line, "x": float("nan")}
    written = json.dumps(dict(reversed(more.items())), indent=1)
    return b" " + written.replace("\n", " ").encode() + b"\r"


def told_by_a_session(
    write: Callable[[dict[str, Any]], bytes], kind: str, texts: Iterable[str]
) -> list[Event]:
    session = idle(Profile(tools=(TOOL,)))
    session.ask(plan(user("Hello")), OPUS)
    lines = [write(stream(event)) + b"\n" for event in sent_by_the_api(kind, texts)]
    return list(events(session.receive_data(b"".join(lines))))


def chat_frame(kind: str, text: str, _: int) -> str:
    calls = [{"index": 0, "function": {"arguments": text}}]
    delta = {
        "text_delta": f'{{"content":{json.dumps(text)}}}',
        "thinking_delta": f'{{"reasoning_content":{json.dumps(text)}}}',
        "input_json_delta": json.dumps({"tool_calls": calls}),
    }[kind]
    return (
        f'data: {{"id":"chatcmpl-unique","object":"chat.completion.chunk","created":{CREATED},'
        f'"model":"m","service_tier":"default","choices":[{{"index":0,"delta":{delta},'
        f'"logprobs":null,"finish_reason":null}}],"usage":null}}\n\n'
    )


def responses_frame(kind: str, text: str, number: int) -> str:
    more: dict[str, dict[str, Any]] = {
        "text_delta": {"content_index": 0, "logprobs": []},
        "thinking_delta": {"summary_index": 0},
        "input_json_delta": {},
    }
    name, prefix = {
        "text_delta": ("output_text", "msg"),
        "thinking_delta": ("reasoning_summary_text", "rs"),
        "input_json_delta": ("function_call_arguments", "fc"),
    }[kind]
    told = {
        "type": f"response.{name}.delta",
        # The events before it are two of the response, one of the item, and one of its part.
        "sequence_number": number + (3 if kind == "input_json_delta" else 4),
        "item_id": f"{prefix}_unique0",
        "output_index": 0,
        "delta": text,
        **more[kind],
    }
    return f"event: response.{name}.delta\ndata: {json.dumps(told)}\n\n"


def messages_frame(kind: str, text: str, _: int) -> str:
    delta = {"type": kind, FIELDS[kind]: text}
    told = {"type": "content_block_delta", "index": 0, "delta": delta}
    return f"event: content_block_delta\ndata: {json.dumps(told)}\n\n"


FRAMES = {"chat": chat_frame, "responses": responses_frame, "messages": messages_frame}


def deltas_in(body: bytes, dialect: str, kind: str) -> list[str]:
    """The frames of a body with text of this kind."""
    start = FRAMES[dialect](kind, "", 0).partition('""' if dialect == "chat" else "\n")[0]
    all_frames = body.decode("ascii").removesuffix("\n\n").split("\n\n")
    return [f"{frame}\n\n" for frame in all_frames if frame.startswith(start)]


def check(dialect: str, kind: str, texts: list[str], told: list[Event]) -> None:
    """What was told becomes one frame for each text, with its characters whole."""
    characters = WholeCharacters()
    whole = [text for text in (*map(characters.feed, texts), characters.flush()) if text]
    if not whole and kind == "input_json_delta":
        whole = ["{}"]
    expected = [FRAMES[dialect](kind, text, number) for number, text in enumerate(whole)]
    assert deltas_in(frames(dialect, told), dialect, kind) == expected


@every_dialect
@pytest.mark.parametrize("write", [in_ascii, in_utf_8, in_another_form])
@calm
@given(kind=st.sampled_from(list(FIELDS)), texts=TEXTS)
def test_every_text_becomes_one_frame(
    dialect: str, write: Callable[[dict[str, Any]], bytes], kind: str, texts: list[str]
) -> None:
    check(dialect, kind, texts, told_by_a_session(write, kind, texts))


@every_dialect
@pytest.mark.parametrize("write", [in_ascii, in_utf_8, in_another_form])
@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize(
    "texts",
    [
        ["a", "\ud83e", "\udd9c", "b"],
        ["\ud83e", "", "\udd9c"],
        ["a\ud83e", "b"],
        ["\udd9c", "\ud83e"],
        ["\ud83e\udd9c"],
        ["", ""],
        ["x" * 3_000_000, "é" * 1_000_000],
    ],
    ids=["halves", "apart", "high", "both-lone", "a-pair", "nothing", "long"],
)
def test_awkward_texts(
    dialect: str, write: Callable[[dict[str, Any]], bytes], kind: str, texts: list[str]
) -> None:
    check(dialect, kind, texts, told_by_a_session(write, kind, texts))


@every_dialect
def test_a_stream_that_does_not_match_its_schema_says_so_once_at_its_end(dialect: str) -> None:
    why = '$.a: "x" is not an integer.'
    for mismatch in ("", why):
        answer = DIALECTS[dialect]()
        for event in (Started("m"), TextDelta('{"a":"x"}')):
            assert b"schema_mismatch" not in answer.feed(event)
        end = answer.feed(Finished("stop", Usage(), "end_turn", schema_mismatch=mismatch))
        told = [
            json.loads(line.removeprefix("data: "))
            for line in end.decode("ascii").splitlines()
            if line.startswith("data: {")
        ]
        places = [
            place
            for frame in told
            for place in (frame, *frame.get("choices", ()), frame.get("response") or {})
            if "schema_mismatch" in place
        ]
        assert [place["schema_mismatch"] for place in places] == ([why] if mismatch else [])
