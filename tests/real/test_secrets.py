"""Nothing of a request, and no key, is anywhere but where it belongs.

Every part of every request has a canary of its own: a random text. All of them are looked for in
what other users of the machine can see, in every file, in the log, and in the answers to others.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Set
from typing import Any

from .harness import on_every_cli, when
from .serving import Served, Server, http, of
from .test_faults import Stream
from .test_forms import IMAGES, data_url


CHAT = "/v1/chat/completions"
# What is in the proxy's environment and none of the CLI's business.
FOREIGN = (
    *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    *("AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY"),
)
# Whose requests are not for the API, and what of the others is not.
REFUSED = ("invalid", "unknown model", "wrong key", "path", "stranger", "malformed")
IGNORED = {f"plain: {name}" for name in ("user", "metadata", "cache key", "query", "header")}
# The CLI logs there, for itself, which tools were called and when; see doc/security.md.
CLI_LOGS = "/mcp-logs-client/"

Found = set[tuple[str, str]]


class Canaries(dict[str, str]):
    """Random texts by what they are for ("whose: what"), made when first asked for."""

    def __missing__(self, what: str) -> str:
        # A length for which base64 has no remainder, so that it is itself within base64.
        self[what] = secrets.token_hex(12)
        return self[what]

    def within(self, data: bytes) -> set[str]:
        """Those that are in there: in base64, or as they are, the end of one being enough."""
        return {
            what
            for what, canary in self.items()
            if canary[-16:].encode() in data or base64.b64encode(canary.encode()) in data
        }


def hidden(raw: bytes, canary: str) -> bytes:
    """Bytes with a canary at their end, where base64 begins anew."""
    return raw + b"\n" * (-len(raw) % 3) + canary.encode()


class Canary(Served):
    """Keys by a file and by the environment, and everything with a canary in it."""

    credentials: dict[str, str] = {}

    async def setUp(self) -> None:  # type: ignore[override]
        self.made = Canaries()
        self.answers: list[tuple[str, Stream]] = []
        await super().setUp()

    async def start_proxy(self, **settings: Any) -> Server:  # type: ignore[override]
        keys = self.home / "keys"
        keys.write_text(f"phone={self.made['key: in a file']}\n")
        environ = {
            "CLAUDEPROXY_KEYS": f"desk={self.made['key: in the environment']}",
            "CLAUDE_CODE_OAUTH_TOKEN": f"sk-ant-oat01-{self.made['key: login']}",
            **{name: f"sk-ant-api03-{self.made[name]}" for name in FOREIGN},
        }
        return await super().start_proxy(
            **{"keys_file": keys, "environ": environ, "workers": 4, **settings}
        )

    # What is asked

    async def start(self, whose: str, body: object, path: str = CHAT, **headers: str) -> Stream:
        """A client with a right key, unless its headers say something else."""
        told = {"authorization": f"Bearer {self.made['key: in a file']}", **headers}
        client = await self.begin(http("GET" if body is None else "POST", path, body, **told))
        self.answers.append((whose, client))
        return client

    async def status(self, whose: str, body: object, path: str = CHAT, **headers: str) -> int:
        client = await self.start(whose, body, path, **headers)
        await when(lambda: client.gone)
        return client.status

    def asked(self, whose: str, words: str = "", **more: Any) -> dict[str, Any]:
        """A body with canaries in its system prompt and its text."""
        system, text = self.made[f"{whose}: system"], self.made[f"{whose}: text"]
        messages = [
            {"role": "system", "content": system},
            {"role": "user", "content": f"{text} {words}"},
        ]
        return {"model": "sonnet", "messages": messages, **more}

    def calling(self, whose: str) -> dict[str, Any]:
        """A body that has the model call a tool."""
        name, parameter, about, meant, argument = (
            f"c{self.made[f'{whose}: {what}']}"
            for what in ("tool", "parameter", "description", "meaning", "argument")
        )
        properties = {parameter: {"type": "string", "description": meant}}
        function = {
            "name": name,
            "description": about,
            "parameters": {"type": "object", "properties": properties},
        }
        words = f"QUIET CALL:{name}:{json.dumps({parameter: argument})}"
        return self.asked(whose, words, tools=[{"type": "function", "function": function}])

    async def ask_everything(self) -> None:
        made = self.made
        assert await self.status("plain", self.plain(), f"{CHAT}?q={made['plain: query']}",
                                 x_mine=made["plain: header"]) == 200  # fmt: skip
        other_key = {"authorization": "", "x_api_key": made["key: in the environment"]}
        echo = self.asked("streamed", f"ECHO:{made['streamed: echo']}", stream=True)
        assert await self.status("streamed", echo, **other_key) == 200
        await self.call_and_answer()
        property_ = {"type": "string", "description": made["structured: description"]}
        schema = {"type": "object", "properties": {made["structured: property"]: property_}}
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        assert (
            await self.status("structured", self.asked("structured", response_format=form)) == 200
        )
        for whose, words in (("broken", "SSEERR:2"), ("dropped", "DROP:2")):
            assert await self.status(whose, self.asked(whose, words, stream=True)) == 200
        assert await self.status("refused", self.asked("refused", "ERR:400")) == 400
        await self.be_refused()

    def plain(self) -> dict[str, Any]:
        made = self.made
        image = data_url(hidden(IMAGES["png"], made["plain: image"]), "image/png")
        file = data_url(hidden(b"# text", made["plain: file"]), "text/plain")
        name = f"{made['plain: file name']}.md"
        body = self.asked(
            "plain",
            stop=[made["plain: stop"]],
            user=made["plain: user"],
            metadata={"about": made["plain: metadata"]},
            prompt_cache_key=made["plain: cache key"],
        )
        body["messages"][1]["content"] = [
            {"type": "image_url", "image_url": {"url": image}},
            {"type": "file", "file": {"filename": name, "file_data": file}},
            {"type": "text", "text": body["messages"][1]["content"]},
        ]
        return body

    async def call_and_answer(self) -> None:
        body = self.calling("tools")
        assert await self.status("tools", body) == 200
        told = json.loads(self.answers[-1][1].received.partition(b"\r\n\r\n")[2])
        message = told["choices"][0]["message"]
        result = {
            "role": "tool",
            "tool_call_id": message["tool_calls"][0]["id"],
            "content": self.made["tools: result"],
        }
        body["messages"] += [message, result]
        assert await self.status("tools", body) == 200

    async def be_refused(self) -> None:
        """Each of these has its canary where it does not belong."""
        made = self.made
        hi = {"model": "sonnet", "messages": [{"role": "user", "content": "hi"}]}
        value = made["invalid: value"]
        for wrong in ({"temperature": value}, {"messages": [{"role": value, "content": "hi"}]}):
            assert await self.status("invalid", {**hi, **wrong}) == 400
        name = made["unknown model: name"]
        assert await self.status("unknown model", {**hi, "model": name}) == 404
        for path in (f"/v1/models/{name}", f"/models/x/{name}"):
            assert await self.status("unknown model", None, path) == 404
        key = made["wrong key: key"]
        for headers in (
            {"authorization": f"Bearer {key}"},
            {"authorization": "", "x_api_key": key},
            {"authorization": f"Basic {key}"},
        ):
            assert await self.status("wrong key", hi, **headers) == 401
        name, query = made["path: name"], made["path: query"]
        assert await self.status("path", None, f"/{name}-path?query={query}") == 404
        name = made["path: model"]
        assert await self.status("path", hi, f"/v1/models/{name}?query={query}") == 405
        name = made["stranger: name"]
        assert await self.status("stranger", hi, host=name) == 403
        assert await self.status("stranger", hi, origin=f"https://{name}") == 403
        name = made["malformed: name"]
        assert await self.status("malformed", hi, content_type=name) == 415
        assert await self.status("malformed", hi, content_length=name) == 400

    # What is looked at

    def of_the_processes(self) -> Found:
        """(where, which canary) of command lines and environments."""
        mine = of(self.server.popen.pid, "cmdline")
        found: Found = set()
        for pid in self.server.tree():
            # A child that has yet to become the CLI is still the proxy.
            who = "proxy" if of(pid, "cmdline") in (mine, b"") else "CLI"
            for what in ("cmdline", "environ"):
                found |= {(f"{who}'s {what}", one) for one in self.made.within(of(pid, what))}
        return found

    def of_the_files(self) -> Found:
        """(where, which canary) of all that is in HOME, with TMPDIR and the log in it."""
        found: Found = set()
        for path in self.home.rglob("*"):
            name = str(path.relative_to(self.home))
            content = b""
            # It may be gone by now.
            if path.is_symlink() or path.is_file():
                content = os.readlink(path).encode() if path.is_symlink() else _content(path)
            found |= {(name, one) for one in self.made.within(name.encode() + content)}
        return {
            (name, what)
            for name, what in found
            if not (CLI_LOGS in name and what.endswith(": tool"))
            # The log tells of a path that is not served, without its query.
            if not (name == self.server.log.name and what == "path: name")
        }

    def of_the_answers(self) -> Found:
        """(whose answer, which canary of somebody else's)."""
        return {
            (whose, one)
            for whose, client in self.answers
            for one in self.made.within(client.received)
            if not one.startswith(f"{whose}: ")
        }

    def reached(self) -> Set[str]:
        """What came to the API."""
        seen = b"".join(one.raw + str(one.headers).encode() for one in self.api.requests)
        return self.made.within(seen)


def _content(path: Any) -> bytes:
    try:
        content: bytes = path.read_bytes()
    except OSError:
        return b""
    return content


ONLY_THE_KEYS_FILE = {("keys", "key: in a file")}
IN_THE_ENVIRONMENT = {
    ("proxy's environ", "key: in the environment"),
    ("proxy's environ", "key: login"),
    *(("proxy's environ", name) for name in FOREIGN),
    ("CLI's environ", "key: login"),
}


@on_every_cli(globals())
class Secrets(Canary):
    async def test_they_are_nowhere_but_where_they_belong(self) -> None:
        await self.ask_everything()
        parked = await self.status("parked", self.calling("parked"))
        assert parked == 200
        endless = {
            whose: await self.start(whose, self.asked(whose, "LONG:9 STALL:5", stream=True))
            for whose in ("held", "leaving")
        }
        await when(lambda: all(b"tok1" in client.received for client in endless.values()))

        # In the middle of it: two streams run, and a process waits for the results of a call.
        assert len(self.server.clis()) >= 3
        assert self.of_the_processes() == IN_THE_ENVIRONMENT
        assert self.of_the_files() == ONLY_THE_KEYS_FILE
        for path in ("/metrics", "/health", "/v1/models", "/openapi.json"):
            assert await self.status("anybody", None, path) == 200

        endless["leaving"].abort()
        left = self.api.requests[-1]
        if self.made["leaving: text"].encode() not in left.raw:
            left = self.api.requests[-2]
        await left.ended()
        assert self.of_the_processes() == IN_THE_ENVIRONMENT

        await self.server.stop()
        assert endless["held"].error
        assert self.of_the_answers() == set()
        assert self.of_the_files() == ONLY_THE_KEYS_FILE
        assert list((self.home / "tmp").iterdir()) == []
        # So it was all really sent.
        meant = {name for name in self.made if not name.startswith((*REFUSED, "key: ", *FOREIGN))}
        assert self.reached() == meant - IGNORED | {"key: login"}
        # And the log was written.
        assert "(none) 404" in self.server.said
        assert f"path=/{self.made['path: name']}-path\n" in self.server.said
        for name in ("phone", "desk", "unknown"):
            assert f" key={name} " in self.server.said


class Environment(Canary):
    async def test_a_variable_reaches_the_cli_if_it_is_named(self) -> None:
        names = "ANTHROPIC_BASE_URL,ANTHROPIC_API_KEY"
        await self.start_proxy(pass_environment=names, aliases="mine=sonnet")
        assert await self.status("plain", self.asked("plain")) == 200
        assert self.of_the_processes() == {
            *IN_THE_ENVIRONMENT,
            ("CLI's environ", "ANTHROPIC_API_KEY"),
        }
        assert self.of_the_files() == ONLY_THE_KEYS_FILE
        await self.server.stop()
        assert self.of_the_files() == ONLY_THE_KEYS_FILE
        assert "ANTHROPIC_API_KEY" in self.reached()
