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


ROLES = ("developer", "system", "user", "assistant", "tool", "function")


def read_messages(fields: Fields) -> tuple[str, tuple[Turn, ...]]:
    """The system prompt and the turns, which alternate and begin and end with the user's."""
    if not fields.has("messages"):
        raise fields.missing("messages")
    if not fields.array("messages"):
        raise bad_request(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
            "messages",
            "empty_array",
        )
    reader = _Reader()
    for message in fields.objects("messages"):
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
        role = message.require("role", message.choice("role", ROLES))
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
        for call in message.objects("tool_calls"):
            call.require("type", call.choice("type", ("function",)))
            call_id, function = call.string("id"), call.object("function")
            if not call_id:
                raise call.missing("id")
            yield self._call(call_id, call.require("function", function), call.where("id"))
        legacy = message.object("function_call")
        if legacy is not None:
            # It has no id, so its place makes one that is the same every time.
            yield self._call(f"function-{len(self.calls)}", legacy, legacy.path)

    def _call(self, call_id: str, function: Fields, where: str) -> Block:
        if not function.string("name"):
            raise function.missing("name")
        name = function.name("name")
        arguments = function.require("arguments", function.string("arguments"))
        return self.calls.use(call_id, name, read_arguments(arguments), where)

    def _result(self, message: Fields, role: str) -> Block:
        if role == "tool":
            call_id = message.string("tool_call_id")
            if not call_id:
                raise message.missing("tool_call_id")
        else:
            name = message.string("name")
            if not name:
                raise message.missing("name")
            call_id = self.calls.waiting_for(name)
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
    if not message.has("content"):
        raise message.missing("content")
    blocks = read_content(message, "content", _SHOWN)
    if not blocks:
        # The CLI would not send it, the API would not take it.
        raise bad_request(
            f"Invalid '{message.where('content')}': a user message must hold something other than "
            "white space.",
            message.where("content"),
            "invalid_value",
        )
    return blocks


def _assistant_text(message: Fields) -> tuple[Block, ...]:
    refusal = message.string("refusal")
    blocks = read_content(message, "content", {"text": read_text, "refusal": read_refusal})
    return blocks or ((text_block(refusal),) if refusal and refusal.strip() else ())


def _image(part: Fields) -> Block:
    image = part.require("image_url", part.object("image_url"))
    image.string("detail")
    return image_block(image.require("url", image.string("url")), image.where("url"))


def _file(part: Fields) -> Block:
    return read_file(part.require("file", part.object("file")))


_SHOWN = {"text": read_text, "image_url": _image, "file": _file}
