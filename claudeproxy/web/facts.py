"""What is known of a request for the log and the metrics. It has nothing of the request's content.

A client can choose some of what is seen here: names of models, parameters and paths. Each has a
function that returns only what may be told of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import attrs

from ..answering import Running
from ..dialects.chat import schema as chat_schema
from ..dialects.completions import schema as completions_schema
from ..dialects.messages import schema as messages_schema
from ..dialects.responses import schema as responses_schema
from ..errors import USAGE_LIMIT, APIError
from ..events import Event, Failed, Finished, Started, Usage, Withdrawn, counted_use


# For the name of what cannot be named, and for what a request does not have.
UNKNOWN = "unknown"
NONE = "none"
DISCONNECTED = "disconnected"
# The codes of errors that have none of their own.
CODES = {
    400: "invalid_request",
    401: "invalid_api_key",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
    415: "unsupported_media_type",
    426: "no_websockets",
    429: "rate_limit_exceeded",
    431: "headers_too_large",
    499: "client_too_slow",
    500: "internal_error",
    502: "upstream_failed",
    503: "unavailable",
    504: "timed_out",
}
CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/\[\]-]{0,99}")
# A name within the path of a parameter. What stands for one that a client has chosen.
PART = re.compile(r"[^.\[\]]+")
CHOSEN = "*"
LONGEST_PARAM = 100
# The parameters of queries.
QUERY = ("limit", "after_id", "before_id", "after", "order", "lifecycle")
# Events that are not part of an answer's content.
WITHOUT_CONTENT = (Started, Finished, Failed, Withdrawn)


@attrs.define(eq=False)
class Facts:
    """What is known of one request so far.

    key: the name of the client's API key; `none` if it needs none. asked: the client's name for the
    model, if it is one that the server knows. model: the full id of the model that it stands for.
    answered: the model that answers. jobs: the answers in progress. first_token: when the answer
    began, in the clock's seconds. error: what the client was told. disconnected: the client left
    before the end.
    """

    key: str = NONE
    asked: str = ""
    model: str = ""
    answered: str = ""
    streamed: bool | None = None
    jobs: Sequence[Running] = ()
    first_token: float | None = None
    error: APIError | None = None
    disconnected: bool = False
    _usages: dict[int, Usage] = attrs.field(init=False, factory=dict)

    def saw(self, events: Sequence[Event], choice: int, now: float) -> None:
        """Take events of one choice; this is called for every piece of an answer."""
        first, last = events[0], events[-1]
        if type(first) is Started:
            self.answered = first.model
            self._usages[choice] = first.usage
        for event in events:
            # The API counts them only at the end, which an answer that is cut off does not have.
            if (name := counted_use(event)) is not None and choice in self._usages:
                self._usages[choice] = self._usages[choice].with_use(name)
        if self.first_token is None and any(type(event) not in WITHOUT_CONTENT for event in events):
            self.first_token = now
        if isinstance(last, Finished | Failed) and last.usage is not None:
            self._usages[choice] = last.usage

    @property
    def usage(self) -> Usage | None:
        """The tokens of all choices, as far as they are known; None if no model was asked."""
        first, *others = self._usages.values() if self._usages else (None,)
        return sum(others, first) if first is not None else None

    @property
    def workers(self) -> tuple[str, ...]:
        """How the processes of the choices were obtained."""
        return tuple(job.reuse for job in self.jobs if job.reuse)

    @property
    def model_label(self) -> str:
        """The model for the metrics; never a name that only a client has used."""
        named = self.answered or self.model
        if MODEL.fullmatch(named):
            return named
        return UNKNOWN if self.asked or named else NONE


def code_of(error: APIError) -> str:
    """A word for the reason of an error, one of a limited number."""
    code = USAGE_LIMIT if error.type == USAGE_LIMIT else error.code
    if code is not None and CODE.fullmatch(code):
        return code
    return CODES.get(error.status, f"status_{error.status}")


def param_of(error: APIError) -> str | None:
    """The path of the parameter at fault, without the names in it that no API declares."""
    if error.param is None:
        return None
    names = _declared()

    def told(part: re.Match[str]) -> str:
        word = part[0]
        return word if word in names or (word.isascii() and word.isdigit()) else CHOSEN

    return PART.sub(told, error.param[:LONGEST_PARAM])


@cache
def _declared() -> frozenset[str]:
    """The names of all fields that a request can have."""
    schemas = (chat_schema, completions_schema, messages_schema, responses_schema)
    return frozenset(QUERY).union(*(_names_in(one.REQUEST.schema()) for one in schemas))


def _names_in(schema: Any) -> Iterable[str]:
    if isinstance(schema, Mapping):
        for keyword, value in schema.items():
            if keyword == "properties":
                yield from value
            yield from _names_in(value)
    elif isinstance(schema, list | tuple):
        for value in schema:
            yield from _names_in(value)
