"""Applies the documented rules of Anthropic's prompt cache to request bodies.

Pure: the caller passes the time in.  The rules, from Anthropic's page "Prompt caching":

- A prompt is read in the order tools, system, messages.  A mark (``cache_control`` on a block) puts
  the whole prompt up to that block into the cache, if it has a minimum length that depends on the
  model.
- From each mark the API looks back over at most 20 blocks, the marked one included, for a prefix
  that an earlier request marked.  It must be the same to the last byte; marks do not count.
- A request has at most four marks.  A mark with the longer lifetime stands before a shorter one.
- An entry lives for 5 minutes or 1 hour.  The time starts anew when the entry is used.
- Other parameters are part of the prompt as well: the model of all of it, the format of the answer
  (``output_config.format``) of all but the tools, and the tool choice, the thinking, the effort and
  the presence of images of all messages.
- With a format the API adds a text that describes it to the system prompt.  It counts as tokens.
  Where it stands is not documented: here it is before the system prompt, and no block of its own.

Tokens are an estimate: a quarter of the characters, images not counted.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_MARKS = 4
LOOK_BACK = 20
MOST_ENTRIES = 10_000
SECONDS = {"5m": 300.0, "1h": 3600.0}

# By the beginning of a model's id; the first that fits counts.
_LEAST_TOKENS = (
    (r"claude-(opus|fable|mythos)-5", 512),
    (r"claude-opus-4-7|claude-3-5-haiku", 2048),
    (r"claude-opus-4-[56]|claude-haiku-4-5", 4096),
)
_LEAST_OF_OTHERS = 1024
# The CLI's account of itself, which the API does not pass on to the model.
_ATTRIBUTION = "x-anthropic-billing-header:"
_CHARACTERS_PER_TOKEN = 4
_NO_MARK = ("thinking", "redacted_thinking")


@frozen
class Position:
    """The end of a block in a prompt.

    ``digest`` stands for the whole prompt up to there, ``tokens`` are those up to there, and
    ``ttl`` is that of the mark on the block, "" if there is none.
    """

    digest: bytes
    tokens: int
    ttl: str = ""


@frozen
class Use:
    """What the cache does for one request: the tokens of the prompt in four parts.

    ``read`` came from the cache, ``created_5m`` and ``created_1h`` are put into it, and ``rest`` is
    neither.  ``entries`` are (digest, when it ends, how long it lives) of what is to be kept.
    """

    read: int
    created_5m: int
    created_1h: int
    rest: int
    entries: tuple[tuple[bytes, float, float], ...] = ()

    def as_usage(self) -> dict[str, Any]:
        """The fields of an answer's ``usage`` that count the prompt."""
        return {
            "input_tokens": self.rest,
            "cache_creation_input_tokens": self.created_5m + self.created_1h,
            "cache_read_input_tokens": self.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.created_5m,
                "ephemeral_1h_input_tokens": self.created_1h,
            },
        }


@define(eq=False)
class PromptCache:
    """Remembers prefixes of prompts by their digests, the ``most`` latest."""

    most: int = MOST_ENTRIES
    _entries: OrderedDict[bytes, tuple[float, float]] = field(factory=OrderedDict, init=False)

    def look_up(self, body: Mapping[str, Any], now: float) -> Use:
        """What the cache does for a request that begins now.  Nothing is remembered yet."""
        prompt = positions(body)
        least = least_tokens(str(body.get("model")))
        marks = [index for index, position in enumerate(prompt) if position.ttl]
        found = [self._found(prompt, mark, now) for mark in marks]
        entries: dict[bytes, tuple[float, float]] = {}
        for index in found:
            if index is not None:
                lifetime = self._entries[prompt[index].digest][1]
                entries[prompt[index].digest] = (now + lifetime, lifetime)
        for mark in marks:
            marked = prompt[mark]
            if marked.tokens >= least and marked.digest not in entries:
                lifetime = SECONDS[marked.ttl]
                entries[marked.digest] = (now + lifetime, lifetime)
        read = max((prompt[index].tokens for index in found if index is not None), default=0)
        kept = [prompt[mark] for mark in marks if prompt[mark].tokens >= max(least, read)]
        long = max((mark.tokens for mark in kept if mark.ttl == "1h"), default=read)
        last = max((mark.tokens for mark in kept), default=read)
        return Use(
            read=read,
            created_1h=long - read,
            created_5m=last - long,
            rest=max(1, prompt[-1].tokens if prompt else 0) - last,
            entries=tuple((digest, *times) for digest, times in entries.items()),
        )

    def remember(self, use: Use) -> None:
        """The answer to a request begins: what it put into the cache can be read."""
        for digest, ends, lifetime in use.entries:
            self._entries[digest] = (ends, lifetime)
            self._entries.move_to_end(digest)
        while len(self._entries) > self.most:
            self._entries.popitem(last=False)

    def _found(self, prompt: Sequence[Position], mark: int, now: float) -> int | None:
        """The last block, up to a mark, whose prefix is in the cache."""
        for index in range(mark, max(-1, mark - LOOK_BACK), -1):
            ends, _ = self._entries.get(prompt[index].digest, (now, 0.0))
            if ends > now:
                return index
        return None


def least_tokens(model: str) -> int:
    """The length below which a prompt for this model is not put into the cache."""
    fitting = (least for start, least in _LEAST_TOKENS if re.match(start, model))
    return next(fitting, _LEAST_OF_OTHERS)


def positions(body: Mapping[str, Any]) -> list[Position]:
    """The ends of the blocks of a prompt.  The body must have passed the rules of the API."""
    digest = hashlib.blake2b(_compact(body.get("model")), digest_size=16)
    found: list[Position] = []
    characters = 0
    automatic = body.get("cache_control")
    described = _description_of_format(body)
    for kind, block, extra in _blocks(body):
        if kind != "tool" and described:
            digest.update(b"format" + described)
            characters += len(described)
            described = b""
        digest.update(extra)
        _add(digest, kind, block)
        characters += characters_of(block)
        tokens = math.ceil(characters / _CHARACTERS_PER_TOKEN)
        found.append(Position(digest.digest(), tokens, _ttl(block)))
    if isinstance(automatic, dict) and found and not found[-1].ttl:
        last = found[-1]
        found[-1] = Position(last.digest, last.tokens, automatic.get("ttl", "5m"))
    return found


def input_tokens(body: Mapping[str, Any]) -> int:
    """All tokens of a prompt: at least 1."""
    characters = sum(characters_of(block) for _, block, _ in _blocks(body))
    characters += len(_description_of_format(body))
    return max(1, math.ceil(characters / _CHARACTERS_PER_TOKEN))


def characters_of(block: Mapping[str, Any]) -> int:
    """The characters of a block, or of a tool's definition, that count as tokens."""
    kind = block.get("type")
    if kind == "text":
        return len(block["text"])
    if kind == "tool_result":
        return sum(map(characters_of, _as_blocks(block.get("content"))))
    if kind in ("tool_use", "server_tool_use"):
        return len(_compact(block["input"]))
    if kind == "thinking":
        return len(block["thinking"])
    if kind in ("image", "document"):
        return 0
    return len(_compact(_unmarked(block)))


def tokens_of(block: Mapping[str, Any]) -> int:
    """The tokens of one block."""
    return math.ceil(characters_of(block) / _CHARACTERS_PER_TOKEN)


def mark_problems(body: Mapping[str, Any]) -> Iterator[str]:
    """What the API refuses in the marks of a request, in its own words."""
    marks = list(_marks(body))
    for where, kind, mark in marks:
        if kind in _NO_MARK:
            yield f"{where}.{kind}.cache_control: Extra inputs are not permitted"
        if not isinstance(mark, dict) or mark.get("type") != "ephemeral":
            yield f"{where}.cache_control.type: Input should be 'ephemeral'"
        if mark.get("ttl", "5m") not in SECONDS:
            yield f"{where}.cache_control.ephemeral.ttl: Input should be '5m' or '1h'"
    if len(marks) > MAX_MARKS:
        yield (
            f"A maximum of {MAX_MARKS} blocks with cache_control may be provided. "
            f"Found {len(marks)}."
        )
    short = False
    for where, _, mark in marks:
        if short and mark.get("ttl") == "1h":
            yield (
                f"{where}.cache_control.ttl: a ttl='1h' cache_control block must not come after a "
                "ttl='5m' cache_control block. Note that blocks are processed in the following "
                "order: `tools`, `system`, `messages`."
            )
        short = short or mark.get("ttl", "5m") == "5m"


def _marks(body: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(path, type of the block, ``cache_control``) of each mark, in the order of the prompt."""
    lists = [("tools", body.get("tools")), ("system", body.get("system"))]
    lists += [
        (f"messages.{index}.content", message["content"])
        for index, message in enumerate(body["messages"])
    ]
    for where, blocks in lists:
        for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
            yield from _marks_of(block, f"{where}.{index}")
    if body.get("cache_control") is not None:
        yield "messages", "", body["cache_control"]


def _marks_of(block: Mapping[str, Any], where: str) -> Iterator[tuple[str, str, Any]]:
    inner = block.get("content") if block.get("type") == "tool_result" else None
    for index, part in enumerate(inner if isinstance(inner, list) else ()):
        yield from _marks_of(part, f"{where}.tool_result.content.{index}")
    if block.get("cache_control") is not None:
        yield where, str(block.get("type", "")), block["cache_control"]


def _ttl(block: Mapping[str, Any]) -> str:
    """The lifetime that the mark on a block gives, "" without one."""
    if "cache_control" not in block and block.get("type") != "tool_result":
        return ""
    ttls = [mark.get("ttl", "5m") for _, _, mark in _marks_of(block, "")]
    return str(ttls[-1]) if ttls else ""


def _blocks(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bytes]]:
    """(where it belongs, block, what else of the request comes before it) of each block."""
    for tool in body.get("tools") or ():
        yield "tool", tool, b""
    for block in _as_blocks(body.get("system")):
        if not str(block.get("text", "")).startswith(_ATTRIBUTION):
            yield "system", block, b""
    config = body.get("output_config")
    if config is not None:
        config = {name: value for name, value in config.items() if name != "format"}
    extra = _compact([body.get("thinking"), body.get("tool_choice"), config])
    extra += b"image" if any(map(_has_image, body["messages"])) else b""
    for message in body["messages"]:
        if len(message) > 2:
            others = {k: v for k, v in message.items() if k not in ("role", "content")}
            extra += _compact(others)
        for block in _as_blocks(message["content"]):
            yield message["role"], block, extra
            extra = b""


def _description_of_format(body: Mapping[str, Any]) -> bytes:
    """What the API tells the model of the format of its answer, as far as it can be known."""
    wanted = (body.get("output_config") or {}).get("format")
    return _compact(wanted) if wanted else b""


def _as_blocks(content: Any) -> Sequence[Mapping[str, Any]]:
    if isinstance(content, str):
        return ({"type": "text", "text": content},)
    return content or ()


def _has_image(message: Mapping[str, Any]) -> bool:
    return any(
        block["type"] == "image"
        or (block["type"] == "tool_result" and _has_image({"content": block.get("content")}))
        for block in _as_blocks(message["content"])
    )


def _add(digest: Any, kind: str, block: Mapping[str, Any]) -> None:
    """Adds a block to the digest of what came before it.  Its length keeps neighbours apart."""
    if block.get("type") == "text" and len(block) == 2 + ("cache_control" in block):
        content, form = block["text"].encode("utf-8", "surrogatepass"), "text"
    else:
        content, form = _compact(_unmarked(block)), "json"
    digest.update(f"{kind} {form} {len(content)}:".encode())
    digest.update(content)


def _unmarked(block: Mapping[str, Any]) -> dict[str, Any]:
    """The block without marks, its own and those inside of it."""
    bare = {name: value for name, value in block.items() if name != "cache_control"}
    inner = bare.get("content")
    if bare.get("type") == "tool_result" and isinstance(inner, list):
        bare["content"] = [_unmarked(part) for part in inner]
    return bare


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
