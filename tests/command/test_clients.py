"""The settings for clients: those that are in the documents and in other tests are the same."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from claudeproxy.command.client_texts import CLIENTS, filled
from claudeproxy.command.main import cli


ROOT = Path(__file__).parent.parent.parent
DOC = (ROOT / "doc" / "clients.md").read_text("utf-8")
ORIGIN = "http://localhost:3456"


@pytest.fixture(autouse=True)
def nothing_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())


@pytest.mark.parametrize("name", ["openclaw", "claude-code", "codex", "continue"])
def test_the_documents_have_the_same(name: str) -> None:
    assert indented(filled(CLIENTS[name], ORIGIN, "not-needed")) in DOC


@pytest.mark.parametrize("name", CLIENTS)
def test_everything_is_filled_in(name: str) -> None:
    text = filled(CLIENTS[name], "http://10.0.0.1:99", "$SECRET", "a-model")
    assert not re.search(r"\$(?!SECRET)[A-Z]", text)
    assert "3456" not in text
    assert ":99" in text


def test_what_has_a_syntax_is_valid() -> None:
    json.loads(filled(CLIENTS["openclaw"], ORIGIN, "k"))
    assert tomllib.loads(filled(CLIENTS["codex"], ORIGIN, "k"))["model"] == "opus"
    for name, client in CLIENTS.items():
        if client.where == "Python":
            compile(filled(client, ORIGIN, "k"), name, "exec")


def test_without_a_name_the_clients_are_listed() -> None:
    done = CliRunner().invoke(cli, ["client"])
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(CLIENTS)
    assert list(CLIENTS) == sorted(CLIENTS)


def test_an_unknown_client_is_a_usage_error_with_the_known_ones() -> None:
    done = CliRunner().invoke(cli, ["client", "nobody"])
    assert done.exit_code == 2
    assert "openclaw" in done.stderr


def test_the_settings_of_the_server_are_used(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('port = 99\nkeys = "phone=sk-secret"\n')
    done = CliRunner().invoke(cli, ["client", "curl", "--config", str(config)])
    assert "curl http://localhost:99/v1/chat/completions" in done.stdout
    assert "Bearer YOUR_KEY" in done.stdout
    assert "phone" in done.stderr
    assert "secret" not in done.output
    more = ["--port", "98", "--model", "haiku", "--key", "$KEY"]
    done = CliRunner().invoke(cli, ["client", "curl", "--config", str(config), *more])
    for text in ("http://localhost:98/v1", '"model": "haiku"', "Bearer $KEY"):
        assert text in done.stdout


def test_a_client_that_is_not_tested_says_so() -> None:
    assert "do not run" in CliRunner().invoke(cli, ["client", "aider"]).stderr
    assert "do not run" not in CliRunner().invoke(cli, ["client", "curl"]).stderr
