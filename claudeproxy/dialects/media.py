"""Converts images and files in a request to blocks of the Messages API.

URLs are not fetched here but passed on; Anthropic fetches them. Sources: OpenAI's OpenAPI document
2.3.0 (ChatCompletionRequestMessageContentPartImage, ...PartFile), Anthropic's pages "Vision" and
"PDF support".
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from urllib.parse import unquote

import attrs

from ..conversation import Block
from ..errors import APIError, bad_request


# In bytes of base64 text. The API limits images; a PDF is limited by the size of the whole request.
LARGEST_IMAGE = 10 * 1024 * 1024
LARGEST_FILE = 32 * 1024 * 1024

PDF = "application/pdf"
# The beginning of a data URL (RFC 2397). Letters may be of either case, and data may be escaped.
_HEAD = re.compile(r"data:.*;base64", re.IGNORECASE | re.DOTALL)
SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", PDF),
)


def image_block(url: str, where: str) -> Block:
    """Return an image block for a data URL or an https URL; raise a 400 that names `where`."""
    scheme = url[:8].lower()
    if scheme == "https://":
        return {"type": "image", "source": {"type": "url", "url": scheme + url[8:]}}
    if not scheme.startswith("data:"):
        raise _invalid(where, "expected a base64 data URL or an https URL")
    data = _read(url, where, LARGEST_IMAGE)
    if not data.type.startswith("image/"):
        raise _invalid(where, "unsupported image; supported formats are png, jpeg, gif and webp")
    return {"type": "image", "source": data.source}


def file_block(data_url: str, name: str | None, where: str) -> Block:
    """Return a document block for a PDF or a text; raise a 400 that names `where`.

    data_url: a data URL or plain base64.
    """
    data = _read(data_url, where, LARGEST_FILE)
    if data.type == PDF:
        source = data.source
    else:
        try:
            text = data.raw.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        if not text or "\0" in text:
            raise _invalid(where, "unsupported file; supported formats are PDF and UTF-8 text")
        if not text.strip():
            raise _invalid(where, "the file contains only white space")
        source = {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "document", "source": source, **({"title": name} if name else {})}


@attrs.frozen
class _Data:
    """The content of a data URL. `type` is detected, because clients often send a wrong one."""

    raw: bytes
    base64: str
    type: str

    @property
    def source(self) -> dict[str, str]:
        return {"type": "base64", "media_type": self.type, "data": self.base64}


def _read(url: str, where: str, largest: int) -> _Data:
    head, comma, data = url.partition(",")
    if not comma:
        head, data = "", url
    elif not _HEAD.fullmatch(head):
        raise _invalid(where, "expected a data URL like 'data:image/png;base64,...'")
    elif "%" in data:
        data = unquote(data)
    data = _standard(data)
    if not data:
        raise _invalid(where, "it contains no data")
    if len(data) > largest:
        raise _invalid(
            where, f"too large: {len(data):,} bytes of base64, but the limit is {largest:,}"
        )
    try:
        raw = b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw:
        raise _invalid(where, "the data is not valid base64")
    return _Data(raw, data, _type_of(raw))


def _standard(data: str) -> str:
    """Return standard base64 (RFC 4648, section 4).

    Some clients break lines, use the alphabet for URLs, or leave out the padding.
    """
    letters = "".join(data.split()).replace("-", "+").replace("_", "/").rstrip("=")
    return letters + "=" * (-len(letters) % 4)


def _type_of(raw: bytes) -> str:
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "image/webp"
    return next((type_ for start, type_ in SIGNATURES if raw.startswith(start)), "")


def _invalid(where: str, why: str) -> APIError:
    return bad_request(f"Invalid '{where}': {why}.", where, "invalid_value")
