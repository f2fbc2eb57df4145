"""The clients of soak.py: each asks one thing after the other, and notes what came."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import attrs
from soak_dialects import Answer, Chat, Completions, Messages, Responses
from soak_texts import conversation, png
from soak_verdict import TAG, Record


TALKING = (Chat(), Responses(), Messages())
MODELS = ("sonnet", "sonnet", "sonnet", "haiku", "opus")
# Clients with the same one may get the same process. The last one is only for itself.
SYSTEMS = ("", "You are brief.", "You are friendly.", "You are {tag}.")
# Longer than the proxy's own limits.
TIMEOUT = 120.0


@attrs.define(eq=False)
class Client:
    """One client. go: cleared while nobody may ask. stop: set at the end."""

    number: int
    seed: int
    port: int
    pause: float
    go: threading.Event
    stop: threading.Event
    records: list[Record]
    idle: threading.Event = attrs.field(factory=threading.Event)
    thread: threading.Thread | None = None
    rng: random.Random = attrs.field(init=False)
    _count: int = 0
    _tags: set[str] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.rng = random.Random(f"{self.seed} {self.number}")

    def start(self) -> None:
        self.thread = threading.Thread(target=self._run, name=f"client {self.number}")
        self.thread.start()

    def _run(self) -> None:
        weighted: dict[Callable[[], None], int] = {
            self.one_shot: 5,
            self.talk: 5,
            self.chain: 2,
            self.tools: 4,
            self.search: 3,
            self.structured: 2,
            self.image: 1,
            self.long: 1,
            self.vanish: 2,
            self.error: 2,
            self.look: 1,
            self.watch: 1,
        }
        while not self.stop.is_set():
            (do,) = self.rng.choices(list(weighted), list(weighted.values()))
            self._tags = set()
            do()
            self.between()
        self.idle.set()

    def between(self) -> None:
        """Wait as a user does, and while nobody may ask."""
        self.stop.wait(self.rng.expovariate(1 / self.pause))
        while not self.go.is_set() and not self.stop.is_set():
            self.idle.set()
            self.go.wait(1)
        self.idle.clear()

    def tag(self) -> str:
        self._count += 1
        tag = f"soak-{self.number}-{self._count}-{self.rng.getrandbits(32):08x}"
        self._tags.add(tag)
        return tag

    def system(self) -> str:
        chosen = self.rng.choice(SYSTEMS)
        return chosen.format(tag=self.tag()) if "{" in chosen else chosen

    def text(self, words: int = 0) -> str:
        """A text that nobody else has."""
        rest = " ".join(f"w{self.rng.getrandbits(16)}" for _ in range(words))
        return f"{self.tag()} {rest}".strip()

    # What a client does

    def one_shot(self) -> None:
        dialect = self.rng.choice((*TALKING, Completions()))
        text = self.text(self.rng.randrange(30))
        extra = {}
        if not isinstance(dialect, Completions) and self.rng.random() < 0.3:
            extra = self.rng.choice(({"temperature": 0.5}, {"top_p": 0.9}))
        body = dialect.body(self.system(), [{"role": "user", "content": f"ECHO:{text}"}])
        self.ask(dialect, {**body, **extra}, text)

    def talk(self) -> None:
        """A conversation; its client asks again for an answer, or goes back and asks another."""
        dialect: Any = self.rng.choice(TALKING)
        system, model = self.system(), self.rng.choice(MODELS)
        said: list[Any] = []
        for _ in range(self.rng.randrange(2, 6)):
            text = self.text(self.rng.randrange(12))
            said.append({"role": "user", "content": f"ECHO:{text}"})
            for _ in range(self.rng.choice((1, 1, 1, 2))):
                answer = self.ask(dialect, {**dialect.body(system, said), "model": model}, text)
                self.between()
            if not answer.whole:
                return
            said += dialect.said(answer)
            if len(said) > 2 and self.rng.random() < 0.25:
                del said[2 * self.rng.randrange(len(said) // 2) :]
        said.append({"role": "user", "content": "SEEN"})
        if self.rng.random() < 0.3:
            self.json("POST", "/v1/messages/count_tokens", Messages().body("", said), "count")
        texts = [[turn["role"], self.plain(turn)] for turn in said]
        body = {**dialect.body(system, said), "model": model}
        self.ask(dialect, body, json.dumps(texts), seen=True)

    @staticmethod
    def plain(turn: Any) -> str:
        content = turn["content"]
        return content if isinstance(content, str) else "".join(part["text"] for part in content)

    def chain(self) -> None:
        """Responses, each of which names the one before."""
        before: dict[str, Any] = {}
        began = time.monotonic()
        for _ in range(self.rng.randrange(2, 5)):
            text = self.text()
            body = Responses().body("", [{"role": "user", "content": f"ECHO:{text}"}])
            # The server forgets them when it restarts, or clients have asked for many others.
            answer = self.ask(Responses(), {**body, **before}, text, since=began)
            if not answer.whole:
                return
            before = {"previous_response_id": answer.id}
            self.between()

    def tools(self) -> None:
        """An agent: some rounds of calls and results, then an answer; sometimes it stops asking."""
        dialect: Any = self.rng.choice(TALKING)
        more = {**dialect.tools(), "model": self.rng.choice(MODELS)}
        system, rounds = self.system(), self.rng.randrange(1, 3)
        calls = [[self.tag() for _ in range(self.rng.choice((1, 1, 2)))] for _ in range(rounds)]
        last = self.text()
        words = [
            " ".join(["QUIET", *(f'CALL:look:{{"tag":"{tag}"}}' for tag in tags)]) for tags in calls
        ]
        prompt = " THEN ".join([*words, f"ECHO:{last}"])
        said: list[Any] = [{"role": "user", "content": prompt}]
        for tags in calls:
            expected = json.dumps([["look", {"tag": tag}] for tag in tags])
            answer = self.ask(dialect, {**dialect.body(system, said), **more}, expected, calls=True)
            if not answer.whole or self.rng.random() < 0.1:
                return
            said += dialect.said(answer) + dialect.results(answer, [self.text() for _ in tags])
            self.between()
        self.ask(dialect, {**dialect.body(system, said), **more}, last)

    def search(self) -> None:
        """A web search, and a second one in the same conversation."""
        dialect: Any = self.rng.choice(TALKING)
        system, more = self.system(), dialect.search()
        said: list[Any] = []
        for _ in range(self.rng.randrange(1, 3)):
            query, text = self.tag(), self.text()
            words = f"QUIET SEARCH:{query} ECHO:{text}"
            said.append({"role": "user", "content": words})
            expected = json.dumps([text, [f"Guide: {query}", f"News: {query}"]])
            body = {**dialect.body(system, said), **more}
            answer = self.ask(dialect, body, expected, searched=True)
            if not answer.whole:
                return
            said += dialect.said(answer)
            self.between()

    def structured(self) -> None:
        dialect: Any = self.rng.choice(TALKING)
        text = json.dumps({"tag": self.tag()})
        body = dialect.body(self.system(), [{"role": "user", "content": f"ECHO:{text}"}])
        self.ask(dialect, {**body, **dialect.form()}, text, form=True)

    def image(self) -> None:
        dialect: Any = self.rng.choice(TALKING)
        text = self.text()
        message = dialect.image(f"ECHO:{text}", png(self.rng))
        self.ask(dialect, dialect.body(self.system(), [message]), text)

    def long(self) -> None:
        """A long answer, read slowly."""
        dialect: Any = self.rng.choice(TALKING)
        text = self.text(3000)
        body = dialect.body("", [{"role": "user", "content": f"ECHO:{text}"}])
        self.ask(dialect, body, text, streamed=True, slow=True)

    def vanish(self) -> None:
        """Ask, and go away: before all is sent, before an answer, or in the middle of it."""
        dialect: Any = self.rng.choice(TALKING)
        text = self.text(200)
        words = self.rng.choice(("", "WAIT:2 ", "SLOW:0.05 "))
        body = dialect.body(self.system(), [{"role": "user", "content": f"{words}ECHO:{text}"}])
        self.ask(dialect, body, text, leave=self.rng.choice((-1, 0, 1, 5, 30)))

    def error(self) -> None:
        """Something goes wrong at the API."""
        dialect: Any = self.rng.choice(TALKING)
        words, wanted = self.rng.choice(
            (
                ("ERR:400", {400}),
                ("ERR:529", {503, 529, 502}),
                ("ERR:429", {429}),
                ("ERR:500", {500, 502}),
                ("LIMIT:60", {429}),
                ("HTML", {502}),
                ("ERRONCE:500", set()),
                ("WARNING", set()),
                ("DROP:3", {0, 502}),
                ("SSEERR:3", {0, 502, 503, 529, 500}),
            )
        )
        text = self.text(8)
        body = dialect.body(self.system(), [{"role": "user", "content": f"{words} ECHO:{text}"}])
        self.ask(dialect, body, text, wanted=frozenset(wanted))

    def look(self) -> None:
        """What clients look at besides."""
        self.json("GET", "/v1/models", None, "models")
        self.json("GET", "/health", None, "health")
        self.json("GET", "/v1/usage", None, "usage")

    def watch(self) -> None:
        """The status page, for some seconds."""
        began, status, error = time.monotonic(), 0, ""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            connection.request("GET", "/", headers={"Accept": "text/html"})
            page = connection.getresponse().read()
            connection.request("GET", "/status/events", headers={"Accept": "text/event-stream"})
            response = connection.getresponse()
            status, first = response.status, response.readline()
            if not (page.startswith(b"<!doctype html>") and first):
                error = f"{page[:60]!r}, {first!r}"
            self.stop.wait(self.rng.uniform(0, 5))
        except (OSError, http.client.HTTPException) as problem:
            status, error = 0, repr(problem)
        finally:
            connection.close()
        whole = status == 200 and not error
        times = began, time.monotonic()
        self.note(Record("status page", *times, self.tags, "", "", status, whole, error))

    # How it is asked

    def json(self, method: str, path: str, body: Any, kind: str) -> None:
        """A request that has no text for an answer; any object will do."""
        began, got, status = time.monotonic(), "", 0
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            data = None if body is None else json.dumps({"model": "sonnet", **body})
            connection.request(method, path, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            status, content = response.status, response.read()
            told = json.loads(content)
            good = status == 200 and (kind != "count" or told["input_tokens"] > 0)
            got = "" if good else content.decode()[:300]
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            status, got = 0, repr(error)
        whole = status == 200 and not got
        self.note(Record(kind, began, time.monotonic(), self.tags, "", "", status, whole, got))

    @property
    def tags(self) -> frozenset[str]:
        return frozenset(self._tags)

    def note(self, record: Record) -> None:
        self.records.append(record)

    def ask(
        self,
        dialect: Any,
        body: dict[str, Any],
        expected: str,
        *,
        streamed: bool | None = None,
        calls: bool = False,
        form: bool = False,
        seen: bool = False,
        searched: bool = False,
        slow: bool = False,
        leave: int | None = None,
        wanted: frozenset[int] = frozenset(),
        since: float | None = None,
    ) -> Answer:
        """Ask, and note what came.

        calls, form, seen, searched: what is compared is the calls, the JSON, the conversation that
        reached the API, or the text with what it cites. leave: go away after so many events; -1 for
        before the request is complete. since: what is asked needs what the server knew then.
        """
        if streamed is None:
            streamed = self.rng.random() < 0.6
        content = json.dumps({"model": "sonnet", **body, "stream": streamed}).encode()
        began, status, answer = time.monotonic(), 0, Answer()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            connection.connect()
            if slow:
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.putrequest("POST", dialect.path)
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(content)))
            connection.endheaders()
            if leave == -1:
                connection.send(content[: len(content) // 2])
                return answer
            connection.send(content)
            if leave == 0:
                time.sleep(self.rng.random())
                return answer
            response = connection.getresponse()
            status = response.status
            if status != 200:
                answer.error = response.read().decode()[:500]
            elif streamed:
                self._stream(response, dialect, answer, leave=leave, slow=slow)
            else:
                dialect.read(json.loads(response.read()), answer)
        except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
            answer.error, answer.whole = f"{answer.error} {error!r}".strip(), False
        finally:
            connection.close()
            got = answer.text
            special = {"calls": calls, "form": form, "seen": seen, "searched": searched}
            if answer.whole:
                got = self._compared(answer, **special)
            elif calls or form or seen or searched:
                answer.error, got = f"{answer.error} {got[:500]}", ""
            name = f"{dialect.name}, {'streamed' if streamed else 'whole'}"
            special["slow"] = slow
            kind = ", ".join([name, *(each for each, is_so in special.items() if is_so)])
            times = (began if since is None else since), time.monotonic()
            told = got, status, answer.whole, answer.error
            left = leave is not None
            self.note(Record(kind, *times, self.tags, expected, *told, wanted, left))
        return answer

    def _compared(
        self, answer: Answer, *, calls: bool, form: bool, seen: bool, searched: bool
    ) -> str:
        if seen and set(TAG.findall(answer.text)) - self._tags:
            # All that reached the API counts, the system prompt too.
            return answer.text
        try:
            if calls:
                return answer.called() if not answer.text else answer.text
            if form:
                return json.dumps(json.loads(answer.text))
            if searched:
                return json.dumps([answer.text, answer.titles])
            if seen:
                return json.dumps(conversation(json.loads(answer.text)))
        except (ValueError, LookupError) as error:
            return f"{error!r}: {answer.text}"
        return answer.text

    def _stream(
        self, response: Any, dialect: Any, answer: Answer, *, leave: int | None, slow: bool
    ) -> None:
        count = 0
        for line in response:
            if not line.startswith(b"data: "):
                continue
            count += 1
            if count == leave:
                return
            if slow and count % 500 == 0:
                time.sleep(1.0)
            data = line[6:].strip()
            event = "[DONE]" if data == b"[DONE]" else json.loads(data)
            if isinstance(event, dict) and "error" in event and "type" not in event:
                answer.error = str(event["error"])
            else:
                dialect.event(event, answer)
