"""Answers that the CLI's own tool makes fit a schema, in each dialect, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import attrs
from pydantic import BaseModel, TypeAdapter

from .harness import conversation, on_every_cli
from .test_dialects import OverHTTP


COUNT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
MISFIT = 'CALL:StructuredOutput:{"n":"x"}'
DIALECTS = ("chat", "responses", "messages")


@attrs.frozen
class Told:
    """What a client was told: the text, or the error's message and whether to try again."""

    status: int
    text: str = ""
    error: str = ""
    retry: str = ""
    tokens: int = 0


def asked(dialect: str, words: str, schema: object, **more: Any) -> tuple[str, dict[str, Any]]:
    """The path and the body of a request."""
    said = [{"role": "user", "content": words}]
    form = {"type": "json_schema", "schema": schema}
    if dialect == "chat":
        wanted = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
        body: dict[str, Any] = {"messages": said, "response_format": wanted}
        return "/v1/chat/completions", {"model": "sonnet", **body, **more}
    if dialect == "responses":
        body = {"input": words, "text": {"format": {"name": "it", **form}}}
        return "/v1/responses", {"model": "sonnet", **body, **more}
    body = {"messages": said, "output_config": {"format": form}, "max_tokens": 500}
    return "/v1/messages", {"model": "sonnet", **body, **more}


def text_of(dialect: str, told: Any) -> str:
    text: str
    if dialect == "chat":
        text = told["choices"][0]["message"]["content"]
    elif dialect == "responses":
        text = told["output"][-1]["content"][0]["text"]
    else:
        text = told["content"][-1]["text"]
    return text


def tokens_of(told: Any) -> int:
    usage = told["usage"]
    return int(usage.get("output_tokens", usage.get("completion_tokens")))


def streamed(content: bytes) -> tuple[str, str]:
    """The text of a stream's frames, and the message of the error at its end."""
    text = error = ""
    for line in content.decode().splitlines():
        data = line.removeprefix("data: ")
        if data == line or data == "[DONE]":
            continue
        match json.loads(data):
            case {"error": {"message": message}} | {"response": {"error": {"message": message}}}:
                error = message
            case {"choices": [{"delta": {"content": str(more)}}]}:
                text += more
            case {"type": "response.output_text.delta", "delta": more}:
                text += more
            case {"type": "content_block_delta", "delta": {"text": more}}:
                text += more
    return text, error


class StructuredCase(OverHTTP):
    settings = {"structured_output": "tool"}

    async def tell(self, dialect: str, words: str, schema: object, **more: Any) -> Told:
        path, body = asked(dialect, words, schema, **more)
        response, content = await self.http("POST", path, body)
        if more.get("stream"):
            return Told(response.code, *streamed(content))
        told = json.loads(content)
        if response.code != 200:
            retry = response.headers.getRawHeaders("x-should-retry", [""])[0]
            return Told(response.code, error=told["error"]["message"], retry=retry)
        return Told(response.code, text_of(dialect, told), tokens=tokens_of(told))

    def requests(self) -> int:
        """How many have reached the API since this was asked last."""
        number = len(self.api.requests)
        self.api.requests.clear()
        return number


@on_every_cli(globals())
class Corrections(StructuredCase):
    async def test_a_whole_answer_is_the_one_that_the_model_has_corrected(self) -> None:
        for dialect in DIALECTS:
            fit = await self.tell(dialect, 'QUIET CALL:StructuredOutput:{"n":1}', COUNT)
            assert (json.loads(fit.text), self.requests()) == ({"n": 1}, 1)
            for again in (0, 1):
                told = await self.tell(dialect, f"QUIET {MISFIT} AGAIN:{again}", COUNT)
                assert json.loads(told.text) == {"n": 0}
                assert self.requests() == 2 + again
                assert told.tokens > fit.tokens * (1 + again)

    async def test_two_corrections_are_all_and_no_one_is_to_try_again(self) -> None:
        for dialect in DIALECTS:
            told = await self.tell(dialect, f"{MISFIT} AGAIN:9", COUNT)
            assert (told.status, told.retry) == (502, "false")
            assert "does not match the schema" in told.error
            assert self.requests() == 3
            # The process is as good as before.
            fit = await self.tell(dialect, "hi", COUNT)
            assert (json.loads(fit.text), self.requests()) == ({"n": 0}, 1)

    async def test_a_stream_ends_before_the_model_is_asked_again(self) -> None:
        for dialect in DIALECTS:
            for words in (MISFIT, f"THINK {MISFIT} AGAIN:9"):
                told = await self.tell(dialect, words, COUNT, stream=True)
                assert told.text == '{"n":"x"}'
                assert "does not match the schema" in told.error
                assert self.requests() == 1
            fit = await self.tell(dialect, "hi", COUNT, stream=True)
            assert (fit.text, fit.error, self.requests()) == ('{"n":0}', "", 1)
            # What one answer was told counts for that one only.
            whole = await self.tell(dialect, MISFIT, COUNT)
            assert (whole.text, self.requests()) == ('{"n":0}', 2)

    async def test_one_conversation_can_have_one_after_another(self) -> None:
        messages: list[Any] = []
        for _ in range(3):
            messages += [{"role": "user", "content": MISFIT}]
            answer = await self.ask(*messages, response_format=_chat(COUNT))
            assert self.requests() == 2
            messages += [{"role": "assistant", "content": answer.choices[0].message.content}]


def _chat(schema: object) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}


class Pair(BaseModel):
    pair: tuple[str, int]


@on_every_cli(globals())
class Tuples(StructuredCase):
    async def test_the_model_is_told_the_types_and_the_cli_holds_it_to_them(self) -> None:
        schema = Pair.model_json_schema()
        told = await self.tell("chat", 'CALL:StructuredOutput:{"pair":["a",1]}', schema)
        assert Pair.model_validate_json(told.text) == Pair(pair=("a", 1))
        (tool,) = self.seen()["tools"]
        items = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
        assert tool["input_schema"]["properties"]["pair"]["items"] == items
        for wrong in ('["a",null]', '["a"]', '["a",1,2]'):
            self.api.requests.clear()
            await self.tell("chat", f'CALL:StructuredOutput:{{"pair":{wrong}}}', schema)
            assert self.requests() == 2

    async def test_what_only_the_client_can_see_is_compared_with_its_schema(self) -> None:
        # The CLI's draft of JSON Schema has no tuples that the API takes.
        swapped = 'CALL:StructuredOutput:{"pair":[1,"a"]}'
        for dialect in DIALECTS:
            told = await self.tell(dialect, swapped, Pair.model_json_schema())
            assert (told.status, told.error) == (200, "")
            Pair.model_validate_json(told.text)
            assert "'a' is not of type 'integer'" in json.dumps(conversation(self.seen()))
            assert self.requests() == 2
        more = {"response_format": _chat(Pair.model_json_schema())}
        chunks = await self.stream(swapped, **more)
        assert "is not of type" in chunks[-1].choices[0].schema_mismatch
        assert self.requests() == 1

    async def test_one_of_an_older_draft_is_as_good(self) -> None:
        members = [{"type": "string"}, {"type": "integer"}]
        pair = {"type": "array", "items": members, "minItems": 2, "maxItems": 2}
        schema = {"type": "object", "properties": {"pair": pair}, "required": ["pair"]}
        told = await self.tell("chat", 'CALL:StructuredOutput:{"pair":["a",1]}', schema)
        assert json.loads(told.text) == {"pair": ["a", 1]}
        (tool,) = self.seen()["tools"]
        items = {"anyOf": members}
        assert tool["input_schema"]["properties"]["pair"]["items"] == items

        again = {"$ref": "#/properties/pair/items/1"}
        of_both = {"pair": pair, "again": again}
        schema = {"type": "object", "properties": of_both, "required": ["pair", "again"]}
        said = {"pair": ["a", 1], "again": 2}
        told = await self.tell("chat", f"CALL:StructuredOutput:{json.dumps(said)}", schema)
        assert json.loads(told.text) == said
        wrong = "CALL:StructuredOutput:" + json.dumps({**said, "again": "b"})
        self.api.requests.clear()
        await self.tell("chat", wrong, schema)
        assert self.requests() == 2

        parameters = {"type": "object", "properties": {"pair": pair, "again": again}}
        tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
        answer = await self.ask('CALL:f:{"pair":["a",1]}', tools=tools)
        (call,) = answer.choices[0].message.tool_calls
        assert json.loads(call.function.arguments) == {"pair": ["a", 1]}
        (tool,) = self.seen()["tools"]
        told_to_api = tool["input_schema"]["properties"]
        assert told_to_api["pair"]["prefixItems"] == members
        assert "items" not in told_to_api["pair"]
        assert told_to_api["again"] == {"$ref": "#/properties/pair/prefixItems/1"}


class Person(BaseModel):
    name: str
    friends: list[Person] = []


FRIENDS = {"name": "Ann", "friends": [{"name": "Bob", "friends": []}]}
# Roots that the API refuses, with a value that fits and one that does not.
ROOTS: tuple[tuple[dict[str, Any], object, object], ...] = (
    ({"const": "foo"}, "foo", "bar"),
    ({"enum": ["a", 1]}, 1, 2),
    ({"type": "string"}, 'é } "', 5),
    ({"type": ["object", "null"], "properties": {}}, None, 1),
    (TypeAdapter(tuple[str, int]).json_schema(), ["a", 1], ["a", None]),
    (TypeAdapter(list[Person]).json_schema(), [FRIENDS], [1]),
    (TypeAdapter(Person | int | None).json_schema(), FRIENDS, "x"),
    ({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#"}}]}, [1, [2]], [[""]]),
    *(
        (
            {"type": "object", "properties": {name: {"type": "integer"}}, "required": [name]},
            {name: 1},
            {},
        )
        for name in ("$filter", "größe", "Account Number", "", "a" * 65)
    ),
)


@on_every_cli(globals())
class Roots(StructuredCase):
    async def test_the_root_may_be_anything(self) -> None:
        for index, (schema, fits, does_not) in enumerate(ROOTS):
            # Each costs a process, so the dialects take turns.
            dialect = DIALECTS[index % 3]
            words = f"QUIET CALL:StructuredOutput:{json.dumps({'value': fits}, indent=1)}"
            for stream in (False, True):
                told = await self.tell(dialect, words, schema, stream=stream)
                assert (told.error, json.loads(told.text)) == ("", fits), schema
                assert self.requests() == 1
            words = f"QUIET CALL:StructuredOutput:{json.dumps({'value': does_not})}"
            told = await self.tell(dialect, words, schema)
            assert told.status == 200, schema
            assert json.loads(told.text) != does_not
            assert self.requests() == 2

    async def test_the_next_turn_sees_the_value(self) -> None:
        form = _chat({"type": "array", "items": {"type": "integer"}})
        words = 'CALL:StructuredOutput:{"value":[1,2]}'
        first = await self.ask(words, response_format=form)
        text = first.choices[0].message.content
        await self.ask(words, text, "again", response_format=form)
        assert conversation(self.seen())[1] == ("assistant", "[1,2]")
