"""Decides which way an answer is made to match a schema, and learns which way does not work.

There are two ways. The API itself can constrain the answer (its documentation, "Structured
outputs"), if the schema can be said in the keywords that it takes and the model has the feature.
Otherwise the CLI offers the model a tool with this schema, in a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import attrs

from ..conversation import Conversation
from ..errors import APIError, bad_request
from ..remembered import Remembered
from .api_schema import NotSayable, for_api


# How many seconds a model or a schema goes the tool's way after the API has refused it.
REMEMBERED_FOR = 86400.0
# A 400 about the format of the answer: what the API says of the parameter or of the feature.
_OF_THE_FORMAT = re.compile(
    r"output_config|output_format|output format|structured output|schema|grammar", re.IGNORECASE
)
# The part of those that is about this schema; the rest is about the model. Seen: "Schema is too
# complex for compilation", "The compiled grammar is too large", "output_config.format.schema: ...".
_OF_THE_SCHEMA = re.compile(r"schema|grammar|too complex", re.IGNORECASE)
# A 400 about a tool of the client's, which the other way would get too.
_OF_A_TOOL = re.compile(r"^tools\.|input_schema")
# The API does not combine a format with citations, whatever the model and the schema.
_OF_THE_CONTENT = re.compile(r"citation", re.IGNORECASE)


class Choice(StrEnum):
    """The setting `structured_output`."""

    AUTO = "auto"
    API = "api"
    TOOL = "tool"


class Reason(StrEnum):
    """Why an answer goes the tool's way; the label in the metrics."""

    CHOSEN = "chosen"
    NOT_SAYABLE = "not_sayable"
    MODEL = "model"
    SCHEMA = "schema"
    CONTENT = "content"


@attrs.frozen
class ByTool:
    """A conversation as it goes the tool's way, and why it does."""

    reason: Reason
    conversation: Conversation


class Ways:
    """Chooses the way for each conversation with a schema."""

    def __init__(self, choice: Choice, now: Callable[[], float]) -> None:
        """now: returns the time in seconds, from a monotonic clock."""
        self._choice = choice
        self._models = Remembered[str, bool](now, REMEMBERED_FOR)
        self._schemas = Remembered[str, bool](now, REMEMBERED_FOR)

    def choose(self, conversation: Conversation, *, has_feature: bool) -> Conversation | ByTool:
        """Return the conversation as it is to be asked; raises a 400 if only the API's way is
        allowed, and is not possible.

        has_feature: whether the conversation's model knows the API's feature.
        """
        schema = conversation.output_schema
        if schema is None:
            return conversation
        if self._choice is Choice.TOOL:
            return by_tool(conversation, Reason.CHOSEN)
        said = for_api(schema)
        if isinstance(said, NotSayable):
            if self._choice is Choice.API:
                raise _not_possible(said.reason)
            return by_tool(conversation, Reason.NOT_SAYABLE)
        if self._choice is Choice.AUTO:
            if not has_feature or self._models.get(conversation.limits.model):
                return by_tool(conversation, Reason.MODEL)
            # Most servers have none of these, and a digest takes time.
            if self._schemas and self._schemas.get(_digest(schema)):
                return by_tool(conversation, Reason.SCHEMA)
        return by_api(conversation, said.schema)

    def after(self, conversation: Conversation, error: APIError) -> ByTool | None:
        """Return how to ask again after an error; None if the error has another reason.

        What the API refused is remembered, so that the next such conversation is not refused.
        """
        schema, limits = conversation.output_schema, conversation.limits
        if schema is None or limits.output_format is None or self._choice is not Choice.AUTO:
            return None
        reason = _reason(error)
        if reason is Reason.MODEL:
            self._models.keep(limits.model, True)
        elif reason is Reason.SCHEMA:
            self._schemas.keep(_digest(schema), True)
        return None if reason is None else by_tool(conversation, reason)


def by_api(conversation: Conversation, schema: Mapping[str, Any]) -> Conversation:
    """Return the conversation with a schema for the API, in the keywords that it takes."""
    limits = attrs.evolve(conversation.limits, output_format=schema)
    return attrs.evolve(conversation, limits=limits)


def by_tool(conversation: Conversation, reason: Reason) -> ByTool:
    """Return the conversation with its schema for the CLI's tool."""
    asked = attrs.evolve(
        conversation,
        profile=attrs.evolve(conversation.profile, output_schema=conversation.output_schema),
        limits=attrs.evolve(conversation.limits, output_format=None),
    )
    return ByTool(reason, asked)


def _reason(error: APIError) -> Reason | None:
    message = error.message
    if error.status != 400 or _OF_A_TOOL.search(message) or not _OF_THE_FORMAT.search(message):
        return None
    if _OF_THE_CONTENT.search(message):
        return Reason.CONTENT
    return Reason.SCHEMA if _OF_THE_SCHEMA.search(message) else Reason.MODEL


def _digest(schema: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(schema).encode("ascii")).hexdigest()


def _not_possible(why: str) -> APIError:
    return bad_request(
        f"Anthropic's API cannot make an answer match this schema: {why}. The server's setting "
        "`structured_output` does not allow another way; `auto` would.",
        "response_format",
        "invalid_schema",
    )
