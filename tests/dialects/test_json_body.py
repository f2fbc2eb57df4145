"""The body of a request: what is read, and how each mistake is told."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claudeproxy.dialects.json_body import DEEPEST, TooDeep, parse_json, parse_object
from claudeproxy.errors import APIError


# A fresh checkout builds Hypothesis' tables first, and a busy machine takes its time.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

Read = Callable[[], object]


def refused(read: Read) -> APIError:
    with pytest.raises(APIError) as caught:
        read()
    assert (caught.value.status, caught.value.type) == (400, "invalid_request_error")
    return caught.value


def told(read: Read) -> tuple[str, str | None, str | None]:
    error = refused(read)
    return error.message, error.param, error.code


# The body


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\xc3\xa9"}',
        b'\xef\xbb\xbf{"a": "\xc3\xa9"}',
        '{"a": "é"}'.encode("utf-16"),
        b' \n{"a": "\\u00e9"}\n',
    ],
    ids=["utf-8", "byte-order-mark", "utf-16", "white-space"],
)
def test_an_object_is_read(body: bytes) -> None:
    assert parse_object(body) == {"a": "é"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"a": 1,}',
        b"{'a': 1}",
        b'{"a": 1} {"b": 2}',
        b'{"a": "\xff"}',
        b"\x00",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b"NaN",
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=lambda body: body[:12].decode("ascii", "replace") or "nothing",
)
def test_what_is_not_json_is_told_so(body: bytes) -> None:
    message, param, code = told(lambda: parse_object(body))
    assert message.startswith("We could not parse the JSON body of your request: ")
    assert (param, code) == (None, None)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"[]", "an array"),
        (b'"{}"', "a string"),
        (b"1", "an integer"),
        (b"1.5", "a number"),
        (b"true", "a boolean"),
        (b"null", "null"),
    ],
)
def test_what_is_not_an_object_is_told_by_its_kind(body: bytes, what: str) -> None:
    assert told(lambda: parse_object(body)) == (
        f"The request body must be a JSON object, not {what}.",
        None,
        None,
    )


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 2}', b'{"a": [{"b": 1, "\\u0062": 1}]}'])
def test_two_fields_of_one_name_are_refused(body: bytes) -> None:
    with pytest.raises(APIError, match="duplicate name"):
        parse_object(body)


def nested(depth: int, before: str, after: str) -> str:
    """An object that goes so deep, itself included; what is inmost is empty."""
    return '{"x": ' + before * (depth - 2) + "[]" + after * (depth - 2) + "}"


ALIKE = pytest.mark.parametrize(
    ("before", "after"), [("[", "]"), ('{"a": ', "}"), ("[1, ", ", 2]")]
)


@ALIKE
def test_nesting_may_go_as_deep_as_the_limit(before: str, after: str) -> None:
    text = nested(DEEPEST, before, after)
    assert json.dumps(parse_object(text.encode())) == text


@ALIKE
@pytest.mark.parametrize("depth", [DEEPEST + 1, *range(900, 1000, 7), 20_000])
def test_nesting_beyond_the_limit_is_refused_whatever_python_could_read(
    before: str, after: str, depth: int
) -> None:
    text = nested(depth, before, after)
    assert "nested too deeply" in refused(lambda: parse_object(text.encode())).message
    with pytest.raises(TooDeep):
        parse_json(text)


@calm
@given(st.binary(max_size=40))
def test_no_body_raises_anything_but_a_400(body: bytes) -> None:
    try:
        assert isinstance(parse_object(body), dict)
    except APIError as error:
        assert error.status == 400
