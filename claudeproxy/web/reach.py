"""Which address of this machine clients can use."""

from __future__ import annotations

import socket


# The addresses that stand for all of the machine's, each with a destination to find a route to,
# which is an address for documentation, and with what is left if there is no route.
EVERY = {
    "0.0.0.0": (socket.AF_INET, "192.0.2.1", "127.0.0.1"),  # noqa: S104
    "::": (socket.AF_INET6, "2001:db8::1", "::1"),
}


def reachable(host: str) -> str:
    """Return an address that a client can connect to, for a server that listens on `host`."""
    if host not in EVERY:
        return host
    family, destination, loopback = EVERY[host]
    try:
        # Connecting a datagram socket sends nothing. The system chooses the address.
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((destination, 9))
            found: str = probe.getsockname()[0]
    except OSError:
        return loopback
    return found
