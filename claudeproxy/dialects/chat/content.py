"""OpenAI Chat Completions: the messages of a request, as turns.

Source: OpenAI's OpenAPI document 2.3.0 (ChatCompletionRequestMessage).
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ...conversation import Block, Turn, alternate, text_block
from ...errors import bad_request
from ..fields import Fields
from ..media import image_block
from ..openai_content import read_content, read_file, read_refusal, read_text, user_at_both_ends
from ..tool_calls import Calls, read_arguments


def read_messages(fields: Fields) -> tuple[str, tuple[Turn, ...]]:
    """The system prompt and the turns, which alternate and begin and end with the user's."""
    reader = _Reader()
    for message in fields.children("messages"):
        reader.read(message)
    reader.expect_no_results()
    return "\n\n".join(reader.system), alternate(user_at_both_ends(reader.turns))


@attrs.define
class _Reader:
    """What has been read so far."""

    system: list[str] = attrs.field(factory=list)
    turns: list[Turn] = attrs.field(factory=list)
    calls: Calls = attrs.field(factory=Calls)
    caller: str = ""

    def read(self, message: Fields) -> None:
        role = message.get("role")
        if role not in ("tool", "function"):
            self.expect_no_results()
        match role:
            case "system" | "developer":
                blocks = read_content(message, "content", {"text": read_text})
                self.system.extend(block["text"] for block in blocks)
            case "user":
                self.turns.append(Turn("user", _user_blocks(message)))
            case "assistant":
                # An answer that was cut off before its first word leaves nothing to replay.
                blocks = (*_assistant_text(message), *self._calls(message))
                if blocks:
                    self.turns.append(Turn("assistant", blocks))
            case _:
                self.turns.append(Turn("user", (self._result(message, role),)))

    def expect_no_results(self) -> None:
        """Every call must have its result before anyone says something else."""
        if waiting := self.calls.waiting:
            raise bad_request(
                "An assistant message with 'tool_calls' must be followed by tool messages "
                "responding to each 'tool_call_id'. The following tool_call_ids did not have "
                f"response messages: {', '.join(waiting)}",
                self.caller,
            )

    def _calls(self, message: Fields) -> Iterable[Block]:
        self.caller = message.where("role")
        for call in message.children("tool_calls"):
            yield self._call(call.get("id"), call.child("function"), call.where("id"))
        if message.has("function_call"):
            legacy = message.child("function_call")
            # It has no id, so its place makes one that is the same every time.
            yield self._call(f"function-{len(self.calls)}", legacy, legacy.path)

    def _call(self, call_id: str, function: Fields, where: str) -> Block:
        arguments = read_arguments(function.get("arguments"))
        return self.calls.use(call_id, function.get("name"), arguments, where)

    def _result(self, message: Fields, role: str) -> Block:
        name = message.get("name")
        call_id = message.get("tool_call_id") if role == "tool" else self.calls.waiting_for(name)
        why = self.calls.problem_with_result(call_id)
        if why is not None:
            if role == "function" and self.calls:
                why = f"There is no call of '{name}' for it in the message before."
            raise bad_request(
                f"Invalid parameter: messages with role '{role}' must be a response to a "
                f"preceding message with 'tool_calls'. {why}",
                message.where("tool_call_id" if role == "tool" else "name"),
            )
        content = read_content(message, "content", _SHOWN)
        return self.calls.result(call_id, content)


def _user_blocks(message: Fields) -> tuple[Block, ...]:
    blocks = read_content(message, "content", _SHOWN)
    if not blocks:
        # The CLI would not send it, the API would not take it.
        raise message.invalid(
            "content", "a user message must hold something other than white space"
        )
    return blocks


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
