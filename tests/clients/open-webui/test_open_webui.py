"""Open WebUI with the command that `claudeproxy client` prints. Its installation is very large.

`make test-clients` leaves it out; `make test-clients-large` runs it. It needs curl, and port 3000
must be free. Without a network it has no model for its own search in documents, and says so; chats
do not need one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .. import demo
from ..conftest import Settings, deadline


# It takes most of a minute to start.
DEADLINE = 300.0
ADDRESS = "http://127.0.0.1:3000"

Ask = Callable[..., str]


@pytest.fixture(autouse=True)
def in_time(url: str) -> Iterator[None]:
    with deadline("a test's end", DEADLINE):
        yield


def curl(path: str, *options: str, body: Any = None) -> str:
    if body is not None:
        options = (*options, "-H", "Content-Type: application/json", "-d", json.dumps(body))
    return subprocess.run(
        ["curl", "--silent", "--fail-with-body", *options, f"{ADDRESS}{path}"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


@pytest.fixture
def ask(settings: Settings, tmp_path: Path) -> Iterator[Ask]:
    """Sends a request to Open WebUI as its first user."""
    command = settings("open-webui-pip").rstrip()
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            ["/bin/sh", "-c", f"exec env {command} --host 127.0.0.1"],
            env={
                "DATA_DIR": str(tmp_path / "data"),
                "HOME": str(tmp_path),
                "OFFLINE_MODE": "true",
                "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
                "WEBUI_SECRET_KEY": "secret",
            },
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        curl("/health", "--retry", "240", "--retry-delay", "1", "--retry-connrefused")
        user = {"name": "Me", "email": "me@example.org", "password": "a-Secret-1"}
        token = json.loads(curl("/api/v1/auths/signup", body=user))["token"]

        def ask(path: str, body: Any = None) -> str:
            return curl(path, "-H", f"Authorization: Bearer {token}", body=body)

        yield ask
    finally:
        server.kill()
        server.wait()


def test_a_chat(ask: Ask) -> None:
    models = json.loads(ask("/api/models"))["data"]
    assert {"sonnet", "opus", "haiku"} <= {model["id"] for model in models}
    asked = {"model": "sonnet", "messages": demo.asking(demo.SAY)}
    answer = json.loads(ask("/api/chat/completions", asked))
    assert answer["choices"][0]["message"]["content"] == demo.TEXT
    asked = {"model": "sonnet", "messages": demo.asking(demo.COUNT), "stream": True}
    lines = ask("/api/chat/completions", asked).splitlines()
    chunks = [
        json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")
    ]
    said = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]
    assert "".join(said) == demo.COUNTED
