"""The formats of strings that structured outputs know: what fits each, and an example of it.

Pure.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from attrs import frozen
from jsonschema import FormatChecker


if TYPE_CHECKING:
    from collections.abc import Callable


@frozen
class StringFormat:
    """One format; ``parse`` raises ValueError for a text of the right form that means nothing."""

    example: str
    form: str
    parse: Callable[[str], object] = str

    def fits(self, text: str) -> bool:
        """Whether a text is of this format."""
        if not re.fullmatch(self.form, text, re.ASCII):
            return False
        try:
            self.parse(text)
        except ValueError:
            return False
        return True


_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DURATION = (
    r"P(?=.)(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?)"  # As RFC 3339 has it.
)

STRING_FORMATS = {
    "date-time": StringFormat("2026-01-01T00:00:00Z", f"{_DATE}T{_TIME}", datetime.fromisoformat),
    "time": StringFormat("00:00:00Z", _TIME),
    "date": StringFormat("2026-01-01", _DATE, date.fromisoformat),
    "duration": StringFormat("PT1S", _DURATION),
    "email": StringFormat("demo@example.com", rf"[^@\s]+@{_LABEL}(\.{_LABEL})*"),
    "hostname": StringFormat("example.com", rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*"),
    "uri": StringFormat("https://example.com/", r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+"),
    "ipv4": StringFormat("192.0.2.1", r"[0-9.]+", IPv4Address),
    "ipv6": StringFormat("2001:db8::1", r"[0-9A-Fa-f:.]+", IPv6Address),
    "uuid": StringFormat(
        "00000000-0000-4000-8000-000000000000",
        r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    ),
}

CHECKER = FormatChecker(formats=())
"""For jsonschema, so that what it checks does not depend on what else is installed."""


def _check(name: str) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or STRING_FORMATS[name].fits(value)


for _name in STRING_FORMATS:
    CHECKER.checks(_name)(_check(_name))
