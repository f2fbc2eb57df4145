"""Anthropic Messages: the system prompt and the messages of a request, as turns.

Source: Anthropic's API reference, "Create a Message".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from ...conversation import Block, Turn, alternate, text_block
from ...errors import APIError, bad_request
from ..fields import Fields, wrong_type
from ..media import file_block, image_block
from ..tool_calls import Calls


def read_system(fields: Fields) -> str:
    """The system prompt, from a string or blocks of text."""
    value = fields.value.get("system")
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, list):
        raise wrong_type("system", "a string or an array of text blocks", value)
    texts = []
    for block in fields.objects("system"):
        block.require("type", block.choice("type", ("text",)))
        texts.append(block.require("text", block.string("text")))
    return "\n\n".join(text for text in texts if text.strip())


def read_messages(fields: Fields) -> tuple[Turn, ...]:
    """The turns, which alternate and begin and end with the user's."""
    messages = list(fields.objects("messages"))
    if not messages:
        raise bad_request("messages: at least one message is required.", "messages", "empty_array")
    reader = _Reader()
    for message in messages:
        reader.read(message)
    reader.expect_no_results()
    if not reader.turns or reader.turns[0].role != "user":
        raise bad_request("messages: the first message must be the user's.", "messages[0].role")
    if reader.turns[-1].role != "user":
        raise bad_request(
            "messages: the last message must be the user's; an answer cannot be begun for the "
            "model here.",
            messages[-1].where("role"),
            "unsupported_value",
        )
    return alternate(reader.turns)


@attrs.define
class _Reader:
    """What has been read so far."""

    turns: list[Turn] = attrs.field(factory=list)
    calls: Calls = attrs.field(factory=Calls)
    caller: str = ""

    def read(self, message: Fields) -> None:
        role = message.require("role", message.choice("role", ("user", "assistant")))
        if role == "assistant":
            self.expect_no_results()
            self.caller = message.path
            blocks = tuple(self._blocks(message, _ASSISTANT))
            # An answer that was nothing but thought leaves nothing to replay.
            if blocks:
                self.turns.append(Turn("assistant", blocks))
            return
        blocks = tuple(self._blocks(message, _USER))
        if not blocks:
            raise bad_request(
                f"{message.path}: a user message must hold something other than white space.",
                message.where("content"),
                "invalid_value",
            )
        self.expect_no_results()
        self.turns.append(Turn("user", blocks))

    def expect_no_results(self) -> None:
        """Every call must have its result in the next message."""
        if waiting := self.calls.waiting:
            raise bad_request(
                f"{self.caller}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(waiting)}.",
                self.caller,
            )

    def _blocks(self, message: Fields, kinds: tuple[str, ...]) -> Iterator[Block]:
        """The content, without blank text (the API refuses it) and without thoughts.

        What the model thought is in the process that still has the conversation; for a replay it is
        not needed.
        """
        content = message.value.get("content")
        if isinstance(content, str):
            if content.strip():
                yield text_block(content)
            return
        if not isinstance(content, list):
            if content is None:
                raise message.missing("content")
            raise wrong_type(message.where("content"), "a string or an array of blocks", content)
        only_results = True
        for block in message.objects("content"):
            kind = _kind(block, kinds)
            if kind == "tool_use":
                yield self._call(block)
            elif kind == "tool_result":
                if not only_results:
                    raise bad_request(
                        f"{block.path}: `tool_result` blocks must come first in a message.",
                        block.path,
                    )
                yield self._result(block)
            elif kind in _READERS:
                yield from _READERS[kind](block)
            only_results = only_results and kind == "tool_result"

    def _call(self, block: Fields) -> Block:
        call_id = block.string("id")
        if not call_id:
            raise block.missing("id")
        arguments = block.require("input", block.object("input"))
        return self.calls.use(call_id, block.name("name"), arguments.value, block.where("id"))

    def _result(self, block: Fields) -> Block:
        call_id = block.string("tool_use_id")
        if not call_id:
            raise block.missing("tool_use_id")
        if why := self.calls.problem_with_result(call_id):
            raise bad_request(
                f"{block.path}: each `tool_result` block must have a corresponding `tool_use` "
                f"block in the previous message. {why}",
                block.where("tool_use_id"),
            )
        is_error = block.boolean("is_error") or False
        content = tuple(_content_of(block, _RESULT))
        return self.calls.result(call_id, content, is_error=is_error)


_USER = ("text", "image", "document", "tool_result")
_ASSISTANT = ("text", "thinking", "redacted_thinking", "tool_use")
_RESULT = ("text", "image", "document")


def _kind(block: Fields, kinds: tuple[str, ...]) -> str:
    kind = block.require("type", block.string("type"))
    if kind not in kinds:
        raise bad_request(
            f"{block.where('type')}: blocks of type '{kind}' are not supported here; supported: "
            f"{', '.join(kinds)}.",
            block.where("type"),
            "unsupported_value",
        )
    return kind


def _content_of(block: Fields, kinds: tuple[str, ...]) -> Iterator[Block]:
    content = block.value.get("content")
    if isinstance(content, str):
        if content.strip():
            yield text_block(content)
    elif content is not None:
        for inner in block.objects("content"):
            yield from _READERS[_kind(inner, kinds)](inner)


def _text(block: Fields) -> Iterator[Block]:
    text = block.require("text", block.string("text"))
    if text.strip():
        yield text_block(text)


def _image(block: Fields) -> Iterator[Block]:
    source = _source(block, ("base64", "url"))
    if source.value["type"] == "url":
        yield image_block(_https(source), source.where("url"))
    else:
        yield image_block(_data_url(source), source.where("data"))


def _document(block: Fields) -> Iterator[Block]:
    citations = block.object("citations")
    if citations is not None and citations.boolean("enabled"):
        raise bad_request(
            f"{citations.path}: citations are not supported here.",
            citations.where("enabled"),
            "unsupported_value",
        )
    source = _source(block, ("base64", "text", "url"))
    about = {name: text for name in ("title", "context") if (text := block.string(name))}
    match source.value["type"]:
        case "base64":
            file = file_block(_data_url(source), about.get("title"), source.where("data"))
            yield {**file, **about}
            return
        case "url":
            told = {"type": "url", "url": _https(source)}
        case _:
            text = source.require("data", source.string("data"))
            if not text.strip():
                raise _unusable(source, "data", "the document is blank")
            told = {"type": "text", "media_type": "text/plain", "data": text}
    yield {"type": "document", "source": told, **about}


def _source(block: Fields, kinds: tuple[str, ...]) -> Fields:
    source = block.require("source", block.object("source"))
    source.require("type", source.choice("type", kinds))
    return source


def _data_url(source: Fields) -> str:
    kind = source.require("media_type", source.string("media_type"))
    return f"data:{kind};base64,{source.require('data', source.string('data'))}"


def _https(source: Fields) -> str:
    url = source.require("url", source.string("url"))
    if not url.startswith("https://"):
        raise _unusable(source, "url", "expected a https URL")
    return url


def _unusable(source: Fields, name: str, why: str) -> APIError:
    return bad_request(f"{source.where(name)}: {why}.", source.where(name), "invalid_value")


_READERS: dict[str, Callable[[Fields], Iterator[Block]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
}
