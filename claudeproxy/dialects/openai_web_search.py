"""OpenAI's dialects: web search, by Anthropic's tool, and the annotations that cite its results.

Source: OpenAI's OpenAPI document 2.3.0 (WebSearchTool, WebSearchPreviewTool, WebSearchLocation,
UrlCitationBody), and Anthropic's page "Web search tool".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from ..conversation import Block, ServerTool
from ..events import Cited, Event, TextDelta
from .fields import Fields
from .kinds import Choice, Flag, List, Number, Text
from .parameters import Field, Object, Use
from .tools import DOMAINS, MOST_USES, as_listed, read_domains


# The model's name for the tool, and its type in Anthropic's API. Later versions need tools that run
# code, which not all models have. Claude Code's own WebSearch uses this one (2.1.332).
NAME = "web_search"
TYPE = "web_search_20250305"
CALL = "server_tool_use"
RESULT = "web_search_tool_result"
# The types of the tool in Responses.
TYPES = (
    *("web_search", "web_search_2025_08_26"),
    *("web_search_preview", "web_search_preview_2025_03_11"),
)
# How many searches a small context has room for. Otherwise Anthropic's API decides.
FEW_SEARCHES = 2

_SIZES = ("low", "medium", "high")
_SIZE = Field("search_context_size", Choice(_SIZES), note=f"`low`: {FEW_SEARCHES} searches.")
_OF_A_PLACE = ("city", "country", "region", "timezone")
_PLACE = tuple(Field(name, Text()) for name in _OF_A_PLACE)
_APPROXIMATE = Field("type", Choice(("approximate",)))
_DOMAINS = tuple(Field(name, List(Text())) for name in DOMAINS)
# A tool of Responses, and `web_search_options` of Chat Completions.
TOOL = Object(
    (
        Field("filters", Object(_DOMAINS)),
        Field("user_location", Object((_APPROXIMATE, *_PLACE))),
        _SIZE,
        # Anthropic's search tool never opens pages for which the model has an address.
        Field("external_web_access", Flag(), Use.ACCEPTED),
    )
)
OPTIONS = Object(
    (
        Field(
            "user_location",
            Object((_APPROXIMATE, Field("approximate", Object(_PLACE), required=True))),
        ),
        _SIZE,
    )
)
MOST_CALLS = Field(
    "max_tool_calls",
    Number(0, MOST_USES, whole=True),
    note="The maximum number of searches. Without web search it has no effect.",
)
# What a response can include of the searches.
SOURCES = "web_search_call.action.sources"


def search_tools(entries: Iterable[Fields], most: int | None = None) -> tuple[ServerTool, ...]:
    """Return the web search among the tools of a request of Responses; raise a 400.

    most: the maximum number of searches.
    """
    for entry in entries:
        if entry.get("type") in TYPES and most != 0:
            place = entry.child("user_location")
            definition = _definition(entry, place, most)
            domains = read_domains(entry.child("filters"))
            return (ServerTool({**definition, **domains}, entry.where("type"), as_listed(entry)),)
    return ()


def search_of_options(fields: Fields) -> tuple[ServerTool, ...]:
    """Return the web search that a request of Chat Completions asks for."""
    if not fields.has("web_search_options"):
        return ()
    options = fields.child("web_search_options")
    place = options.child("user_location").child("approximate")
    param = "web_search_options"
    return (ServerTool(_definition(options, place), param, param),)


def _definition(options: Fields, place: Fields, most: int | None = None) -> dict[str, Any]:
    if options.get("search_context_size") == "low":
        most = min(FEW_SEARCHES, most or FEW_SEARCHES)
    where = {name: place.get(name) for name in _OF_A_PLACE if place.get(name)}
    country = where.get("country", "XX")
    if not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise place.invalid("country", "expected a country code of two letters (ISO 3166-1)")
    return {
        "type": TYPE,
        "name": NAME,
        **({"max_uses": most} if most else {}),
        **({"user_location": {"type": "approximate", **where}} if where else {}),
    }


@attrs.frozen
class Annotation:
    """A citation of a web page. start, end: the part of the text, in characters."""

    start: int
    end: int
    url: str
    title: str

    @property
    def body(self) -> dict[str, Any]:
        """The fields of UrlCitationBody."""
        return {
            "start_index": self.start,
            "end_index": self.end,
            "url": self.url,
            "title": self.title,
        }


@attrs.define
class Citations:
    """Finds out which part of the text each citation belongs to.

    Anthropic's API makes a block of each text that cites, and sends the citations before the text.
    """

    _length: int = attrs.field(init=False, default=0)
    _begin: int = attrs.field(init=False, default=0)
    _cited: list[Mapping[str, Any]] = attrs.field(init=False, factory=list)

    def feed(self, event: Event) -> tuple[Annotation, ...]:
        """Take an event; return the annotations of the text that ends with it."""
        if isinstance(event, TextDelta):
            self._length += len(event.text)
            return ()
        if isinstance(event, Cited):
            self._cited.append(event.citation)
            return ()
        ended = tuple(dict.fromkeys(self._annotations()))
        self._begin = self._length
        self._cited.clear()
        return ended

    def restart(self) -> None:
        """What follows is another text."""
        self._length = self._begin = 0

    def _annotations(self) -> Iterator[Annotation]:
        for citation in self._cited:
            if url := citation.get("url"):
                yield Annotation(self._begin, self._length, url, citation.get("title") or "")


def is_search(block: Block) -> bool:
    """Whether a block is a call of web search."""
    return bool(block["type"] == CALL and block["name"] == NAME)


def found_in(result: Block) -> list[Mapping[str, Any]] | None:
    """Return the pages that a search found; None if it failed."""
    content = result.get("content")
    return content if isinstance(content, list) else None
