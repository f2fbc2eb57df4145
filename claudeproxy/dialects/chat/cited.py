"""OpenAI Chat Completions: an answer with web searches as one text, and what this text cites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from ...answer_turn import Separation
from ...events import Cited, Event, ServerBlockStarted, TextDelta, TextStarted, Withdrawn
from ..openai_web_search import Annotation, Citations


# What comes between the texts before and after a search.
SEPARATOR = "\n\n"


@attrs.define
class CitedText:
    """Adds separators to the texts of an answer, and finds the places of its citations.

    annotations: all so far.
    """

    annotations: list[Annotation] = attrs.field(init=False, factory=list)
    _separation: Separation = attrs.field(init=False, factory=lambda: Separation(SEPARATOR))
    _citations: Citations = attrs.field(init=False, factory=Citations)

    def feed(self, event: Event) -> Sequence[Event]:
        """Return an event, and the separator before it if there is one."""
        before = ""
        if isinstance(event, Withdrawn):
            self.annotations.clear()
            self._separation, self._citations = Separation(SEPARATOR), Citations()
        if isinstance(event, ServerBlockStarted):
            self._separation.server_block()
        elif isinstance(event, TextDelta | Cited):
            before = self._separation.before_text()
        if not before:
            self.annotations += self._citations.feed(event)
            return (event,)
        separator = TextDelta(before)
        for told in (separator, TextStarted(), event):
            self.annotations += self._citations.feed(told)
        return separator, event


def annotations_field(annotations: Sequence[Annotation]) -> list[dict[str, Any]]:
    """The field `annotations` of a message or a delta."""
    return [{"type": "url_citation", "url_citation": one.body} for one in annotations]
