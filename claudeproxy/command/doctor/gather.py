"""Looks at this machine for `doctor`."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from ... import __version__
from ...cli.launch import CLI
from ...cli.lookup import Lookup
from ...errors import APIError
from ...settings import Settings, Sources, exposed_files
from ..manage.managers import installed_service
from ..server import Unreachable, address, ask, url
from ..told import as_mapping
from .account import ELSEWHERE, ask_login
from .facts import Facts, FoundCLI, Holder, Port
from .self_test import self_test


# An administrator's settings, which the CLI always reads.
MANAGED = {
    "darwin": "/Library/Application Support/ClaudeCode/managed-settings.json",
    "linux": "/etc/claude-code/managed-settings.json",
}
PORT_TIMEOUT = 5.0


async def gather(
    reactor: Any, sources: Sources, environ: Mapping[str, str], *, with_self_test: bool
) -> Facts:
    """Look at everything; starts the CLI, and a server on a free port for the self-test."""
    settings = sources.settings
    facts = Facts(
        version=__version__,
        file_warnings=exposed_files(sources),
        demo=settings.demo,
        variables=[name for name in ELSEWHERE if environ.get(name)],
        passed=settings.pass_environment,
        api_key_helpers=api_key_helpers(environ),
        port=port_of(settings),
        service=installed_service(settings, environ),
        memory=available_memory(),
        workers=settings.workers,
    )
    lookup = Lookup(reactor)
    try:
        cli: CLI = await lookup.find(settings.cli, environ)
    except APIError as error:
        return attrs.evolve(facts, cli_problem=error.message)
    finally:
        await lookup.stop()
    facts = attrs.evolve(facts, cli=FoundCLI(cli.path, cli.version, cli.where))
    if not settings.demo:
        facts = attrs.evolve(facts, login=await ask_login(reactor, cli, settings, environ))
    if with_self_test:
        facts = attrs.evolve(facts, self_test=await self_test(reactor, cli.path, environ))
    return facts


def api_key_helpers(environ: Mapping[str, str]) -> dict[str, bool]:
    """The settings files of the CLI that name an apiKeyHelper, and whether it reads them here."""
    home = environ.get("CLAUDE_CONFIG_DIR") or str(Path(environ.get("HOME", "")) / ".claude")
    # Under claudeproxy it reads none of the user's (--setting-sources "").
    files = {str(Path(home) / "settings.json"): False, MANAGED.get(sys.platform, ""): True}
    return {file: is_read for file, is_read in files.items() if file and _has_helper(file)}


def _has_helper(file: str) -> bool:
    try:
        return bool(as_mapping(json.loads(Path(file).read_text("utf-8"))).get("apiKeyHelper"))
    except (OSError, ValueError):
        return False


def port_of(settings: Settings) -> Port:
    """Who listens on the port of the server."""
    where = url(settings)
    try:
        answer = ask(settings, "/health", PORT_TIMEOUT)
    except Unreachable:
        if not _connects(settings):
            return Port(where)
        return Port(where, Holder.OTHER, holder_of(settings.port))
    about = as_mapping(answer.body)
    if about.get("provider") != "claude-code-cli":
        return Port(where, Holder.OTHER, holder_of(settings.port))
    version = str(about.get("version") or "")
    return Port(
        *(where, Holder.CLAUDEPROXY, holder_of(settings.port), version),
        not_ready=_why_not_ready(settings),
    )


def _why_not_ready(settings: Settings) -> str:
    """What the running server says; "" if it is ready, or is too old to say it."""
    try:
        told = as_mapping(ask(settings, "/health/ready", PORT_TIMEOUT).body)
    except Unreachable:
        return "It has just stopped."
    return "" if told.get("ready", True) else str(told.get("message") or "")


def _connects(settings: Settings) -> bool:
    try:
        socket.create_connection(address(settings), PORT_TIMEOUT).close()
    except OSError:
        return False
    return True


def holder_of(port: int) -> str:
    """The process that listens on a port, "" if that cannot be seen (only Linux shows it)."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text("ascii").splitlines()[1:]:
                words = line.split()
                # 0A: it listens.
                if words[3] == "0A" and int(words[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{words[9]}]")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if os.readlink(link) in sockets:
                process = link.parent.parent
                name = (process / "comm").read_text("utf-8", "replace").strip()
                return f"process {process.name}, {name}"
    return ""


def available_memory() -> int | None:
    """Bytes of memory that new processes can use; None where the system does not say."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            name, _, amount = line.partition(":")
            if name == "MemAvailable":
                return int(amount.split()[0]) * 1024
    return None
