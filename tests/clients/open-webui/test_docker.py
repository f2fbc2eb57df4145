"""Open WebUI in Docker as its page in doc/clients/ has it, but without Docker.

A container is, for this server, a machine of its own behind Docker's bridge. Here it is the same
Open WebUI in a network namespace of its own, which is on a bridge with the address of Docker's, and
whose hosts file has the name that `--add-host` gives. The shell commands are those of the page, and
of `claudeproxy client open-webui`. What Docker itself does is not tried: its image, its volume, and
the port that it publishes on loopback.

All of it is gone when the test's own network namespace ends (`scripts/loopback-only`).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..conftest import ROOT, Demo, deadline, printed, running
from .server import DEADLINE, OpenWebUI, process


PAGE = (ROOT / "doc" / "clients" / "open-webui.md").read_text("utf-8")
# Docker's defaults: the bridge, and the first container that it starts.
BRIDGE, CONTAINER = "172.17.0.1", "172.17.0.2"
URL = "http://localhost:3456/v1"
TOOLS = ("curl", "ip", "mount", "openssl", "unshare")

# It is started, and waits until the bridge leads to it.
START = f"""\
set -e
mount --bind "$1" /etc/hosts
echo started
read -r line
ip link set lo up
ip address add {CONTAINER}/16 dev eth0
ip link set eth0 up
exec open-webui serve >>log 2>&1
"""


def lacking() -> str:
    """What this machine lacks for such a container."""
    tools = [tool for tool in TOOLS if shutil.which(tool) is None]
    if tools:
        return ", ".join(tools)
    if subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True).returncode:
        return "the right to make a network namespace (root has it)"
    if {"docker0", "eth0"} & {name for _, name in socket.if_nameindex()}:
        return "a network without any machine: scripts/loopback-only makes one"
    return ""


LACKING = lacking()
pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"it needs {LACKING}")


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    with deadline("a test's end", DEADLINE):
        yield


class User:
    """Who follows the page, in a home directory of their own."""

    def __init__(self, home: Path) -> None:
        self._home = home
        _, _, page = PAGE.partition("\n## In Docker\n")
        blocks = re.findall(r"^```sh\n(.*?)^```$", page.partition("\n## ")[0], re.DOTALL | re.M)
        self._serve, self._export, self._run = blocks
        # What it says to write in the place of what is printed.
        inherited = "-e OPENAI_API_KEY"
        assert f"with `{inherited}` in the place of `{inherited}=not-needed`" in page
        assert self._run == printed(home, "open-webui", URL)
        self._run = self._run.replace(f"{inherited}=not-needed", inherited)
        # The file with the keys is written here too.
        command, *self.options = self._arguments("claudeproxy", self._serve)
        assert command == "serve"
        self.key = self._shell(f'{self._export}\nprintf %s "$OPENAI_API_KEY"')
        assert re.fullmatch("[0-9a-f]{48}", self.key)

    def docker_run(self) -> argparse.Namespace:
        """What is asked of Docker. An argument that is not expected fails."""
        parser = argparse.ArgumentParser(exit_on_error=False)
        parser.add_argument("command", choices=["run"])
        parser.add_argument("-d", action="store_true", required=True)
        parser.add_argument("--name")
        parser.add_argument("-p", required=True)
        parser.add_argument("--add-host", required=True)
        parser.add_argument("-e", action="append", required=True)
        parser.add_argument("-v")
        parser.add_argument("image")
        return parser.parse_args(self._arguments("docker", self._run))

    def _arguments(self, name: str, commands: str) -> list[str]:
        """The arguments with which these commands call the last of them."""
        return self._shell(f"{name}() {{ printf '%s\\n' \"$@\"; }}\n{commands}").splitlines()

    def _shell(self, commands: str) -> str:
        return subprocess.run(
            ["/bin/sh", "-euc", commands],
            env={"HOME": str(self._home), "PATH": "/usr/bin:/bin"},
            cwd=self._home,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    return User(tmp_path_factory.mktemp("user"))


@contextmanager
def bridge() -> Iterator[None]:
    """The bridge, as Docker makes it."""
    ip("link", "add", "docker0", "type", "bridge")
    try:
        ip("address", "add", f"{BRIDGE}/16", "dev", "docker0")
        ip("link", "set", "docker0", "up")
        yield
    finally:
        ip("link", "delete", "docker0")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@pytest.fixture(scope="module")
def webui(user: User, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenWebUI]:
    """Open WebUI in a container, with what is asked of Docker. It ends before the bridge does."""
    root = tmp_path_factory.mktemp("container")
    asked = user.docker_run()
    name, _, address = asked.add_host.partition(":")
    assert address == "host-gateway"
    (root / "hosts").write_text(f"127.0.0.1 localhost\n{BRIDGE} {name}\n")
    # Docker takes the value of a variable that has none from its own environment.
    given = {
        name: value if equals else {"OPENAI_API_KEY": user.key}[name]
        for name, equals, value in (each.partition("=") for each in asked.e)
    }
    with ExitStack() as stack:
        stack.enter_context(bridge())
        container = stack.enter_context(
            process(
                ["unshare", "--net", "--mount", "/bin/sh", "-c", START, "sh", str(root / "hosts")],
                root,
                variables=given,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        )
        assert container.stdin is not None
        assert container.stdout is not None
        assert container.stdout.readline() == "started\n"
        ip(
            *("link", "add", "veth0", "type", "veth"),
            *("peer", "name", "eth0", "netns", str(container.pid)),
        )
        ip("link", "set", "veth0", "master", "docker0", "up")
        container.stdin.write("\n")
        container.stdin.close()
        yield OpenWebUI(f"http://{CONTAINER}:{asked.p.rpartition(':')[2]}")


@contextmanager
def serving(root: Path, *options: str) -> Iterator[Demo]:
    """A demo with these options, in the place of `claudeproxy serve`."""
    with running(root, "--port", "3456", *options) as served:
        assert served.url == f"http://{BRIDGE}:3456/v1"
        yield served


def test_a_chat(user: User, webui: OpenWebUI, tmp_path: Path) -> None:
    with serving(tmp_path, *user.options):
        webui.answers()


def test_a_name_that_is_not_allowed_is_told_with_the_option(
    user: User, webui: OpenWebUI, tmp_path: Path
) -> None:
    where = user.options.index("--allowed-hosts")
    option = user.options[where : where + 2]
    others = user.options[:where] + user.options[where + 2 :]
    with serving(tmp_path, *others):
        status, error = verified(user, webui, user.key)
        assert status == 403
        assert f"`{' '.join(option)}`" in error
        assert error in webui.answer("/openai/models/0")[1]


@pytest.mark.parametrize(
    ("key", "told"),
    [("", "You didn't provide an API key"), ("not-needed", "Incorrect API key provided")],
)
def test_a_key_that_is_none_of_the_servers_is_told(
    user: User, webui: OpenWebUI, tmp_path: Path, key: str, told: str
) -> None:
    with serving(tmp_path, *user.options):
        status, error = verified(user, webui, key)
        assert status == 401
        assert told in error
        # That which it has is right.
        assert verified(user, webui, user.key) == (200, "")


def verified(user: User, webui: OpenWebUI, key: str) -> tuple[int, str]:
    """What its button *Verify Connection* shows for a key: the status, and the server's error."""
    [url] = [each.partition("=")[2] for each in user.docker_run().e if "URL" in each]
    status, answer = webui.answer("/openai/verify", {"url": url, "key": key})
    told: Any = json.loads(answer)
    return status, told.get("error", {}).get("message", "")
