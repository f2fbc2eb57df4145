from __future__ import annotations

import pytest

from claudeproxy.web.guard import stranger


@pytest.mark.parametrize(
    "host", [None, "localhost", "localhost:3456", "LocalHost:1", "127.0.0.1:3456", "[::1]:3456"]
)
@pytest.mark.parametrize(
    "origin", [None, "http://localhost:8080", "https://127.0.0.1", "http://[::1]:1"]
)
@pytest.mark.parametrize("interface", ["127.0.0.1", "::1", "localhost"])
def test_who_is_on_this_machine_may_ask(
    host: str | None, origin: str | None, interface: str
) -> None:
    assert stranger(host, origin, interface) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example:3456", "127.0.0.1.evil.example", "[", "", "a@b"],
)
def test_a_name_that_somebody_made_point_here_is_refused(host: str) -> None:
    assert stranger(host, None, "127.0.0.1") == f"This server is not called {host}."


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "", "http://localhost.evil.example", "http://localhost@evil"],
)
@pytest.mark.parametrize("interface", ["127.0.0.1", "0.0.0.0"])
def test_a_web_page_is_refused_wherever_the_server_listens(origin: str, interface: str) -> None:
    assert stranger("localhost", origin, interface) is not None


def test_elsewhere_the_servers_names_are_not_known() -> None:
    assert stranger("my-laptop.lan:3456", None, "0.0.0.0") is None
