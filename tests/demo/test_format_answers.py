"""What the demo API answers to a request with ``output_config.format`` or a tool that is strict."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claudeproxy.demo.answer import Answer, Refusal
from claudeproxy.demo.guess import MODEL, STRUCTURED
from claudeproxy.demo.script import plan
from claudeproxy.demo.structured import fits


ADAPTIVE = {"type": "adaptive"}
PERSON = {
    "type": "object",
    "properties": {
        "nick": {"type": "string"},
        "name": {"type": "string"},
        "born": {"type": "string", "format": "date"},
        "age": {"type": "integer"},
    },
    "required": ["age", "name", "born"],
    "additionalProperties": False,
}
MADE_UP = '{"name":"demo","born":"2026-01-01","age":0}'
MISFIT = '{"name":0,"born":"2026-01-01","age":0}'
ADA = '{"name": "Ada", "born": "1815-12-10", "age": 36}'
ADD = {"name": "add", "input_schema": {"type": "object"}}
TOOL = {"name": STRUCTURED, "input_schema": PERSON}


def formatted(schema: Any = PERSON) -> dict[str, Any]:
    return {"output_config": {"effort": "low", "format": {"type": "json_schema", "schema": schema}}}


def body(*contents: Any, **changes: Any) -> dict[str, Any]:
    """The user's and the assistant's messages in turn."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": content} for i, content in enumerate(contents)]
    base = {"model": "claude-opus", "max_tokens": 1000, "messages": messages, **formatted()}
    return {**base, **changes}


def plain(*contents: Any, **changes: Any) -> dict[str, Any]:
    """The same without a format."""
    return body(*contents, **{"output_config": {"effort": "low"}, **changes})


def answer(value: dict[str, Any]) -> Answer:
    outcome = plan(value, now=0.0).outcome
    assert isinstance(outcome, Answer)
    return outcome


def blocks(value: dict[str, Any]) -> list[tuple[str, str]]:
    return [(block.kind, block.whole) for block in answer(value).blocks]


def failed(use_id: str = "t1", **more: Any) -> list[Any]:
    """A call of StructuredOutput, and the result that says that its arguments do not fit."""
    use = {"type": "tool_use", "id": use_id, "name": STRUCTURED, "input": {}}
    result = {"type": "tool_result", "tool_use_id": use_id, "content": "no", "is_error": True}
    return [[use], [{**result, **more}]]


@pytest.mark.parametrize("prompt", ["Hi", "LONG:5", "SEEN", "CALL:unknown", "ECHO:Hello", "PROSE"])
def test_the_answer_is_one_block_of_json_that_fits(prompt: str) -> None:
    made = answer(body(prompt))
    assert [(block.kind, block.whole) for block in made.blocks] == [("text", MADE_UP)]
    assert made.stop_reason == "end_turn"
    assert fits(json.loads(made.blocks[0].whole), PERSON)


def test_an_echo_that_fits_is_the_answer_as_it_is() -> None:
    assert blocks(body(f"ECHO:{ADA}")) == [("text", ADA)]
    short = ADA.replace(', "age": 36', "")
    assert blocks(body(f"ECHO:{short}")) == [("text", MADE_UP)]
    assert blocks(body(f"ECHO:{ADA.replace('1815-12-10', '1815')}")) == [("text", MADE_UP)]
    assert blocks(plain("ECHO:Hello")) == [("text", "Hello")]


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string"}, '"demo"'),
        ({"type": "array", "items": {"type": "null"}, "minItems": 1}, "[null]"),
        ({"enum": ["größe"]}, '"größe"'),
        ({"type": "object", "additionalProperties": False}, "{}"),
    ],
)
def test_the_schema_need_not_be_of_an_object(schema: Any, text: str) -> None:
    assert blocks(body("Hi", **formatted(schema))) == [("text", text)]


def test_thinking_comes_first() -> None:
    made = blocks(body("THINK:hm", thinking=ADAPTIVE))
    assert made == [("thinking", "hm"), ("text", MADE_UP)]


def test_with_calls_nothing_is_constrained() -> None:
    made = answer(body("CALL:add", tools=[ADD]))
    assert [(b.kind, b.whole) for b in made.blocks] == [
        ("text", "Let me call."),
        ("tool_use", "{}"),
    ]
    assert made.stop_reason == "tool_use"
    assert blocks(body("ECHO:So: CALL:add", tools=[ADD])) == [("text", MADE_UP)]
    assert blocks(body("CALL:add ECHO:So:", tools=[ADD]))[0] == ("text", "So:")
    assert blocks(body("Hi", tools=[ADD], tool_choice={"type": "any"}))[-1] == ("tool_use", "{}")


def test_the_answer_to_results_fits() -> None:
    use = {"type": "tool_use", "id": "t1", "name": "add", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "3"}
    assert blocks(body("CALL:add", [use], [result], tools=[ADD])) == [("text", MADE_UP)]
    then = f"CALL:add THEN ECHO:{ADA}"
    assert blocks(body(then, [use], [result], tools=[ADD])) == [("text", ADA)]


def test_it_is_cut_like_any_text() -> None:
    assert len(answer(body("Hi")).blocks[0].pieces) > 1
    cut = answer(body("Hi", max_tokens=1))
    assert (cut.stop_reason, cut.usage["output_tokens"]) == ("max_tokens", 1)
    assert MADE_UP.startswith(cut.blocks[0].whole)
    stopped = answer(body("Hi", stop_sequences=['"born"']))
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", '"born"')
    assert stopped.blocks[0].whole == '{"name":"demo",'


def test_the_demos_own_model_takes_values_from_the_prompt() -> None:
    prompt = "'today' is no date. 'Ada' was born on '1815-12-10' and became 36."
    made = '{"name":"today","born":"1815-12-10","age":36}'
    assert blocks(body(prompt, model=MODEL)) == [("text", made)]
    assert blocks(body(prompt)) == [("text", MADE_UP)]
    assert blocks(body("add 3", model=MODEL, tools=[ADD])) == [("tool_use", "{}")]


def test_misfit() -> None:
    assert blocks(body("MISFIT")) == [("text", MISFIT)]
    assert not fits(json.loads(MISFIT), PERSON)
    assert blocks(body("MISFIT ECHO:Hello there")) == [("text", "Hello there")]
    assert blocks(body(f"MISFIT ECHO:{ADA}")) == [("text", ADA)]
    assert blocks(plain("MISFIT ECHO:Hello")) == [("text", "Hello")]
    assert blocks(body("MISFIT:0")) == [("text", MADE_UP)]
    # Nothing is constrained anyway.
    assert blocks(body("MISFIT CALL:add", tools=[ADD]))[-1] == ("tool_use", "{}")


@pytest.mark.parametrize(
    ("word", "misfits"),
    [("MISFIT", 1), ("MISFIT:1", 1), ("MISFIT:2", 2), ("MISFIT:3", 3), ("MISFIT ECHO:no", 1)],
)
def test_so_many_answers_do_not_fit(word: str, misfits: int) -> None:
    contents: list[Any] = [word]
    found = []
    for _ in range(4):
        ((kind, text),) = blocks(body(*contents))
        assert kind == "text"
        found.append(text != MADE_UP)
        contents += [text, [{"type": "text", "text": "That does not fit. Again, please."}]]
    assert found == [number < misfits for number in range(4)]


def test_the_echo_is_said_as_often() -> None:
    assert blocks(body("MISFIT:2 ECHO:no", "no", "Again")) == [("text", "no")]


def test_a_later_message_with_words_counts_alone() -> None:
    assert blocks(body("MISFIT:9", "no", f"ECHO:{ADA}")) == [("text", ADA)]
    assert blocks(body("MISFIT:9", "no", "QUIET", "yes", "Hi")) == [("text", MADE_UP)]
    assert blocks(body("MISFIT:9", "no", "MISFIT:1", "no", "Hi")) == [("text", MADE_UP)]
    assert blocks(body("MISFIT:9", "no", "ECHO:MISFIT")) == [("text", MADE_UP)]


def test_misfit_after_then_is_for_the_later_answers() -> None:
    use = {"type": "tool_use", "id": "t1", "name": "add", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "3"}
    contents = ["CALL:add THEN MISFIT:2", [use], [result]]
    assert blocks(body(*contents, tools=[ADD])) == [("text", MISFIT)]
    assert blocks(body(*contents, "no", "Again", tools=[ADD])) == [("text", MISFIT)]
    assert blocks(body(*contents, "no", "Again", "no", "Again", tools=[ADD])) == [("text", MADE_UP)]
    calls = blocks(body(contents[0], tools=[TOOL, ADD]))
    assert calls == [("text", "Let me call."), ("tool_use", "{}")]


def test_misfit_of_structured_output() -> None:
    def arguments(*contents: Any) -> Any:
        ((kind, text),) = blocks(plain(*contents, tools=[TOOL], model=MODEL))[-1:]
        assert kind == "tool_use"
        return json.loads(text)

    assert fits(arguments("Hi"), PERSON)
    assert arguments("MISFIT") == json.loads(MISFIT)
    assert fits(arguments("MISFIT", *failed()), PERSON)
    assert not fits(arguments("MISFIT:2", *failed()), PERSON)
    assert fits(arguments("MISFIT:2", *failed("t1"), *failed("t2")), PERSON)
    assert arguments(f"MISFIT CALL:{STRUCTURED}:{ADA}") == json.loads(ADA)
    assert arguments("MISFIT 'Ada'") == json.loads(MISFIT)


def wrapping(value: Any) -> dict[str, Any]:
    """StructuredOutput as claudeproxy has it for a schema that is not an object's."""
    schema = {"type": "object", "properties": {"value": value}, "required": ["value"]}
    return {"name": STRUCTURED, "input_schema": {**schema, "additionalProperties": False}}


NUMBERS = wrapping({"type": "array", "items": {"type": "integer"}})


@pytest.mark.parametrize(
    ("tool", "echo", "arguments"),
    [
        (TOOL, ADA, ADA),
        (TOOL, f" {ADA}\n", f" {ADA}\n"),
        (NUMBERS, "[1, 2]", '{"value":[1, 2]}'),
        (NUMBERS, '{"value": [1]}', '{"value": [1]}'),
        (wrapping({}), '{"value": 1}', '{"value":{"value": 1}}'),
    ],
)
def test_structured_output_takes_the_echo_that_fits(tool: Any, echo: str, arguments: str) -> None:
    for more in ({}, {"tool_choice": {"type": "any"}}):
        made = answer(plain(f"ECHO:{echo}", tools=[ADD, tool], **more))
        assert [(block.name, block.whole) for block in made.blocks] == [(STRUCTURED, arguments)]


@pytest.mark.parametrize("echo", ["Hello", '{"age": 1}', "[1]", f"{ADA},", "NaN"])
def test_structured_output_does_not_take_an_echo_that_does_not_fit(echo: str) -> None:
    made_up = '{"age":0,"name":"demo","born":"2026-01-01"}'
    assert blocks(plain(f"ECHO:{echo}", tools=[TOOL])) == [("text", echo), ("tool_use", made_up)]


def test_an_echo_is_not_taken_when_a_word_says_what_to_call() -> None:
    call = f"CALL:{STRUCTURED}:{MADE_UP}"
    assert blocks(plain(f"{call} ECHO:{ADA}", tools=[TOOL])) == [
        ("text", ADA),
        ("tool_use", MADE_UP),
    ]
    assert blocks(plain(f"PROSE ECHO:{ADA}", tools=[TOOL])) == [("text", ADA)]
    assert blocks(plain(f"ECHO:{ADA}", tools=[ADD], tool_choice={"type": "any"})) == [
        ("text", ADA),
        ("tool_use", "{}"),
    ]


def test_a_misfitting_echo_is_taken_as_often_as_the_word_says() -> None:
    for tool, echo, arguments in ((TOOL, MISFIT, MISFIT), (NUMBERS, '"a"', '{"value":"a"}')):
        made = [("tool_use", arguments)]
        assert blocks(plain(f"MISFIT:2 ECHO:{echo}", tools=[tool])) == made
        assert blocks(plain(f"MISFIT:2 ECHO:{echo}", *failed(), tools=[tool])) == made
        assert blocks(plain(f"MISFIT ECHO:{echo}", *failed(), tools=[tool])) != made
    # It is no object, so it cannot be the arguments.
    assert blocks(plain("MISFIT ECHO:[1]", tools=[TOOL])) == [("text", "[1]"), ("tool_use", MISFIT)]


def test_misfit_has_no_effect_on_other_tools() -> None:
    add = {"name": "add", "input_schema": PERSON}
    made = blocks(plain("MISFIT", tools=[add], tool_choice={"type": "any"}))
    assert fits(json.loads(made[-1][1]), PERSON)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("COMPLEX", "output_config.format.schema: Schema is too complex for compilation."),
        ("FORMATLESS", "output_config.format: Extra inputs are not permitted"),
    ],
)
def test_refused_with_a_format_alone(word: str, message: str) -> None:
    assert plan(body(f"{word} ECHO:{ADA}"), now=0.0).outcome == Refusal(400, message)
    assert blocks(plain(f"{word} ECHO:Hello")) == [("text", "Hello")]
    assert blocks(plain(word, tools=[TOOL]))[-1] == (
        "tool_use",
        '{"age":0,"name":"demo","born":"2026-01-01"}',
    )
    assert plan(body(f"ERR:529 {word}"), now=0.0).outcome == Refusal(529, "Overloaded")


def test_made_up_arguments_of_a_strict_tool_fit() -> None:
    strict = {"name": "add", "input_schema": PERSON, "strict": True}
    made = blocks(plain("Hi", tools=[strict], tool_choice={"type": "any"}))
    assert made[-1] == ("tool_use", MADE_UP)
