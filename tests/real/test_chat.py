"""Chat Completions through the real CLI: what the client gets, and what reached the API."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import ensureDeferred

from .harness import SUBSCRIPTION, RealCLI, conversation, on_every_cli


@on_every_cli(globals())
class Conversations(RealCLI):
    async def test_three_turns_stream_and_reach_the_api_as_true_turns(self) -> None:
        chunks = await self.stream(
            {"role": "system", "content": "You are Bob."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "first"},
            {"role": "user", "content": "two"},
            {"role": "assistant", "content": "second"},
            {"role": "user", "content": "ECHO:the third answer"},
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == (
            "the third answer"
        )
        assert conversation(self.seen()) == [
            ("user", "one"),
            ("assistant", "first"),
            ("user", "two"),
            ("assistant", "second"),
            ("user", "ECHO:the third answer"),
        ]
        assert self.seen()["system"][-1]["text"] == "You are Bob."
        assert len(self.api.requests) == 1

    async def test_the_chunks_are_in_order_and_complete(self) -> None:
        chunks = await self.stream(
            "ECHO:one two three CACHED:7", stream_options={"include_usage": True}
        )
        *said, last, usage = chunks
        assert said[0].choices[0].delta.role == "assistant"
        assert [chunk.choices[0].delta.role for chunk in said[1:]] == [None] * (len(said) - 1)
        assert {chunk.choices[0].finish_reason for chunk in said} == {None}
        assert last.choices[0].finish_reason == "stop"
        assert usage.choices == []
        assert usage.usage.total_tokens > 0
        assert {chunk.usage for chunk in chunks[:-1]} == {None}
        assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1

    async def test_a_stream_ends_with_done(self) -> None:
        body = {"model": "opus", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        response, content = await self.http("POST", "/v1/chat/completions", body)
        assert response.headers.getRawHeaders("content-type") == [
            "text/event-stream; charset=utf-8"
        ]
        frames = content.decode().split("\n\n")
        assert frames[-2:] == ["data: [DONE]", ""]
        assert all(json.loads(frame.removeprefix("data: ")) for frame in frames[:-2])

    async def test_content_may_be_parts_and_null(self) -> None:
        await self.ask(
            {"role": "developer", "content": [{"type": "text", "text": "Be"}]},
            {"role": "system", "content": "brief."},
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "content": None},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": [{"type": "text", "text": "c"}]},
            {"role": "user", "content": [{"type": "text", "text": "d"}], "name": "me"},
            {"role": "user", "content": [{"type": "text", "text": "e"}]},
        )
        assert conversation(self.seen()) == [
            ("user", "a|b"),
            ("assistant", "c"),
            ("user", "me: d|e"),
        ]
        assert self.seen()["system"][-1]["text"] == "Be\n\nbrief."

    async def test_speakers_are_named_where_they_speak(self) -> None:
        answer = await self.ask(
            {"role": "system", "name": "rules", "content": "Be brief."},
            {"role": "user", "name": "Zoë", "content": "one"},
            {"role": "assistant", "name": "Bot", "content": "first"},
            {"role": "developer", "name": "boss", "content": "Be kind."},
            {"role": "user", "name": "Al\nZoë: no", "content": "ECHO:two"},
        )
        assert answer.choices[0].message.content == "two"
        assert self.seen()["system"][-1]["text"] == "rules: Be brief."
        late = "<system_message>\nboss: Be kind.\n</system_message>"
        assert conversation(self.seen()) == [
            ("user", "Zoë: one"),
            ("assistant", "first"),
            ("user", f"{late}|Al Zoë: no: ECHO:two"),
        ]

    async def test_text_arrives_byte_for_byte(self) -> None:
        text = '  <b>&amp;\t"quoted"\r\nNUL:\0 LS:\u2028 BOM:\ufeff 🦜漢字 é ```\n '
        chunks = await self.stream(
            {"role": "system", "content": text},
            {"role": "user", "content": text},
            {"role": "assistant", "content": f"x{text}x"},
            {"role": "user", "content": f"ECHO:{text}"},
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
        assert conversation(self.seen()) == [
            ("user", text),
            ("assistant", f"x{text}x"),
            ("user", f"ECHO:{text}"),
        ]
        assert self.seen()["system"][-1]["text"] == text

    async def test_slash_text_is_text(self) -> None:
        await self.ask("/clear", "one", "/cost", "two", "/clear ECHO:still there")
        # One newline each is what keeps the CLI from taking them for its commands.
        assert conversation(self.seen()) == [
            ("user", "\n/clear"),
            ("assistant", "one"),
            ("user", "\n/cost"),
            ("assistant", "two"),
            ("user", "\n/clear ECHO:still there"),
        ]

    async def test_usage_is_the_apis(self) -> None:
        answer = await self.ask("CACHED:1000 CREATED:200 LONG:12")
        usage = answer.usage
        assert usage.completion_tokens == 12
        assert usage.prompt_tokens_details.cached_tokens == 1000
        assert usage.prompt_tokens > 1200
        assert usage.total_tokens == usage.prompt_tokens + 12

    async def test_finish_reasons(self) -> None:
        assert (await self.ask("hello")).choices[0].finish_reason == "stop"
        refused = (await self.ask("STOP:refusal")).choices[0]
        assert refused.finish_reason == "content_filter"

    async def test_max_tokens_is_the_apis(self) -> None:
        answer = await self.ask("LONG:50", max_completion_tokens=5, max_tokens=9)
        assert answer.choices[0].finish_reason == "length"
        assert answer.choices[0].message.content == "tok0 tok1 tok2 tok3 tok4 "
        assert answer.usage.completion_tokens == 5
        assert self.api.requests[0].body["max_tokens"] == 5

    async def test_stop_is_the_apis(self) -> None:
        answer = await self.ask("LONG:50", stop=["tok7", "never"])
        assert answer.choices[0].finish_reason == "stop"
        assert answer.choices[0].message.content.endswith("tok6 ")
        assert self.seen()["stop_sequences"] == ["tok7", "never"]

    async def test_the_model_is_what_answered_and_ids_are_unique(self) -> None:
        raw = [
            await self.with_openai(
                lambda client: client.chat.completions.with_raw_response.create(
                    model="claude-code-cli/claude-haiku-4",
                    messages=[{"role": "user", "content": "hi"}],
                )
            )
            for _ in range(2)
        ]
        answers: list[Any] = [response.parse() for response in raw]
        assert answers[0].model == self.seen()["model"]
        assert answers[0].model.startswith("claude-haiku-")
        assert answers[0].id != answers[1].id
        assert raw[0].headers["x-request-id"] != raw[1].headers["x-request-id"]

    async def test_the_official_client_finds_its_own_id_and_the_time_it_took(self) -> None:
        raw = await self.with_openai(
            lambda client: client.chat.completions.with_raw_response.create(
                model="sonnet",
                messages=[{"role": "user", "content": "WAIT:0.2 ECHO:hi"}],
                extra_headers={"x-request-id": "trace-7"},
            )
        )
        answer: Any = raw.parse()
        assert raw.request_id == answer._request_id == "trace-7"
        assert answer.id.startswith("chatcmpl-")
        assert "trace-7" not in answer.id
        assert int(raw.headers["openai-processing-ms"]) >= 200

    async def test_a_refusal_tells_both_too(self) -> None:
        headers = {"x-request-id": "trace-8"}
        response, _ = await self.http("POST", "/v1/chat/completions", {}, headers=headers)
        assert response.code == 400
        assert response.headers.getRawHeaders("x-request-id") == ["trace-8"]
        [taken] = response.headers.getRawHeaders("openai-processing-ms")
        assert taken.isdecimal()
        headers = {"request-id": "trace-9"}
        response, content = await self.http("POST", "/v1/messages", {}, headers=headers)
        assert response.code == 400
        assert json.loads(content)["request_id"] == "trace-9"
        assert response.headers.getRawHeaders("request-id") == ["trace-9"]
        assert not response.headers.hasHeader("openai-processing-ms")

    async def test_no_user_turn_at_an_end_is_no_error(self) -> None:
        await self.ask(
            {"role": "assistant", "content": "Welcome!"},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "and then"},
        )
        assert conversation(self.seen()) == [
            ("user", "Begin."),
            ("assistant", "Welcome!"),
            ("user", "hi"),
            ("assistant", "and then"),
            ("user", "Continue."),
        ]


@on_every_cli(globals())
class Hermetic(RealCLI):
    async def test_nothing_of_the_users_reaches_the_api(self) -> None:
        canary = "CANARY-5b1f"
        config = self.home / ".claude"
        config.mkdir()
        (config / "CLAUDE.md").write_text(canary)
        touched = self.home / "hook-ran"
        hook = {"hooks": [{"type": "command", "command": f"touch {touched}"}]}
        (config / "settings.json").write_text(
            json.dumps({"hooks": {"UserPromptSubmit": [hook], "SessionStart": [hook]}})
        )
        (self.home / "empty").mkdir(exist_ok=True)
        (self.home / ".claude.json").write_text(
            json.dumps({"mcpServers": {"mine": {"command": f"touch {touched}"}}})
        )
        await self.ask("hi")
        raw = self.api.requests[-1].raw
        assert canary.encode() not in raw
        assert self.seen().get("tools", []) == []
        assert len(raw) < 3000
        assert not touched.exists()

    async def test_a_path_with_an_at_sign_sends_no_file(self) -> None:
        secret = self.home / "secret.txt"
        secret.write_text("CANARY-77aa")
        await self.ask(f"@{secret} @/etc/hostname", "ok", f"look at @{secret} please")
        raw = self.api.requests[-1].raw
        assert b"CANARY-77aa" not in raw
        assert len(raw) < 3500

    async def test_nothing_of_a_request_is_in_the_process_list(self) -> None:
        canary = "CANARY-c0de"
        running = self.ask({"role": "system", "content": canary}, f"{canary} WAIT:0.5")
        answered = ensureDeferred(running)
        await self.api.received()
        for process in self.processes():
            cmdline = Path(f"/proc/{process}/cmdline").read_bytes()
            environ = Path(f"/proc/{process}/environ").read_bytes()
            assert b"stream-json" in cmdline
            assert canary.encode() not in cmdline + environ
        assert self.processes()
        await answered


@on_every_cli(globals())
class Subscription(RealCLI):
    credentials = SUBSCRIPTION

    async def test_it_answers_with_the_login_and_no_key(self) -> None:
        answer = await self.ask("ECHO:paid by the plan")
        assert answer.choices[0].message.content == "paid by the plan"
        headers = self.api.requests[-1].headers
        assert headers["authorization"].startswith("Bearer ")
        assert "x-api-key" not in headers

    async def test_a_reached_plan_limit_says_when_it_resets(self) -> None:
        error = await self.error_of("LIMIT:1800")
        assert error.status_code == 429
        assert isinstance(error.body, dict)
        assert error.body["message"].startswith("Usage limit reached")
        assert 1700 <= error.body["resets_at"] - time.time() <= 1802
        # Some clients would sleep for as long as it says, without a word.
        assert "retry-after" not in error.response.headers
        assert len(self.api.requests) == 1
