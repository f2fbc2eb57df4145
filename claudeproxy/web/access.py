"""Who may ask: by Host, by Origin, by key.

The proxy spends its user's plan for whoever reaches it. It listens on loopback, where every page
that the user's browser shows can send requests too; so a page's Origin, or a Host that somebody's
name server made point here, is refused unless it is this machine's own or was allowed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

import attrs

from ..errors import APIError


# The names of this machine's loopback.
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(interface: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return interface in LOCAL or ip_address(interface).is_loopback
    except ValueError:
        return False


@attrs.frozen
class Access:
    """Who may ask.

    interface: where the server listens. keys: by name; with none, no key is asked for. hosts (in
    lower case) and origins: allowed beside this machine's own.
    """

    interface: str = "127.0.0.1"
    keys: Mapping[str, str] = attrs.field(factory=dict)
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def refusal_reason(self, host: str | None, origin: str | None) -> str | None:
        """Why a request with these headers is refused, None if it is not."""
        if origin is not None and not self.allows_origin(origin):
            return (
                f"Requests from the web page {origin} are not allowed (see the setting "
                "allowed_origins)."
            )
        if host is not None and not self._allows_host(host):
            return f"This server is not called {host} (see the setting allowed_hosts)."
        return None

    def allows_fetch(self, site: str | None, destination: str | None) -> bool:
        """Whether a request without an Origin may be made, as a browser describes it.

        site, destination: its Sec-Fetch-Site and Sec-Fetch-Dest (Fetch Metadata), which no page can
        set, and which other clients do not send. An image or a script of a foreign page names no
        Origin; a link that the user follows, neither.
        """
        return site != "cross-site" or destination == "document"

    def allows_origin(self, origin: str) -> bool:
        """Whether a page of this origin may ask."""
        return origin in self.origins or _hostname(origin) in LOCAL

    def authenticate(self, authorization: str | None, api_key: str | None) -> str:
        """The name of the key in a request's headers, "" if none is asked for; raises a 401."""
        if not self.keys:
            return ""
        scheme, _, bearer = (authorization or "").partition(" ")
        given = (bearer.strip() if scheme.lower() == "bearer" else "") or api_key
        if not given:
            raise APIError(
                401,
                "You didn't provide an API key. Give one of this server's keys in an Authorization "
                "header (`Authorization: Bearer KEY`) or as `x-api-key`.",
                code="invalid_api_key",
                should_retry=False,
            )
        mine = _digest(given)
        # All are compared, and by digest, so that the time it takes says nothing of them.
        named = [name for name, key in self.keys.items() if hmac.compare_digest(mine, _digest(key))]
        if not named:
            raise APIError(
                401, "Incorrect API key provided.", code="invalid_api_key", should_retry=False
            )
        return named[0]

    def _allows_host(self, host: str) -> bool:
        name = _hostname(f"//{host}")
        # The interface can be another of the loopback's addresses.
        if name in LOCAL or name == self.interface or {name, host.lower()} & self.hosts:
            return True
        # An address in numbers is nobody's name: no name server can have made it point here.
        return not is_loopback(self.interface) and _is_address(name)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _hostname(url: str) -> str:
    """The host's name alone, without port and brackets; "" if there is none to be read."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
