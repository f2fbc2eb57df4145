"""Random conversations of several clients, on the real CLI: the API must get what they say.

A walk is determined by its seed, but for the moments at which processes are ready. If one fails, it
is tried again without each of its steps, and the failure names those that are left. To repeat it:

    WALK_SEEDS=5 WALK_ONLY=0,3,7 pytest tests/real/test_walk.py -k Bundled
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from twisted.internet import defer
from twisted.internet.defer import Deferred, FirstError, ensureDeferred, gatherResults
from twisted.internet.endpoints import clientFromString, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater

from claudeproxy.demo import script
from claudeproxy.demo.answer import Answer as Planned
from claudeproxy.service import ProxyService

from .harness import RealCLI, at_rest, on_every_cli, reactor, when
from .walking import DIALECTS, Answer, Asked, Said, expected, received


# A short walk takes some seconds. For hours of walks, WALK_SEEDS can be 1000-2000, and WALK_LOG the
# name of a file for the outcomes.
FIRST, _, LAST = os.environ.get("WALK_SEEDS", "1-2").partition("-")
SEEDS = range(int(FIRST), int(LAST or FIRST) + 1)
STEPS = int(os.environ.get("WALK_STEPS", "20"))
LOG = os.environ.get("WALK_LOG", "")
# How long a request may take, in seconds.
LONGEST = 30
# How long a failed walk is shortened, in seconds.
SHRINKING = float(os.environ.get("WALK_SHRINKING", "30"))
ONLY = os.environ.get("WALK_ONLY", "")
SYSTEMS = ("You are brief.", "You are brief.", "You are verbose.", "")
TOOLS = (("get_time", "add"), ("get_time", "add"), ("get_time",), ())
TWO = 'CALL:get_time CALL:add:{"n":1}'
# Of few texts, so that different conversations have beginnings in common.
PLAIN = ("ECHO:a", "ECHO:b", "ECHO:c d", "plain words", "THINK ECHO:x", "LONG:9")
ODD = ("/clear", " /help me", "!ls", "# note", "<b>x</b>", "hi  ", "\n\nhi", "@file", "/compact x")
CALLING = (
    "CALL:get_time",
    "CALL:get_time",
    f"{TWO} QUIET",
    f"{TWO} CALL:get_time AGAIN:3",
    'CALL:add:{"n":2} AGAIN:4',
    "CALL:get_time THINK:deep_thought AGAIN:3",
    f"{TWO} THINK:one THEN CALL:get_time THINK:two THEN ECHO:done",
    "CALL:get_time THEN ECHO:then",
)
SLOW = ("LONG:15 SLOW:0.03", "SLOW:0.03 ECHO:a b c d e f g h i j k l m n", "SLOW:0.03 LONG:20")
SEARCHING = ("SEARCH:red_pandas", "SEARCH:a SEARCH:b ECHO:found", "SEARCH:a CALL:get_time")


@attrs.frozen
class Style:
    """How often clients do something, from 0 to 1."""

    words: float
    note: float
    rewrites: float
    respells: float
    calls: float
    odd: float
    searches: float
    forms: float
    cuts: float
    leaves: float
    kills: float
    mutates: float
    settles: float


def style_of(chance: random.Random) -> Style:
    def often(*values: float) -> float:
        return chance.choice(values)

    return Style(
        words=often(0, 0, 0.4, 0.9),
        note=often(0, 0, 0, 0.4, 1),
        rewrites=often(0, 0, 0, 0.4, 1),
        respells=often(0, 0, 0.5, 1),
        calls=often(0.2, 0.5, 0.9),
        odd=often(0, 0.1),
        searches=often(0, 0, 0.2),
        forms=often(0, 0, 0.2),
        cuts=often(0, 0.1),
        leaves=often(0, 0.1, 0.2),
        kills=often(0, 0, 0, 0.1),
        mutates=often(0, 0.2, 0.4),
        settles=often(0.5, 0.9, 1),
    )


@attrs.frozen
class Move:
    """A request, and how its client behaves. leaves: after how many seconds it hangs up."""

    dialect: Any
    asked: Asked
    kept: tuple[Said, ...]
    leaves: float | None = None


class Connection(Protocol):
    """Sends one request, and keeps what comes until the connection ends."""

    def __init__(self, path: str, body: Any) -> None:
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self.request = f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
        self.got = b""
        self.ended: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(self.request)  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        self.got += data

    def connectionLost(self, reason: Any = None) -> None:
        self.ended.callback(None)

    def leave(self) -> None:
        if not self.ended.called:
            self.transport.abortConnection()  # type: ignore[union-attr]

    @property
    def status(self) -> int:
        return int(self.got.split(b" ", 2)[1]) if self.got else 0

    def header(self, name: str) -> str:
        head = self.got.partition(b"\r\n\r\n")[0].decode().lower()
        found = [line for line in head.split("\r\n") if line.startswith(f"{name}: ")]
        return found[0].partition(": ")[2] if found else ""

    @property
    def content(self) -> bytes:
        return self.got.partition(b"\r\n\r\n")[2]

    @property
    def events(self) -> list[Any]:
        lines = self.content.decode(errors="replace").split("\n")
        if lines and not self.content.endswith(b"\n"):
            lines.pop()
        data = [line[6:] for line in lines if line.startswith("data: ")]
        return [json.loads(line) for line in data if line.strip() != "[DONE]"]


def signature(asked: Asked) -> dict[str, Any]:
    """What of a request the API must get."""
    told: dict[str, Any] = {
        "messages": expected(asked.said),
        "system": asked.system,
        "model": asked.model,
        "form": asked.form,
        "search": asked.search,
        "stop": asked.stop,
        "max_tokens": asked.max_tokens,
        "effort": asked.effort,
    }
    called = {call.name for one in asked.said for call in one.calls}
    return {**told, "tools": sorted(asked.tools or (called if not asked.search else ()))}


def signature_of(body: Any) -> dict[str, Any]:
    """The same of a request that has reached the API."""
    names = [tool["name"] for tool in body.get("tools") or ()]
    system = [block["text"] for block in body.get("system") or ()]
    config = body.get("output_config") or {}
    limit = body["max_tokens"]
    return {
        "messages": received(body),
        "system": next((text for text in system if text and text in SYSTEMS), ""),
        "model": next(name for name in ("sonnet", "opus", "haiku") if name in body["model"]),
        "form": "format" in config or "StructuredOutput" in names,
        "search": "web_search" in names,
        "stop": next(iter(body.get("stop_sequences") or ()), None),
        "max_tokens": limit if limit < 1000 else None,
        "effort": "low" if config.get("effort") == "low" else None,
        "tools": sorted(
            name.removeprefix("mcp__client__")
            for name in names
            if name not in ("web_search", "StructuredOutput")
        ),
    }


class Walk:
    """A walk on a proxy of its own. story: what has been done."""

    def __init__(self, case: RealCLI, proxy: ProxyService, seed: int) -> None:
        self.case = case
        self.proxy = proxy
        self.seed = seed
        self.style = style_of(random.Random(f"{seed}/style"))
        chance = random.Random(f"{seed}/usual")
        self.usual = Asked((), chance.choice(SYSTEMS), chance.choice(TOOLS[:2] * 4 + TOOLS[2:]))
        self.story: list[str] = []
        self.known: list[tuple[Asked, tuple[Said, ...]]] = []
        # Of requests that were given up; they may reach the API later.
        self.late: list[dict[str, Any]] = []
        self.steps = 0
        self.requests = 0
        self.reuses: Counter[str] = Counter()

    async def step(self, number: int) -> str | None:
        """Take one step, and return what was wrong."""
        chance = random.Random(f"{self.seed}/{number}")
        moves = [self.move(chance) for _ in range(chance.choice((1, 1, 1, 1, 2, 3)))]
        if chance.random() < 0.1:
            # The same conversation of two clients.
            moves.append(moves[0])
        kill = number > 2 and chance.random() < self.style.kills
        kill_after = chance.choice((0, 0, 0.01, 0.05))
        self.story.append(f"step {number}" + (f", kill after {kill_after}" if kill else ""))
        for move in moves:
            self.story.append(told(move))
        first = self.case.api.requests[-1].number if self.case.api.requests else 0
        killing = ensureDeferred(self.kill(chance, kill_after)) if kill else None
        asking = gatherResults([ensureDeferred(self.request(move)) for move in moves])
        try:
            answers = await asking.addTimeout(LONGEST, reactor)
        except FirstError as error:
            return f"A request was not answered: {error}; {self.proxy.pool.report()}"
        if killing is not None:
            await killing
        for (answer, _), move in zip(answers, moves, strict=True):
            self.keep(chance, move, answer)
        if chance.random() < self.style.settles:
            resting = when(lambda: at_rest(self.proxy.pool))
            try:
                await resting.addTimeout(LONGEST, reactor)
            except defer.TimeoutError:
                return f"A process did not come to rest: {self.proxy.pool.report()}"
        bodies = [
            request.body
            for request in self.case.api.requests
            if request.number > first and request.path == "/v1/messages"
        ]
        bodies = [body for body in bodies if body and body.get("messages")]
        self.requests += len(moves)
        return self.compare(moves, answers, bodies, lossy=kill)

    # What clients do

    def move(self, chance: random.Random) -> Move:
        style = self.style
        draw = chance.random()
        if self.known and draw < 0.9:
            # Mostly the newest one, as an agent does.
            newest = 1 if draw < 0.5 else 3 if draw < 0.75 else len(self.known)
            asked, said = chance.choice(self.known[-newest:])
        else:
            asked, said = self.fresh(chance), ()
        if chance.random() < style.mutates:
            said = self.mutated(chance, said)
        if chance.random() < 0.05:
            asked = self.fresh(chance)
        said = self.extended(chance, said)
        note: tuple[Said, ...] = ()
        if chance.random() < style.note:
            note = (Said("user", (f"note {chance.randrange(100)}",)),)
        slow = chance.random() < style.leaves
        # The CLI goes on after a limit, unless it is told early enough that it must not.
        cut = said[-1].role == "user" and chance.random() < style.cuts
        if (slow or cut) and said[-1].role == "user":
            said = (*said[:-1], Said("user", (chance.choice(SLOW),)))
        # Where the CLI's own tool makes the answer, the CLI asks again for one that is cut off.
        form = not cut and said[-1].text in PLAIN and chance.random() < style.forms
        stop = "tok3" if not form and chance.random() < style.cuts else None
        asked = attrs.evolve(
            asked,
            said=(*said, *note),
            search=any("SEARCH" in text for text in said[-1].texts) or chance.random() < 0.02,
            form=form,
            effort=chance.choice((None, "low")) if chance.random() < 0.2 else asked.effort,
            max_tokens=chance.randint(4, 12) if cut else None,
            stop=stop,
            stream=slow or chance.random() < 0.5,
        )
        dialect = chance.choice(DIALECTS)
        if asked.effort is None and chance.random() < 0.6:
            # Some keep to one.
            dialect = DIALECTS[len(asked.said[0].text) % 3]
        if dialect.name == "responses":
            asked = attrs.evolve(asked, stop=None)
        leaves = chance.choice((0, 0.005, 0.02, 0.05, 0.1, 0.2)) if slow else None
        return Move(dialect, asked, said, leaves)

    def fresh(self, chance: random.Random) -> Asked:
        if chance.random() < 0.93:
            # The others are rare, because a process serves one profile.
            return self.usual
        model = "opus" if chance.random() < 0.5 else "sonnet"
        return Asked((), chance.choice(SYSTEMS), chance.choice(TOOLS), model)

    def text(self, chance: random.Random) -> str:
        style, draw = self.style, chance.random()
        if draw < style.odd:
            return chance.choice(ODD)
        if draw < style.odd + style.searches:
            return chance.choice(SEARCHING)
        return chance.choice(CALLING if chance.random() < style.calls else PLAIN)

    def extended(self, chance: random.Random, said: tuple[Said, ...]) -> tuple[Said, ...]:
        """A conversation whose newest message the model is to answer."""
        if said and said[-1].role == "assistant":
            said = (*said[:-1], self.spelled(chance, said[-1]))
        if said and said[-1].calls:
            results = [(call.id, self.result(chance)) for call in said[-1].calls]
            chance.shuffle(results)
            said = (*said, Said("results", results=tuple(results)))
            if chance.random() < self.style.words:
                said = (*said, Said("user", (self.text(chance),)))
            return said
        if not said or said[-1].role == "assistant":
            if said and chance.random() < 0.05:
                said = (*said, Said("system", ("Be quick.",)))
            texts = [self.text(chance)]
            if chance.random() < 0.1:
                texts.insert(0, "two parts")
            said = (*said, Said("user", tuple(texts)))
            if chance.random() < 0.03:
                said = (*said, Said("system", ("Be quiet.",)))
        return said

    def result(self, chance: random.Random) -> str:
        return chance.choice(("r1", "r1", "r2", "", "long " * 50))

    def spelled(self, chance: random.Random, answer: Said) -> Said:
        """An answer as the client spells it."""
        if chance.random() < self.style.rewrites:
            answer = attrs.evolve(
                answer, texts=(chance.choice(("rewritten", "other", "")),), raw={}
            )
            if not answer.calls and not answer.text:
                answer = attrs.evolve(answer, texts=("nothing",))
        if answer.calls and chance.random() < self.style.respells:
            calls = [attrs.evolve(call, id=call.id.replace("_", "")) for call in answer.calls]
            answer = attrs.evolve(answer, calls=tuple(calls), raw={})
        return answer

    def mutated(self, chance: random.Random, said: tuple[Said, ...]) -> tuple[Said, ...]:
        if not said:
            return said
        how = chance.choice(("user", "answer", "answer", "truncate", "truncate", "regenerate"))
        at = chance.randrange(len(said))
        if how == "regenerate":
            return said[:-1] if said[-1].role == "assistant" and len(said) > 1 else said
        if how == "truncate":
            return said[: at + 1]
        role = "user" if how == "user" else "assistant"
        places = [index for index, one in enumerate(said) if one.role == role]
        if not places:
            return said
        at = chance.choice(places)
        one = said[at]
        if how == "user":
            changed = attrs.evolve(
                one, texts=(chance.choice(("edited", "ECHO:e", one.text + " ")),)
            )
        else:
            forms = (one.text.strip(), f" {one.text}\n", "replaced", one.text, one.text + "!")
            text = chance.choice(forms)
            changed = attrs.evolve(one, texts=(text,), raw={})
            if not text.strip() and not one.calls:
                changed = attrs.evolve(changed, texts=("was empty",))
        return (*said[:at], changed, *said[at + 1 :])

    # What comes of it

    async def request(self, move: Move) -> tuple[Answer, int]:
        """Send a request; the answer, and the status of the response."""
        body = move.dialect.body(move.asked)
        body |= {"model": move.asked.model, "stream": move.asked.stream}
        endpoint = clientFromString(reactor, "tcp:" + self.proxy.url.removeprefix("http://"))
        connection: Connection = await connectProtocol(
            endpoint, Connection(move.dialect.path, body)
        )
        if move.leaves is not None:
            reactor.callLater(move.leaves, connection.leave)
        await connection.ended
        reuse = connection.header("x-claudeproxy-worker")
        self.reuses[reuse] += 1
        self.story.append(f"  {move.dialect.name} of {len(move.asked.said)}: {reuse}")
        if connection.status == 200 and move.asked.stream:
            return move.dialect.read_stream(connection.events), 200
        if connection.status == 200 and connection.content:
            return move.dialect.read(json.loads(connection.content)), 200
        error = connection.content.decode(errors="replace")
        return Answer(error=error or "no answer"), connection.status

    def keep(self, chance: random.Random, move: Move, answer: Answer) -> None:
        said = move.kept
        if answer.said is not None:
            kept = answer.said
            if answer.finish in ("length", "max_tokens", "incomplete"):
                # The arguments of its calls may be incomplete.
                kept = attrs.evolve(kept, calls=(), raw={})
            elif answer.response and said == move.asked.said and chance.random() < 0.5:
                kept = attrs.evolve(kept, response=(answer.response, (*said, kept)))
            self.known.append((move.asked, (*said, kept)))
        elif answer.partial and chance.random() < 0.5:
            self.known.append((move.asked, (*said, Said("assistant", (answer.partial,)))))
        elif chance.random() < 0.5:
            self.known.append((move.asked, said))

    async def kill(self, chance: random.Random, after: float) -> None:
        await deferLater(reactor, after, lambda: None)
        processes = sorted(self.case.processes())
        if processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(processes), signal.SIGKILL)

    # Whether it is right

    def compare(
        self,
        moves: Sequence[Move],
        answers: Sequence[tuple[Answer, int]],
        bodies: Sequence[Any],
        *,
        lossy: bool,
    ) -> str | None:
        wanted = [signature(move.asked) for move in moves]
        seen = [signature_of(body) for body in bodies]
        for got in seen:
            if got not in wanted and got not in self.late:
                return f"This reached the API:\n{nearest(got, [*wanted, *self.late])}"
        for move, want, (answer, status) in zip(moves, wanted, answers, strict=True):
            if move.leaves is not None or (lossy and answer.said is None):
                self.late = [*self.late[-30:], want]
                continue
            if answer.said is None:
                return f"{told(move)}\nfailed ({status}): {answer.error}"
            planned = [body for got, body in zip(seen, bodies, strict=True) if got == want]
            if not planned:
                return f"{told(move)}\nnever reached the API:\n{nearest(want, seen)}"
            if not move.asked.form and not any(agrees(body, answer.said) for body in planned):
                return f"{told(move)}\ngot the answer of another request:\n{answer.said}"
        return None


def agrees(body: Any, said: Said) -> bool:
    """Whether the stand-in answers a request so."""
    planned = script.plan(body, now=0).outcome
    assert isinstance(planned, Planned)
    texts = [block.whole for block in planned.blocks if block.kind == "text"]
    calls = [block.name for block in planned.blocks if block.kind == "tool_use"]
    told = [call.name for call in said.calls]
    names = [(name or "").removeprefix("mcp__client__") for name in calls]
    return "".join("".join(texts).split()) == "".join(said.text.split()) and (
        names == told or planned.stop_reason == "max_tokens"
    )


def nearest(got: Any, among: Sequence[Any]) -> str:
    """The difference from the most similar one."""
    lines = json.dumps(got, indent=1).splitlines()
    others = [json.dumps(one, indent=1).splitlines() for one in among]
    best = max(
        others, key=lambda one: difflib.SequenceMatcher(None, lines, one).ratio(), default=[]
    )
    return "\n".join(difflib.unified_diff(best, lines, "wanted", "seen", n=4, lineterm=""))


def told(move: Move) -> str:
    asked = move.asked
    limits = attrs.asdict(attrs.evolve(asked, said=()))
    more = {name: value for name, value in limits.items() if value}
    lines = [f"  {move.dialect.name} {more} leaves={move.leaves}"]
    for one in asked.said:
        calls = [(call.id[-6:], call.name, call.arguments) for call in one.calls]
        results = [(call[-6:], text[:12]) for call, text in one.results]
        lines.append(f"    {one.role}: {[t[:60] for t in one.texts]} {calls or ''} {results or ''}")
    return "\n".join(lines)


def log(text: str) -> None:
    with Path(LOG).open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


class WalkCase(RealCLI):
    timeout = 100_000

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        # The walks have proxies of their own.
        await self.proxy.stopService()

    async def walk(self, seed: int, numbers: Sequence[int]) -> tuple[str | None, Walk]:
        chance = random.Random(f"{seed}/settings")
        workers = chance.choice((1, 2, 3, 3, 4))
        proxy = await self.start_proxy(
            workers=workers,
            idle_workers=max(1, workers - chance.randint(0, 1)),
            spares=chance.randint(0, 1),
            worker_turns=chance.choice((8, 1000, 1000)),
            structured_output=chance.choice(("api", "tool")),
            recycling=chance.random() < 0.9,
        )
        walk = Walk(self, proxy, seed)
        wrong = None
        try:
            for number in numbers:
                wrong = await walk.step(number)
                if wrong is not None:
                    return wrong, walk
        finally:
            await proxy.stopService()
        return wrong, walk

    async def shortest(self, seed: int, numbers: list[int], wrong: str, walk: Walk) -> str:
        """The failure after as few steps as possible."""
        until = reactor.seconds() + SHRINKING
        for number in reversed(numbers[:-1]):
            if reactor.seconds() > until:
                break
            fewer = [other for other in numbers if other != number]
            again, other = await self.walk(seed, fewer)
            if again is not None:
                numbers, wrong, walk = fewer, again, other
        only = ",".join(map(str, numbers))
        style = {name: value for name, value in attrs.asdict(walk.style).items() if value}
        return "\n".join([f"WALK_SEEDS={seed} WALK_ONLY={only}", str(style), *walk.story, wrong])


@on_every_cli(globals())
class Walks(WalkCase):
    async def test_the_api_gets_what_clients_say(self) -> None:
        failures = []
        for seed in SEEDS:
            numbers = [int(n) for n in ONLY.split(",")] if ONLY else list(range(STEPS))
            wrong, walk = await self.walk(seed, numbers)
            if wrong is not None:
                done = numbers[: sum(line.startswith("step ") for line in walk.story)]
                failures.append(await self.shortest(seed, done, wrong, walk))
            if LOG:
                how = f"{seed}: {walk.requests} requests, {dict(walk.reuses)}"
                log(how if wrong is None else failures[-1])
        assert not failures, "\n\n".join(failures)
