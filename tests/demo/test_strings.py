"""The formats of strings that structured outputs know."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from claudeproxy.demo.strings import CHECKER, STRING_FORMATS


RIGHT = {
    "date-time": ["2026-02-28T23:59:59Z", "2026-02-28T00:00:00.25+01:00"],
    "time": ["23:59:59Z", "00:00:00.5-08:00"],
    "date": ["2024-02-29"],
    "duration": ["P1Y2M3DT4H5M6S", "PT6S", "P3W", "P1D"],
    "email": ["ada.l+x@example.co.uk"],
    "hostname": ["localhost", "a-b.example.com"],
    "uri": ["https://example.com/a?b=c#d", "urn:isbn:0"],
    "ipv4": ["127.0.0.1"],
    "ipv6": ["::1", "2001:db8::ff:1", "::ffff:192.0.2.1"],
    "uuid": ["123e4567-E89B-12d3-a456-426614174000"],
}
WRONG = {
    "date-time": ["2026-02-30T00:00:00Z", "2026-02-28", "2026-02-28 00:00:00Z", "now"],
    "time": ["24:00:00Z", "12:00:00", "12:00Z"],
    "date": ["2026-02-29", "26-01-01", "2026-1-1", "2026-01-01\n"],
    "duration": ["P", "PT", "P1DT", "1D", "P1S"],
    "email": ["ada", "ada@", "a b@example.com", "@example.com"],
    "hostname": ["-a.example", "a..b", "a b", "", "x" * 64],
    "uri": ["example.com/a", "https://a b", "https:"],
    "ipv4": ["256.0.0.1", "1.2.3", "\uff11.2.3.4"],
    "ipv6": ["1::2::3", "g::1", "127.0.0.1"],
    "uuid": ["123e4567e89b12d3a456426614174000", "0"],
}


def checked(name: str, value: object) -> bool:
    return Draft202012Validator({"format": name}, format_checker=CHECKER).is_valid(value)


def test_every_format_is_tested_and_has_an_example() -> None:
    assert RIGHT.keys() == WRONG.keys() == STRING_FORMATS.keys()
    for name, known in STRING_FORMATS.items():
        assert known.fits(known.example), name
        assert not known.fits("demo example"), name


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in RIGHT.items() for t in texts])
def test_what_fits(name: str, text: str) -> None:
    assert STRING_FORMATS[name].fits(text)
    assert checked(name, text)


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in WRONG.items() for t in texts])
def test_what_does_not_fit(name: str, text: str) -> None:
    assert not STRING_FORMATS[name].fits(text)
    assert not checked(name, text)


def test_a_format_says_nothing_of_what_is_no_string() -> None:
    assert checked("date", 3)
