"""What soak.py's clients send and compare: a picture, and the texts that reached the API."""

from __future__ import annotations

import base64
import random
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


# What the CLI adds to what a client says.
NOTES = ("<system-reminder>", "<local-command-", "<command-name>")


def png(rng: random.Random) -> str:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress((b"\0" + rng.randbytes(3) * 8) * 8))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + head + data + chunk(b"IEND", b"")).decode()


def conversation(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The user's and the assistant's texts of an API request, without what the CLI adds.

    The CLI's own are a system message (2.1.330), a first block `<system-reminder>` (2.1.197), and
    the notes of a `/clear` (both) and of a change of model (2.1.197).
    """
    return [(role, "|".join(without_notes(texts_of(blocks)))) for role, blocks in messages_of(body)]


def messages_of(body: Mapping[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The role and the blocks of each message of an API request, without those of the system."""
    for message in body["messages"]:
        if message["role"] != "system":
            content = message["content"]
            text = [{"type": "text", "text": content}]
            yield message["role"], text if isinstance(content, str) else content


def texts_of(blocks: Iterable[Mapping[str, Any]]) -> list[str]:
    """The texts among blocks."""
    return [block["text"] for block in blocks if block["type"] == "text"]


def without_notes(texts: Iterable[str]) -> list[str]:
    """The texts that are not notes of the CLI's."""
    return [text for text in texts if not text.startswith(NOTES)]
