"""The content of a message in OpenAI's dialects: a string, or parts of several types."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..conversation import Block, text_block
from .fields import Fields
from .kinds import Either, Kind, List, Nothing, Text
from .media import file_block
from .parameters import Field, Object, Variant


NOTHING_STORED = "This server does not store files. Send the content of the file as 'file_data'."

# The fields of a file in all of OpenAI's dialects.
FILE = (
    Field("file_id", Nothing(NOTHING_STORED)),
    Field("file_data", Text(), note="A data URL or plain base64."),
    Field("filename", Text()),
)
TEXT_PART = Object((Field("text", Text(), required=True),))
REFUSAL_PART = Object((Field("refusal", Text(), required=True),))


def content(parts: Mapping[str, Object]) -> Kind:
    """A string, or an array of these types of parts."""
    return Either(
        (Text(), List(Variant("type", parts, what="Content parts"))),
        "a string or an array of parts",
    )


def read_content(
    fields: Fields,
    name: str,
    readers: Mapping[str, Callable[[Fields], Block]],
    other: Callable[[Fields], Block] | None = None,
) -> tuple[Block, ...]:
    """Return the blocks of a field, without blank text, which the API refuses.

    readers: the reader for each type of part. other: the reader for all other types.
    """
    given = fields.get(name)
    if given is None:
        return ()
    if isinstance(given, str):
        return (text_block(given),) if given.strip() else ()
    blocks = []
    for part in fields.children(name):
        reader = readers.get(part.get("type"), other)
        assert reader is not None
        blocks.append(reader(part))
    return tuple(block for block in blocks if block["type"] != "text" or block["text"].strip())


def read_text(part: Fields) -> Block:
    """A part with a `text`."""
    return text_block(part.get("text"))


def read_refusal(part: Fields) -> Block:
    """A part with a `refusal`."""
    return text_block(part.get("refusal"))


def read_file(file: Fields) -> Block:
    """A file whose content is in the request."""
    if not file.has("file_data"):
        raise file.missing("file_data")
    return file_block(file.get("file_data"), file.get("filename"), file.where("file_data"))
