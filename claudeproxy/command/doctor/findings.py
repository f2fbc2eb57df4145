"""The findings of `doctor`: pure decisions from facts."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Sequence

import attrs

from .facts import Facts, FoundCLI, Holder, InstalledService, Port


# The CLI versions with which the project's tests run, oldest first.
TESTED = ("2.1.197", "2.1.332")
# What a CLI process uses (doc/performance.md).
MEMORY_PER_PROCESS = 130 * 1024**2
MIB = 1024**2


class Level(enum.Enum):
    """How bad a finding is, and the exit status of the command if it is the worst."""

    GOOD = "good"
    WARNING = "warning"
    FAULT = "fault"

    @property
    def status(self) -> int:
        """The exit status; 2 is that of a wrong command line."""
        return {Level.GOOD: 0, Level.WARNING: 1, Level.FAULT: 3}[self]


@attrs.frozen
class Finding:
    """One thing that was looked at. remedy: what to do, "" if there is nothing to do."""

    level: Level
    check: str
    message: str
    remedy: str = ""


def exit_status(findings: Sequence[Finding]) -> int:
    """That of the worst finding."""
    return max((finding.level.status for finding in findings), default=0)


def findings_of(facts: Facts) -> list[Finding]:
    """All findings, in the order in which they matter."""
    if facts.settings_error:
        return [
            Finding(
                *(Level.FAULT, "settings", facts.settings_error),
                "Correct the setting. `claudeproxy config path` prints the path of the file.",
            )
        ]
    found: list[Finding] = [Finding(Level.GOOD, "settings", "The settings are valid.")]
    found += [Finding(Level.WARNING, "files", *_parted(text)) for text in facts.file_warnings]
    if not facts.file_warnings:
        found.append(Finding(Level.GOOD, "files", "No file with keys can be read by others."))
    found += _cli(facts)
    found += _self_test(facts)
    found += _login(facts)
    found += _billing(facts)
    if facts.port is not None:
        found.append(_port(facts.port, facts.version))
    if facts.service is not None:
        found.append(_service(facts.service, facts.port))
    found += _memory(facts)
    return found


def version_key(version: str) -> tuple[int, ...]:
    """A version for comparisons; what is not a number in it counts for nothing."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _parted(warning: str) -> tuple[str, str]:
    message, _, remedy = warning.partition(" Run: ")
    return message, f"Run: {remedy}" if remedy else ""


def _cli(facts: Facts) -> Iterator[Finding]:
    if facts.cli is None:
        problem = facts.cli_problem or "The Claude Code CLI was not found."
        message, _, remedy = problem.partition(" Install it ")
        yield Finding(Level.FAULT, "cli", message, f"Install it {remedy}" if remedy else "")
        return
    cli: FoundCLI = facts.cli
    what = f"Claude Code {cli.version}: {cli.path} ({cli.where})."
    update = f"Run: {cli.path} update"
    if cli.where.startswith("bundled"):
        update = "Run: pip install --upgrade claude-agent-sdk, in the environment of claudeproxy."
    # One that is too old was not found: `cli_problem` says so.
    if version_key(cli.version) < version_key(TESTED[0]):
        yield Finding(
            *(Level.WARNING, "cli", f"{what} It is older than what is tested ({TESTED[0]})."),
            update,
        )
    else:
        yield Finding(Level.GOOD, "cli", what)


def _self_test(facts: Facts) -> Iterator[Finding]:
    for name, problem in (facts.self_test or {}).items():
        if not problem:
            yield Finding(Level.GOOD, "self-test", f"{name}: works.")
        elif name == "rewinding":
            # The server does without.
            yield Finding(
                *(Level.WARNING, "self-test", f"{name}: {problem}."),
                "Edited and repeated conversations will be slower. Update the CLI.",
            )
        else:
            yield Finding(
                *(Level.FAULT, "self-test", f"{name}: {problem}."),
                f"Try another version of the CLI; {' and '.join(TESTED)} are tested.",
            )


def _login(facts: Facts) -> Iterator[Finding]:
    if facts.demo:
        yield Finding(Level.GOOD, "login", "The setting `demo` is on: no login is needed.")
    elif facts.login is None:
        return
    elif facts.login.problem:
        yield Finding(
            *(Level.FAULT, "login", f"The CLI could not be asked: {facts.login.problem}"),
            "Run the CLI by hand to see what it says.",
        )
    elif facts.login.logged_in:
        yield Finding(Level.GOOD, "login", f"Logged in: {facts.login.by}.")
    else:
        yield Finding(Level.FAULT, "login", "The CLI is not logged in.", "Run: claudeproxy login")


def _billing(facts: Facts) -> Iterator[Finding]:
    passed = [name for name in facts.variables if name in facts.passed]
    if passed:
        yield Finding(
            *(Level.WARNING, "billing", f"The CLI gets {', '.join(passed)} (pass_environment)."),
            "Requests go to that account or address, not to your plan. Remove it from the setting "
            "`pass_environment` if that is not what you want.",
        )
    kept = [name for name in facts.variables if name not in facts.passed]
    if kept:
        yield Finding(
            *(Level.GOOD, "billing", f"{', '.join(kept)}: set, but the CLI does not get it."),
        )
    for file, is_read in facts.api_key_helpers.items():
        if is_read:
            yield Finding(
                *(Level.WARNING, "billing", f"{file} sets apiKeyHelper, which the CLI uses."),
                "Requests may be billed to an API account. Ask who manages that file.",
            )
        else:
            yield Finding(
                *(
                    Level.GOOD,
                    "billing",
                    f"{file} sets apiKeyHelper, but is not read here.",
                ),
            )
    if not facts.variables and not facts.api_key_helpers:
        yield Finding(
            Level.GOOD, "billing", "Nothing in the environment would bill another account."
        )


def _port(port: Port, version: str) -> Finding:
    if port.holder is Holder.NOBODY:
        return Finding(Level.GOOD, "port", f"{port.url} is free; no server runs there.")
    who = f" ({port.who})" if port.who else ""
    if port.holder is Holder.OTHER:
        return Finding(
            *(Level.FAULT, "port", f"Another program listens on {port.url}{who}."),
            "Stop it, or choose another port: --port, or `port` in config.toml.",
        )
    what = f"claudeproxy {port.version or '(unknown version)'} runs on {port.url}{who}."
    if port.version and port.version != version:
        return Finding(
            *(Level.WARNING, "port", f"{what} This command is version {version}."),
            "Restart the server.",
        )
    if port.not_ready:
        # What the server uses can differ from what this command finds.
        return Finding(Level.FAULT, "port", f"{what} It is not ready. {port.not_ready}")
    return Finding(Level.GOOD, "port", what)


def _service(service: InstalledService, port: Port | None) -> Finding:
    if not service.installed:
        return Finding(
            *(Level.GOOD, "service", "No service is installed."),
            "To start it at login: claudeproxy service install",
        )
    what = f"The {service.kind} service is installed ({service.file})"
    if not service.running:
        return Finding(
            *(Level.WARNING, "service", f"{what}, but it does not run."),
            "Run: claudeproxy service start. `claudeproxy service logs` tells why it stopped.",
        )
    if not service.current:
        return Finding(
            *(Level.WARNING, "service", f"{what}, but not as this version would install it."),
            "Run: claudeproxy service install",
        )
    if port is not None and port.holder is Holder.NOBODY:
        return Finding(
            *(Level.WARNING, "service", f"{what} and runs, but not on {port.url}."),
            "Its settings differ from those of this terminal: claudeproxy service logs",
        )
    return Finding(Level.GOOD, "service", f"{what} and runs.")


def _memory(facts: Facts) -> Iterator[Finding]:
    if facts.memory is None or not facts.workers:
        return
    needed = facts.workers * MEMORY_PER_PROCESS
    what = (
        f"{facts.workers} CLI processes use up to {needed // MIB} MiB; "
        f"{facts.memory // MIB} MiB are available."
    )
    if needed <= facts.memory:
        yield Finding(Level.GOOD, "memory", what)
        return
    fitting = max(1, facts.memory // MEMORY_PER_PROCESS)
    yield Finding(Level.WARNING, "memory", what, f"Set `workers` to {fitting} or less.")
