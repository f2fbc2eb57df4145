"""The settings for clients: those of the pages in doc/clients/ and of other tests are the same."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from claudeproxy.client_texts import CLIENTS, filled
from claudeproxy.command.main import cli


ROOT = Path(__file__).parent.parent.parent
PAGES = {path: path.read_text("utf-8") for path in sorted((ROOT / "doc" / "clients").glob("*.md"))}
ORIGIN = "http://localhost:3456"


@pytest.fixture(autouse=True)
def nothing_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def blocks(page: str) -> list[str]:
    """The code blocks of a page."""
    return re.findall(r"^```\w+\n(.*?)\n```$", page, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_page_has_the_same(name: str) -> None:
    text = filled(CLIENTS[name], ORIGIN, "not-needed")
    assert [path.stem for path, page in PAGES.items() if text in blocks(page)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_says_whether_the_client_was_tried(path: Path) -> None:
    page = PAGES[path]
    # Each client whose settings are on this page.
    here = {
        name: client
        for name, client in CLIENTS.items()
        if filled(client, ORIGIN, "not-needed") in blocks(page)
    }
    assert here
    for name, client in here.items():
        assert f"`claudeproxy client {name}`" in page or f"`{name}`" in page
        if client.tried:
            assert f"`{client.tried}`" in page
        else:
            assert "not tried" in page.lower()
    named = set(re.findall(r"`(tests/[\w/.-]+)`", page))
    assert [path for path in named if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("name", [name for name, client in CLIENTS.items() if client.tried])
def test_the_test_that_is_named_uses_these_settings(name: str) -> None:
    assert f'"{name}"' in (ROOT / CLIENTS[name].tried).read_text("utf-8")


def test_the_list_of_clients_tells_of_the_same_trials() -> None:
    rows = (ROOT / "doc" / "clients.md").read_text("utf-8").splitlines()
    untried = {
        target
        for row in rows
        for target in re.findall(r"\| not tried \| \[[^]]+\]\(clients/([\w-]+)\.md", row)
    }
    pages = {path.stem for path, page in PAGES.items() if "**Not tried.**" in page}
    assert untried == pages


@pytest.mark.parametrize("name", CLIENTS)
def test_everything_is_filled_in(name: str) -> None:
    text = filled(CLIENTS[name], "http://10.0.0.1:99", "$SECRET", "a-model")
    assert not re.search(r"\$(?!SECRET)[A-Z]", text)
    assert "3456" not in text
    assert ":99" in text


def test_what_has_a_syntax_is_valid() -> None:
    json.loads(filled(CLIENTS["openclaw"], ORIGIN, "k"))
    codex = tomllib.loads(filled(CLIENTS["codex"], ORIGIN, "k"))
    assert codex["model"] == "opus"
    assert codex["model_providers"]["claudeproxy"]["env_key"] == "CODEX_KEY"
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


@pytest.mark.parametrize("name", CLIENTS)
def test_every_client_is_told_where_a_key_goes(name: str, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('keys = "phone=sk-secret"\n')
    done = CliRunner().invoke(cli, ["client", name, "--config", str(config)])
    assert ("YOUR_KEY" in done.stdout) is not bool(CLIENTS[name].give)
    assert CLIENTS[name].give in done.stderr
    assert "phone" in done.stderr
    # Without keys none of this is said.
    done = CliRunner().invoke(cli, ["client", name])
    assert "one of this server's keys" not in done.stderr


def test_codex_gets_its_key_from_a_variable(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('keys = "phone=sk-secret"\n')
    done = CliRunner().invoke(cli, ["client", "codex", "--config", str(config)])
    assert done.stdout.endswith('wire_api = "responses"\nenv_key = "CODEX_KEY"\n')
    assert "CODEX_KEY to one of this server's keys" in done.stderr
    assert "env_key" not in CliRunner().invoke(cli, ["client", "codex"]).stdout


def test_the_name_that_openclaw_shows_follows_the_model() -> None:
    done = CliRunner().invoke(cli, ["client", "openclaw", "--model", "haiku"])
    provider = json.loads(done.stdout)["models"]["providers"]["claudeproxy"]
    assert [(each["id"], each["name"]) for each in provider["models"]] == [("haiku", "haiku")]


def test_a_client_that_is_not_tested_says_so() -> None:
    assert "do not run" in CliRunner().invoke(cli, ["client", "zed"]).stderr
    assert "do not run" not in CliRunner().invoke(cli, ["client", "curl"]).stderr


def test_a_key_that_is_given_is_told_where_it_goes() -> None:
    # It may be one of a server whose settings are not here.
    done = CliRunner().invoke(cli, ["client", "codex", "--key", "k"])
    assert 'env_key = "CODEX_KEY"' in done.stdout
    assert done.stderr.endswith(f"\n{CLIENTS['codex'].give}\n")
