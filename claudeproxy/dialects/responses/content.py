"""OpenAI Responses: the input of a request, as turns.

Source: OpenAI's OpenAPI document 2.3.0 (InputItem).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs

from ...conversation import Block, Turn, alternate
from ...errors import APIError, bad_request
from ..fields import Fields
from ..media import image_block
from ..openai_content import (
    read_content,
    read_file,
    read_refusal,
    read_text,
    user_at_both_ends,
)
from ..tool_calls import Calls, read_arguments
from .store import Item


def mark_references(items: object) -> None:
    """Give those references their type from which a client has left it out."""
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and set(item) == {"id"}:
            item["type"] = "item_reference"


def read_items(fields: Fields, find: Callable[[str], Item | None]) -> list[Item]:
    """The items of the field `input`, with those that are only referred to put in their places.

    find: the item of an id.
    """
    value = fields.get("input")
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    return [_found(item, find) for item in fields.children("input")]


def read_turns(before: Iterable[Item], items: Iterable[Item]) -> tuple[str, tuple[Turn, ...]]:
    """The system prompt and the turns, which alternate and begin and end with the user's.

    before: the items of earlier responses, which were read once.
    """
    placed = [
        *(Fields(item, "previous_response_id") for item in before),
        *(Fields(item, f"input[{index}]") for index, item in enumerate(items)),
    ]
    outputs = [item.value for item in placed if item.value.get("type") == "function_call_output"]
    # Not a set: nobody has looked yet at what they are.
    answered = [output.get("call_id") for output in outputs]
    reader = _Reader()
    for item in placed:
        if not _is_half_a_call(item.value) or item.value.get("call_id") in answered:
            reader.read(item)
    reader.expect_no_outputs()
    return "\n\n".join(reader.system), alternate(user_at_both_ends(reader.turns))


def _is_half_a_call(item: Item) -> bool:
    """Whether max_output_tokens cut a call off: it can be answered, but need not be."""
    return item.get("type") == "function_call" and item.get("status") == "incomplete"


def _found(item: Fields, find: Callable[[str], Item | None]) -> Item:
    if item.get("type") != "item_reference":
        return item.value
    item_id = item.get("id")
    found = find(item_id)
    if found is None:
        raise APIError(
            404,
            f"Item with id '{item_id}' not found. Items are kept in this server's memory for a "
            "while, unless `store` is false; send the item itself.",
            param=item.where("id"),
        )
    return found


@attrs.define
class _Reader:
    """What has been read so far. answered: whether calls have begun to get their outputs."""

    system: list[str] = attrs.field(factory=list)
    turns: list[Turn] = attrs.field(factory=list)
    calls: Calls = attrs.field(factory=Calls)
    answered: bool = False

    def read(self, item: Fields) -> None:
        match item.get("type", "message"):
            case "message":
                self._message(item)
            case "function_call":
                if self.answered:
                    self.expect_no_outputs()
                self.turns.append(Turn("assistant", (self._call(item),)))
            case "function_call_output":
                self.turns.append(Turn("user", (self._output(item),)))

    def expect_no_outputs(self) -> None:
        """Every call must have its output before anyone says something else."""
        if waiting := self.calls.waiting:
            raise bad_request(f"No tool output found for function call {waiting[0]}.", "input")
        self.answered = False

    def _message(self, item: Fields) -> None:
        role = item.get("role")
        if role == "user":
            self.expect_no_outputs()
            blocks = read_content(item, "content", _SHOWN)
            if not blocks:
                raise item.invalid(
                    "content", "a user message must hold something other than white space"
                )
            self.turns.append(Turn("user", blocks))
        elif role == "assistant":
            if self.answered:
                self.expect_no_outputs()
            if blocks := read_content(item, "content", _SAID):
                self.turns.append(Turn("assistant", blocks))
        else:
            blocks = read_content(item, "content", {"input_text": read_text})
            self.system.extend(block["text"] for block in blocks)

    def _call(self, item: Fields) -> Block:
        arguments = read_arguments(item.get("arguments"))
        return self.calls.use(
            item.get("call_id"), item.get("name"), arguments, item.where("call_id")
        )

    def _output(self, item: Fields) -> Block:
        call_id = item.get("call_id")
        if why := self.calls.problem_with_result(call_id):
            raise bad_request(
                f"No tool call found for function call output with call_id {call_id}. {why}",
                item.where("call_id"),
            )
        content = read_content(item, "output", _SHOWN)
        self.answered = True
        return self.calls.result(call_id, content)


# How ids of items begin.
_PREFIXES = {"function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}
# What the API fills in for what a client may leave out of a part.
_FILLED: dict[str, Item] = {
    "output_text": {"annotations": [], "logprobs": []},
    "input_image": {"detail": "auto"},
}


def as_listed(items: Iterable[Item], unique: str) -> Iterator[Item]:
    """The items as the API lists them: typed, whole, with parts for content, each with an id.

    The ids are all our own, which nobody can guess: a client's could be another client's too.
    """
    for index, item in enumerate(items):
        kind = item.get("type") or "message"
        told = {"type": kind, **_given(item)}
        told["id"] = f"{_PREFIXES.get(kind, 'msg')}_{unique}i{index}"
        if kind in ("message", "function_call", "function_call_output"):
            told.setdefault("status", "completed")
        said = {"message": "content", "function_call_output": "output"}.get(kind, "")
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
