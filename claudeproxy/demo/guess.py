"""Decides which tools the demo's own model calls: those that the last message mentions.

Pure.  The other models call only the tools in ``CALL`` words.  This model is for clients and test
suites whose prompts cannot contain such words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import define

from .answer import compact
from .instance import instance
from .structured import fits, misfit
from .words import Call, own_texts


if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL = "claude-demo-tools"
"""The id of the model that does this."""

STRUCTURED = "StructuredOutput"
"""The tool by which the CLI asks for output that fits a schema."""

_SERVER = re.compile(r"\Amcp__.*?__")
_QUOTED = re.compile(r"(?<!\w)(?:'([^'\n]+)'|\"([^\"\n]+)\"|“([^”\n]+)”)(?!\w)")
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,15}(?:\.\d{1,15})?(?![\w.]*\w)")
_WORD = re.compile(r"[a-z]{4,}")
# Words that say nothing of what a tool does.
_COMMON = frozenset(
    {"call", "from", "function", "give", "into", "result", "return", "returns", "that", "this"}
    | {"tool", "tools", "using", "value", "what", "when", "which", "with", "your"}
)


def prompt_of(body: Mapping[str, Any]) -> str:
    """What the user says in the last message.

    Nothing if another model is asked, or if the message has results in it, which are to be
    answered.
    """
    if body["model"] != MODEL:
        return ""
    content = [m["content"] for m in body["messages"] if m["role"] == "user"][-1]
    if isinstance(content, str):
        return content
    if any(block["type"] == "tool_result" for block in content):
        return ""
    return "\n".join(own_texts(block["text"] for block in content if block["type"] == "text"))


def spoken_of(prompt: str, tools: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The tools to call: all that the prompt has the names of, in its order; else the one whose
    name and description have the most words in common with it, if any has one.
    """
    bare = {name: _SERVER.sub("", name, count=1) for name in tools if name != STRUCTURED}
    places = {name: _place(short, prompt) for name, short in bare.items()}
    named = sorted((name for name in bare if places[name] >= 0), key=lambda name: places[name])
    if named:
        return named
    said = _words(prompt)
    common = {
        name: len(said & _words(f"{short} {tools[name].get('description', '')}"))
        for name, short in bare.items()
    }
    best = max(common, key=lambda name: common[name], default="")
    return [best] if common.get(best) else []


def call(tool: Mapping[str, Any], values: Values, *, fitting: bool = True) -> Call:
    """A call of a tool with arguments that fit its schema, out of the values where they fit.

    Without ``fitting`` they do not fit, if the schema has objects that do not.
    """
    schema = tool.get("input_schema") or {"type": "object"}
    arguments = instance(schema, values.take, in_order=bool(tool.get("strict")))
    if not fitting:
        arguments = misfit(schema, of_object=True)
    elif tool["name"] == STRUCTURED and not schema.get("properties"):
        # JSON of any form: such a prompt can only name the keys.
        arguments = {**arguments, **dict.fromkeys(values.texts, "demo")}
    return Call(tool["name"], compact(arguments), arguments)


@define
class Values:
    """What a prompt has for arguments: quoted texts and numbers, in their order."""

    texts: list[str]
    numbers: list[float]

    def take(self, schema: Mapping[str, Any]) -> Any:
        """The first that fits a schema and was not taken before; None if none does."""
        for values in (self.texts, self.numbers):
            for index, value in enumerate(values):
                if fits(value, schema):
                    return values.pop(index)
        return None


def values_of(prompt: str) -> Values:
    """The values in a prompt."""
    texts = [next(filter(None, match.groups())) for match in _QUOTED.finditer(prompt)]
    rest = _QUOTED.sub(" ", prompt)
    numbers = [float(n) if "." in n else int(n) for n in _NUMBER.findall(rest)]
    return Values(texts, numbers)


def _place(name: str, prompt: str) -> int:
    match = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", prompt)
    return -1 if match is None else match.start()


def _words(text: str) -> set[str]:
    """Its words, also those that a name in camel case or with underscores is made of."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower().replace("_", " ")
    return set(_WORD.findall(apart)) - _COMMON
