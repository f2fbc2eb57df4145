"""The list of models, with the fields of OpenAI's and Anthropic's objects and of other servers.

Sources: OpenAI's API reference, "Models"; Anthropic's, "List Models", and `ModelInfo` of its SDK.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..catalogue import EFFORTS, LONG_CONTEXT, Model, ModelSize
from ..errors import bad_request


# Anthropic's lines of models. The CLI uses these names for the newest model of each line.
LINES = frozenset({"opus", "sonnet", "haiku", "fable", "mythos"})
LIFECYCLES = ("active", "deprecated", "retired")
LARGEST_PAGE = 1000
# The fields for the context window at Anthropic, OpenRouter, vLLM and Groq.
WINDOWS = ("max_input_tokens", "context_length", "max_model_len", "context_window")


def page_of(names: Sequence[str], query: Mapping[str, Sequence[str]]) -> tuple[list[str], bool]:
    """Return the names on the requested page, and whether there are more; raise a 400.

    Without a limit the page has all names, because OpenAI's clients do not request a second page.
    """
    limit = _limit(query.get("limit", ()))
    after, before = query.get("after_id", ()), query.get("before_id", ())
    if after and before:
        raise bad_request("Specify only one of `after_id` and `before_id`.", "before_id")
    stages = [*query.get("lifecycle", ()), *query.get("lifecycle[]", ())]
    for stage in stages:
        if stage not in LIFECYCLES:
            raise bad_request(f"`lifecycle` must be one of {', '.join(LIFECYCLES)}.", "lifecycle")
    if stages and "active" not in stages:
        return [], False
    if before:
        rest = list(names[: _place(names, "before_id", before[-1])])
        return rest[-limit:], len(rest) > limit
    rest = list(names[_place(names, "after_id", after[-1]) + 1 :] if after else names)
    return rest[:limit], len(rest) > limit


def list_object(models: Sequence[Mapping[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """Return a page of models, with the fields of both OpenAI and Anthropic."""
    first, last = (models[0]["id"], models[-1]["id"]) if models else (None, None)
    page = {"has_more": has_more, "first_id": first, "last_id": last}
    return {"object": "list", "data": list(models), **page}


def model_object(
    name: str, model: Model, size: ModelSize | None, created: int, *, web_tools: bool = True
) -> dict[str, Any]:
    """Return the object of a model, under one of its names. `created`: seconds since the epoch.

    It has the sizes only if the CLI has reported them. web_tools: whether requests may use the
    tools that the API carries out itself.
    """
    date = datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")
    line = model.value.removesuffix(LONG_CONTEXT)
    told: dict[str, Any] = {
        "id": name,
        # OpenAI's.
        "object": "model",
        "created": created,
        "owned_by": "anthropic",
        # Anthropic's.
        "type": "model",
        "display_name": name,
        "created_at": date,
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": line if line in LINES else None,
        "capabilities": None if model.unlisted else _capabilities(model, web_tools=web_tools),
    }
    if size is not None:
        told.update(dict.fromkeys(WINDOWS, size.context_window))
        if size.max_tokens is not None:
            told["max_tokens"] = size.max_tokens
    return told


def _capabilities(model: Model, *, web_tools: bool) -> dict[str, Any]:
    """Return the capabilities of the model that this server supports.

    As at Anthropic, a tool that is supported can still be refused to the account.
    """
    efforts = {level: _support(level in model.efforts) for level in EFFORTS}
    tools = {"code_execution": _support(web_tools), "web_search": _support(web_tools)}
    thinking = {
        "adaptive": _support(model.adaptive),
        "between_tools": _support(False),
        "disabled": _support(True),
        "enabled": _support(True),
    }
    return {
        "batch": _support(False),
        "citations": _support(False),
        "code_execution": _support(False),
        "context_management": _support(False),
        "effort": {**_support(bool(model.efforts)), **efforts},
        "image_input": _support(True),
        "pdf_input": _support(True),
        "server_tools": {**_support(web_tools), **tools},
        "structured_outputs": _support(True),
        "thinking": {**_support(True), "types": thinking},
    }


def _support(supported: bool) -> dict[str, bool]:
    return {"supported": supported}


def _limit(given: Sequence[str]) -> int:
    if not given:
        return LARGEST_PAGE * LARGEST_PAGE
    text = given[-1]
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= LARGEST_PAGE):
        raise bad_request(f"`limit` must be a whole number from 1 to {LARGEST_PAGE}.", "limit")
    return int(text)


def _place(names: Sequence[str], cursor: str, name: str) -> int:
    if name not in names:
        raise bad_request(f"`{cursor}` must be the id of a model in the list.", cursor)
    return names.index(name)
