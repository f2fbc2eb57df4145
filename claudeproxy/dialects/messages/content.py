"""Anthropic Messages: the system prompt and the messages of a request, as turns.

Source: Anthropic's API reference, "Create a Message".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from ...conversation import Block, text_block
from ...errors import bad_request
from ..fields import Fields
from ..history import History
from ..media import file_block, image_block
from ..wording import dotted
from .schema import SERVER_BLOCKS


def read_system(fields: Fields) -> str:
    """The system prompt, from a string or blocks of text."""
    given = fields.get("system", "")
    if isinstance(given, str):
        return given
    return "\n\n".join(block["text"] for block in given if block["text"].strip())


def read_messages(fields: Fields, *, counting: bool) -> History:
    """Return the history; raise a 400 unless it begins and ends with a user message.

    counting: its tokens are only counted, so it may also end with the assistant's message.
    """
    messages = list(fields.children("messages"))
    reader = _Reader()
    for message in messages:
        reader.read(message)
    reader.expect_no_results()
    spoken = [message for message in messages if message.get("role") != "system"]
    if not spoken or spoken[0].get("role") == "assistant":
        first = (spoken or messages)[0]
        raise bad_request(
            f"{dotted(first.path)}: the first message, apart from system messages, must have the "
            "role 'user'.",
            first.where("role"),
        )
    if not counting and _is_prefill(messages[-1]):
        raise bad_request(
            "messages: the last message must have the role 'user'. Prefilling the response of "
            "the assistant is not supported.",
            messages[-1].where("role"),
            "unsupported_value",
        )
    return reader.history


def _is_prefill(message: Fields) -> bool:
    """Whether a last message is the beginning of the answer that the client wants."""
    if message.get("role") != "assistant":
        return False
    content = message.get("content")
    blank = not content or (isinstance(content, str) and not content.strip())
    return not blank and not _may_be_paused(message)


def _may_be_paused(message: Fields) -> bool:
    """Whether the API may have ended a message with `pause_turn`, and the client wants it to go on.

    The CLI cannot continue a message. The text "Continue." after it asks the model to do so.
    """
    content = message.get("content")
    return not isinstance(content, str) and any(
        block.get("type") in SERVER_BLOCKS for block in message.children("content")
    )


@attrs.define
class _Reader:
    """Reads the messages in order."""

    history: History = attrs.field(factory=History)
    caller: str = ""
    # The role of the message before.
    _before: str = attrs.field(init=False, default="")

    def read(self, message: Fields) -> None:
        before, self._before = self._before, message.get("role")
        match message.get("role"):
            case "assistant":
                # As in the API, messages of the assistant's that follow each other are one.
                if before != "assistant":
                    self.expect_no_results()
                    self.caller = message.path
                self.history.assistant(tuple(self._blocks(message)))
            case "user":
                # A blank message is left out, because a client may be unable to remove it.
                self.history.user(tuple(self._blocks(message)))
            case _:
                self.history.instruct(block["text"] for block in self._blocks(message))

    def expect_no_results(self) -> None:
        """Raise a 400 if a call has no result yet."""
        if waiting := self.history.calls.waiting:
            raise bad_request(
                f"{dotted(self.caller)}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(waiting)}. Each `tool_use` block must have a "
                "corresponding `tool_result` block in the next message.",
                self.caller,
            )

    def _blocks(self, message: Fields) -> Iterator[Block]:
        """Yield the content, without thinking and without blank text, which the API refuses.

        The process that has the conversation still has the thinking. A replay does not need it.
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
                        f"{dotted(block.path)}: `tool_result` blocks must come first in a message.",
                        block.path,
                    )
                yield self._result(block)
            elif kind in SERVER_BLOCKS:
                yield {
                    name: value for name, value in block.value.items() if name != "cache_control"
                }
            elif kind == "text" and message.get("role") == "assistant":
                yield from _said(block)
            elif kind in _READERS:
                yield from _READERS[kind](block)
            only_results = only_results and kind == "tool_result"

    def _call(self, block: Fields) -> Block:
        if block.get("id") in self.history.calls.waiting:
            raise bad_request(
                f"{dotted(block.path)}: `tool_use` ids must be unique.", block.where("id")
            )
        return self.history.calls.use(
            block.get("id"), block.get("name"), block.get("input"), block.where("id")
        )

    def _result(self, block: Fields) -> Block:
        calls, call_id = self.history.calls, block.get("tool_use_id")
        if why := calls.problem_with_result(call_id):
            raise bad_request(
                f"{dotted(block.path)}: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{call_id}. Each `tool_result` block must have a corresponding `tool_use` block "
                f"in the previous message. {why}",
                block.where("tool_use_id"),
            )
        return calls.result(call_id, _content_of(block), is_error=block.get("is_error", False))


def _content_of(block: Fields) -> Iterator[Block]:
    content = block.get("content")
    if isinstance(content, str):
        if content.strip():
            yield text_block(content)
        return
    for inner in block.children("content"):
        yield from _READERS[inner.get("type")](inner)


def tools_defined_in(fields: Fields) -> list[Fields]:
    """Return the tools that system messages define; of two with the same name, the later one."""
    defined: dict[str, Fields] = {}
    for message in fields.children("messages"):
        if message.get("role") == "system" and not isinstance(message.get("content"), str):
            for block in message.children("content"):
                tool = block.child("tool")
                if block.get("type") == "tool_addition" and tool.get("type") == "tool_definition":
                    definition = tool.child("definition")
                    defined[definition.get("name")] = definition
    return list(defined.values())


def _added(block: Fields) -> Iterator[Block]:
    """A tool that is added; it is offered all along."""
    tool = block.child("tool")
    yield _can_be_called(tool.get("name") or tool.child("definition").get("name"))


def _removed(block: Fields) -> Iterator[Block]:
    """A tool that is removed. The process keeps it, because the CLI cannot change its tools."""
    yield text_block(f"The tool {block.child('tool').get('name')} cannot be called any more.")


def _can_be_called(name: str) -> Block:
    return text_block(f"The tool {name} can be called now.")


def _text(block: Fields) -> Iterator[Block]:
    if block.get("text").strip():
        yield text_block(block.get("text"))


def _said(block: Fields) -> Iterator[Block]:
    """A text of the assistant's, which can cite."""
    cited = {"citations": block.get("citations")} if block.get("citations") else {}
    for said in _text(block):
        yield {**said, **cited}


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
        case "content":
            texts, images = _pieces(source)
            yield from images
            if not texts and images:
                return
            told = _plain(source, "content", "\n\n".join(texts))
        case _:
            told = _plain(source, "data", source.get("data"))
    yield {"type": "document", "source": told, **about}


def _plain(source: Fields, name: str, text: str) -> dict[str, str]:
    """The source of a document of text."""
    if not text.strip():
        raise source.invalid(name, "the document contains only white space")
    return {"type": "text", "media_type": "text/plain", "data": text}


def _pieces(source: Fields) -> tuple[list[str], list[Block]]:
    """The texts and the images of a document, which is divided only for citations."""
    if isinstance(content := source.get("content"), str):
        return [content], []
    blocks = [
        block
        for piece in source.children("content")
        for block in _READERS[piece.get("type")](piece)
    ]
    texts = [block["text"] for block in blocks if block["type"] == "text"]
    return texts, [block for block in blocks if block["type"] == "image"]


def _found(block: Fields) -> Iterator[Block]:
    """Return a search result as text, because the CLI does not accept search results."""
    texts = [part.get("text") for part in block.children("content")]
    told = "\n\n".join(text for text in texts if text.strip())
    about = f"Title: {block.get('title')}\nSource: {block.get('source')}"
    yield text_block(f"<search_result>\n{about}\n\n{told}\n</search_result>")


def _reference(block: Fields) -> Iterator[Block]:
    """A tool that a search for tools found; it is offered all along."""
    yield _can_be_called(block.get("tool_name"))


def _data_url(source: Fields) -> str:
    return f"data:{source.get('media_type')};base64,{source.get('data')}"


_READERS: dict[str, Callable[[Fields], Iterator[Block]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _found,
    "tool_reference": _reference,
    "tool_addition": _added,
    "tool_removal": _removed,
}
