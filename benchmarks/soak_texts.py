"""What soak.py's clients send and compare: a picture, and the texts that reached the API."""

from __future__ import annotations

import base64
import json
import random
import struct
import zlib


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


def conversation(told: str) -> list[list[str]]:
    """The texts of a request that reached the API, without what the CLI adds."""
    turns = []
    for message in json.loads(told)["messages"]:
        if message["role"] == "system":
            continue
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts = [block["text"] for block in blocks if block["type"] == "text"]
        own = [text for text in texts if not text.startswith(NOTES)]
        turns.append([message["role"], "|".join(own)])
    return turns
