"""Checks the messages and the system prompt of a request as the Messages API does.

Pure.  Each function yields problems in the order in which the API would find them.  Callers must
use only the first one: the code after a yield relies on the absence of that problem.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING, Any

from .turns import turn_problems
from .web_history import (
    CODE_RESULTS,
    RESULTS,
    citation_problems,
    result_problems,
    use_problems,
)


if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")

_TOOL_USE_ID = re.compile(r"[A-Za-z0-9_-]+")
_ROLES = ("user", "assistant", "system")
_OF_SERVER = ("server_tool_use", *dict.fromkeys([*RESULTS.values(), *CODE_RESULTS.values()]))
_IN_ROLE = {
    "user": ("text", "image", "document", "tool_result"),
    "assistant": ("text", "tool_use", "thinking", "redacted_thinking", *_OF_SERVER),
    "system": ("text",),
    "tool_result": ("text", "image", "document", "search_result", "tool_reference"),
}
_EMPTY = "all messages must have non-empty content except for the optional final assistant message"
_BLANK = "text content blocks must contain non-whitespace text"


def sign(thinking: str) -> str:
    """The signature that goes with a thinking text: the API takes back no other."""
    digest = hashlib.sha256(
        b"claudeproxy-demo\0" + thinking.encode("utf-8", "surrogatepass")
    ).digest()
    return base64.b64encode(digest).decode()


def system_problems(system: object) -> Iterator[str]:
    """What is wrong with the ``system`` field: a string, a list of text blocks, or None."""
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        yield "system: Input should be a valid string or list"
        return
    for index, block in enumerate(system):
        yield from _block(block, f"system.{index}", "system")


def message_problems(messages: list[object]) -> Iterator[str]:
    """What is wrong with the ``messages`` field, which is a list that is not empty."""
    for index, message in enumerate(messages):
        yield from _message(message, f"messages.{index}", last=index == len(messages) - 1)
    yield from turn_problems(messages)


def _message(message: object, where: str, *, last: bool) -> Iterator[str]:
    if not isinstance(message, dict):
        yield f"{where}: Input should be a valid dictionary"
        return
    role = str(message.get("role"))
    if role not in _ROLES:
        yield f"{where}.role: Input should be 'user' or 'assistant'"
    if "content" not in message:
        yield f"{where}.content: Field required"
    content = message["content"]
    # When the effort changes in the middle, the CLI (2.1.331) sends a message with nothing else.
    if role == "system" and content == [] and isinstance(message.get("output_config"), dict):
        return
    yield from _content(content, where, role, prefill=last and role == "assistant")


def _content(content: object, where: str, role: str, *, prefill: bool) -> Iterator[str]:
    """A message's content; ``prefill``: it's the beginning of the answer, and may be empty."""
    if isinstance(content, str | list) and not content:
        if not prefill:
            yield f"{where}: {_EMPTY}"
    elif isinstance(content, str):
        if not content.strip():
            yield f"{where}: {_BLANK}"
    elif isinstance(content, list):
        for index, block in enumerate(content):
            yield from _block(block, f"{where}.content.{index}", role)
    else:
        yield f"{where}.content: Input should be a valid string or list"
    if prefill and _end(content) != _end(content).rstrip():
        yield "messages: final assistant content cannot end with trailing whitespace"


def _end(content: Any) -> str:
    """The text that a message ends with, "" if it ends with something else."""
    if not content or isinstance(content, str):
        return content or ""
    return str(content[-1].get("text", ""))


def _block(block: object, where: str, place: str) -> Iterator[str]:
    """One content block; ``place`` is a key of _IN_ROLE, that says which kinds may be there."""
    if not isinstance(block, dict):
        yield f"{where}: Input should be a valid dictionary"
        return
    kind = block.get("type")
    if kind not in _IN_ROLE[place]:
        known = ", ".join(f"'{name}'" for name in _IN_ROLE[place])
        yield f"{where}: Input tag '{kind}' does not match any of the expected tags: {known}"
    check = _CHECKS.get(str(kind))
    if check is not None:
        yield from check(block, where)


def _text(block: dict[str, Any], where: str) -> Iterator[str]:
    text = block.get("text")
    if not isinstance(text, str):
        yield f"{where}.text: Field required"
        return
    if not text:
        yield f"{where}: text content blocks must be non-empty"
    if not text.strip():
        yield f"{where}: {_BLANK}"
    yield from citation_problems(block.get("citations"), where)


def _image(block: dict[str, Any], where: str) -> Iterator[str]:
    yield from _source(block, f"{where}.image.source", ("base64", "url", "file"), IMAGE_TYPES)


def _document(block: dict[str, Any], where: str) -> Iterator[str]:
    where = f"{where}.document.source"
    kinds = ("base64", "text", "url", "file", "content")
    yield from _source(block, where, kinds, ("application/pdf",))
    source = block["source"]
    if source["type"] == "text":
        if source.get("media_type") != "text/plain":
            yield f"{where}.text.media_type: Input should be 'text/plain'"
        if not isinstance(source.get("data"), str):
            yield f"{where}.text.data: Field required"


def _source(
    block: dict[str, Any], where: str, kinds: tuple[str, ...], media_types: tuple[str, ...]
) -> Iterator[str]:
    source = block.get("source")
    if not isinstance(source, dict):
        yield f"{where}: Field required"
        return
    kind = source.get("type")
    if kind not in kinds:
        known = ", ".join(f"'{name}'" for name in kinds)
        yield f"{where}: Input tag '{kind}' does not match any of the expected tags: {known}"
    needed = {"url": "url", "file": "file_id"}.get(str(kind))
    if needed and not (isinstance(source.get(needed), str) and source[needed]):
        yield f"{where}.{kind}.{needed}: Field required"
    if kind == "base64":
        if source.get("media_type") not in media_types:
            known = " or ".join(f"'{name}'" for name in media_types)
            yield f"{where}.base64.media_type: Input should be {known}"
        if not _is_base64(source.get("data")):
            yield f"{where}.base64.data: invalid base64 data"


def _is_base64(data: object) -> bool:
    if not isinstance(data, str) or not data:
        return False
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _tool_use(block: dict[str, Any], where: str) -> Iterator[str]:
    use_id = block.get("id")
    if not isinstance(use_id, str) or not _TOOL_USE_ID.fullmatch(use_id):
        yield f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
    if not isinstance(block.get("name"), str) or not block["name"]:
        yield f"{where}.tool_use.name: Field required"
    if not isinstance(block.get("input"), dict):
        yield f"{where}.tool_use.input: Input should be a valid dictionary"


def _tool_result(block: dict[str, Any], where: str) -> Iterator[str]:
    if not isinstance(block.get("tool_use_id"), str):
        yield f"{where}.tool_result.tool_use_id: Field required"
    content = block.get("content")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        yield f"{where}.tool_result.content: Input should be a valid string or list"
        return
    for index, inner in enumerate(content):
        yield from _block(inner, f"{where}.tool_result.content.{index}", "tool_result")
    if block.get("is_error") and any(inner["type"] != "text" for inner in content):
        yield f"{where}.tool_result: all content must be type `text` if `is_error` is true"


def _tool_reference(block: dict[str, Any], where: str) -> Iterator[str]:
    if not isinstance(block.get("tool_name"), str):
        yield f"{where}.tool_reference.tool_name: Field required"


def _thinking(block: dict[str, Any], where: str) -> Iterator[str]:
    for name in ("thinking", "signature"):
        if not isinstance(block.get(name), str):
            yield f"{where}.thinking.{name}: Field required"
    if block["signature"] != sign(block["thinking"]):
        yield f"{where}: Invalid `signature` in `thinking` block"


_CHECKS = {
    "text": _text,
    "image": _image,
    "document": _document,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "tool_reference": _tool_reference,
    "thinking": _thinking,
    **dict.fromkeys(_OF_SERVER, result_problems),
    "server_tool_use": use_problems,
}
