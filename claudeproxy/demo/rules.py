"""Checks the parameters, the tools and the size of a request as the Messages API does.

Pure.  ``refusal`` returns the first problem, worded like the API's own errors, or None.  Each one
is a 400 ``invalid_request_error``.  ``blocks`` checks the contents of the messages.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from . import guess
from .blocks import message_problems, system_problems
from .formats import format_problems, strict_problems
from .prompt_cache import mark_problems
from .server_tools import container_problems
from .tools import choice_problems, thinking_on, tool_problems
from .web_history import waiting_problems


if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

MAX_BODY_BYTES = 32 * 1024 * 1024
"""A request body above this many bytes is a 413 ``request_too_large``."""

MIN_THINKING_BUDGET = 1024

_THINKING = ("enabled", "adaptive", "disabled")

# The API lists its models one by one; here every id that is made like one of theirs is a model:
# claude-opus-5-5, claude-haiku-4-5-20251001, claude-3-5-sonnet-latest. In short, claude-opus.
_LINE = "(?:opus|sonnet|haiku|fable|mythos)"
_MODEL = re.compile(rf"claude-(?:{_LINE}(?:-\d){{0,2}}|3(?:-\d)?-{_LINE})(?:-latest|-\d{{8}})?")


class NotJSONError(ValueError):
    """The request body is not JSON, or not text that UTF-8 can say."""


def parse(raw: bytes) -> object:
    """The value of a request body; NotJSONError if it is none, in the API's own words."""
    try:
        value: object = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
        # Half a surrogate pair can be written as an escape, but is no text: the API refuses it.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotJSONError(
            "The request body is not valid JSON: no low surrogate in string"
        ) from error
    except (ValueError, RecursionError) as error:
        raise NotJSONError(f"The request body is not valid JSON: {error}") from error
    return value


def refusal(body: object, *, counting: bool = False, betas: Collection[str] = ()) -> str | None:
    """The first thing the API would refuse in a parsed body, or None.

    ``counting``: the body is for ``count_tokens``, which takes no ``max_tokens``.  ``betas`` are
    those in the request's ``anthropic-beta`` header.
    """
    return next(_problems(body, betas, counting=counting), None)


def unknown_model(body: Mapping[str, Any]) -> str | None:
    """The message of the 404 for a model that does not exist, or None if it does."""
    model = str(body.get("model"))
    return None if model == guess.MODEL or _MODEL.fullmatch(model) else f"model: {model}"


def _no_constant(name: str) -> object:
    raise ValueError(f"invalid value {name}")


def _problems(body: object, betas: Collection[str], *, counting: bool) -> Iterator[str]:
    # Each check may take what the ones before it have established for granted,
    # because only the first problem is ever asked for.
    if not isinstance(body, dict):
        yield "Input should be a valid dictionary"
        return
    yield from _basics(body, counting=counting)
    yield from _thinking(body, counting=counting)
    yield from _sampling(body)
    yield from _stop_sequences(body)
    yield from system_problems(body.get("system"))
    yield from message_problems(body["messages"])
    yield from _thoughts_before_calls(body)
    yield from tool_problems(body, betas)
    yield from container_problems(body, betas)
    yield from waiting_problems(body)
    yield from choice_problems(body)
    yield from format_problems(body)
    yield from strict_problems(body)
    yield from mark_problems(body)


def _basics(body: dict[str, Any], *, counting: bool) -> Iterator[str]:
    for name in ("model", "messages") if counting else ("model", "max_tokens", "messages"):
        if name not in body:
            yield f"{name}: Field required"
    if not isinstance(body["model"], str):
        yield "model: Input should be a valid string"
    if not body["model"]:
        yield "model: String should have at least 1 character"
    limit = 1 if counting else body["max_tokens"]
    if not isinstance(limit, int) or isinstance(limit, bool):
        yield "max_tokens: Input should be a valid integer"
    if limit < 1:
        yield "max_tokens: Input should be greater than or equal to 1"
    if not isinstance(body["messages"], list):
        yield "messages: Input should be a valid list"
    if not body["messages"]:
        yield "messages: at least one message is required"
    if not isinstance(body.get("stream", False), bool):
        yield "stream: Input should be a valid boolean"


def _thinking(body: dict[str, Any], *, counting: bool) -> Iterator[str]:
    thinking = body.get("thinking")
    if thinking is None:
        return
    if not isinstance(thinking, dict) or thinking.get("type") not in _THINKING:
        yield f"thinking.type: Input should be one of {', '.join(_THINKING)}"
    if thinking["type"] == "enabled":
        budget = thinking.get("budget_tokens")
        where = "thinking.enabled.budget_tokens"
        if not isinstance(budget, int) or isinstance(budget, bool):
            yield f"{where}: Field required"
        elif budget < MIN_THINKING_BUDGET:
            yield f"{where}: Input should be greater than or equal to {MIN_THINKING_BUDGET}"
        elif not counting and body["max_tokens"] <= budget:
            yield "`max_tokens` must be greater than `thinking.budget_tokens`"


def _thoughts_before_calls(body: dict[str, Any]) -> Iterator[str]:
    """With a budget for thinking, what goes on with tool results must begin with thoughts."""
    *before, last = [message for message in body["messages"] if message["role"] != "system"]
    if (body.get("thinking") or {}).get("type") != "enabled" or not before:
        return
    if isinstance(last["content"], str) or last["content"][0]["type"] != "tool_result":
        return
    first = before[-1]["content"][0]
    if first["type"] not in ("thinking", "redacted_thinking"):
        where = f"messages.{body['messages'].index(before[-1])}.content.0.type"
        yield (
            f"{where}: Expected `thinking` or `redacted_thinking`, but found `{first['type']}`. "
            "When `thinking` is enabled, a final `assistant` message must start with one."
        )


def _sampling(body: dict[str, Any]) -> Iterator[str]:
    for name in ("temperature", "top_p"):
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{name}: Input should be a valid number"
        elif not 0 <= value <= 1:
            yield f"{name}: range: 0..1"
    if thinking_on(body):
        if body.get("temperature", 1) not in (1, None):
            yield "`temperature` may only be set to 1 when thinking is enabled"
        if body.get("top_k") is not None:
            yield "`top_k` must be unset when thinking is enabled"


def _stop_sequences(body: dict[str, Any]) -> Iterator[str]:
    sequences = body.get("stop_sequences")
    if sequences is None:
        return
    if not isinstance(sequences, list):
        yield "stop_sequences: Input should be a valid list"
    for index, sequence in enumerate(sequences):
        if not isinstance(sequence, str):
            yield f"stop_sequences.{index}: Input should be a valid string"
        if not sequence.strip():
            yield f"stop_sequences.{index}: each stop sequence must contain non-whitespace"
