"""scripts/loopback-only: what it runs has loopback and no other network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "loopback-only"
# Prints the network's interfaces, and whether what is sent to loopback arrives.
LOOK = """
import socket
print(*(name for _, name in socket.if_nameindex()))
server = socket.create_server(("127.0.0.1", 0))
with socket.create_connection(server.getsockname(), timeout=10):
    print("connected", server.accept()[1][0])
"""


def run(path: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *command],
        env={"PATH": path, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=60,
    )


def tools(folder: Path, *names: str) -> str:
    """A PATH with these commands alone."""
    for name in names:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"there is no {name}")
        (folder / name).symlink_to(os.path.realpath(found))
    return str(folder)


def test_there_is_loopback_and_nothing_else_also_without_ip(tmp_path: Path) -> None:
    path = tools(tmp_path, "sh", "unshare")
    done = run(path, sys.executable, "-ISc", LOOK)
    if "No network namespace" in done.stderr:
        pytest.skip("this system allows no network namespace")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["lo", "connected 127.0.0.1"]


def test_where_there_is_no_namespace_the_command_runs_all_the_same(tmp_path: Path) -> None:
    done = run(tools(tmp_path, "sh"), sys.executable, "-ISc", "print('ran')")
    assert done.stdout == "ran\n"
    assert "with the network as it is" in done.stderr


@pytest.mark.parametrize("status", [0, 3])
def test_arguments_and_the_exit_status_are_the_commands_own(status: int) -> None:
    shown = run(os.defpath, "sh", "-c", f'printf "<%s>" "$@"; exit {status}', "sh", "a b", "", "$c")
    assert shown.stdout == "<a b><><$c>"
    assert shown.returncode == status
