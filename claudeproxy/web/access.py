"""Access control by Host, Origin and API key.

Every request uses the plan of the user who runs the proxy. The proxy listens on loopback, where any
page in the user's browser can send requests too. So a request whose Origin or Host is not local is
refused unless the settings allow it; a foreign Host is a sign of DNS rebinding.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

import attrs

from ..errors import APIError
from .paths import excerpt


# The names of the loopback interface.
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
# A Host header: a name or an address, and perhaps a port.
HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_][a-z0-9_.-]*))(?::[0-9]*)?")
# What a message quotes of a Host or an Origin, at most.
LONGEST_NAME = 260


def header_fault(version: bytes, hosts: int, origins: int) -> str | None:
    """The message for a request with the wrong number of these headers, None if it is right.

    version: of HTTP. With two headers of a name, this server and a proxy before it could each look
    at another one.
    """
    if hosts > 1:
        return f"The request has {hosts} Host headers; send one."
    if origins > 1:
        return f"The request has {origins} Origin headers; send one or none."
    if not hosts and version != b"HTTP/1.0":
        return "The request has no Host header, which HTTP/1.1 requires."
    return None


def is_loopback(interface: str) -> bool:
    """Whether only this machine can reach a server that listens on this interface."""
    try:
        return interface in LOCAL or ip_address(interface).is_loopback
    except ValueError:
        return False


@attrs.frozen
class Access:
    """The rules of access.

    interface: the address that the server listens on. keys: API keys by name; without any, no key
    is required. hosts (in lower case) and origins: allowed in addition to local ones.
    """

    interface: str = "127.0.0.1"
    keys: Mapping[str, str] = attrs.field(factory=dict)
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def refusal_reason(self, host: str | None, origin: str | None) -> str | None:
        """The message for a request with these headers that is refused, None if it is allowed.

        The page of this server has the origin of the host that it came from.
        """
        own = host is not None and origin in _origins(host) and self._allows_host(host)
        if origin is not None and not own and not self.allows_origin(origin):
            return (
                f"Requests from the origin {excerpt(origin, LONGEST_NAME)} are not allowed (see "
                "the setting allowed_origins)."
            )
        if host is not None and not self._allows_host(host):
            return f"The host {excerpt(host, LONGEST_NAME)} is not allowed{_remedy(host)}."
        return None

    def allows_fetch(self, site: str | None, destination: str | None) -> bool:
        """Whether a request without an Origin header is allowed.

        site, destination: its Sec-Fetch-Site and Sec-Fetch-Dest headers (Fetch Metadata). Browsers
        send them, pages cannot set them, and other clients do not send them. They distinguish
        an image or a script of a foreign page from a link that the user follows; neither has an
        Origin.
        """
        return site != "cross-site" or destination == "document"

    def allows_origin(self, origin: str) -> bool:
        """Whether pages of this origin may send requests."""
        return origin in self.origins or _hostname(origin) in LOCAL

    def authenticate(self, authorization: str | None, api_key: str | None) -> str:
        """The name of the key in the headers, "" if no key is required; raises a 401."""
        if not self.keys:
            return ""
        scheme, _, bearer = (authorization or "").partition(" ")
        given = (bearer.strip() if scheme.lower() == "bearer" else "") or api_key
        if not given:
            raise APIError(
                401,
                "You didn't provide an API key. Send one of this server's keys in an Authorization "
                "header (`Authorization: Bearer KEY`) or an `x-api-key` header.",
                code="invalid_api_key",
                should_retry=False,
            )
        mine = _digest(given)
        # All keys are compared, by digest, so that the time taken reveals nothing about them.
        named = [name for name, key in self.keys.items() if hmac.compare_digest(mine, _digest(key))]
        if not named:
            raise APIError(
                401,
                "Incorrect API key provided. It is none of this server's keys, which are in its "
                "settings `keys` and `keys_file`.",
                code="invalid_api_key",
                should_retry=False,
            )
        return named[0]

    def _allows_host(self, host: str) -> bool:
        name = _hostname(f"//{host}")
        # The interface can be another loopback address.
        if name in LOCAL or name == self.interface or {name, host.lower()} & self.hosts:
            return True
        # An IP address is safe: DNS rebinding needs a name.
        return not is_loopback(self.interface) and _is_address(name)


def _origins(host: str) -> tuple[str, str]:
    """The origins of the pages that come from a host; `https` if a proxy is before this server."""
    return f"http://{host.lower()}", f"https://{host.lower()}"


def _remedy(host: str) -> str:
    """The end of a message: how to allow this host."""
    found = HOST.fullmatch(host.lower())
    if found is None or len(host) > LONGEST_NAME:
        return " (see the setting allowed_hosts)"
    return (
        f". If it is a name of this machine, start the server with `--allowed-hosts "
        f"{found[1] or found[2]}`, or add the name to the setting allowed_hosts"
    )


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _hostname(url: str) -> str:
    """The host name without port and brackets; "" if the URL has none or is invalid."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
