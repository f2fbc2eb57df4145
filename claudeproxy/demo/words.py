"""Finds the words that direct the demo API in the text of a message.

Pure.  A word is surrounded by white space, and its argument follows a colon.  If the argument does
not have the right form, it is plain text.  If a word occurs more than once, the last one counts.
The table in ``script`` gives the meanings.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from attrs import field, frozen


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_INTEGER = r"\d{1,9}"
_NUMBER = r"\d{1,9}(?:\.\d{1,9})?"
_STATUS = r"[45]\d\d(?::\d{1,9})?"
_CODES = "max_uses_exceeded|too_many_requests|unavailable|invalid_input|invalid_tool_input"

# Each word with the form of its argument; None is no argument.
_FORMS: dict[str, tuple[str | None, ...]] = {
    "AGAIN": (_INTEGER,),
    "CACHED": (_INTEGER,),
    "COMPLEX": (None,),
    "CONTAINER": (None,),
    "CREATED": (_INTEGER,),
    "DROP": (_INTEGER,),
    "ERR": (_STATUS,),
    "ERRONCE": (_STATUS,),
    "FETCH": (r"\S+",),
    "FETCHERR": (
        rf"{_CODES}|url_too_long|url_not_allowed|url_not_in_prior_context|url_not_accessible|"
        "unsupported_content_type|content_too_large",
    ),
    "FORMATLESS": (None,),
    "HTML": (None,),
    "LIMIT": (None, _INTEGER),
    "LONG": (_INTEGER,),
    "MISFIT": (None, _INTEGER),
    "NOWEB": (None, "400|403"),
    "PAUSE": (_NUMBER,),
    "PENDING": (None,),
    "HOLD": (_NUMBER,),
    "PROSE": (None,),
    "QUIET": (None,),
    "SEARCH": (r"\S+",),
    "SEARCHERR": (rf"{_CODES}|query_too_long|request_too_large",),
    "SEEN": (None,),
    "SLOW": (_NUMBER,),
    "SSEERR": (_INTEGER,),
    "STALL": (_INTEGER,),
    "STOP": (r"[a-z_]{1,40}",),
    "THINK": (None, r"\S+"),
    "WAIT": (_NUMBER,),
    "WARNING": (None,),
}

_WORD = re.compile(r"(?<!\S)([A-Z]+)(?::(\S*))?(?!\S)")
# The two whose argument may hold white space: they are cut out before the others are looked for.
_WIDE = re.compile(r"(?<!\S)(?:(ECHO):|CALL:([A-Za-z0-9_-]+)(?::(?=\{)|(?!\S)))")
# The same two, and the word between what is said in one round and what in the next.
_WIDE_OR_THEN = re.compile(rf"{_WIDE.pattern}|(?<!\S)(THEN)(?!\S)")
# Not the user's: reminders of the CLI's, the notes that a command of its own leaves in the
# conversation, and what claudeproxy makes of a system message in the middle of one.
_REMINDER = re.compile(
    r"\s*<(system-reminder|system_message|local-command-\w+|command-name)>.*"
    r"</(system-reminder|system_message|local-command-\w+|command-args|command-message|"
    r"command-name)>\s*",
    re.DOTALL,
)


@frozen
class Call:
    """A ``CALL`` word: the tool's name as given, and its arguments.

    ``text`` is the JSON object as it was written, ``arguments`` its value.
    """

    name: str
    text: str
    arguments: dict[str, Any]


@frozen
class WebUse:
    """A ``SEARCH`` or ``FETCH`` word: the tool's name, and the query or the URL."""

    name: str
    argument: str


@frozen
class Words:
    """The words of one message: ``said`` maps a word to its argument ("" if it has none)."""

    said: Mapping[str, str] = field(factory=dict)
    calls: tuple[Call, ...] = ()
    echo: str | None = None
    web: tuple[WebUse, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.said or self.calls or self.echo is not None)

    def __contains__(self, word: str) -> bool:
        return word in self.said

    @property
    def failing(self) -> tuple[WebUse, ...]:
        """The calls to make for ``SEARCHERR`` and ``FETCHERR``, if no other word asks for any."""
        search = (WebUse("web_search", "demo"),) if "SEARCHERR" in self.said else ()
        fetch = (WebUse("web_fetch", "https://example.com/"),) if "FETCHERR" in self.said else ()
        return (*search, *fetch)

    def integer(self, word: str) -> int | None:
        """The argument of a word as a whole number, or None if the word isn't there."""
        return int(self.said[word]) if self.said.get(word) else None

    def seconds(self, word: str) -> float:
        """The argument of a word in seconds, 0.0 if the word isn't there."""
        return float(self.said.get(word) or 0.0)

    def status(self, word: str) -> tuple[int, str | None] | None:
        """(HTTP status, seconds to retry after) of an ``ERR`` word, or None if it isn't there."""
        if word not in self.said:
            return None
        status, _, after = self.said[word].partition(":")
        return int(status), after or None


def read(texts: Iterable[str]) -> Words:
    """The words in a message's text blocks.

    A block that is nothing but the CLI's own, as a ``<system-reminder>`` is, or a system message,
    is not the user's and is skipped.
    """
    said: dict[str, str] = {}
    calls: list[Call] = []
    web: list[WebUse] = []
    echo: str | None = None
    for text in own_texts(texts):
        rest, block_calls, block_echo = _cut(text)
        calls.extend(block_calls)
        echo = block_echo if block_echo is not None else echo
        for match in _WORD.finditer(rest):
            name, argument = match.groups()
            if _fits(name, argument):
                said[name] = argument or ""
                if name == "SEARCH":
                    web.append(WebUse("web_search", said[name].replace("_", " ")))
                if name == "FETCH":
                    web.append(WebUse("web_fetch", said[name]))
    return Words(said, tuple(calls), echo, tuple(web))


def rounds(texts: Iterable[str]) -> list[list[str]]:
    """The texts cut at each ``THEN``: what is for the first answer, for that after it, and so on.

    One inside of an ECHO or of a call's arguments is none.
    """
    cut: list[list[str]] = [[]]
    for text in own_texts(texts):
        start = position = 0
        while (match := _WIDE_OR_THEN.search(text, position)) is not None and not match[1]:
            if match[3]:
                cut[-1].append(text[start : match.start()])
                cut.append([])
                start = position = match.end()
            else:
                _, position = _call(text, match)
        cut[-1].append(text[start:])
    return cut


def own_texts(texts: Iterable[str]) -> list[str]:
    """The texts without those that are nothing but the CLI's own."""
    return [text for text in texts if not _REMINDER.fullmatch(text)]


def _fits(name: str, argument: str | None) -> bool:
    for form in _FORMS.get(name, ()):
        if form is None:
            if argument is None:
                return True
        elif argument is not None and re.fullmatch(form, argument):
            return True
    return False


def _cut(text: str) -> tuple[str, list[Call], str | None]:
    """(the text without its CALL and ECHO words, the calls, the echo if there's one)."""
    kept: list[str] = []
    calls: list[Call] = []
    start = position = 0
    while (match := _WIDE.search(text, position)) is not None:
        if match[1]:
            return "".join((*kept, text[start : match.start()])), calls, text[match.end() :]
        call, end = _call(text, match)
        position = end
        if call is not None:
            calls.append(call)
            kept.append(text[start : match.start()])
            start = end
    kept.append(text[start:])
    return "".join(kept), calls, None


def _call(text: str, match: re.Match[str]) -> tuple[Call | None, int]:
    """The call that a match begins, and where the search goes on; None if it's no JSON."""
    if match.end() == len(text) or text[match.end()] != "{":
        return Call(match[2], "{}", {}), match.end()
    try:
        arguments, end = json.JSONDecoder().raw_decode(text, match.end())
    except (ValueError, RecursionError):
        return None, match.end()
    return Call(match[2], text[match.end() : end], arguments), end
