"""The address for clients."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from claudeproxy.web.reach import reachable


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "192.168.1.7"])
def test_one_address_is_itself(host: str) -> None:
    assert reachable(host) == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_every_address_becomes_one_of_this_machines(host: str) -> None:
    found = ip_address(reachable(host))
    assert not found.is_unspecified
    assert found.version == ip_address(host).version
