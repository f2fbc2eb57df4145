"""Anthropic Messages: the system prompt and the messages of a request, as turns.

Source: Anthropic's API reference, "Create a Message".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from ...conversation import Block, Turn, alternate, text_block
from ...errors import bad_request
from ..fields import Fields
from ..media import file_block, image_block
from ..tool_calls import Calls


def read_system(fields: Fields) -> str:
    """The system prompt, from a string or blocks of text."""
    given = fields.get("system", "")
    if isinstance(given, str):
        return given
    return "\n\n".join(block["text"] for block in given if block["text"].strip())


def read_messages(fields: Fields) -> tuple[Turn, ...]:
    """The turns, which alternate and begin and end with the user's."""
    reader = _Reader()
    for message in fields.children("messages"):
        reader.read(message)
    reader.expect_no_results()
    if not reader.turns or reader.turns[0].role != "user":
        raise bad_request("messages: the first message must be the user's.", "messages[0].role")
    if reader.turns[-1].role != "user":
        raise bad_request(
            "messages: the last message must be the user's; an answer cannot be begun for the "
            "model here.",
            message.where("role"),
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
        if message.get("role") == "assistant":
            self.expect_no_results()
            self.caller = message.path
            blocks = tuple(self._blocks(message))
            # An answer that was nothing but thought leaves nothing to replay.
            if blocks:
                self.turns.append(Turn("assistant", blocks))
            return
        blocks = tuple(self._blocks(message))
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

    def _blocks(self, message: Fields) -> Iterator[Block]:
        """The content, without blank text (the API refuses it) and without thoughts.

        What the model thought is in the process that still has the conversation; for a replay it is
        not needed.
        """
        if isinstance(content := message.get("content"), str):
            if content.strip():
                yield text_block(content)
            return
        only_results = True
        for block in message.children("content"):
            kind = block.get("type")
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
        return self.calls.use(
            block.get("id"), block.get("name"), block.get("input"), block.where("id")
        )

    def _result(self, block: Fields) -> Block:
        call_id = block.get("tool_use_id")
        if why := self.calls.problem_with_result(call_id):
            raise bad_request(
                f"{block.path}: each `tool_result` block must have a corresponding `tool_use` "
                f"block in the previous message. {why}",
                block.where("tool_use_id"),
            )
        return self.calls.result(call_id, _content_of(block), is_error=block.get("is_error", False))


def _content_of(block: Fields) -> Iterator[Block]:
    content = block.get("content")
    if isinstance(content, str):
        if content.strip():
            yield text_block(content)
        return
    for inner in block.children("content"):
        yield from _READERS[inner.get("type")](inner)


def _text(block: Fields) -> Iterator[Block]:
    if block.get("text").strip():
        yield text_block(block.get("text"))


def _image(block: Fields) -> Iterator[Block]:
    source = block.child("source")
    if source.get("type") == "url":
        yield image_block(source.get("url"), source.where("url"))
    else:
        yield image_block(_data_url(source), source.where("data"))


def _document(block: Fields) -> Iterator[Block]:
    source = block.child("source")
    about = {name: text for name in ("title", "context") if (text := block.get(name))}
    match source.get("type"):
        case "base64":
            file = file_block(_data_url(source), about.get("title"), source.where("data"))
            yield {**file, **about}
            return
        case "url":
            told = {"type": "url", "url": source.get("url")}
        case _:
            text = source.get("data")
            if not text.strip():
                raise source.invalid("data", "the document is blank")
            told = {"type": "text", "media_type": "text/plain", "data": text}
    yield {"type": "document", "source": told, **about}


def _data_url(source: Fields) -> str:
    return f"data:{source.get('media_type')};base64,{source.get('data')}"


_READERS: dict[str, Callable[[Fields], Iterator[Block]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
}
