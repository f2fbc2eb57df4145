"""The web of the demo: what a search finds in it, and what a page holds.

Pure.  The same query or URL always gives the same pages.  What the API encrypts is readable here:
base64 of a text and of a digest by which a changed one is found out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from attrs import frozen


if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_URL = 250
"""The longest URL that web fetch takes, in characters; it is in the documentation."""

RETRIEVED_AT = "2026-01-01T00:00:00Z"

_SITES = ("en.example.com", "news.example.org", "www.example.net")
_KINDS = ("Guide", "News", "Questions")
_AGES = ("January 1, 2026", "3 days ago", None)
_WILDCARD = "*"
_DIGEST_BYTES = 12
_CHARACTERS_PER_TOKEN = 4


@frozen
class Found:
    """One result of a search.  ``snippet`` is the sentence of the page that may be cited."""

    url: str
    title: str
    page_age: str | None
    snippet: str

    def as_block(self) -> dict[str, Any]:
        """The result as it is in a ``web_search_tool_result``."""
        return {
            "type": "web_search_result",
            "title": self.title,
            "url": self.url,
            "encrypted_content": seal(f"{self.url}\n{self.snippet}"),
            "page_age": self.page_age,
        }

    def as_citation(self) -> dict[str, Any]:
        """The place that a text in the answer cites."""
        return {
            "type": "web_search_result_location",
            "cited_text": self.snippet,
            "url": self.url,
            "title": self.title,
            "encrypted_index": seal(f"index of {self.url}"),
        }


def search(query: str, tool: Mapping[str, Any]) -> list[Found]:
    """What a search finds with this tool: one page of each site that the tool allows."""
    allowed = tool.get("allowed_domains")
    sites = list(_SITES)
    if allowed:
        sites = [domain.rstrip("/").replace(_WILDCARD, "any") for domain in allowed]
    blocked = tool.get("blocked_domains") or ()
    city = (tool.get("user_location") or {}).get("city")
    near = f" near {city}" if city else ""
    slug = quote(query.replace(" ", "-"), safe="-")
    found = []
    for index, site in enumerate(sites[: len(_KINDS)]):
        kind = _KINDS[index]
        one = Found(
            f"https://{site}/{kind.lower()}/{slug}",
            f"{kind}: {query}{near}",
            _AGES[index],
            f"The {kind.lower()} page of {site} says what there is to know of {query}{near}.",
        )
        if not any(covers(domain, one.url) for domain in blocked):
            found.append(one)
    return found


def cited(block: Mapping[str, Any]) -> Found | None:
    """The result that a block of a history was made of, None if it was not made here."""
    text = unseal(block.get("encrypted_content"))
    if text is None:
        return None
    snippet = text.partition("\n")[2]
    return Found(block["url"], block["title"], block.get("page_age"), snippet)


def fetch_error(url: str, tool: Mapping[str, Any]) -> str | None:
    """The error code for a URL that web fetch does not fetch, None if it fetches it."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "invalid_tool_input"
    if len(url) > MOST_URL:
        return "url_too_long"
    allowed = tool.get("allowed_domains")
    blocked = tool.get("blocked_domains") or ()
    if allowed and not any(covers(domain, url) for domain in allowed):
        return "url_not_allowed"
    return "url_not_allowed" if any(covers(domain, url) for domain in blocked) else None


def page(url: str, tool: Mapping[str, Any]) -> dict[str, Any]:
    """The ``web_fetch_result`` of a URL, cut to the tool's ``max_content_tokens``."""
    parts = urlsplit(url)
    text = (
        f"This is the page {parts.path or '/'} of {parts.hostname}. "
        "It is made up by the demo of claudeproxy, and nothing was fetched. "
        "Each page of this web says the same."
    )
    most = tool.get("max_content_tokens")
    if most is not None:
        text = text[: most * _CHARACTERS_PER_TOKEN]
    document: dict[str, Any] = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": text},
        "title": f"Page of {parts.hostname}",
    }
    if (tool.get("citations") or {}).get("enabled"):
        document["citations"] = {"enabled": True}
    return {
        "type": "web_fetch_result",
        "url": url,
        "content": document,
        "retrieved_at": RETRIEVED_AT,
    }


def covers(domain: str, url: str) -> bool:
    """Whether an entry of a list of domains covers a URL: its host, its subdomains, its path."""
    host, _, path = domain.strip().lower().rstrip("/").partition("/")
    parts = urlsplit(url)
    own = (parts.hostname or "").lower()
    if own != host and not own.endswith(f".{host}"):
        return False
    wanted = re.escape(f"/{path}").replace(re.escape(_WILDCARD), ".*")
    return not path or re.match(rf"{wanted}(?:/|$)", parts.path.lower()) is not None


def has_wrong_domain(tool: Mapping[str, Any]) -> bool:
    """Whether a domain of a tool is none: its one wildcard must be in its path."""
    domains = (*(tool.get("allowed_domains") or ()), *(tool.get("blocked_domains") or ()))
    return any(
        _WILDCARD in domain.partition("/")[0] or domain.count(_WILDCARD) > 1 for domain in domains
    )


def seal(text: str) -> str:
    """A text that is given out as encrypted."""
    content = text.encode("utf-8", "surrogatepass")
    return base64.b64encode(_digest(content) + content).decode()


def unseal(sealed: object) -> str | None:
    """The text of what ``seal`` gave out, None if it was changed or made elsewhere."""
    if not isinstance(sealed, str):
        return None
    try:
        raw = base64.b64decode(sealed, validate=True)
    except (binascii.Error, ValueError):
        return None
    content = raw[_DIGEST_BYTES:]
    if raw[:_DIGEST_BYTES] != _digest(content):
        return None
    return content.decode("utf-8", "surrogatepass")


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(b"claudeproxy-demo\0" + content, digest_size=_DIGEST_BYTES).digest()
