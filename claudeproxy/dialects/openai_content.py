"""The content of a message in OpenAI's dialects: a string, or parts of several types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..conversation import Block, Turn, text_block
from ..errors import bad_request
from .fields import Fields, wrong_type
from .media import file_block


# The Messages API wants the user to speak first and last, Chat Completions does not mind. Where
# no user turn stands there, these do.
OPENING = text_block("Begin.")
CONTINUATION = text_block("Continue.")


def user_at_both_ends(turns: list[Turn]) -> Iterable[Turn]:
    """The turns, with the user's where the API wants them and a client need not have them."""
    if not turns or turns[0].role != "user":
        yield Turn("user", (OPENING,))
    yield from turns
    if turns and turns[-1].role != "user":
        yield Turn("user", (CONTINUATION,))


def read_content(
    fields: Fields, name: str, readers: Mapping[str, Callable[[Fields], Block]]
) -> tuple[Block, ...]:
    """The blocks of a field, without blocks of text that are blank (the API refuses those).

    readers: how to read each type of part.
    """
    content = fields.value.get(name)
    if content is None:
        return ()
    if isinstance(content, str):
        blocks = [text_block(content)]
    elif isinstance(content, list):
        blocks = [_part(part, readers) for part in fields.objects(name)]
    else:
        raise wrong_type(fields.where(name), "a string or an array of parts", content)
    return tuple(block for block in blocks if block["type"] != "text" or block["text"].strip())


def _part(part: Fields, readers: Mapping[str, Callable[[Fields], Block]]) -> Block:
    kind = part.require("type", part.string("type"))
    if kind not in readers:
        raise bad_request(
            f"Content parts of type '{kind}' are not supported here; supported: "
            f"{', '.join(readers)}.",
            part.where("type"),
            "unsupported_value",
        )
    return readers[kind](part)


def read_text(part: Fields) -> Block:
    """A part with a `text`."""
    return text_block(part.require("text", part.string("text")))


def read_refusal(part: Fields) -> Block:
    """What the model said instead of an answer."""
    return text_block(part.require("refusal", part.string("refusal")))


def read_file(file: Fields) -> Block:
    """A file that is in the request itself."""
    refuse_stored(file)
    return file_block(
        file.require("file_data", file.string("file_data")),
        file.string("filename"),
        file.where("file_data"),
    )


def refuse_stored(file: Fields) -> None:
    """Raises a 400 for a file that is only named."""
    if file.has("file_id"):
        raise bad_request(
            "This server stores no files: send the file itself as 'file_data'.",
            file.where("file_id"),
            "unsupported_parameter",
        )
