"""Whatever happens, a process remembers what its owner takes it to remember."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from claudeproxy.cli.notices import Counted, RewindRefused, Rewound, TurnEnded
from claudeproxy.cli.outgoing import CLEAR
from claudeproxy.cli.plan import Plan, is_mark
from claudeproxy.cli.session import Session
from claudeproxy.cli.state import State
from claudeproxy.conversation import Limits, Turn
from claudeproxy.events import Failed, Finished, TextDelta

from .talk import (
    OPUS,
    REPLAYED,
    RESULT,
    START,
    Told,
    assistant,
    calm,
    control_answer,
    encoded,
    idle,
    sent,
    stop,
    stream,
    text,
    user,
)


Draw = Callable[[st.SearchStrategy[Any]], Any]
ANSWER = assistant("answered")
# What a CLI may do when it is to go back: most of the time what it is asked for.
GOES = ("back", "back", "back", "nowhere", "elsewhere", "unsupported")


@attrs.define
class Line:
    role: str
    uuid: str
    content: Any


class ModelCLI:
    """Remembers lines as the CLI does."""

    def __init__(self, draw: Draw) -> None:
        self.remembered: list[Line] = []
        self._draw = draw

    @property
    def conversation(self) -> list[tuple[str, Any]]:
        return [(line.role, line.content) for line in self.remembered]

    def take(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Take lines that were written at once; user lines are queued behind all others."""
        queued = [line for line in lines if line["type"] == "user"]
        at_once = [line for line in lines if line["type"] != "user"]
        said = [answer for line in at_once for answer in self._at_once(line)]
        return said + [answer for line in queued for answer in self._user(line)]

    def _at_once(self, line: dict[str, Any]) -> list[dict[str, Any]]:
        if line["type"] == "assistant":
            self._remember(line)
            return []
        request_id, request = line["request_id"], line["request"]
        match request["subtype"]:
            case "rewind_conversation":
                return [control_answer(request_id, **self._rewind(request))]
            case "get_context_usage":
                told = {"totalTokens": len(self.remembered), "apiUsage": None}
                return [control_answer(request_id, response=told)]
            case "set_model" if request["model"] == "unlisted":
                if not self._draw(st.booleans()):
                    return [control_answer(request_id, subtype="error", error="Model not found")]
        return [control_answer(request_id)]

    def _user(self, line: dict[str, Any]) -> list[dict[str, Any]]:
        if line == json.loads(CLEAR):
            self.remembered.clear()
            return [REPLAYED]
        self._remember(line)
        if not line.get("shouldQuery", True):
            return [REPLAYED]
        if self._draw(st.sampled_from([False, False, False, True])):
            error = {"is_error": True, "api_error_status": 500, "result": "API Error: 500"}
            return [{**RESULT, **error}]
        self.remembered.append(Line("assistant", "", list(ANSWER.blocks)))
        reason = self._draw(st.sampled_from(["end_turn", "end_turn", "max_tokens"]))
        return [*map(stream, (START, text("answered"), stop(reason))), RESULT]

    def _remember(self, line: dict[str, Any]) -> None:
        message = line["message"]
        self.remembered.append(Line(message["role"], line.get("uuid", ""), message["content"]))

    def _rewind(self, request: dict[str, Any]) -> dict[str, Any]:
        uuids = [line.uuid for line in self.remembered]
        # A session never asks for what the CLI cannot do.
        assert [uuid for uuid in uuids if uuid][-1] == request["last_seen_user_message_uuid"]
        place = uuids.index(request["target_message_uuid"])
        assert self.remembered[place].content[0]["type"] == "text"
        match self._draw(st.sampled_from(GOES)):
            case "unsupported":
                return {"subtype": "error", "error": "Unsupported control request"}
            case "nowhere":
                return {"response": {"rewound": False, "error": "stale target"}}
            case "elsewhere":
                del self.remembered[self._draw(st.integers(0, place)) :]
                return {"response": {"rewound": True, "targetMessageUuid": "elsewhere"}}
        del self.remembered[place:]
        told = {"rewound": True, "targetMessageUuid": request["target_message_uuid"]}
        return {"response": told}


def contents(lines: tuple[Turn, ...]) -> list[tuple[str, Any]]:
    """The lines as a CLI has them."""
    return [(line.role, [dict(block) for block in line.blocks]) for line in lines]


class Owner:
    """Makes plans for one process, by what it takes it to remember."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._lines = 0
        self._restart()

    def _restart(self) -> None:
        self.session: Session = idle()
        self.cli = ModelCLI(self._draw)
        self.known: tuple[Turn, ...] | None = ()
        # What comes before each mark.
        self.marks: list[tuple[Turn, ...]] = []

    def act(self) -> None:
        # Only what is known can be counted with more.
        kinds = ["ask", "ask", "prepare", *(["count"] if self.known is not None else [])]
        kind = self._draw(st.sampled_from(kinds))
        plan, before = self._plan(kind)
        whole = (*before, *plan.new)
        limits = self._draw(st.sampled_from([OPUS, Limits("other"), UNLISTED]))
        told = self._carry_out(kind, plan, limits)
        (over,) = [item for item in told if isinstance(item, TurnEnded)]
        assert told[-1] is over
        if any(isinstance(item, Failed) and item.worker_lost for item in told):
            assert not plan.whole
            self._restart()
            return
        if kind != "count":
            self._note_marks(plan, before)
        assert over.marks <= len(self.marks)
        del self.marks[over.marks :]
        self.known = None
        if over.clean:
            ends = [item for item in told if isinstance(item, Finished)]
            assert len(ends) == (kind == "ask")
            self.known = before if kind == "count" else whole + (ANSWER,) * len(ends)
            assert self.cli.conversation == contents(self.known)

    def _plan(self, kind: str) -> tuple[Plan, tuple[Turn, ...]]:
        """A plan, and what is before its new lines."""
        ways: list[Any] = [] if self.known is None else ["on", "on"]
        if kind != "count":
            ways += ["clear", *range(len(self.marks))]
        way = self._draw(st.sampled_from(ways))
        new = self._new_lines(kind)
        if way == "clear":
            return Plan(new, clear=True), ()
        whole = self._draw(st.booleans())
        if way == "on":
            before = self.known or ()
            if kind == "count" or whole:
                return Plan(before + new, len(before), whole=whole), before
            return Plan(new, whole=False), before
        before = self.marks[way]
        if whole:
            return Plan(before + new, len(before), way), before
        return Plan(new, back_to=way, whole=False), before

    def _new_lines(self, kind: str) -> tuple[Turn, ...]:
        kinds = self._draw(st.lists(st.sampled_from(["user", "assistant", "results"]), max_size=4))
        if kind == "count":
            kinds.insert(0, "user")
        elif kind == "ask":
            kinds.append(self._draw(st.sampled_from(["user", "results"])))
        return tuple(map(self._line, kinds))

    def _line(self, kind: str) -> Turn:
        self._lines += 1
        said = f"{kind} {self._lines}"
        if kind == "results":
            block = {"type": "tool_result", "tool_use_id": "toolu_1", "content": said}
            return Turn("user", (block,))
        return user(said) if kind == "user" else assistant(said)

    def _note_marks(self, plan: Plan, before: tuple[Turn, ...]) -> None:
        if plan.clear:
            self.marks.clear()
        elif plan.back_to is not None:
            del self.marks[plan.back_to :]
        for line in plan.new:
            if is_mark(line):
                self.marks.append(before)
            before += (line,)

    def _carry_out(self, kind: str, plan: Plan, limits: Limits) -> list[Told]:
        match kind:
            case "ask":
                self.session.ask(plan, limits)
            case "prepare":
                self.session.prepare(plan)
            case "count":
                self.session.count(plan)
        told = self.session.receive_data(b"")
        interrupted_at = self._draw(st.one_of(st.none(), st.none(), st.integers(0, 6)))
        step = 0
        while lines := sent(self.session):
            if step == interrupted_at:
                self.session.interrupt()
            step += 1
            for message in self.cli.take(lines):
                told += self.session.receive_data(encoded(message))
        assert self.session.state is State.IDLE
        return told


UNLISTED = Limits("unlisted", unlisted=True)


@settings(calm, max_examples=300)
@given(st.data())
def test_a_process_remembers_exactly_the_lines_of_its_plans(data: st.DataObject) -> None:
    owner = Owner(data.draw)
    for _ in range(data.draw(st.integers(1, 8))):
        owner.act()


def always(*answers: Any) -> Draw:
    """Draws the first of what is offered, but for some answers in their order."""
    left = list(answers)
    return lambda strategy: left.pop(0)


def test_the_model_goes_back_and_answers() -> None:
    cli = ModelCLI(always(False, "end_turn", "back", False, "end_turn"))
    session = idle()
    told: list[Told] = []
    for plan in (Plan((user("a"),)), Plan((user("b"),), back_to=0)):
        session.ask(plan, OPUS)
        while lines := sent(session):
            told += session.receive_data(encoded(*cli.take(lines)))
    assert Rewound() in told
    assert [item.text for item in told if isinstance(item, TextDelta)] == ["answered"] * 2
    assert cli.conversation == contents((user("b"), ANSWER))


def test_the_model_refuses_and_counts() -> None:
    cli = ModelCLI(always("nowhere"))
    session = idle()
    session.count(Plan((user("a"),)))
    told: list[Told] = []
    while lines := sent(session):
        told += session.receive_data(encoded(*cli.take(lines)))
    assert told == [Counted(1), RewindRefused("stale target"), TurnEnded(clean=False)]
