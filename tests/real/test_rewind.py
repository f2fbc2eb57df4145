"""Processes that are taken back, on the real CLI: what is sent, and what reaches the API."""

from __future__ import annotations

import json
import random
from functools import partial
from typing import Any

from twisted.internet.defer import ensureDeferred, gatherResults

from .harness import RealCLI, as_messages, at_rest, conversation, older, on_every_cli, when
from .test_tools import TOOLS, ToolCase, blocks_of, result, sent_back


SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


class RewindCase(RealCLI):
    system = "You are brief."

    async def rung(self, *texts: str, **more: Any) -> tuple[str, str]:
        """How the worker was obtained, and the answer's text."""
        answer, headers = await self.told(
            {"role": "system", "content": self.system}, *as_messages(texts), **more
        )
        await when(lambda: at_rest(self.proxy.pool))
        return headers["x-claudeproxy-worker"], answer.choices[0].message.content

    async def chat(self, *questions: str) -> list[str]:
        """A conversation with these questions, and the answers to them."""
        said: list[str] = []
        for question in questions:
            said.append(question)
            said.append((await self.rung(*said))[1])
        return said

    def spoken(self) -> list[str]:
        """The texts of the newest request that reached the API."""
        return [text for _, text in conversation(self.seen())]

    def comparable(self) -> dict[str, Any]:
        """The newest request that reached the API, without what differs from process to process."""
        return {name: value for name, value in self.seen().items() if name != "metadata"}

    def without_dates(self) -> list[Any]:
        """The messages, without the CLI's note of the date."""
        return [message for message in self.seen()["messages"] if message["role"] != "system"]


class Rewinds(RewindCase):
    async def test_a_recycled_one_shot_sends_what_a_fresh_process_sends(self) -> None:
        bodies = []
        for number in range(4):
            reuse, _ = await self.rung("ECHO:same")
            assert reuse == ("spawned" if number == 0 else "recycled")
            bodies.append(self.comparable())
            await self.rung(f"ECHO:other {number}")
        assert bodies == [bodies[0]] * 4

    async def test_only_what_differs_is_sent(self) -> None:
        said = await self.chat("ECHO:one", "ECHO:two", "ECHO:three")
        before = self.processes()
        for texts in (
            # Regenerated, edited, gone on with another answer, branched off, and begun again.
            said[:5],
            [*said[:4], "ECHO:edited"],
            [*said[:3], "another answer", "ECHO:more"],
            [*said[:2], "ECHO:branch"],
            said[:1],
        ):
            reuse, answer = await self.rung(*texts)
            assert reuse == ("rewound" if len(texts) > 1 else "recycled")
            assert answer == texts[-1].removeprefix("ECHO:")
            assert self.spoken() == texts
        assert self.processes() == before

    async def test_a_rewound_process_sends_what_a_fresh_one_sends(self) -> None:
        said = await self.chat("ECHO:one", "ECHO:two")
        await self.rung(*said, "ECHO:three")
        await self.rung(*said, "ECHO:branch")
        rewound = self.comparable()
        other = await self.start_proxy()
        for number in (1, 3, 5):
            texts = [*said, "ECHO:branch"][:number]
            await self.with_openai(partial(self.send, texts), url=other.url)
        assert self.comparable() == rewound

    def send(self, texts: list[str], client: Any) -> Any:
        messages = [{"role": "system", "content": self.system}, *as_messages(tuple(texts))]
        return client.chat.completions.create(model="sonnet", messages=messages)

    async def test_what_marks_a_place_stays_in_the_proxy(self) -> None:
        said = await self.chat("ECHO:one", "ECHO:two")
        _, headers = await self.told(*as_messages((*said[:2], "ECHO:branch")))
        for request in self.api.requests:
            assert b"-0000-4000-8000-000000000000" not in request.raw
        assert "-0000-4000-8000-" not in str(headers)

    async def test_another_model_leaves_no_note(self) -> None:
        said = await self.chat("ECHO:one", "ECHO:two")
        for model in ("opus", "sonnet", "opus"):
            # In its own conversation, and in one with a history after it.
            reuse, answer = await self.rung(*said, "ECHO:three", model=model)
            assert answer == "three"
            assert reuse == "recycled"
            assert self.spoken() == [*said, "ECHO:three"]
            assert b"<command-name>" not in self.api.requests[-1].raw
            notes = str([m for m in self.seen()["messages"] if m["role"] == "system"])
            assert f"model ID is claude-{model}" in notes
            other = "sonnet" if model == "opus" else "opus"
            assert f"claude-{other}" not in notes
            await self.rung("ECHO:shot", model=model)
            await self.rung("q", "a", "ECHO:x", model=other)
            assert b"<command-name>" not in self.api.requests[-1].raw

    async def test_a_cancelled_turn_spoils_nothing(self) -> None:
        said = await self.chat("ECHO:one", "ECHO:two")
        asked = [{"role": "system", "content": self.system}, *as_messages((*said, "SLOW:1 x y z"))]

        def leave(client: Any) -> None:
            stream = client.chat.completions.create(model="sonnet", messages=asked, stream=True)
            next(iter(stream))
            stream.close()

        await self.with_openai(leave)
        await when(lambda: at_rest(self.proxy.pool))
        reuse, _ = await self.rung(*said, "ECHO:three")
        assert reuse == "rewound"
        assert self.spoken() == [*said, "ECHO:three"]

    async def test_a_failed_or_refused_turn_spoils_nothing(self) -> None:
        said = await self.chat("ECHO:one", "ECHO:two")
        asked = ({"role": "system", "content": self.system}, *as_messages((*said, "ERR:500")))
        before = self.processes()
        error = await self.error_of(*asked)
        assert error.status_code == 502
        await when(lambda: at_rest(self.proxy.pool))
        assert (await self.rung(*said, "STOP:refusal no"))[0] == "rewound"
        assert (await self.rung(*said, "ECHO:three"))[0] == "rewound"
        assert self.spoken() == [*said, "ECHO:three"]
        assert self.processes() == before

    async def test_an_answer_that_reached_its_limit_keeps_its_process(self) -> None:
        said = await self.chat("ECHO:one", "ECHO:two")
        before = self.processes()
        reuse, cut = await self.rung(*said, "LONG:50 SLOW:0.03", max_tokens=5)
        assert reuse == "continued"
        requests = len([r for r in self.api.requests if r.body.get("messages")])
        assert requests == 3
        reuse, answer = await self.rung(*said, "LONG:50 SLOW:0.03", cut, "ECHO:go on")
        assert (reuse, answer) == ("rewound", "go on")
        assert self.spoken() == [*said, "LONG:50 SLOW:0.03", cut, "ECHO:go on"]
        assert self.processes() == before

    async def test_a_structured_answer_is_an_answer_like_any_other(self) -> None:
        _, told = await self.rung("how many?", response_format=FORM)
        before = self.processes()
        reuse, more = await self.rung("how many?", told, "and now?", response_format=FORM)
        assert reuse == "continued"
        reuse, _ = await self.rung("how many?", told, "and now?", more, "at last?")
        assert reuse == "continued"
        assert self.spoken() == ["how many?", told, "and now?", more, "at last?"]
        assert self.processes() == before


class Agents(ToolCase):
    """Agents that say something beside the results of their tools."""

    async def rounds(self, count: int, **more: Any) -> tuple[list[Any], list[str]]:
        """An agent's conversation of some rounds, and how each found its process."""
        said: list[Any] = [{"role": "user", "content": "CALL:get_time THEN CALL:get_time"}]
        reuses = []
        for number in range(count):
            answer, headers = await self.told(*said, tools=TOOLS, **more)
            reuses.append(headers["x-claudeproxy-worker"])
            calls = answer.choices[0].message.tool_calls
            said.append(sent_back(answer))
            said += [result(call, f"result {number}") for call in calls]
            said.append({"role": "user", "content": f"CALL:get_time words {number}"})
            # The client runs its tools.
            await when(lambda: at_rest(self.proxy.pool))
        return said, reuses

    async def test_each_round_with_words_costs_the_same(self) -> None:
        before = len(self.processes())
        _, reuses = await self.rounds(6)
        assert reuses == ["spawned", "rewound", *["continued"] * 4]
        sent = self.seen()["messages"]
        users = [message for message in sent if message["role"] == "user"]
        assert len(users) == 6
        for number, message in enumerate(users[1:]):
            kinds = [block["type"] for block in message["content"]]
            assert kinds == ["tool_result", "text"]
            assert message["content"][1]["text"] == f"CALL:get_time words {number}"
        assert len(self.processes()) == before + 1

    async def test_an_agent_that_changes_its_own_answers_keeps_its_process(self) -> None:
        said: list[Any] = [{"role": "user", "content": "CALL:get_time AGAIN:5"}]
        before = len(self.processes())
        reuses = []
        for number in range(5):
            answer, headers = await self.told(*said, tools=TOOLS)
            reuses.append(headers["x-claudeproxy-worker"])
            said.append({**sent_back(answer), "content": f"rewritten {number}"})
            said += [result(call, "x") for call in answer.choices[0].message.tool_calls]
            await when(lambda: at_rest(self.proxy.pool))
        assert reuses == ["spawned", "rewound", *["continued"] * 3]
        texts = [text for role, text in conversation(self.seen()) if role == "assistant"]
        assert texts == [f"rewritten {number}" for number in range(4)]
        assert len(self.processes()) == before + 1

    async def test_an_agent_that_keeps_its_answers_is_not_taken_for_one_that_changes_them(
        self,
    ) -> None:
        for changes in (True, False):
            said: list[Any] = [{"role": "user", "content": f"CALL:get_time AGAIN:3 {changes}"}]
            for number in range(3):
                answer, _ = await self.told(*said, tools=TOOLS)
                text = f"rewritten {number}" if changes else answer.choices[0].message.content
                said.append({**sent_back(answer), "content": text})
                calls = answer.choices[0].message.tool_calls
                said += [result(call, f"result {number}") for call in calls]
                await when(lambda: at_rest(self.proxy.pool))
                told = [block["content"] for block in blocks_of(self.seen(), "tool_result")]
                texts = [f"result {earlier}" for earlier in range(number)]
                assert told == [[{"type": "text", "text": text}] for text in texts]

    async def test_earlier_results_stay_with_their_calls_if_ids_are_spelled_otherwise(
        self,
    ) -> None:
        said: list[Any] = [{"role": "user", "content": "CALL:get_time AGAIN:4"}]
        reuses = []
        for number in range(4):
            if number == 2:
                # Another conversation has words beside its results, so that is expected then.
                other, [call] = await self.call("CALL:get_time")
                words = {"role": "user", "content": "ECHO:words"}
                await self.told(*other, result(call, "x"), words, tools=TOOLS)
            answer, headers = await self.told(*said, tools=TOOLS)
            reuses.append(headers["x-claudeproxy-worker"])
            message = sent_back(answer)
            [call] = message["tool_calls"]
            call["id"] = call["id"].replace("_", "")
            content = f"result {number}"
            said += [message, {"role": "tool", "tool_call_id": call["id"], "content": content}]
            await when(lambda: at_rest(self.proxy.pool))
        assert sorted(reuses[1:]) == ["continued", "resumed", "resumed"]
        told = [block["content"] for block in blocks_of(self.seen(), "tool_result")]
        assert told == [[{"type": "text", "text": f"result {number}"}] for number in range(3)]

    async def test_a_process_that_is_made_ready_keeps_its_thinking(self) -> None:
        said: list[Any] = [{"role": "user", "content": "CALL:get_time"}]
        for number in range(3):
            answer, headers = await self.told(*said, tools=TOOLS, reasoning_effort="high")
            calls = answer.choices[0].message.tool_calls
            said += [sent_back(answer), *(result(call, "x") for call in calls)]
            said.append({"role": "user", "content": f"CALL:get_time THINK:thought_{number}"})
            await when(lambda: at_rest(self.proxy.pool))
        assert headers["x-claudeproxy-worker"] == "continued"
        # The second round's question made the model think, and was the first to be expected.
        thoughts = [block["thinking"] for block in blocks_of(self.seen(), "thinking")]
        assert thoughts == ["thought 0"]

    async def test_other_limits_go_on_in_the_same_turn(self) -> None:
        more = {"max_tokens": 100, "reasoning_effort": "medium"}
        said, calls = await self.call("CALL:get_time AGAIN:3", **more)
        for tokens, effort in ((90, "low"), (80, "high"), (80, "high")):
            said.append(result(calls[0], "x"))
            answer, headers = await self.told(
                *said, tools=TOOLS, max_tokens=tokens, reasoning_effort=effort
            )
            assert headers["x-claudeproxy-worker"] == "resumed"
            assert self.seen()["max_tokens"] == tokens
            assert self.seen()["output_config"]["effort"] == effort
            said.append(sent_back(answer))
            calls = answer.choices[0].message.tool_calls

    async def test_a_turn_that_is_taken_back_leaves_no_trace(self) -> None:
        said, calls = await self.call("CALL:get_time")
        await self.told(
            *said, result(calls[0], "12:00"), {"role": "user", "content": "ECHO:x"}, tools=TOOLS
        )
        assert b"nterrupted" not in self.api.requests[-1].raw
        assert [m["role"] for m in self.seen()["messages"] if m["role"] != "system"] == [
            "user",
            "assistant",
            "user",
        ]


@on_every_cli(globals())
class Anything(RewindCase):
    async def test_whatever_clients_do_the_api_gets_their_conversations(self) -> None:
        chance = random.Random(7)
        told: list[list[str]] = []

        async def client(number: int) -> None:
            for turn in range(6):
                said = list(chance.choice(told)) if told and chance.random() < 0.8 else []
                if said and chance.random() < 0.3:
                    said = said[: 2 * chance.randrange(len(said) // 2 + 1)]
                if said and chance.random() < 0.3:
                    said[-1] = f"rewritten {number}"
                if said and chance.random() < 0.2:
                    said[0] = f"ECHO:edited {number}"
                mine = f"ECHO:{number} {turn}"
                asked = [*said, mine]
                limit = {"max_tokens": 1} if chance.random() < 0.1 else {}
                answer, _ = await self.told(
                    {"role": "system", "content": self.system}, *as_messages(tuple(asked)), **limit
                )
                [body] = [
                    request.body
                    for request in self.api.requests
                    if request.body.get("messages")
                    and mine in str(request.body["messages"][-2:])
                    and request.body["max_tokens"] == (1 if limit else request.body["max_tokens"])
                ][-1:]
                assert [text for _, text in conversation(body)] == asked
                told.append([*asked, answer.choices[0].message.content])

        await gatherResults([ensureDeferred(client(number)) for number in range(4)])


class StructuredByTool(RewindCase):
    settings = {"structured_output": "tool"}

    async def test_a_structured_answer_keeps_its_process(self) -> None:
        _, told = await self.rung("how many?", response_format=FORM)
        before = self.processes()
        reuse, more = await self.rung("how many?", told, "and now?", response_format=FORM)
        assert reuse == "rewound"
        reuse, _ = await self.rung(
            "how many?", told, "and now?", more, "at last?", response_format=FORM
        )
        # It has been seen once, so the process is made ready for it.
        assert reuse == "continued"
        assert self.spoken() == ["how many?", told, "and now?", more, "at last?"]
        assert self.processes() == before


class WithoutRewinding(RewindCase):
    """2.1.197 can only go back to the newest line, and not to the first."""

    find_cli = staticmethod(older)

    async def test_it_is_noticed_at_the_first_use_and_the_server_goes_on(self) -> None:
        for number in range(3):
            assert (await self.rung(f"ECHO:{number}"))[1] == str(number)
        said = await self.chat("ECHO:one", "ECHO:two")
        reuse, answer = await self.rung(*said[:2], "ECHO:three")
        assert (reuse, answer) == ("recycled", "three")
        assert self.spoken() == [*said[:2], "ECHO:three"]
        await self.http(
            "POST",
            "/v1/messages/count_tokens",
            {"model": "sonnet", "system": self.system, "messages": as_messages(("hi",))},
        )
        _, metrics = await self.http("GET", "/metrics")
        assert b'claudeproxy_rewinds_total{outcome="no preceding assistant"} 1.0' in metrics


class Counts(RewindCase):
    """Tokens that the API counts, through a warm process of the same profile."""

    async def count(self, path: str, **body: Any) -> tuple[str, int]:
        """How the tokens were counted, and how many there are."""
        response, content = await self.http("POST", path, {"model": "sonnet", **body})
        assert response.code == 200, content
        [how] = response.headers.getRawHeaders("x-claudeproxy-count")
        return how, json.loads(content)["input_tokens"]

    async def test_tokens_are_counted_by_the_api_where_a_process_is_empty(self) -> None:
        path, items = "/v1/responses/input_tokens", {"instructions": self.system}
        assert (await self.count(path, **items, input="hi"))[0] == "estimate"
        # After two one-shots the process is emptied in advance.
        await self.rung("ECHO:one")
        await self.rung("ECHO:two")
        said = ("ECHO:one", "one", "ECHO:a longer question " * 100)
        before = len(self.api.requests)
        how, tokens = await self.count(path, **items, input=as_messages(said))
        assert how == "exact"
        messages = {"system": self.system, "messages": as_messages(said)}
        assert await self.count("/v1/messages/count_tokens", **messages) == (how, tokens)
        # The CLI does not count what the API adds to the prompt for a format.
        config = {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
        how, more = await self.count("/v1/messages/count_tokens", **messages, **config)
        assert (how, more > tokens / 2) == ("estimate", True)
        # Nothing of it stays, and nothing of it was asked.
        counted = [request.path for request in list(self.api.requests)[before:]]
        assert set(counted) == {"/v1/messages/count_tokens"}
        answer, headers = await self.told(
            {"role": "system", "content": self.system}, *as_messages(said)
        )
        assert headers["x-claudeproxy-worker"] == "recycled"
        assert self.spoken() == list(said)
        # The API counts it as it counts the request itself, within a note's length.
        assert abs(answer.usage.prompt_tokens - tokens) < 60

    async def test_another_model_is_not_counted_by_a_process(self) -> None:
        await self.rung("ECHO:one")
        await self.rung("ECHO:two")
        told = as_messages(("more",))
        how, _ = await self.count(
            "/v1/messages/count_tokens", system=self.system, messages=told, model="haiku"
        )
        assert how == "estimate"
