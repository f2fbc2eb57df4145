"""The content of a message in OpenAI's dialects, and where each mistake in it is."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from claudeproxy.conversation import Block, text_block
from claudeproxy.dialects.fields import Fields
from claudeproxy.dialects.openai_content import (
    FILE,
    REFUSAL_PART,
    TEXT_PART,
    read_content,
    read_file,
    read_refusal,
    read_text,
)
from claudeproxy.dialects.openai_content import (
    content as content_of,
)
from claudeproxy.dialects.openai_request import check_request
from claudeproxy.dialects.parameters import Field, Object

from .asking import PDF, refused


READERS: dict[str, Callable[[Fields], Block]] = {
    "text": read_text,
    "refusal": read_refusal,
    "file": read_file,
}


DECLARED = Object(
    (
        Field(
            "content",
            content_of({"text": TEXT_PART, "refusal": REFUSAL_PART, "file": Object(FILE)}),
        ),
    )
)


def read(content: Any) -> tuple[Block, ...]:
    fields, _ = check_request({"content": content}, DECLARED)
    return read_content(fields, "content", READERS)


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (None, []),
        ("", []),
        (" \n\t", []),
        ([], []),
        ([{"type": "text", "text": " "}], []),
        ([{"type": "refusal", "refusal": ""}], []),
        (" Hi ", [" Hi "]),
        ([{"type": "text", "text": "a\n"}, {"type": "refusal", "refusal": "b"}], ["a\n", "b"]),
        ([{"type": "text", "text": ""}, {"type": "text", "text": "b"}], ["b"]),
    ],
)
def test_content_is_a_string_or_parts_without_those_that_are_blank(
    content: Any, texts: list[str]
) -> None:
    assert read(content) == tuple(map(text_block, texts))


def test_content_that_is_absent_is_none() -> None:
    assert read_content(Fields({}), "content", READERS) == ()


@pytest.mark.parametrize(
    ("file", "block"),
    [
        (
            {"file_data": PDF},
            {"source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
        ),
        (
            {"file_data": b64encode(b"Hi").decode(), "filename": "a.txt", "file_id": None},
            {
                "source": {"type": "text", "media_type": "text/plain", "data": "Hi"},
                "title": "a.txt",
            },
        ),
    ],
)
def test_a_file_is_a_document(file: dict[str, Any], block: dict[str, Any]) -> None:
    assert read([{"type": "file", **file}]) == ({"type": "document", **block},)


@pytest.mark.parametrize(
    ("content", "where", "code"),
    [
        (5, "", "invalid_type"),
        ({"type": "text"}, "", "invalid_type"),
        (["x"], "[0]", "invalid_type"),
        ([{"type": "text", "text": "x"}, None], "[1]", "invalid_type"),
        ([{"text": "x"}], "[0].type", "missing_required_parameter"),
        ([{"type": 5}], "[0].type", "invalid_type"),
        ([{"type": "text"}], "[0].text", "missing_required_parameter"),
        ([{"type": "text", "text": 5}], "[0].text", "invalid_type"),
        ([{"type": "refusal"}], "[0].refusal", "missing_required_parameter"),
        ([{"type": "file"}], "[0].file_data", "missing_required_parameter"),
        ([{"type": "file", "file_data": "!"}], "[0].file_data", "invalid_value"),
        ([{"type": "file", "file_data": PDF, "filename": 5}], "[0].filename", "invalid_type"),
        ([{"type": "file", "file_id": "file_1"}], "[0].file_id", "unsupported_parameter"),
    ],
)
def test_content_that_cannot_be_is_told_by_its_place(content: Any, where: str, code: str) -> None:
    assert refused(lambda: read(content))[1:] == (f"content{where}", code)


def test_a_part_of_another_type_is_told_with_those_that_there_are() -> None:
    assert refused(lambda: read([{"type": "audio"}])) == (
        "Content parts of type 'audio' are not supported. Supported types are: 'text', 'refusal', "
        "'file'.",
        "content[0].type",
        "unsupported_value",
    )


def test_a_file_that_is_only_named_is_refused_even_with_its_data() -> None:
    assert read([{"type": "file", "file_id": None, "file_data": PDF}])
    message, param, code = refused(
        lambda: read([{"type": "file", "file_id": "a", "file_data": PDF}])
    )
    assert "'file_data'" in message
    assert (param, code) == ("content[0].file_id", "unsupported_parameter")
