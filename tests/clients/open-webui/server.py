"""An Open WebUI that a test starts, and its first user."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .. import demo
from ..conftest import deadline


# It takes most of a minute to start.
DEADLINE = 300.0


class OpenWebUI:
    """One that answers at an address. Everything is asked of it as its first user."""

    def __init__(self, address: str) -> None:
        self._address = address
        user = {"name": "Me", "email": "me@example.org", "password": "a-Secret-1"}
        with deadline("Open WebUI", DEADLINE):
            self._curl("/health", "--retry", "240", "--retry-delay", "1", "--retry-connrefused")
            status, answer = self._curl("/api/v1/auths/signup", body=user)
        assert status == 200, answer
        self._token = json.loads(answer)["token"]

    def ask(self, path: str, body: Any = None) -> str:
        """What it answers, which is no error."""
        status, answer = self.answer(path, body)
        assert status == 200, answer
        return answer

    def answer(self, path: str, body: Any = None) -> tuple[int, str]:
        """The status and the text of any answer."""
        return self._curl(path, "-H", f"Authorization: Bearer {self._token}", body=body)

    def models(self) -> set[str]:
        """The names in its list of models."""
        return {model["id"] for model in json.loads(self.ask("/api/models"))["data"]}

    def chat(self, content: Any, **more: Any) -> str:
        """What its model answers."""
        asked = {"model": demo.MODEL, "messages": demo.asking(content), **more}
        answer = json.loads(self.ask("/api/chat/completions", asked))
        return str(answer["choices"][0]["message"]["content"])

    def stream(self, content: Any, **more: Any) -> list[dict[str, Any]]:
        """The deltas of a streamed answer."""
        asked = {"model": demo.MODEL, "messages": demo.asking(content), "stream": True, **more}
        lines = self.ask("/api/chat/completions", asked).splitlines()
        chunks = [
            json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")
        ]
        return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]

    def answers(self) -> None:
        """It lists the demo's models, and passes its answers on, whole and streamed."""
        assert {"sonnet", "opus", "haiku"} <= self.models()
        assert self.chat(demo.SAY) == demo.TEXT
        assert text(self.stream(demo.COUNT)) == demo.COUNTED

    def _curl(self, path: str, *options: str, body: Any = None) -> tuple[int, str]:
        if body is not None:
            options = (*options, "-H", "Content-Type: application/json", "-d", json.dumps(body))
        answer, _, status = subprocess.run(
            [
                *("curl", "--silent", "--noproxy", "*", "--write-out", "\n%{http_code}"),
                *options,
                f"{self._address}{path}",
            ],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.rpartition("\n")
        return int(status), answer


def text(deltas: list[dict[str, Any]]) -> str:
    """The text of a streamed answer."""
    return "".join(delta.get("content") or "" for delta in deltas)


@contextmanager
def process(
    command: list[str],
    root: Path,
    *,
    variables: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[str],
) -> Iterator[subprocess.Popen[str]]:
    """A process whose PATH leads to Open WebUI, with nothing of the user's."""
    with subprocess.Popen(
        command,
        env={
            "DATA_DIR": str(root / "data"),
            "HOME": str(root),
            "OFFLINE_MODE": "true",
            "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
            "WEBUI_SECRET_KEY": "secret",
            **(variables or {}),
        },
        cwd=root,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()
