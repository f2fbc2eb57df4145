"""Items of Responses requests that are neither messages nor calls of the client's tools."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claudeproxy.conversation import Turn, text_block

from ..asking import refused, user
from .test_content import HELLO
from .test_request import answered, ask, dialect


def told_as(kind: str, said: Any) -> str:
    return f"<{kind}>\n{json.dumps(said, ensure_ascii=False)}\n</{kind}>"


@pytest.mark.parametrize(
    ("kind", "role", "unknown"),
    [
        ("mcp_call", "assistant", False),
        ("local_shell_call", "assistant", False),
        ("local_shell_call_output", "user", False),
        ("mcp_list_tools", "user", False),
        ("agent_message", "user", False),
        ("brand_new", "user", True),
        ("brand_new_call", "assistant", True),
    ],
)
def test_other_items_are_told_as_json(kind: str, role: Any, unknown: bool) -> None:
    item = {"type": kind, "id": "x_1", "status": "completed", "encrypted_content": "abc"}
    asked = ask(HELLO, {**item, "action": {"query": "é", "odd": [None]}}, HELLO)
    text = told_as(kind, {"action": {"query": "é", "odd": [None]}})
    told = Turn("assistant", (text_block(text),))
    parted, together = (user("Hello"), told, user("Hello")), (user("Hello", text, "Hello"),)
    assert asked.conversation.turns == (parted if role == "assistant" else together)
    assert asked.ignored == ((f"input[].{kind}",) if unknown else ())


def test_the_data_of_images_is_not_told_as_text() -> None:
    long = "iVBORw0KGgo" + "A" * 1000
    item = {"type": "image_generation_call", "result": long, "prompt": "a " * 600}
    shown = {"type": "computer_call_output", "output": {"url": [f"data:image/png;base64,{long}"]}}
    read = ask(HELLO, item, shown).conversation.turns
    assert read[1].blocks == (
        text_block(
            told_as(
                "image_generation_call",
                {"result": "(1,011 bytes of base64)", "prompt": "a " * 600},
            )
        ),
    )
    assert read[2].blocks[0]["text"] == told_as(
        "computer_call_output", {"output": {"url": ["(1,033 bytes of base64)"]}}
    )


@pytest.mark.parametrize("kind", ["compaction", "compaction_summary", "context_compaction"])
def test_what_only_another_server_can_read_is_left_out_and_told(kind: str) -> None:
    asked = ask(HELLO, {"type": kind, "encrypted_content": "abc"}, HELLO)
    assert asked.conversation.turns == (user("Hello", "Hello"),)
    assert asked.ignored == (f"input[].{kind}",)


EFFORT = {"type": "configuration_update", "reasoning": {"effort": "high"}}
NO_EFFORT = {"type": "configuration_update", "reasoning": {"effort": "none"}}
AS_JSON = {"type": "configuration_update", "text": {"format": {"type": "json_object"}}}
AS_TEXT = {"type": "configuration_update", "text": {"format": {"type": "text"}}}


@pytest.mark.parametrize(
    ("updates", "effort", "schema"),
    [
        ([], "low", None),
        ([EFFORT], "high", None),
        ([NO_EFFORT, EFFORT, AS_JSON], "high", {"type": "object"}),
        ([EFFORT, NO_EFFORT], None, None),
        ([AS_JSON, AS_TEXT], "low", None),
        ([{"type": "configuration_update", "id": "cu_1", "reasoning": {}}], "low", None),
    ],
)
def test_updates_of_the_settings_hold_from_then_on(updates: Any, effort: Any, schema: Any) -> None:
    asked = ask(HELLO, *updates, HELLO, reasoning={"effort": "low"})
    conversation = asked.conversation
    assert conversation.turns == (user("Hello", "Hello"),)
    assert conversation.limits.effort == effort
    assert conversation.limits.thinking is (effort is not None)
    assert conversation.output_schema == schema
    assert asked.ignored == ()


def test_updates_in_stored_responses_hold_too() -> None:
    to = dialect()
    answered("a", EFFORT, HELLO, to=to)
    asked = ask(HELLO, to=to, previous_response_id="resp_a").conversation
    assert asked.limits.effort == "high"


def test_an_update_that_cannot_be_is_told_by_its_place() -> None:
    bad = {"type": "configuration_update", "reasoning": {"effort": "vast"}}
    assert refused(lambda: ask(HELLO, bad))[1:] == ("input[1].reasoning.effort", "invalid_value")


def test_other_items_are_kept_and_listed_as_they_are() -> None:
    to = dialect()
    search = {"type": "mcp_call", "id": "ws_1", "status": "completed", "action": {"q": 1}}
    odd = {"type": "brand_new", "content": ["x"], "output": [[]]}
    answered("a", search, odd, HELLO, to=to)
    (first, second, _) = json.loads(to.input_items("resp_a", {"order": "asc"}))["data"]
    assert first == {**search, "id": "item_ai0"}
    assert second == {**odd, "id": "item_ai1"}
    asked = ask(HELLO, to=to, previous_response_id="resp_a").conversation
    assert asked.turns[1].blocks == (text_block(told_as("mcp_call", {"action": {"q": 1}})),)
