"""OpenAI Chat Completions: the messages of a request, as turns.

Source: OpenAI's OpenAPI document 2.3.0 (ChatCompletionRequestMessage).
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ...conversation import Block, text_block
from ...errors import bad_request
from ..custom_tools import INPUT
from ..fields import Fields
from ..history import History, named, several_assistants
from ..media import image_block
from ..openai_content import read_content, read_file, read_refusal, read_text
from ..tool_calls import read_arguments


def read_messages(fields: Fields) -> History:
    """The system prompt and the turns of a request."""
    messages = list(fields.children("messages"))
    reader = _Reader(several_assistants(messages))
    for message in messages:
        reader.read(message)
    reader.expect_no_results()
    return reader.history


@attrs.define
class _Reader:
    """Reads the messages in order. several: whether they name several assistants."""

    several: bool
    history: History = attrs.field(factory=History)
    caller: str = ""

    def read(self, message: Fields) -> None:
        role = message.get("role")
        if role not in ("tool", "function"):
            self.expect_no_results()
        match role:
            case "system" | "developer":
                blocks = named(message, read_content(message, "content", {"text": read_text}))
                self.history.instruct(block["text"] for block in blocks)
            case "user":
                self.history.user(named(message, read_content(message, "content", _SHOWN)))
            case "assistant":
                said = _assistant_text(message)
                if self.several:
                    said = named(message, said)
                if message.has("tool_calls") or message.has("function_call"):
                    said = (*said, *self._calls(message))
                self.history.assistant(said)
            case "function" if not self.history.calls.waiting:
                # Some clients leave out their calls of functions, and send the results alone.
                title = text_block(f"The result of the function {message.get('name')}:")
                self.history.user((title, *read_content(message, "content", _SHOWN)))
            case _:
                self.history.user((self._result(message, role),))

    def expect_no_results(self) -> None:
        """Raise a 400 if a call has no result yet."""
        if waiting := self.history.calls.waiting:
            raise bad_request(
                "An assistant message with 'tool_calls' must be followed by tool messages "
                "responding to each 'tool_call_id'. The following tool_call_ids did not have "
                f"response messages: {', '.join(waiting)}",
                self.caller,
            )

    def _calls(self, message: Fields) -> Iterable[Block]:
        self.caller = message.where("role")
        for call in message.children("tool_calls"):
            where = call.where("id")
            if call.get("type") == "custom":
                custom = call.child("custom")
                arguments = {INPUT: custom.get("input")}
                use = self.history.calls.use
                yield use(call.get("id"), custom.get("name"), arguments, where)
            else:
                yield self._call(call.get("id"), call.child("function"), where)
        if message.has("function_call"):
            legacy = message.child("function_call")
            # It has no id. One made from its position is the same in every request.
            yield self._call(f"function-{len(self.history.calls)}", legacy, legacy.path)

    def _call(self, call_id: str, function: Fields, where: str) -> Block:
        arguments = read_arguments(function.get("arguments"))
        return self.history.calls.use(call_id, function.get("name"), arguments, where)

    def _result(self, message: Fields, role: str) -> Block:
        calls = self.history.calls
        name = message.get("name")
        call_id = message.get("tool_call_id") if role == "tool" else calls.waiting_for(name)
        why = calls.problem_with_result(call_id)
        if why is not None:
            if role == "function":
                why = f"No unanswered call of '{name}' precedes it."
            raise bad_request(
                f"Invalid parameter: messages with role '{role}' must be a response to a "
                f"preceding message with 'tool_calls'. {why}",
                message.where("tool_call_id" if role == "tool" else "name"),
            )
        return calls.result(call_id, read_content(message, "content", _SHOWN))


def _assistant_text(message: Fields) -> tuple[Block, ...]:
    refusal = message.get("refusal", "")
    blocks = read_content(message, "content", {"text": read_text, "refusal": read_refusal})
    return blocks or ((text_block(refusal),) if refusal.strip() else ())


def _image(part: Fields) -> Block:
    image = part.child("image_url")
    return image_block(image.get("url"), image.where("url"))


def _file(part: Fields) -> Block:
    return read_file(part.child("file"))


_SHOWN = {"text": read_text, "image_url": _image, "file": _file}
