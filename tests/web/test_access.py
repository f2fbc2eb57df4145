"""Who may ask: by Host, by Origin, by key."""

from __future__ import annotations

import pytest

from claudeproxy.errors import APIError
from claudeproxy.settings import FIELDS
from claudeproxy.web.access import Access, header_fault, is_loopback


@pytest.mark.parametrize(
    "host", [None, "localhost", "localhost:3456", "LocalHost:1", "127.0.0.1:3456", "[::1]:3456"]
)
@pytest.mark.parametrize(
    "origin", [None, "http://localhost:8080", "https://127.0.0.1", "http://[::1]:1"]
)
@pytest.mark.parametrize("interface", ["127.0.0.1", "::1", "localhost"])
def test_local_hosts_and_origins_are_allowed(
    host: str | None, origin: str | None, interface: str
) -> None:
    assert Access(interface).refusal_reason(host, origin) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example:3456", "127.0.0.1.evil.example", "[", "", "a@b"],
)
def test_a_foreign_host_is_refused(host: str) -> None:
    for interface in ("127.0.0.1", "0.0.0.0"):
        assert f"host {host} is not allowed" in str(Access(interface).refusal_reason(host, None))
    assert Access("127.0.0.1").refusal_reason("192.168.1.5:3456", None) is not None


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "null", "", "http://localhost.evil.example"),
        # Which no browser sends, and not every parser takes.
        *("http://localhost@evil", "http://[", "http://[::1", "http://℀localhost"),
    ],
)
@pytest.mark.parametrize("interface", ["127.0.0.1", "0.0.0.0"])
def test_a_web_page_is_refused_wherever_the_server_listens(origin: str, interface: str) -> None:
    assert Access(interface).refusal_reason("localhost", origin) is not None


def test_the_servers_own_page_is_allowed_wherever_its_host_is() -> None:
    access = Access("0.0.0.0", hosts=frozenset({"my-laptop.lan"}))
    for host in ("192.168.1.5:3456", "[fe80::1]:1", "my-laptop.lan:3456", "My-Laptop.lan"):
        for scheme in ("http", "https"):
            assert access.refusal_reason(host, f"{scheme}://{host.lower()}") is None
    for host, origin in (
        ("192.168.1.5:3456", "http://192.168.1.5:80"),
        ("192.168.1.5:3456", "http://192.168.1.6:3456"),
        ("my-laptop.lan:3456", "http://my-laptop.lan"),
        # What DNS rebinding looks like.
        ("evil.example:3456", "http://evil.example:3456"),
        ("localhost", "http://my-laptop.lan"),
    ):
        assert access.refusal_reason(host, origin) is not None
    for host in ("192.168.1.5:3456", "evil.example"):
        reason = Access().refusal_reason(host, f"http://{host}")
        assert reason is not None
        assert reason.startswith(f"Requests from the origin http://{host} are not allowed")


def test_on_another_interface_addresses_and_allowed_hosts_are_allowed() -> None:
    access = Access("0.0.0.0", hosts=frozenset({"my-laptop.lan"}))
    for host in ("192.168.1.5:3456", "[fe80::1]:1", "my-laptop.lan:3456", "localhost"):
        assert access.refusal_reason(host, None) is None
    assert access.refusal_reason("your-laptop.lan", None) is not None


@pytest.mark.parametrize(
    ("host", "option"),
    [
        ("host.docker.internal", "host.docker.internal"),
        ("Host.Docker.Internal:3456", "host.docker.internal"),
        ("172.17.0.1:3456", "172.17.0.1"),
        ("192.168.1.5", "192.168.1.5"),
        ("my-laptop.lan:3456", "my-laptop.lan"),
        ("my_service", "my_service"),
        ("[fe80::1]:3456", "fe80::1"),
        ("[::ffff:10.0.0.1]", "::ffff:10.0.0.1"),
    ],
)
@pytest.mark.parametrize("keys", [{}, {"mine": "k-1"}])
def test_a_refused_host_is_told_the_option_that_allows_it(
    host: str, option: str, keys: dict[str, str]
) -> None:
    reason = Access(keys=keys).refusal_reason(host, None)
    assert reason is not None
    assert reason.startswith(f"The host {host} is not allowed. ")
    assert f"`--allowed-hosts {option}`" in reason
    # As the command line is read.
    hosts = frozenset(FIELDS["allowed_hosts"].metadata["read"](option))
    assert hosts == {option}
    assert Access(keys=keys, hosts=hosts).refusal_reason(host, None) is None


@pytest.mark.parametrize(
    "host", ["", "[", "a b", "a@b", "a,b", "`a`", "-x", "é", "fe80::1", "a/b", "a" * 300, "[a]b"]
)
def test_no_option_is_told_for_what_is_no_name(host: str) -> None:
    reason = Access().refusal_reason(host, None)
    assert reason is not None
    assert "allowed_hosts" in reason
    assert "--allowed-hosts" not in reason


def test_what_a_refusal_quotes_is_escaped_and_bounded() -> None:
    for reason in (
        Access().refusal_reason("<b>\x9b`" + "a" * 5000, None),
        Access().refusal_reason("localhost", "https://<b>\x9b`" + "a" * 5000),
    ):
        assert reason is not None
        assert "%3Cb%3E%C2%9B%60a" in reason
        assert len(reason) < 500


def test_two_hosts_or_origins_are_a_fault_and_so_is_no_host() -> None:
    for version in (b"HTTP/1.0", b"HTTP/1.1"):
        assert header_fault(version, 1, 0) is header_fault(version, 1, 1) is None
        assert "2 Host headers" in str(header_fault(version, 2, 0))
        assert "3 Origin headers" in str(header_fault(version, 1, 3))
    assert header_fault(b"HTTP/1.0", 0, 1) is None
    assert "no Host header" in str(header_fault(b"HTTP/1.1", 0, 0))


def test_host_names_are_case_insensitive() -> None:
    access = Access(hosts=frozenset({"my-laptop.lan", "other.lan:80"}))
    for host in ("My-Laptop.LAN", "MY-LAPTOP.lan:3456", "Other.lan:80"):
        assert access.refusal_reason(host, None) is None
    assert access.refusal_reason("other.lan:81", None) is not None


def test_another_loopback_address_is_allowed_if_the_server_listens_there() -> None:
    assert Access("127.0.0.2").refusal_reason("127.0.0.2:3456", None) is None
    assert Access("127.0.0.1").refusal_reason("127.0.0.2:3456", None) is not None


def test_allowed_origins_are_allowed() -> None:
    access = Access(origins=frozenset({"app://obsidian.md", "https://chat.example"}))
    assert access.refusal_reason("localhost", "app://obsidian.md") is None
    assert access.refusal_reason("localhost", "https://chat.example") is None
    assert access.refusal_reason("localhost", "https://chat.example:444") is not None
    assert access.refusal_reason("localhost", "null") is not None


@pytest.mark.parametrize(
    ("interface", "is_one"),
    [
        *((name, True) for name in ("127.0.0.1", "127.9.9.9", "::1", "localhost")),
        *((name, False) for name in ("0.0.0.0", "::", "192.168.1.1", "laptop", "")),
    ],
)
def test_which_interfaces_are_loopback(interface: str, is_one: bool) -> None:
    assert is_loopback(interface) is is_one


KEYS = Access(keys={"mine": "k-1", "hers": "k-é"})


@pytest.mark.parametrize(
    ("authorization", "api_key", "name"),
    [
        ("Bearer k-1", None, "mine"),
        ("bearer  k-1 ", None, "mine"),
        (None, "k-1", "mine"),
        ("Bearer k-é", None, "hers"),
        ("Basic abc", "k-1", "mine"),
        # Some clients always send one header and some the other.
        ("Bearer ", "k-1", "mine"),
    ],
)
def test_authenticate_returns_the_name_of_the_key(
    authorization: str, api_key: str, name: str
) -> None:
    assert KEYS.authenticate(authorization, api_key) == name


@pytest.mark.parametrize(
    ("authorization", "api_key", "why"),
    [
        (None, None, "didn't provide"),
        ("Bearer ", "", "didn't provide"),
        ("Bearer k-2", None, "Incorrect"),
        ("Bearer k-", None, "Incorrect"),
        ("Bearer mine", None, "Incorrect"),
        ("Bearer wrong", "k-1", "Incorrect"),
    ],
)
def test_a_missing_or_wrong_key_is_a_401(
    authorization: str | None, api_key: str | None, why: str
) -> None:
    with pytest.raises(APIError) as caught:
        KEYS.authenticate(authorization, api_key)
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
    assert why in caught.value.message
    assert "k-" not in caught.value.message


def test_without_any_keys_no_key_is_required() -> None:
    assert (
        Access().authenticate(None, None) == Access().authenticate("Bearer not-needed", None) == ""
    )
