"""What the demo API answers to which words."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.demo.answer import Answer, Refusal, Step, message, steps
from claudeproxy.demo.blocks import sign
from claudeproxy.demo.prompt_cache import Use
from claudeproxy.demo.script import once_key, plan
from claudeproxy.demo.words import Call, Words, read


NOW = 1_000_000.5
ADAPTIVE = {"type": "adaptive"}
ADD = {
    "name": "mcp__srv__add",
    "input_schema": {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 2}},
        "required": ["a"],
    },
}
SUB = {"name": "sub", "input_schema": {"type": "object"}}
STRUCTURED = {**ADD, "name": "StructuredOutput"}
MADE_UP = {"a": 2}


def created(tokens: int = 0) -> dict[str, Any]:
    """What an answer's usage says of tokens put into the cache, for 5 minutes each."""
    return {
        "cache_creation_input_tokens": tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": tokens, "ephemeral_1h_input_tokens": 0},
    }


def body(*content: Any, **changes: Any) -> dict[str, Any]:
    return {
        "model": "claude-opus",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": one} for one in content],
        **changes,
    }


def after_call(result: Any, name: str = "mcp__srv__add", **changes: Any) -> dict[str, Any]:
    block = {"type": "tool_use", "id": "t1", "name": name, "input": {}}
    results = [{"type": "tool_result", "tool_use_id": "t1", **result}]
    messages = [
        {"role": "user", "content": "ECHO:old"},
        {"role": "assistant", "content": [block]},
        {"role": "user", "content": results},
    ]
    return body(messages=messages, **changes)


def answer(value: dict[str, Any]) -> Answer:
    outcome = plan(value, now=NOW).outcome
    assert isinstance(outcome, Answer)
    return outcome


def refusal(value: dict[str, Any]) -> Refusal:
    outcome = plan(value, now=NOW).outcome
    assert isinstance(outcome, Refusal)
    return outcome


def ids() -> Any:
    count = itertools.count(1)
    return lambda prefix: f"{prefix}{next(count)}"


def whole(value: dict[str, Any]) -> dict[str, Any]:
    return message(answer(value), "claude-opus", ids())


def said(value: dict[str, Any]) -> str:
    return "".join(block.get("text", "") for block in whole(value)["content"])


def called(value: dict[str, Any]) -> list[tuple[str, Any]]:
    content = whole(value)["content"]
    return [(b["name"], b["input"]) for b in content if b["type"] == "tool_use"]


def played(value: dict[str, Any]) -> list[Step]:
    return list(steps(answer(value), "claude-opus", ids()))


def test_words() -> None:
    words = read(["LONG:3 THINK:a_b. QUIETLY SLOW:x SLOW:0.5 (QUIET) LONG:4"])
    assert words == Words({"LONG": "4", "THINK": "a_b.", "SLOW": "0.5"})
    assert read(["LONG LONG: ERR:200 ERR:777 LIMIT:x STOP:Bad WAIT:-1 HTML:3"]) == Words()
    assert not read(["plain text, not echo:this or xECHO:that"])
    assert read(["\n\tQUIET\nPROSE"]) == Words({"QUIET": "", "PROSE": ""})


def test_what_is_inside_another_word_is_no_word() -> None:
    words = read(['CALL:f:{"a": "x QUIET ECHO:y", "b": {"c": "}"}} PROSE ECHO: QUIET\nCALL:g'])
    call_text = '{"a": "x QUIET ECHO:y", "b": {"c": "}"}}'
    assert words.calls == (Call("f", call_text, {"a": "x QUIET ECHO:y", "b": {"c": "}"}}),)
    assert words.said == {"PROSE": ""}
    assert words.echo == " QUIET\nCALL:g"


@pytest.mark.parametrize("tag", ["system-reminder", "system_message"])
def test_reminders_and_system_messages_are_not_the_users_words(tag: str) -> None:
    reminder = f"<{tag}>\nHTML ECHO:no\n</{tag}>\n"
    assert read([reminder, "ECHO:yes", reminder]) == Words(echo="yes")
    assert said(body([{"type": "text", "text": t} for t in (reminder, "hi")])) == said(body("hi"))


def test_calls_without_and_with_broken_arguments() -> None:
    assert read(["CALL:f and CALL:g:{oops} CALL:h:[1]"]).calls == (Call("f", "{}", {}),)


def test_plain_text_gets_a_paragraph_that_quotes_it() -> None:
    long = "Please  tell\nme " + "all " * 30
    assert whole(body("Hello\n there", system="Be brief")) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus",
        "content": [
            {
                "type": "text",
                "text": "This is the demo of claudeproxy, not Claude. You wrote: “Hello there”. "
                "No model has read it, and no quota was used; everything else works as it would "
                "with the real one.",
            }
        ],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 5,
            **created(),
            "cache_read_input_tokens": 0,
            "output_tokens": 32,
        },
    }
    assert f"“Please tell me {'all ' * 10}all a…”" in said(body(long))
    picture = {"type": "image", "source": {"type": "url", "url": "https://x"}}
    assert "You sent no text." in said(body([picture]))


def test_only_the_last_user_message_counts() -> None:
    assert said(body("ECHO:a", "ECHO:b")) == "b"
    value = body("ECHO:a")
    value["messages"] += [
        {"role": "assistant", "content": "ECHO:b"},
        {"role": "user", "content": "ECHO:c"},
        {"role": "system", "content": "ECHO:d"},
    ]
    assert said(value) == "c"


@given(st.text())
def test_echo_is_verbatim(text: str) -> None:
    value = body([{"type": "text", "text": f"x ECHO:{text}"}, {"type": "text", "text": "after"}])
    pieces = [p for block in answer(value).blocks for p in block.pieces]
    assert "".join(pieces) == text
    assert all(0 < len(piece.rstrip()) <= 24 or not piece.strip() for piece in pieces)


def test_long_and_max_tokens() -> None:
    assert answer(body("LONG:3")).blocks[0].pieces == ("tok0 ", "tok1 ", "tok2")
    exact, cut = answer(body("LONG:3", max_tokens=3)), answer(body("LONG:3", max_tokens=2))
    assert (exact.stop_reason, exact.usage["output_tokens"]) == ("end_turn", 3)
    assert (cut.stop_reason, cut.usage["output_tokens"]) == ("max_tokens", 2)
    assert cut.blocks[0].pieces == ("tok0 ", "tok1 ")
    assert answer(body("LONG:999999999", max_tokens=2)).blocks == cut.blocks
    assert whole(body("LONG:0"))["content"] == []


def test_max_tokens_in_the_middle_of_a_call() -> None:
    value = body('QUIET CALL:sub:{"a": 1}', tools=[SUB], max_tokens=1)
    assert whole(value)["stop_reason"] == "max_tokens"
    assert called(value) == [("sub", {})]


def test_stop_sequences() -> None:
    value = body("ECHO:one two three", stop_sequences=["three", "wo", "x"], tools=[STRUCTURED])
    assert said(value) == "one t"
    assert (whole(value)["stop_reason"], whole(value)["stop_sequence"]) == ("stop_sequence", "wo")
    assert called(value) == []
    cut = whole({**value, "max_tokens": 1})
    assert (cut["stop_reason"], cut["stop_sequence"]) == ("max_tokens", None)
    assert whole(body("ECHO:xy", stop_sequences=["x"]))["content"] == []


def test_thinking() -> None:
    value = body("THINK:so_it_is ECHO:yes", thinking=ADAPTIVE)
    assert whole(value)["content"] == [
        {"type": "thinking", "thinking": "so it is", "signature": sign("so it is")},
        {"type": "text", "text": "yes"},
    ]
    assert whole(value)["usage"]["output_tokens"] == 4
    omitted = whole({**value, "thinking": {**ADAPTIVE, "display": "omitted"}})
    assert omitted["content"][0] == {"type": "thinking", "thinking": "", "signature": sign("")}
    for off in (None, {"type": "disabled"}):
        assert [b["type"] for b in whole({**value, "thinking": off})["content"]] == ["text"]
    assert whole(body("THINK ECHO:a", thinking=ADAPTIVE))["content"][0]["thinking"]


def test_calls() -> None:
    value = body('CALL:add:{"a": 1.50} CALL:sub', tools=[SUB, ADD])
    assert called(value) == [("mcp__srv__add", {"a": 1.5}), ("sub", {})]
    assert (said(value), whole(value)["stop_reason"]) == ("Let me call.", "tool_use")
    assert answer(value).blocks[1].whole == '{"a": 1.50}'
    assert len(answer(value).blocks[1].pieces) > 1
    assert said(body("QUIET CALL:sub", tools=[SUB])) == ""
    assert said(body("CALL:sub ECHO:text", tools=[SUB])) == "text"
    one = {"type": "auto", "disable_parallel_tool_use": True}
    assert called({**value, "tool_choice": one}) == [("mcp__srv__add", {"a": 1.5})]


@pytest.mark.parametrize(
    "changes", [{"tools": [SUB]}, {"tools": [ADD], "tool_choice": {"type": "none"}}, {}]
)
def test_no_such_tool(changes: dict[str, Any]) -> None:
    value = body("CALL:add:{}", **changes)
    assert said(value) == "There is no tool named add that I may call."
    assert whole(value)["stop_reason"] == "end_turn"
    assert called(value) == []


def test_a_deferred_tool_is_there_once_it_was_found() -> None:
    deferred = {**ADD, "defer_loading": True}
    assert called(body("CALL:add", tools=[deferred])) == []
    found = {"content": [{"type": "tool_reference", "tool_name": "mcp__srv__add"}]}
    value = after_call(found, tools=[deferred])
    value["messages"][-1]["content"].append({"type": "text", "text": "CALL:add"})
    assert called(value) == [("mcp__srv__add", {})]


def test_forced_calls() -> None:
    tools = [ADD, SUB]
    any_tool, named = {"type": "any"}, {"type": "tool", "name": "sub"}
    assert called(body("Hi", tools=tools, tool_choice=any_tool)) == [("mcp__srv__add", MADE_UP)]
    assert called(body("Hi", tools=tools, tool_choice=named)) == [("sub", {})]
    value = body('CALL:sub:{"b":1} CALL:add', tools=tools, tool_choice=any_tool)
    assert called(value) == [("sub", {"b": 1}), ("mcp__srv__add", {})]
    value["tool_choice"] = named
    assert called(value) == [("sub", {"b": 1})]
    value["messages"][0]["content"] = 'CALL:add:{"a":1}'
    assert called(value) == [("sub", {})]


def test_structured_output_is_called_of_its_own_accord() -> None:
    tools = [SUB, STRUCTURED]
    assert called(body("Hi", tools=tools)) == [("StructuredOutput", MADE_UP)]
    assert called(body("PROSE Hi", tools=tools)) == []
    assert called(body("CALL:sub", tools=tools)) == [("sub", {})]
    assert called(body("Hi", tools=tools, tool_choice={"type": "none"})) == []
    done = {"content": "ok"}
    assert called(after_call(done, "sub", tools=tools)) == [("StructuredOutput", MADE_UP)]
    assert said(after_call(done, "StructuredOutput", tools=tools)) == 'TOOL_RESULT:["ok"]'
    failed = {"content": "no", "is_error": True}
    assert called(after_call(failed, "StructuredOutput", tools=tools)) == [
        ("StructuredOutput", MADE_UP)
    ]


@pytest.mark.parametrize(
    ("times", "results", "again"), [(0, 1, 0), (1, 1, 1), (1, 2, 0), (2, 2, 1)]
)
def test_calls_can_be_made_again(times: int, results: int, again: int) -> None:
    value = after_call({"content": "no"}, "sub", tools=[SUB])
    first, *exchange = value["messages"]
    first["content"] = f'CALL:sub:{{"b":1}} AGAIN:{times}'
    value["messages"] = [first, *exchange * results]
    assert called(value) == [("sub", {"b": 1})] * again
    value["messages"].append({"role": "user", "content": "Hi"})
    assert called(value) == []


def test_tool_results_come_back() -> None:
    content = [{"type": "text", "text": "é 3"}]
    assert said(after_call({"content": content})) == (
        'TOOL_RESULT:[[{"type":"text","text":"é 3"}]]'
    )
    assert said(after_call({"content": "ECHO:x"})) == 'TOOL_RESULT:["ECHO:x"]'
    assert said(after_call({})) == "TOOL_RESULT:[null]"
    value = after_call({"content": "3"})
    value["messages"][-1]["content"].append({"type": "text", "text": "now ECHO:that"})
    assert said(value) == "that"


def rounds(prompt: str, *results: Any) -> dict[str, Any]:
    """A conversation that began with this prompt; each of the results is of a call after it."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": prompt}]
    for number, content in enumerate(results):
        use_id = f"t{number}"
        call = {"type": "tool_use", "id": use_id, "name": "mcp__srv__add", "input": {}}
        result = {"type": "tool_result", "tool_use_id": use_id, "content": content}
        messages.append({"role": "assistant", "content": [call]})
        messages.append({"role": "user", "content": [result]})
    return body(messages=messages, tools=[ADD])


def arguments(value: dict[str, Any]) -> list[Any]:
    return [given for _, given in called(value)]


def test_what_follows_then_is_for_the_next_round() -> None:
    prompt = 'QUIET CALL:add:{"a":2} THEN CALL:add:{"a":3} CALL:add:{"a":4} THEN ECHO:5 THEN 6'
    assert arguments(rounds(prompt)) == [{"a": 2}]
    assert arguments(rounds(prompt, "two")) == [{"a": 3}, {"a": 4}]
    assert said(rounds(prompt, "two", "three")) == "5 THEN 6"
    assert said(rounds(prompt, "two", "three", "four")) == 'TOOL_RESULT:["four"]'


def test_the_round_is_counted_from_the_last_prompt_with_words() -> None:
    value = rounds("CALL:add THEN ECHO:first", "two")
    newest = rounds("CALL:add THEN ECHO:second", "three")
    value["messages"] += [{"role": "assistant", "content": "first"}, *newest["messages"]]
    assert said(value) == "second"
    value["messages"][-1]["content"].append({"type": "text", "text": "ECHO:instead"})
    assert said(value) == "instead"


def test_then_in_the_arguments_of_a_call_is_none() -> None:
    prompt = 'CALL:add:{"a":"1 THEN 2"} THEN ECHO:done'
    assert arguments(rounds(prompt)) == [{"a": "1 THEN 2"}]
    assert said(rounds(prompt, "two")) == "done"


def test_seen() -> None:
    value = body("SEEN", system="s", tools=[SUB])
    assert json.loads(said(value)) == {
        "system": "s",
        "messages": value["messages"],
        "max_tokens": 1000,
        "model": "claude-opus",
        "tools": ["sub"],
    }
    assert " " not in said(value)


def test_usage_words_and_stop_reason() -> None:
    made = whole(body("CACHED:7 CREATED:8 STOP:refusal ECHO:a"))
    assert made["usage"] == {
        "input_tokens": 10,
        **created(8),
        "cache_read_input_tokens": 7,
        "output_tokens": 1,
    }
    assert made["stop_reason"] == "refusal"


@pytest.mark.parametrize(
    ("words", "read", "created_tokens"), [("CACHED:7", 7, 0), ("CREATED:8", 0, 8)]
)
def test_the_usage_words_count_instead_of_the_cache(
    words: str, read: int, created_tokens: int
) -> None:
    use = Use(read=100, created_5m=200, created_1h=300, rest=400)
    outcome = plan(body(f"{words} ECHO:a"), now=NOW, use=use).outcome
    assert isinstance(outcome, Answer)
    assert outcome.usage["cache_read_input_tokens"] == read
    assert outcome.usage["cache_creation_input_tokens"] == created_tokens
    assert outcome.usage["input_tokens"] < 10


def test_the_usage_is_what_the_cache_says() -> None:
    use = Use(read=100, created_5m=200, created_1h=300, rest=400)
    outcome = plan(body("ECHO:a"), now=NOW, use=use).outcome
    assert isinstance(outcome, Answer)
    assert outcome.usage == {**use.as_usage(), "output_tokens": 1}


def test_errors() -> None:
    assert refusal(body("ERR:529")) == Refusal(529, "Overloaded")
    assert refusal(body("ERR:429:7")) == Refusal(
        429, "The demo was told to answer 429.", {"retry-after": "7"}
    )
    assert refusal(body("HTML")).status == 502
    assert refusal(body("HTML")).html.startswith("<html>")


def test_an_error_once() -> None:
    value = body([{"type": "text", "text": "ERRONCE:500 ECHO:then"}, {"type": "text", "text": "x"}])
    assert refusal(value).status == 500
    assert isinstance(plan(value, now=NOW, first_time=False).outcome, Answer)
    assert once_key(value) == "ERRONCE:500 ECHO:then"
    assert once_key(body("ECHO:ERRONCE:500")) is None


@pytest.mark.parametrize(
    ("words", "reset", "after"), [("LIMIT", 3600, "3600"), ("LIMIT:0", 0, "0")]
)
def test_the_limit(words: str, reset: int, after: str) -> None:
    refused = refusal(body(words))
    assert (refused.status, refused.headers) == (
        429,
        {
            "anthropic-ratelimit-unified-status": "rejected",
            "anthropic-ratelimit-unified-reset": str(1_000_001 + reset),
            "anthropic-ratelimit-unified-representative-claim": "five_hour",
            "anthropic-ratelimit-unified-5h-status": "rejected",
            "anthropic-ratelimit-unified-5h-reset": str(1_000_001 + reset),
            "anthropic-ratelimit-unified-5h-utilization": "1",
            "anthropic-ratelimit-unified-7d-status": "allowed",
            "anthropic-ratelimit-unified-7d-reset": "1209600",
            "anthropic-ratelimit-unified-7d-utilization": "0.05",
            "retry-after": after,
        },
    )


def test_wait_and_warning() -> None:
    made = plan(body("WAIT:1.5 WARNING"), now=NOW)
    assert (made.wait, made.warning) == (1.5, True)
    made = plan(body("Hi"), now=NOW)
    assert (made.wait, made.warning) == (0.0, False)


def test_the_events_of_a_stream() -> None:
    value = body("CACHED:3 THINK:t CALL:sub ECHO:a b", thinking=ADAPTIVE, tools=[SUB])
    value["messages"][0]["content"] = "CACHED:3 THINK:t CALL:sub:{} ECHO:a b"

    def delta(index: int, kind: str, **content: str) -> dict[str, Any]:
        return {
            "type": "content_block_delta",
            "index": index,
            "delta": {"type": kind, **content},
        }

    def start(index: int, **block: Any) -> dict[str, Any]:
        return {"type": "content_block_start", "index": index, "content_block": block}

    assert [step.event for step in played(value)] == [
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude-opus",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {
                    # Of the message 10, of the tool's definition the rest.
                    "input_tokens": 21,
                    **created(),
                    "cache_read_input_tokens": 3,
                    "output_tokens": 1,
                },
            },
        },
        {"type": "ping"},
        start(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="t"),
        delta(0, "signature_delta", signature=sign("t")),
        {"type": "content_block_stop", "index": 0},
        start(1, type="text", text=""),
        delta(1, "text_delta", text="a "),
        delta(1, "text_delta", text="b"),
        {"type": "content_block_stop", "index": 1},
        start(2, type="tool_use", id="toolu_2", name="sub", input={}),
        delta(2, "input_json_delta", partial_json=""),
        delta(2, "input_json_delta", partial_json="{"),
        delta(2, "input_json_delta", partial_json="}"),
        {"type": "content_block_stop", "index": 2},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 5},
        },
        {"type": "message_stop"},
    ]


def test_delays() -> None:
    delays = [
        (step.event["delta"]["text"], step.delay)
        for step in played(body("SLOW:2 PAUSE:5 LONG:3"))
        if step.event["type"] == "content_block_delta"
    ]
    assert delays == [("tok0 ", 0.0), ("tok1 ", 7.0), ("tok2", 2.0)]
    assert sum(step.delay for step in played(body("PAUSE:5 LONG:1"))) == 5.0
    held = [step.event["type"] for step in played(body("HOLD:3 LONG:2")) if step.delay == 3.0]
    assert held == ["message_stop"]
    assert sum(step.delay for step in played(body("LONG:9"))) == 0.0


@pytest.mark.parametrize(
    ("word", "kind"), [("DROP", "drop"), ("STALL", "stall"), ("SSEERR", "error")]
)
@pytest.mark.parametrize(("after", "pieces"), [(0, 0), (2, 2), (3, 3), (9, 3)])
def test_faults(word: str, kind: str, after: int, pieces: int) -> None:
    made = played(body(f"{word}:{after} LONG:3"))
    assert made[-1].fault == kind
    assert all(step.fault is None for step in made[:-1])
    sent = [step.event["type"] for step in made[:-1]]
    assert sent.count("content_block_delta") == pieces
    assert sent[:2] == ["message_start", "ping"]
    assert sent[-1] == ("ping" if not pieces else sent[-1])
    assert "message_delta" not in sent
    assert made[-1].event == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"},
    }
