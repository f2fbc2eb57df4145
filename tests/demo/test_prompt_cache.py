"""What the demo API's prompt cache serves, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.demo.prompt_cache import (
    PromptCache,
    Use,
    input_tokens,
    least_tokens,
    mark_problems,
    positions,
)


SHORT = {"type": "ephemeral"}
LONG = {"type": "ephemeral", "ttl": "1h"}
# So many tokens that the prompt is put into the cache.
SYSTEM = "s" * 4 * 1024


def text(value: str, mark: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "text", "text": value, **({"cache_control": mark} if mark else {})}


def prompt(*contents: Any, system: Any = SYSTEM, **more: Any) -> dict[str, Any]:
    """The user's and the assistant's messages in turn."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": content} for i, content in enumerate(contents)]
    return {"model": "claude-sonnet-5", "system": system, "messages": messages, **more}


def served(cache: PromptCache, body: dict[str, Any], now: float = 0.0) -> tuple[int, int, int, int]:
    """Tokens read, created for 5 minutes, created for 1 hour, and the rest."""
    use = cache.look_up(body, now)
    cache.remember(use)
    return use.read, use.created_5m, use.created_1h, use.rest


def problems(body: dict[str, Any]) -> list[str]:
    return list(mark_problems(body))


def test_a_prompt_without_marks_is_not_cached() -> None:
    cache = PromptCache()
    assert served(cache, prompt("hi" * 2)) == (0, 0, 0, 1025)
    assert served(cache, prompt("hi" * 2)) == (0, 0, 0, 1025)


def test_a_marked_prompt_is_created_once_and_then_read() -> None:
    cache = PromptCache()
    body = prompt([text("a" * 40, SHORT), text("b" * 40)])
    assert served(cache, body) == (0, 1034, 0, 10)
    assert served(cache, body) == (1034, 0, 0, 10)


def test_a_conversation_reads_what_its_last_turn_created() -> None:
    cache = PromptCache()
    served(cache, prompt([text("a" * 40, SHORT)]))
    second = prompt("a" * 40, "b" * 40, [text("c" * 40, SHORT)])
    assert served(cache, second) == (1034, 20, 0, 0)
    third = prompt("a" * 40, "b" * 40, "c" * 40, "d" * 40, [text("e" * 40, SHORT)])
    assert served(cache, third) == (1054, 20, 0, 0)


def test_a_string_and_a_text_block_are_the_same_and_marks_do_not_count() -> None:
    assert [at.digest for at in positions(prompt("a", [text("b", LONG)], [text("c")]))] == [
        at.digest for at in positions(prompt([text("a", SHORT)], "b", "c"))
    ]


def test_only_a_marked_prefix_can_be_read() -> None:
    cache = PromptCache()
    served(cache, prompt([text("a"), text("b"), text("c", SHORT)]))
    assert served(cache, prompt([text("a"), text("b", SHORT), text("x")]))[0] == 0


@pytest.mark.parametrize(("between", "read"), [(18, 1025), (19, 1025), (20, 0)])
def test_a_mark_looks_back_over_twenty_blocks_itself_included(between: int, read: int) -> None:
    cache = PromptCache()
    served(cache, prompt([text("aaaa", SHORT)]))
    # The marked block is the last of so many after the one in the cache.
    after = [text("b")] * (between - 1) + [text("b", SHORT)]
    assert served(cache, prompt([text("aaaa"), *after]))[0] == read


def test_every_mark_looks_back() -> None:
    cache = PromptCache()
    served(cache, prompt([text("a")], system=[text(SYSTEM, SHORT)]))
    many = [text("b")] * 30 + [text("b", SHORT)]
    assert served(cache, prompt(many, system=[text(SYSTEM)]))[0] == 0
    many = [text("c")] * 30 + [text("c", SHORT)]
    assert served(cache, prompt(many, system=[text(SYSTEM, SHORT)]))[0] == 1024


@pytest.mark.parametrize(
    ("model", "least"),
    [
        ("claude-opus-5-5", 512),
        ("claude-fable-5-1", 512),
        ("claude-sonnet-5", 1024),
        ("claude-opus-4-1-20250805", 1024),
        ("claude-opus-4-8", 1024),
        ("claude-opus-4-7", 2048),
        ("claude-3-5-haiku-20241022", 2048),
        ("claude-opus-4-6", 4096),
        ("claude-haiku-4-5-20251001", 4096),
        ("claude-demo-tools", 1024),
    ],
)
def test_the_minimum_length_depends_on_the_model(model: str, least: int) -> None:
    assert least_tokens(model) == least
    cache = PromptCache()
    for tokens, created in ((least - 1, 0), (least, least)):
        body = prompt([text("a" * 4 * tokens, SHORT)], system=None, model=model)
        assert served(cache, body) == (0, created, 0, tokens - created)


def test_an_entry_lives_for_its_time_after_its_last_use() -> None:
    cache = PromptCache()
    body = prompt([text("a" * 4, SHORT)])
    for now, read in ((0, 0), (299, 1025), (598, 1025), (898, 0), (1197, 1025)):
        assert served(cache, body, now)[0] == read, now


def test_a_longer_mark_creates_for_an_hour() -> None:
    cache = PromptCache()
    body = prompt([text("a" * 40, SHORT), text("b")], system=[text(SYSTEM, LONG)])
    assert served(cache, body) == (0, 10, 1024, 1)
    assert served(cache, body, 301) == (1024, 10, 0, 1)
    assert served(cache, body, 301 + 3600)[0] == 0


def test_looking_up_alone_remembers_nothing() -> None:
    cache = PromptCache()
    body = prompt([text("a" * 4, SHORT)])
    assert cache.look_up(body, 0.0) == cache.look_up(body, 0.0)


def test_the_cache_is_bounded_and_forgets_the_least_recently_used() -> None:
    cache = PromptCache(most=2)
    first, second, third = (prompt([text(name, SHORT)]) for name in "abc")
    for body in (first, second, first, third):
        served(cache, body)
    assert served(cache, first)[0] == 1025
    assert served(cache, second)[0] == 0


TOOL = {"name": "look", "description": "d" * 4096, "input_schema": {"type": "object"}}
FORMAT = {"type": "json_schema", "schema": {"type": "string"}}
OTHER_FORMAT = {"type": "json_schema", "schema": {"type": "null"}}
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
CALL = {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1, "b": 2}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "r"}]}


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, "messages"),
        ({"max_tokens": 7, "metadata": {"user_id": "u"}, "stream": True}, "messages"),
        ({"tool_choice": {"type": "any"}}, "system"),
        ({"thinking": {"type": "adaptive"}}, "system"),
        ({"output_config": {"effort": "low"}}, "system"),
        ({"output_config": {"format": FORMAT}}, "tools"),
        ({"system": [text("other", SHORT)]}, "tools"),
        ({"model": "claude-opus-4-8"}, ""),
        ({"tools": [{**TOOL, "name": "see", "cache_control": SHORT}]}, ""),
    ],
)
def test_a_change_loses_its_own_part_of_the_cache_and_what_follows(
    change: dict[str, Any], kept: str
) -> None:
    cache = PromptCache()
    marked = {"tools": [{**TOOL, "cache_control": SHORT}], "system": [text(SYSTEM, SHORT)]}
    body = prompt([text("a" * 400, SHORT)], **marked)
    served(cache, body)
    tools, system, messages = positions(body)
    known = {"": 0, "tools": tools.tokens, "system": system.tokens, "messages": messages.tokens}
    assert served(cache, {**body, **change})[0] == known[kept]


def with_format(wanted: Any, **more: Any) -> dict[str, Any]:
    marked = {"tools": [{**TOOL, "cache_control": SHORT}], "system": [text(SYSTEM, SHORT)]}
    config = {"effort": "low", "format": wanted}
    return prompt([text("a" * 400, SHORT)], output_config=config, **{**marked, **more})


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, 2),
        ({"output_config": {"effort": "low", "format": OTHER_FORMAT}}, 0),
        ({"output_config": {"effort": "low", "format": None}}, 0),
        ({"output_config": {"effort": "low"}}, 0),
        ({"output_config": {"effort": "high", "format": FORMAT}}, 1),
    ],
)
def test_another_format_leaves_only_the_tools_in_the_cache(
    change: dict[str, Any], kept: int
) -> None:
    cache = PromptCache()
    body = with_format(FORMAT)
    served(cache, body)
    tools, system, messages = positions(body)
    known = [tools.tokens, system.tokens, messages.tokens]
    assert served(cache, {**body, **change})[0] == known[kept]


def test_the_format_counts_as_tokens_of_the_prompt_before_the_system_prompt() -> None:
    # The description of the format in characters, a quarter of which are tokens.
    tokens = len('{"type":"json_schema","schema":{"type":"string"}}') / 4
    without, with_it = with_format(None), with_format(FORMAT)
    more = [b.tokens - a.tokens for a, b in zip(*map(positions, (without, with_it)), strict=True)]
    assert more == [0, round(tokens), round(tokens)]
    assert input_tokens(with_it) - input_tokens(without) == round(tokens)
    use = PromptCache().look_up(with_it, 0.0)
    assert use.created_5m == input_tokens(with_it)


def test_the_format_counts_without_tools_and_without_a_system_prompt() -> None:
    without, with_it = (
        prompt("a", system=None, output_config={"format": f}) for f in (None, FORMAT)
    )
    assert input_tokens(with_it) > input_tokens(without) == 1
    assert positions(with_it)[-1].tokens == input_tokens(with_it)
    assert positions(with_it)[-1].digest != positions(without)[-1].digest


def test_a_format_of_none_is_no_part_of_the_prompt() -> None:
    body = with_format(None)
    assert positions(body) == positions({**body, "output_config": {"effort": "low"}})


def test_a_new_image_changes_all_messages() -> None:
    cache = PromptCache()
    served(cache, prompt([text("a", SHORT)], system=[text(SYSTEM, SHORT)]))
    later = prompt("a", "b", [IMAGE, text("c", SHORT)], system=[text(SYSTEM, SHORT)])
    assert served(cache, later)[0] == 1024
    inside = {**RESULT, "content": [IMAGE]}
    later = prompt("a", [CALL], [inside, text("c", SHORT)], system=[text(SYSTEM, SHORT)])
    assert served(cache, later)[0] == 1024


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (prompt("ab", "c"), prompt("a", "bc")),
        (prompt([text("a"), text("b")]), prompt([text("ab")])),
        (prompt("a", "b"), prompt([text("a"), text("b")])),
        (prompt("a", [CALL]), prompt("a", [{**CALL, "input": {"b": 2, "a": 1}}])),
        (prompt("a", [CALL], [RESULT]), prompt("a", [CALL], [{**RESULT, "is_error": True}])),
        (prompt("a", system="b"), prompt("b", system="a")),
    ],
)
def test_different_prompts_have_different_digests(one: Any, other: Any) -> None:
    assert positions(one)[-1].digest != positions(other)[-1].digest


def test_what_a_system_message_says_of_the_effort_is_part_of_the_prompt() -> None:
    def with_effort(effort: str) -> dict[str, Any]:
        body = prompt("a")
        told = {"role": "system", "content": "note", "output_config": {"effort": effort}}
        body["messages"].append(told)
        return body

    low, high = positions(with_effort("low")), positions(with_effort("high"))
    assert [a.digest == b.digest for a, b in zip(low, high, strict=True)] == [True, True, False]


def test_the_clis_account_of_itself_is_no_part_of_the_prompt() -> None:
    account = text("x-anthropic-billing-header: cc_version=2.1.332.e6b; cc_entrypoint=sdk-cli;")
    other = text("x-anthropic-billing-header: cc_version=2.1.332.18b; cc_entrypoint=sdk-cli;")
    assert positions(prompt("a", system=[account, text(SYSTEM)])) == positions(
        prompt("a", system=[other, text(SYSTEM)])
    )


def test_a_mark_in_a_tool_result_is_one_on_the_result() -> None:
    marked = {**RESULT, "content": [text("r", SHORT)]}
    assert [at.ttl for at in positions(prompt("a", [CALL], [marked]))] == ["", "", "", "5m"]
    assert [at.digest for at in positions(prompt("a", [CALL], [marked]))] == [
        at.digest for at in positions(prompt("a", [CALL], [RESULT]))
    ]


def test_a_mark_of_the_whole_request_is_on_its_last_block() -> None:
    cache = PromptCache()
    assert served(cache, prompt("a" * 4, cache_control=LONG)) == (0, 0, 1025, 0)
    assert served(cache, prompt("a" * 4, "b" * 4, "c" * 4, cache_control=LONG))[0] == 1025


MARKED = [text("a", SHORT)] * 4
ORDER = (
    "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that "
    "blocks are processed in the following order: `tools`, `system`, `messages`."
)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (prompt(MARKED), None),
        (
            prompt([text("a", LONG), text("b", SHORT)], tools=[{**TOOL, "cache_control": LONG}]),
            None,
        ),
        (
            prompt(MARKED, tools=[{**TOOL, "cache_control": SHORT}]),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (
            prompt(MARKED, cache_control=SHORT),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (
            prompt(MARKED, [CALL], [{**RESULT, "content": [text("r", SHORT)]}]),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (
            prompt("a", "b", [text("c"), text("d", LONG)], system=[text("s", SHORT)]),
            f"messages.2.content.1.cache_control.ttl: {ORDER}",
        ),
        (
            prompt("a", system=[text("s", LONG)], tools=[{**TOOL, "cache_control": SHORT}]),
            f"system.0.cache_control.ttl: {ORDER}",
        ),
        (
            prompt([text("a", {"type": "ephemeral", "ttl": "2h"})]),
            "messages.0.content.0.cache_control.ephemeral.ttl: Input should be '5m' or '1h'",
        ),
        (
            prompt([text("a", {"type": "forever"})]),
            "messages.0.content.0.cache_control.type: Input should be 'ephemeral'",
        ),
        (
            prompt(
                "a",
                [{"type": "thinking", "thinking": "t", "signature": "", "cache_control": SHORT}],
            ),
            "messages.1.content.0.thinking.cache_control: Extra inputs are not permitted",
        ),
    ],
)
def test_what_is_refused_in_marks(body: dict[str, Any], problem: str | None) -> None:
    assert problems(body)[:1] == ([] if problem is None else [problem])


BLOCKS = st.builds(text, st.text(max_size=30), st.sampled_from([None, None, SHORT, LONG]))
CONTENTS = st.lists(st.lists(BLOCKS, min_size=1, max_size=4), min_size=1, max_size=6)


@given(st.lists(CONTENTS, min_size=1, max_size=5), st.booleans())
def test_the_parts_are_the_whole(chats: list[list[Any]], is_long: bool) -> None:
    cache = PromptCache()
    for number, contents in enumerate(chats):
        body = prompt(*contents, system=SYSTEM if is_long else "s")
        parts = served(cache, body, float(number))
        assert sum(parts) == input_tokens(body)
        assert min(parts) >= 0


@given(CONTENTS)
def test_a_repeated_prompt_creates_nothing(contents: list[Any]) -> None:
    cache = PromptCache()
    body = prompt(*contents)
    _, short, long, rest = served(cache, body)
    assert served(cache, body) == (short + long, 0, 0, rest)


def test_usage_has_the_fields_of_the_api() -> None:
    assert json.loads(json.dumps(Use(1, 2, 3, 4).as_usage())) == {
        "input_tokens": 4,
        "cache_creation_input_tokens": 5,
        "cache_read_input_tokens": 1,
        "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3},
    }
