"""What `doctor` makes of its facts."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from claudeproxy.command.doctor.account import described
from claudeproxy.command.doctor.facts import (
    Facts,
    FoundCLI,
    Holder,
    InstalledService,
    Login,
    Port,
)
from claudeproxy.command.doctor.findings import (
    MEMORY_PER_PROCESS,
    TESTED,
    Finding,
    Level,
    exit_status,
    findings_of,
    version_key,
)


URL = "http://127.0.0.1:3456"
CLI = FoundCLI("/usr/bin/claude", TESTED[-1], "PATH")
WELL = Facts(
    version="1.2.3",
    cli=CLI,
    self_test={"text": "", "tools": "", "rewinding": "", "limits": ""},
    login=Login(True, "me@example.com"),
    port=Port(URL),
    service=InstalledService("systemd", "/home/j/unit"),
    memory=16 * 1024**3,
    workers=8,
)


def found(check: str, **changes: Any) -> list[Finding]:
    findings = findings_of(attrs.evolve(WELL, **changes))
    return [finding for finding in findings if finding.check == check]


def only(check: str, **changes: Any) -> Finding:
    [finding] = found(check, **changes)
    return finding


def test_where_all_is_well_every_finding_is_good() -> None:
    findings = findings_of(WELL)
    assert {finding.level for finding in findings} == {Level.GOOD}
    assert exit_status(findings) == 0
    checks = ["settings", "files", "cli", *["self-test"] * 4, "login", "billing", "port"]
    assert [finding.check for finding in findings] == [*checks, "service", "memory"]


def test_the_exit_status_is_that_of_the_worst() -> None:
    good, warning, fault = (Finding(level, "check", "message") for level in Level)
    assert exit_status([]) == 0
    assert exit_status([good, warning, good]) == 1
    assert exit_status([fault, warning, good]) == 3


def test_what_is_not_good_says_what_to_do() -> None:
    worst = Facts(
        version="1.2.3",
        file_warnings=["/keys: other users can read the keys in this file. Run: chmod 600 /keys"],
        cli=attrs.evolve(CLI, version="2.0.1"),
        self_test={"text": "no answer", "rewinding": "not done"},
        login=Login(False),
        variables=["ANTHROPIC_API_KEY"],
        passed=["ANTHROPIC_API_KEY"],
        api_key_helpers={"/etc/managed": True},
        port=Port(URL, Holder.OTHER),
        service=InstalledService("systemd", "/unit", installed=True),
        memory=MEMORY_PER_PROCESS,
        workers=8,
    )
    findings = findings_of(worst)
    assert all(finding.remedy for finding in findings if finding.level is not Level.GOOD)
    assert [finding.level for finding in findings].count(Level.GOOD) == 1
    assert exit_status(findings) == 3


def test_settings_that_cannot_be_loaded_are_the_only_finding() -> None:
    [finding] = findings_of(attrs.evolve(WELL, settings_error="--port: must be an integer"))
    assert (finding.level, finding.message) == (Level.FAULT, "--port: must be an integer")


def test_a_missing_cli_is_a_fault_with_its_remedy() -> None:
    problem = "The Claude Code CLI was not found. Install it with `npm install`."
    finding = only("cli", cli=None, cli_problem=problem, self_test=None, login=None)
    assert finding.level is Level.FAULT
    assert finding.message == "The Claude Code CLI was not found."
    assert finding.remedy == "Install it with `npm install`."
    assert found("self-test", cli=None, self_test=None, login=None) == []


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("2.1.100", Level.WARNING),
        (TESTED[0], Level.GOOD),
        ("2.1.9", Level.WARNING),
        ("3.0.0", Level.GOOD),
    ],
)
def test_the_version_of_the_cli_is_judged(version: str, level: Level) -> None:
    finding = only("cli", cli=attrs.evolve(CLI, version=version))
    assert finding.level is level
    assert (finding.remedy == "Run: /usr/bin/claude update") is (level is not Level.GOOD)


def test_a_bundled_cli_is_updated_by_pip() -> None:
    old = FoundCLI("/venv/claude", "1.0.0", "bundled with claude-agent-sdk")
    assert "pip install --upgrade claude-agent-sdk" in only("cli", cli=old).remedy


def test_versions_are_compared_as_numbers() -> None:
    assert version_key("2.1.10") > version_key("2.1.9")
    assert version_key("2.1.332-beta.1") == (2, 1, 332)


def test_a_part_that_fails_is_a_fault_but_the_server_does_without_rewinding() -> None:
    text, rewinding = found("self-test", self_test={"text": "no answer", "rewinding": "spawned"})
    assert (text.level, rewinding.level) == (Level.FAULT, Level.WARNING)
    assert "no answer" in text.message


def test_without_a_login_there_is_a_fault_unless_it_is_a_demo() -> None:
    assert only("login", login=Login(False)).remedy == "Run: claudeproxy login"
    assert only("login", login=None, demo=True).level is Level.GOOD
    assert "exited" in only("login", login=Login(False, problem="exited with 1")).message


@pytest.mark.parametrize(
    ("account", "text"),
    [
        (
            {"email": "me@example.com", "subscriptionType": "max", "tokenSource": "claude.ai"},
            "me@example.com, plan: max, a login with claude.ai",
        ),
        (
            {"tokenSource": "CLAUDE_CODE_OAUTH_TOKEN", "apiKeySource": "none"},
            "the token in CLAUDE_CODE_OAUTH_TOKEN",
        ),
        (
            {"tokenSource": "none", "apiKeySource": "ANTHROPIC_API_KEY"},
            "the API key in ANTHROPIC_API_KEY, which is billed to an API account",
        ),
        ({"tokenSource": "something new"}, "by something new"),
        ({}, "how is not known"),
    ],
)
def test_a_login_is_described(account: dict[str, str], text: str) -> None:
    assert described(account) == text


def test_variables_matter_only_if_the_cli_gets_them() -> None:
    kept = only("billing", variables=["ANTHROPIC_API_KEY"])
    assert (kept.level, "does not get" in kept.message) == (Level.GOOD, True)
    both = ["ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"]
    passed, kept = found("billing", variables=both, passed=["ANTHROPIC_BASE_URL"])
    assert (passed.level, kept.level) == (Level.WARNING, Level.GOOD)
    assert "ANTHROPIC_BASE_URL" in passed.message


def test_an_api_key_helper_matters_only_if_it_is_read() -> None:
    read, unread = found("billing", api_key_helpers={"/etc/a": True, "/home/j/b": False})
    assert (read.level, unread.level) == (Level.WARNING, Level.GOOD)


@pytest.mark.parametrize(
    ("port", "level", "text"),
    [
        (Port(URL), Level.GOOD, "is free"),
        (Port(URL, Holder.OTHER, "process 7, nginx"), Level.FAULT, "(process 7, nginx)"),
        (Port(URL, Holder.CLAUDEPROXY, version="1.2.3"), Level.GOOD, "claudeproxy 1.2.3 runs"),
        (
            Port(URL, Holder.CLAUDEPROXY, version="1.2.3", not_ready="Usage limit reached."),
            Level.FAULT,
            "It is not ready. Usage limit reached.",
        ),
        (Port(URL, Holder.CLAUDEPROXY, version="1.2.2"), Level.WARNING, "version 1.2.3"),
        (Port(URL, Holder.CLAUDEPROXY), Level.GOOD, "unknown version"),
    ],
)
def test_whoever_has_the_port_is_told(port: Port, level: Level, text: str) -> None:
    finding = only("port", port=port)
    assert (finding.level, text in finding.message) == (level, True)


@pytest.mark.parametrize(
    ("states", "holder", "level"),
    [
        ({"installed": False}, Holder.NOBODY, Level.GOOD),
        ({"running": False}, Holder.NOBODY, Level.WARNING),
        ({"running": True}, Holder.CLAUDEPROXY, Level.GOOD),
        ({"running": True}, Holder.NOBODY, Level.WARNING),
        ({"running": True, "current": False}, Holder.CLAUDEPROXY, Level.WARNING),
    ],
)
def test_the_service_is_judged(states: dict[str, bool], holder: Holder, level: Level) -> None:
    service = InstalledService("systemd", "/unit", **{"installed": True, **states})
    assert only("service", service=service, port=Port(URL, holder)).level is level


def test_there_must_be_memory_for_the_workers() -> None:
    assert only("memory", memory=8 * MEMORY_PER_PROCESS).level is Level.GOOD
    little = only("memory", memory=3 * MEMORY_PER_PROCESS)
    assert (little.level, little.remedy) == (Level.WARNING, "Set `workers` to 3 or less.")
    assert found("memory", memory=None) == []
