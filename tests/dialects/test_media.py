"""Images and files: told by their content, handed on as they are, refused by their place."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from claudeproxy.conversation import Block
from claudeproxy.dialects.media import LARGEST_FILE, LARGEST_IMAGE, file_block, image_block

from .asking import HELLO, PDF, PNG, PNG_URL, ask, refused, turns


URL = "messages[0].content[0].image_url.url"
DATA = "messages[0].content[0].file.file_data"


def encoded(raw: bytes) -> str:
    return b64encode(raw).decode()


def image(url: Any, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def file(**fields: Any) -> dict[str, Any]:
    return {"type": "file", "file": fields}


def blocks(*parts: Any) -> tuple[Block, ...]:
    (turn,) = turns({"role": "user", "content": list(parts)})
    return turn.blocks


def told(part: Any) -> tuple[str | None, str | None]:
    return refused(lambda: blocks(part))[1:]


# Images


@pytest.mark.parametrize(
    ("raw", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0....", "image/jpeg"),
        (b"GIF87a....", "image/gif"),
        (b"GIF89a....", "image/gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
    ],
)
@pytest.mark.parametrize(
    "head",
    [
        "data:image/png;base64",
        "data:image/jpg;base64",
        "data:text/html;charset=utf-8;base64",
        "data:;base64",
        "DATA:Image/PNG;BASE64",
    ],
)
def test_an_image_is_what_its_content_says(head: str, raw: bytes, media_type: str) -> None:
    data = encoded(raw)
    assert image_block(f"{head},{data}", "url") == {
        "type": "image",
        "source": {"type": "base64", "media_type": media_type, "data": data},
    }


@pytest.mark.parametrize(
    ("detail", "ignored"),
    [(None, ()), ("auto", ()), ("high", ("messages[].content[].image_url.detail",))],
)
def test_a_detail_that_asks_for_something_is_listed(
    detail: str | None, ignored: tuple[str, ...]
) -> None:
    shown = {"role": "user", "content": [image(PNG_URL, detail=detail)]}
    assert ask(shown).ignored == ignored


@pytest.mark.parametrize("detail", [{}, {"detail": "high"}, {"detail": None}])
def test_an_image_in_a_message_is_a_block_between_others(detail: dict[str, Any]) -> None:
    text = {"type": "text", "text": "Look:"}
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    assert blocks(text, image(PNG_URL, **detail)) == (text, {"type": "image", "source": source})


def test_a_message_may_be_nothing_but_images_without_the_blank_text_around() -> None:
    kinds = [block["type"] for block in blocks({"type": "text", "text": ""}, image(PNG_URL))]
    assert kinds == ["image"]


def test_an_image_elsewhere_is_handed_on_and_not_fetched() -> None:
    url = "https://example.com/a.png?b=c,d"
    block = {"type": "image", "source": {"type": "url", "url": url}}
    assert blocks(image(url), image(url.replace("https", "HTTPS"))) == (block, block)


@pytest.mark.parametrize(
    "url",
    [
        "",
        PNG,
        "http://example.com/a.png",
        "file:///etc/passwd",
        "ftp://example.com/a.png",
        " https://example.com/a.png",
        "data:image/png;base64",
        "data:image/png;base64,",
        f"data:image/png,{PNG}",
        f"data:image/png;base64,{PNG}%",
        f"data:image/png;base64,{PNG}A",
        f"data:image/png;base64,{PNG[:5]}={PNG[5:]}",
        "data:image/png;base64,====",
        "data:image/png;base64, \n",
        "data:image/png;base64,é",
        "data:image/svg+xml;base64," + encoded(b"<svg/>"),
        "data:image/png;base64," + encoded(b"RIFF\x10\x00\x00\x00WAVEfmt "),
        f"data:image/png;base64,{PDF}",
    ],
)
def test_an_image_that_cannot_be_is_refused_by_its_place(url: str) -> None:
    assert told(image(url)) == (URL, "invalid_value")


RAW = b"\x89PNG\r\n\x1a\n\xfb\xff\xfe\xff?>"
CLEAN = "iVBORw0KGgr7//7/Pz4="


@pytest.mark.parametrize(
    "data",
    [
        CLEAN,
        CLEAN.rstrip("="),
        f" {CLEAN}\n",
        "\r\n".join([CLEAN[:7], CLEAN[7:19], CLEAN[19:]]),
        CLEAN.replace("/", "_").replace("+", "-"),
        CLEAN.replace("/", "_").rstrip("="),
        f"{CLEAN}==",
        CLEAN.replace("/", "%2F").replace("+", "%2b").replace("=", "%3D"),
        f"{CLEAN[:7]}%0D%0A{CLEAN[7:]}",
    ],
)
def test_base64_in_any_form_reaches_the_api_in_the_standard_one(data: str) -> None:
    assert b64encode(RAW).decode() == CLEAN
    source = {"type": "base64", "media_type": "image/png", "data": CLEAN}
    assert image_block(f"data:image/png;base64,{data}", "url") == {
        "type": "image",
        "source": source,
    }


@pytest.mark.parametrize("head", ["", "data:application/pdf;base64,"])
def test_base64_of_a_file_is_read_in_any_form(head: str) -> None:
    raw = b"%PDF-1.4\n\xfb\xff"
    standard = "JVBERi0xLjQK+/8="
    assert encoded(raw) == standard
    block = file_block(f"{head}JVBERi0x\nLjQK-_8", None, "file")
    assert block["source"] == {
        "type": "base64",
        "media_type": "application/pdf",
        "data": standard,
    }


def test_white_space_does_not_make_an_image_too_large() -> None:
    largest = "iVBORw0KGgo" + "A" * (LARGEST_IMAGE - 11)
    block = image_block(f"data:image/png;base64,{largest[:99]}\n{largest[99:]}\n", "url")
    assert block["source"]["data"] == largest


def test_an_image_is_refused_where_anthropic_would_find_it_too_large() -> None:
    largest = "iVBORw0KGgo" + "A" * (LARGEST_IMAGE - 11)
    assert image_block(f"data:image/png;base64,{largest}", "url")["type"] == "image"
    message, param, code = refused(
        lambda: image_block(f"data:image/png;base64,{largest}AAAA", "url")
    )
    assert "too large: 10,485,764 bytes" in message
    assert (param, code) == ("url", "invalid_value")


@pytest.mark.parametrize(
    ("part", "where", "code"),
    [
        ({"type": "image_url"}, "image_url", "missing_required_parameter"),
        ({"type": "image_url", "image_url": PNG_URL}, "image_url", "invalid_type"),
        ({"type": "image_url", "image_url": {}}, "image_url.url", "missing_required_parameter"),
        (image(5), "image_url.url", "invalid_type"),
        (image(PNG_URL, detail=5), "image_url.detail", "invalid_type"),
        ({"type": "file"}, "file", "missing_required_parameter"),
        (file(), "file.file_data", "missing_required_parameter"),
        (file(file_data=5), "file.file_data", "invalid_type"),
        (file(file_data=PDF, filename=5), "file.filename", "invalid_type"),
        (file(file_id="file-1"), "file.file_id", "unsupported_parameter"),
        (file(file_id="file-1", file_data=PDF), "file.file_id", "unsupported_parameter"),
        (
            {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
            "type",
            "unsupported_value",
        ),
    ],
)
def test_a_part_that_cannot_be_is_told_by_its_place(part: Any, where: str, code: str) -> None:
    assert told(part) == (f"messages[0].content[0].{where}", code)


@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
@pytest.mark.parametrize("part", [image(PNG_URL), file(file_data=PDF)], ids=["image", "file"])
def test_only_users_and_tools_show_pictures_and_files(part: Any, role: str) -> None:
    message = {"role": role, "content": [{"type": "text", "text": "x"}, part]}
    assert refused(lambda: ask(HELLO, message))[1:] == (
        "messages[1].content[1].type",
        "unsupported_value",
    )


# Files


@pytest.mark.parametrize("head", ["", "data:application/pdf;base64,", "data:text/plain;base64,"])
@pytest.mark.parametrize("name", [None, "", "a.pdf"])
def test_a_pdf_is_a_document_with_its_name(name: str | None, head: str) -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    document = {"type": "document", "source": source}
    assert blocks(file(file_data=head + PDF, filename=name)) == (
        {**document, "title": name} if name else document,
    )


@pytest.mark.parametrize("declared", ["text/plain", "application/pdf", "application/json"])
def test_a_text_is_a_document_in_its_own_words(declared: str) -> None:
    text = ' {"é": "🦜"}\r\n'
    assert blocks(file(file_data=f"data:{declared};base64,{encoded(text.encode())}")) == (
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": text},
        },
    )


@pytest.mark.parametrize(
    "data",
    [
        "",
        "Hello there",
        "https://example.com/a.pdf",
        f"data:application/pdf,{PDF}",
        encoded(b" \n"),
        encoded(b"a\0b"),
        encoded("é".encode("latin-1")),
        PNG,
        encoded(b"PK\x03\x04\xff"),
    ],
)
def test_a_file_that_cannot_be_is_refused_by_its_place(data: str) -> None:
    assert told(file(file_data=data)) == (DATA, "invalid_value")


def test_a_file_is_refused_where_no_request_could_hold_it() -> None:
    message, *_ = refused(lambda: file_block("A" * (LARGEST_FILE + 4), None, "file"))
    assert "too large: 33,554,436 bytes" in message
