"""OpenAI Responses: the input of a request, as turns.

Source: OpenAI's OpenAPI document 2.3.0 (InputItem), and what Codex 0.171.0 sends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any

import attrs

from ...conversation import Block, Turn, text_block, untold
from ...errors import APIError, bad_request
from ..custom_tools import INPUT
from ..fields import Fields
from ..history import History, named, several_assistants
from ..media import image_block
from ..openai_content import read_content, read_file, read_refusal, read_text
from ..openai_tools import SEARCH, inner_name, offers_of, shared_names
from ..tool_calls import read_arguments
from .compaction import TRIGGER, summary_blocks, summary_in, without_replaced
from .schema import LEFT_OUT
from .store import Item
from .writer import COMPACTION


@attrs.frozen
class ReadItems:
    """What the items of a request say.

    tools: the definitions of tools among them. ignored: the names of items that are left out.
    updates: the items that change the settings of the request. shared: the names that several tools
    would get.
    """

    history: History
    tools: list[Fields]
    ignored: list[str]
    updates: list[Fields]
    shared: frozenset[str]


def mark_references(items: object) -> None:
    """Add the type to references that a client sends as an id only."""
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and set(item) == {"id"}:
            item["type"] = "item_reference"


def read_items(fields: Fields, find: Callable[[str], Item | None]) -> list[Item]:
    """Return the items of the field `input`, with references replaced by their items.

    find: returns the stored item with an id.
    """
    value = fields.get("input")
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    return [_found(item, find) for item in fields.children("input")]


def read_history(
    before: Iterable[Item],
    items: Iterable[Item],
    blocks_of: Callable[[str], tuple[Block, ...]],
    tools: Iterable[Fields],
) -> ReadItems:
    """Return what the items say; raise a 400.

    before: the items of previous responses. blocks_of: returns the API's blocks for the id of a
    stored search. tools: those that the request defines elsewhere.
    """
    placed = [
        *(Fields(item, "previous_response_id") for item in before),
        *(Fields(item, f"input[{index}]") for index, item in enumerate(items)),
    ]
    placed = without_replaced(placed)
    calls = [item for item in placed if item.get("type") in _CALLS]
    answered = {item.get("call_id") for item in placed if item.get("type") in _OUTPUTS}
    reader = _Reader(
        several_assistants(item for item in placed if item.get("type", "message") == "message"),
        {item.get("call_id") for item in calls},
        blocks_of,
        shared_names([*tools, *(tool for item in placed for tool in _defined(item))]),
    )
    for item in placed:
        # A call that max_output_tokens cut off may have a result, but need not have one.
        half = item.get("type") in _CALLS and item.get("status") == "incomplete"
        if not half or item.get("call_id") in answered:
            reader.read(item)
    if waiting := reader.history.calls.waiting:
        raise bad_request(f"No tool output found for function call {waiting[0]}.", "input")
    return ReadItems(reader.history, reader.tools, reader.ignored, reader.updates, reader.shared)


def _found(item: Fields, find: Callable[[str], Item | None]) -> Item:
    if item.get("type") != "item_reference":
        return item.value
    item_id = item.get("id")
    found = find(item_id)
    if found is None:
        raise APIError(
            404,
            f"Item with id '{item_id}' not found. This server keeps items in memory for a limited "
            "time, unless `store` is false. Send the item itself instead.",
            param=item.where("id"),
        )
    return found


@attrs.define
class _Reader:
    """Reads the items in order.

    several: whether they name several assistants. called: the ids of all calls. blocks_of: returns
    the API's blocks for the id of a stored search. early: outputs that come before their calls.
    names: the name of the tool of each call. results: the number of the turn with the result of a
    call. The others are those of ReadItems.
    """

    several: bool
    called: set[str | None]
    blocks_of: Callable[[str], tuple[Block, ...]]
    shared: frozenset[str]
    early: dict[str, list[Fields]] = attrs.field(factory=dict)
    names: dict[str, str] = attrs.field(factory=dict)
    results: dict[str, int] = attrs.field(factory=dict)
    history: History = attrs.field(factory=History)
    tools: list[Fields] = attrs.field(factory=list)
    ignored: list[str] = attrs.field(factory=list)
    updates: list[Fields] = attrs.field(factory=list)

    def read(self, item: Fields) -> None:
        kind = item.get("type", "message")
        reader = _ITEMS.get(kind)
        if reader is not None:
            reader(self, item)
        elif kind not in _NOT_TOLD:
            self._tell(kind, item)

    def message(self, item: Fields) -> None:
        match item.get("role"):
            case "user":
                self.history.user(named(item, read_content(item, "content", _SHOWN)))
            case "assistant":
                said = read_content(item, "content", _SAID)
                self.history.assistant(named(item, said) if self.several else said)
            case _:
                blocks = named(item, read_content(item, "content", {"input_text": read_text}))
                self.history.instruct(block["text"] for block in blocks)

    def call(self, item: Fields) -> None:
        self._use(item, self._inner(item), read_arguments(item.get("arguments")))

    def custom_call(self, item: Fields) -> None:
        self._use(item, self._inner(item), {INPUT: item.get("input")})

    def web_search(self, item: Fields) -> None:
        # A process that has the conversation has the blocks, too, and clients cannot send them. So
        # they do not count in the comparison of conversations.
        blocks = self.blocks_of(str(item.get("id"))) or (text_block(_as_text(item)),)
        self.history.assistant(tuple(map(untold, blocks)))

    def search_call(self, item: Fields) -> None:
        # A search that the server itself made has no call id. Its output has the tools it found.
        if item.has("call_id"):
            given = item.get("arguments", {})
            text = given if isinstance(given, str) else json.dumps(given)
            self._use(item, SEARCH, read_arguments(text))

    def search_output(self, item: Fields) -> None:
        self.more_tools(item)
        if item.has("call_id"):
            self.output(item)

    def more_tools(self, item: Fields) -> None:
        self.tools += item.children("tools")

    def output(self, item: Fields) -> None:
        calls, call_id = self.history.calls, item.get("call_id")
        if call_id is None:
            name = self._inner(item) if item.has("name") else "a tool"
            self.history.user((text_block(f"Output of {name}:"), *_output_of(item, self.shared)))
            return
        why = calls.problem_with_result(call_id)
        if why is None:
            self.results[call_id] = len(self.history.turns)
            self.history.user((calls.result(call_id, _output_of(item, self.shared)),))
        elif call_id in calls:
            self._output_again(item)
        elif call_id in self.called:
            self.early.setdefault(call_id, []).append(item)
        else:
            raise bad_request(
                f"No tool call found for function call output with call_id {call_id}. {why}",
                item.where("call_id"),
            )

    def update(self, item: Fields) -> None:
        self.updates.append(item)

    def compaction(self, item: Fields) -> None:
        summary = summary_in(item.value)
        if summary is None:
            self.ignored.append(f"input[].{item.get('type')}")
        else:
            self.history.user(summary_blocks(summary))

    def _use(self, item: Fields, name: str, arguments: dict[str, Any]) -> None:
        call_id = item.get("call_id")
        use = self.history.calls.use
        self.names[call_id] = name
        self.history.assistant((use(call_id, name, arguments, item.where("call_id")),))
        for output in self.early.pop(call_id, ()):
            self.output(output)

    def _output_again(self, item: Fields) -> None:
        """Add a further output of a call: to its result, or as text if the model has answered that.

        Codex sends one for each `notify` of a script. The API takes one result for each call.
        """
        turns, call_id = self.history.turns, item.get("call_id")
        place, more = self.results[call_id], _output_of(item, self.shared)
        if not more:
            return
        if any(turn.role == "assistant" for turn in turns[place:]):
            self.history.user((text_block(f"More output of {self.names[call_id]}:"), *more))
        else:
            [result] = turns[place].blocks
            told = {**result, "content": [*result.get("content", ()), *more]}
            turns[place] = Turn("user", (told,))

    def _inner(self, item: Fields) -> str:
        return inner_name(item.get("name"), item.get("namespace", ""), self.shared)

    def _tell(self, kind: str, item: Fields) -> None:
        """Add another item as text: to the assistant's turn if it is a call, else to the user's."""
        say = self.history.assistant if kind.endswith("_call") else self.history.user
        say((text_block(_as_text(item)),))


def _as_text(item: Fields) -> str:
    told = {name: value for name, value in item.value.items() if name not in _NOT_SAID}
    kind = item.get("type")
    return f"<{kind}>\n{_json(told)}\n</{kind}>"


_ITEMS: dict[str, Callable[[_Reader, Fields], None]] = {
    "message": _Reader.message,
    "function_call": _Reader.call,
    "function_call_output": _Reader.output,
    "custom_tool_call": _Reader.custom_call,
    "custom_tool_call_output": _Reader.output,
    "tool_search_call": _Reader.search_call,
    "tool_search_output": _Reader.search_output,
    "additional_tools": _Reader.more_tools,
    "web_search_call": _Reader.web_search,
    "configuration_update": _Reader.update,
    COMPACTION: _Reader.compaction,
    # One at the end of the input is read with the request.
    TRIGGER: _Reader.compaction,
}
_CALLS = frozenset(("function_call", "custom_tool_call", "tool_search_call"))
_OUTPUTS = frozenset(("function_call_output", "custom_tool_call_output", "tool_search_output"))
_DEFINING = frozenset(("additional_tools", "tool_search_output"))
_NOT_TOLD = frozenset(("reasoning", "item_reference", *LEFT_OUT))
# The fields that are left out of an item that the model gets as JSON.
_NOT_SAID = frozenset(("id", "type", "status", "encrypted_content"))
# Longer strings of base64 are left out: they are images, which a model cannot read as text.
_LONGEST_BASE64 = 1000
_BASE64 = re.compile(r"(?:data:[^,]*;base64,)?[A-Za-z0-9+/=_-]+")


def _short(value: Any) -> Any:
    """The value without the data of images."""
    match value:
        case str() if len(value) > _LONGEST_BASE64 and _BASE64.fullmatch(value):
            return f"({len(value):,} bytes of base64)"
        case list():
            return [_short(inner) for inner in value]
        case dict():
            return {name: _short(inner) for name, inner in value.items()}
    return value


def _defined(item: Fields) -> Iterable[Fields]:
    """The tools that an item defines."""
    return item.children("tools") if item.get("type") in _DEFINING else ()


def _output_of(item: Fields, shared: Container[str]) -> tuple[Block, ...]:
    """The blocks of a call's output."""
    if item.get("type") == "tool_search_output":
        found = [
            offer.inner for offer in offers_of(item.children("tools"), nested=False, shared=shared)
        ]
        told = f"Tools that can be called now: {', '.join(found)}" if found else "No tools found."
        return (text_block(told),)
    if isinstance(given := item.get("output"), dict):
        return (text_block(_json(given)),)
    return read_content(item, "output", _SHOWN, lambda part: text_block(_json(part.value)))


def _json(value: Mapping[str, Any]) -> str:
    """Return an object as JSON text for the model, without null fields and the data of images."""
    return json.dumps(_short(_given(value)), ensure_ascii=False)


# The prefixes of item ids.
_PREFIXES = {
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "tool_search_call": "tsc",
    "tool_search_output": "tso",
    "web_search_call": "ws",
    "message": "msg",
    "reasoning": "rs",
}
# The fields with content parts.
_SAID_IN = {
    "message": "content",
    "function_call_output": "output",
    "custom_tool_call_output": "output",
}
_WITH_STATUS = frozenset(("message", "web_search_call", *_CALLS, *_OUTPUTS))
# The defaults that the API adds to content parts.
_FILLED: dict[str, Item] = {
    "output_text": {"annotations": [], "logprobs": []},
    "input_image": {"detail": "auto"},
}


def as_listed(items: Iterable[Item], unique: str) -> Iterator[Item]:
    """Yield the items as the API lists them, with types, ids, defaults and content parts.

    All get new ids that cannot be guessed, because two clients may use the same ids.
    """
    for index, item in enumerate(items):
        kind = item.get("type") or "message"
        told = {"type": kind, **_given(item)}
        told["id"] = f"{_PREFIXES.get(kind, 'item')}_{unique}i{index}"
        if kind in _WITH_STATUS:
            told.setdefault("status", "completed")
        said = _SAID_IN.get(kind, "")
        if isinstance(told.get(said), list):
            told[said] = [_part(part) for part in told[said]]
        if kind == "message" and isinstance(told["content"], str):
            spoken = "output_text" if told["role"] == "assistant" else "input_text"
            told["content"] = [_part({"type": spoken, "text": told["content"]})]
        yield told


def _part(part: Item) -> Item:
    return {**_FILLED.get(str(part.get("type")), {}), **_given(part)}


def _given(item: Item) -> dict[str, Any]:
    return {name: value for name, value in item.items() if value is not None}


def _image(part: Fields) -> Block:
    if not part.has("image_url"):
        raise part.missing("image_url")
    return image_block(part.get("image_url"), part.where("image_url"))


def _file(part: Fields) -> Block:
    if part.has("file_url"):
        return {"type": "document", "source": {"type": "url", "url": part.get("file_url")}}
    return read_file(part)


_SHOWN = {
    "input_text": read_text,
    "input_image": _image,
    "input_file": _file,
}
_SAID = {"output_text": read_text, "input_text": read_text, "refusal": read_refusal}
