"""What the Messages API refuses in ``output_config.format`` and in tools with ``strict``.

Pure.  ``schemas`` has the rules for the schemas themselves.

The API's documentation does not give the messages.  Public reports show the prefixes of the
schemas' messages (for tools also "tools.0.custom: "), "Extra inputs are not permitted" from
platforms that lack the feature, and "Schema is too complex for compilation."  Of more properties
than are allowed, reports show other sentences too ("Schemas contains too many optional parameters
...").  The other messages are assumed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .schemas import TOO_COMPLEX, Complexity, complexity, schema_problems
from .structured import schema_of


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_OPTIONAL = 24
MOST_UNIONS = 16
MOST_STRICT_TOOLS = 20

FORMAT = "output_config.format"
SCHEMA = f"{FORMAT}.schema"
NOT_PERMITTED = "Extra inputs are not permitted"

_SINCE = (4, 5)
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d)(?!\d)(?:-(\d)(?!\d))?")


def knows_formats(model: str) -> bool:
    """Whether a model has structured outputs: all but those whose id gives an older version."""
    found = _VERSION.match(model)
    return found is None or (int(found[1]), int(found[2] or 0)) >= _SINCE


def format_problems(body: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with ``output_config.format``, and with the rest of a request because of it.

    Takes messages that are as they should be.
    """
    config = body.get("output_config")
    if config is None:
        return
    if not isinstance(config, dict):
        yield "output_config: Input should be a valid dictionary"
    wanted = config.get("format")
    if wanted is None:
        return
    if not knows_formats(body["model"]):
        yield f"{FORMAT}: {NOT_PERMITTED}"
    yield from _form_problems(wanted)
    for problem in schema_problems(wanted["schema"]):
        yield f"{SCHEMA}: {problem}"
    *_, last = [message for message in body["messages"] if message["role"] != "system"]
    if last["role"] == "assistant":
        yield f"{FORMAT}: Prefilling the assistant message is not supported with a format"
    if any(_has_citations(message["content"]) for message in body["messages"]):
        yield f"{FORMAT}: Citations are not supported with a format"


def _form_problems(wanted: Any) -> Iterator[str]:
    if not isinstance(wanted, dict):
        yield f"{FORMAT}: Input should be a valid dictionary"
    if wanted.get("type") != "json_schema":
        yield f"{FORMAT}.type: Input should be 'json_schema'"
    if "schema" not in wanted:
        yield f"{SCHEMA}: Field required"
    for name in wanted:
        if name not in ("type", "schema"):
            yield f"{FORMAT}.{name}: {NOT_PERMITTED}"


def strict_problems(body: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with tools that are ``strict``, and with all schemas of a request together.

    Takes tools and a format that are otherwise as they should be.
    """
    schema = schema_of(body)
    total = complexity(schema) if schema is not None else Complexity()
    strict_tools = 0
    for index, tool in enumerate(body.get("tools") or ()):
        where = f"tools.{index}.custom"
        if tool.get("type") not in (None, "custom") or tool.get("strict") is None:
            continue
        if not isinstance(tool["strict"], bool):
            yield f"{where}.strict: Input should be a valid boolean"
        if not tool["strict"]:
            continue
        if not knows_formats(body["model"]):
            yield f"{where}.strict: {NOT_PERMITTED}"
        for problem in schema_problems(tool["input_schema"]):
            yield f"{where}.input_schema: {problem}"
        total += complexity(tool["input_schema"])
        strict_tools += 1
    if (
        strict_tools > MOST_STRICT_TOOLS
        or total.optional > MOST_OPTIONAL
        or total.unions > MOST_UNIONS
    ):
        yield TOO_COMPLEX if schema is None else f"{SCHEMA}: {TOO_COMPLEX}"


def _has_citations(content: Any) -> bool:
    if not isinstance(content, list):
        return False
    return any(
        (isinstance(block.get("citations"), dict) and block["citations"].get("enabled") is True)
        or _has_citations(block.get("content"))
        for block in content
    )
