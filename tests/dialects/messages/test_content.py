"""Anthropic Messages: what is said in a request, and what cannot be said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claudeproxy.conversation import Turn, text_block
from claudeproxy.dialects import ParsedRequest
from claudeproxy.dialects.messages.request import read

from ..asking import HELLO, PDF, PNG, assistant, refused, tool_result, tool_use, user


CALL = tool_use("toolu_1", "f", a=1)
PREFILL = {"role": "assistant", "content": "I"}


def ask(*messages: Any, **more: Any) -> ParsedRequest:
    body = {"model": "sonnet", "max_tokens": 50, "messages": list(messages) or [HELLO], **more}
    return read(json.dumps(body).encode())


def turns(*messages: Any) -> tuple[Turn, ...]:
    return ask(*messages).conversation.turns


def told(*content: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(content)}


def result(call_id: str = "toolu_1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, **more}


@pytest.mark.parametrize(
    ("system", "text"),
    [
        (None, ""),
        ("S", "S"),
        (
            [{"type": "text", "text": "S", "cache_control": {}}, {"type": "text", "text": "T"}],
            "S\n\nT",
        ),
    ],
)
def test_the_system_prompt(system: Any, text: str) -> None:
    assert ask(system=system).conversation.profile.system == text


def test_pictures_and_documents() -> None:
    picture = {"type": "base64", "media_type": "image/png", "data": PNG}
    document = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    link = {"type": "url", "url": "https://example.org/a"}
    plain = {"type": "text", "media_type": "text/plain", "data": "T"}
    content = (
        {"type": "image", "source": picture},
        {"type": "image", "source": link},
        {"type": "document", "source": document, "title": "D", "context": "C"},
        {"type": "document", "source": link, "context": "C"},
        {"type": "document", "source": plain, "title": "D"},
    )
    assert turns(told(*content)) == (Turn("user", content),)


def test_a_document_of_texts_and_images() -> None:
    picture = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    texts = [text_block("one"), text_block(" "), text_block("two")]

    def document(*content: Any) -> dict[str, Any]:
        given = content[0] if isinstance(content[0], str) else list(content)
        return {"type": "document", "source": {"type": "content", "content": given}, "title": "T"}

    def plain(text: str) -> dict[str, Any]:
        source = {"type": "text", "media_type": "text/plain", "data": text}
        return {"type": "document", "source": source, "title": "T"}

    for given, blocks in (
        (document("one"), (plain("one"),)),
        (document(*texts), (plain("one\n\ntwo"),)),
        (document(texts[0], picture), (picture, plain("one"))),
        (document(picture), (picture,)),
    ):
        assert turns(told(given)) == (Turn("user", blocks),)
    message, *_ = refused(lambda: ask(told(document(" "))))
    assert message.startswith("messages.0.content.0.document.source.content.content: The document")


def test_calls_and_results_and_no_thoughts() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": "x"}
    conversation = turns(
        HELLO,
        told(thought, hidden, text_block("I call"), CALL, role="assistant"),
        told(result(content="done", is_error=True), text_block("well?")),
    )
    failed = {**tool_result("toolu_1", text_block("done")), "is_error": True}
    assert conversation == (
        user("Hello"),
        Turn("assistant", (text_block("I call"), CALL)),
        Turn("user", (failed, text_block("well?"))),
    )


def test_an_answer_that_was_all_thought_is_not_replayed() -> None:
    hidden = told({"type": "redacted_thinking", "data": "x"}, role="assistant")
    assert turns(HELLO, hidden, HELLO) == (user("Hello", "Hello"),)
    assert turns(HELLO, told(text_block("A"), role="assistant"), HELLO)[1] == assistant("A")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [PREFILL, HELLO]}, "messages[0].role"),
        ({"messages": [HELLO, PREFILL]}, "messages[1].role"),
        ({"messages": [{"role": "system", "content": "S"}]}, "messages[0].role"),
        ({"messages": [told({"type": "audio"})]}, "messages[0].content[0].type"),
        ({"messages": [told(result())]}, "messages[0].content[0].tool_use_id"),
        ({"messages": [HELLO, told(CALL, role="assistant"), HELLO]}, "messages[1]"),
        (
            {"messages": [HELLO, told(CALL, role="assistant"), told(text_block("x"), result())]},
            "messages[2].content[1]",
        ),
        ({"messages": [HELLO, told(CALL, CALL, role="assistant")]}, "messages[1].content[1].id"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
    ],
)
def test_what_cannot_be_said_is_named(body: dict[str, Any], param: str) -> None:
    messages = body.pop("messages", [HELLO])
    _, named, _ = refused(lambda: ask(*messages, **body))
    assert named == param


def picture(**source: Any) -> dict[str, Any]:
    return {"type": "image", "source": source}


def document(**more: Any) -> dict[str, Any]:
    return {"type": "document", **more}


BASE64 = {"type": "base64", "media_type": "image/png", "data": PNG}


@pytest.mark.parametrize(
    ("block", "where"),
    [
        ({"type": "image"}, "source"),
        ({"type": "image", "source": "x"}, "source"),
        (picture(), "source.type"),
        (picture(type="file", file_id="f"), "source.type"),
        (picture(**{**BASE64, "data": "SUkqAAAAAAAAAAAA"}), "source"),
        (picture(**{**BASE64, "data": "%"}), "source"),
        (picture(**{**BASE64, "data": None}), "source.data"),
        (picture(type="url"), "source.url"),
        (picture(type="url", url="file:///etc/passwd"), "source.url"),
        (document(), "source"),
        (document(source=BASE64), "source"),
        (document(source={"type": "file", "file_id": "f"}), "source.type"),
        (document(source={"type": "text", "media_type": "text/plain"}), "source.data"),
        (document(source={"type": "url", "url": "/a"}), "source.url"),
    ],
)
def test_a_picture_or_document_that_cannot_be_is_named(block: dict[str, Any], where: str) -> None:
    _, named, _ = refused(lambda: ask(told(block)))
    assert named is not None
    assert named.startswith(f"messages[0].content[0].{where}"), named


SYSTEM = {"role": "system", "content": "Be brief."}
MARKED = text_block("<system_message>\nBe brief.\n</system_message>")


def test_leading_system_messages_are_the_system_prompt() -> None:
    more = {"role": "system", "content": [{"type": "text", "text": "Be kind."}]}
    conversation = ask(SYSTEM, more, HELLO, system="First.").conversation
    assert conversation.profile.system == "First.\n\nBe brief.\n\nBe kind."
    assert conversation.turns == (user("Hello"),)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        # Claude Code 2.1.332 puts one behind the first message, and keeps it there.
        ([HELLO, SYSTEM], [Turn("user", (text_block("Hello"), MARKED))]),
        (
            [HELLO, SYSTEM, told(text_block("A"), role="assistant"), HELLO],
            [Turn("user", (text_block("Hello"), MARKED)), assistant("A"), user("Hello")],
        ),
        (
            [HELLO, told(text_block("A"), role="assistant"), SYSTEM],
            [user("Hello"), assistant("A"), Turn("user", (MARKED,))],
        ),
        (
            [HELLO, told(CALL, role="assistant"), told(result()), SYSTEM, HELLO],
            [
                user("Hello"),
                Turn("assistant", (CALL,)),
                Turn("user", (tool_result("toolu_1"), MARKED, text_block("Hello"))),
            ],
        ),
        (
            [HELLO, told(CALL, role="assistant"), SYSTEM, told(result())],
            [
                user("Hello"),
                Turn("assistant", (CALL,)),
                Turn("user", (tool_result("toolu_1"), MARKED)),
            ],
        ),
    ],
)
def test_a_system_message_in_the_middle_stands_where_it_is(
    messages: list[Any], expected: list[Turn]
) -> None:
    conversation = ask(*messages, system="S").conversation
    assert conversation.profile.system == "S"
    assert conversation.turns == tuple(expected)


def test_a_message_with_an_effort_of_its_own_is_told() -> None:
    asked = ask(HELLO, {**SYSTEM, "output_config": {"effort": "low"}})
    assert asked.ignored == ("messages[].output_config",)


def test_results_of_parallel_calls_may_come_in_two_messages() -> None:
    other = tool_use("toolu_2", "g")
    said = turns(
        HELLO, told(CALL, other, role="assistant"), told(result()), told(result("toolu_2"))
    )
    assert said[2] == Turn("user", (tool_result("toolu_1"), tool_result("toolu_2")))


def test_parallel_calls_may_come_in_two_messages() -> None:
    first, second = ({"role": "assistant", "content": [tool_use(name, "f")]} for name in "ab")
    results = [tool_result(name, text_block(name)) for name in "ab"]
    turns = ask(HELLO, first, second, {"role": "user", "content": results}).conversation.turns
    assert turns[1:] == (
        Turn("assistant", (tool_use("a", "f"), tool_use("b", "f"))),
        Turn("user", tuple(results)),
    )
    for messages in (
        (HELLO, first, second, {"role": "user", "content": results[:1]}),
        (HELLO, first, HELLO, second, {"role": "user", "content": results}),
    ):
        told, *_ = refused(lambda messages=messages: ask(*messages))  # type: ignore[misc]
        assert told.startswith("messages.1: `tool_use` ids were found without `tool_result` blocks")


def test_results_come_first_also_if_something_was_said_between_them() -> None:
    other = tool_use("toolu_2", "g")
    said = turns(
        HELLO,
        told(CALL, other, role="assistant"),
        told(result(), text_block("one")),
        told(result("toolu_2"), text_block("two")),
    )
    results = (tool_result("toolu_1"), tool_result("toolu_2"))
    assert said[2] == Turn("user", (*results, text_block("one"), text_block("two")))


@pytest.mark.parametrize("blank", ["", " \n", [], [{"type": "text", "text": ""}]])
def test_a_blank_message_of_the_users_is_left_out(blank: Any) -> None:
    said = {"role": "user", "content": blank}
    assert turns(HELLO, said) == (user("Hello"),)
    assert turns(said) == (user("Begin."),)
    before = told(text_block("A"), role="assistant")
    assert turns(HELLO, before, said) == (user("Hello"), assistant("A"), user("Continue."))


@pytest.mark.parametrize("blank", ["", " \n", []])
def test_a_blank_last_message_of_the_assistants_is_left_out(blank: Any) -> None:
    assert turns(HELLO, {"role": "assistant", "content": blank}) == turns(HELLO)


def test_what_a_search_found_is_told_as_text() -> None:
    found = {
        "type": "search_result",
        "source": "https://example.org",
        "title": "T",
        "content": [text_block("a"), text_block("b")],
        "citations": {"enabled": True},
    }
    text = "<search_result>\nTitle: T\nSource: https://example.org\n\na\n\nb\n</search_result>"
    assert turns(told(found)) == (user(text),)
    asked = ask(HELLO, told(CALL, role="assistant"), told(result(content=[found])))
    assert asked.conversation.turns[2].blocks == (tool_result("toolu_1", text_block(text)),)
    assert asked.ignored == ("messages[].content[].content[].citations",)


def test_a_reference_to_a_tool_is_told_as_text() -> None:
    reference = {"type": "tool_reference", "tool_name": "mcp__weather__get"}
    said = turns(HELLO, told(CALL, role="assistant"), told(result(content=[reference])))
    text = text_block("The tool mcp__weather__get can be called now.")
    assert said[2].blocks == (tool_result("toolu_1", text),)


def test_what_anthropics_own_tools_did_goes_back_as_it_came() -> None:
    search = {
        "type": "server_tool_use",
        "id": "srvtoolu_1",
        "name": "web_search",
        "input": {"query": "q"},
    }
    found = {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [{"type": "web_search_result", "url": "u", "encrypted_content": "x"}],
    }
    asked = ask(HELLO, told(search, found, text_block("A"), role="assistant"), HELLO)
    assert asked.conversation.turns[1] == Turn("assistant", (search, found, text_block("A")))
    assert asked.ignored == ()
