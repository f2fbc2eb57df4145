"""The protocol's state machine: on recordings of real CLIs, and line by line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claudeproxy.cli import session as session_module
from claudeproxy.cli.session import Broken, Notice, Ready, Session, State, TurnOver
from claudeproxy.conversation import Limits, Profile, Turn, text_block
from claudeproxy.errors import APIError, not_logged_in, upstream_failed
from claudeproxy.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    Started,
    TextDelta,
    Usage,
)


# A fresh checkout builds Hypothesis' tables first, and a busy machine takes its time.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

RECORDINGS = Path(__file__).parent.parent / "recordings"
VERSIONS = ("2.1.197", "2.1.330")
# What the recordings' stand-in for the API counts for every message.
USAGE = Usage(11, 5, 3, 7, 0)
NOW = 1_795_400_000.0
LONGEST_RETRY = 5.0

Told = Event | Notice
both_versions = pytest.mark.parametrize("version", VERSIONS)


def user(*texts: str) -> Turn:
    return Turn("user", tuple(text_block(text) for text in texts))


def assistant(*texts: str) -> Turn:
    return Turn("assistant", tuple(text_block(text) for text in texts))


def plain(told: Iterable[Told]) -> list[object]:
    """The same, with errors as what they say: two of them are never equal."""
    return [
        ("Failed", attrs.asdict(item.error)) if isinstance(item, Failed) else item for item in told
    ]


def encoded(*messages: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def new_session(model: str = "") -> Session:
    return Session(lambda: NOW, LONGEST_RETRY, model)


def written(session: Session) -> list[dict[str, Any]]:
    return [json.loads(line) for line in session.data_to_send().splitlines()]


def state_of(session: Session) -> State:
    """The state now; mypy takes an attribute to stay what it was once seen to be."""
    return session.state


def in_short(message: dict[str, Any]) -> str:
    """A written line's kind; a history line is told from a question."""
    if message["type"] == "control_request":
        return str(message["request"]["subtype"])
    if message["type"] == "user":
        return "question" if message.get("shouldQuery", True) else "history"
    return str(message["type"])


# Playing a recording


@cache
def recording(version: str, name: str) -> list[dict[str, Any]]:
    lines = (RECORDINGS / version / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def turn_of(line: dict[str, Any]) -> Turn:
    # prompt-too-long has its 4.5 MB left out.
    message = line.get("message", {"role": "user", "content": "(elided)"})
    content = message["content"]
    blocks = [text_block(content)] if isinstance(content, str) else content
    return Turn(message["role"], tuple(blocks))


class Player:
    """The CLI's side of a recording; does to a session what was done to the CLI.

    told: all that the session told. log: the same, with the kinds of the lines that it wrote
    among them.
    """

    def __init__(self, version: str, name: str, sizes: Sequence[int] = ()) -> None:
        """sizes: of the portions that the output comes in, again and again; none for lines."""
        self.session = new_session()
        self.told: list[Told] = []
        self.log: list[object] = []
        self._sizes = sizes
        self._sent: list[str] = []
        self._asked: list[str] = []
        self._output: list[bytes] = []
        self._asked_up_to = -1
        self._lines = recording(version, name)
        for number, line in enumerate(self._lines):
            if line["dir"] == "out":
                self._output.append(encoded(self._with_our_ids(line["msg"])))
            else:
                self._deliver()
                self._do(line["msg"], number)
                self._collect()
        self._deliver()

    @property
    def answer(self) -> list[object]:
        """All that was told after the Ready."""
        assert isinstance(self.told[0], Ready)
        return plain(self.told[1:])

    def writes_after(self, event: Callable[[object], bool]) -> list[object]:
        """The kinds of the lines written after the first thing told that is such an event."""
        at = next(index for index, item in enumerate(self.log) if event(item))
        return [item for item in self.log[at + 1 :] if isinstance(item, str)]

    def _with_our_ids(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["type"] != "control_response":
            return message
        response = message["response"]
        ours = self._sent[self._asked.index(response["request_id"])]
        return {**message, "response": {**response, "request_id": ours}}

    def _do(self, message: dict[str, Any], number: int) -> None:
        if message.get("type") == "control_request":
            self._asked.append(message["request_id"])
        match message:
            case {"request": {"subtype": "initialize", "systemPrompt": [system]}}:
                self.session.initialize(Profile(system=system))
            case {"request": {"subtype": "interrupt"}}:
                self.session.interrupt()
            case {"type": "control_response"}:
                # To a request that a session refuses by itself.
                pass
            case _ if number > self._asked_up_to:
                self._ask(number)

    def _ask(self, first: int) -> None:
        """Everything from this line to the next question is one request to a session."""
        turns: list[Turn] = []
        limits = Limits("")
        for number, line in enumerate(self._lines[first:], first):
            match line:
                case {"dir": "out"} | {"msg": {"type": "control_response"}}:
                    pass
                case {"msg": {"request": {"settings": {"env": env}}}}:
                    limits = Limits("", max_tokens=int(env["CLAUDE_CODE_MAX_OUTPUT_TOKENS"]))
                case {"msg": message}:
                    turns.append(turn_of(message))
                    if message.get("type") != "assistant" and message.get("shouldQuery", True):
                        self.session.ask(turns, limits)
                        self._asked_up_to = number
                        return

    def _deliver(self) -> None:
        """Everything that the CLI said up to here."""
        data, lines, self._output = b"".join(self._output), self._output, []
        for portion in self._cut(data) if self._sizes else lines:
            told = self.session.receive_data(portion)
            self.told += told
            self.log += plain(told)
            self._collect()

    def _cut(self, data: bytes) -> Iterable[bytes]:
        at = 0
        for size in cycle(self._sizes):
            if at >= len(data):
                return
            yield data[at : at + size]
            at += size

    def _collect(self) -> None:
        for message in written(self.session):
            self.log.append(in_short(message))
            if message["type"] == "control_request":
                self._sent.append(message["request_id"])


def model_of(version: str, name: str = "opus") -> str:
    return {
        ("2.1.197", "opus"): "claude-opus-4-8",
        ("2.1.330", "opus"): "claude-opus-5-5",
        ("2.1.197", "sonnet"): "claude-sonnet-5",
        ("2.1.330", "sonnet"): "claude-sonnet-5-5",
    }[version, name]


def texts(*pieces: str) -> list[TextDelta]:
    return [TextDelta(piece) for piece in pieces]


def finished(reason: FinishReason, stop_reason: str) -> Finished:
    return Finished(reason, USAGE, stop_reason)


END_TURN = finished("stop", "end_turn")


def failed(**error: Any) -> tuple[str, dict[str, Any]]:
    return "Failed", attrs.asdict(APIError(**error))


@both_versions
def test_two_turns_of_text(version: str) -> None:
    started = Started(model_of(version))
    words = [f"tok{n} " for n in range(11)]
    assert Player(version, "text-two-turns").answer == [
        started,
        *texts(*words, "tok11"),
        END_TURN,
        TurnOver(clean=True),
        started,
        *texts("second"),
        END_TURN,
        TurnOver(clean=True),
    ]


@both_versions
def test_ready_tells_the_models_and_the_account(version: str) -> None:
    ready = Player(version, "text-two-turns").told[0]
    assert isinstance(ready, Ready)
    assert ready.models[0]["value"] == "default"
    assert len(ready.models) == 5
    assert ready.account["apiKeySource"] == "ANTHROPIC_API_KEY"
    assert ready.logged_in


@both_versions
def test_text_beyond_ascii(version: str) -> None:
    assert Player(version, "unicode").answer == [
        Started(model_of(version)),
        TextDelta("héllo→🦜漢字"),
        END_TURN,
        TurnOver(clean=True),
    ]


@both_versions
def test_thinking_comes_as_reasoning(version: str) -> None:
    assert Player(version, "thinking").answer == [
        Started(model_of(version)),
        ReasoningDelta("hmm let me think"),
        *texts("done ", "thinking"),
        END_TURN,
        TurnOver(clean=True),
    ]


@both_versions
def test_a_stop_sequence_is_a_plain_stop(version: str) -> None:
    assert Player(version, "stop-sequence").answer == [
        Started(model_of(version)),
        *texts("before ", "stop"),
        finished("stop", "stop_sequence"),
        TurnOver(clean=True),
    ]


@both_versions
def test_what_the_cli_goes_on_with_after_max_tokens_is_cut_off(version: str) -> None:
    player = Player(version, "max-tokens-continues")
    end = finished("length", "max_tokens")
    assert player.answer == [
        Started(model_of(version)),
        *texts("cut ", "off ", "here"),
        end,
        TurnOver(clean=False),
    ]
    # At once; and again when the CLI goes on all the same, as it does in the recording.
    assert player.log[player.log.index(end) + 1] == "interrupt"
    assert player.writes_after(lambda item: item == end) == ["interrupt", "interrupt"]


@both_versions
def test_a_max_tokens_answer_is_asked_for_with_its_limit(version: str) -> None:
    player = Player(version, "max-tokens-continues")
    assert [item for item in player.log if isinstance(item, str)][:3] == [
        "initialize",
        "apply_flag_settings",
        "question",
    ]


@both_versions
def test_a_refusal_ends_the_answer_and_what_the_cli_makes_of_it_is_cut_off(version: str) -> None:
    player = Player(version, "refusal")
    end = finished("content_filter", "refusal")
    assert player.answer == [
        Started(model_of(version)),
        *texts("no"),
        end,
        TurnOver(clean=False),
    ]
    assert player.log[player.log.index(end) + 1] == "interrupt"


@both_versions
def test_after_an_interrupt_the_next_question_is_answered(version: str) -> None:
    player = Player(version, "interrupt")
    started = Started(model_of(version))
    assert player.answer == [
        started,
        *texts(*(f"tok{n} " for n in range(7))),
        TurnOver(clean=False),
        started,
        *texts("after"),
        END_TURN,
        TurnOver(clean=True),
    ]
    assert [item for item in player.log if isinstance(item, str)] == [
        "initialize",
        "question",
        "interrupt",
        "question",
    ]


LOGIN = attrs.asdict(not_logged_in())
SERVER_SIDE = (
    "This is a server-side issue, usually temporary — try again in a moment. If it persists, "
    "check your inference gateway (127.0.0.1:PORT)."
)


@both_versions
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("api-error-400", failed(status=400, message="API Error: 400 fake 400")),
        ("api-error-401", ("Failed", LOGIN)),
        ("subscription-login-expired", ("Failed", LOGIN)),
        (
            "api-error-429",
            failed(
                status=429,
                message="API Error: Request rejected (429) · fake 429",
                type="rate_limit_error",
                code="rate_limit_exceeded",
            ),
        ),
        (
            "api-error-500",
            failed(
                status=502,
                message=f"API Error: 500 fake 500. {SERVER_SIDE}",
                type="server_error",
                should_retry=False,
            ),
        ),
        (
            "api-error-529",
            failed(
                status=503, message=f"API Error: 529 fake 529. {SERVER_SIDE}", type="server_error"
            ),
        ),
    ],
)
def test_an_error_of_the_api_fails_the_answer(version: str, name: str, error: object) -> None:
    player = Player(version, name)
    assert player.answer == [error, TurnOver(clean=False)]
    # The turn is over already: there is nothing to interrupt, and a short retry is waited for.
    assert [item for item in player.log if isinstance(item, str)] == ["initialize", "question"]


@both_versions
def test_a_long_retry_fails_the_answer_at_once(version: str) -> None:
    player = Player(version, "api-retry-429")
    seconds = {"2.1.197": 30, "2.1.330": 35}[version]
    error = failed(
        status=429,
        message=f"Anthropic's API answered 429 and can be tried in {seconds} s.",
        type="rate_limit_error",
        code="rate_limit_exceeded",
        retry_after=seconds,
    )
    assert player.answer == [error, TurnOver(clean=False)]
    assert player.log[1:] == [
        player.told[0],
        "question",
        error,
        "interrupt",
        TurnOver(clean=False),
    ]


@both_versions
def test_a_plans_limit_tells_when_it_ends(version: str) -> None:
    resets_at = {"2.1.197": 1795409238, "2.1.330": 1795409242}[version]
    period = {"2.1.197": "session", "2.1.330": "5-hour"}[version]
    assert Player(version, "subscription-limit-reached").answer == [
        failed(
            status=429,
            message=f"You've hit your {period} limit · resets 4:47am (UTC)",
            type="rate_limit_error",
            code="rate_limit_exceeded",
            retry_after=resets_at - int(NOW),
        ),
        TurnOver(clean=False),
    ]


@both_versions
def test_a_warning_of_the_plans_limit_changes_nothing(version: str) -> None:
    assert Player(version, "subscription-rate-limit-warning").answer == [
        Started(model_of(version, "sonnet")),
        TextDelta("hello"),
        END_TURN,
        TurnOver(clean=True),
    ]


def test_a_prompt_that_is_too_long_is_told_by_2_1_330() -> None:
    assert Player("2.1.330", "prompt-too-long").answer == [
        failed(
            status=400,
            message="Prompt is too long",
            param="messages",
            code="context_length_exceeded",
        ),
        TurnOver(clean=False),
    ]


def test_a_prompt_that_is_too_long_is_left_to_the_api_by_2_1_197() -> None:
    assert Player("2.1.197", "prompt-too-long").answer == [
        Started(model_of("2.1.197")),
        TextDelta("big"),
        END_TURN,
        TurnOver(clean=True),
    ]


@both_versions
def test_history_is_replayed_before_the_question(version: str) -> None:
    player = Player(version, "history-replay")
    assert player.answer == [
        Started(model_of(version)),
        TextDelta('TOOL_RESULT:["sunny"]'),
        END_TURN,
        TurnOver(clean=True),
    ]
    ours = [item for item in player.log if item != "control_response" and isinstance(item, str)]
    assert ours == ["initialize", "history", "assistant", "question"]


PLAYED = sorted(
    (version, path.stem)
    for version in VERSIONS
    for path in (RECORDINGS / version).glob("*.jsonl")
    if path.stem not in ("tools-parallel-parked", "structured-output", "clear-and-reuse")
)


@cache
def by_lines(version: str, name: str) -> list[object]:
    return plain(Player(version, name).told)


@settings(calm, max_examples=60)
@given(st.sampled_from(PLAYED), st.lists(st.integers(1, 3000), min_size=1, max_size=5))
def test_portions_change_nothing(played: tuple[str, str], sizes: list[int]) -> None:
    version, name = played
    assert plain(Player(version, name, sizes).told) == by_lines(version, name)


@both_versions
@pytest.mark.parametrize("size", [1, 7, 10**9], ids=["bytes", "sevens", "all-at-once"])
@pytest.mark.parametrize("name", ["unicode", "refusal"])
def test_single_bytes_and_single_reads_change_nothing(version: str, name: str, size: int) -> None:
    assert plain(Player(version, name, [size]).told) == by_lines(version, name)


def test_all_recordings_are_played() -> None:
    assert len(PLAYED) == 36


# Line by line

START = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 1}}}
RESULT = {"type": "result", "subtype": "success", "is_error": False, "num_turns": 1}
REPLAYED = {**RESULT, "num_turns": 0, "result": ""}
OPUS = Limits("opus")
QUESTION = {
    "type": "user",
    "message": {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
    "parent_tool_use_id": None,
    "client_composed": True,
}


def text(piece: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "delta": {"type": "text_delta", "text": piece}}


def stop(reason: str | None = "end_turn") -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {}}


def stream(event: dict[str, Any]) -> dict[str, Any]:
    return {"type": "stream_event", "event": event, "parent_tool_use_id": None}


def say(session: Session, *messages: dict[str, Any]) -> list[object]:
    """What the session tells of these lines; a stream's event may stand for its line."""
    kinds = ("message_start", "message_delta", "message_stop", "content_block_delta")
    lines = [stream(message) if message["type"] in kinds else message for message in messages]
    return plain(session.receive_data(encoded(*lines)))


def retry(delay_ms: float, status: int | None = 529) -> dict[str, Any]:
    return {
        "type": "system",
        "subtype": "api_retry",
        "retry_delay_ms": delay_ms,
        "error_status": status,
    }


def control_answer(request_id: str, **response: Any) -> dict[str, Any]:
    return {
        "type": "control_response",
        "response": {"subtype": "success", "request_id": request_id, **response},
    }


def blank() -> Session:
    return new_session("opus")


def initializing() -> Session:
    session = blank()
    session.initialize(Profile())
    session.data_to_send()
    return session


def idle() -> Session:
    session = initializing()
    say(session, control_answer("claudeproxy-1", response={}))
    assert session.state is State.IDLE
    return session


def replaying() -> Session:
    session = idle()
    session.ask([user("one"), assistant("two"), user("Hello")], OPUS)
    session.data_to_send()
    assert session.state is State.REPLAYING
    return session


def answering() -> Session:
    session = idle()
    session.ask([user("Hello")], OPUS)
    session.data_to_send()
    assert session.state is State.ANSWERING
    return session


def in_the_middle() -> Session:
    session = answering()
    assert say(session, START, text("a")) == [Started("m"), TextDelta("a")]
    return session


def ending() -> Session:
    session = in_the_middle()
    say(session, stop())
    assert session.state is State.ENDING
    return session


def broken() -> Session:
    session = idle()
    session.receive_data(b"not JSON\n")
    assert session.state is State.BROKEN
    return session


EVERY_STATE = [blank, initializing, idle, replaying, answering, in_the_middle, ending, broken]
WAITING = (replaying, answering, in_the_middle)
BROKE = failed(status=502, message="The CLI broke the protocol; see the log.", type="server_error")
in_every_state = pytest.mark.parametrize("make", EVERY_STATE, ids=lambda make: make.__name__)


# Starting


def test_nothing_is_written_before_anything_is_asked() -> None:
    assert blank().data_to_send() == b""
    assert blank().state is State.BLANK


@pytest.mark.parametrize("system", ["", "You are Bob."])
def test_initialize_fixes_the_system_prompt_even_an_empty_one(system: str) -> None:
    session = blank()
    session.initialize(Profile(system=system))
    assert written(session) == [
        {
            "type": "control_request",
            "request_id": "claudeproxy-1",
            "request": {"subtype": "initialize", "systemPrompt": [system]},
        }
    ]
    assert session.state is State.INITIALIZING


def test_what_was_taken_to_be_sent_is_not_sent_again() -> None:
    session = blank()
    session.initialize(Profile())
    assert session.data_to_send() != b""
    assert session.data_to_send() == b""


def test_ready_follows_its_own_response_only() -> None:
    session = initializing()
    assert say(session, control_answer("of-someone-else", response={})) == []
    assert state_of(session) is State.INITIALIZING
    told = {"models": [{"value": "opus"}], "account": {"email": "a@b"}}
    assert say(session, control_answer("claudeproxy-1", response=told)) == [
        Ready([{"value": "opus"}], {"email": "a@b"})
    ]
    assert session.state is State.IDLE


def test_a_response_is_taken_once() -> None:
    session = answering()
    assert say(session, control_answer("claudeproxy-1", response={})) == []
    assert session.state is State.ANSWERING


def test_a_refused_initialize_breaks_the_session() -> None:
    session = initializing()
    response = control_answer("claudeproxy-1", subtype="error", error="why not")
    assert say(session, response) == [Broken("initialize refused: why not")]


@pytest.mark.parametrize(
    ("account", "logged_in"),
    [
        ({}, False),
        ({"tokenSource": "none", "apiKeySource": "none"}, False),
        ({"tokenSource": "none"}, False),
        ({"tokenSource": None, "apiKeySource": None}, False),
        ({"tokenSource": "CLAUDE_CODE_OAUTH_TOKEN"}, True),
        ({"tokenSource": "none", "apiKeySource": "ANTHROPIC_API_KEY"}, True),
        ({"email": "a@b", "subscriptionType": "max"}, True),
    ],
)
def test_who_has_a_login_or_a_key_is_logged_in(account: dict[str, Any], logged_in: bool) -> None:
    assert Ready((), account).logged_in is logged_in


# Asking


def test_a_question_alone_is_one_line() -> None:
    session = idle()
    session.ask([user("Hello")], OPUS)
    assert written(session) == [QUESTION]
    assert session.state is State.ANSWERING


def test_history_is_never_sent_ahead_of_its_confirmation() -> None:
    session = idle()
    session.ask([user("1"), assistant("2"), user("3"), assistant("4"), user("Hello")], OPUS)
    steps = []
    for _ in range(2):
        steps.append([in_short(message) for message in written(session)])
        assert session.state is State.REPLAYING
        assert say(session, {"type": "system", "subtype": "init"}) == []
        assert written(session) == []
        assert say(session, REPLAYED) == []
    steps.append([in_short(message) for message in written(session)])
    assert steps == [["history"], ["assistant", "history"], ["assistant", "question"]]
    assert session.state is State.ANSWERING


def test_history_says_what_was_said() -> None:
    session = idle()
    session.ask([user("/one"), assistant("two"), user("Hello")], OPUS)
    (history,) = written(session)
    assert history == {
        "type": "user",
        "message": {"role": "user", "content": [{"type": "text", "text": "\n/one"}]},
        "parent_tool_use_id": None,
        "shouldQuery": False,
    }
    say(session, REPLAYED)
    answer, question = written(session)
    assert answer["message"]["content"] == [{"type": "text", "text": "two"}]
    assert question == QUESTION


def test_past_answers_have_ids_that_are_never_used_again() -> None:
    session = idle()
    ids = []
    for _ in range(2):
        session.ask([user("1"), assistant("2"), user("3"), assistant("4"), user("5")], OPUS)
        say(session, REPLAYED, REPLAYED, START, stop(), RESULT)
        ids += [m["message"]["id"] for m in written(session) if m["type"] == "assistant"]
    assert len(ids) == len(set(ids)) == 4


def test_a_refused_history_breaks_the_session_and_fails_the_answer() -> None:
    session = replaying()
    assert say(session, {**REPLAYED, "is_error": True}) == [
        BROKE,
        Broken("a turn of the history was refused"),
    ]


@pytest.mark.parametrize(
    ("started_with", "asked_for", "models"),
    [("opus", "opus", []), ("", "opus", ["opus"]), ("opus", "haiku", ["haiku"])],
)
def test_the_model_is_set_where_it_is_another(
    started_with: str, asked_for: str, models: list[str]
) -> None:
    session = new_session(started_with)
    session.initialize(Profile())
    say(session, control_answer("claudeproxy-1", response={}))
    session.data_to_send()
    session.ask([user("Hello")], Limits(asked_for))
    *controls, question = written(session)
    assert question == QUESTION
    assert [control["request"] for control in controls] == [
        {"subtype": "set_model", "model": model} for model in models
    ]


def requests_of_next_turn(session: Session, limits: Limits) -> list[dict[str, Any]]:
    """What is asked of the CLI beside the question; the turn is then over."""
    session.ask([user("Hello")], limits)
    controls = [m["request"] for m in written(session) if m["type"] == "control_request"]
    say(session, START, stop(), RESULT)
    assert session.state is State.IDLE
    return controls


def applied(max_tokens: str, body: str) -> dict[str, Any]:
    env = {
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": max_tokens,
        "CLAUDE_CODE_DISABLE_THINKING": "",
        "CLAUDE_CODE_EXTRA_BODY": body,
    }
    return {"subtype": "apply_flag_settings", "settings": {"env": env}}


def test_limits_are_set_kept_and_taken_back() -> None:
    session = idle()
    limited = Limits("opus", max_tokens=5)
    stopping = Limits("opus", stop=("END",))
    assert requests_of_next_turn(session, OPUS) == []
    assert requests_of_next_turn(session, limited) == [applied("5", "")]
    assert requests_of_next_turn(session, limited) == []
    assert requests_of_next_turn(session, OPUS) == [applied("", "")]
    assert requests_of_next_turn(session, stopping) == [applied("", '{"stop_sequences": ["END"]}')]
    assert requests_of_next_turn(session, OPUS) == [applied("", "")]
    assert requests_of_next_turn(session, OPUS) == []


def test_a_model_is_set_once_and_set_back() -> None:
    session = idle()
    haiku = Limits("haiku")
    assert requests_of_next_turn(session, haiku) == [{"subtype": "set_model", "model": "haiku"}]
    assert requests_of_next_turn(session, haiku) == []
    assert requests_of_next_turn(session, OPUS) == [{"subtype": "set_model", "model": "opus"}]


def test_limits_are_set_right_before_the_question_not_before_history() -> None:
    session = idle()
    session.ask([user("1"), assistant("2"), user("Hello")], Limits("haiku", max_tokens=5))
    assert [in_short(message) for message in written(session)] == ["history"]
    say(session, REPLAYED)
    assert [in_short(message) for message in written(session)] == [
        "assistant",
        "set_model",
        "apply_flag_settings",
        "question",
    ]


def test_limits_of_a_question_that_was_never_put_are_not_taken_for_set() -> None:
    session = idle()
    session.ask([user("1"), assistant("2"), user("Hello")], Limits("opus", max_tokens=5))
    session.interrupt()
    say(session, REPLAYED)
    session.data_to_send()
    assert requests_of_next_turn(session, OPUS) == []
    assert requests_of_next_turn(session, Limits("opus", max_tokens=5)) == [applied("5", "")]


def test_requests_have_ids_that_are_never_used_again() -> None:
    session = idle()
    ids = []
    for model in ("haiku", "opus", "haiku"):
        session.ask([user("Hello")], Limits(model, max_tokens=len(model)))
        session.interrupt()
        ids += [m["request_id"] for m in written(session) if m["type"] == "control_request"]
        say(session, RESULT)
    assert len(ids) == len(set(ids)) == 9


def test_a_refused_setting_breaks_the_session_and_fails_the_answer() -> None:
    session = idle()
    session.ask([user("Hello")], Limits("haiku"))
    (request, _) = written(session)
    response = control_answer(request["request_id"], subtype="error", error="no such model")
    assert say(session, response) == [BROKE, Broken("set_model refused: no such model")]


@pytest.mark.parametrize(
    "make", [m for m in EVERY_STATE if m is not idle], ids=lambda m: m.__name__
)
def test_only_an_idle_session_can_be_asked(make: Callable[[], Session]) -> None:
    with pytest.raises(AssertionError):
        make().ask([user("Hello")], OPUS)


# Answers


def test_the_turn_is_over_with_the_result_not_before() -> None:
    session = answering()
    usage = Usage(input_tokens=1)
    assert say(session, START, text("a"), stop()) == [
        Started("m"),
        TextDelta("a"),
        Finished("stop", usage, "end_turn"),
    ]
    assert state_of(session) is State.ENDING
    assert say(session, {"type": "message_stop"}) == []
    assert say(session, RESULT) == [TurnOver(clean=True)]
    assert session.state is State.IDLE
    assert session.data_to_send() == b""


@pytest.mark.parametrize(
    ("reason", "clean"),
    [("end_turn", True), ("stop_sequence", True), ("max_tokens", False), ("refusal", False)],
)
def test_a_session_is_clean_after_an_answer_that_was_complete(reason: str, clean: bool) -> None:
    session = in_the_middle()
    say(session, stop(reason))
    assert [in_short(m) for m in written(session)] == ([] if clean else ["interrupt"])
    assert say(session, RESULT) == [TurnOver(clean)]


def test_a_session_is_clean_again_after_the_next_complete_answer() -> None:
    session = in_the_middle()
    session.interrupt()
    assert say(session, RESULT) == [TurnOver(clean=False)]
    session.ask([user("Hello")], OPUS)
    assert say(session, START, stop(), RESULT)[-1] == TurnOver(clean=True)


def test_a_session_is_not_clean_if_the_cli_says_more_than_the_answer() -> None:
    session = ending()
    say(session, START, text("and another thing"), stop())
    assert say(session, RESULT) == [TurnOver(clean=False)]


def test_a_session_is_not_clean_if_the_turn_failed_after_the_answer() -> None:
    session = ending()
    assert say(session, {**RESULT, "is_error": True, "result": "API Error"}) == [
        TurnOver(clean=False)
    ]


def test_a_result_without_an_answer_fails() -> None:
    assert say(answering(), RESULT) == [
        failed(
            status=502, message="The CLI ended the turn without an answer.", type="server_error"
        ),
        TurnOver(clean=False),
    ]


def test_a_failed_result_in_the_middle_of_an_answer_fails_it() -> None:
    line = {**RESULT, "is_error": True, "api_error_status": 529, "result": "Overloaded"}
    assert say(in_the_middle(), line) == [
        failed(status=503, message="Overloaded", type="server_error"),
        TurnOver(clean=False),
    ]


def test_a_second_start_before_any_content_is_a_silent_retry() -> None:
    session = answering()
    again = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 9}}}
    assert say(session, START, again, text("a"), stop(), RESULT) == [
        Started("m"),
        TextDelta("a"),
        Finished("stop", Usage(input_tokens=9), "end_turn"),
        TurnOver(clean=True),
    ]
    assert session.data_to_send() == b""


def test_a_second_start_after_content_fails_the_answer() -> None:
    session = in_the_middle()
    error = failed(
        status=502,
        message="The connection to Anthropic's API broke mid-answer.",
        type="server_error",
    )
    assert say(session, START, text("a"), text("b"), stop()) == [error]
    assert [in_short(message) for message in written(session)] == ["interrupt"]
    assert say(session, RESULT) == [TurnOver(clean=False)]


def test_what_a_subagent_streams_is_not_the_answer() -> None:
    session = in_the_middle()
    line = {**stream(text("inner")), "parent_tool_use_id": "toolu_1"}
    assert say(session, line) == []


def test_half_a_character_of_one_answer_is_none_of_the_next() -> None:
    session = answering()
    say(session, START, text("\ud83e"))
    session.interrupt()
    say(session, RESULT)
    session.ask([user("Hello")], OPUS)
    assert say(session, START, text("b")) == [Started("m"), TextDelta("b")]


@pytest.mark.parametrize("delay_ms", [0, 500, 5000])
def test_a_short_retry_is_waited_for(delay_ms: float) -> None:
    session = answering()
    assert say(session, retry(delay_ms)) == []
    assert session.data_to_send() == b""
    assert say(session, START, text("a")) == [Started("m"), TextDelta("a")]


def test_a_retry_longer_than_the_longest_fails_at_once() -> None:
    session = answering()
    (error,) = session.receive_data(encoded(retry(5001)))
    assert isinstance(error, Failed)
    assert (error.error.status, error.error.retry_after) == (503, 6)
    assert [in_short(message) for message in written(session)] == ["interrupt"]


@pytest.mark.parametrize("make", [idle, ending], ids=lambda make: make.__name__)
def test_a_retry_that_nobody_waits_for_is_no_matter(make: Callable[[], Session]) -> None:
    session = make()
    assert say(session, retry(60000)) == []
    assert session.data_to_send() == b""


def test_a_plans_limit_of_one_turn_is_not_told_in_the_next() -> None:
    limit = {"status": "rejected", "resetsAt": NOW + 60}
    line = {**RESULT, "is_error": True, "api_error_status": 429, "result": "Limit"}
    session = answering()
    say(session, {"type": "rate_limit_event", "rate_limit_info": limit})
    (first, _) = session.receive_data(encoded(line))
    session.ask([user("Hello")], OPUS)
    (second, _) = session.receive_data(encoded(line))
    assert isinstance(first, Failed)
    assert isinstance(second, Failed)
    assert (first.error.retry_after, second.error.retry_after) == (60, None)


def test_a_request_of_the_clis_is_refused() -> None:
    session = answering()
    request = {"type": "control_request", "request_id": "r7", "request": {"subtype": "can_use"}}
    assert say(session, request) == []
    assert written(session) == [
        {
            "type": "control_response",
            "response": {"subtype": "error", "request_id": "r7", "error": "not available here"},
        }
    ]
    assert session.state is State.ANSWERING


# Interrupting


@in_every_state
def test_an_interrupt_is_written_where_there_is_a_turn(make: Callable[[], Session]) -> None:
    session = make()
    session.interrupt()
    expected = ["interrupt"] if make in WAITING else []
    assert [in_short(message) for message in written(session)] == expected


@pytest.mark.parametrize("make", WAITING, ids=lambda make: make.__name__)
def test_after_an_interrupt_nothing_comes_but_the_end_of_the_turn(
    make: Callable[[], Session],
) -> None:
    session = make()
    session.interrupt()
    session.interrupt()
    (interrupt,) = written(session)
    assert say(session, text("b"), stop(), retry(60000)) == []
    assert say(session, control_answer(interrupt["request_id"])) == []
    assert session.data_to_send() == b""
    assert say(session, {**RESULT, "is_error": True}) == [TurnOver(clean=False)]
    assert session.state is State.IDLE


def test_a_turn_that_starts_after_its_interrupt_is_interrupted_again() -> None:
    session = answering()
    session.interrupt()
    session.data_to_send()
    assert say(session, START, text("a")) == []
    assert [in_short(message) for message in written(session)] == ["interrupt"]
    assert say(session, RESULT) == [TurnOver(clean=False)]


def test_history_is_not_gone_on_with_after_an_interrupt() -> None:
    session = replaying()
    session.interrupt()
    session.data_to_send()
    assert say(session, REPLAYED) == [TurnOver(clean=False)]
    assert session.data_to_send() == b""
    session.ask([user("Hello")], OPUS)
    assert written(session) == [QUESTION]


# Losing the CLI


@in_every_state
def test_who_waits_for_an_answer_is_told_that_the_cli_is_gone(make: Callable[[], Session]) -> None:
    session = make()
    error = upstream_failed("Gone.")
    told = session.connection_lost(error)
    assert plain(told) == plain([Failed(error)] if make in WAITING else [])
    assert session.state is State.BROKEN


@in_every_state
def test_nothing_is_told_after_the_cli_is_gone(make: Callable[[], Session]) -> None:
    session = make()
    session.connection_lost(upstream_failed("Gone."))
    assert session.connection_lost(upstream_failed("Gone again.")) == []
    assert say(session, START, text("a"), stop(), RESULT) == []
    assert session.receive_data(b"not JSON\n") == []


# What makes no sense


@in_every_state
def test_a_line_that_is_not_json_breaks_any_session(make: Callable[[], Session]) -> None:
    session = make()
    expected: list[object] = [BROKE] if make in WAITING else []
    if make is not broken:
        expected.append(Broken("a line that is not JSON"))
    assert plain(session.receive_data(b"{oops\n")) == expected
    assert session.state is State.BROKEN


@pytest.mark.parametrize("line", [b"\xff\xfe", b'"half', b"undefined", b"[1,]"])
def test_no_such_line_is_json(line: bytes) -> None:
    told = idle().receive_data(line + b"\n")
    assert told == [Broken("a line that is not JSON")]


def test_a_line_that_is_too_deep_breaks_the_session() -> None:
    (told,) = idle().receive_data(b"[" * 100_000 + b"\n")
    assert isinstance(told, Broken)


UNKNOWN_SHAPES: list[dict[str, Any]] = [
    {"type": "stream_event"},
    {"type": "stream_event", "event": None},
    {"type": "stream_event", "event": []},
    {"type": "stream_event", "event": {}},
    {"type": "stream_event", "event": {"type": "message_start"}},
    {"type": "stream_event", "event": {"type": "message_start", "message": {}}},
    {"type": "stream_event", "event": {"type": "content_block_delta"}},
    {"type": "stream_event", "event": {"type": "content_block_delta", "delta": {}}},
    {"type": "stream_event", "event": text("x") | {"delta": {"type": "text_delta"}}},
    {"type": "stream_event", "event": text("x") | {"delta": {"type": "text_delta", "text": 5}}},
    {"type": "stream_event", "event": {"type": "message_delta"}},
    {"type": "stream_event", "event": {"type": "message_delta", "delta": None}},
    {"type": "stream_event", "event": {**stop(), "usage": 5}},
    {"type": "control_response"},
    {"type": "control_response", "response": "no"},
    {"type": "control_request"},
    {"type": "rate_limit_event"},
    {"type": "system", "subtype": "api_retry", "retry_delay_ms": "soon"},
]


@pytest.mark.parametrize("line", UNKNOWN_SHAPES, ids=json.dumps)
def test_a_known_line_of_unknown_shape_breaks_the_session_and_fails_the_answer(
    line: dict[str, Any],
) -> None:
    session = answering()
    error, notice = plain(session.receive_data(encoded(line)))
    assert error == BROKE
    assert isinstance(notice, Broken)
    assert notice.reason.startswith(f"a {line['type']} line of unknown shape: ")
    assert session.state is State.BROKEN


def test_what_came_before_a_broken_line_is_told_first() -> None:
    data = encoded(stream(START), stream(text("a"))) + b"oops\n" + encoded(stream(text("b")))
    assert plain(answering().receive_data(data)) == [
        Started("m"),
        TextDelta("a"),
        BROKE,
        Broken("a line that is not JSON"),
    ]


@in_every_state
@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "something_new", "event": 5}',
        b'{"type": "assistant"}',
        b'{"type": "user"}',
        b'{"type": "conversation_reset"}',
        b'{"type": "system", "subtype": "something_new"}',
        b'{"type": null}',
        b'{"type": 5}',
        b'{"type": []}',
        b'{"type": {}}',
        b'{"no": "type"}',
        b"[]",
        b"5",
        b"null",
        b"",
        b"  \r",
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else value.__name__,
)
def test_a_line_of_an_unknown_kind_is_ignored(make: Callable[[], Session], line: bytes) -> None:
    session = make()
    before = session.state
    assert session.receive_data(line + b"\n") == []
    assert session.data_to_send() == b""
    assert session.state is before


def test_a_line_that_is_too_long_breaks_the_session_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "LONGEST_LINE", 1000)
    session = answering()
    assert plain(session.receive_data(b"x" * 1001)) == [
        BROKE,
        Broken("a line of more than 1000 bytes"),
    ]
    assert session.receive_data(b"x") == []
    assert session.receive_data(b"\n") == []


def test_what_came_before_a_line_that_is_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "LONGEST_LINE", 1000)
    session = answering()
    told = session.receive_data(encoded(stream(START)) + b"x" * 1001)
    assert plain(told) == [Started("m"), BROKE, Broken("a line of more than 1000 bytes")]


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "event", "delta", "message", "usage", "model", "text"])
            | st.text(max_size=2),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
lines_like = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["stream_event", "result", "system", "control_response", "control_request"]
        )
        | json_like
    },
    optional={
        "event": json_like
        | st.fixed_dictionaries(
            {"type": st.sampled_from([START["type"], "content_block_delta", "message_delta"])},
            optional={"delta": json_like, "message": json_like, "usage": json_like},
        ),
        "response": json_like,
        "request_id": json_like,
        "is_error": json_like,
        "result": json_like,
        "errors": json_like,
        "api_error_status": json_like,
    },
)


@settings(calm, max_examples=200)
@given(st.sampled_from(WAITING), st.lists(lines_like, max_size=4))
def test_no_line_whatsoever_raises_and_an_answer_ends_once(
    make: Callable[[], Session], lines: list[dict[str, Any]]
) -> None:
    session = make()
    told = session.receive_data(encoded(*lines))
    told += session.connection_lost(upstream_failed("Gone."))
    ends = [item for item in told if isinstance(item, (Failed, Finished))]
    assert len(ends) == 1
    assert session.receive_data(encoded(*lines)) == []


CLEARED = {"type": "result", "is_error": False, "num_turns": 0, "local_command": "clear"}


def test_clearing_comes_before_everything_else() -> None:
    session = idle()
    session.ask([user("a")], Limits("sonnet"), clear=True)
    (line,) = written(session)
    assert line["message"]["content"] == "/clear"
    assert "client_composed" not in line
    assert say(session, CLEARED) == []
    assert [m["message"]["content"][0]["text"] for m in written(session) if "message" in m] == ["a"]


def test_an_interrupt_while_clearing_leaves_nothing_to_ask() -> None:
    session = idle()
    session.ask([user("a")], Limits("sonnet"), clear=True)
    written(session)
    session.interrupt()
    assert [m["request"]["subtype"] for m in written(session)] == ["interrupt"]
    assert say(session, CLEARED) == [TurnOver(clean=False)]
    assert written(session) == []
