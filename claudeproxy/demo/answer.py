"""The wire format of the API's answers: events, whole messages and errors.

Pure.  ``steps`` returns an ``Answer`` as the events of a stream, ``message`` as one JSON object.
A *piece* is the part of a block that one event carries, and counts as one token.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen

from .blocks import sign


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FaultKind = Literal["drop", "stall", "error"]

PIECE = re.compile(r"\S{1,24}\s*|\s+")
"""A piece of text: a word and the white space after it; a long word is several."""

_SERVER_ID = "srvtoolu_"
# Of each kind of block, the type of its deltas and the field that has the piece.
_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
    "server_tool_use": ("input_json_delta", "partial_json"),
    "result": ("", ""),
}

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


@frozen
class Block:
    """A content block; ``name`` is the tool's, for a ``tool_use`` or a ``server_tool_use``.

    A ``result`` is that of a server's tool: ``name`` is the type of its block, and ``content``
    comes whole.  ``use`` ties it to its call: the id if the call was made in an earlier answer, or
    else any text that the call has too.  ``direct``: the block says that the model itself called.
    """

    kind: Literal["thinking", "text", "tool_use", "server_tool_use", "result"]
    pieces: tuple[str, ...]
    name: str = ""
    citations: tuple[Mapping[str, Any], ...] = ()
    use: str = ""
    content: Any = None
    direct: bool = False

    @property
    def whole(self) -> str:
        """All the pieces in one: the text, or the JSON of a tool's arguments."""
        return "".join(self.pieces)


@frozen
class Fault:
    """What goes wrong in the middle of a stream, after so many pieces of text."""

    kind: FaultKind
    after: int


@frozen
class Answer:
    """A successful answer.  ``slow``, ``pause`` and ``hold`` are seconds: before each piece but the
    first, after the first piece of text, and before the `message_stop`.  ``container``: where code
    ran.
    """

    blocks: tuple[Block, ...]
    stop_reason: str
    stop_sequence: str | None
    usage: Mapping[str, Any]
    slow: float = 0.0
    pause: float = 0.0
    hold: float = 0.0
    fault: Fault | None = None
    first_usage: Mapping[str, Any] | None = None
    container: Mapping[str, Any] | None = None


@frozen
class Refusal:
    """An answer that is an HTTP error; ``html`` in place of the API's JSON."""

    status: int
    message: str
    headers: Mapping[str, str] = field(factory=dict)
    html: str = ""


@frozen
class Step:
    """Wait ``delay`` seconds, then send ``event`` or meet the fault.

    After a ``fault`` there's nothing more to come.
    """

    event: Mapping[str, Any]
    delay: float = 0.0
    fault: FaultKind | None = None


def sse(event: Mapping[str, Any]) -> bytes:
    """An event as it goes over the wire."""
    return f"event: {event['type']}\ndata: {compact(event)}\n\n".encode()


def compact(value: object) -> str:
    """JSON without spaces, in which characters stand for themselves."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def pieces(text: str) -> tuple[str, ...]:
    """A text in pieces."""
    return tuple(PIECE.findall(text))


def chunks(text: str) -> tuple[str, ...]:
    """The JSON of arguments in pieces: two at least."""
    size = max(1, min(12, len(text) // 2))
    return tuple(text[i : i + size] for i in range(0, len(text), size))


def error(status: int, message: str, request_id: str | None = None) -> dict[str, Any]:
    """The body of an error; without ``request_id`` as it is in the middle of a stream."""
    kind = ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return body if request_id is None else {**body, "request_id": request_id}


def steps(answer: Answer, model: str, new_id: Callable[[str], str]) -> Iterator[Step]:
    """An answer as the steps of a stream.  ``new_id`` makes an id with a prefix ("msg_")."""
    return _timed(answer, _events(answer, model, _Ids(new_id)))


def message(answer: Answer, model: str, new_id: Callable[[str], str]) -> dict[str, Any]:
    """An answer as one object."""
    ids = _Ids(new_id)
    return {
        **_head(model, ids),
        "content": [_whole(block, ids) for block in answer.blocks],
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "usage": dict(answer.usage),
        **_container(answer),
    }


def _container(answer: Answer) -> dict[str, Any]:
    return {} if answer.container is None else {"container": answer.container}


@frozen
class _Ids:
    """Makes the ids of one answer.  A call of a server's tool and its result have the same."""

    new: Callable[[str], str]
    _uses: dict[str, str] = field(factory=dict, init=False)

    def of_use(self, use: str) -> str:
        """The id of a server's tool's call, by what ties it to its result."""
        if use.startswith(_SERVER_ID):
            return use
        if use not in self._uses:
            self._uses[use] = self.new(_SERVER_ID)
        return self._uses[use]


def _head(model: str, ids: _Ids) -> dict[str, Any]:
    return {"id": ids.new("msg_"), "type": "message", "role": "assistant", "model": model}


def _whole(block: Block, ids: _Ids) -> dict[str, Any]:
    if block.kind == "text" and block.citations:
        return {"type": "text", "text": block.whole, "citations": list(block.citations)}
    if block.kind == "text":
        return {"type": "text", "text": block.whole}
    if block.kind == "result":
        return _begun(block, ids)
    if block.kind == "thinking":
        return {"type": "thinking", "thinking": block.whole, "signature": sign(block.whole)}
    try:
        arguments = json.loads(block.whole)
    except ValueError:
        # Cut short by max_tokens: half an object is none.
        arguments = {}
    return {**_begun(block, ids), "input": arguments}


def _begun(block: Block, ids: _Ids) -> dict[str, Any]:
    """A block as a stream begins it."""
    caller = {"caller": {"type": "direct"}} if block.direct else {}
    match block.kind:
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "text":
            return {"type": "text", "text": "", **({"citations": []} if block.citations else {})}
        case "tool_use":
            return {"type": "tool_use", "id": ids.new("toolu_"), "name": block.name, "input": {}}
        case "server_tool_use":
            use_id = ids.of_use(block.use)
            return {"type": block.kind, "id": use_id, "name": block.name, "input": {}, **caller}
        case "result":
            use_id = ids.of_use(block.use)
            return {
                "type": block.name,
                "tool_use_id": use_id,
                "content": block.content,
                **caller,
            }


def _events(answer: Answer, model: str, ids: _Ids) -> Iterator[tuple[str, dict[str, Any]]]:
    """(kind of block if the event is a piece of one, event), without the timing and the fault."""
    start = {
        **_head(model, ids),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**(answer.first_usage or answer.usage), "output_tokens": 1},
    }
    yield "", {"type": "message_start", "message": start}
    yield "", {"type": "ping"}
    for index, block in enumerate(answer.blocks):
        yield from _block(index, block, ids)
    yield (
        "end",
        {
            "type": "message_delta",
            "delta": {
                "stop_reason": answer.stop_reason,
                "stop_sequence": answer.stop_sequence,
                **_container(answer),
            },
            "usage": _last_usage(answer),
        },
    )
    yield "", {"type": "message_stop"}


def _last_usage(answer: Answer) -> dict[str, Any]:
    """The usage at the end of a stream: the sums, of what has changed since its beginning."""
    if answer.first_usage is None:
        return {"output_tokens": answer.usage["output_tokens"]}
    return {name: value for name, value in answer.usage.items() if name != "cache_creation"}


def _block(index: int, block: Block, ids: _Ids) -> Iterator[tuple[str, dict[str, Any]]]:
    def delta(**content: Any) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": index, "delta": content}

    start = _begun(block, ids)
    yield "", {"type": "content_block_start", "index": index, "content_block": start}
    kind, name = _DELTAS[block.kind]
    if kind == "input_json_delta":
        yield "", delta(type=kind, partial_json="")
    # The citations come before the text that they belong to.
    for citation in block.citations:
        yield "", delta(type="citations_delta", citation=citation)
    for piece in block.pieces:
        yield block.kind, delta(**{"type": kind, name: piece})
    if block.kind == "thinking":
        yield "", delta(type="signature_delta", signature=sign(block.whole))
    yield "", {"type": "content_block_stop", "index": index}


def _timed(answer: Answer, events: Iterator[tuple[str, dict[str, Any]]]) -> Iterator[Step]:
    """The steps for the events: the delays go in, and the fault in its place.

    A fault after more pieces than there are comes before the message_delta; after none, before the
    first block.
    """
    fault = answer.fault
    pieces = texts = 0
    owed = 0.0
    for kind, event in events:
        due = fault is not None and (
            (texts >= fault.after and event["type"] not in ("message_start", "ping"))
            or kind == "end"
        )
        if fault is not None and due:
            overloaded = error(529, "Overloaded")
            yield Step(overloaded, owed, fault.kind)
            return
        delay = owed
        owed = 0.0
        if kind in _DELTAS:
            delay += answer.slow if pieces else 0.0
            pieces += 1
        if kind == "text":
            owed = 0.0 if texts else answer.pause
            texts += 1
        if event["type"] == "message_stop":
            delay += answer.hold
        yield Step(event, delay)
